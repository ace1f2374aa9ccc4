"""The real command beside a real daemon: answers, waiting, following, reloading, explaining."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from daemon.cli import main
from tests.studio import QUICK, ROOT, Studio
from tests.support import PATIENCE, wait_for

PIPELINE = """\
name: gated
stages:
  - name: draft
    command:
      - sh
      - -euc
      - 'echo drawing; printf "draft %s\\n" "$SPORK_ATTEMPT" > a.txt; cat "$SPORK_FEEDBACK" >> a.txt'
    gate: true
    outputs: [a.txt]
  - name: use
    command: [sh, -euc, 'cp "$SPORK_RUN/a.txt" used.txt']
    outputs: [used.txt]
"""


SHORT = """\
name: short
stages:
  - name: tries
    command:
      - sh
      - -euc
      - |
        echo try $SPORK_ATTEMPT
        while ! [ -e {run}/../../go ]; do sleep 0.05; done
        [ $SPORK_ATTEMPT = 3 ]
        echo 1 > 1.txt
    retries: 3
    outputs: [1.txt]
  - {name: short, command: [sh, -euc, 'echo short says; echo 2 > 2.txt'], outputs: [2.txt]}
  - {name: last, command: [sh, -euc, 'echo last says; echo 3 > 3.txt'], outputs: [3.txt]}
"""


@pytest.fixture
def gated(studio: Studio) -> Studio:
    """A live daemon with job g-1 at the gate of its draft."""
    studio.pipeline("gated", PIPELINE)
    studio.start()
    studio.submit("g-1", "gated")
    studio.wait("g-1", "needs_approval")
    return studio


def files(studio: Studio) -> set[str]:
    return {path.name for path in studio.run("g-1").iterdir()}


def test_approve_binds_what_was_shown(gated: Studio) -> None:
    """stage, attempt and gate.json's digest; the notes and the name arrive, whatever characters they hold."""
    gate = json.loads((gated.run("g-1") / "gate.json").read_text())
    by, notes = 'Ann "A" O\'Neil', "fine: #1\nreally – 😀"
    done = gated.spork("approve", "g-1", "--by", by, "--notes", notes, "--wait")
    assert done.stdout.startswith("recorded: g-1 is ")
    gated.wait("g-1", "completed")
    kept = (gated.run("g-1") / "decisions/01-draft.1.approve.yaml").read_text()
    assert f"digest: {gate['digest']}" in kept
    assert "stage: draft\nattempt: 1\n" in kept
    approved = next(e for e in gated.events("g-1") if e["type"] == "gate_approved")
    assert (approved["payload"]["by"], approved["payload"]["notes"]) == (by, notes)


def test_check_holds_an_answer_against_its_gate(gated: Studio) -> None:
    """What the daemon refused, or would, is not right, however well it is written; what would count is."""
    gated.write("g-1", "approve.yaml", "attempt: 7\n...\n")
    wait_for((gated.run("g-1") / "approve.yaml.error.txt").exists, "the refusal")
    done = gated.spork("check", str(gated.run("g-1") / "approve.yaml"), check=False)
    assert done.returncode == 65 and "draft attempt 1 waits" in done.stdout
    gated.stop()
    for text, code in (("stage: use\n...\n", 65), ("by: alice\n...\n", 0)):
        gated.write("g-1", "approve.yaml", text)
        done = gated.spork("check", str(gated.run("g-1") / "approve.yaml"), check=False)
        assert done.returncode == code, done.stdout


def test_check_judges_a_template_as_the_answer_it_becomes(gated: Studio) -> None:
    """As it was made it is right; what would be refused once it is renamed is wrong."""
    for verb in ("approve", "reject"):
        template = gated.run("g-1") / f"{verb}.template.yaml"
        assert f"{template}: right" in gated.spork("check", str(template)).stdout
        template.write_text(template.read_text().replace("attempt: 1", "attempt: 7"))
        assert "draft attempt 1 waits" in gated.spork("check", str(template), check=False).stdout
        template.write_text("intent: x\n...\n")
        assert "intent: unknown key" in gated.spork("check", str(template), check=False).stdout


def test_a_job_is_named_by_the_folder_one_stands_in(gated: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """``.`` in a run directory, and ``..`` below it."""
    for folder, path in ((".", "."), ("logs", "..")):
        monkeypatch.chdir(gated.run("g-1") / folder)
        assert json.loads(gated.spork("status", path, "--json").stdout)["id"] == "g-1"


def test_explain_tells_of_an_edit(gated: Studio) -> None:
    """First that the bytes are others, then, once the gate has noted it, when."""
    said = gated.spork("explain", "runs/g-1/a.txt").stdout
    assert "made by draft, attempt 1" in said and "edited" not in said and "changed" not in said
    (gated.run("g-1") / "a.txt").write_text("mine\n")
    wait_for(lambda: "artifact_edited" in gated.types("g-1"), "the edit to be noted")
    assert "edited at its gate, noted at" in gated.spork("explain", "runs/g-1/a.txt").stdout
    gated.stop()
    (gated.run("g-1") / "a.txt").write_text("mine again\n")
    assert "changed since then" in gated.spork("explain", "runs/g-1/a.txt").stdout


def test_answers_that_do_not_fit_write_nothing(gated: Studio) -> None:
    """65, the reason, and no file in the run directory."""
    before = files(gated)
    for arguments, says in (
        (["resume", "g-1"], "only a paused or failed job"),
        (["approve", "g-1", "--stage", "use"], "not at use"),
        (["reject", "g-1", "--from", "nope"], "draft, use"),
        (["approve", "g-1", "--notes", "\x1b[2J"], "control"),
    ):
        done = gated.spork(*arguments, check=False)
        assert done.returncode == 65, done.stderr
        assert says in done.stderr
        assert "\x1b" not in done.stderr
    assert files(gated) == before
    gated.spork("approve", "g-1", "--wait")
    gated.wait("g-1", "completed")
    for verb in ("approve", "reject", "resume", "cancel"):
        assert gated.spork(verb, "g-1", check=False).returncode == 65


@pytest.mark.parametrize("how", [[], ["--json"]])
def test_review_waits_for_the_daemon_to_write_it(
    how: list[str], gated: Studio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files follow the gate's commit; who asked first was told that there are none."""
    shown = [gated.run("g-1") / name for name in ("REVIEW.md", "gate.json")]
    wait_for(shown[-1].exists, "the gate to be shown")
    assert gated.process is not None
    gated.process.send_signal(signal.SIGSTOP)
    try:
        for path in shown:
            path.rename(path.with_suffix(".kept"))

        def written(_seconds: float) -> None:
            for path in shown:
                path.with_suffix(".kept").rename(path)
            monkeypatch.undo()

        # In this process, so that they are there after its first look and not before.
        monkeypatch.setattr(time, "sleep", written)
        assert main(["--workspace", str(gated.root), "review", "g-1", *how]) == 0
        assert ('"digest"' if how else "please decide") in capsys.readouterr().out
    finally:
        gated.process.send_signal(signal.SIGCONT)


def test_reject_names_the_parts_to_make_again(studio: Studio) -> None:
    """``--redo`` reaches the stage as the file's redo does, and means now; without a reason it is bad usage."""
    says = "(context.out_dir / 'a.txt').write_text(json.dumps(dict(context.redo)))"
    work = f"import json\ndef run(context):\n    {says}\n"
    stage = "  - {name: draw, run: './work.py:run', gate: true, outputs: [a.txt]}\n"
    studio.pipeline("drawn", f"name: drawn\nstages:\n{stage}", work=work)
    studio.start()
    studio.submit("d-1", "drawn")
    studio.wait("d-1", "needs_approval")
    parts = {"scene_003": 'too "much": text', "b": "c = d"}
    for wrong in ("scene_003", "scene_003=", "=why"):
        done = studio.spork("reject", "d-1", "--redo", wrong, check=False)
        assert (done.returncode, "expected NAME=WHY" in done.stderr) == (2, True)
    given = [word for name, why in parts.items() for word in ("--redo", f"{name}={why}")]
    studio.spork("reject", "d-1", *given, "--wait")
    wait_for(lambda: studio.state("d-1")["attempt"] == 2, "the stage to run again")
    studio.wait("d-1", "needs_approval")
    assert json.loads((studio.run("d-1") / "a.txt").read_text()) == parts


def test_reject_resume_cancel(gated: Studio) -> None:
    """The notes reach the stage; a paused job goes on with resume and ends with cancel."""
    gated.spork("reject", "g-1", "--notes", "say hello", "--then", "retry", "--wait")
    gated.wait("g-1", "needs_approval", attempt=2)
    assert "say hello" in (gated.run("g-1") / "a.txt").read_text()
    assert "-draft 1" in gated.spork("review", "g-1", "--diff").stdout
    gated.spork("reject", "g-1", "--notes", "still no\nhello", "--wait")
    assert "paused (rejected)" in gated.spork("status", "g-1").stdout
    assert re.search(
        r"Paused \(rejected by .+\): still no hello  then: ", gated.spork("status", "g-1").stdout
    )
    refused = gated.spork("approve", "g-1", check=False)
    assert (refused.returncode, "to go on: spork resume g-1" in refused.stderr) == (65, True)
    gated.spork("resume", "g-1", "--notes", "again", "--wait")
    gated.wait("g-1", "needs_approval", attempt=3)
    assert "recorded: g-1 is canceled" in gated.spork("cancel", "g-1", "--notes", "enough", "--wait").stdout
    lines = gated.spork("events", "g-1").stdout.splitlines()
    for kind, notes in (
        ("gate_rejected", "still no hello"),
        ("job_resumed", "again"),
        ("job_canceled", "enough"),
    ):
        assert any(kind in line and line.endswith(f": {notes}") for line in lines), (kind, lines)


def test_a_stale_answer_is_refused_with_the_reason(gated: Studio) -> None:
    """Files changed before the daemon read the answer: --wait says so, and a fresh answer replaces it."""
    assert gated.process is not None
    gate, answer = gated.run("g-1") / "gate.json", gated.run("g-1") / "approve.yaml"
    old = gate.read_bytes()
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    gated.process.send_signal(signal.SIGSTOP)
    try:
        waiting = subprocess.Popen(
            gated.command("approve", "g-1", "--wait"), env=env, stderr=subprocess.PIPE, text=True
        )
        wait_for(answer.exists, "the answer to lie there")
        (gated.run("g-1") / "a.txt").write_text("edited\n")
    finally:
        gated.process.send_signal(signal.SIGCONT)
    assert "stale" in waiting.communicate(timeout=60)[1]
    assert waiting.returncode == 65
    assert "refused" in gated.spork("explain", str(answer)).stdout
    assert "runs/g-1/approve.yaml: refused" in gated.spork("status").stdout
    wait_for(lambda: gate.read_bytes() != old, "gate.json to show the edit")
    gated.spork("approve", "g-1", "--wait")
    gated.wait("g-1", "completed")


def test_an_answer_right_after_an_edit_is_not_written(gated: Studio) -> None:
    """65 until the review follows: nobody can have read what lies there now. Then it is taken."""
    assert gated.process is not None
    gate = gated.run("g-1") / "gate.json"
    old = gate.read_bytes()
    gated.process.send_signal(signal.SIGSTOP)
    try:
        (gated.run("g-1") / "a.txt").write_text("edited\n")
        before = files(gated)
        for verb in ("approve", "reject"):
            done = gated.spork(verb, "g-1", check=False)
            assert done.returncode == 65
            assert "files changed since REVIEW.md was written" in done.stderr
        assert files(gated) == before
    finally:
        gated.process.send_signal(signal.SIGCONT)
    wait_for(lambda: gate.read_bytes() != old, "gate.json to show the edit")
    gated.spork("approve", "g-1", "--wait")
    gated.wait("g-1", "completed")


def test_an_unbound_approval(gated: Studio) -> None:
    """--unbound names nothing; under `unbound: refuse` it is refused."""
    (gated.root / "conf/operator.yaml").write_text(QUICK + "decisions: {unbound: refuse}\n")
    gated.spork("reload")
    wait_for(lambda: b'"policy_reloaded"' in gated.log.read_bytes(), "the policy to be read again")
    done = gated.spork("approve", "g-1", "--unbound", check=False)
    assert done.returncode == 65
    assert "unbound: refuse" in done.stderr
    assert not list(gated.run("g-1").glob("approve.yaml*"))


def test_an_answer_waits_for_a_daemon(gated: Studio) -> None:
    """Without one it lies there durably; --wait ends with 75; the next daemon records it."""
    gated.stop()
    done = gated.spork("approve", "g-1", "--wait", check=False)
    assert done.returncode == 75
    assert "no daemon" in done.stderr
    again = gated.spork("approve", "g-1", check=False)
    assert again.returncode == 65, "what nobody has decided yet is not replaced"
    assert "waiting" in gated.spork("explain", "runs/g-1/approve.yaml").stdout
    gated.start()
    gated.wait("g-1", "completed")
    assert "recorded" in gated.spork("explain", "runs/g-1/approve.yaml").stdout


def test_status_says_what_a_person_must_do(gated: Studio) -> None:
    """The job in the table, how to answer with --waiting, the detail, and the daemon that runs."""
    (gated.run("g-1") / "Approve.yml").write_text("...\n")
    table = gated.spork("status").stdout
    assert "\n\nIn the run directories:\n  did you mean approve.yaml? not read, " in table
    assert ": runs/g-1/Approve.yml\n" in table
    assert "needs_approval (gate_open)" in table
    assert gated.process is not None
    assert f"pid {gated.process.pid}" in table
    assert "spork approve g-1" in gated.spork("status", "--waiting").stdout
    assert "gate: waits for an answer" in gated.spork("status", "g").stdout, (
        "the beginning of an id is enough"
    )
    facts = json.loads(gated.spork("status", str(gated.run("g-1")), "--json").stdout)
    assert {k: v for k, v in facts.items() if k in gated.state("g-1")} == gated.state("g-1")
    stats = json.loads(gated.spork("status", "--stats", "--json").stdout)
    assert stats["jobs"]["needs_approval"] == 1
    assert stats["daemon"]["pid"] == gated.process.pid


def test_events_and_logs(gated: Studio) -> None:
    """What happened, as it is in events.jsonl; what a stage printed; followed to the end."""
    lines = gated.spork("events", "g-1", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == gated.events("g-1")
    assert gated.spork("logs", "g-1").stdout == "drawing\n"
    assert gated.spork("logs", "g-1", "draft.1").stdout == "drawing\n"
    assert gated.spork("logs", "g-1", "use", check=False).returncode == 65
    (gated.run("g-1") / "logs/01-draft.1.log").write_bytes(b"")
    silent = gated.spork("logs", "g-1")
    assert (silent.stdout, silent.stderr) == ("", "draft.1 printed nothing\n")
    follower = subprocess.Popen(gated.command("events", "g-1", "-f"), stdout=subprocess.PIPE, text=True)
    gated.spork("approve", "g-1", "--wait")
    said, _ = follower.communicate(timeout=60)
    assert follower.returncode == 0
    assert "job_completed" in said.splitlines()[-1]


def test_a_follower_ends_at_ctrl_c(gated: Studio) -> None:
    """130, without a traceback."""
    follower = subprocess.Popen(
        gated.command("events", "g-1", "-f"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert follower.stdout is not None
    follower.stdout.readline()
    follower.send_signal(signal.SIGINT)
    _, said = follower.communicate(timeout=60)
    assert (follower.returncode, said) == (130, "")


def test_a_second_daemon_tries_again_later(gated: Studio) -> None:
    """75, naming the one that runs; rebuild holds the same lock. Looking at the lock disturbs nobody."""
    for verb in ("daemon", "rebuild"):
        done = gated.spork(verb, check=False)
        assert done.returncode == 75, done.stderr
        assert gated.process is not None
        assert str(gated.process.pid) in done.stderr


def test_explain_what_became_of_a_request(gated: Studio, tmp_path: Path) -> None:
    """Taken, as which job; refused, why; an artifact of which stage; the daemon's own files."""
    taken = gated.spork("explain", "inbox/g-1.yaml").stdout
    assert "taken" in taken
    assert "job g-1" in taken
    gated.drop("bad.yaml", "intnet: x\n")
    gated.wait_refused("bad.yaml")
    for path in ("inbox/bad.yaml", "inbox/rejected/bad.yaml"):
        assert "intnet" in gated.spork("explain", path).stdout
    assert "made by draft" in gated.spork("explain", "runs/g-1/a.txt").stdout
    assert "template" in gated.spork("explain", "runs/g-1/approve.template.yaml").stdout


def test_an_answer_beside_the_contrary_one_is_told(gated: Studio) -> None:
    """Both can be written while no daemon looks; who writes the second is told which of them will count."""
    gated.stop()
    gated.spork("approve", "g-1")
    assert "approve.yaml lies there too" in gated.spork("reject", "g-1").stderr


def test_a_refused_answer_takes_part_in_nothing(gated: Studio) -> None:
    """It lies there with its reason: who answers otherwise is not told that it wins, and the reason goes with it."""
    run = gated.run("g-1")
    gated.write("g-1", "reject.yaml", "bye: alice\n...\n")
    wait_for((run / "reject.yaml.error.txt").exists, "the refusal")
    assert "reject" not in gated.spork("approve", "g-1").stderr
    gated.wait("g-1", "completed")
    assert (run / "reject.yaml.error.txt").exists()


def test_a_follower_of_logs_leaves_nothing_out(studio: Studio) -> None:
    """Whatever was begun since it last looked is printed, in order: short stages, and why each attempt failed."""
    studio.pipeline("short", SHORT)
    studio.start()
    studio.submit("s-1", "short")
    wait_for((studio.run("s-1") / "logs/01-tries.1.log").exists, "the first attempt")
    followers = [
        subprocess.Popen(studio.command("logs", "s-1", *stage, "-f"), stdout=subprocess.PIPE, text=True)
        for stage in ((), ("tries",))
    ]
    for follower in followers:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "try 1\n"
        # What happens from here on happens between two looks.
        follower.send_signal(signal.SIGSTOP)
    (studio.root / "go").touch()
    studio.wait("s-1", "completed")
    for follower in followers:
        follower.send_signal(signal.SIGCONT)
    said = [follower.communicate(timeout=PATIENCE)[0].splitlines() for follower in followers]
    assert said == [["try 2", "try 3", "short says", "last says"], ["try 2", "try 3"]]
