"""Stage storyboard: every scene's layout, texts, narration, citations and times."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from stages import recordings
from stages import theme as themes
from stages.board_review import describe
from stages.brief import audience_asked
from stages.contract import Context, EditError, StageError
from stages.drafts import Draft, Frame, drafts_in, frame_of
from stages.earlier import earlier
from stages.formats import size_asked
from stages.items import Research, load_research
from stages.notes import scenes_named
from stages.redone import Slot, slots_of, wished_drafts
from stages.scenes import Citation, Code, Scene, Storyboard, Word, narration_digest, part_count
from stages.script_text import load_script
from stages.shape import Cue
from stages.spoken import Said, narration, say
from stages.theme import Theme
from stages.timing import FIRST_LEAD, LEAD, scene_seconds
from stages.wishes import Wish, read_wishes, unheard

FPS = 30


def run(context: Context) -> None:
    """Write ``storyboard.json`` from the script as it is now, timed by speaking it."""
    width, height = size_asked(context.params)
    theme = themes.asked(context.params, context.sources)
    research = load_research(context.run_dir)
    script = load_script(context.run_dir, {item.id for item in research.items})
    wishes = read_wishes({**scenes_named(context.feedback), **context.redo})
    fits = partial(
        _fits, size=(width, height), theme=theme, captions=bool(context.params.get("captions", True))
    )
    frame = frame_of(script, research, audience_asked(context.params), fits)
    last = _last(context)
    asked = bool(wishes or context.feedback.strip())
    slots, notes, voice = _slots(frame, wishes, last if asked else None, _voice(context))
    names = [f"scene_{number:03d}" for number in range(len(slots))]
    named = [scene.id for scene in last.scenes] if last and asked else names
    notes = [*unheard(wishes, context.feedback, named), *notes]
    notes += [f"{name}: {slot.note}" for name, slot in zip(names, slots, strict=True) if slot.note]
    scenes = _spoken(slots, research, voice, context)
    board = Storyboard(
        title=script.title, width=width, height=height, fps=FPS, voice=voice, scenes=scenes, notes=notes
    )
    save_storyboard(board, context.out_dir / "storyboard.json")
    heard = recordings.heard(board, context.run_dir, last)
    describe(context, board, [*notes, *heard.notes], last)
    recordings.remember(context, heard.known)


def _slots(
    frame: Frame, wishes: Mapping[str, Wish], last: Storyboard | None, voice: str
) -> tuple[list[Slot], list[str], str]:
    """The scenes to come, what of the ``last`` ones is lost, and who speaks; those that no wish names stay."""
    drafts = drafts_in(frame)
    if last:
        return *slots_of(last.scenes, drafts, wishes, frame, {voice, last.voice}), last.voice
    return [Slot(draft, note=draft.note) for draft in wished_drafts(drafts, wishes, frame)], [], voice


def _spoken(slots: Sequence[Slot], research: Research, voice: str, context: Context) -> list[Scene]:
    """The scenes, each new one timed by speaking it."""
    scenes: list[Scene] = []
    for number, slot in enumerate(slots):
        context.progress(number / len(slots), f"speaking scene {number}")
        place = (number == 0, number == len(slots) - 1)
        if slot.draft:
            scenes.append(_scene(number, slot.draft, research, place, voice))
        elif slot.kept:
            scenes.append(slot.kept.model_copy(update={"id": f"scene_{number:03d}"}))
    return scenes


def _fits(draft: Draft, size: tuple[int, int], theme: Theme, *, captions: bool) -> bool:
    """Whether a draft's texts have room in the frame."""
    from stages.layouts import compose

    cited = [Citation(item=name, source="-", line=1) for name in draft.items]
    scene = Scene(
        id="scene_000", heading=draft.heading, content=draft.shape.content,
        narration=draft.text, words=[], citations=cited, seconds=1.0,
    )  # fmt: skip
    try:
        compose(scene, size, theme, captions=captions)
    except StageError:
        return False
    return True


def save_storyboard(board: Storyboard, path: Path) -> None:
    """Write a storyboard so that a person can read and edit it: a word a line is too many lines."""
    text = json.dumps(board.model_dump(by_alias=True), ensure_ascii=False, indent=1)
    text = re.sub(
        r"\{\s+\"text\": (\".*?\"),\s+\"start\": ([\d.]+),\s+\"end\": ([\d.]+)\s+\}",
        r'{"text": \1, "start": \2, "end": \3}',
        text,
    )
    path.write_text(text + "\n", encoding="utf-8")


def _voice(context: Context) -> str:
    """Who speaks, decided here for all later stages; empty for the built-in voice."""
    from stages.voice import BUILT_IN, voice_asked

    asked = voice_asked(context.params)
    return "" if asked == BUILT_IN else asked


def _scene(number: int, draft: Draft, research: Research, place: tuple[bool, bool], voice: str) -> Scene:
    """One scene with its times; ``place``: whether it is the first, and the last."""
    from stages.voice import BUILT_IN, speak

    first, last = place

    spoken_lines = [say(line.text) for line in draft.lines]
    said = [word for line in spoken_lines for word in line]
    if not said:
        raise EditError(
            f"scene {number}: {draft.text!r} has no words that can be said", "change it in script.txt"
        )
    text = narration(said)
    speech = speak(text, voice or BUILT_IN)
    lead = FIRST_LEAD if first else LEAD
    words = _words(said, [(word.start, word.end) for word in speech.words], lead)
    reveals = _reveals(draft, spoken_lines, words)
    return Scene(
        id=f"scene_{number:03d}",
        heading=draft.heading,
        content=draft.shape.content,
        narration=text,
        words=words,
        citations=_citations(draft.items, research),
        reveals=reveals,
        seconds=scene_seconds(speech.seconds, FPS, first, last),
        timed_for=narration_digest(text, voice),
    )


def _words(said: Sequence[Said], times: Sequence[tuple[float, float]], lead: float) -> list[Word]:
    """Each written word with the time from the first to the last word that says it."""
    words: list[Word] = []
    at = 0
    for word in said:
        start, end = times[at][0], times[at + len(word.words) - 1][1]
        at += len(word.words)
        words.append(
            Word(text=word.written, start=round(lead + float(start), 3), end=round(lead + float(end), 3))
        )
    return words


def _reveals(draft: Draft, lines: Sequence[Sequence[Said]], words: Sequence[Word]) -> list[float]:
    """When each part appears: with the word of its cue, or evenly between its neighbours."""
    starts: list[int] = []
    at = 0
    for line in lines:
        starts.append(at)
        at += len(line)
    end = words[-1].end
    cues = draft.shape.cues or tuple(None for _ in range(part_count(draft.shape.content)))
    times = [_time(cue, starts, lines, words) if cue else None for cue in cues]
    return _spread(draft, times, words[0].start, words[0].start + 0.6 * (end - words[0].start))


def _spread(draft: Draft, times: Sequence[float | None], first: float, last: float) -> list[float]:
    """A time for each part; an empty line of code takes none of its own but comes with the line after it."""
    content = draft.shape.content
    if not isinstance(content, Code):
        return _between(times, first, last)
    written = [part for part, line in enumerate(content.lines) if line.strip()]
    known = dict(zip(written, _between([times[part] for part in written], first, last), strict=True))
    ends = known[written[-1]] if written else first
    return [next((known[at] for at in written if at >= part), ends) for part in range(len(times))]


def _time(cue: Cue, starts: Sequence[int], lines: Sequence[Sequence[Said]], words: Sequence[Word]) -> float:
    line = min(cue.line, len(starts) - 1)
    wanted = re.findall(r"\w+", cue.words.lower())[:3]
    if wanted:
        written = [re.findall(r"\w+", word.written.lower()) for word in lines[line]]
        for place in range(len(written)):
            following = [part for parts in written[place:] for part in parts]
            if following[: len(wanted)] == wanted:
                return words[starts[line] + place].start
    return words[min(starts[line], len(words) - 1)].start


def _between(times: Sequence[float | None], first: float, last: float) -> list[float]:
    """The times with the gaps filled evenly, never going back."""
    known = [(place, time) for place, time in enumerate(times) if time is not None]
    if not known or known[0][0] > 0:
        known.insert(0, (0, first))
    if known[-1][0] < len(times) - 1:
        known.append((len(times) - 1, max(last, known[-1][1])))
    filled: list[float] = []
    for place in range(len(times)):
        before = max((pair for pair in known if pair[0] <= place), key=lambda pair: pair[0])
        after = min((pair for pair in known if pair[0] >= place), key=lambda pair: pair[0])
        share = (place - before[0]) / (after[0] - before[0]) if after[0] > before[0] else 0.0
        time = before[1] + share * (after[1] - before[1])
        filled.append(round(max(time, filled[-1] if filled else 0.0), 3))
    return filled


def _citations(names: Sequence[str], research: Research) -> list[Citation]:
    found = [research.item(name) for name in names]
    return [
        Citation(item=item.id, source=item.source, line=item.line, page=item.page) for item in found if item
    ]


def _last(context: Context) -> Storyboard | None:
    """The last attempt's storyboard as a person left it; None if there is none that can be read."""
    # A rewind moves the last attempt to history/ before this one begins.
    kept = earlier(context, "storyboard.json")
    try:
        return Storyboard.model_validate_json(kept[0].read_text(encoding="utf-8")) if kept else None
    except ValueError:
        return None
