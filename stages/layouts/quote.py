"""Somebody's words, large, between a drawn quotation mark and who said them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages import icons
from stages.drawing import Rect, fill, rounded
from stages.layouts.element import Element
from stages.layouts.pieces import words
from stages.lettering import REGULAR, Face, fit

if TYPE_CHECKING:
    from stages.drawing import Canvas
    from stages.layouts.page import Page
    from stages.scenes import Quote


def elements(content: Quote, page: Page) -> list[Element]:
    colours, u, body = page.theme.colours, page.unit, page.body
    wide = page.format == "wide"
    mark = 300 * u if wide else 170 * u
    text = (
        Rect(body.x + mark + 110 * u, body.y, body.w - mark - 180 * u, body.h)
        if wide
        else Rect(body.x + 50 * u, body.y + mark + 60 * u, body.w - 100 * u, body.h - mark - 100 * u)
    )
    face = Face(page.display.family, min(page.display.weight, 600))
    made = fit(
        content.text, face, (text.w, text.h * 0.7), page.sizes(page.theme.type.heading * 1.25, 36), 1.28
    )
    said = fit(
        f"— {content.attribution}",
        REGULAR,
        (text.w, text.h * 0.2),
        page.sizes(page.theme.type.body * 0.9),
        1.25,
    )
    top = text.y + (text.h - made.height - said.height - page.gap * 1.5) / 2
    place = Rect(text.x, top, text.w, made.height)
    below = Rect(text.x, place.bottom + page.gap * 1.5, text.w, said.height)
    spot = Rect(body.x + 60 * u, body.y + (body.h - mark) / 2, mark, mark)
    if not wide:
        place, below = place.moved(0, -text.h * 0.04), below.moved(0, -text.h * 0.04)
        spot = Rect(body.x + 50 * u, max(place.y - mark - 40 * u, body.y + 24 * u), mark, mark)
    made_elements = [_panel(page), _mark(spot, page)]
    made_elements.append(
        words("quote", made, place, page, colours.ink, colours.surface, part=0, entrance="wipe")
    )
    if content.attribution:
        made_elements.append(
            words("attribution", said, below, page, colours.accent, colours.surface, part=1, entrance="slide")
        )
    return made_elements


def _panel(page: Page) -> Element:
    box = page.body

    def paint(canvas: Canvas) -> None:
        rounded(canvas, box, page.radius, fill(page.theme.colours.surface))
        edge = Rect(box.x, box.y + page.radius, page.line * 2, box.h - 2 * page.radius)
        rounded(canvas, edge, page.line, fill(page.theme.colours.accent))

    return Element("panel", box, paint, entrance="rise")


def _mark(box: Rect, page: Page) -> Element:
    colour = page.theme.colours.second

    def grow(canvas: Canvas, share: float) -> None:
        canvas.save()
        canvas.rotate(180, *box.centre)  # the icon closes a quotation; this one opens it
        icons.paint_icon(canvas, "quote", box, colour, 1.3, share)
        canvas.restore()

    return Element(
        "mark",
        box.inset(-page.line * 2),
        lambda canvas: grow(canvas, 1.0),
        grow=grow,
        entrance="grow",
        delay=0.2,
    )
