"""Put the speech of a scene where its storyboard says, or say why it does not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from stages.contract import StageError
from stages.scenes import Scene, Storyboard, Word
from stages.spoken import Said, say
from stages.timing import LEAD
from stages.voice import Speech, SpokenWord, speak

RECORDINGS = "voiceover"
SAME = 0.06
"""Word times that differ less than this are the storyboard's own."""


@dataclass(frozen=True)
class Placed:
    """A scene's speech, when in the scene it begins, and its words as captions show them."""

    scene: str
    speech: Speech
    lead: float
    words: tuple[Word, ...]
    recorded: bool
    retimed: bool


def placed(scene: Scene, run_dir: Path) -> Placed:
    """The speech of ``scene``: a recording where the operator put one, else the voice."""
    recording = run_dir / RECORDINGS / f"{scene.id}.wav"
    recorded = recording.exists()
    speech = _recorded(scene, recording) if recorded else speak(scene.narration)
    if not speech.words:
        return Placed(scene.id, speech, 0.0, (), recorded, retimed=False)
    lead = max(scene.words[0].start - speech.words[0].start, 0.0) if scene.words else LEAD
    lead = min(lead, max(scene.seconds - speech.seconds, 0.0)) if recorded else lead
    # The last 50 ms of a speech are its fade; half a frame is the rounding of a scene's length.
    excess = lead + speech.seconds - scene.seconds
    if excess > 0.05:
        raise StageError(_too_long(scene, speech, excess, recorded), hint=_advice(scene, speech, lead))
    spoken = tuple(SpokenWord(word.text, word.start + lead, word.end + lead) for word in speech.words)
    retimed = recorded or not _agrees(scene, spoken)
    words = shown_words(scene, spoken) if retimed else tuple(scene.words)
    return Placed(scene.id, speech, lead, words, recorded, retimed)


def as_spoken(board: Storyboard, run_dir: Path) -> Storyboard:
    """The storyboard with the words of recorded scenes and of edited narration timed as they are heard.

    Pictures that light up words are made from this; a storyboard nobody touched comes back equal.
    """
    scenes = []
    for scene in board.scenes:
        spoken = placed(scene, run_dir)
        scenes.append(scene.model_copy(update={"words": list(spoken.words)}) if spoken.retimed else scene)
    return board.model_copy(update={"scenes": scenes})


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


def _recorded(scene: Scene, recording: Path) -> Speech:
    from stages import sound
    from stages.align import recorded_speech

    samples = sound.read(recording).mean(axis=0)
    if not scene.narration.split():
        return Speech(samples, sound.RATE, ())
    return recorded_speech(samples, sound.RATE, speak(scene.narration))


def _too_long(scene: Scene, speech: Speech, excess: float, recorded: bool) -> str:
    what = f"the recording {RECORDINGS}/{scene.id}.wav" if recorded else "its narration"
    return (
        f"storyboard.json, {scene.id}: {what} takes {speech.seconds:.2f} s, "
        f"{excess:.2f} s more than the scene's {scene.seconds:.2f} s leave room for"
    )


def _advice(scene: Scene, speech: Speech, lead: float) -> str:
    return (
        f"shorten the narration of {scene.id}, or set its seconds to "
        f"{lead + speech.seconds + 0.3:.1f} or more and make the pictures again (`from: animatics`)"
    )
