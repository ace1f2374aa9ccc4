"""What reaches a stage, and what becomes of one whose libraries are missing."""

from __future__ import annotations

import json

import pytest

from tests.studio import QUICK, Studio
from tests.support import wait_for

ECHO = """\
import json

def run(context):
    told = {"feedback": context.feedback, "redo": dict(context.redo), "attempt": context.attempt}
    (context.out_dir / "told.json").write_text(json.dumps(told))
"""
ECHOING = """\
name: echoing
stages:
  - {name: first, run: "./echo.py:run", gate: true, outputs: [told.json]}
  - name: second
    command: [sh, -euc, 'cat "$SPORK_FEEDBACK" > second.txt; echo "$SPORK_ATTEMPT" >> second.txt']
    gate: true
    outputs: [second.txt]
"""


def test_feedback_and_redo_reach_the_next_attempt(studio: Studio) -> None:
    """A function and a command both read why they are asked again, and nothing of it the first time."""
    studio.pipeline("echoing", ECHOING, echo=ECHO)
    studio.start()
    studio.submit("e-1", "echoing")
    studio.wait("e-1", "needs_approval", stage="first")
    told = studio.run("e-1") / "told.json"
    assert json.loads(told.read_text()) == {"feedback": "", "redo": {}, "attempt": 1}
    studio.answer("e-1", "reject", then="retry", notes="shorter", redo={"scene_003": "too much text"})
    studio.wait("e-1", "needs_approval", stage="first", attempt=2)
    assert json.loads(told.read_text()) == {
        "feedback": "shorter",
        "redo": {"scene_003": "too much text"},
        "attempt": 2,
    }
    studio.answer("e-1", "approve")
    studio.wait("e-1", "needs_approval", stage="second")
    studio.answer("e-1", "reject", notes="no")
    studio.wait("e-1", "paused", "rejected")
    studio.write("e-1", "resume.yaml", "notes: louder\n...\n")
    studio.wait("e-1", "needs_approval", stage="second", attempt=2)
    assert (studio.run("e-1") / "second.txt").read_text() == "no\nlouder2\n"
    redo = {"note": "too short", "a b": "it is\nall wrong"}
    studio.answer("e-1", "reject", then="retry", notes="longer", redo=redo)
    studio.wait("e-1", "needs_approval", stage="second", attempt=3)
    lines = "longer\nnote: too short\na b: it is all wrong\n3\n"
    assert (studio.run("e-1") / "second.txt").read_text() == lines
    studio.spork("reject", "e-1", "--redo", "note=too long")
    studio.wait("e-1", "needs_approval", stage="second", attempt=4)
    assert (studio.run("e-1") / "second.txt").read_text() == "note: too long\n4\n"


CHOOSY = """\
from stages.contract import EditError

def run(context):
    text = (context.run_dir / "draft.txt").read_text()
    if text != "good\\n":
        raise EditError(f"draft.txt line 1: {text.strip()} is no word", "write good")
    (context.out_dir / "read.txt").write_text(text)
"""
CHOOSING = """\
name: choosing
stages:
  - {name: draft, command: [sh, -c, "echo good > draft.txt"], gate: true, outputs: [draft.txt]}
  - {name: reads, run: "./choosy.py:run", needs: [draft], retries: 2, outputs: [read.txt]}
"""


def test_what_a_person_wrote_wrongly_is_told_at_once(studio: Studio) -> None:
    """Reading it again would not mend it: no retry is spent, and it goes on where the file is mended."""
    studio.pipeline("choosing", CHOOSING, choosy=CHOOSY)
    studio.start()
    studio.submit("w-1", "choosing")
    studio.wait("w-1", "needs_approval", stage="draft")
    template = studio.run("w-1") / "approve.template.yaml"
    before = template.read_text()
    studio.write("w-1", "draft.txt", "bad\n")
    wait_for(lambda: template.read_text() != before, "the page to follow the edit")
    studio.answer("w-1", "approve")
    state = studio.wait("w-1", "failed", "stage_failed", stage="reads", attempt=1)
    assert state["error"]["message"] == "draft.txt line 1: bad is no word"
    assert state["error"]["hint"] == "write good"


TAKEN = """\
name: taken
stages:
  - {{name: a, command: [sh, -euc, '{first}'], gate: true}}
  - {{name: b, command: [sh, -euc, '{second}']}}
  - {{name: c, command: [sh, -euc, 'cat "$SPORK_RUN/x"* > c.txt']}}
"""
FILE, FOLDER = "echo file > x", "mkdir x; echo folder > x/y"


@pytest.mark.parametrize(
    ("first", "second", "path", "says"),
    [
        (FILE, FILE, "x", "b left x, which belongs to the stage a"),
        (FILE, FOLDER, "x", "b left x/y, but x belongs to the stage a"),
        (FOLDER, FILE, "x/y", "b left x, but x/y belongs to the stage a"),
    ],
    ids=["the same", "a folder for a file", "a file for a folder"],
)
def test_an_approved_file_is_replaced_by_no_later_stage(
    studio: Studio, first: str, second: str, path: str, says: str
) -> None:
    """What another stage made belongs to it: the stage that takes its path fails, and the file stays as approved."""
    studio.pipeline("taken", TAKEN.format(first=first, second=second))
    studio.start()
    studio.submit("t-1", "taken")
    studio.wait("t-1", "needs_approval", stage="a")
    approved = (studio.run("t-1") / path).read_bytes()
    studio.answer("t-1", "approve")
    error = studio.wait("t-1", "failed", "stage_failed", stage="b")["error"]
    assert error["message"].startswith(says) and "write another name" in error["hint"]
    assert (studio.run("t-1") / path).read_bytes() == approved
    assert not list(studio.run("t-1").glob("history/*/before"))


MISSING = """\
name: missing
stages:
  - {name: draw, run: "./draw.py:run", outputs: [assets/*.png]}
  - {name: acceptance, run: "./accept.py:run", outputs: [results.json]}
"""
DRAW = "import a_library_nobody_has\n\ndef run(context):\n    pass\n"
ACCEPT = """\
from stages.contract import StageError

def run(context):
    if any(a.meta.get("placeholder") for a in context.artifacts):
        raise StageError("placeholders are no result", "install what is missing")
    (context.out_dir / "results.json").write_text("{}")
"""


def test_a_missing_module_fails_the_stage_with_what_to_install(studio: Studio) -> None:
    """Its name and the command, in state.json."""
    studio.pipeline("missing", MISSING, draw=DRAW, accept=ACCEPT)
    studio.start()
    studio.submit("m-1", "missing")
    error = studio.wait("m-1", "failed")["error"]
    assert "a_library_nobody_has" in error["message"]
    assert "pip install" in error["hint"]


def test_placeholders_only_under_the_switch_and_never_accepted(studio: Studio) -> None:
    """Marked in state.json and status; acceptance fails on them, without it the job says so in its reason."""
    (studio.root / "conf/operator.yaml").write_text(QUICK + "placeholders: true\n")
    studio.pipeline("missing", MISSING, draw=DRAW, accept=ACCEPT)
    studio.pipeline("lenient", MISSING.replace("name: missing", "name: lenient").split("  - {name: acc")[0])
    studio.start()
    studio.submit("m-1", "missing")
    state = studio.wait("m-1", "failed")
    assert state["error"]["stage"] == "acceptance"
    assert state["placeholders"] == ["assets/placeholder.png"]
    studio.submit("m-2", "lenient")
    assert studio.wait("m-2", "completed")["reason"] == "placeholders"
    assert "placeholder" in studio.spork("status", "m-2").stdout
