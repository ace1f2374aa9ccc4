"""When and how the parts of a scene come, are spoken of, and go: pure functions of time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from stages.reveals import reveal_times, unspoken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.drawing import Rect
    from stages.layouts.element import Element
    from stages.neighbours import Place
    from stages.scenes import Scene
    from stages.theme import Motion, Transition

_STAGGER = 0.04
_HEAD_START = 0.15
"""Seconds of entrance that lie before the scene for what is there from the start: no dip to nothing."""
_SETTLE = 0.8
"""The least time in seconds that the last part is on screen."""


class Pose(NamedTuple):
    """How an element is drawn at one instant; all values are rounded so that rest is recognised as rest."""

    alpha: float = 1.0
    dx: float = 0.0
    dy: float = 0.0
    scale: float = 1.0
    pop: float = 1.0
    wipe: float = 1.0
    grown: float = 1.0
    focus: float = 0.0
    shown: tuple[float, float] = (0.0, 1.0)
    """The part of the frame's width in which it shows, from the left."""
    clock: float = 0.0


@dataclass(frozen=True)
class Timing:
    """The times of one scene in seconds from its start."""

    seconds: float
    reveals: tuple[float, ...]
    motion: Motion
    unit: float
    came: Transition | None
    goes: Transition | None
    """None at the beginning and the end of the video."""
    quiet: frozenset[int] = frozenset()
    """The parts that are not spoken of: none of them takes the focus from another."""

    @property
    def leaves(self) -> float:
        return self.seconds - (self.motion.exit if self.goes else 0.0)


def timing(scene: Scene, elements: Sequence[Element], motion: Motion, unit: float, place: Place) -> Timing:
    """The times of a scene, which comes and gives way by the theme's transitions in turn."""
    parts = max((element.part + 1 for element in elements if element.part is not None), default=0)
    return Timing(
        scene.seconds,
        reveal_times(scene, parts, last=scene.seconds - _SETTLE),
        motion,
        unit,
        _transition(motion, place.comes),
        _transition(motion, place.leaves),
        unspoken(scene),
    )


def _transition(motion: Motion, number: int | None) -> Transition | None:
    return None if number is None else motion.transitions[number % len(motion.transitions)]


def begins(element: Element, order: int, times: Timing) -> float:
    """When an element starts to come; those without a part follow each other by ``order`` at the start."""
    if element.part is not None:
        return times.reveals[element.part] + element.delay
    return min(order * _STAGGER, 0.28) - _HEAD_START + element.delay


def pose(element: Element, order: int, seconds: float, times: Timing) -> Pose | None:
    """How ``element`` is drawn ``seconds`` into the scene; None is not at all."""
    start = begins(element, order, times)
    if element.origin is not None:
        start = 0.0
    share = 1.0 if element.shared[0] and element.origin is None else (seconds - start) / times.motion.enter
    until = _until(element, times)
    if (share <= 0.0 and element.origin is None) or (
        until is not None and seconds >= until + times.motion.focus
    ):
        return None
    entered = Pose()
    if share < 1.0 and element.origin is not None:
        entered = _moved(element.box, element.origin, 1 - ease_in_out(share))
    elif share < 1.0:
        entered = _entered(element, share, times)
    if until is not None:
        entered = entered._replace(alpha=entered.alpha * (1 - ramp(seconds, until, times.motion.focus)))
    entered = _passing(entered, element, seconds, times)
    clock = seconds if element.alive else 0.0
    return _rounded(entered._replace(focus=_focus(element, seconds, times), clock=clock))


def changes(element: Element, order: int, times: Timing) -> list[tuple[float, float]]:
    """The spans of time within which the element's pose may change; between them it is the same all the time."""
    motion = times.motion
    stays, carried = element.shared, element.origin is not None
    spans = []
    if carried or not stays[0]:
        start = 0.0 if carried else begins(element, order, times)
        spans.append((start, math.inf if element.alive else start + motion.enter))
    elif element.alive:
        spans.append((-math.inf, math.inf))
    if times.came and not stays[0] and not carried:
        spans.append((0.0, motion.enter))
    if times.goes and not stays[1]:
        spans.append((times.leaves, math.inf))
    if (until := _until(element, times)) is not None:
        spans.append((until, until + motion.focus))
    spans += [(time, time + motion.focus) for time in _turns(element, times)]
    return spans


def _entered(element: Element, share: float, times: Timing) -> Pose:
    """The entrance alone; ``share`` of its time is over."""
    out, away = ease_out(share), (1 - ease_out(share)) * times.motion.travel * times.unit
    match element.entrance:
        case "rise":
            return Pose(alpha=out, dy=away)
        case "slide":
            return Pose(alpha=out, dx=-away)
        case "wipe":
            return Pose(alpha=min(share * 4, 1.0), wipe=ease_in_out(share))
        case "pop":
            return Pose(alpha=min(out * 1.5, 1.0), pop=0.8 + 0.2 * back_out(share))
        case "grow":
            return Pose(alpha=min(share * 4, 1.0), grown=ease_in_out(share))
        case "fade":
            return Pose(alpha=out)


def _moved(box: Rect, origin: Rect, rest: float) -> Pose:
    """On the way from where the scene before left it."""
    (x, y), (was_x, was_y) = box.centre, origin.centre
    size = origin.h / box.h if box.h else 1.0
    return Pose(dx=(was_x - x) * rest, dy=(was_y - y) * rest, pop=1 + (size - 1) * rest)


def _passing(now: Pose, element: Element, seconds: float, times: Timing) -> Pose:
    """The transition of the whole scene laid over the element's own motion."""
    far = times.motion.travel * times.unit
    if times.came and not element.shared[0] and element.origin is None and seconds < times.motion.enter:
        rest = 1 - ease_out(seconds / times.motion.enter)
        now = _shifted(now, times.came, rest, far)
    if times.goes and not element.shared[1] and seconds > times.leaves:
        gone = ease_in(min((seconds - times.leaves) / times.motion.exit, 1.0))
        now = _shifted(now, times.goes, -gone, far)
        now = now if times.goes == "wipe" else now._replace(alpha=now.alpha * (1 - gone))
    return now


def _shifted(now: Pose, kind: Transition, amount: float, far: float) -> Pose:
    if kind == "push":
        return now._replace(dx=now.dx + amount * far * 2)
    if kind == "lift":
        return now._replace(dy=now.dy + amount * far * 1.5)
    if kind == "wipe":
        return now._replace(shown=(0.0, 1 - amount) if amount > 0 else (-amount, 1.0))
    return now._replace(scale=now.scale * (1 - 0.05 * amount))


def _until(element: Element, times: Timing) -> float | None:
    """When a passing element makes room for the next part; the one without a part, for the first."""
    if not element.passing:
        return None
    after = 0 if element.part is None else element.part + 1
    return times.reveals[after] if after < len(times.reveals) else None


def _turns(element: Element, times: Timing) -> list[float]:
    """When the element begins to stand out because its part is spoken of, and when it ceases to."""
    if element.lit is None or element.part is None:
        return []
    if times.reveals[0] == times.reveals[-1] and len(times.reveals) > 1:
        return []
    start = times.reveals[element.part]
    later = [time for part, time in enumerate(times.reveals) if part not in times.quiet and time > start]
    return [start, *later[:1]]


def _focus(element: Element, seconds: float, times: Timing) -> float:
    """1 while the element's part is spoken of; the last part stays so until its scene leaves."""
    focus = 0.0
    for number, turn in enumerate(_turns(element, times)):
        share = ramp(seconds, turn, times.motion.focus)
        focus = focus * (1 - share) if number else share
    return focus


def _rounded(now: Pose) -> Pose:
    """To steps too small to be seen, so that equal pictures have equal poses."""
    return Pose(
        round(now.alpha, 3),
        round(now.dx, 2),
        round(now.dy, 2),
        round(now.scale, 5),
        round(now.pop, 5),
        round(now.wipe, 4),
        round(now.grown, 4),
        round(now.focus, 2),
        (round(now.shown[0], 4), round(now.shown[1], 4)),
        round(now.clock, 3),
    )


def ramp(seconds: float, start: float, length: float) -> float:
    return ease_in_out(min(max((seconds - start) / length, 0.0), 1.0))


def ease_out(share: float) -> float:
    return 1 - (1 - share) ** 3


def ease_in(share: float) -> float:
    return share**2


def ease_in_out(share: float) -> float:
    return share * share * (3 - 2 * share)


def back_out(share: float) -> float:
    """Past the end and back, by a tenth."""
    rest = share - 1
    return 1 + 2.0 * rest**3 + 1.0 * rest**2
