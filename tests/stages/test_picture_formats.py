"""The frame a request asks for, and the page of all scenes that a person looks at."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.contract import StageError
from stages.drafts import Draft, drafts_of
from stages.formats import size_asked
from stages.items import Item, Research
from stages.scenes import Citation, Timeline
from stages.script_text import Line, Paragraph, Script, ScriptPart
from stages.theme import FOLDER
from tests.stages.storyboards import storyboard


def test_a_request_chooses_the_frame() -> None:
    """Wide unless another is asked for; what is no format is named with those that are."""
    assert size_asked({}) == (1920, 1080)
    assert size_asked({"format": "vertical"}) == (1080, 1920)
    assert size_asked({"format": "square"}) == (1080, 1080)
    with pytest.raises(StageError, match="'round' is not a format") as fault:
        size_asked({"format": "round"})
    assert "wide, vertical, square" in fault.value.hint


@pytest.mark.video
def test_the_contact_tool_draws_any_storyboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two scenes at three instants in another format and theme: two rows of three; a missing run is told."""
    import skia

    from stages.contact import main

    board = storyboard(only=[0, 3])
    (tmp_path / "storyboard.json").write_text(board.model_dump_json(by_alias=True), encoding="utf-8")
    sheet = tmp_path / "sheet.png"
    wanted = ["-o", str(sheet), "--format", "vertical", "--theme", "paper", "--frames", "3", "--across", "3"]
    assert main([str(tmp_path), *wanted, "--width", "400"]) == 0
    image = skia.Image.open(str(sheet))
    assert image.width() == 400
    assert 2 * 185 < image.height() < 2 * 300
    assert main([str(tmp_path / "nowhere"), "-o", str(sheet)]) == 1
    assert "storyboard.json is missing" in capsys.readouterr().err


def test_the_contact_tool_takes_the_theme_of_the_run(tmp_path: Path) -> None:
    """The request's shipped theme or its own file; --theme shows another, and a folder without a state the default."""
    from stages.contact import _own_theme

    assert _own_theme(tmp_path).name == "midnight"
    (tmp_path / "state.json").write_text('{"params": {"theme": "bold"}}', encoding="utf-8")
    assert _own_theme(tmp_path).name == _own_theme(tmp_path / "storyboard.json").name == "bold"
    (tmp_path / "sources").mkdir()
    own = (FOLDER / "paper.yaml").read_text(encoding="utf-8").replace("name: paper", "name: mine")
    (tmp_path / "sources" / "mine.yaml").write_text(own, encoding="utf-8")
    (tmp_path / "state.json").write_text('{"params": {"theme_file": ["mine.yaml"]}}', encoding="utf-8")
    assert _own_theme(tmp_path).name == "mine"


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ([(3, None)], "a.md, line 3"),
        ([(4, None), (3, None)], "a.md, lines 3–4"),
        ([(3, None), (8, None), (9, None), (8, None)], "a.md, lines 3, 8–9"),
        ([(3, 2), (7, 2)], "a.md, page 2"),
        ([(3, 2), (7, 3)], "a.md, pages 2–3"),
    ],
)
def test_the_line_under_the_picture_counts_as_people_do(
    places: list[tuple[int, int | None]], told: str
) -> None:
    """Several lines are lines, those that follow each other a span; of a PDF it names the pages."""
    from stages.layouts.citation import _wordings

    assert (
        _wordings([Citation(item="f001", source="a.md", line=n, page=page) for n, page in places])[0] == told
    )


def _told(*sentences: str, room: int = 1000) -> list[Draft]:
    lines = tuple(Line(sentence) for sentence in sentences)
    script = Script("Title", (ScriptPart("Part", tuple(Paragraph((line,)) for line in lines)),))
    return drafts_of(script, Research(brief="x", documents=[], items=[]), fits=lambda d: len(d.text) < room)


def test_dates_become_a_timeline() -> None:
    """Sentences that each begin with a date are its events; one sentence may lead to them."""
    lines = tuple(
        Line(text)
        for text in (
            "The dates in order.",
            "In 1791, the Academy defines the metre.",
            "On 20 May 1875, seventeen states sign.",
            "In the 1960s, an atom takes over.",
        )
    )
    script = Script("Title", (ScriptPart("Part", (Paragraph(lines),)),))
    draft = drafts_of(script, Research(brief="x", documents=[], items=[]))[0]
    assert isinstance(draft.shape.content, Timeline)
    assert [event.when for event in draft.shape.content.events] == ["1791", "20 May 1875", "1960s"]
    assert draft.shape.content.events[0].text == "The Academy defines the metre"
    assert [cue and cue.line for cue in draft.shape.cues] == [1, 2, 3]


def test_single_sentences_share_a_picture() -> None:
    """Two that follow each other are two cards; one with a number stays alone, and so does what is long."""
    layouts = [
        draft.shape.content.layout for draft in _told("A bell rings.", "You look.", "It costs 12 euros.")
    ]
    assert layouts == ["list", "statement"]


def test_a_sentence_that_leans_on_the_one_before_shares_its_picture() -> None:
    """ "They founded ..." says nothing alone: who they are stands beside it."""
    sentences = (
        "By the middle of the century, science and trade had crossed the borders that measures had not.",
        "On 20 May 1875 seventeen states signed the Metre Convention in Paris.",
        "They founded an office for measures in Sèvres, which still exists.",
    )
    part = ScriptPart("Part", (Paragraph(tuple(Line(sentence) for sentence in sentences)),))
    drafts = drafts_of(Script("Title", (part,)), Research(brief="x", documents=[], items=[]))
    assert [len(draft.lines) for draft in drafts] == [1, 2]


def test_what_does_not_fit_is_divided() -> None:
    """A list with too much text for the frame becomes two pictures; every sentence is still told."""
    drafts = _told("A bell rings in the night.", "You look out of it.", room=30)
    assert [draft.text for draft in drafts] == ["A bell rings in the night.", "You look out of it."]


def test_what_cannot_be_divided_is_told_without_its_picture() -> None:
    """Code too long for an upright frame: the sentence is shown instead, and a note says so."""
    item = Item(
        id="f001", kind="code", text="So:", section="s", source="a.md", line=1, paragraph=1, parts=["x = 1"]
    )
    script = Script("T", (ScriptPart("Part", (Paragraph((Line("Read it once.", ("f001",)),), "f001"),)),))
    research = Research(brief="x", documents=[], items=[item])
    draft = drafts_of(script, research, fits=lambda d: d.shape.content.layout != "code")[0]
    assert draft.shape.content.layout == "statement"
    assert "its code is too large" in draft.note


@pytest.mark.video
def test_a_long_name_stays_under_its_picture() -> None:
    """What is longer than the picture is wide ends with an ellipsis; what fits stays as it is."""
    from stages.contact_sheet import _shortened
    from stages.lettering import BOLD, measure

    assert _shortened("scene_000", 400) == "scene_000"
    short = _shortened("The metre: how a length became a number", 200)
    assert short.endswith("…")
    assert measure(short, BOLD, 22) <= 200
