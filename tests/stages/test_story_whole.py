"""From a document to a timed storyboard: cited, near the length asked for, following a person's edits."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from stages.alone import main
from stages.contract import EditError, StageError
from stages.items import load_research
from stages.plan import load_plan
from stages.scenes import Storyboard, part_count, schema
from stages.script_text import load_script
from stages.sentences import count_words
from stages.theme import FOLDER
from tests.stages.story_runs import EXAMPLE, Run, tiny_pdf

SHORT = "# Bees\n\nA bee visits flowers for nectar. It carries pollen from one flower to the next.\n"
TEMPLATES = re.compile(
    r"With \d|The highest|The lowest|That is|The sources? |To sum up|In the next|"
    r"First, |Then |Next, |After that, |Finally, "
)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The example document, told in one minute."""
    run = Run(tmp_path_factory.mktemp("told"), "Explain how inotify works to a backend engineer", 1.0)
    run.params["audience"] = "backend engineers"
    run.source("inotify.md", EXAMPLE.read_bytes())
    for stage in ("outline", "research", "script", "storyboard"):
        run.stage(stage)
    return run


def board_of(run: Run) -> Storyboard:
    return Storyboard.model_validate_json(run.text("storyboard.json"))


def plain(text: str) -> str:
    return " ".join(text.replace("`", "").split())


def test_every_item_stands_where_it_says(told: Run) -> None:
    """A research item's words begin on its line of its file."""
    lines = (told.sources / "inotify.md").read_text(encoding="utf-8").split("\n")
    facts = [item for item in load_research(told.path).items if item.kind in ("fact", "number")]
    assert len(facts) > 10
    for item in facts:
        start = plain(" ".join(lines[item.line - 1 : item.line + 3]))
        assert plain(item.text)[:40] in start, item.id


def test_nothing_is_invented(told: Run) -> None:
    """Each sentence is the source's own, or made by a template from its headings and figures."""
    source = plain((told.sources / "inotify.md").read_text(encoding="utf-8")).replace("> ", "")
    script = load_script(told.path, {item.id for item in load_research(told.path).items})
    for _, paragraph in script.paragraphs:
        for line in paragraph.lines:
            said = plain(line.text).rstrip(".")
            assert said in source or TEMPLATES.match(said), line.text


def test_every_claim_is_cited(told: Run) -> None:
    """A sentence without an item only greets or takes leave."""
    script = load_script(told.path, {item.id for item in load_research(told.path).items})
    uncited = [line.text for _, p in script.paragraphs for line in p.lines if not line.items]
    assert all(re.match(r"That is|The sources? |In the next|To sum up", text) for text in uncited)


def test_the_script_is_spoken_language(told: Run) -> None:
    """Short sentences, none of which leans on one that was left out."""
    script = load_script(told.path, {item.id for item in load_research(told.path).items})
    for _, paragraph in script.paragraphs:
        assert not re.match(r"(this|that|these|those|it)\b", paragraph.text, re.I) or paragraph.show
        assert all(count_words(line.text) <= 25 for line in paragraph.lines)


def test_the_length_is_what_was_asked_for(told: Run) -> None:
    """Within ten percent of the minutes, at a pace of speech."""
    board = board_of(told)
    assert board.seconds == pytest.approx(60, rel=0.1)
    words = sum(len(scene.narration.split()) for scene in board.scenes)
    assert 140 <= words / board.seconds * 60 <= 165


def test_scenes_are_timed_by_the_voice(told: Run) -> None:
    """Whole frames, words in order inside the scene, reveals on words, no scene over-long."""
    for scene in board_of(told).scenes:
        frames = scene.seconds * 30
        assert frames == pytest.approx(round(frames), abs=1e-6)
        times = [time for word in scene.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert scene.words[0].start > 0
        assert times[-1] < scene.seconds <= 30
        assert len(scene.reveals) == part_count(scene.content)
        assert list(scene.reveals) == sorted(scene.reveals)


def test_layouts_follow_the_shape_of_the_content(told: Run) -> None:
    """It opens with the title and ends with the sources; a table of numbers becomes a chart of the same."""
    scenes = board_of(told).scenes
    layouts = [scene.content.layout for scene in scenes]
    assert layouts[0] == "title"
    assert layouts[-1] == "sources"
    assert len(set(layouts)) >= 4


def test_citations_name_real_items(told: Run) -> None:
    """Each citation of the storyboard is an item of the research, with its place."""
    research = load_research(told.path)
    cited = [citation for scene in board_of(told).scenes for citation in scene.citations]
    assert cited
    for citation in cited:
        item = research.item(citation.item)
        assert item is not None
        assert (citation.source, citation.line) == (item.source, item.line)


def test_the_same_input_gives_the_same_bytes(told: Run) -> None:
    """Running the stages again changes nothing."""
    before = told.text("storyboard.json"), told.text("script.txt")
    told.stage("script")
    told.stage("storyboard")
    assert (told.text("storyboard.json"), told.text("script.txt")) == before


def test_fifty_pages_become_one_minute(tmp_path: Path) -> None:
    """A long report is told by what is nearest to the brief, near the length, with its pages; running heads are not."""
    subjects = "cranes ships docks sheds rails tugs pilots lamps buoys tides".split()
    pages = [
        [
            "Harbor report 2024",
            f"# {subjects[page % 10].capitalize()} in zone {page}",
            f"The {subjects[page % 10]} of zone {page} moved {100 + page} tons in an ordinary night.",
            f"Their crews repaired {page} parts of the {subjects[page % 10]} without stopping the work.",
        ]
        for page in range(1, 51)
    ]
    run = Run(tmp_path, "Explain how tugs and pilots work in the harbor", 1.0)
    run.source("harbor.pdf", tiny_pdf(pages))
    for stage in ("outline", "research", "script"):
        run.stage(stage)
    text = run.text("script.txt")
    items = {item.id: item for item in load_research(run.path).items}
    cited = {name for _, paragraph in load_script(run.path, items).paragraphs for name in paragraph.items}
    assert {items[name].page for name in cited} <= set(range(1, 51))
    assert any("tugs" in items[name].text or "pilots" in items[name].text for name in cited)
    assert "Harbor report" not in text.split("== Opening ==")[1]
    seconds = re.search(r"about (\d+) seconds", text)
    assert seconds
    assert float(seconds[1]) == pytest.approx(60, rel=0.1)


def test_each_of_several_documents_is_introduced(tmp_path: Path) -> None:
    """The second one does not begin with a detail: its own introduction comes before its first part."""
    run = Run(tmp_path, "Explain bees and tides", 1.0)
    run.source("bees.md", SHORT + "\n## Honey\n\nHoney keeps for years in a jar.\n")
    run.source(
        "tides.md", "# Tides\n\nThe sea rises twice a day.\n\n## The moon\n\nThe moon pulls at the sea.\n"
    )
    run.params["sources"] = ["bees.md", "tides.md"]
    run.stage("outline")
    parts = [part.heading for part in load_plan(run.path).parts]
    assert parts == ["Honey", "Tides", "The moon"]


def test_short_parts_are_all_planned_where_few_would_not_fill_the_length(tmp_path: Path) -> None:
    """Half a minute has room for one part by its count; four parts of a sentence each are planned all the same."""
    run = Run(tmp_path, "Explain bees", 0.5)
    parts = ["Bees dance for food.", "Bees sleep at night.", "Bees like clover.", "Bees fear hornets."]
    run.source(
        "bees.md", SHORT + "".join(f"\n## Part {number}\n\n{text}\n" for number, text in enumerate(parts))
    )
    assert "left out" not in run.stage("outline")


@pytest.fixture
def short(tmp_path: Path) -> Run:
    run = Run(tmp_path, "Explain bees", 1.0)
    run.source("bees.md", SHORT)
    for stage in ("outline", "research", "script"):
        run.stage(stage)
    return run


def test_too_little_source_makes_a_shorter_video(short: Run) -> None:
    """Nothing is padded, and the script says so."""
    assert "nothing was padded" in short.text("script.txt")
    short.stage("storyboard")
    assert board_of(short).seconds < 30


def test_an_edited_script_is_followed(short: Run) -> None:
    """What a person changes at the gate is what is said, shown and captioned."""
    text = short.text("script.txt").replace(
        "A bee visits flowers for nectar.", "Honey needs 7 {bees|busy bees}."
    )
    (short.path / "script.txt").write_text(text + "\n\n== Mine ==\n\nMy own words count.\n", encoding="utf-8")
    short.stage("storyboard")
    scenes = board_of(short).scenes
    assert scenes[0].narration.startswith("Honey needs seven busy bees.")
    assert [word.text for word in scenes[0].words][:4] == ["Honey", "needs", "7", "bees."]
    assert scenes[-1].heading == "Mine"
    assert scenes[-1].citations == []


def test_a_lead_has_no_card(tmp_path: Path) -> None:
    """What leads to a recap is spoken only; what leads to an enumeration is its heading."""
    run = Run(tmp_path, "Explain bees")
    run.source(
        "bees.md", SHORT + "\nThree habits help bees:\n\n- Plant clover.\n- Leave wood.\n- Mow late.\n"
    )
    run.stage("outline")
    run.stage("research")
    habits = next(item.id for item in load_research(run.path).items if item.kind == "list")
    lines = ("Three habits help bees.", "Plant clover.", "Leave wood.", "Mow late.")
    told = "\n".join(f"{line} [{habits}]" for line in lines)
    text = f"show: list\nIn a minute: clover, wood and mowing.\n\nshow: recap\n{told}\n"
    (run.path / "script.txt").write_text(text, encoding="utf-8")
    run.stage("storyboard")
    first, second = (scene.model_dump() for scene in board_of(run).scenes)
    assert (first["heading"], first["content"]["items"]) == ("In a minute", ["Clover", "Wood", "Mowing"])
    assert second["content"] == {"layout": "recap", "items": ["Plant clover", "Leave wood", "Mow late"]}
    assert second["words"][0]["text"] == "Three"


def test_a_broken_edit_is_refused(short: Run) -> None:
    """A marker that names nothing stops the storyboard with the line, and no retry is spent on it."""
    text = short.text("script.txt")
    (short.path / "script.txt").write_text(text + "\nMore. [f099]\n", encoding="utf-8")
    with pytest.raises(EditError, match=r"script\.txt line \d+: \[f099\]"):
        short.stage("storyboard")


def test_redo_makes_only_the_named_scenes_again(short: Run) -> None:
    """The other scenes stay as they were, a person's edits included."""
    short.stage("storyboard")
    board = json.loads(short.text("storyboard.json"))
    board["scenes"][0]["heading"] = "By hand"
    (short.path / "storyboard.json").write_text(json.dumps(board), encoding="utf-8")
    short.stage("storyboard", redo={"scene_001": "as a statement"})
    again = json.loads(short.text("storyboard.json"))
    assert again["scenes"][0] == board["scenes"][0]
    assert again["scenes"][1]["content"]["layout"] == "statement"
    # Sent back from a later gate, the daemon has moved the last attempt to history/ before this one begins.
    (short.path / "history/04-storyboard.1").mkdir(parents=True)
    (short.path / "storyboard.json").rename(short.path / "history/04-storyboard.1/storyboard.json")
    short.stage("storyboard", redo={"scene_001": "as a quote"})
    third = json.loads(short.text("storyboard.json"))
    assert third["scenes"][0] == board["scenes"][0]


def test_notes_that_no_rule_can_honour_are_listed(short: Run) -> None:
    """The person at the gate is told what was not done, and what to do instead."""
    short.stage("storyboard", feedback="make it pop")
    notes = board_of(short).notes
    assert len(notes) == 1
    assert "make it pop" in notes[0]
    assert "redo" in notes[0]


def test_feedback_changes_the_script(short: Run) -> None:
    """An item that the notes leave out is not said again."""
    assert "pollen" in short.text("script.txt")
    script = short.stage("script", feedback="leave out pollen")
    spoken = [line for line in script.split("\n") if not line.startswith("#")]
    assert not any("pollen" in line for line in spoken)
    assert "# Note: honoured: 'leave out pollen'" in script


def test_shorter_is_shorter_than_the_last_attempt_each_time(tmp_path: Path) -> None:
    """The example's script shrinks with every "shorter", also when the same note drops its table."""
    run = Run(tmp_path, "Explain how inotify works to a backend engineer", 1.5)
    run.source("inotify.md", EXAMPLE.read_bytes())
    for stage in ("outline", "research", "script"):
        run.stage(stage)
    known = {item.id for item in load_research(run.path).items}
    lengths = [count_words(load_script(run.path, known).text)]
    for notes in ("Shorter please: drop the table", "Shorter"):
        script = run.stage("script", feedback=notes)
        lengths.append(count_words(load_script(run.path, known).text))
        for wish in notes.split(": "):
            assert f"# Note: honoured: {wish!r}" in script
    assert lengths[0] > lengths[1] > lengths[2]


def test_the_published_schema_is_the_model() -> None:
    """Editors are given what the stages check."""
    described = schema()
    assert described["$schema"].startswith("https://json-schema.org/")
    assert "scenes" in described["properties"]


def test_a_stage_runs_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """python -m stages.alone needs a folder and nothing else; what is wrong is said without a traceback."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sources").mkdir()
    assert main(["stages.outline", "--run", str(tmp_path)]) == 1
    assert "no source documents" in capsys.readouterr().err
    (tmp_path / "sources" / "bees.md").write_text(SHORT, encoding="utf-8")
    assert main(["stages.outline", "--run", str(tmp_path), "--intent", "Explain bees"]) == 0
    assert "Title: Bees" in (tmp_path / "outline.txt").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outline.txt", "sources"]


def test_the_schema_file_is_the_model() -> None:
    """conf/schema/storyboard.schema.json is what the code says; write it anew with stages.scenes.schema()."""
    published = Path(__file__).parents[2] / "conf" / "schema" / "storyboard.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == schema()


def test_a_broken_theme_is_refused_by_the_first_stage(tmp_path: Path) -> None:
    """Whoever drops a theme of their own hears of its fault before a script is written, with file and line."""
    run = Run(tmp_path, "Explain bees")
    run.source("bees.md", SHORT)
    run.source(
        "mine.yaml", (FOLDER / "paper.yaml").read_text(encoding="utf-8").replace("surface:", "surfase:")
    )
    run.params |= {"sources": ["bees.md"], "theme_file": ["mine.yaml"]}
    with pytest.raises(StageError, match=r"mine\.yaml line \d+: colours\.surf"):
        run.stage("outline")


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed here")
def test_the_script_is_timed_with_the_voice_that_the_request_names(tmp_path: Path) -> None:
    """Another voice speaks at another pace: what the script promises is what the storyboard then takes."""
    run = Run(tmp_path, "Explain how inotify works", 0.6)
    run.params["voice"] = "espeak-ng"
    run.source("inotify.md", EXAMPLE.read_bytes())
    for stage in ("outline", "research"):
        run.stage(stage)
    promised = re.search(r"about (\d+) seconds", run.stage("script"))
    assert promised
    board = Storyboard.model_validate_json(run.stage("storyboard"))
    assert board.voice == "espeak-ng"
    assert board.seconds == pytest.approx(float(promised[1]), abs=1.0)


def test_the_video_does_not_vouch_for_what_a_person_adds(short: Run) -> None:
    """A sentence of one's own needs no marker: so nothing says that all comes from the sources."""
    text = short.text("script.txt")
    (short.path / "script.txt").write_text(f"{text}\nMy grandmother kept bees.\n", encoding="utf-8")
    short.stage("storyboard")
    said = " ".join(scene.narration for scene in board_of(short).scenes).lower()
    assert "my grandmother kept bees" in said
    assert "everything" not in said
