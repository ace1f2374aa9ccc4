"""Names and texts made to act on a terminal, to turn a line around or to forge one: shown escaped everywhere."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.studio import Studio
from tests.support import wait_for

ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no file or output of ours may hold raw: everything but line ends, tabs and what is plainly shown."""

FORGED = '{"event": "daemon_ready", "forged": true}'
EVIL = f"\x1b[2J\x9b31m\r\u202eevil\u2066\u2028\n{FORGED}\n"
NAMES = [
    f"{EVIL}.yaml".replace("/", "").encode(),
    b"\x1b]0;owned\x07.yaml",
    "\u202elmay.exe.yaml".encode(),
    b"\xff\xfe\x9b31m.yaml",
    b"\n" * 200 + b".yaml",
    b"e" * 250 + b".yaml",
    f"{FORGED}\n.yml.txt".encode(),
]
BIDI = "left \u202eright\u2066 \u200f"
"""What may stand in a request: no control characters, but marks that turn the text around."""

HOSTILE = """\
import json, os
EVIL = {evil!r}

def run(context):
    print(EVIL)
    os.write(1, b"\\xff\\x1b[2J\\n")
    context.progress(0.5, EVIL)
    (context.out_dir / "made.txt").write_text(EVIL)
    context.describe("made.txt", "text", note=EVIL, notes=[EVIL])

def fail(context):
    raise RuntimeError(EVIL + chr(0xDCFF) + chr(0xD800))
"""
PIPELINE = """\
name: hostile
params: {word: {type: string}}
stages:
  - {name: make, run: "./hostile.py:run", gate: true, outputs: [made.txt]}
  - {name: fail, run: "./hostile.py:fail", outputs: [nothing.txt]}
"""


@pytest.fixture
def attacked(studio: Studio) -> Studio:
    """A live daemon that was given everything: names, a request, a stage, an edit, decisions, look-alikes."""
    studio.pipeline("hostile", PIPELINE, hostile=HOSTILE.format(evil=EVIL))
    for name in NAMES:
        Path(os.fsdecode(os.fsencode(studio.root / "inbox") + b"/" + name)).write_text("intent: x\n...\n")
    studio.drop("control.yaml", 'intent: "\\e[2J\\u202e"\n...\n')
    studio.drop("key.yaml", f'intent: x\n"{BIDI}": 1\n...\n')
    studio.start()
    studio.submit("h-1", "hostile", labels={"team": BIDI}, params={"word": BIDI}, intent=f"an {BIDI} intent")
    studio.wait("h-1", "needs_approval")
    run = studio.run("h-1")
    (run / f"approve{EVIL.replace('/', '')}.yml").write_text("")
    (run / "made.txt").write_text(f"edited {EVIL}")
    studio.wait_for_review("h-1", "+edited")
    studio.write("h-1", "approve.yaml", f'"{BIDI}": 1\n...\n')
    wait_for((run / "approve.yaml.error.txt").exists, "the refusal")
    (run / "approve.yaml").unlink()
    wait_for(lambda: len(list((studio.root / "inbox/rejected").glob("*.error.txt"))) >= 8, "the refusals")
    return studio


@pytest.mark.fault(147)
def test_nothing_that_acts_is_shown_raw(attacked: Studio) -> None:
    """At the gate and after the failure, no file and no command of ours holds an escape, a bidi mark, a forged line."""
    check(attacked, "review h-1", "review h-1 --diff", "status --waiting")
    attacked.answer("h-1", "approve", by=BIDI, notes=BIDI)
    attacked.wait("h-1", "failed")
    check(attacked)
    events = [json.loads(line) for line in attacked.log.read_text().splitlines()]
    assert all("forged" not in event and event["event"] != "crashed" for event in events)


COUNTING = """\
name: counting
stages:
  - name: count
    command: [sh, -c, 'echo "nan of something" >> "$SPORK_PROGRESS"; until test -e "$SPORK_RUN/go"; do sleep 0.1; done']
    gate: true
"""


def test_a_fraction_that_is_none_is_shown_as_it_stands(studio: Studio) -> None:
    """A stage may say `nan`: status shows the line, and `--json` stays JSON."""
    studio.pipeline("counting", COUNTING)
    studio.start()
    studio.submit("c-1", "counting")
    wait_for(lambda: list(studio.run("c-1").glob(".work/*.progress")), "the stage to say how far it is")
    for call in ("status", "status c-1"):
        assert "nan of something" in studio.spork(*call.split()).stdout
    shown = json.loads(studio.spork("status", "c-1", "--json").stdout)
    assert shown["progress"] == {"fraction": None, "message": "nan of something"}
    (studio.run("c-1") / "go").touch()
    studio.wait("c-1", "needs_approval")


@pytest.mark.parametrize("text", ["[" * 100_000, "[3]", "{"], ids=["too deep", "no object", "cut"])
def test_copies_that_cannot_be_read_are_no_copies(gated: Studio, text: str) -> None:
    """In a folder where others write: doctor names the job, and who answers is told that the gate is not shown yet."""
    gated.stop()
    for name in ("state.json", "gate.json"):
        (gated.run("g-1") / name).write_text(text)
    gated.spork("status", "g-1")
    for call, code, says in (
        ("doctor", 1, "not what the database says: g-1"),
        ("approve g-1", 75, "gate.json"),
        ("review g-1 --json", 65, "gate.json: not as the daemon wrote it"),
    ):
        done = gated.spork(*call.split(), check=False)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code and says in done.stdout + done.stderr, done.stdout + done.stderr
    gated.start()
    assert json.loads(gated.spork("review", "g-1", "--json").stdout)["stage"] == "draft"


def check(studio: Studio, *more: str) -> None:
    for path in ours(studio):
        text = path.read_text(encoding="utf-8")
        assert ACTS.search(text) is None, f"{path.name}: {ACTS.search(text)!r} in {text!r}"
        assert not ACTS.search(path.name) and path.name.isprintable(), path
    entries = [
        entry
        for folder in ("inbox", "runs/h-1", "inbox/rejected")
        for entry in os.scandir(studio.root / folder)
    ]
    calls = [command.split() for command in ("status", "status h-1", "events h-1", "logs h-1 make", *more)]
    calls.append(["explain", *(entry.path for entry in entries)])
    calls.append(
        ["check", *(entry.path for entry in entries if entry.is_file() and entry.name.endswith(".yaml"))]
    )
    for call in calls:
        done = studio.spork(*call, check=False)
        said = done.stdout + done.stderr
        assert "Traceback" not in said, said
        assert ACTS.search(said) is None, f"{call}: {ACTS.search(said)!r} in {said!r}"
        # A review quotes what was made, and a log is what a stage printed: nothing else has lines of theirs.
        assert call[0] in ("review", "logs") or FORGED not in said.splitlines(), call


def ours(studio: Studio) -> list[Path]:
    """The files that the daemon writes for people and programs."""
    run = studio.run("h-1")
    names = "REVIEW.md gate.json state.json events.jsonl approve.template.yaml reject.template.yaml".split()
    found = [run / name for name in names if (run / name).exists()]
    found += [*run.glob("*.error.txt"), *(studio.root / "inbox/rejected").glob("*.error.txt")]
    return [*found, studio.log, studio.root / "jobs/state.jsonl"]
