"""What layouts are put together from: headings, texts, cards, icons, lines, each in the theme's manner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages import icons
from stages.drawing import Rect, fill, rounded, stroke
from stages.layouts.element import Element, Text
from stages.lettering import draw_block, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.drawing import Canvas
    from stages.layouts.element import Entrance, Paint, Shared
    from stages.layouts.page import Page
    from stages.lettering import Align, Block


def heading(page: Page, text: str, shared: Shared = (False, False)) -> tuple[list[Element], Page]:
    """The heading with its accent mark, and the page that is left below it."""
    if not text:
        return [], page
    mark, u, body = page.theme.shapes.heading, page.unit, page.body
    indent, under = {"bar": (36 * u, 0.0), "underline": (0.0, 22 * u), "block": (58 * u, 0.0)}[mark]
    width = body.w - indent
    made = fit(text, page.display, (width, 156 * u), page.sizes(page.theme.type.heading, 44), 1.15)
    box = Rect(body.x + indent, body.y, width, made.height)
    rule = {
        "bar": Rect(body.x, body.y + 8 * u, 12 * u, made.height - 16 * u),
        "underline": Rect(body.x, body.y + made.height + 6 * u, 132 * u, 8 * u),
        "block": Rect(body.x, body.y + made.leading / 2 - 17 * u, 34 * u, 34 * u),
    }[mark]
    colours = page.theme.colours
    rounding = 0.0 if mark == "block" else min(rule.w, rule.h) / 2
    elements = [
        Element(
            "heading_rule",
            rule,
            lambda canvas: rounded(canvas, rule, rounding, fill(colours.accent)),
            entrance="wipe",
            shared=shared,
        ),
        words("heading", made, box, page, colours.ink, colours.background, entrance="slide", shared=shared),
    ]
    used = made.height + under + page.gap * 1.2
    return elements, page.within(Rect(body.x, body.y + used, body.w, body.h - used))


def words(  # noqa: PLR0913  # what a text element is made of
    name: str,
    made: Block,
    box: Rect,
    page: Page,
    colour: str,
    ground: str,
    *,
    align: Align = "left",
    part: int | None = None,
    entrance: Entrance = "fade",
    delay: float = 0.0,
    shared: Shared = (False, False),
) -> Element:
    """A block of text as an element, from the top of ``box``; its own box is what the lines take."""
    box = Rect(box.x, box.y, box.w, made.height)
    text = noted(made, box, colour, ground, align)
    return Element(
        name,
        text.box.inset(-0.05 * made.size, 0),
        lambda canvas: draw_block(canvas, made, box, colour, align),
        part=part,
        entrance=entrance,
        delay=delay,
        shared=shared,
        texts=(text,),
    )


def noted(made: Block, box: Rect, colour: str, ground: str, align: Align = "left") -> Text:
    spare = box.w - made.width
    x = box.x + {"left": 0.0, "center": spare / 2, "right": spare}[align]
    return Text(
        " ".join(made.lines).replace("\u00a0", " "),
        Rect(x, box.y, made.width, made.height),
        made.size,
        colour,
        ground,
    )


def card(page: Page, box: Rect, *, lit: bool = False, outline: str | None = None) -> Paint:
    """A panel in the theme's manner; spoken of, it is lighter and framed in the accent."""
    colours, radius, line, kind = page.theme.colours, page.radius, page.line, page.theme.shapes.card

    def paint(canvas: Canvas) -> None:
        rounded(canvas, box, radius, fill(colours.surface_lit if lit else colours.surface))
        edge = colours.accent if lit else outline or (colours.line if kind == "outlined" else None)
        if kind == "edged":
            side = Rect(box.x, box.y, line * 1.6, box.h)
            canvas.drawRect(side.sk(), fill(colours.accent if lit else outline or colours.line))
        elif edge:
            rounded(canvas, box.inset(line / 2), radius - line / 2, stroke(edge, line))

    return paint


DIMMED = 0.45
"""How opaque a card's text is before it is spoken of."""


def ghost(
    page: Page, name: str, box: Rect, icon: tuple[str, Rect] | None = None, text: Paint | None = None
) -> Element:
    """The outline, and faintly its icon and its text, that show from the start where something will come.

    What comes over a text must not move, or the text is seen twice.
    """
    inner, colour = box.inset(page.line / 2), page.theme.colours.line

    def paint(canvas: Canvas) -> None:
        rounded(canvas, inner, page.radius, stroke(colour, page.line * 0.75))
        if icon:
            icons.paint_icon(canvas, icon[0], icon[1], colour, 1.6)
        if text:
            faint(name, box, text).paint(canvas)

    return Element(name, box, paint, entrance="fade")


def faint(name: str, box: Rect, paint: Paint) -> Element:
    """What will come, to be seen dimly from the start."""

    def dimmed(canvas: Canvas) -> None:
        canvas.saveLayerAlpha(box.sk(), round(DIMMED * 255))
        paint(canvas)
        canvas.restore()

    return Element(name, box, dimmed, entrance="fade")


def over(*paints: Paint) -> Paint:
    """One paint after the other."""

    def paint(canvas: Canvas) -> None:
        for each in paints:
            each(canvas)

    return paint


def text_paint(made: Block, box: Rect, colour: str, align: Align = "left") -> Paint:
    return lambda canvas: draw_block(canvas, made, box, colour, align)


def icon_paint(name: str, box: Rect, colour: str, weight: float = 2.0) -> Paint:
    return lambda canvas: icons.paint_icon(canvas, name, box, colour, weight)


def icons_for(page: Page, texts: Sequence[str]) -> list[str]:
    """An icon for each text, as different as the words allow; one of several has it by its own words alone."""
    chosen: list[str] = []
    all_said = page.words if len(texts) == 1 else ""
    for index, text in enumerate(texts):
        fallback = icons.FALLBACKS[(index + page.variant) % len(icons.FALLBACKS)]
        chosen.append(icons.choose(text, tuple(chosen)) or icons.choose(all_said, tuple(chosen)) or fallback)
        if chosen[-1] in chosen[:-1]:
            chosen[-1] = next((f for f in icons.FALLBACKS if f not in chosen), chosen[-1])
    return chosen


def growing_line(
    index: int, start: tuple[float, float], end: tuple[float, float], page: Page, weight: float
) -> Element:
    """The way from one part to the next, which grows as that one is spoken of; ``weight`` in the page's lines."""
    line = stroke(page.theme.colours.accent, page.line * weight)

    def grow(canvas: Canvas, share: float) -> None:
        x, y = start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
        canvas.drawLine(*start, x, y, line)

    box = Rect(start[0], start[1], end[0] - start[0], end[1] - start[1]).inset(-page.line * 2)
    return Element(
        f"link_{index}", box, lambda canvas: grow(canvas, 1.0), part=index, grow=grow, entrance="grow"
    )
