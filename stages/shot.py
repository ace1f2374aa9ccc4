"""One scene ready to be painted: its elements, its times, its layers, and a digest of all it is made of."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import skia

from stages.backdrop import Backdrop
from stages.cues import COLUMNS, cues
from stages.drawing import Rect
from stages.handover import ends, handed_over, meeting
from stages.layers import Captions, Drawn, Progress
from stages.layouts import compose
from stages.layouts.element import Element
from stages.layouts.page import Page, new_page
from stages.motion import Timing, timing
from stages.neighbours import Place, arrangement_of, place_of
from stages.picture import Canvas

if TYPE_CHECKING:
    from stages.handover import Boxes
    from stages.layers import Layer
    from stages.scenes import Scene, Storyboard
    from stages.theme import Theme

DRAWN_BY = (
    "drawing.py",
    "lettering.py",
    "icons.py",
    "theme.py",
    "theme_file.py",
    "cues.py",
    "motion.py",
    "neighbours.py",
    "reveals.py",
    "cardtext.py",
    "clock.py",
    "code_words.py",
    "quantities.py",
    "said_code.py",
    "said_numbers.py",
    "sentences.py",
    "typography.py",
    "layers.py",
    "backdrop.py",
    "picture.py",
    "clips.py",
    "handover.py",
    "shot.py",
)
FONTS = ("fontpkg-inter", "fontpkg-jetbrains-mono", "fontpkg-montserrat", "fontpkg-source-serif-4")
_NARROW_COLUMNS = 30
"""Characters of a caption line in a frame too narrow for the usual 42."""


@dataclass(frozen=True)
class Order:
    """What is asked for: everything a scene's picture depends on."""

    scene: Scene
    size: tuple[int, int]
    fps: int
    place: Place
    theme: Theme
    variant: int = 0
    captions: bool = True
    picture: str = ""
    """The path of a person's own picture, shown instead of the layout."""
    picture_sha256: str = ""
    came: Boxes = ()
    """What the scene before leaves for this one, and where."""
    goes: tuple[str, ...] = ()
    """What stays for the next scene."""

    @property
    def frames(self) -> int:
        return max(round(self.scene.seconds * self.fps), 1)

    def digest(self) -> str:
        """Equal digests are equal pictures, byte for byte."""
        facts = {
            "scene": self.scene.model_dump(mode="json", exclude={"id"}),
            "at": [*self.size, self.fps, self.variant, self.captions],
            "place": asdict(self.place),
            "theme": self.theme.model_dump(mode="json"),
            "picture": self.picture_sha256,
            "came": [[name, box.x, box.y, box.w, box.h] for name, box in self.came],
            "goes": self.goes,
            "drawn_by": _sources_digest(),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Shot:
    page: Page
    elements: list[Element]
    orders: list[int]
    """For each element how many before it are there from the start."""
    times: Timing
    layers: list[Layer]

    def canvas(self) -> Canvas:
        return Canvas(self.page.width, self.page.height, self.layers)


def order(
    storyboard: Storyboard,
    index: int,
    theme: Theme,
    variant: int = 0,
    *,
    captions: bool = True,
    picture: str = "",
) -> Order:
    size = (storyboard.width, storyboard.height)
    sha256 = hashlib.sha256(Path(picture).read_bytes()).hexdigest() if picture else ""
    came, goes = _shared_with(storyboard, index, theme, captions=captions)
    return Order(
        storyboard.scenes[index],
        size,
        storyboard.fps,
        place_of(storyboard.scenes, index),
        theme,
        variant,
        captions,
        picture,
        sha256,
        () if picture else came,
        () if picture or variant else goes,
    )


def _shared_with(
    storyboard: Storyboard, index: int, theme: Theme, *, captions: bool
) -> tuple[Boxes, tuple[str, ...]]:
    """What a scene takes over and hands on, its neighbours being in their first arrangement."""
    look, size = theme.model_dump_json(), (storyboard.width, storyboard.height)

    def boxes(at: int) -> tuple[Boxes, Boxes]:
        if not 0 <= at < len(storyboard.scenes):
            return (), ()
        # Times do not move anything: a scene that is spoken anew keeps what it shares.
        bare = storyboard.scenes[at].model_copy(update={"words": [], "reveals": []})
        arrangement = arrangement_of(storyboard.scenes, at)
        return ends(bare.model_dump_json(), size, look, arrangement, captions=captions)

    (_, before), (taken, given), (after, _) = boxes(index - 1), boxes(index), boxes(index + 1)
    came, goes = meeting(before, taken), meeting(given, after)
    return came, tuple(name for name, _ in goes)


def prepare(wanted: Order) -> Shot:
    """Lay the scene out; StageError if it cannot be shown."""
    scene, theme, place = wanted.scene, wanted.theme, wanted.place
    if wanted.picture:
        page = new_page(*wanted.size, theme, captions=wanted.captions)
        elements = [_own_picture(wanted.picture, page)]
    else:
        # Neighbours of one layout are arranged in different ways.
        arrangement = wanted.variant + place.arrangement
        page, elements = compose(
            scene, wanted.size, theme, arrangement, place.shared, captions=wanted.captions
        )
    elements = handed_over(elements, wanted.came, wanted.goes)
    times = timing(scene, elements, theme.motion, page.unit, place)
    whole = Rect(0, 0, *wanted.size)
    layers: list[Layer] = [Backdrop(page, *place.ground)]
    orders = [sum(other.part is None for other in elements[:number]) for number in range(len(elements))]
    layers += [Drawn(element, order, times, whole) for element, order in zip(elements, orders, strict=True)]
    if wanted.captions:
        columns = COLUMNS if page.format == "wide" else _NARROW_COLUMNS
        layers.append(Captions(page, cues(scene.words, columns, until=scene.seconds)))
    layers.append(Progress(page, place, scene.seconds))
    return Shot(page, elements, orders, times, layers)


def _own_picture(path: str, page: Page) -> Element:
    """A person's picture, as large as the frame allows without cutting it."""
    image = skia.Image.open(path)
    scale = min(page.width / image.width(), page.height / image.height())
    w, h = image.width() * scale, image.height() * scale
    box = Rect((page.width - w) / 2, (page.height - h) / 2, w, h)
    soft = skia.SamplingOptions(skia.CubicResampler.Mitchell())
    return Element(
        "picture", box, lambda canvas: canvas.drawImageRect(image, box.sk(), soft), entrance="fade"
    )


@lru_cache(maxsize=1)
def _sources_digest() -> str:
    """Of the code that draws and the libraries it draws with: when they change, scenes are made again."""
    folder = Path(__file__).parent
    files = [folder / name for name in DRAWN_BY]
    files += [*sorted((folder / "layouts").glob("*.py")), folder / "icon_words.yaml"]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    for name in ("skia-python", "av", "lucide", "pygments", *FONTS):
        digest.update(f"{name} {version(name)}".encode())
    return digest.hexdigest()
