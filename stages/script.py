"""Stage script: the narration, each claim with the research item it rests on."""

from __future__ import annotations

from stages.carried import carried
from stages.contract import Context, StageError
from stages.earlier import earlier
from stages.feedback import Feedback, read_feedback
from stages.honoured import Attempt, items_told, report, script_told
from stages.items import Research, load_research
from stages.notes import all_notes, earlier_notes
from stages.plan import Plan, load_plan
from stages.script_review import ENOUGH, describe, length_notes, summary
from stages.script_text import Script, parse_script, print_script
from stages.storytelling import Story
from stages.writer import NoAnswerError, writer_of
from stages.written import written_script

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
    script, seconds = by_model or fitted(plan, research, feedback, asked, context)
    script, seconds, kept = _with_edits(context, script, research, seconds)
    notes += kept
    if not by_model:
        now = script_told(script, research, seconds)
        notes += report(feedback, "script.txt", now, items_told(research), before)
    if seconds < ENOUGH * asked:
        notes.insert(0, "the sources give no more; nothing was padded. Add sources, or parts to outline.txt")
    notes = [*length_notes(script, seconds, asked), *notes]
    text = print_script(script, [*notes, summary(script, seconds)])
    (context.out_dir / "script.txt").write_text(text, encoding="utf-8")
    describe(context, script, research, (seconds, asked), notes)


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


def _with_edits(
    context: Context, script: Script, research: Research, seconds: float
) -> tuple[Script, float, list[str]]:
    """The script with what a person wrote into earlier ones, its seconds, and what to tell of that."""
    from stages.rehearsal import rehearse
    from stages.voice import voice_asked

    own, notes = carried(context, script, [item.id for item in research.items])
    if own == script:
        return script, seconds, notes
    return own, rehearse(own, research, voice_asked(context.params)), notes


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
