"""A table goes between its two marks, and nothing else of the page moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import page
from bench.__main__ import WHAT


def test_a_table_takes_its_place_also_where_that_was_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once and again; what stands between two places stays."""
    one, other = tmp_path / "one.md", tmp_path / "other.md"
    one.write_text("a\n<!-- bench: x -->\n<!-- end -->\nb\n<!-- bench: y -->\n<!-- end -->\nc\n")
    other.write_text("no place\n")
    monkeypatch.setattr(page, "PAGES", (one, other))
    for table in ("| 1 |", "| 2 |\n| 3 |"):
        assert page.put("x", table) == ["one.md"]
        place = f"<!-- bench: x -->\n\n{table}\n\n<!-- end -->"
        assert one.read_text() == f"a\n{place}\nb\n<!-- bench: y -->\n<!-- end -->\nc\n"
    with pytest.raises(ValueError, match="no page has"):
        page.put("z", "| 1 |")


@pytest.mark.parametrize("name", [*WHAT, "peers"])
def test_every_table_has_its_place(name: str) -> None:
    """But for the trace, which only its reader needs."""
    places = [f"<!-- bench: {name} -->" in text.read_text(encoding="utf-8") for text in page.PAGES]
    assert any(places) == (name != "trace")


def test_the_command_is_told_as_a_reader_types_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where it worked nor where its table went is anybody's business."""
    monkeypatch.setattr("sys.argv", ["x", "growth", "--root", "/somewhere", "--jobs", "8", "--page"])
    assert page.command("bench") == "python -m bench growth --jobs 8"
