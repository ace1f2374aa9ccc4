"""One job through its gates, told as it goes: approve, reject with notes, resume.

``make test-orchestrator`` runs this with its output shown.
"""

from __future__ import annotations

from tests.studio import Studio

PIPELINE = """\
name: walk
stages:
  - name: draft
    command: [sh, -euc, 'printf "%s\\n" "$SPORK_INTENT" > draft.txt; cat "$SPORK_FEEDBACK" >> draft.txt']
    gate: true
    outputs: [draft.txt]
  - name: polish
    command: [sh, -euc, 'tr a-z A-Z < "$SPORK_RUN/draft.txt" > polished.txt']
    gate: true
    outputs: [polished.txt]
  - name: publish
    command: [sh, -euc, 'cp "$SPORK_RUN/polished.txt" published.txt']
    outputs: [published.txt]
"""


def tell(studio: Studio, said: int, what: str) -> int:
    """Print what was done, the events since then and the state they led to."""
    print(f"\n>> {what}")
    events = studio.events("walk-1")
    for event in events[said:]:
        print(f"   {event['seq']:3d}  {event['type']:18s} {event['message']}")
    state = studio.state("walk-1")
    print(
        f"   state: {state['status']} ({state['reason']}), stage {state['stage']}, attempt {state['attempt']}"
    )
    return len(events)


def test_one_job_through_its_gates(studio: Studio) -> None:
    """Every state and event of an ordinary job, in the order a person sees them."""
    studio.pipeline("walk", PIPELINE)
    studio.start()
    studio.submit("walk-1", "walk")
    studio.wait("walk-1", "needs_approval", "gate_open", stage="draft")
    said = tell(studio, 0, "walk-1.yaml dropped into inbox/")

    studio.answer("walk-1", "reject", notes="say hello first", then="retry")
    studio.wait("walk-1", "needs_approval", "gate_open", stage="draft", attempt=2)
    assert "say hello first" in (studio.run("walk-1") / "draft.txt").read_text()
    said = tell(studio, said, "rejected with notes and then: retry; the draft was made again")

    with (studio.run("walk-1") / "draft.txt").open("a") as draft:
        draft.write("a line by hand\n")
    studio.wait_for_review("walk-1", "a line by hand")
    studio.answer("walk-1", "approve", by="alice")
    studio.wait("walk-1", "needs_approval", "gate_open", stage="polish")
    said = tell(studio, said, "draft.txt edited by hand, then approve.template.yaml renamed")
    assert "A LINE BY HAND" in (studio.run("walk-1") / "polished.txt").read_text()

    studio.answer("walk-1", "reject", notes="not yet")
    studio.wait("walk-1", "paused", "rejected")
    said = tell(studio, said, "rejected: pause is the default")

    studio.write("walk-1", "resume.yaml", "by: alice\nnotes: now\n...\n")
    studio.wait("walk-1", "needs_approval", "gate_open", stage="polish", attempt=2)
    said = tell(studio, said, "resumed: the stage was made again")

    studio.answer("walk-1", "approve")
    studio.wait("walk-1", "completed")
    tell(studio, said, "approved; the last stage ran")
    assert (studio.run("walk-1") / "published.txt").read_text().endswith("A LINE BY HAND\n")
    assert [d["decision"] for d in studio.state("walk-1")["decided"]] == [
        "reject",
        "approve",
        "reject",
        "approve",
    ]
