"""Each fault of the catalogue has a test, or says why not; the page in docs/ says the same."""

from __future__ import annotations

from tests.catalogue import PAGE, marked, page, parts

ROWS = [row for _, rows in parts() for row in rows]


def test_the_rows_are_numbered() -> None:
    """Numbers are how tests name them: none twice, none left out."""
    assert [row.number for row in ROWS] == list(range(1, len(ROWS) + 1))


def test_every_row_has_a_test_or_a_reason() -> None:
    """A promise that nothing holds is told as such."""
    tests = marked()
    assert [row.number for row in ROWS if not tests.get(row.number) and not row.why] == []


def test_marks_name_rows() -> None:
    """A mark with a number that is not in the catalogue holds nothing."""
    assert set(marked()) - {row.number for row in ROWS} == set()


def test_the_page_is_up_to_date() -> None:
    """Make it anew with: python -m tests.catalogue."""
    assert PAGE.read_text(encoding="utf-8") == page(marked())
