"""Put the speech of a scene where its storyboard says, or say why it does not fit."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from stages import recordings, storyboard_file
from stages.contract import EditError, StageError
from stages.recordings import Heard, Recording
from stages.scenes import Scene, Storyboard, Word, narration_digest
from stages.spoken import Said, say
from stages.timing import LAST_TAIL, LEAD, TAIL, whole_frames
from stages.voice import BUILT_IN, Speech, SpokenWord, speak

SAME = 0.06
"""Word times that differ less than this are the storyboard's own."""
LONGEST_TAIL = LAST_TAIL + 0.3
"""More silence than this at the end of a scene is there because a person wanted it."""
UNLIMITED = 3600.0
SHORTEST_RECORDING = 0.2
"""Seconds of sound below which a recording says nothing."""
STEADY = 5.0
"""Decibels: speech has 16 and more between its pauses and vowels, 9 under noise at 6 dB below it; a tone, hum and
steady noise have less than 1, noise of a low pitch up to 4."""


@dataclass(frozen=True)
class Placed:
    """A scene's speech, when in the scene it begins, and its words as captions show them."""

    scene: str
    speech: Speech
    lead: float
    words: tuple[Word, ...]
    recorded: bool
    retimed: bool


def placed(scene: Scene, recording: Recording | None, voice: str = "") -> Placed:
    """The speech of ``scene``: its recording where the operator made one, else the voice."""
    recorded = recording is not None
    voice = voice or BUILT_IN
    speech = _recorded(scene, recording, voice) if recording else speak(scene.narration, voice)
    if not speech.words:
        return Placed(scene.id, speech, 0.0, (), recorded, retimed=False)
    lead = max(scene.words[0].start - speech.words[0].start, 0.0) if scene.words else LEAD
    # The last 50 ms of a speech are its fade; half a frame is the rounding of a scene's length.
    excess = lead + speech.seconds - scene.seconds
    if excess > 0.05:
        raise EditError(_too_long(scene, speech, excess, recording), hint=_advice(scene, speech, lead))
    spoken = tuple(SpokenWord(word.text, word.start + lead, word.end + lead) for word in speech.words)
    retimed = recorded or not _agrees(scene, spoken)
    words = shown_words(scene, spoken) if retimed else tuple(scene.words)
    return Placed(scene.id, speech, lead, words, recorded, retimed)


def spoken_board(run_dir: Path) -> Storyboard:
    """``storyboard.json`` as it is now, with the times of what is really heard; every later stage's clock."""
    board = storyboard_file.load(run_dir)
    return as_spoken(board, recordings.heard(board, run_dir))


def as_spoken(board: Storyboard, heard: Heard) -> Storyboard:
    """The storyboard with recorded scenes and scenes of edited narration timed as they are heard.

    Such a scene becomes longer or shorter with what is said. What nobody touched comes back equal, and is
    not spoken for that.
    """
    scenes = [
        scene
        if is_timed(scene, board.voice) and scene.id not in heard.of
        else _timed_anew(scene, board, heard.of.get(scene.id))
        for scene in board.scenes
    ]
    return board.model_copy(update={"scenes": scenes})


def times_of(scene: Scene) -> str:
    """A digest of everything in a scene that has a time; pictures and voice must have the same."""
    facts = scene.model_dump(mode="json", include={"words", "reveals", "seconds"})
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def is_timed(scene: Scene, voice: str) -> bool:
    """Whether the scene's times belong to its narration, and the voice, as they are now."""
    if scene.timed_for:
        return scene.timed_for == narration_digest(scene.narration, voice)
    shown = " ".join(word.text for word in scene.words)
    spoken = " ".join(word for said in say(shown) for word in said.words)
    return not shown or _bare(scene.narration) in (_bare(shown), _bare(spoken))


def _timed_anew(scene: Scene, board: Storyboard, recording: Recording | None) -> Scene:
    """The scene with the words, reveals and length of its narration as it is now heard."""
    fps = board.fps
    heard = placed(scene.model_copy(update={"seconds": scene.seconds + UNLIMITED}), recording, board.voice)
    if heard.recorded and not heard.words:  # Music, or noises: there are no words to follow.
        seconds = max(scene.seconds, whole_frames(heard.speech.seconds, fps))
        return scene.model_copy(update={"seconds": seconds})
    new = heard.words
    end = new[-1].end if new else LEAD
    silence = scene.seconds - scene.words[-1].end if scene.words else TAIL
    if silence <= LONGEST_TAIL:
        seconds = whole_frames(end + silence, fps)
    else:  # A person gave the scene this time.
        seconds = max(scene.seconds, whole_frames(end + TAIL, fps))
    return scene.model_copy(
        update={
            "words": list(new),
            "reveals": _moved(scene.reveals, scene.words, new),
            "seconds": seconds,
            "timed_for": narration_digest(scene.narration, board.voice),
        }
    )


def _moved(times: Sequence[float], old: Sequence[Word], new: Sequence[Word]) -> list[float]:
    """Times where they lay among the old words, now among the new ones."""
    if not old or not new:
        return [0.0 for _ in times]
    was, now = ([_bare(word.text) for word in words] for words in (old, new))
    matcher = SequenceMatcher(None, was, now, autojunk=False)
    pairs = [
        (old[block.a + step].start, new[block.b + step].start)
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    ]
    pairs = [(0.0, 0.0), *(pair for pair in pairs if pair[0] > 0), (old[-1].end + 0.001, new[-1].end)]
    before, after = zip(*pairs, strict=True)
    return [round(float(time), 3) for time in np.interp(times, before, after)]


def shown_words(scene: Scene, spoken: Sequence[SpokenWord]) -> tuple[Word, ...]:
    """What captions show for ``spoken``: the storyboard's own words where they are what is said.

    Where a person changed the narration and left the words as they were, the narration is shown.
    """
    written = say(" ".join(word.text for word in scene.words))
    owners = _owners(written, spoken)
    edited = len(owners) < len(spoken) or len(spoken) < sum(len(said.words) for said in written)
    words: list[Word] = []
    last = -1
    for position, word in enumerate(spoken):
        group = owners.get(position, -1)
        if group == last and group >= 0:
            words[-1] = words[-1].model_copy(update={"end": word.end})
            continue
        kept = group >= 0 and not (edited and len(written[group].words) == 1)
        text = written[group].written if kept else word.text
        words.append(Word(text=text, start=word.start, end=word.end))
        last = group
    return tuple(words)


def _owners(written: Sequence[Said], spoken: Sequence[SpokenWord]) -> dict[int, int]:
    """Which shown word each spoken one belongs to, for shown words that are said in full."""
    flat = [(index, word) for index, said in enumerate(written) for word in said.words]
    heard = [_bare(word.text) for word in spoken]
    matcher = SequenceMatcher(None, [_bare(word) for _, word in flat], heard, autojunk=False)
    owners = {
        block.b + step: flat[block.a + step][0]
        for block in matcher.get_matching_blocks()
        for step in range(block.size)
    }
    counts = Counter(owners.values())
    return {at: group for at, group in owners.items() if counts[group] == len(written[group].words)}


def _bare(word: str) -> str:
    return "".join(sign for sign in word.lower() if sign.isalnum())


def _agrees(scene: Scene, spoken: Sequence[SpokenWord]) -> bool:
    """Whether the storyboard's times are those of this speech."""
    if not scene.words:
        return False
    ends = abs(scene.words[-1].end - spoken[-1].end)
    starts = abs(scene.words[0].start - spoken[0].start)
    begins = [word.start for word in spoken]
    known = all(min(abs(word.start - begin) for begin in begins) < SAME for word in scene.words)
    return ends < SAME and starts < SAME and known


def _recorded(scene: Scene, recording: Recording, voice: str) -> Speech:
    from stages import sound
    from stages.align import recorded_speech

    named = recording.shown
    again = f"record {scene.id} again, or remove {named} and the voice will speak it"
    if not recording.path.is_file():
        raise EditError(f"{named} is no regular file", hint=f"put a sound file there, or remove {named}")
    try:
        samples = sound.read(recording.path).mean(axis=0)
    except StageError as error:
        raise EditError(f"the recording {named} cannot be used: {error}", hint=again) from error
    if not scene.narration.split():
        return Speech(samples, sound.RATE, ())
    speech = recorded_speech(samples, sound.RATE, speak(scene.narration, voice))
    if speech.seconds < SHORTEST_RECORDING:
        raise EditError(f"nobody is heard in the recording {named}", hint=again)
    if sound.ups_and_downs(speech.samples) < STEADY:
        raise EditError(
            f"nobody is heard in the recording {named}: it is a steady sound, without syllables or pauses",
            hint=again,
        )
    return speech


def _too_long(scene: Scene, speech: Speech, excess: float, recording: Recording | None) -> str:
    what = f"the recording {recording.shown}" if recording else "its narration"
    return (
        f"storyboard.json, {scene.id}: {what} takes {speech.seconds:.2f} s, "
        f"{excess:.2f} s more than the scene's {scene.seconds:.2f} s leave room for"
    )


def _advice(scene: Scene, speech: Speech, lead: float) -> str:
    return (
        f"shorten the narration of {scene.id}, or set its seconds to "
        f"{lead + speech.seconds + 0.3:.1f} or more and make the pictures again (`from: animatics`)"
    )
