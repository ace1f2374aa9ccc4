"""The opening: the title large beside a drawn cluster of what it is about."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stages import icons
from stages.drawing import Rect, fill, rounded, stroke
from stages.layouts.element import Element
from stages.layouts.figure import figure
from stages.layouts.grid import panes
from stages.layouts.pieces import icon_paint, icons_for, over, words
from stages.lettering import REGULAR, fit

if TYPE_CHECKING:
    from stages.layouts.element import Paint
    from stages.layouts.page import Page
    from stages.lettering import Block
    from stages.scenes import Title


def elements(content: Title, page: Page) -> list[Element]:
    text_box, picture = panes(page, 7, 0.48)
    return [*_cluster(content, page, picture), *_words(content, page, text_box)]


def _words(content: Title, page: Page, box: Rect) -> list[Element]:
    colours, scale, u = page.theme.colours, page.theme.type, page.unit
    share = 0.62 if content.subtitle else 0.9
    title = fit(content.title, page.display, (box.w, box.h * share), page.sizes(scale.display * 1.1, 44), 1.1)
    sub = fit(content.subtitle or " ", REGULAR, (box.w, box.h * 0.3), page.sizes(scale.body * 1.05), 1.35)
    rule = 10 * u
    below = rule + page.gap * 2 + (sub.height if content.subtitle else 0)
    top = box.y + (box.h - title.height - below) / 2
    bar = Rect(box.x, top + title.height + page.gap, 150 * u, rule)
    made = [
        words(
            "title",
            title,
            Rect(box.x, top, box.w, 0),
            page,
            colours.ink,
            colours.background,
            part=0,
            entrance="rise",
        ),
        Element(
            "title_rule",
            bar,
            lambda canvas: rounded(canvas, bar, rule / 2, fill(colours.accent)),
            part=0,
            entrance="wipe",
            delay=0.25,
        ),
    ]
    if content.subtitle:
        made.append(_subtitle(sub, Rect(box.x, bar.bottom + page.gap, box.w, 0), page))
    return made


def _subtitle(made: Block, place: Rect, page: Page) -> Element:
    colours = page.theme.colours
    return words(
        "subtitle", made, place, page, colours.muted, colours.background, part=1, entrance="fade", delay=0.1
    )


def _cluster(content: Title, page: Page, box: Rect) -> list[Element]:
    """A large disc and, around it, smaller ones joined to it."""
    side = min(box.w, box.h)
    x, y = box.centre
    chosen = _icons(content, page)
    made: list[Element] = []
    for index, name in enumerate(chosen[1:]):
        angle = math.radians((-52, 68, 178)[index])
        reach, radius = side * 0.40, side * 0.105
        spot = x + math.cos(angle) * reach, y + math.sin(angle) * reach
        disc = Rect(spot[0] - radius, spot[1] - radius, radius * 2, radius * 2)
        made.append(
            Element(
                f"satellite_{index}",
                disc.inset(-page.line),
                over(
                    _plate(page, disc),
                    icon_paint(name, disc.inset(radius * 0.5), page.theme.colours.second, 1.8),
                ),
                entrance="pop",
                delay=0.5 + 0.25 * index,
            )
        )
    centre = Rect(x - side / 2, y - side / 2, side, side).inset(side * 0.07)
    return [*figure(page, centre, chosen[:1]), *made]


def _plate(page: Page, disc: Rect) -> Paint:
    colours = page.theme.colours

    def paint(canvas):  # type: ignore[no-untyped-def]
        canvas.drawCircle(*disc.centre, disc.w / 2, fill(colours.surface_lit))
        canvas.drawCircle(*disc.centre, disc.w / 2, stroke(colours.line, page.line))

    return paint


def _icons(content: Title, page: Page) -> list[str]:
    """Up to four icons: of the title, then of the words that are said."""
    texts = [
        content.title,
        content.subtitle,
        page.words[: len(page.words) // 2],
        page.words[len(page.words) // 2 :],
    ]
    # Marks that say nothing are left out, but for the main picture where no word has an icon.
    chosen = icons_for(page, texts)
    return [name for name in chosen if name not in icons.FALLBACKS] or chosen[:1]
