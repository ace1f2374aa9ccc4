"""What a person reads of a storyboard at its gate: its scenes as a table, and which of them have changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from stages.contract import Context, EditError
from stages.placing import is_timed
from stages.scenes import Scene, Storyboard

HEADING = ["scene", "layout", "seconds", "heading", "narration"]
SHORT = 90
"""Characters of a scene's narration that tell it from its neighbours."""


def review(context: Context) -> None:
    """Read ``storyboard.json`` as a person has left it at its gate, see whether each scene can be drawn, describe it.

    Raises EditError, with every place that cannot be followed.
    """
    from stages import recordings, storyboard_file
    from stages import theme as themes
    from stages.layouts import compose

    board = storyboard_file.load(context.run_dir)
    theme = themes.asked(context.params, context.sources)
    captions = bool(context.params.get("captions", True))
    wrong: list[EditError] = []
    for scene in board.scenes:
        try:
            compose(scene, (board.width, board.height), theme, captions=captions)
        except EditError as error:
            wrong.append(error)
    if wrong:
        raise EditError("\n".join(map(str, wrong)), wrong[0].hint)
    notes = recordings.heard(board, context.run_dir).notes
    describe(context, board, [*_outdated(board), *notes])


def _outdated(board: Storyboard) -> Iterator[str]:
    """Which scenes have the times of what was said before an edit: they are spoken only after the gate."""
    scenes = [scene.id for scene in board.scenes if not is_timed(scene, board.voice)]
    if scenes:
        yield (
            f"the seconds of {', '.join(scenes)} are from before the edit; "
            "the next stage has what is said now spoken and timed"
        )


def describe(
    context: Context, board: Storyboard, notes: Sequence[str], last: Storyboard | None = None
) -> None:
    """Say of ``storyboard.json`` what its gate shows; ``last``: the last attempt's, if there was one."""
    layouts = [scene.content.layout for scene in board.scenes]
    context.describe(
        "storyboard.json",
        "storyboard",
        scenes=len(board.scenes),
        seconds=round(board.seconds, 2),
        layouts=layouts,
        note=f"{len(board.scenes)} scenes, {board.seconds:.1f} s: {_counted(layouts)}",
        notes=notes,
        table=scene_table(board),
        **({"changes": scene_changes(last, board)} if last else {}),
    )


def _counted(layouts: Sequence[str]) -> str:
    return ", ".join(f"{count} {name}" if count > 1 else name for name, count in Counter(layouts).items())


def scene_table(board: Storyboard) -> list[list[str]]:
    """One row a scene, by the name that ``redo`` calls it."""
    return [HEADING, *(_row(scene, is_timed(scene, board.voice)) for scene in board.scenes)]


def _row(scene: Scene, timed: bool) -> list[str]:
    """``timed``: whether the words and seconds are those of the narration as it is now."""
    shown = " ".join(word.text for word in scene.words) if timed else ""
    said = shown or " ".join(scene.narration.split())
    short = said if len(said) <= SHORT else f"{said[:SHORT].rpartition(' ')[0]} …"
    seconds = f"{scene.seconds:.1f}" if timed else f"was {scene.seconds:.1f}"
    return [scene.id, scene.content.layout, seconds, scene.heading, short]


def scene_changes(last: Storyboard, board: Storyboard) -> list[str]:
    """Each scene that is not as the last attempt had it, and what of it is different; a new number is none of that."""
    pairs = dict(_pairs(last.scenes, board.scenes))
    told = [
        f"{scene.id}: {what}"
        for scene in board.scenes
        if (what := ", ".join(_differences(pairs.get(scene.id), scene)))
    ]
    moved = [new for new, old in pairs.items() if old.id != new]
    if moved:
        told.append(f"other numbers, from {pairs[moved[0]].id} on, which is {moved[0]} now")
    left = {scene.id for scene in pairs.values()}
    return [*told, *(f"{scene.id} of before: gone" for scene in last.scenes if scene.id not in left)]


def _pairs(last: Sequence[Scene], scenes: Sequence[Scene]) -> Iterator[tuple[str, Scene]]:
    """Each scene with the one that it was: that which says the same, else that of its number, if nobody has it."""
    was, now = ([scene.narration for scene in each] for each in (last, scenes))
    blocks = SequenceMatcher(None, was, now, autojunk=False).get_matching_blocks()
    same = {block.b + step: block.a + step for block in blocks for step in range(block.size)}
    free = {scene.id: scene for at, scene in enumerate(last) if at not in same.values()}
    for at, scene in enumerate(scenes):
        if at in same:
            yield scene.id, last[same[at]]
        elif scene.id in free:
            yield scene.id, free[scene.id]


def _differences(old: Scene | None, new: Scene) -> Iterator[str]:
    if old is None:
        yield "new"
    elif old.model_copy(update={"id": new.id}) != new:
        layouts = old.content.layout, new.content.layout
        if layouts[0] != layouts[1]:
            yield f"{layouts[1]} instead of {layouts[0]}"
        elif old.content != new.content:
            yield "other texts in the picture"
        if old.heading != new.heading:
            yield f"heading {new.heading!r} instead of {old.heading!r}"
        if old.narration != new.narration:
            yield "other narration"
        if (old.words, old.reveals, old.seconds) != (new.words, new.reveals, new.seconds):
            yield "other times"
        if old.citations != new.citations:
            yield "other sources"
