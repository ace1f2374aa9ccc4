"""What people said of stages that are made again: it waits for its stage, whatever runs before that. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from daemon.model import Feedback

Told = Mapping[str, Feedback]
"""By the name of the stage that it is for."""


def joined(*said: Feedback) -> Feedback:
    """All of it in order; of two reasons to make the same thing again, the later."""
    notes = "\n".join(one.notes for one in said if one.notes)
    return Feedback(notes, {name: why for one in said for name, why in one.redo.items()})


def waiting(told: Told, *stages: str) -> Feedback:
    """What waits for these stages, as one; empty if nothing does."""
    return joined(*(told[name] for name in dict.fromkeys(stages) if name in told))


def without(told: Told, *stages: str) -> dict[str, Feedback]:
    """But for what waits for these stages."""
    return {name: said for name, said in told.items() if name not in stages}


def with_more(told: Told, stage: str, said: Feedback) -> dict[str, Feedback]:
    """And this for the stage, after what waits for it already; where nothing is said, nothing waits."""
    if said == Feedback():
        return dict(told)
    return {**told, stage: joined(waiting(told, stage), said)}
