"""What layouts are made of: the page they are given and the elements they return."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from stages import icons
from stages.drawing import Block, Face, Rect, Unfit, draw_block, fill, fit, rounded, stroke
from stages.theme import contrast

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stages.drawing import Align, Canvas
    from stages.theme import Theme

    Paint = Callable[[Canvas], None]
    Growing = Callable[[Canvas, float], None]

Entrance = Literal["fade", "rise", "slide", "wipe", "pop", "grow"]
Format = Literal["wide", "square", "vertical"]
Shared = tuple[bool, bool]


@dataclass(frozen=True)
class Text:
    """A text as it stands in the picture, for the plan and its checks."""

    text: str
    box: Rect
    size: float
    colour: str
    ground: str

    @property
    def contrast(self) -> float:
        return contrast(self.colour, self.ground)


@dataclass(frozen=True)
class Alive:
    """Something that moves for as long as the scene lasts; both by seconds from its start."""

    draw: Growing
    place: Callable[[float], Rect]
    """What it covers at that time."""


@dataclass(frozen=True)
class Element:
    """One thing drawn: how it looks at rest, when it is spoken of, and how it comes.

    ``paint`` draws the rest state in frame coordinates and within ``box``; ``lit`` the state while its part
    is spoken of; ``grow`` the way there, from 0 to 1; ``alive`` replaces all three by what never rests.
    """

    name: str
    box: Rect
    paint: Paint
    part: int | None = None
    """Which reveal brings it; None is there from the start."""
    lit: Paint | None = None
    grow: Growing | None = None
    alive: Alive | None = None
    entrance: Entrance = "fade"
    delay: float = 0.0
    passing: bool = False
    """Leaves when the next part comes."""
    shared: Shared = (False, False)
    """Whether the scene before and the one after show it as well: then it neither comes nor goes."""
    handed: str = ""
    """What it shows, if the next scene may take it over: it then moves from where it was to where it will be."""
    origin: Rect | None = None
    """Where the scene before left it."""
    texts: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Page:
    """The frame of one scene: its size, its look, and where content may be."""

    width: int
    height: int
    theme: Theme
    body: Rect
    """Where the layout may draw; nothing else does."""
    captions: Rect
    footer: Rect
    variant: int = 0
    """Changes the arrangement when a person asks for a scene again."""
    words: str = ""
    """The scene's heading and narration, for choosing figures."""
    used_icons: tuple[str, ...] = field(default=())
    quiet: frozenset[int] = frozenset()
    """The parts that are not spoken of, and so never stand out."""

    @property
    def unit(self) -> float:
        """One pixel of a frame whose short side is 1080."""
        return min(self.width, self.height) / 1080

    @property
    def format(self) -> Format:
        ratio = self.width / self.height
        return "wide" if ratio > 1.25 else "vertical" if ratio < 0.8 else "square"

    @property
    def display(self) -> Face:
        """The face of titles, headings and large numbers."""
        return Face(self.theme.fonts.display, self.theme.fonts.display_weight)

    @property
    def gap(self) -> float:
        return self.theme.spacing.gap * self.unit

    @property
    def radius(self) -> float:
        return self.theme.spacing.radius * self.unit

    @property
    def line(self) -> float:
        return self.theme.spacing.stroke * self.unit

    @property
    def small(self) -> float:
        """The smallest size of anything that is to be read, in pixels."""
        return self.theme.type.small * self.unit

    def sizes(self, largest: float, smallest: float | None = None) -> tuple[float, float]:
        """(smallest, largest) in pixels, never under the theme's small size; a phone's frame has larger type."""
        small = self.theme.type.small
        most = largest * (1.18 if self.format == "vertical" else 1.0)
        return max(smallest or small, small) * self.unit, max(most, small) * self.unit

    def tall(self, pixels: float) -> float:
        """The most height of a row: an upright frame has more of it to fill."""
        return pixels * self.unit * {"wide": 1.0, "square": 1.25, "vertical": 1.7}[self.format]

    def span(self, columns: int) -> float:
        """The width of some columns of the grid, gutters between them included."""
        grid, gutter = self.theme.grid, self.theme.grid.gutter * self.unit
        return (self.body.w + gutter) / grid.columns * columns - gutter

    def within(self, body: Rect) -> Page:
        return replace(self, body=body)


def new_page(
    width: int, height: int, theme: Theme, variant: int = 0, words: str = "", *, captions: bool = True
) -> Page:
    """Divide a frame: margins, the body, a footer line for the source, and the band kept for captions.

    An upright frame keeps clear of its lower sixth, where players lay their buttons and texts over it.
    """
    unit = min(width, height) / 1080
    upright = width < height
    side = theme.grid.margin * unit * (1 if width > height * 1.25 else 0.72)
    tall = (172 if upright else 144) * unit if captions else 0.0
    low = 0.165 * height if upright else 34 * unit
    band = Rect(side, height - low - tall, width - 2 * side, tall)
    footer = Rect(side, band.y - 58 * unit, width - 2 * side, 44 * unit)
    top = 0.065 * height if upright else 60 * unit
    body = Rect(side, top, width - 2 * side, footer.y - 24 * unit - top)
    return Page(width, height, theme, body, band, footer, variant, words)


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


def centred(made: Block, box: Rect) -> Rect:
    """The box of ``made``, in the vertical middle of ``box``."""
    return Rect(box.x, box.y + (box.h - made.height) / 2, box.w, made.height)


def panes(page: Page, columns: int = 7, picture: float = 0.4) -> tuple[Rect, Rect]:
    """Where text and picture stand: side by side, the text in ``columns`` of the grid; in a narrow frame
    one over the other, the picture with that share of the height. Odd variants change sides."""
    body = page.body
    if page.format == "wide":
        count = page.theme.grid.columns
        columns = round(columns * count / 12)
        text, side = page.span(columns), page.span(count - columns)
        if page.variant % 2:
            return Rect(body.right - text, body.y, text, body.h), Rect(body.x, body.y, side, body.h)
        return Rect(body.x, body.y, text, body.h), Rect(body.right - side, body.y, side, body.h)
    top = body.h * picture
    below = Rect(body.x, body.y + top + page.gap, body.w, body.h - top - page.gap)
    return below, Rect(body.x, body.y, body.w, top)


def rows(box: Rect, count: int, gap: float, tallest: float) -> list[Rect]:
    """``count`` equal rows that fill ``box``, none taller than ``tallest``, together in its middle."""
    height = min((box.h - gap * (count - 1)) / count, tallest)
    top = box.y + (box.h - height * count - gap * (count - 1)) / 2
    return [Rect(box.x, top + index * (height + gap), box.w, height) for index in range(count)]


def columns(box: Rect, count: int, gap: float) -> list[Rect]:
    width = (box.w - gap * (count - 1)) / count
    return [Rect(box.x + index * (width + gap), box.y, width, box.h) for index in range(count)]


def first_that_fits(*arrangements: Callable[[], list[Element]]) -> list[Element]:
    """The elements of the first arrangement in which every text fits; raises Unfit if none does."""
    for arrangement in arrangements[:-1]:
        try:
            return arrangement()
        except Unfit:
            continue
    return arrangements[-1]()


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
