"""The catalogue of faults."""

from __future__ import annotations

from tests.catalogue import marked, parts

ROWS = [row for _, rows in parts() for row in rows]


def test_the_rows_are_numbered() -> None:
    """Numbers are how tests name them: none twice, none left out."""
    assert [row.number for row in ROWS] == list(range(1, len(ROWS) + 1))


def test_marks_name_rows() -> None:
    """A mark with a number that is not in the catalogue holds nothing."""
    assert set(marked()) - {row.number for row in ROWS} == set()
