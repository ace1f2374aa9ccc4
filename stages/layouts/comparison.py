"""Two sides, each in its own colour, part against part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.drawing import Rect, fill, rounded, stroke
from stages.layouts.element import Element
from stages.layouts.grid import centred, columns, rows
from stages.layouts.pieces import ghost, noted, over, text_paint
from stages.lettering import BOLD, MEDIUM, block, draw_block, fit_all

if TYPE_CHECKING:
    from stages.drawing import Canvas
    from stages.layouts.element import Paint
    from stages.layouts.page import Page
    from stages.lettering import Block
    from stages.scenes import Comparison


def elements(content: Comparison, page: Page) -> list[Element]:
    colours = page.theme.colours
    left, right = _panels(page)
    head = min(left.h * 0.26, 124 * page.unit)
    space = (left.w - 56 * page.unit, head - 12 * page.unit)
    names = fit_all(
        [content.left_heading, content.right_heading], page.display, [space] * 2, page.sizes(52), 1.1
    )
    made: list[Element] = []
    for side, (panel, colour) in enumerate(((left, colours.second), (right, colours.accent))):
        made.append(_panel(f"panel_{side}", panel, head, names[side], colour, page))
    made += _parts(content, (left, right), head, page)
    return [*made, _badge(left, right, page)]


def _panels(page: Page) -> tuple[Rect, Rect]:
    body, gap = page.body, page.gap * 1.6
    if page.format == "wide" or page.body.w > page.body.h:
        left, right = columns(body, 2, gap)
    else:
        left, right = rows(body, 2, gap, body.h)
    return left, right


def _panel(name: str, box: Rect, head: float, heading: Block, colour: str, page: Page) -> Element:
    """The side's frame and name, there from the start."""
    colours = page.theme.colours
    where = centred(heading, Rect(box.x + 28 * page.unit, box.y, box.w - 56 * page.unit, head))

    def paint(canvas: Canvas) -> None:
        rounded(canvas, box, page.radius, fill(colours.surface))
        canvas.save()
        canvas.clipRect(Rect(box.x, box.y, box.w, page.line * 2).sk())
        rounded(canvas, box, page.radius, fill(colour))
        canvas.restore()
        draw_block(canvas, heading, where, colour, "center")

    text = noted(heading, where, colour, colours.surface, "center")
    return Element(name, box, paint, entrance="rise", delay=0.0, texts=(text,))


def _parts(content: Comparison, panels: tuple[Rect, Rect], head: float, page: Page) -> list[Element]:
    u = page.unit
    sides = (content.left, content.right)
    most = max(len(content.left), len(content.right), 1)
    places = []
    for side, panel in enumerate(panels):
        inner = Rect(panel.x + 28 * u, panel.y + head, panel.w - 56 * u, panel.h - head - 24 * u)
        gap = page.gap * 0.6
        height = min((inner.h - gap * (most - 1)) / most, page.tall(200))
        top = inner.y + (inner.h - height * most - gap * (most - 1)) / 2
        places += [Rect(inner.x, top + i * (height + gap), inner.w, height) for i in range(len(sides[side]))]
    texts = [*content.left, *content.right]
    spaces = [(place.w - 100 * u, place.h - 10 * u) for place in places]
    blocks = fit_all(texts, MEDIUM, spaces, page.sizes(page.theme.type.body * 1.1), 1.22) if texts else []
    colours = page.theme.colours
    return [
        element
        for index, (place, made) in enumerate(zip(places, blocks, strict=True))
        for element in _part(
            index, place, made, colours.second if index < len(content.left) else colours.accent, page
        )
    ]


def _part(index: int, box: Rect, made: Block, colour: str, page: Page) -> list[Element]:
    colours, u = page.theme.colours, page.unit
    where = centred(made, Rect(box.x + 72 * u, box.y, box.w - 100 * u, box.h))
    shown = over(
        _mark(Rect(box.x + 24 * u, box.y, 28 * u, box.h), colour), text_paint(made, where, colours.ink)
    )

    def plate(ground: str, edge: str | None) -> Paint:
        def paint(canvas: Canvas) -> None:
            rounded(canvas, box, page.radius * 0.7, fill(ground))
            if edge:
                rounded(canvas, box.inset(page.line / 2), page.radius * 0.7, stroke(edge, page.line * 0.75))

        return paint

    part = Element(
        f"part_{index}",
        box,
        over(plate(colours.backdrop, None), shown),
        part=index,
        lit=over(plate(colours.surface_lit, colour), shown),
        entrance="wipe",
        texts=(noted(made, where, colours.ink, colours.surface_lit),),
    )
    return [ghost(page, f"outline_{index}", box, text=shown), part]


def _mark(box: Rect, colour: str) -> Paint:
    return lambda canvas: canvas.drawCircle(*box.centre, box.w * 0.36, fill(colour))


def _badge(left: Rect, right: Rect, page: Page) -> Element:
    """The two arrows between the sides."""
    colours, size = page.theme.colours, 88 * page.unit
    x = (left.centre[0] + right.centre[0]) / 2
    y = (left.centre[1] + right.centre[1]) / 2
    box = Rect(x - size / 2, y - size / 2, size, size)
    made = block("vs", BOLD, page.small, size)

    def paint(canvas: Canvas) -> None:
        canvas.drawCircle(x, y, size / 2 - page.line, fill(colours.background))
        canvas.drawCircle(x, y, size / 2 - page.line, stroke(colours.line, page.line))
        draw_block(canvas, made, centred(made, box), colours.muted, "center")

    text = noted(made, centred(made, box), colours.muted, colours.background, "center")
    return Element("versus", box, paint, entrance="pop", delay=0.3, texts=(text,))
