"""What can lie in a drop-box that is no ordinary file: in the inbox, beside a gate, as a source, left by a stage.

Each is refused or waited for with its reason, nothing behind it is read, and other work goes on.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from daemon.beneath import remove_tree
from daemon.endmark import TEMPLATE_HEADER
from tests.bells import held, ticks
from tests.odd import KINDS, QUOTING, SECRET, VERBS, reason, refusals, seen
from tests.studio import Studio
from tests.support import wait_for
from tests.swaps import swapping


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside that is nobody's business here."""
    path = tmp_path / "secret"
    path.write_text(SECRET)
    return path


@pytest.mark.fault(40, 41, 42, 43, 57)
def test_requests_that_are_no_files(gated: Studio, secret: Path) -> None:
    """Each stays, its reason lies in rejected/, told once; nothing behind it is read; the next request is taken."""
    for name, (make, _) in KINDS.items():
        make(gated.root / "inbox" / f"{name}.yaml", secret)
    for name, (_, why) in KINDS.items():
        assert why in reason(gated, f"{name}.yaml")
        assert os.path.lexists(gated.root / "inbox" / f"{name}.yaml")
    for number in range(2):
        gated.submit(f"next-{number}", "gated")
        gated.wait(f"next-{number}", "needs_approval")
    assert len(refusals(gated, "request_refused")) == len(KINDS)
    assert "secret-4711" not in seen(gated)
    assert gated.spork("explain", "inbox/fifo.yaml").stdout.count("FIFO")


@pytest.mark.fault(40, 41, 42, 43, 57)
def test_answers_that_are_no_files(gated: Studio, secret: Path) -> None:
    """Each stays with its reason beside it, told once; the gate goes on waiting, and a right answer counts."""
    run = gated.run("g-1")
    kinds = list(KINDS.items())
    for some in (kinds[:4], kinds[4:]):
        for verb, (_, (make, _)) in zip(VERBS, some, strict=True):
            make(run / f"{verb}.yaml", secret)
        for verb, (_, (_, why)) in zip(VERBS, some, strict=True):
            note = run / f"{verb}.yaml.error.txt"
            wait_for(lambda n=note, w=why: n.exists() and w in n.read_text(), f"{note.name}: {why}")  # type: ignore[misc]
        gated.submit(f"after-{some[0][0]}", "gated")
        gated.wait(f"after-{some[0][0]}", "needs_approval")
        assert gated.state("g-1")["status"] == "needs_approval"
        with held(gated.process):
            for verb in VERBS:
                place = run / f"{verb}.yaml"
                shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
    assert len(refusals(gated, "decision_refused")) == len(KINDS)
    gated.answer("g-1", "approve", by="alice")
    gated.wait("g-1", "completed")
    assert "secret-4711" not in seen(gated)
    assert not list(run.glob("*.error.txt"))


@pytest.mark.fault(40, 41, 42, 43, 45)
def test_sources_that_are_no_files(gated: Studio, secret: Path, tmp_path: Path) -> None:
    """Wherever a source is looked for, what is no file, or lies beneath a link, is never read: its request is refused
    with the line."""
    gated.pipeline("quoting", QUOTING)
    (tmp_path / "beyond").mkdir()
    shutil.copy(secret, tmp_path / "beyond/secret.yaml")
    (gated.root / "sources/way").symlink_to(tmp_path / "beyond")
    (gated.root / "inbox/by-way").symlink_to(tmp_path / "beyond")
    bad = {name: make for name, (make, _) in KINDS.items() if name not in ("dangling", "loop")}
    for name, make in bad.items():
        make(gated.root / "sources" / f"{name}.txt", secret)
    wanted = {name: f"{name}.txt" for name in bad} | {"way": "way/secret.yaml", "by-way": "secret.yaml"}
    for name, source in wanted.items():
        text = f"intent: x\nid: {name}\npipeline: quoting\nparams:\n  docs: [{source}]\n...\n"
        gated.drop(f"{name}.yaml", text)
    for name, source in wanted.items():
        told = reason(gated, f"{name}.yaml")
        assert f"inbox/{name}.yaml:5:" in told and source in told
        assert not gated.run(name).exists()
    assert "secret-4711" not in seen(gated)
    gated.submit("next", "gated")
    gated.wait("next", "needs_approval")


@pytest.mark.fault(44)
def test_hard_links(gated: Studio, secret: Path) -> None:
    """What has a second name, perhaps another's, is read but shared with nobody: what we keep are files of our own."""
    gated.pipeline("quoting", QUOTING)
    inbox = gated.root / "inbox"
    (inbox / "quote").mkdir()
    os.link(secret, inbox / "quote/shared.txt")
    request = gated.root / "theirs"
    request.write_text("intent: x\nid: q-1\npipeline: quoting\nparams: {docs: [shared.txt]}\n...\n")
    os.link(request, inbox / "quote.yaml")
    gated.wait("q-1", "completed")
    answer = gated.root / "answer"
    answer.write_text("by: alice\n...\n")
    os.link(answer, gated.run("g-1") / "approve.yaml")
    gated.wait("g-1", "completed")
    wait_for(lambda: not (inbox / "quote.yaml").exists(), "the request to be taken away")
    theirs = {path.stat().st_ino for path in (secret, request, answer)}
    ours = [p for p in (*gated.root.glob("jobs/*.yaml"), *gated.root.glob("runs/**/*")) if p.is_file()]
    assert not [p for p in ours if p.stat().st_ino in theirs or p.stat().st_nlink != 1]
    assert [path.read_text() for path in (secret, answer)] == [SECRET, "by: alice\n...\n"]
    assert {path.stat().st_nlink for path in (secret, request, answer)} == {1}


LEFT = {
    "link": ("ln -s {secret} a.txt", "'a.txt' is a link"),
    "dangling": ("ln -s nowhere a.txt", "'a.txt' is a link"),
    "below": ("mkdir d; ln -s {beyond} d/a", "'d/a' is a link"),
    "hard": ("ln {secret} a.txt", "2 hard links"),
    "fifo": ("mkfifo a.txt", "not a regular file"),
    "socket": (
        """python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("a.txt")'""",
        "not a regular file",
    ),
    "meta": ("ln -s {secret} .meta.json; echo > a.txt", "'.meta.json' is a link"),
}


@pytest.mark.fault(40, 41, 43, 44, 45)
def test_what_a_stage_leaves(studio: Studio, secret: Path, tmp_path: Path) -> None:
    """A stage publishes files of its own, or fails naming the one that is none."""
    (tmp_path / "beyond").mkdir()
    for name, (leave, _) in LEFT.items():
        command = json.dumps(["sh", "-euc", leave.format(secret=secret, beyond=tmp_path / "beyond")])
        studio.pipeline(name, f"name: {name}\nstages:\n  - {{name: s, command: {command}}}\n")
        studio.submit(name, name)
    studio.start("--drain")
    assert studio.process is not None and studio.process.wait(timeout=60) == 1
    for name, (_, says) in LEFT.items():
        assert says in studio.state(name)["error"]["message"], name
        assert not os.path.lexists(studio.run(name) / "a.txt")
    assert "secret-4711" not in seen(studio) and secret.read_text() == SECRET


def test_a_folder_deeper_than_any_stack(studio: Studio) -> None:
    """What a stage left a thousand folders deep, or without permissions, is refused and removed like anything else."""
    script = "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\nos.chmod('.', 0)\n"
    command = json.dumps(["python3", "-c", script])
    studio.pipeline("deep", f"name: deep\nstages:\n  - {{name: s, command: {command}}}\n")
    studio.start()
    try:
        studio.submit("deep", "deep")
        assert "or 1000 a path" in studio.wait("deep", "failed", "stage_failed")["error"]["message"]
        studio.submit("next")
        studio.wait("next", "needs_approval")
        studio.write("deep", "cancel.yaml", "by: alice\n...\n")
        studio.wait("deep", "canceled")
        wait_for(lambda: os.listdir(studio.run("deep") / ".work") == [], "its folder to be removed")
    finally:
        # pytest's own removal would fall over it.
        work = os.open(studio.run("deep"), os.O_RDONLY)
        remove_tree(".work", work)
        os.close(work)


@pytest.mark.fault(46)
@pytest.mark.parametrize("place", ["runs/.incoming", "inbox/rejected"])
@pytest.mark.parametrize("when", ["before the start", "while it runs"])
def test_a_link_where_a_folder_of_ours_was(studio: Studio, tmp_path: Path, place: str, when: str) -> None:
    """It is set aside: nothing is written to, or removed from, where it leads."""
    beyond = tmp_path / "beyond"
    (beyond / "precious").mkdir(parents=True)
    (beyond / "precious/file").write_text("kept")
    (beyond / "kept.txt").write_text("kept")
    studio.pipeline("quoting", QUOTING)
    (studio.root / "sources/in.txt").write_text("in")
    if when == "while it runs":
        studio.start()
    shutil.rmtree(studio.root / place)
    (studio.root / place).symlink_to(beyond)
    if when != "while it runs":
        studio.start()
    studio.submit("q-1", "quoting", params={"docs": ["in.txt"]})
    studio.wait("q-1", "completed")
    studio.drop("wrong.yaml", "intent: [\n")
    wait_for(lambda: not (studio.root / "inbox/wrong.yaml").exists(), "the refusal")
    assert sorted(str(p.relative_to(beyond)) for p in beyond.rglob("*")) == [
        "kept.txt",
        "precious",
        "precious/file",
    ]
    if place == "inbox/rejected":
        reason(studio, "wrong.yaml")
        assert not (studio.root / place).is_symlink()


@pytest.mark.fault(45, 46)
def test_swaps_under_a_live_daemon(gated: Studio, tmp_path: Path) -> None:
    """A request, an answer and a run directory that are exchanged for links without end: what they lead to is never a
    job, an answer or a run of ours, a FIFO in between holds nobody up, and afterwards the right answer counts."""
    gated.submit("g-2", "gated")
    gated.wait("g-2", "needs_approval")
    outside, aside = tmp_path / "outside", tmp_path / "aside"
    outside.mkdir()
    aside.mkdir()
    (outside / "a.yaml").write_text("intent: secret-4711\nid: secret\npipeline: note\n...\n")
    (outside / "approve.yaml").write_text("by: secret-4711\n...\n")
    before = {p.name: p.read_bytes() for p in outside.iterdir()}
    inbox, run = gated.root / "inbox", gated.run("g-1")
    for place in (inbox / "a.yaml", inbox / "b.yaml", run / "approve.yaml"):
        place.write_bytes(TEMPLATE_HEADER)  # never whole, and looked at for ever
    (aside / "a").symlink_to(outside / "a.yaml")
    os.mkfifo(aside / "b")
    (aside / "answer").symlink_to(outside / "approve.yaml")
    (aside / "run").symlink_to(outside)
    assert gated.process is not None
    pid = gated.process.pid
    began = ticks(pid)
    with (
        swapping(inbox / "a.yaml", aside / "a", outside / "a.yaml") as one,
        swapping(inbox / "b.yaml", aside / "b", outside / "a.yaml") as two,
        swapping(run / "approve.yaml", aside / "answer", outside / "approve.yaml") as three,
        swapping(gated.run("g-2"), aside / "run", outside) as four,
    ):
        counts = (one, two, three, four)
        wait_for(
            lambda: ticks(pid) - began >= 50 and all(count() >= 1000 for count in counts),
            "swaps enough",
            seconds=120,
        )
    ledger = [json.loads(line) for line in (gated.root / "jobs/state.jsonl").read_text().splitlines()]
    assert {line["job_id"] for line in ledger if line["job_id"]} == {"g-1", "g-2"}
    assert "gate_approved" not in {line["type"] for line in ledger}
    assert {p.name: p.read_bytes() for p in outside.iterdir()} == before
    for place in (inbox / "a.yaml", inbox / "b.yaml", run / "approve.yaml"):
        place.unlink(missing_ok=True)
    gated.answer("g-1", "approve", by="alice")
    gated.wait("g-1", "completed")
    assert "secret-4711" not in seen(gated)
