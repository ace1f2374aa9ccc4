"""The documents show the rules as they are."""

from __future__ import annotations

from tests import diagram


def test_the_diagram_is_the_rules() -> None:
    """docs/states.md has the diagram that the rules draw; `python -m tests.diagram` writes it anew."""
    page = diagram.PAGE.read_text(encoding="utf-8")
    assert page == diagram.page_with(page)
