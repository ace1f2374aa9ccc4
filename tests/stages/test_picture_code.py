"""Code is coloured by the grammar of its language, and comes line by line."""

from __future__ import annotations

import pytest

from stages.cardtext import bare
from stages.code_words import spoken_of
from stages.drafts import Draft
from stages.items import Item, Research
from stages.layouts.highlighting import coloured
from stages.motion import pose
from stages.scenes import Code, Scene, Storyboard, Word
from stages.script_text import Line
from stages.shape import Cue, Look, Shape
from stages.shapes import _shown
from stages.shot import order, prepare
from stages.spoken import say
from stages.storyboard import _reveals
from stages.theme import load

pytestmark = pytest.mark.video

COLOURS = load().colours
PYTHON = [
    '"""Return starter and flour',
    'for the wanted grams."""',
    "starter = wanted // 11  # not halves",
]
LONG = "starter = wanted // parts  # whole grams, since nobody weighs halves of a gram at home"
CODE = Code(language="python", lines=["def feed(wanted):", "", f"    {LONG}", "", "    return starter"])


def colour_of(lines: list[str], language: str, text: str) -> str:
    """The colour of the run that holds ``text``."""
    runs = [run for line in coloured(lines, language, COLOURS) for run in line]
    return next(colour for _, shown, colour in runs if text in shown)


def test_each_language_has_its_own_grammar() -> None:
    """A docstring is a string to its end and on its next line, // divides in Python and comments in C."""
    assert [len(line) for line in coloured(PYTHON[:2], "python", COLOURS)] == [1, 1]
    assert colour_of(PYTHON, "python", "for the wanted") == COLOURS.positive
    assert colour_of(PYTHON, "python", "// ") == COLOURS.ink
    assert colour_of(PYTHON, "python", "not halves") == COLOURS.muted
    assert colour_of(["int a; // b"], "c", "// b") == COLOURS.muted
    assert colour_of(["$ ls", "total 4"], "bash", "$") == COLOURS.accent
    assert colour_of(["total 4"], "no such language", "total 4") == COLOURS.ink


def test_every_line_keeps_its_letters() -> None:
    """Empty lines, first and last, too."""
    lines = ["", "a = 1", "", "b = '", ""]
    shown = ["".join(text for _, text, _ in line) for line in coloured(lines, "python", COLOURS)]
    assert shown == lines


def scene() -> Scene:
    words = [Word(text=text, start=0.5 + at, end=1.3 + at) for at, text in enumerate("It answers it".split())]
    return Scene(
        id="scene_000", heading="Feeding", content=CODE, narration="It answers it", words=words,
        reveals=[0.5, 2.0, 3.0, 6.0, 8.0], seconds=14.0,
    )  # fmt: skip


def test_the_marker_never_stands_on_an_empty_line() -> None:
    """The line before it keeps the marker until the next one that has letters."""
    shot = prepare(order(Storyboard(title="Feeding", scenes=[scene()]), 0, load()))
    rows = {element.name: element for element in shot.elements if element.name.startswith("line_")}

    def lit(name: str, seconds: float) -> float:
        now = pose(rows[name], 0, seconds, shot.times)
        return now.focus if now else 0.0

    assert (lit("line_0", 2.6), lit("line_1", 2.6)) == (1.0, 0.0)
    assert (lit("line_2", 7.0), lit("line_3", 7.0)) == (1.0, 0.0)


def test_the_rows_of_a_long_line_come_one_after_the_other() -> None:
    """The second one begins when the first is there."""
    shot = prepare(order(Storyboard(title="Feeding", scenes=[scene()]), 0, load()))
    rows = {element.name: element for element in shot.elements if element.name.startswith("line_")}
    first, second = rows["line_2"], rows["line_2_1"]
    assert second.texts[0].text.strip()
    assert second.delay == first.delay + shot.times.motion.enter


C = [
    "int fd = inotify_init1(IN_CLOEXEC);",
    'inotify_add_watch(fd, "inbox", IN_CLOSE_WRITE | IN_MOVED_TO);',
    "",
    "ssize_t n = read(fd, buf, sizeof buf);",
    "for (char *p = buf; p < buf + n; ) {",
    "    p += sizeof *e + e->len;",
    "}",
]


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ("One call to `read()` can return many, and so it advances by `e->len`.", {3: "read()", 5: "e->len"}),
        ("The mask is `IN_MOVED_TO`.", {1: "IN_MOVED_TO"}),
        ("This is all of it: `fd` and `p` are short, int is a keyword.", {}),
        ("`e->len` is added, after `inotify_init1()` and `read()`.", {0: "inotify_init1()", 3: "read()"}),
        ("It will be read.", {3: "read"}),
        ("It has been already.", {}),
    ],
)
def test_a_line_is_spoken_of_by_what_it_names(said: str, lines: dict[int, str]) -> None:
    """By a call, a flag or a name that few lines hold, in the order of the lines; else by nothing."""
    words = bare(said).split()
    assert {at: words[word].strip(".,") for at, word in spoken_of(C, words).items()} == lines


def test_a_flag_is_no_part_of_another() -> None:
    """`-r` is not in `--recursive`, and `--all` not in `--all-files`."""
    assert spoken_of(["tool --recursive --all-files", "tool --all"], ["--all", "finds", "--recursive"]) == {
        1: 0
    }


def test_the_marker_follows_the_words() -> None:
    """The line that is named lights up with its name and stays so; what nobody names never does."""
    said = Line("It is short, and calls `read()` once, then adds `e->len` to it.")
    words = [Word(text=word.written, start=0.5 + at, end=1.4 + at) for at, word in enumerate(say(said.text))]
    item = Item(
        id="f001",
        kind="code",
        text="It is short:",
        section="Calls",
        source="a.md",
        line=3,
        paragraph=1,
        parts=C,
        language="c",
    )
    shape = _shown((said,), item, Research(brief="", documents=[], items=[item]), Look())
    times = _reveals(Draft("", (said,), shape, ()), [say(said.text)], words)
    spoken = {word.text.strip(".,"): word.start for word in words}
    assert (times[3], times[5]) == (spoken["read()"], spoken["e->len"])
    told = Scene(
        id="scene_000", content=shape.content, narration=said.text, words=words, reveals=times, seconds=20.0
    )
    shot = prepare(order(Storyboard(title="Calls", scenes=[told]), 0, load()))
    rows = [element for element in shot.elements if element.name.startswith("line_")]
    assert [row.part for row in rows if row.lit] == [3, 5]
    lit = {row.part: pose(row, 0, spoken["e->len"] - 0.1, shot.times) for row in rows if row.lit}
    assert lit[3] is not None
    assert (lit[3].focus, lit[5]) == (1.0, None)


def test_empty_lines_take_no_time_of_the_reveal() -> None:
    """Each comes with the line after it; those with letters are spread evenly."""
    line = Line("Here is the code.")
    said = say(line.text)
    words = [Word(text=word.written, start=0.5 + at, end=1.5 + at) for at, word in enumerate(said)]
    draft = Draft("", (line,), Shape(CODE, (Cue(0), None, None, None, None)), ())
    times = _reveals(draft, [said], words)
    assert times[1] == times[2]
    assert times[3] == times[4]
    assert times[2] - times[0] == pytest.approx(times[4] - times[2], abs=0.01)
