"""A live daemon and time: clocks that jump, zones that change, stamps that lie, a daemon that sleeps."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import history
from tests.crashed import disagreements
from tests.studio import GATED, QUICK, Studio
from tests.support import wait_for

FAKETIME = next(
    (str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")),
    "/usr/lib/faketime/libfaketime.so.1",
)
needs_faketime = pytest.mark.skipif(not os.path.exists(FAKETIME), reason="faketime is not installed")

SHORT = "name: cancel\nstages:\n  - {name: cancel, command: [sh, -c, 'echo x > out.txt'], gate: true}\n"
SOON = QUICK + "gates: {cancel: {required: true, timeout_minutes: 0.15, on_timeout: cancel}}\n"
SLOW = """\
name: slow
stages:
  - {name: only, run: "./slow.py:run", outputs: [done.txt]}
"""
WORK = """\
def work(context):
    while not os.path.exists(PLACE + ".go"):
        time.sleep(0.01)
    (context.out_dir / "done.txt").write_text("done\\n")
"""


SLEEPING = """\
import select, sys, time
# libfaketime 0.9.10 lets a sleep until a moment of the true monotonic clock fail, as Python's is.
time.sleep = lambda seconds: select.select((), (), (), seconds) and None
from daemon.cli import main
sys.exit(main(sys.argv[1:]))
"""


class Skewed(Studio):
    """A studio whose daemon has a wall clock that a test sets while it runs. The boot clock is the machine's."""

    def command(self, *arguments: str) -> list[str]:
        argv = super().command(*arguments)
        return [argv[0], "-c", SLEEPING, *argv[3:]] if "daemon" in arguments else argv

    def set_clock(self, skew: str) -> None:
        """``+10y``, ``-3650d``: against the machine's clock."""
        beside = self.root / "skew.new"
        beside.write_text(f"{skew}\n")
        beside.rename(self.root / "skew")

    def start_skewed(self, **env: str) -> None:
        self.set_clock("+0")
        asked = {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(self.root / "skew"),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.start(env={**asked, **env})


@pytest.fixture
def skewed(tmp_path: Path) -> Iterator[Skewed]:
    made = Skewed(tmp_path / "studio", QUICK + "watch: {rescan_seconds: 1}\n")
    made.pipeline("gated", GATED)
    yield made
    made.close()


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Studio]:
    """A live daemon whose gates expire soon."""
    made = Studio(tmp_path / "studio", SOON)
    made.pipeline("cancel", SHORT)
    made.start()
    yield made
    made.close()


def complete(studio: Studio, job_id: str) -> None:
    """A request that is only copied in, and an answer by hand, so that both have to settle; then to the job's end."""
    text = f"intent: x\nid: {job_id}\npipeline: gated\ngates: {{draft: {{timeout_minutes: 60}}}}\n"
    (studio.root / f"inbox/{job_id}.yaml").write_text(text)
    studio.wait(job_id, "needs_approval")
    (studio.run(job_id) / "approve.yaml").write_text("by: alice\n")
    studio.wait(job_id, "completed")


def year_of(event: dict[str, str]) -> int:
    return datetime.fromisoformat(event["ts"]).year


@needs_faketime
@pytest.mark.fault(121)
def test_the_wall_clock_jumps_by_ten_years(skewed: Skewed) -> None:
    """Nothing expires by it, what has to settle settles, and what happened later has the greater number."""
    skewed.start_skewed()
    skewed.submit("waits", "gated", gates={"draft": {"timeout_minutes": 60}})
    skewed.wait("waits", "needs_approval")
    opened = skewed.state("waits")
    for turn, skew in enumerate(("+3650d", "-3650d", "+0")):
        skewed.set_clock(skew)
        complete(skewed, f"job-{turn}")
        assert skewed.state("waits") == opened
    ledger = history.lines(skewed.root / "jobs/state.jsonl")
    now = datetime.now(UTC).year
    years = [year_of(event) for event in ledger]
    assert {now + 10, now - 10, now} & set(years) == {now + 10, now - 10, now}, "the clock did not jump"
    assert [event["seq"] for event in ledger] == list(range(1, len(ledger) + 1))
    skewed.answer("waits", "approve")
    skewed.wait("waits", "completed")
    assert skewed.stop() == 0
    assert disagreements(skewed.root) == []


@needs_faketime
@pytest.mark.fault(121)
def test_time_passes_while_the_wall_clock_is_wrong(skewed: Skewed) -> None:
    """A gate and a stage have as much time as they were given, though the date is ten years back."""
    skewed.pipeline("slow", SLOW, slow=history.STAGE.format(place=str(skewed.root)) + WORK)
    skewed.start_skewed()
    skewed.submit("waits", "gated", gates={"draft": {"timeout_minutes": 0.05}})
    skewed.wait("waits", "needs_approval")
    skewed.submit("runs", "slow", stage_timeouts={"only": 0.05})
    skewed.wait("runs", "running")
    skewed.set_clock("-3650d")
    skewed.wait("runs", "failed", "timeout")
    skewed.wait("waits", "paused", "expired")


@pytest.mark.fault(122)
@pytest.mark.parametrize("zone", ["Asia/Kolkata", "XYZ-5:30ABC"])
def test_times_are_utc_in_every_zone(studio: Studio, zone: str) -> None:
    """Events, state and review say the time in UTC, with a zone of the machine's or of its own, without tzdata."""
    studio.start(env={"TZ": zone, "PYTHONTZPATH": "", "TZDIR": "/nonexistent" if "-" in zone else ""})
    studio.submit("a")
    state = studio.wait("a", "needs_approval")
    gate = json.loads((studio.run("a") / "gate.json").read_text())
    for text in (*(event["ts"] for event in studio.events("a")), state["created_at"], gate["opened_at"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
        # Every zone above is further away than that.
        assert abs(datetime.now(UTC) - datetime.fromisoformat(text)) < timedelta(minutes=20)
    assert gate["opened_at"] in (studio.run("a") / "REVIEW.md").read_text() or gate["expires_at"] is None


@pytest.mark.fault(122)
def test_a_gate_survives_a_move_to_another_zone(tmp_path: Path) -> None:
    """A daemon that is started again a day of clock faces further on counts the same time."""
    studio = Studio(tmp_path / "studio", QUICK + "gates: {draft: {required: true, timeout_minutes: 60}}\n")
    try:
        studio.start(env={"TZ": "Pacific/Kiritimati"})
        studio.submit("g")
        before = studio.wait("g", "needs_approval")
        studio.stop()
        studio.start(env={"TZ": "America/Adak"})
        studio.submit("later")
        studio.wait("later", "needs_approval")
        assert studio.state("g") == before
        ledger = [event["ts"] for event in history.lines(studio.root / "jobs/state.jsonl")]
        assert ledger == sorted(ledger)
    finally:
        studio.close()


@needs_faketime
@pytest.mark.fault(122)
def test_the_hours_that_come_never_and_twice(skewed: Skewed) -> None:
    """When the clocks of Berlin are set, at 01:00 UTC, no event seems to come an hour early or late."""
    skewed.start_skewed(TZ="Europe/Berlin")
    for night in ("2030-03-31", "2030-10-27"):
        away = datetime.fromisoformat(f"{night}T00:59:55Z") - datetime.now(UTC)
        skewed.set_clock(f"{away.total_seconds():+.0f}")
        skewed.submit(f"before-{night}", "gated")
        skewed.wait(f"before-{night}", "needs_approval")
        skewed.set_clock(f"{away.total_seconds() + 10:+.0f}")
        complete(skewed, f"after-{night}")
        # By their jobs: the ledger is written last, and may lack the end of the night before until now.
        ledger = history.lines(skewed.root / "jobs/state.jsonl")
        stamps = [datetime.fromisoformat(e["ts"]) for e in ledger if str(e["job_id"]).endswith(night)]
        assert stamps == sorted(stamps)
        assert stamps[-1] - stamps[0] < timedelta(minutes=50)
        assert str(stamps[0].date()) == night, "the clock was not set"


@pytest.mark.fault(123)
def test_bytes_decide_and_not_times(gated: Studio) -> None:
    """An artifact with other bytes, the same size and the same time of writing is another: its approval is stale."""
    file = gated.run("g-1") / "a.txt"
    before = file.stat()
    digest = gated.state("g-1")["gate"]["digest"]
    file.write_text("eno")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    gated.write("g-1", "approve.yaml", f"digest: {digest}\n...\n")
    wait_for((gated.run("g-1") / "approve.yaml.error.txt").exists, "the refusal")
    assert "stale" in (gated.run("g-1") / "approve.yaml.error.txt").read_text()
    assert gated.state("g-1")["status"] == "needs_approval"


def away_beyond(studio: Studio, job_id: str) -> None:
    """Wait until the gate's time is over by the wall clock."""
    expires = datetime.fromisoformat(studio.state(job_id)["gate"]["expires_at"])
    wait_for(lambda: datetime.now(UTC) > expires, "the gate's time to be over")


ANSWERS = {"whole": "by: alice\n...\n", "by-hand": "by: alice\n", "empty": ""}


@pytest.mark.fault(117, 124)
def test_an_answer_wins_when_the_daemon_wakes_after_the_gates_time(short: Studio) -> None:
    """Stopped for longer than the gate was open: what came meanwhile is looked at before the timer."""
    for job_id in ANSWERS:
        short.submit(job_id, "cancel")
    for job_id in ANSWERS:
        short.wait(job_id, "needs_approval")
    assert short.process is not None
    short.process.send_signal(signal.SIGSTOP)
    for job_id, text in ANSWERS.items():
        assert short.state(job_id)["status"] == "needs_approval", "too slow a machine: it expired before"
        (short.run(job_id) / "approve.yaml").write_text(text)
        away_beyond(short, job_id)
    short.process.send_signal(signal.SIGCONT)
    for job_id in ANSWERS:
        short.wait(job_id, "completed")
        assert "gate_expired" not in short.types(job_id)


@pytest.mark.fault(117)
def test_a_stage_that_ends_while_the_daemon_is_stopped_has_run_once(studio: Studio) -> None:
    """Stopped for longer than the stage may take: it ended in time, is completed, and was not started again."""
    studio.pipeline("slow", SLOW, slow=history.STAGE.format(place=str(studio.root)) + WORK)
    process = studio.start()
    studio.submit("s", "slow", stage_timeouts={"only": 0.1})
    studio.wait("s", "running")
    studio.submit("next", "slow")
    witness = studio.root.with_name("studio.witness")
    wait_for(witness.exists, "the stage to begin")
    started = time.clock_gettime(time.CLOCK_BOOTTIME)
    process.send_signal(signal.SIGSTOP)
    studio.root.with_name("studio.go").touch()
    wait_for(lambda: "end s only 1" in witness.read_text(), "the stage to end")
    wait_for(lambda: time.clock_gettime(time.CLOCK_BOOTTIME) > started + 6, "its limit to be over")
    process.send_signal(signal.SIGCONT)
    studio.wait("s", "completed")
    studio.wait("next", "completed")
    told = witness.read_text().splitlines()
    assert told == ["start s only 1", "end s only 1", "start next only 1", "end next only 1"]
    assert studio.types("s").count("stage_started") == 1


@pytest.mark.fault(117)
def test_all_of_it_is_stopped_and_goes_on(studio: Studio) -> None:
    """As when a machine is suspended: daemon, keeper and stage stand still, then go on where they were."""
    psutil = pytest.importorskip("psutil")
    studio.pipeline("slow", SLOW, slow=history.STAGE.format(place=str(studio.root)) + WORK)
    process = studio.start()
    studio.submit("s", "slow")
    studio.submit("g")
    studio.wait("s", "running")
    witness = studio.root.with_name("studio.witness")
    wait_for(witness.exists, "the stage to begin")
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in family:
        one.suspend()
    wait_for(lambda: all(one.status() == psutil.STATUS_STOPPED for one in family), "all to stand still")
    studio.root.with_name("studio.go").touch()
    studio.write("s", "REVIEW.md", "a change while nobody hears\n")
    for one in family:
        one.resume()
    studio.wait("s", "completed")
    studio.wait("g", "needs_approval")
    assert witness.read_text().splitlines() == ["start s only 1", "end s only 1"]
