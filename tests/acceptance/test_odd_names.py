"""Names, ids and sizes that no person would choose, in the inbox of a live daemon."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.odd import REQUEST, reason
from tests.studio import Studio
from tests.support import wait_for


@pytest.fixture
def idle(studio: Studio) -> Studio:
    """A live daemon with nothing to do."""
    studio.start()
    return studio


IDS = ["../../etc", "/etc", "", ".", "..", "a/b", "a\\0b", "-rf", ".x", "Ä", "A", "x" * 81]


@pytest.mark.fault(47)
def test_ids_that_lead_elsewhere(studio: Studio) -> None:
    """Refused at the line, by the daemon and by `spork check`, before anything is made."""
    for number, wanted in enumerate(IDS):
        studio.drop(f"odd-{number}.yaml", f'intent: x\nid: "{wanted}"\npipeline: note\n...\n')
    files = [str(studio.root / f"inbox/odd-{number}.yaml") for number in range(len(IDS))]
    checked = studio.spork("check", *files, check=False)
    assert checked.returncode == 65
    before = sorted(studio.root.glob("runs/**/*")), sorted(studio.root.parent.iterdir())
    studio.start()
    for number in range(len(IDS)):
        assert f"odd-{number}.yaml:2:" in checked.stdout + checked.stderr
        assert f"odd-{number}.yaml:2:" in reason(studio, f"odd-{number}.yaml")
    assert (sorted(studio.root.glob("runs/**/*")), sorted(studio.root.parent.iterdir())) == before


@pytest.mark.fault(48, 49, 50, 147)
def test_names_that_cannot_be_carried(idle: Studio) -> None:
    """Refused with their escapes shown; every line of the log stays one JSON object, the terminal gets no escape."""
    names = {
        "a\nb.yaml": ("control characters", "a\\nb.yaml"),
        "a\tb.yaml": ("control characters", "a\\tb.yaml"),
        "\x1b[31mred.yaml": ("control characters", "\\x1b[31mred.yaml"),
        "a\u202eb.yaml": ("control characters", "a\\u202eb.yaml"),
        "x" * 250 + ".yaml": ("255 bytes", "x" * 200),
    }
    for name in names:
        (idle.root / "inbox" / name).write_text(REQUEST)
    rejected = idle.root / "inbox/rejected"
    wait_for(lambda: len(list(rejected.iterdir())) == len(names), "every refusal")
    told = {p.name: p.read_text() for p in rejected.iterdir()}
    for why, shown in names.values():
        ((note, text),) = [(n, t) for n, t in told.items() if n.startswith(shown[:100])]
        assert why in text and "rename it" in text and shown in text
        assert note.endswith(".error.txt") and len(os.fsencode(note)) <= 255
    for line in idle.log.read_text().splitlines():
        json.loads(line)
    shown_text = idle.spork("status").stdout + idle.spork("explain", "inbox/*").stdout
    assert "\x1b" not in shown_text and "\u202e" not in shown_text
    assert not list((idle.root / "jobs").glob("*.yaml"))


@pytest.mark.fault(50, 51)
def test_twins(idle: Studio) -> None:
    """Names that another file system takes for one are two requests here; their jobs cannot be twins, because ids are
    lower case ASCII, and an id is taken once."""
    names = ["Job.yaml", "job.yaml", "e\u0301.yaml", "\u00e9.yaml"]
    for number, name in enumerate(names):
        idle.drop(name, f"intent: é {number}\nid: twin-{number}\npipeline: note\n...\n")
    for number in range(len(names)):
        idle.wait(f"twin-{number}", "needs_approval")
    idle.drop("JOB.yaml", "intent: again\nid: TWIN-0\npipeline: note\n...\n")
    assert "id" in reason(idle, "JOB.yaml")
    idle.drop("Twin.yaml", "intent: again\nid: twin-0\npipeline: note\n...\n")
    assert "'twin-0' is taken" in reason(idle, "Twin.yaml")


@pytest.mark.fault(52)
def test_names_for_a_shell(idle: Studio, tmp_path: Path) -> None:
    """A dash in front, spaces, quotes and `$(...)` are letters: the request is taken, nothing is executed."""
    flag = tmp_path / "executed"
    names = [
        "-rf.yaml",
        "a b.yaml",
        f"$(touch {flag.name}).yaml",
        "'; touch x; '.yaml",
        '"`id`".yaml',
        "*.yaml",
        "%s{0}.yaml",
    ]
    for number, name in enumerate(names):
        idle.drop(
            name,
            f"intent: $(touch {flag})\nid: shell-{number}\nslug: s\npipeline: shelled\n...\n".replace(
                "shelled", "note"
            ),
        )
    for number in range(len(names)):
        idle.wait(f"shell-{number}", "needs_approval")
    assert not flag.exists() and not list(idle.root.rglob(flag.name))


@pytest.mark.fault(57)
def test_sizes(idle: Studio) -> None:
    """Nothing at all waits, one byte is refused with its reason, the limit itself is read."""
    inbox = idle.root / "inbox"
    (inbox / "none.yaml").touch()
    (inbox / "one.yaml").write_bytes(b"x")
    full = "id: full\nintent: x\npipeline: note\n"
    idle.drop("full.yaml", full + "#" + "x" * ((1 << 20) - len(full) - 6) + "\n...\n"[:5])
    idle.wait("full", "needs_approval")
    assert "mapping" in reason(idle, "one.yaml")
    idle.drop("over.yaml", full + "#" + "x" * (1 << 20) + "\n...\n")
    assert "at most 1,048,576" in reason(idle, "over.yaml")
    assert (inbox / "none.yaml").exists()
    assert "empty" in idle.spork("explain", "inbox/none.yaml").stdout
