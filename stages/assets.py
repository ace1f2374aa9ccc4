"""Stage assets: a still of every scene, the plan of what is in each, and a contact sheet for the gate."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from stages import placing
from stages import theme as themes
from stages.earlier import earlier, sha256_of
from stages.notes import scenes_named, unhonoured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stages.contract import Context
    from stages.layouts.base import Element, Text
    from stages.shot import Order, Shot

PLAN = "asset_plan.json"
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
    from stages.shot import order, prepare

    storyboard = placing.spoken_board(context.run_dir)
    check_size(storyboard.width, storyboard.height)
    before = _earlier_plans(context)
    theme = themes.asked(context.params, context.sources)
    burned = bool(context.params.get("captions", True))
    folder = context.out_dir / "assets"
    folder.mkdir(parents=True, exist_ok=True)
    redo = {**scenes_named(context.feedback), **context.redo}
    planned, stills = [], []
    for index, scene in enumerate(storyboard.scenes):
        variant = _variant(scene.id, before, redo)
        wanted = order(storyboard, index, theme, variant, captions=burned)
        shot = prepare(wanted)
        still = folder / f"{scene.id}.png"
        if scene.id in redo or not _kept(context, wanted, before, still):
            draw_still(shot, still)
        context.describe(f"assets/{scene.id}.png", "image", made_of=wanted.digest())
        planned.append(_plan_of(wanted, shot, sha256_of(still)))
        stills.append(still)
        context.progress((index + 1) / len(storyboard.scenes), f"drew {scene.id}")
    contact_sheet(storyboard, stills, theme, context.out_dir / SHEET)
    context.describe(
        SHEET, "contact_sheet", scenes=len(stills), note="look here first: every scene on one page"
    )
    plan = {
        "schema": 1,
        "title": storyboard.title,
        "theme": theme.name,
        "width": storyboard.width,
        "height": storyboard.height,
        "fps": storyboard.fps,
        "burned_captions": burned,
        "lowest_contrast": min(
            (text["contrast"] for shot in planned for text in shot["texts"]), default=None
        ),
        "scenes": planned,
    }
    (context.out_dir / PLAN).write_text(
        json.dumps(plan, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    notes = [
        *_arranged(planned, before, redo),
        *unhonoured(context, [shot["id"] for shot in planned], INSTEAD),
    ]
    context.describe(
        PLAN,
        "asset_plan",
        theme=theme.name,
        lowest_contrast=plan["lowest_contrast"],
        notes=notes,
        **({"changes": _changes(planned, before)} if before else {}),
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


def _earlier_plans(context: Context) -> dict[str, dict[str, Any]]:
    """What the last attempt planned for each scene; nothing if there was none or it cannot be read."""
    for path in earlier(context, PLAN):
        try:
            return {shot["id"]: shot for shot in json.loads(path.read_text(encoding="utf-8"))["scenes"]}
        except (ValueError, KeyError, TypeError):
            continue
    return {}


def _variant(scene: str, before: Mapping[str, Mapping[str, Any]], redo: Mapping[str, str]) -> int:
    """Another arrangement for a scene that a person asked for again, the same one for the rest."""
    variant = int(before.get(scene, {}).get("variant", 0))
    return variant + 1 if scene in redo else variant


def _arranged(
    planned: Sequence[Mapping[str, Any]], before: Mapping[str, Mapping[str, Any]], redo: Mapping[str, str]
) -> list[str]:
    """What became of each scene that was asked for again."""
    return [
        f"{shot['id']}: "
        + (
            "looks as before, its layout has no other arrangement"
            if shot["sha256"] == before.get(shot["id"], {}).get("sha256")
            else "has another arrangement"
        )
        + (f" for {reason!r}" if reason else "")
        for shot in planned
        if (reason := redo.get(shot["id"])) is not None
    ]


def _changes(planned: Sequence[Mapping[str, Any]], before: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Each scene whose picture is not the last attempt's."""
    told = [
        f"{shot['id']}: {'drawn anew' if shot['id'] in before else 'new'}"
        for shot in planned
        if shot["sha256"] != before.get(shot["id"], {}).get("sha256")
    ]
    left = {shot["id"] for shot in planned}
    return [*told, *(f"{name}: gone" for name in before if name not in left)]


def _kept(context: Context, wanted: Order, before: Mapping[str, Mapping[str, Any]], still: Path) -> bool:
    """Take an earlier still over, byte for byte, if it is of the same and nobody has changed it since."""
    shot = before.get(wanted.scene.id, {})
    if shot.get("made_of") != wanted.digest():
        return False
    for path in earlier(context, f"assets/{still.name}"):
        if sha256_of(path) == shot.get("sha256"):
            shutil.copyfile(path, still)
            return True
    return False


def _plan_of(wanted: Order, shot: Shot, sha256: str) -> dict[str, Any]:
    times = shot.times
    return {
        "id": wanted.scene.id,
        "layout": wanted.scene.content.layout,
        "heading": wanted.scene.heading,
        "seconds": wanted.scene.seconds,
        "variant": wanted.variant,
        "still": f"assets/{wanted.scene.id}.png",
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
