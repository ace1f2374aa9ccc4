"""Stage script: the narration, each claim with the research item it rests on."""

from __future__ import annotations

from collections.abc import Sequence

from stages.contract import Context, StageError
from stages.earlier import earlier
from stages.feedback import Feedback, read_feedback
from stages.honoured import Attempt, items_told, report, script_told
from stages.items import Research, load_research
from stages.notes import all_notes, earlier_notes
from stages.plan import Plan, load_plan
from stages.script_review import script_notes, script_table
from stages.script_text import Script, parse_script, print_script
from stages.sentences import MAX_WORDS, count_words
from stages.storytelling import Story
from stages.writer import NoAnswerError, writer_of
from stages.written import written_script

ENOUGH = 0.9
"""Of the length asked for; a shorter script says so."""
ROUNDS = 6
NEAR = 0.03
"""Near enough to the length asked for to look no further."""


def run(context: Context) -> None:
    """Write ``script.txt`` from the outline and the research items."""
    research = load_research(context.run_dir)
    plan = load_plan(context.run_dir)
    feedback = read_feedback(context.feedback, earlier_notes(context))
    before = _attempts(context, research) if feedback.wishes else []
    last = before[0].seconds if before else None
    asked = round(feedback.minutes(plan.minutes, last / 60 if last else None) * 60, 1)
    context.progress(0.2, "choosing what is told")
    by_model, notes = _written(context, plan, research, asked)
    if by_model:
        script, seconds = by_model
    else:
        script, seconds = fitted(plan, research, feedback, asked, context)
        now = script_told(script, research, seconds)
        notes += report(feedback, "script.txt", now, items_told(research), before)
    notes = [*_notes(script, seconds, asked), *notes]
    summary = _summary(script, seconds)
    (context.out_dir / "script.txt").write_text(print_script(script, [*notes, summary]), encoding="utf-8")
    context.describe(
        "script.txt",
        "script",
        words=count_words(script.text),
        seconds=round(seconds, 1),
        asked_seconds=asked,
        note=summary,
        notes=[*notes, *script_notes(script, research)],
        table=script_table(script, research),
    )


def _written(
    context: Context, plan: Plan, research: Research, asked: float
) -> tuple[tuple[Script, float] | None, list[str]]:
    """The script as the policy's model writes it and its seconds, if it does, and what to tell of that."""
    from stages.rehearsal import rehearse
    from stages.voice import voice_asked

    writer = writer_of(context.params)
    if not writer:
        return None, []
    context.progress(0.3, f"asking {writer.model}")
    try:
        made = written_script(writer, plan, research, asked, context.intent, all_notes(context))
    except NoAnswerError as error:
        return None, [f"written by extraction, not by the model: {error}"]
    note = f"written by {writer.model}; each sentence was held against the items it names"
    mended = [f"not as the model wrote it: {fault}" for fault in made.mended]
    return (made.script, rehearse(made.script, research, voice_asked(context.params))), [note, *mended]


def _attempts(context: Context, research: Research) -> list[Attempt]:
    """The last attempt as a person may have left it, then the first one; none that cannot be read."""
    from stages.rehearsal import rehearse
    from stages.voice import voice_asked

    known = [item.id for item in research.items]
    scripts: list[Script] = []
    for path in earlier(context, "script.txt"):
        try:
            scripts.append(parse_script(path.read_text(encoding="utf-8-sig"), known))
        except (StageError, UnicodeDecodeError):
            continue
    ends = scripts if len(scripts) < 2 else [scripts[0], scripts[-1]]
    return [
        script_told(script, research, rehearse(script, research, voice_asked(context.params)))
        for script in ends
    ]


def fitted(
    plan: Plan, research: Research, feedback: Feedback, asked: float, context: Context
) -> tuple[Script, float]:
    """The script whose speech, measured with the voice itself, comes nearest to the seconds asked for."""
    from stages.rehearsal import rehearse
    from stages.voice import voice_asked

    target = promised = asked
    low, high = 0.0, 2 * asked
    tried: list[tuple[float, Script]] = []
    for attempt in range(ROUNDS):
        script = Story(plan, research, feedback, target, promised).script()
        context.progress(0.3 + 0.1 * attempt, "rehearsing")
        seconds = rehearse(script, research, voice_asked(context.params))
        tried.append((seconds, script))
        if abs(seconds - asked) <= NEAR * asked:
            break
        low, high = (target, high) if seconds < asked else (low, target)
        if high - low < NEAR * asked:
            break
        promised = asked if seconds > ENOUGH * asked else seconds
        target = min(max(target * asked / seconds, low + 0.2 * (high - low)), high - 0.2 * (high - low))
    seconds, script = min(tried, key=lambda pair: abs(pair[0] - asked))
    return script, seconds


def _summary(script: Script, seconds: float) -> str:
    lines = [line for _, paragraph in script.paragraphs for line in paragraph.lines]
    cited = sum(bool(line.items) for line in lines)
    words = sum(count_words(line.text) for line in lines)
    return f"{words} words, about {seconds:.0f} seconds; {cited} of {len(lines)} sentences name their source"


def _notes(script: Script, seconds: float, asked: float) -> Sequence[str]:
    notes: list[str] = []
    if seconds < ENOUGH * asked:
        notes.append(
            f"the sources give enough for {seconds:.0f} of the {asked:.0f} seconds asked for; "
            "nothing was padded. Add sources, or parts to outline.txt"
        )
    if seconds > (2 - ENOUGH) * asked:
        notes.append(f"it takes {seconds:.0f} seconds instead of the {asked:.0f} asked for")
    long = [
        line.text
        for _, paragraph in script.paragraphs
        for line in paragraph.lines
        if count_words(line.text) > MAX_WORDS
    ]
    return [*notes, *(f"longer than {MAX_WORDS} words: {text[:60]} ..." for text in long)]
