"""Which recording is heard in which scene: it goes with the text that it was made for, whatever number that has now.

The name says for which scene a person made it, and nothing of what that scene said then. Every stage that hears a
recording remembers its text in ``recordings/STAGE.json``; the stage storyboard does so for those that lie there
before it gives their numbers to other texts. What is in ``voiceover/`` is never renamed, moved or removed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from stages.contract import Context, EditError
from stages.earlier import sha256_of
from stages.scenes import Scene, Storyboard

FOLDER = "voiceover"
MEMORY = "recordings"
_NAME = re.compile(r"(?P<scene>scene_\d{3})(?:\.[^.]+)?\.wav", re.IGNORECASE)
_QUOTED = 80
"""Characters of a text that tell it from others."""


class Made(BaseModel):
    """A recording, and what the scene said that it was made for."""

    model_config = ConfigDict(frozen=True)

    recording: str
    sha256: str
    text: str


@dataclass(frozen=True)
class Recording:
    """One file that a person has put into ``voiceover/``."""

    path: Path
    scene: str
    """The scene that it is named after."""
    sha256: str
    """Empty for what is no regular file: it is refused where it would be heard."""

    @property
    def shown(self) -> str:
        return f"{FOLDER}/{self.path.name}"


@dataclass(frozen=True)
class Heard:
    """The recordings of a run by the scenes that they are heard in."""

    of: Mapping[str, Recording]
    notes: tuple[str, ...] = ()
    """What became of each one that is new, has moved, or is not heard."""
    known: frozenset[Made] = frozenset()
    """What was remembered of any recording, before these were heard."""
    used: frozenset[Made] = frozenset()
    """The same with what each of these is heard with."""


def heard(board: Storyboard, run_dir: Path, last: Storyboard | None = None) -> Heard:
    """Find the scene of each recording, by the text where one is remembered, else by the name.

    ``last``: the storyboard before this one, while this one is being made: what lies there was made for that one.
    Raises EditError where two recordings are for one scene.
    """
    found = list(_found(run_dir))
    if not found:
        return Heard({}, tuple(_misnamed(run_dir)))
    known = set(_remembered(run_dir))
    if last:
        known |= set(_made_for(last, board, found, known))
    scenes = {scene.id: scene for scene in board.scenes}
    own = [each for each in found if each.scene in scenes and _stays(each, scenes[each.scene], known)]
    places = _by_scene(own)
    notes = [_new(each, scenes[each.scene]) for each in own if not _of_name(each, known)]
    for each in (each for each in found if each not in own):
        at = _followed(each, board.scenes, known, places)
        if at:
            places[at.id] = each
            notes.append(
                f"{each.shown} is heard in {at.id}, which now says what it was made for: {_short(at)}"
            )
        else:
            notes.append(_unheard(each, board.scenes, known, places))
    used = {_made(each, scenes[at]) for at, each in places.items() if each.sha256}
    return Heard(places, (*notes, *_misnamed(run_dir)), frozenset(known), frozenset(known | used))


def remember(context: Context, made: Collection[Made]) -> None:
    """Write down which text each recording was made for, if there are any."""
    if not made:
        return
    name = f"{MEMORY}/{context.stage}.json"
    (context.out_dir / MEMORY).mkdir(exist_ok=True)
    rows = sorted(made, key=lambda each: (each.recording, each.sha256, each.text))
    (context.out_dir / name).write_bytes(_ROWS.dump_json(rows, indent=1) + b"\n")
    context.describe(name, "recordings", note="which text each recording was made for")


_ROWS = TypeAdapter(list[Made])


def _found(run_dir: Path) -> Iterator[Recording]:
    for path in _visible(run_dir):
        if match := _NAME.fullmatch(path.name):
            yield Recording(path, match["scene"].lower(), _digest(path))


def _visible(run_dir: Path) -> list[Path]:
    folder = run_dir / FOLDER
    return sorted(path for path in folder.iterdir() if path.name[0] != ".") if folder.is_dir() else []


def _digest(path: Path) -> str:
    try:
        return sha256_of(path) if path.is_file() else ""
    except OSError as error:
        raise EditError(
            f"{FOLDER}/{path.name} cannot be read: {error.strerror}",
            "give the daemon's user the right to read it, or remove it and the voice will speak its scene",
        ) from error


def _misnamed(run_dir: Path) -> Iterator[str]:
    for path in _visible(run_dir):
        if not _NAME.fullmatch(path.name) and not path.name.endswith("~"):
            yield f"{FOLDER}/{path.name} is not heard: a recording has the name of its scene, as scene_003.wav"


def _remembered(run_dir: Path) -> Iterator[Made]:
    """What any attempt of any stage has written down; nothing of a file that is none of ours."""
    for path in (*run_dir.glob(f"{MEMORY}/*.json"), *run_dir.glob(f"history/*/{MEMORY}/*.json")):
        try:
            yield from _ROWS.validate_json(path.read_bytes())
        except (ValueError, OSError):
            continue


def _made_for(
    last: Storyboard, board: Storyboard, found: Iterable[Recording], known: Collection[Made]
) -> Iterator[Made]:
    """What lay there before anybody could see the new storyboard was made for the last one.

    A file that somebody has renamed to go with its text is not held to its new number in the old storyboard.
    """
    before, now = ({scene.id: scene for scene in each.scenes} for each in (last, board))
    for each in found:
        moved = each.scene in now and _belongs(now[each.scene], _of_content(each, known))
        if each.sha256 and each.scene in before and not moved and not _of_name(each, known):
            yield _made(each, before[each.scene])


def _stays(recording: Recording, scene: Scene, known: Collection[Made]) -> bool:
    """Whether it is heard in the scene that it is named after: so a new one, and one under a new name."""
    return not _of_name(recording, known) or _belongs(scene, _of_content(recording, known))


def _followed(
    recording: Recording, scenes: Sequence[Scene], known: Collection[Made], taken: Collection[str]
) -> Scene | None:
    """The scene that its text stands in now; of several the nearest that has no recording."""
    texts = _of_name(recording, known)
    there = [scene for scene in scenes if scene.id not in taken and _belongs(scene, texts)]
    return min(there, key=lambda scene: abs(_number(scene.id) - _number(recording.scene)), default=None)


def _by_scene(recordings: Iterable[Recording]) -> dict[str, Recording]:
    places: dict[str, Recording] = {}
    for each in recordings:
        other = places.setdefault(each.scene, each)
        if other is not each:
            raise EditError(
                f"{other.shown} and {each.shown} are both recordings of {each.scene}",
                f"leave one of them in {FOLDER}/",
            )
    return places


def _new(recording: Recording, scene: Scene) -> str:
    return f"{recording.shown} is new and is heard in {scene.id}, which says {_short(scene)}"


def _unheard(
    recording: Recording, scenes: Sequence[Scene], known: Collection[Made], places: Mapping[str, Recording]
) -> str:
    """Why it is heard nowhere, and what helps."""
    told = f"{recording.shown} is not heard: "
    texts = _of_name(recording, known)
    if not texts:
        return f"{told}there is no {recording.scene}; they go from {scenes[0].id} to {scenes[-1].id}"
    taken = next((scene.id for scene in scenes if _belongs(scene, texts)), None)
    if taken:
        return f"{told}{taken}, which says what it was made for, has {places[taken].shown}"
    told += f"it was made for {_quote(sorted(texts)[0])}, which no scene says now"
    named = next((scene for scene in scenes if scene.id == recording.scene), None)
    another = f"{FOLDER}/{recording.scene}.new.wav"
    return told + (
        f". If it is right for {_short(named)}, give it a new name, as {another}, to have it heard in {named.id}"
        if named
        else ". Rename it after the scene that it is for"
    )


def _of_name(recording: Recording, known: Iterable[Made]) -> set[str]:
    """The texts that this very file was made for, under the name that it has."""
    same = (recording.path.name, recording.sha256)
    return {made.text for made in known if (made.recording, made.sha256) == same}


def _of_content(recording: Recording, known: Iterable[Made]) -> set[str]:
    """The texts that it was made for under any name."""
    return {made.text for made in known if made.sha256 == recording.sha256}


def _belongs(scene: Scene, texts: Iterable[str]) -> bool:
    return _bare(_text_of(scene)) in {_bare(text) for text in texts}


def _made(recording: Recording, scene: Scene) -> Made:
    return Made(recording=recording.path.name, sha256=recording.sha256, text=_text_of(scene))


def _text_of(scene: Scene) -> str:
    """What a scene says; of a silent one what it shows, as it has nothing else to be known by."""
    return (
        " ".join(scene.narration.split())
        or f"nothing, over {scene.heading} {scene.content.model_dump_json()}"
    )


def _bare(text: str) -> str:
    """The letters and figures alone: a comma more makes no other text."""
    return "".join(sign for sign in text.lower() if sign.isalnum())


def _short(scene: Scene) -> str:
    return _quote(_text_of(scene))


def _quote(text: str) -> str:
    return f"“{text if len(text) <= _QUOTED else text[:_QUOTED].rpartition(' ')[0] + ' …'}”"


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])
