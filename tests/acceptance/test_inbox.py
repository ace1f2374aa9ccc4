"""Requests, on a live daemon: what becomes a job, once; what waits; what is refused, with its reason."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from daemon.inbox import BATCH
from tests.studio import Studio
from tests.support import wait_for

REQUEST = "intent: a note\npipeline: note\n"
SOURCES = """\
name: quoting
params: {docs: {type: files, max: 3}}
stages:
  - {name: quote, command: [sh, -euc, 'cat "$SPORK_SOURCES"/* > quoted.txt'], outputs: [quoted.txt]}
"""


@pytest.fixture
def live(studio: Studio) -> Studio:
    """A live daemon with nothing to do."""
    studio.pipeline("quoting", SOURCES)
    studio.start()
    return studio


def jobs(studio: Studio) -> list[str]:
    return sorted(path.stem for path in (studio.root / "jobs").glob("*.yaml"))


def rejection(studio: Studio, name: str) -> str:
    note = studio.root / "inbox/rejected" / f"{name}.error.txt"
    wait_for(note.exists, f"rejected/{note.name}")
    return note.read_text()


def test_a_dropped_file_becomes_one_job(live: Studio) -> None:
    """Its bytes are kept, the original is gone, its directory is there."""
    text = REQUEST + "id: n-1\n"
    live.drop("note.yaml", text)
    live.wait("n-1", "needs_approval")
    assert (live.root / "jobs/n-1.yaml").read_text() == text
    assert not (live.root / "inbox/note.yaml").exists()
    assert (live.run("n-1") / "pipeline.yaml").read_bytes() == (
        live.root / "conf/pipelines/note.yaml"
    ).read_bytes()


@pytest.mark.fault(23)
def test_without_an_id_each_dropped_file_is_a_job(live: Studio) -> None:
    """The same bytes twice: two jobs, with ids of their own."""
    for _ in range(2):
        live.drop("note.yaml", REQUEST)
        wait_for(lambda: not (live.root / "inbox/note.yaml").exists(), "the file to be taken")
    assert len(jobs(live)) == 2


@pytest.mark.fault(23)
def test_the_same_id_again(live: Studio) -> None:
    """Same bytes: nothing new. Other bytes: refused, because an id is taken for ever."""
    live.drop("a.yaml", REQUEST + "id: n-1\n")
    live.wait("n-1", "needs_approval")
    live.drop("b.yaml", REQUEST + "id: n-1\n")
    wait_for(lambda: not (live.root / "inbox/b.yaml").exists(), "the repeated request to be taken away")
    live.drop("c.yaml", REQUEST + "id: n-1\npriority: high\n")
    assert "'n-1' is taken" in rejection(live, "c.yaml")
    assert jobs(live) == ["n-1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("intnet: x\n", ["1:1", "intent"]),
        ("intent: x\npipeline: nope\n", ["2:", "pipeline", "note"]),
        ("intent: x\npipeline: note\nparams: {widht: 3}\n", ["3:", "width"]),
        ("intent: x\npipeline: note\npriority: hihg\n", ["3:", "high"]),
        ("intent: x\nid: ../../etc\n", ["2:", "id"]),
        ("intent: [x\n", [":"]),
        ("- a\n", ["mapping"]),
        ("intent: x\npipeline: note\ngates: {draft: {required: false}}\n", ["draft", "take away"]),
        ("intent: x\npipeline: quoting\nparams: {docs: [../secret]}\n", ["docs"]),
        ("intent: x\npipeline: quoting\nparams: {docs: [gone.txt]}\n", ["gone.txt", "missing", "inbox/"]),
    ],
)
def test_a_wrong_request_is_refused_with_place_and_reason(live: Studio, text: str, says: list[str]) -> None:
    """Copied to rejected/ with its reason; other work goes on."""
    live.drop("wrong.yaml", text)
    told = rejection(live, "wrong.yaml")
    assert all(part in told for part in says), told
    wait_for(lambda: not (live.root / "inbox/wrong.yaml").exists(), "the original to be taken away")
    assert (live.root / "inbox/rejected/wrong.yaml").read_text() == text
    live.drop("right.yaml", REQUEST + "id: right\n")
    live.wait("right", "needs_approval")


def test_the_same_verdict_beforehand(live: Studio) -> None:
    """spork check says what the inbox would say."""
    wrong = live.root / "wrong.yaml"
    wrong.write_text("intent: x\npipeline: note\npriority: hihg\n")
    checked = live.spork("check", str(wrong), check=False)
    assert checked.returncode == 65
    shutil.copy(wrong, live.root / "inbox/wrong.yaml")
    told = rejection(live, "wrong.yaml")
    assert told.split(": ", 1)[1].strip() in checked.stdout + checked.stderr


@pytest.mark.parametrize("kind", ["folder", "link", "fifo", "giant"])
@pytest.mark.fault(40, 42, 43, 57)
def test_what_is_no_request_stays_where_it_is(live: Studio, kind: str, tmp_path: Path) -> None:
    """Its reason lies in rejected/, the daemon never blocks on it, nothing behind a link is read."""
    target = live.root / "inbox/odd.yaml"
    if kind == "folder":
        target.mkdir()
    elif kind == "link":
        (tmp_path / "secret").write_text(REQUEST)
        target.symlink_to(tmp_path / "secret")
    elif kind == "fifo":
        os.mkfifo(target)
    else:
        with target.open("wb") as file:
            file.truncate(10 * 1024**3)
    rejection(live, "odd.yaml")
    assert os.path.lexists(target)
    live.drop("right.yaml", REQUEST + "id: right\n")
    live.wait("right", "needs_approval")


def test_sources_beside_the_request(live: Studio) -> None:
    """Found in inbox/STEM/, copied into the run, and taken with the request."""
    own = live.root / "inbox/quote"
    own.mkdir()
    (own / "a.txt").write_text("hello")
    live.drop("quote.yaml", "intent: x\nid: q-1\npipeline: quoting\nparams: {docs: [a.txt]}\n")
    live.wait("q-1", "completed")
    assert (live.run("q-1") / "quoted.txt").read_text() == "hello"
    assert not own.exists()


def test_a_requests_own_folders_go_with_its_sources(live: Studio) -> None:
    """Also those below inbox/STEM/; one that holds what nobody asked for stays with it."""
    own = live.root / "inbox/quote"
    for place in ("deep/down/a.txt", "deep/b.txt", "kept/c.txt", "kept/other.txt"):
        (own / place).parent.mkdir(parents=True, exist_ok=True)
        (own / place).write_text("hello")
    docs = "[deep/down/a.txt, deep/b.txt, kept/c.txt]"
    live.drop("quote.yaml", f"intent: x\nid: q-1\npipeline: quoting\nparams: {{docs: {docs}}}\n")
    wait_for((live.run("q-1") / "sources/kept/c.txt").exists, "the sources to be brought")
    wait_for(lambda: not (own / "kept/c.txt").exists(), "what was brought to go")
    wait_for(lambda: not (own / "deep").exists(), "the emptied folders to go")
    assert (own / "kept/other.txt").read_text() == "hello"


def test_sources_of_a_job_whose_id_ends_in_new(studio: Studio) -> None:
    """Two requests of one look: the directory that is made for ``x`` is not that of the sources of ``x.new``."""
    studio.pipeline("quoting", SOURCES)
    own = studio.root / "inbox/quote"
    own.mkdir()
    (own / "a.txt").write_text("hello")
    studio.drop("first.yaml", REQUEST + "id: x\n...\n")
    studio.drop("quote.yaml", "intent: x\nid: x.new\npipeline: quoting\nparams: {docs: [a.txt]}\n...\n")
    studio.start()
    studio.wait("x.new", "completed")
    assert (studio.run("x.new") / "quoted.txt").read_text() == "hello"


def test_a_source_that_comes_later_is_waited_for(live: Studio) -> None:
    """The request was there first; nothing is refused before its time."""
    live.drop("quote.yaml", "intent: x\nid: q-1\npipeline: quoting\nparams: {docs: [late.txt]}\n")
    time.sleep(0.7)
    (live.root / "sources/late.txt").write_text("here now")
    live.wait("q-1", "completed")
    assert (live.root / "sources/late.txt").exists(), "what lies in sources/ is the operator's"


@pytest.mark.fault(43)
def test_no_link_leads_out(live: Studio, tmp_path: Path) -> None:
    """Neither a linked source nor a linked folder is ever read."""
    (tmp_path / "secret").write_text("secret")
    (live.root / "sources/link.txt").symlink_to(tmp_path / "secret")
    live.drop("quote.yaml", "intent: x\nid: q-1\npipeline: quoting\nparams: {docs: [link.txt]}\n")
    assert "link" in rejection(live, "quote.yaml")
    assert jobs(live) == []


@pytest.mark.fault(2)
def test_a_slow_writer_is_waited_for(live: Studio) -> None:
    """cat > inbox/x.yaml, line by line."""
    with subprocess.Popen(
        ["sh", "-c", f"cat > {live.root}/inbox/slow.yaml"], stdin=subprocess.PIPE, text=True
    ) as cat:
        assert cat.stdin is not None
        for line in (REQUEST + "id: s-1\n").splitlines(keepends=True):
            cat.stdin.write(line)
            cat.stdin.flush()
            time.sleep(0.5)
        assert jobs(live) == []
    live.wait("s-1", "needs_approval")


@pytest.mark.fault(1)
def test_an_empty_request_waits(live: Studio) -> None:
    """As an editor makes it first; it is taken when it has content."""
    target = live.root / "inbox/empty.yaml"
    target.touch()
    time.sleep(1.0)
    assert target.exists() and not any((live.root / "inbox/rejected").iterdir())
    target.write_text(REQUEST + "id: e-1\n")
    live.wait("e-1", "needs_approval")


@pytest.mark.fault(19, 26)
def test_what_lay_there_while_the_daemon_was_down(studio: Studio) -> None:
    """Taken at start, once, in the order of names."""
    for number in range(BATCH + 5):
        studio.drop(f"n{number:03d}.yaml", f"{REQUEST}id: n-{number:03d}\n")
    studio.start("--drain")
    code = studio.process.wait(timeout=60) if studio.process else None
    assert code == 0
    assert jobs(studio) == [f"n-{number:03d}" for number in range(BATCH + 5)]
    ledger = [json.loads(line) for line in (studio.root / "jobs/state.jsonl").read_text().splitlines()]
    queued = [e["job_id"] for e in ledger if e["type"] == "job_queued"]
    assert queued == [f"n-{number:03d}" for number in range(BATCH + 5)]


def test_priority_then_age(studio: Studio) -> None:
    """urgent before high before normal before low; among equals the older."""
    studio.pipeline(
        "one",
        "name: one\nstages:\n  - {name: only, command: [sh, -euc, 'echo > done.txt'], outputs: [done.txt]}\n",
    )
    for place, priority in enumerate(["low", "normal", "urgent", "high", "normal"]):
        studio.submit(f"p-{place}", "one", priority=priority)
    studio.start("--drain")
    assert studio.process is not None and studio.process.wait(timeout=60) == 0
    ledger = [json.loads(line) for line in (studio.root / "jobs/state.jsonl").read_text().splitlines()]
    started = [e["job_id"] for e in ledger if e["type"] == "job_started"]
    assert started == ["p-2", "p-3", "p-1", "p-4", "p-0"]
