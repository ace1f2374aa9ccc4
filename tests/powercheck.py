"""After a power cut: what was told must be there, and all open work must come to its end."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial

from tests import history
from tests.crashed import Crashed, disagreements
from tests.powerload import ENDED, EVENTS, Told, last_seq, runs, state_of, taken
from tests.support import wait_for


def verify(studio: Crashed, asked: dict[str, bytes], told: Sequence[Told]) -> list[str]:
    """Start the daemon, see what was told, lead all work to its end; everything that is wrong."""
    studio.start()
    try:
        found = [*_kept(studio, asked, told)]
        lead(studio, asked, {t.job_id for t in told if t.kind == "request"})
        code = studio.stop()
    finally:
        studio.close()
    if code != 0:
        found.append(f"the daemon ended with {code}")
    jobs = taken(studio, asked)
    found += [f"{name}: taken twice" for name, count in Counter(jobs.values()).items() if count > 1]
    if not jobs:
        # Cut before there was any work.
        return found
    submitted = {job_id: asked.get(name, b"") for job_id, name in jobs.items()}
    return [*found, *history.faults(studio.root, submitted), *disagreements(studio.root)]


def _kept(studio: Crashed, asked: dict[str, bytes], told: Sequence[Told]) -> Iterator[str]:
    """What was told and is not there."""
    seq = max((t.seq for t in told if t.kind == "seq"), default=0)
    if last_seq(studio.root) < seq:
        yield f"event {seq} had been read, now the last is {last_seq(studio.root)}"
    for one in told:
        if one.kind == "seq":
            continue
        try:
            wait_for(partial(_is_there, studio, asked, one), "it")
        except AssertionError:
            yield f"lost: {one}"


def _is_there(studio: Crashed, asked: dict[str, bytes], told: Told) -> bool:
    if told.kind == "request":
        return told.job_id in taken(studio, asked).values()
    try:
        events = studio.events(told.job_id)
    except (FileNotFoundError, ValueError):
        # Not there yet, or a copy that the power cut left short.
        return False
    return any(
        event["type"] in EVENTS[told.kind]
        and (told.kind == "cancel" or (event["stage"], event["attempt"]) == (told.stage, told.attempt))
        for event in events
    )


def lead(studio: Crashed, asked: dict[str, bytes], promised: set[str]) -> None:
    """Approve every gate, resume what is paused, and take away requests that were lost on their way in."""
    given: set[tuple[str, int]] = set()

    def over() -> bool:
        assert studio.process is not None and studio.process.poll() is None, studio.log.read_text()[-3000:]
        open_jobs = 0
        for job_id in runs(studio):
            state = state_of(studio, job_id)
            open_jobs += state.get("status") not in ENDED
            lying = [studio.run(job_id) / f"{verb}.yaml" for verb in EVENTS]
            lying = [path for path in lying if path.exists()]
            for path in lying:
                # Refused, as what lost its bytes is; or the job ended by an answer that came first.
                reason = path.with_name(f"{path.name}.error.txt")
                if reason.exists() or state.get("status") in ENDED:
                    path.unlink(missing_ok=True)
                    reason.unlink(missing_ok=True)
            if state.get("status") not in ("needs_approval", "paused") or (job_id, state["seq"]) in given:
                continue
            with suppress(FileNotFoundError):
                if lying:
                    continue
                if state["status"] == "paused":
                    studio.write(job_id, "resume.yaml", "...\n")
                else:
                    studio.answer(job_id, "approve")
                given.add((job_id, state["seq"]))
        return open_jobs == 0 and not _arriving(studio, asked, promised)

    wait_for(over, "the end of all jobs", 60)


def _arriving(studio: Crashed, asked: dict[str, bytes], promised: set[str]) -> bool:
    """Whether a request is on its way in. One that lost its bytes is removed: what was told of is there by now."""
    inbox = studio.root / "inbox"
    for path in inbox.iterdir():
        if path.name == "rejected":
            continue
        if path.stem in promised and path.is_dir():
            return True
        if path.is_dir() and not (inbox / f"{path.name}.yaml").exists():
            shutil.rmtree(path)
        elif path.is_file() and path.suffix == ".yaml" and path.read_bytes() != asked[path.stem]:
            # Also one that was taken before the cut: its name is back, its bytes never were on the disk.
            path.unlink(missing_ok=True)
        else:
            return True
    return False
