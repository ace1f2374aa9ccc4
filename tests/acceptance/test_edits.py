"""What somebody edits at a gate is held against its stage before it is approved, where the pipeline says how."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.test_cli_run import Terminal
from tests.studio import Studio
from tests.support import wait_for

PIPELINE = """\
name: counted
stages:
  - {name: draft, run: "./counted.py:run", review: "./counted.py:review", gate: true, outputs: [numbers.txt]}
  - {name: use, run: "./used.py:run", outputs: [sum.txt]}
"""
CODE = """\
from stages.contract import EditError


def run(context):
    (context.out_dir / "numbers.txt").write_text("1\\n2\\n")
    say(context, [1, 2])


def read(context):
    found = []
    for number, line in enumerate((context.run_dir / "numbers.txt").read_text().splitlines(), 1):
        if not line.isdigit():
            raise EditError(f"numbers.txt line {number}: {line!r} is no number", "write digits")
        found.append(int(line))
    return found


def review(context):
    print("what it prints is no result")
    say(context, read(context))


def say(context, numbers):
    context.describe(
        "numbers.txt", "numbers", words=len(numbers), note=f"the sum is {sum(numbers)}",
        table=[["number"], *([n] for n in numbers)],
    )
"""
USE = """\
from stages.contract import EditError


def run(context):
    text = (context.run_dir / "numbers.txt").read_text()
    if not text.split()[0].isdigit():
        raise EditError("numbers.txt begins with no number")
    (context.out_dir / "sum.txt").write_text(str(sum(map(int, text.split()))))
"""


@pytest.fixture
def counted(studio: Studio) -> Studio:
    """A live daemon with job c-1 at a gate whose stage can look at an edit."""
    studio.pipeline("counted", PIPELINE, counted=CODE, used=USE)
    studio.start()
    studio.submit("c-1", "counted")
    studio.wait("c-1", "needs_approval")
    studio.wait_for_review("c-1", "the sum is 3")
    return studio


def edit(studio: Studio, text: str, shown: str) -> None:
    """Edit what waits, and wait until REVIEW.md and the templates follow."""
    (studio.run("c-1") / "numbers.txt").write_text(text)
    studio.wait_for_review("c-1", shown)
    wait_for(
        lambda: json.loads((studio.run("c-1") / "gate.json").read_text())["digest"] in page(studio),
        "gate.json",
    )


def page(studio: Studio) -> str:
    return (studio.run("c-1") / "REVIEW.md").read_text()


def test_a_wrong_edit_is_told_before_it_is_approved(counted: Studio) -> None:
    """`spork review` says what is wrong and `spork approve` writes nothing; mended, both show it as it is now."""
    edit(counted, "1\ntwo\n", "+two")
    assert (
        "**Edited. `spork review c-1` says whether it can be used so"
        in (counted.run("c-1") / "REVIEW.md").read_text()
    )
    reviewed = counted.spork("review", "c-1")
    told = "numbers.txt line 2: 'two' is no number\n  write digits\n"
    assert f"**As it was edited, it cannot be used:**\n\n```\n{told}```\n" in reviewed.stdout
    assert "the sum is 3" in reviewed.stdout
    assert "what it prints" not in reviewed.stdout
    assert json.loads(counted.spork("review", "c-1", "--json").stdout)["edits"]["wrong"] == told.rstrip("\n")
    refused = counted.spork("approve", "c-1", check=False)
    assert (refused.returncode, told in refused.stderr) == (65, True)
    assert not (counted.run("c-1") / "approve.yaml").exists()
    edit(counted, "1\n2\n39\n", "+39")
    shown = counted.spork("review", "c-1").stdout
    assert "**edited**; the sum is 42 |" in shown
    assert "## numbers.txt, as edited\n\n| number |\n|---|\n| 1 |\n| 2 |\n| 39 |\n" in shown
    assert "cannot be used" not in shown
    counted.spork("approve", "c-1", "--wait")
    counted.wait("c-1", "completed")
    assert (counted.run("c-1") / "sum.txt").read_text() == "42"


def test_a_plain_file_approves_all_the_same(counted: Studio) -> None:
    """The file is the door, and nobody stands in it: then the next stage says what is wrong."""
    edit(counted, "one\n", "+one")
    counted.answer("c-1", "approve")
    error = counted.wait("c-1", "failed")["error"]
    assert (error["stage"], error["message"]) == ("use", "numbers.txt begins with no number")


def test_review_tells_how_many_words_there_are_now(counted: Studio) -> None:
    """Where a stage counted the words of what it made, the count of before the edit is not all that REVIEW.md has."""
    edit(counted, "1\n2\n3\n4\n", "+4")
    assert "**edited**, now about 4 words; before the edit: the sum is 3 |" in page(counted)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def review(context):\n    1 / 0\n", "failed: ZeroDivisionError: division by zero"),
        ("import os\ndef review(context):\n    os._exit(0)\n", "ended without a word"),
        ("import nowhere_to_be_found\n", "failed: ModuleNotFoundError"),
        ("def other(context):\n    pass\n", "is not there: ./counted.py has no function 'review'"),
    ],
)
def test_a_broken_look_holds_nobody_up(counted: Studio, code: str, told: str) -> None:
    """It is told, and what was edited is shown and approved as where no stage can look."""
    edit(counted, "7\n", "+7")
    (counted.root / "conf/pipelines/counted.py").write_text(code)
    reviewed = counted.spork("review", "c-1")
    assert f"not checked as it was edited: ./counted.py:review {told}" in reviewed.stderr
    assert "before the edit" in reviewed.stdout
    assert told in counted.spork("approve", "c-1", "--wait").stderr
    counted.wait("c-1", "completed")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_nobody_runs_what_another_user_wrote(counted: Studio) -> None:
    """Who looks may be another than who the pipeline's code would run as in the daemon."""
    edit(counted, "7\n", "+7")
    place = counted.root / "conf/pipelines/counted.py"
    marked = counted.root / "it-ran"
    place.write_text(f"open({str(marked)!r}, 'w')\n{CODE}")
    os.chown(place, 65534, -1)
    reviewed = counted.spork("review", "c-1")
    assert "not checked as it was edited: conf/pipelines/counted.py is nobody's" in reviewed.stderr
    assert not marked.exists()


def test_a_look_without_end_is_ended(counted: Studio) -> None:
    """Ctrl-C ends the command and what it had started."""
    edit(counted, "7\n", "+7")
    began = counted.root / "began"
    code = (
        f"import os, time\ndef review(context):\n    open({str(began)!r}, 'w').write(f'{{os.getpid()}}\\n')\n"
    )
    (counted.root / "conf/pipelines/counted.py").write_text(code + "    time.sleep(3600)\n")
    process = subprocess.Popen(
        counted.command("review", "c-1"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: began.exists() and began.read_text().endswith("\n"), "the look to begin")
    child = int(began.read_text())
    process.send_signal(2)
    assert process.wait(60) == 130
    wait_for(lambda: not Path(f"/proc/{child}").exists(), "the look to be ended")


def test_asked_on_a_terminal(studio: Studio) -> None:
    """`spork run` asks again where what was edited cannot be used."""
    studio.pipeline("counted", PIPELINE, counted=CODE, used=USE)
    request = studio.root / "c.yaml"
    request.write_text("intent: count\nid: c-1\npipeline: counted\n...\n")
    terminal = Terminal(studio.command("run", str(request)))
    terminal.expect("[a]pprove")
    edit(studio, "1\ntwo\n", "+two")
    terminal.type("a\n")
    terminal.expect("line 2: 'two' is no number")
    terminal.expect("[a]pprove")
    edit(studio, "1\n", "-2")
    terminal.type("v\n")
    terminal.expect("the sum is 1")
    terminal.expect("[a]pprove")
    terminal.type("a\n")
    terminal.expect("sum.txt")
    assert terminal.end() == 0
