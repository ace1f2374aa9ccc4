"""The frame of a scene: its size, its look, and where content may be."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from stages.drawing import Rect
from stages.lettering import Face

if TYPE_CHECKING:
    from stages.theme import Theme

Format = Literal["wide", "square", "vertical"]


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
