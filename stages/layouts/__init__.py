"""One small module for each shape of content; ``compose`` turns a scene into the elements of its picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stages.contract import EditError, StageError
from stages.layouts import (
    bullets,
    chart,
    code,
    comparison,
    quote,
    recap,
    sources,
    statement,
    steps,
    table,
    timeline,
    title,
)
from stages.layouts.citation import citation
from stages.layouts.element import Element
from stages.layouts.page import Page, new_page
from stages.layouts.pieces import heading
from stages.lettering import Unfit, unknown_letters
from stages.reveals import unspoken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stages.layouts.element import Shared
    from stages.scenes import Scene
    from stages.theme import Theme

_LAYOUTS: dict[str, Callable[[Any, Page], list[Element]]] = {
    "title": title.elements,
    "statement": statement.elements,
    "list": bullets.elements,
    "steps": steps.elements,
    "comparison": comparison.elements,
    "chart": chart.elements,
    "timeline": timeline.elements,
    "table": table.elements,
    "code": code.elements,
    "quote": quote.elements,
    "recap": recap.elements,
    "sources": sources.elements,
}


def compose(
    scene: Scene,
    size: tuple[int, int],
    theme: Theme,
    variant: int = 0,
    shared: Shared = (False, False),
    *,
    captions: bool = True,
) -> tuple[Page, list[Element]]:
    """The page and all elements of a scene in drawing order; StageError if a text has no room."""
    page = new_page(*size, theme, variant, f"{scene.heading} {scene.narration}", captions=captions)
    _check_letters(scene)
    try:
        head, rest = heading(replace(page, quiet=unspoken(scene)), scene.heading, shared)
        body = _LAYOUTS[scene.content.layout](scene.content, rest)
        foot = citation(page, scene.citations)
    except Unfit as error:
        raise EditError(
            f"{scene.id}: its {scene.content.layout} is {error}",
            f"shorten the texts of {scene.id} in storyboard.json, or divide it into two scenes",
        ) from error
    return page, [*head, *body, *foot]


def _check_letters(scene: Scene) -> None:
    strange = unknown_letters(
        f"{scene.heading} {scene.content.model_dump_json()} {scene.narration}".replace("\\n", " ")
    )
    if strange:
        raise StageError(
            f"{scene.id}: the fonts have no letters for {strange[:12]}",
            "the pictures can be drawn in Latin, Greek and Cyrillic script; use a source in one of them",
        )


def _strings(value: Any) -> Iterator[str]:
    """Every text in a content, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)
