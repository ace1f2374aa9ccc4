"""What two scenes share moves from where the first shows it to where the second does.

A scene that was asked for again in another arrangement hands nothing on: its neighbours were told what it
shows in its first arrangement, and must not be drawn again because of it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from stages.contract import StageError
from stages.drawing import Rect
from stages.layouts import compose
from stages.scenes import Scene
from stages.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.layouts.element import Element

Boxes = tuple[tuple[str, Rect], ...]
"""What is handed over, and where it stands."""


@lru_cache(maxsize=256)
def ends(
    scene: str, size: tuple[int, int], theme: str, arrangement: int, *, captions: bool
) -> tuple[Boxes, Boxes]:
    """What a scene (as JSON) could take over at its start, and could hand on at its end."""
    try:
        _, elements = compose(
            Scene.model_validate_json(scene),
            size,
            Theme.model_validate_json(theme),
            arrangement,
            captions=captions,
        )
    except StageError:  # it will be said when that scene is drawn
        return (), ()
    marked = [element for element in elements if element.handed]
    taken = tuple((each.handed, each.box) for each in marked if each.part is None)
    given = tuple((each.handed, each.box) for each in marked if not each.passing)
    return taken, given


def meeting(before: Boxes, after: Boxes) -> Boxes:
    """What stands at the end of one scene and at the start of the next, and where the first one has it."""
    names = {name for name, _ in after}
    return tuple((name, box) for name, box in before if name in names)


def handed_over(elements: Sequence[Element], came: Boxes, goes: Sequence[str]) -> list[Element]:
    """The elements, told where they come from (``came``) and that they stay for the next scene (``goes``)."""
    origins = dict(came)
    moving = any(name in ("disc", "tile") for name in origins)
    return [_told(element, origins, goes, late=moving) for element in elements]


ARRIVAL = 0.25
"""Seconds that the rest of a figure waits for its disc to arrive."""


def _told(element: Element, origins: dict[str, Rect], goes: Sequence[str], *, late: bool) -> Element:
    first = element.part is None
    if element.handed and first and element.handed in origins:
        element = replace(element, origin=origins[element.handed])
    elif late and first and element.name.startswith("figure_"):
        element = replace(element, delay=element.delay + ARRIVAL)
    if element.handed in goes and not element.passing:
        element = replace(element, shared=(element.shared[0], True))
    return element
