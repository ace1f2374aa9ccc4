"""What a person typed into a template, before it counts, is never lost."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from daemon import drafts
from daemon.documents import load_decision
from daemon.model import Gate, Job
from daemon.review import show
from daemon.rulings import OnDisk
from tests.unit.test_rulings import OPEN, SCRIPT, at_script_gate, decide, run_stage

OTHER = "sha256:" + "e" * 64
NOTES = "notes: a long careful note that I typed"


@pytest.fixture
def job() -> Job:
    return at_script_gate()


def gate_of(job: Job) -> Gate:
    assert job.gate is not None
    return job.gate


def put(run: Path, job: Job, digest: str) -> Path:
    """Show the gate for files of that digest; gives the template of a rejection."""
    show(run, job, OnDisk(digest))
    return run / "reject.template.yaml"


def typed(run: Path, job: Job) -> Path:
    """A template with notes in it, as an editor leaves it that saves under another name and renames."""
    template = put(run, job, gate_of(job).digest)
    beside = run / "4913"
    beside.write_text(template.read_text().replace("# notes: what to change", NOTES))
    beside.rename(template)
    return template


def test_only_the_digest_follows(tmp_path: Path, job: Job) -> None:
    """After an edit the notes stand as they were typed, for the files as they are now; the mode is kept."""
    template = typed(tmp_path, job)
    template.chmod(0o664)
    before = template.read_text()
    put(tmp_path, job, OTHER)
    assert template.read_text() == before.replace(gate_of(job).digest, OTHER)
    assert stat.S_IMODE(template.stat().st_mode) == 0o664
    decision = load_decision(template.read_bytes(), "reject", "reject.yaml")
    assert (decision.notes, decision.digest) == (NOTES.removeprefix("notes: "), OTHER)
    assert not (tmp_path / "history").exists()
    assert "history/" not in (tmp_path / "REVIEW.md").read_text()


def test_an_untouched_template_is_made_anew(tmp_path: Path, job: Job) -> None:
    """Also one of an earlier attempt, which a crash left."""
    template = put(tmp_path, job, gate_of(job).digest)
    template.write_text(template.read_text().replace("attempt: 1", "attempt: 7"))
    put(tmp_path, job, OTHER)
    text = template.read_text()
    assert f"attempt: 1\ndigest: {OTHER}\n" in text
    assert not (tmp_path / "history").exists()


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"attempt: 1", b"attempt: 7"),
        (b"digest: ", b"# "),
        (b"digest: ", b"digest: sha256:00\ndigest: "),
        (b"typed\n", b"typed \xff\n"),
        (b"\n...\n", b"\n"),
        (b"# spork decision template", b"# mine"),
    ],
)
def test_what_cannot_go_on_is_kept_and_named(tmp_path: Path, job: Job, was: bytes, becomes: bytes) -> None:
    """Of another attempt, without its digest, no text, half saved: theirs goes to history/, REVIEW.md says so."""
    template = typed(tmp_path, job)
    theirs = template.read_bytes().replace(was, becomes)
    for number in ("", ".2"):
        template.write_bytes(theirs)
        put(tmp_path, job, OTHER)
        kept = f"history/reject.template{number}.yaml"
        assert (tmp_path / kept).read_bytes() == theirs
        assert drafts.is_ours(template.read_bytes(), "reject")
        assert OTHER in template.read_text()
        assert kept in (tmp_path / "REVIEW.md").read_text()


def test_an_editor_that_is_still_writing_loses_nothing(tmp_path: Path, job: Job) -> None:
    """What it writes into the file that it holds open is found in history/."""
    template = typed(tmp_path, job)
    whole = template.read_text()
    with template.open("w") as editor:
        editor.write(whole[:100])
        editor.flush()
        put(tmp_path, job, OTHER)
        editor.write(whole[100:])
    assert (tmp_path / "history/reject.template.yaml").read_text() == whole


def test_an_editor_that_holds_it_open_loses_nothing(tmp_path: Path, job: Job) -> None:
    """Nor one that has not written yet, or writes what it read: what it saves then is found in history/."""
    for template in (put(tmp_path, job, gate_of(job).digest), typed(tmp_path, job)):
        with template.open("r+") as editor:
            put(tmp_path, job, OTHER)
            editor.write(f"{NOTES}, in {template.stat().st_size} bytes\n")
        assert NOTES in newest_aside(tmp_path)
        assert OTHER in template.read_text()
        put(tmp_path, job, gate_of(job).digest)


class Person:
    """Saves what lies ``beside`` as the template of a rejection, in the instant after the daemon's last look at it."""

    def __init__(self, run: Path, looks: int) -> None:
        self.beside, self.looks = run / "saved", looks
        self._run, self._look = run, drafts._read

    def look(self, run: Path | int, name: str) -> tuple[bytes, int] | None:
        found = self._look(run, name)
        if name == "reject.template.yaml":
            self.looks -= 1
            if self.looks == 0:
                self.beside.rename(self._run / name)
        return found


def newest_aside(run: Path) -> str:
    """The template that was moved to history/ last."""
    found = (run / "history").glob("reject.template*.yaml")
    return max(found, key=lambda path: path.stat().st_ctime_ns).read_text()


@pytest.mark.parametrize("before", ["untouched", "typed", "half saved", "gone"])
@pytest.mark.parametrize("exchanging", [True, False])
def test_a_save_between_look_and_rename_is_kept(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch, before: str, *, exchanging: bool
) -> None:
    """In its place, for the files as they are, or in history/, and REVIEW.md names it."""
    template = typed(tmp_path, job) if before == "typed" else put(tmp_path, job, gate_of(job).digest)
    whole = template.read_text().replace("# by: your name", "by: alice")
    if before == "half saved":
        template.write_text(whole[:100])
    elif before == "gone":
        template.unlink()
    if not exchanging:
        monkeypatch.setattr(drafts, "exchange", not_here)
    # One look makes way for the page, the other is for what is put there.
    person = Person(tmp_path, looks=2)
    person.beside.write_text(whole)
    monkeypatch.setattr(drafts, "_read", person.look)
    put(tmp_path, job, OTHER)
    assert not person.beside.exists()
    assert OTHER in template.read_text()
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    if "by: alice" not in template.read_text().splitlines():
        assert newest_aside(tmp_path) == whole
        assert "history/reject.template" in (tmp_path / "REVIEW.md").read_text()


def not_here(_one: str, _other: str, _folder: int) -> None:
    """As a file system says that has no such rename."""
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


def test_a_save_beside_another_answer_is_kept(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the untouched template was about to go."""
    template = put(tmp_path, job, gate_of(job).digest)
    person = Person(tmp_path, looks=1)
    monkeypatch.setattr(drafts, "_read", person.look)
    person.beside.write_text(template.read_text().replace("# by: your name", "by: alice"))
    drafts.clear(tmp_path)
    assert "by: alice" in newest_aside(tmp_path)
    assert not list(tmp_path.glob("*.template.yaml"))


def test_another_answer_leaves_what_was_typed(tmp_path: Path, job: Job) -> None:
    """When the gate is answered otherwise, the untouched template goes and the other one to history/."""
    template = typed(tmp_path, job)
    whole = template.read_text()
    drafts.clear(tmp_path)
    assert (tmp_path / "history/reject.template.yaml").read_text() == whole
    assert not list(tmp_path.glob("*.template.yaml"))
    again = run_stage(decide(job, "reject", then="retry"), OPEN, [SCRIPT])
    put(tmp_path, again, gate_of(again).digest)
    assert "history/reject.template.yaml" in (tmp_path / "REVIEW.md").read_text()


@pytest.mark.parametrize("what", ["link", "folder", "fifo"])
def test_what_is_no_file_is_replaced(tmp_path: Path, job: Job, what: str) -> None:
    """Nothing is read through a link, and a FIFO does not make the daemon wait."""
    template = put(tmp_path, job, gate_of(job).digest)
    template.unlink()
    (tmp_path / "outside").write_text(f"{NOTES}\n...\n")
    if what == "link":
        template.symlink_to("outside")
    elif what == "folder":
        template.mkdir()
    else:
        os.mkfifo(template)
    put(tmp_path, job, OTHER)
    assert drafts.is_ours(template.read_bytes(), "reject")
    assert (tmp_path / "outside").read_text() == f"{NOTES}\n...\n"


def test_a_giant_is_kept_unread(tmp_path: Path, job: Job) -> None:
    template = typed(tmp_path, job)
    with template.open("ab") as file:
        file.truncate(drafts.LIMIT + 1)
    put(tmp_path, job, OTHER)
    assert (tmp_path / "history/reject.template.yaml").stat().st_size == drafts.LIMIT + 1
