"""What `make mutants` takes out stands where it says, so that the list cannot rot."""

from __future__ import annotations

import ast

import pytest

from tests.long.mutants.removals import ROOT, Removal, removals

ALL = removals()


@pytest.mark.parametrize("removal", ALL, ids=[f"{r.kind}-{r.what}" for r in ALL])
def test_a_removal_fits_the_source(removal: Removal) -> None:
    """The text to take out is there once, what is left is Python, and the tests that must fail exist."""
    ast.parse(removal.applied())
    assert all((ROOT / test).exists() for test in removal.tests)


def test_every_wait_for_the_disk_is_among_them() -> None:
    """They are found in the source, not listed: a new one is tried like the others."""
    assert sum(removal.kind == "fsync" for removal in ALL) >= 15
