"""What the endurance run says of the descriptors that it counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.endure import verdict
from tests.vitals import Process, Vitals, Watch

DAEMON, KEEPER = Process(1, 1, 1, 12, 1, 1), Process(1, 1, 1, 8, 1, 0)


@pytest.mark.parametrize(
    ("who", "counts", "fine"),
    [
        ("keeper", (15, 8), True),
        ("keeper", (4, 15, 8), True),
        ("keeper", (8, 15, 4), True),
        ("keeper", (8, 15, 9), False),
        ("keeper", (4, 8, 9), False),
        ("keeper", (4, 15, 12), False),
        ("daemon", (13, 11), True),
        ("daemon", (8, 12), False),
    ],
)
def test_descriptors_at_the_end(who: str, counts: tuple[int, ...], fine: bool) -> None:
    """As few as ever; a keeper with its spare has four more than one without, and nothing between is right."""
    watch = Watch()
    for number, count in enumerate(counts):
        parts = {"daemon": DAEMON, "keeper": KEEPER}
        parts[who] = replace(parts[who], descriptors=count)
        watch.add(float(number), 10, Vitals(**parts, zombies=0, database=0, ledger=0))
    found, _ = verdict(watch, 10)
    assert (found == []) == fine
