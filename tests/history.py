"""What must hold of a workspace after anything: read from its files alone, knowing nothing of the code.

Stages leave lines in a witness file outside their runs (``start JOB STAGE ATTEMPT``, ``end ...``, and
``overlap ...`` from one that found another at work); ``faults`` holds these against the ledger, the
jobs' own events, their states, the decisions and the files that were published.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

STAGE = """\
import fcntl, os, time

PLACE = {place!r}

def note(word, context):
    fd = os.open(PLACE + ".witness", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, f"{{word}} {{context.job_id}} {{context.stage}} {{context.attempt}}\\n".encode())
    os.close(fd)

def run(context):
    # Held to the end of this process and of whatever it starts: the probe for two at once.
    probe = os.open(PLACE + ".probe", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(probe, True)
    try:
        fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note("overlap", context)
    note("start", context)
    work(context)
    note("end", context)

"""
"""A stage that leaves its lines and calls ``work(context)``; ``place`` is where the witness file lies."""

Line = dict[str, Any]
ENDS = {
    "stage_completed": "completed",
    "stage_failed": "failed",
    "stage_interrupted": "interrupted",
    "stage_canceled": "canceled",
}
AGAIN = {"stage_retried", "job_rewound", "job_resumed"}
DECIDED = {"gate_approved", "gate_rejected"}


def faults(root: Path, submitted: Mapping[str, bytes], witness: Path | None = None) -> list[str]:
    """Everything that is wrong with a workspace at rest; ``submitted``: job id and the request's bytes."""
    ledger = entered(root)
    by_job: dict[str, list[Line]] = defaultdict(list)
    for event in ledger:
        by_job[event["job_id"]].append(event)
    found = [*_ledger(ledger), *_accepted(root, submitted, by_job), *_lane(ledger), *_leftovers(root)]
    found += _refused(root, ledger)
    for job_id in submitted:
        told = (f"{job_id}: {fault}" for fault in _job(root / "runs" / job_id, by_job[job_id]))
        found += told
    if witness is not None:
        found += _witnessed(witness, ledger)
    return found


def entered(root: Path) -> list[Line]:
    """The ledger: its closed files, by the number of their last event in the name, then the one that grows."""
    closed = sorted(
        (root / "jobs").glob("state-*.jsonl"), key=lambda path: int(path.stem.removeprefix("state-"))
    )
    found: list[Line] = []
    for path in closed:
        found += lines(path)
        if not found or found[-1]["seq"] != int(path.stem.removeprefix("state-")):
            raise ValueError(f"{path}: does not end with the event of its name")
    return found + (
        lines(root / "jobs/state.jsonl") if not closed or (root / "jobs/state.jsonl").exists() else []
    )


def lines(path: Path) -> list[Line]:
    """The lines of a file of events; a line that is cut or no JSON is a ValueError."""
    text = path.read_text()
    if text and not text.endswith("\n"):
        raise ValueError(f"{path}: its last line is cut")
    return [json.loads(line) for line in text.splitlines()]


def _ledger(ledger: list[Line]) -> Iterator[str]:
    numbers = [event["seq"] for event in ledger]
    if numbers != list(range(1, len(numbers) + 1)):
        odd = next(
            n for n, (seen, due) in enumerate(zip(numbers, range(1, 10**9), strict=False)) if seen != due
        )
        yield f"ledger: line {odd + 1} has seq {numbers[odd]}; every event must stand there once, in order"


def _accepted(root: Path, submitted: Mapping[str, bytes], by_job: Mapping[str, list[Line]]) -> Iterator[str]:
    for job_id, data in submitted.items():
        accepted = sum(event["type"] == "job_queued" for event in by_job.get(job_id, ()))
        if accepted != 1:
            yield f"{job_id}: accepted {accepted} times"
        kept = root / f"jobs/{job_id}.yaml"
        if not kept.exists() or kept.read_bytes() != data:
            yield f"{job_id}: jobs/{job_id}.yaml is not the request"
    for job_id in by_job:
        if job_id is not None and job_id not in submitted:
            yield f"{job_id}: a job that nobody asked for"
    for folder in (root / "runs").iterdir():
        if not folder.name.startswith(".") and folder.name not in submitted:
            yield f"runs/{folder.name}: a run that nobody asked for"
    for path in (root / "inbox").iterdir():
        if path.name != "rejected":
            yield f"inbox/{path.name}: still there"


def _refused(root: Path, ledger: list[Line]) -> Iterator[str]:
    """Each refused request is recorded once, and kept once."""
    files = (e["payload"].get("identity") for e in ledger if e["type"] == "request_refused")
    yield from (f"refused {n} times: {file}" for file, n in Counter(files).items() if file and n > 1)
    kept = (path for path in (root / "inbox/rejected").glob("*") if not path.name.endswith(".error.txt"))
    same = Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in kept)
    yield from (f"inbox/rejected: kept {n} times: {sha}" for sha, n in same.items() if n > 1)


def _lane(ledger: list[Line]) -> Iterator[str]:
    """At most one attempt is open at any time, over the whole workspace."""
    running: tuple[str, str, int] | None = None
    unseen: set[tuple[str, str, int]] = set()
    due = 1
    for event in ledger:
        if event["seq"] != due and running is not None:
            # Its end may stand where numbers are missing, as they are in a restored backup: the copy of its run
            # was made before that end, those of others later. What ends it here is the restart.
            unseen.add(running)
            running = None
        due = event["seq"] + 1
        attempt = (event["job_id"], event["stage"], event["attempt"])
        if event["type"] == "stage_started":
            if running is not None:
                yield f"seq {event['seq']}: {attempt} started while {running} was open"
            running = attempt
        elif event["type"] in ENDS and attempt in unseen:
            unseen.remove(attempt)
        elif event["type"] in ENDS:
            if attempt != running:
                yield f"seq {event['seq']}: {attempt} ended, but open was {running}"
            running = None
    yield from (f"{attempt} is still open" for attempt in (running, *sorted(unseen)) if attempt is not None)


def _job(run: Path, events: list[Line]) -> Iterator[str]:
    if lines(run / "events.jsonl") != events:
        yield "events.jsonl is not the ledger's events of this job, each once and in order"
    state = json.loads((run / "state.json").read_text())
    yield from _attempts(events)
    yield from _gates(events)
    yield from _state(state, events)
    yield from _files(run, state)
    yield from _decisions(run, events)


def _attempts(events: list[Line]) -> Iterator[str]:
    """Attempts are numbered one by one, and what completed starts again only if a person said so."""
    begun: Counter[str] = Counter()
    done: set[str] = set()
    for event in events:
        stage = event["stage"]
        if event["type"] == "stage_started":
            begun[stage] += 1
            if event["attempt"] != begun[stage]:
                yield f"attempt {event['attempt']} of {stage} is its start number {begun[stage]}"
            if stage in done:
                yield f"{stage} started again after it had completed"
        elif event["type"] == "stage_completed":
            if stage in done:
                yield f"{stage} completed twice"
            done.add(stage)
        elif event["type"] == "job_rewound":
            done -= set(event["payload"]["stages"])
        elif event["type"] in AGAIN:
            done.discard(stage)


def _gates(events: list[Line]) -> Iterator[str]:
    """A gate opens once for an attempt, is decided at most once, and nothing starts while it waits."""
    opened: set[tuple[str, int]] = set()
    decided: set[tuple[str, int]] = set()
    waiting: tuple[str, int] | None = None
    for event in events:
        gate = (event["stage"], event["attempt"])
        if event["type"] == "gate_pause":
            if gate in opened:
                yield f"the gate of {gate} opened twice"
            opened.add(gate)
            waiting = gate
        elif event["type"] == "gate_reopened":
            decided.discard(gate)
            waiting = gate
        elif event["type"] in DECIDED:
            if gate != waiting or gate in decided:
                yield f"{event['type']} of {gate}, but {waiting} waited"
            decided.add(gate)
            waiting = None
        elif event["type"] == "stage_started" and waiting is not None:
            yield f"{gate} started while the gate of {waiting} waited"


def _state(state: Line, events: list[Line]) -> Iterator[str]:
    last = events[-1] if events else {"seq": 0, "status": None}
    if (state["seq"], state["status"]) != (last["seq"], last["status"]):
        yield f"state.json: {state['status']} at seq {state['seq']}, but the last event is {last}"
    begun = Counter(event["stage"] for event in events if event["type"] == "stage_started")
    shown = {stage["name"]: stage["attempts"] for stage in state["stages"] if stage["attempts"]}
    if shown != dict(begun):
        yield f"state.json: attempts {shown}, but started were {dict(begun)}"
    given = [
        (d["stage"], d["attempt"], "gate_approved" if d["decision"] == "approve" else "gate_rejected")
        for d in state["decided"]
    ]
    recorded = [(e["stage"], e["attempt"], e["type"]) for e in events if e["type"] in DECIDED]
    if given != recorded:
        yield f"state.json: decided {given}, but recorded were {recorded}"


def _files(run: Path, state: Line) -> Iterator[str]:
    listed: dict[str, str] = {}
    for stage in state["stages"]:
        for artifact in stage["artifacts"]:
            if stage["status"] == "completed":
                listed[artifact["path"]] = artifact["sha256"]
    for path, sha in listed.items():
        there = run / path
        if not there.is_file():
            yield f"{path} is not there"
        elif hashlib.sha256(there.read_bytes()).hexdigest() != sha:
            yield f"{path} does not have the sha256 of its stage"


def _decisions(run: Path, events: list[Line]) -> Iterator[str]:
    """Each recorded decision is kept with its bytes, once, and its file is gone from where it was put."""
    kept = Counter(
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (run / "decisions").glob("*.yaml")
    )
    given = Counter(
        event["payload"]["sha256"]
        for event in events
        if event["type"] in DECIDED | {"job_canceled", "job_resumed"} and event["payload"].get("sha256")
    )
    if kept != given:
        yield f"decisions/ holds {dict(kept)}, recorded were {dict(given)}"
    for verb in ("approve", "reject", "cancel", "resume"):
        if (run / f"{verb}.yaml").exists():
            yield f"{verb}.yaml still lies there"


def _leftovers(root: Path) -> Iterator[str]:
    work = list((root / "runs").glob("*/.work/*"))
    half = list(root.rglob(".spork-*"))
    for path in (*work, *half, *(root / "runs/.incoming").iterdir()):
        yield f"{path.relative_to(root)}: left over"


def _witnessed(witness: Path, ledger: list[Line]) -> Iterator[str]:
    """What the stages themselves saw: none beside another, none unrecorded, none twice."""
    recorded = {_attempt(e): "open" for e in ledger if e["type"] == "stage_started"}
    recorded |= {_attempt(e): ENDS[e["type"]] for e in ledger if e["type"] in ENDS}
    seen = [line.split(" ", 1) for line in (witness.read_text().splitlines() if witness.exists() else ())]
    begun, ended = (Counter(who for word, who in seen if word == what) for what in ("start", "end"))
    yield from (f"overlap: {who}" for word, who in seen if word == "overlap")
    for who, count in begun.items():
        if count > 1:
            yield f"{who} started {count} times"
        if who not in recorded:
            yield f"{who} started, but that was not recorded"
    for who, end in recorded.items():
        if end == "completed" and (begun[who], ended[who]) != (1, 1):
            yield f"{who} completed, but began {begun[who]} and ended {ended[who]} times"
    now = ""
    for word, who in seen:
        if word == "start":
            now = who
        elif word == "end" and who != now:
            yield f"{who} ended after {now} had started"


def _attempt(event: Line) -> str:
    return f"{event['job_id']} {event['stage']} {event['attempt']}"
