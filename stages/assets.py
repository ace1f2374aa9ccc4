"""Stage assets: a still of every scene, the plan of what is in each, and a contact sheet for the gate."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stages import placing, recordings, storyboard_file
from stages import theme as themes
from stages.earlier import sha256_of
from stages.last_plan import PLAN, LastPlan, shows
from stages.notes import scenes_named, unhonoured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stages.contract import Context
    from stages.layouts.element import Element, Text
    from stages.scenes import Storyboard
    from stages.shot import Order, Shot
    from stages.theme import Theme

SHEET = "assets/contact_sheet.png"
INSTEAD = (
    "A scene that is named gets another arrangement (redo: {scene_003: crowded}); its words and layout stand in "
    "storyboard.json (edit it, or reject with from: storyboard), its colours in the theme"
)
"""For whoever asks the pictures for what they cannot do."""


def run(context: Context) -> None:
    """Write ``assets/scene_NNN.png``, ``asset_plan.json`` and ``assets/contact_sheet.png``."""
    from stages.clips import check_size
    from stages.contact_sheet import contact_sheet

    written = storyboard_file.load(context.run_dir)
    heard = recordings.heard(written, context.run_dir)
    storyboard = placing.as_spoken(written, heard)
    check_size(storyboard.width, storyboard.height)
    theme = themes.asked(context.params, context.sources)
    before = LastPlan(context, storyboard.scenes)
    redo = {**scenes_named(context.feedback), **context.redo}
    (context.out_dir / "assets").mkdir(parents=True, exist_ok=True)
    planned = _planned(context, storyboard, theme, before, redo)
    stills = [context.out_dir / shot["still"] for shot in planned]
    contact_sheet(storyboard, stills, theme, context.out_dir / SHEET)
    context.describe(
        SHEET, "contact_sheet", scenes=len(stills), note="look here first: every scene on one page"
    )
    contrasts = [text["contrast"] for shot in planned for text in shot["texts"]]
    plan = {
        "schema": 1,
        "title": storyboard.title,
        "theme": theme.name,
        "width": storyboard.width,
        "height": storyboard.height,
        "fps": storyboard.fps,
        "burned_captions": _burned(context),
        "lowest_contrast": min(contrasts, default=None),
        "scenes": planned,
    }
    text = json.dumps(plan, ensure_ascii=False, indent=1) + "\n"
    (context.out_dir / PLAN).write_text(text, encoding="utf-8")
    _describe(context, plan, before, redo, heard.notes)
    recordings.remember(context, heard.used)


def _planned(
    context: Context, storyboard: Storyboard, theme: Theme, before: LastPlan, redo: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Draw the still of every scene, or take over the one that is there, and say what is in it."""
    from stages.shot import order, prepare

    planned = []
    for index, scene in enumerate(storyboard.scenes):
        wanted = order(storyboard, index, theme, before.variant(scene, redo), captions=_burned(context))
        shot = prepare(wanted)
        name = f"assets/{scene.id}.png"
        still = context.out_dir / name
        kept = None if scene.id in redo else before.still(wanted.digest())
        if kept:
            shutil.copyfile(kept, still)
        else:
            draw_still(shot, still)
        context.describe(name, "image", made_of=wanted.digest())
        planned.append(_plan_of(wanted, shot, name, sha256_of(still)))
        context.progress((index + 1) / len(storyboard.scenes), f"drew {scene.id}")
    return planned


def _burned(context: Context) -> bool:
    return bool(context.params.get("captions", True))


def _describe(
    context: Context,
    plan: Mapping[str, Any],
    before: LastPlan,
    redo: Mapping[str, str],
    of_recordings: Sequence[str],
) -> None:
    """Say at the gate what became of the wishes, and what looks other than before."""
    planned: Sequence[dict[str, Any]] = plan["scenes"]
    notes = [
        *before.arranged(planned, redo),
        *unhonoured(context, [shot["id"] for shot in planned], INSTEAD),
        *of_recordings,
    ]
    context.describe(
        PLAN,
        "asset_plan",
        theme=plan["theme"],
        lowest_contrast=plan["lowest_contrast"],
        notes=notes,
        **({"changes": before.changes(planned)} if before else {}),
    )


def draw_still(shot: Shot, path: Path) -> None:
    """The scene as it is at its end, all parts shown, without captions."""
    import skia

    from stages.layers import Captions
    from stages.picture import Canvas

    layers = [layer for layer in shot.layers if not isinstance(layer, Captions)]
    canvas = Canvas(shot.page.width, shot.page.height, layers)
    canvas.show(max(shot.times.leaves - 0.001, 0.0))
    image = canvas.surface.makeImageSnapshot()
    image.save(str(path), skia.kPNG)


def draw_poster(shot: Shot, path: Path) -> None:
    """The still without what belongs to the video alone: the line of its progress, and of the source."""
    from stages.layers import Drawn, Progress

    layers = [
        layer
        for layer in shot.layers
        if not isinstance(layer, Progress)
        and not (isinstance(layer, Drawn) and layer.element.name == "citation")
    ]
    draw_still(replace(shot, layers=layers), path)


def _plan_of(wanted: Order, shot: Shot, still: str, sha256: str) -> dict[str, Any]:
    times = shot.times
    return {
        "id": wanted.scene.id,
        "layout": wanted.scene.content.layout,
        "heading": wanted.scene.heading,
        "seconds": wanted.scene.seconds,
        "variant": wanted.variant,
        "shows": shows(wanted.scene),
        "still": still,
        "sha256": sha256,
        "made_of": wanted.digest(),
        "transition_in": times.came,
        "transition_out": times.goes,
        "reveals": [round(time, 3) for time in times.reveals],
        "captions_box": _numbers(shot.page.captions),
        "elements": [_element(e, order, shot) for e, order in zip(shot.elements, shot.orders, strict=True)],
        "texts": [_text(text, element) for element in shot.elements for text in element.texts],
    }


def _element(element: Element, order: int, shot: Shot) -> dict[str, Any]:
    from stages.motion import begins

    return {
        "name": element.name,
        "box": _numbers(element.box),
        "part": element.part,
        "appears": round(max(begins(element, order, shot.times), 0.0), 3),
        "entrance": element.entrance,
    }


def _text(text: Text, element: Element) -> dict[str, Any]:
    return {
        "element": element.name,
        "text": text.text,
        "box": _numbers(text.box),
        "size": round(text.size, 1),
        "colour": text.colour,
        "background": text.ground,
        "contrast": round(text.contrast, 2),
    }


def _numbers(box: Any) -> list[float]:
    return [round(value, 1) for value in (box.x, box.y, box.w, box.h)]
