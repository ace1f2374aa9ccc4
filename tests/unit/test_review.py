"""What REVIEW.md makes of what a stage says of its files."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.model import Artifact
from daemon.review import TABLE_ROWS, _table


def table(rows: Any) -> list[str]:
    return list(_table(Artifact("results.json", "json", 1, "0" * 64, {"table": rows})))


def test_a_table_is_shown_with_its_heading() -> None:
    """The first row is the heading; a bar or a line break in a cell does not end it."""
    assert table([["check", "value"], ["loud|ness", -16.0], ["a\nb", None]]) == [
        "\n## results.json\n", "| check | value |", "|---|---|", "| loud\\|ness | -16.0 |", "| a b | None |",
    ]  # fmt: skip


def test_a_long_table_is_cut_and_says_so() -> None:
    lines = table([["n"], *([number] for number in range(TABLE_ROWS + 7))])
    assert lines[-1] == "\n7 more rows"
    assert lines[-2] == f"| {TABLE_ROWS - 1} |"


@pytest.mark.parametrize("rows", [None, "x", 3, [], {"a": 1}, [1, 2], [["a"], []]])
def test_anything_else_is_no_table(rows: Any) -> None:
    """A stage may write any JSON there."""
    assert table(rows) == []
