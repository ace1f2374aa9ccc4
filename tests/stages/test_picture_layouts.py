"""Every layout, in every format: whole, readable, apart, and out of the captions' way."""

from __future__ import annotations

import random
import subprocess
import sys
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages import icons
from stages.contract import StageError
from stages.drawing import Rect
from stages.layouts import compose
from stages.layouts.chart import shown_value
from stages.layouts.pieces import icons_for
from stages.lettering import BOLD, REGULAR, fit, showable
from stages.scenes import Scene
from stages.theme import FOLDER, asked, load, shipped
from tests.stages.storyboards import CITED, CONTENTS, scene

pytestmark = pytest.mark.video

SIZES = {"wide": (1920, 1080), "vertical": (1080, 1920), "square": (1080, 1080), "tiny": (320, 180)}
NAMES = [f"{index}-{content['layout']}" for index, (content, _, _) in enumerate(CONTENTS)]
WORDS = (
    "the kernel keeps a queue of events for each watch and tells you about /var/lib/records when overflow "
    "happens because nobody reads inotify_add_watch quickly enough to follow"
).split()


def given(index: int) -> Scene:
    content, narration, heading = CONTENTS[index]
    return scene(index, content, narration, heading, citations=CITED)


def shown(made: list[Any]) -> str:
    return " ".join(text.text for element in made for text in element.texts)


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for child in children for text in strings(child)]


THEMES = shipped()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("index", range(len(CONTENTS)), ids=NAMES)
def test_text_is_readable_and_in_its_place(index: int, size: str) -> None:
    """In each theme and arrangement: 30 px (of 1080) high or more, 4.5:1 or better, inside body or footer, apart."""
    for theme, variant in product(THEMES, range(4)):
        page, made = compose(given(index), SIZES[size], load(theme), variant)
        texts = [(element, text) for element in made for text in element.texts]
        assert texts
        for _, text in texts:
            assert text.size >= 30 * page.unit - 0.01
            assert text.contrast >= 4.5
            place = page.footer if text.box.y >= page.footer.y - 1 else page.body
            assert inside(text.box, place), (theme, variant, text)
            assert not text.box.meets(page.captions)
        for (one, first), (other, second) in combinations(texts, 2):
            if {one.name.partition("_")[0], other.name.partition("_")[0]} != {"statement", "emphasis"}:
                assert not first.box.inset(1, 1).meets(second.box.inset(1, 1)), (one.name, other.name)


def inside(box: Rect, place: Rect) -> bool:
    return (
        box.x >= place.x - 1
        and box.right <= place.right + 1
        and box.y >= place.y - 1
        and box.bottom <= place.bottom + 1
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("index", range(len(CONTENTS)), ids=NAMES)
def test_no_word_is_lost(index: int, size: str) -> None:
    """Every word of the content stands in the picture, also where lines are wrapped."""
    wanted = given(index)
    _, made = compose(wanted, SIZES[size], load())
    picture = "".join(shown(made).split())
    facts = wanted.content.model_dump(exclude={"layout", "unit"})
    for text in strings(facts):
        for word in text.split():
            assert word in picture, word


@pytest.mark.parametrize("size", ["wide", "vertical", "square"])
@pytest.mark.parametrize("index", range(len(CONTENTS)), ids=NAMES)
def test_no_half_of_the_frame_is_empty(index: int, size: str) -> None:
    """In each theme and arrangement each half of the body is a fifth covered."""
    for theme, variant in product(THEMES, range(4)):
        page, made = compose(given(index), SIZES[size], load(theme), variant)
        boxes = [element.box for element in made if not element.name.startswith("citation")]
        body, (x, y) = page.body, page.body.centre
        halves = {
            "left": Rect(body.x, body.y, body.w / 2, body.h),
            "right": Rect(x, body.y, body.w / 2, body.h),
            "upper": Rect(body.x, body.y, body.w, body.h / 2),
            "lower": Rect(body.x, y, body.w, body.h / 2),
        }
        for name, half in halves.items():
            assert covered(half, boxes) > 0.2, (theme, variant, name)


def covered(area: Rect, boxes: list[Rect], steps: int = 24) -> float:
    """The share of a grid of points in ``area`` that lie in one of the boxes."""
    points = [
        (area.x + area.w * (column + 0.5) / steps, area.y + area.h * (row + 0.5) / steps)
        for column in range(steps)
        for row in range(steps)
    ]
    hits = sum(any(b.x <= px <= b.right and b.y <= py <= b.bottom for b in boxes) for px, py in points)
    return hits / len(points)


@pytest.mark.parametrize(
    "layout", ["list", "steps", "recap", "statement", "quote", "title", "sources", "comparison"]
)
def test_text_of_any_length_is_whole_or_refused(layout: str) -> None:
    """Twenty texts of random length: each is shown whole, or the stage says which scene to shorten."""
    dice = random.Random(layout)
    refused: list[str] = []
    for _ in range(20):
        texts = [" ".join(dice.choices(WORDS, k=dice.randint(1, 26))) for _ in range(dice.randint(2, 5))]
        wanted = scene(3, filled(layout, texts), "A few words.", "A heading")
        try:
            page, made = compose(wanted, SIZES["wide"], load())
        except StageError as error:
            refused.append(f"{error} {error.hint}")
            continue
        picture = "".join(shown(made).split())
        assert all(
            "".join(text.split()) in picture
            for text in strings(wanted.content.model_dump(exclude={"layout"}))
        )
        assert all(text.box.bottom <= page.footer.bottom for element in made for text in element.texts)
    assert len(refused) < 15
    assert all("scene_003" in said and "storyboard.json" in said for said in refused)


def filled(layout: str, texts: list[str]) -> dict[str, Any]:
    if layout == "comparison":
        return {
            "layout": layout,
            "left_heading": "One",
            "left": texts[:2],
            "right_heading": "Two",
            "right": texts[2:],
        }
    single = {"statement": {"text": texts[0]}, "title": {"title": texts[0], "subtitle": texts[1]}}
    single["quote"] = {"text": texts[0], "attribution": "somebody"}
    return {"layout": layout, **single.get(layout, {"items": texts})}


def test_a_table_too_large_is_refused_not_cut() -> None:
    """Forty rows cannot be read; the stage says so and names the scene."""
    wanted = scene(4, {"layout": "table", "columns": ["a"], "rows": [[str(n)] for n in range(40)]}, "Words.")
    with pytest.raises(StageError, match="scene_004: its table is a table of 40 rows"):
        compose(wanted, SIZES["wide"], load())


def test_letters_without_a_font_are_refused_and_pictographs_left_out() -> None:
    """Script that the fonts lack is no boxes on screen but one clear message; an emoji just goes."""
    with pytest.raises(StageError, match="no letters for 日本"):
        compose(scene(0, {"layout": "statement", "text": "日本 news"}, "Words."), SIZES["wide"], load())
    _, made = compose(
        scene(0, {"layout": "statement", "text": "Good news 🎉 today"}, "Words."), SIZES["wide"], load()
    )
    assert shown(made) == "Good news today"


def test_fitted_text_fills_its_box_and_never_leaves_it() -> None:
    """A short text takes the largest size, a long one a smaller size; both stay inside."""
    short, long = (fit(text, BOLD, (600, 300), (30, 104)) for text in ("Short", " ".join(WORDS)))
    assert short.size == 104
    assert 30 <= long.size < 60
    assert long.width <= 600
    assert long.height <= 300


def test_code_keeps_its_signs_and_indent() -> None:
    """Lines of code stay as they are, blanks in front included."""
    _, made = compose(given(9), SIZES["wide"], load())
    assert any(text.text == "    # the folder is the truth" for element in made for text in element.texts)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.9, "ms", "0.9 ms"),
        (16384, "", "16,384"),
        (-4.0, "%", "−4%"),
        (12, "€", "€12"),
        (7.25, "%", "7.25%"),
    ],
)
def test_numbers_are_shown_as_people_write_them(value: float, unit: str, text: str) -> None:
    """Thousands apart, no needless decimals, the unit where it belongs; never broken from its number."""
    assert shown_value(value, unit).replace("\u00a0", " ") == text
    assert " " not in showable(shown_value(value, unit))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_themes_are_readable(path: Path) -> None:
    """Each theme that ships passes its own checks."""
    assert load(path.stem).name == path.stem


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ('muted: "#B4C0DA"', 'muted: "#4A5570"', r"line 11: muted on background has a contrast of 2\.\d+:1"),
        ("  ink:", "  inc:", r"line \d+: colours\.in[kc]: "),
        ('accent: "#FFB648"', "accent: orange", r"line 12: colours\.accent: String should match"),
        ("small: 32", "small: 24", r"line 20: type\.small: .*greater than or equal to 30"),
        ("radius: 24", "radius: [24", r"line \d+: this is no YAML"),
        ("radius: 24", "radius: 24, radius: 2", r"line 23: the key radius stands here a second time"),
        ("radius: 24", "radius: &a 24, gap: *a", r"line 23: aliases are not read"),
        ("backdrop: discs", "backdrop: stars", r"line 24: shapes\.backdrop: .*'discs'"),
    ],
)
def test_a_broken_theme_is_refused_with_its_line(tmp_path: Path, was: str, now: str, said: str) -> None:
    """Too little contrast, a key, a colour, a size or a form that does not exist, bad YAML: file, line, reason."""
    good = (FOLDER / "midnight.yaml").read_text(encoding="utf-8")
    assert was in good
    (tmp_path / "mine.yaml").write_text(good.replace(was, now), encoding="utf-8")
    with pytest.raises(StageError, match=rf"mine\.yaml {said}"):
        asked({"theme_file": ["mine.yaml"]}, tmp_path)


def test_a_theme_of_ones_own_is_taken_and_a_missing_one_named(tmp_path: Path) -> None:
    """``theme_file`` lies among the sources; without it ``theme`` names one that ships."""
    text = (FOLDER / "paper.yaml").read_text(encoding="utf-8").replace("name: paper", "name: mine")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert asked({"theme": "bold", "theme_file": ["mine.yaml"]}, tmp_path).name == "mine"
    assert asked({"theme": "bold"}, tmp_path).name == "bold"
    with pytest.raises(StageError, match="no theme called nothing"):
        asked({"theme": "nothing"}, tmp_path)
    with pytest.raises(StageError, match=r"other\.yaml is not among the job's sources"):
        asked({"theme_file": ["other.yaml"]}, tmp_path)


def test_every_word_has_one_icon_that_exists() -> None:
    """No word chooses two icons, and every icon named can be drawn."""
    lines = yaml.safe_load((FOLDER.parent / "icon_words.yaml").read_text(encoding="utf-8"))
    words = [word for each in lines.values() for word in each.split()]
    assert len(words) == len(set(words))
    for name in (*lines, *icons.FALLBACKS):
        box = icons.path_of(name).computeTightBounds()
        assert box.left() >= 0
        assert box.right() <= icons.GRID


@pytest.mark.parametrize(
    "text",
    [
        "Keeping a culture alive",
        "Drop a spoonful into a glass",
        "Make a little more than it takes",
        "One part of it",
    ],
)
def test_a_word_of_many_meanings_chooses_no_icon(text: str) -> None:
    """Better none than a floppy disk for what is kept alive."""
    assert icons.choose(text) is None


def test_one_of_several_cards_has_no_icon_of_another_ones_words() -> None:
    """A card none of whose words has an icon gets a mark that says nothing."""
    said = scene(0, {"layout": "statement", "text": "Bubbles"}, "The network feeds bubbles and crumbs.")
    page, _ = compose(said, SIZES["wide"], load())
    assert set(icons_for(page, ["Bubbles", "Crumbs"])) <= set(icons.FALLBACKS)


def test_an_icon_being_drawn_is_part_of_it() -> None:
    """Half drawn, an icon is about half as long."""
    import skia

    from stages.drawing import part_of

    def length(path: Any) -> float:
        measure, total = skia.PathMeasure(path, False), 0.0
        while True:
            total += float(measure.getLength())
            if not measure.nextContour():
                return total

    whole = icons.path_of("bell-ring")
    assert length(part_of(whole, 0.5)) == pytest.approx(length(whole) / 2, rel=0.02)


def test_a_missing_system_library_says_what_to_install(tmp_path: Path) -> None:
    """When skia's wheel does not find libEGL the message holds the apt line, not a bare traceback."""
    (tmp_path / "skia.py").write_text("raise ImportError('libEGL.so.1: cannot open shared object file')\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\nfrom stages.contract import StageError\n"
        "try:\n import stages.drawing\nexcept StageError as error:\n print(error, '|', error.hint)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "libEGL.so.1" in said.stdout
    assert "apt install libegl1 libgl1" in said.stdout


def test_rectangles_that_only_touch_do_not_meet() -> None:
    """Neighbours share an edge and nothing else."""
    assert not Rect(0, 0, 10, 10).meets(Rect(10, 0, 10, 10))
    assert Rect(0, 0, 10, 10).meets(Rect(9, 9, 10, 10))
    assert fit("x", REGULAR, (50, 50), (30, 30)).lines == ("x",)
