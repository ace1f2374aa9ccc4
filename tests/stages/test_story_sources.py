"""Documents become blocks with their places; what is no document is refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.contract import StageError
from stages.items import load_research
from stages.language import foreign, language_of
from stages.sections import sections_of
from stages.sources import Document, read_document
from tests.stages.story_runs import EXAMPLE, Run, tiny_pdf

MARKDOWN = """\
---
layout: page
---
# Bees

[![badge](a.svg)](b)

A bee visits flowers. It carries pollen
from one flower to the next.

1. Find a flower
2. Take the nectar

| Year | Hives |
| --- | --- |
| 2020 | 12 |

```sh
count hives
```

> Bees are busy.

## License

Released under the MIT license. Nobody wants to hear this.

## Honey

Honey keeps for years.
"""

CHANGELOG = """\
# Changelog

What has changed.

## [2.4.0] - 2026-03-18

### Added

- A flag `--json` (#412).

### Fixed

- A crash (#398, #401).

## [2.3.0] - 2025-11-02

### Added

- Rules can be tested.

## Reading

### Examples

Read one.

## Writing

### Examples

Write one.

### License

Nobody wants to hear this.
"""

HTML = """\
<html><head><title>Tides - My site</title></head><body>
<nav><a href="/">Home</a> <a href="/about">About us</a></nav>
<article><h1>Tides</h1>
<p>The sea rises and falls twice a day at most coasts of the world.</p>
<h2>The moon</h2>

<p>The moon pulls harder on the near side of the Earth than on the far side.</p>
<table><tr><th>Place</th><th>Range</th></tr><tr><td>Bristol</td><td>12</td></tr></table>
</article><footer>Copyright 2024. All rights reserved.</footer></body></html>
"""


def read(tmp_path: Path, name: str, content: str | bytes) -> Document:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_document(path, name)


def test_markdown_keeps_kind_and_line_of_every_block(tmp_path: Path) -> None:
    """A citation leads to the very line, front matter and tables notwithstanding."""
    document = read(tmp_path, "bees.md", MARKDOWN)
    assert document.title == "Bees"
    assert [(block.kind, block.line) for block in document.blocks] == [
        ("paragraph", 8),
        ("steps", 11),
        ("table", 14),
        ("code", 19),
        ("quote", 22),
        ("paragraph", 30),
    ]
    assert document.blocks[2].rows == (("2020", "12"),)
    assert [part.line for part in document.blocks[1].parts] == [11, 12]


def test_boilerplate_is_left_out(tmp_path: Path) -> None:
    """Licences, badges and navigation are in no video."""
    text = str(read(tmp_path, "bees.md", MARKDOWN)) + str(read(tmp_path, "tides.html", HTML))
    for unwanted in ("MIT", "badge", "Home", "About us", "rights reserved", "layout"):
        assert unwanted not in text


def test_html_blocks_have_the_lines_of_the_html_file(tmp_path: Path) -> None:
    """Text that was extracted from a page is still cited by the page's own lines."""
    document = read(tmp_path, "tides.html", HTML)
    assert document.title == "Tides"
    places = {block.kind + block.text[:8]: block.line for block in document.blocks}
    assert places == {"paragraphThe sea ": 4, "paragraphThe moon": 7, "table": 8}


def test_a_sentence_of_a_page_has_its_own_line(tmp_path: Path) -> None:
    """Also inside a paragraph that runs over several lines, past entities and markup."""
    run = Run(tmp_path, "Explain tides")
    page = HTML.replace(
        "The sea rises and falls twice a day at most coasts of the world.",
        "The sea rises\nand falls at caf&eacute;s\non the <b>coast</b> of Saint-Malo.\n"
        "The moon causes most of it by far.",
    )
    run.source("tides.html", page)
    run.stage("outline")
    run.stage("research")
    lines = {item.text[:8]: item.line for item in load_research(run.path).items if item.kind == "fact"}
    assert (lines["The sea "], lines["The moon"]) == (4, 10)
    moon = next(item for item in load_research(run.path).items if item.text.startswith("The moon causes"))
    assert moon.line == 7


def test_pdf_text_is_cited_by_page(tmp_path: Path) -> None:
    """A PDF's paragraphs know their page; running headers are left out."""
    pages = [
        ["Harbor report 2024", "Cranes", "Forty cranes move containers all night.", "They work in turns."],
        ["Harbor report 2024", "Ships wait nine hours on average."],
        ["Harbor report 2024", "The port added heating to its sensors."],
    ]
    document = read(tmp_path, "port.pdf", tiny_pdf(pages))
    found = [(block.page, " ".join(block.text.split())) for block in document.blocks]
    assert [page for page, _ in found] == sorted(page for page, _ in found if page)
    assert (2, "Ships wait nine hours on average.") in found
    assert not any("Harbor report" in text for _, text in found)
    assert document.blocks[0].section == "Cranes"


def test_pdf_headings_are_the_larger_lines(tmp_path: Path) -> None:
    """Where the type has sizes, these tell headings; members of a list are one list, signatures no heading."""
    lines = ["# Cranes at night", "Forty cranes move containers all night long.", "int lift (int crane)"]
    bullets = ["They lift three kinds of things.", "* Boxes of steel.", "* Bags of grain."]
    document = read(tmp_path, "port.pdf", tiny_pdf([[*lines, *bullets]]))
    assert document.title == "Cranes at night"
    assert {block.section for block in document.blocks} == {"Cranes at night"}
    listed = document.blocks[-1]
    assert [part.text for part in listed.parts] == ["Boxes of steel.", "Bags of grain."]


def test_an_emoji_that_was_a_word_takes_its_sentence_with_it(tmp_path: Path) -> None:
    """ "Users in [flag] asked" is not said as "Users in asked"; an ornament does no harm."""
    run = Run(tmp_path)
    run.source(
        "app.md",
        "# App \U0001f680\n\nUsers in \U0001f1e9\U0001f1ea asked for it. The app \U0001f4f1 opens fast \u26a1. "
        "\u05e9\u05dc\u05d5\u05dd means hello in Hebrew.\n\nThree things changed:\n\n- Search finds words.\n"
        "- Folders have \u05de\u05e9\u05e4\u05d7\u05d4 members.\n- The theme is dark at night.\n",
    )
    for stage in ("outline", "research", "script"):
        run.stage(stage)
    spoken = [line for line in run.text("script.txt").split("\n") if line.endswith("]")]
    assert any(line.startswith("The app opens fast.") for line in spoken)
    assert not any("asked" in line or "hello" in line or "Three" in line for line in spoken)


def test_plain_text_has_lists_and_no_addresses_for_a_title(tmp_path: Path) -> None:
    """Lines with bullets are the members of a list; an author's address is no heading."""
    text = "Ann <ann@example.org>\n\nThe port has rules.\n\n* Ships wait\n  at night.\n\n* Cranes rest.\n"
    document = read(tmp_path, "port.txt", text)
    assert document.title == "Port"
    listed = document.blocks[-1]
    assert [(part.text, part.line) for part in listed.parts] == [
        ("Ships wait at night.", 5),
        ("Cranes rest.", 8),
    ]


def test_plain_text_without_headings_has_parts_all_the_same(tmp_path: Path) -> None:
    """A long text without headings is divided at its paragraphs."""
    paragraph = "The port works at night. " * 12
    document = read(tmp_path, "port.txt", "\n\n".join([paragraph] * 6))
    sections = sections_of(document)
    assert len(sections) >= 3
    assert all(section.heading.endswith("…") for section in sections)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.md", b" \n", "the file is empty"),
        ("binary.md", bytes(range(256)), "binary"),
        ("latin.txt", "Café au lait.".encode("latin-1"), "not UTF-8"),
        ("fake.pdf", b"%PDF-1.4 nothing", "not a readable PDF"),
        ("scan.pdf", tiny_pdf([[]]), "no text layer"),
        ("sheet.xlsx", b"PK\x03\x04", "cannot be read"),
        ("badges.md", b"[![a](b)](c)\n\n## License\n\nMIT.\n", "no readable text"),
    ],
)
def test_what_is_no_document_is_refused_with_a_hint(
    tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    """Each such file ends in one clear message that names it and says what to do."""
    with pytest.raises(StageError, match=expected) as caught:
        read(tmp_path, name, content)
    assert name in str(caught.value)
    assert caught.value.hint


def test_no_sources_is_said_plainly(tmp_path: Path) -> None:
    """Without a source there is no video; the hint fits a request that is taken already."""
    with pytest.raises(StageError, match="no source documents") as caught:
        Run(tmp_path).stage("outline")
    assert (
        caught.value.hint
    ) == "spork cancel story, then drop a new request with params: {sources: [document.md]}"


def test_a_source_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    """A name that leads out of the sources is refused, whatever lies there."""
    run = Run(tmp_path)
    (run.path / "secret.md").write_text("# Secret\n\nNobody may read this sentence.\n")
    run.params["sources"] = ["../secret.md"]
    with pytest.raises(StageError, match=r"secret\.md is not in"):
        run.stage("outline")


def test_german_is_recognized_and_refused(tmp_path: Path) -> None:
    """A document in a language that the voice does not speak ends in a message, not in gibberish."""
    run = Run(tmp_path)
    run.source(
        "kern.md",
        "# Der Kern\n\nEin Programm muss oft wissen, dass sich eine Datei geändert hat. Der Kern sagt dem "
        "Programm, was passiert ist, und zwar in dem Augenblick, in dem es passiert. Das ist nicht schwer.\n",
    )
    with pytest.raises(StageError, match=r"kern\.md is in German"):
        run.stage("outline")


@pytest.mark.parametrize(
    ("sentence", "other"),
    [
        ("Der Kern sagt dem Programm, was passiert ist, und zwar auch im Schlaf.", True),
        ("Le noyau dit au programme ce qui est dans les fichiers pour une fois.", True),
        ("As a rule, no one can do a thing in Los Angeles or in La Paz.", False),
        ("The motto is: für alle Zeit, and nobody has to translate it.", False),
    ],
)
def test_single_foreign_sentences_are_known(sentence: str, other: bool) -> None:
    """A German paragraph in an English document is not read with an English voice."""
    assert foreign(sentence) is other


def test_english_is_recognized() -> None:
    """The example is English, and so is a text too short to tell."""
    assert language_of(EXAMPLE.read_text(encoding="utf-8")) == "English"
    assert language_of("Der Hund bellt.") == "English"
    assert "Arabic" in language_of("هذا نص عربي طويل جدا عن البحر والقمر")


def test_a_changelog_is_told_by_its_releases(tmp_path: Path) -> None:
    """Its title is no reason to leave it out, and what two releases added are two sections."""
    (tmp_path / "a.md").write_text(CHANGELOG, encoding="utf-8")
    document = read_document(tmp_path / "a.md", "a.md")
    assert document.sections == (
        "Changelog",
        "Added in 2.4.0",
        "Fixed in 2.4.0",
        "Added in 2.3.0",
        "Reading: Examples",
        "Writing: Examples",
    )
    parts = [part.text for block in document.blocks for part in block.parts]
    assert parts == ["A flag `--json`.", "A crash.", "Rules can be tested."]


def test_a_title_that_only_says_changelog_gives_way_to_the_brief(tmp_path: Path) -> None:
    """What the request asks for names the video."""
    run = Run(tmp_path, "Tell what is new in Lantern 2.4")
    run.source("a.md", CHANGELOG)
    assert "Title: What is new in Lantern 2.4\n" in run.stage("outline")


def test_this_dough_is_that_of_the_heading(tmp_path: Path) -> None:
    """The first sentence may point to the title over it, and to nothing else."""
    run = Run(tmp_path, "Show how to make dough")
    run.source(
        "a.md", "# Pizza dough\n\nThis dough rests for two days.\n\n## Baking\n\nThis dough is hot by then.\n"
    )
    run.stage("outline")
    run.stage("research")
    assert [item.alone for item in load_research(run.path).items] == [True, False]
