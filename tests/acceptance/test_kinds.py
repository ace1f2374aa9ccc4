"""What can lie in a drop-box that is no ordinary file with an ordinary name: in the inbox, beside a gate, as a source.

Each is refused or waited for with its reason, nothing behind it is read, and other work goes on.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.beneath import remove_tree
from daemon.spool import TEMPLATE_HEADER
from tests.bells import held, ticks
from tests.studio import GATED, Studio
from tests.support import wait_for
from tests.swaps import swapping

REQUEST = "intent: odd\npipeline: note\n...\n"
SECRET = "intent: secret-4711\npipeline: note\n...\n"
NOBODY = 65534
QUOTING = """\
name: quoting
params: {docs: {type: files, max: 3}}
stages:
  - {name: quote, command: [sh, -euc, 'cat "$SPORK_SOURCES"/* > quoted.txt'], outputs: [quoted.txt]}
"""


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file outside that is nobody's business here."""
    path = tmp_path / "secret"
    path.write_text(SECRET)
    return path


def fifo(place: Path, secret: Path) -> None:
    os.mkfifo(place)


def unix_socket(place: Path, secret: Path) -> None:
    # By the folder's descriptor: a socket's path may have a hundred bytes.
    parent = os.open(place.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{parent}/{place.name}")
    os.close(parent)


def device(place: Path, secret: Path) -> None:
    try:
        os.mknod(place, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("needs root, to make a device")


def folder(place: Path, secret: Path) -> None:
    place.mkdir()
    (place / "inside.yaml").write_text(SECRET)


def link(place: Path, secret: Path) -> None:
    place.symlink_to(secret)


def dangling(place: Path, secret: Path) -> None:
    place.symlink_to("nowhere")


def loop(place: Path, secret: Path) -> None:
    place.symlink_to(place.name)


def giant(place: Path, secret: Path) -> None:
    with place.open("wb") as file:
        file.truncate(10 << 30)


KINDS = {
    "fifo": (fifo, "is a FIFO"),
    "socket": (unix_socket, "is a socket"),
    "device": (device, "is a device"),
    "folder": (folder, "is a folder"),
    "link": (link, "is a symbolic link"),
    "dangling": (dangling, "is a symbolic link"),
    "loop": (loop, "is a symbolic link"),
    "giant": (giant, "has 10,737,418,240 bytes, at most 1,048,576 are accepted"),
}
VERBS = ("approve", "reject", "cancel", "resume")


def seen(studio: Studio) -> str:
    """All that the daemon wrote where people read; .work is the attempt's own."""
    places = [
        *studio.root.glob("runs/**/*"),
        *studio.root.glob("jobs/*"),
        *studio.root.glob("inbox/rejected/*"),
    ]
    plain = [
        p
        for p in places
        if p.is_file() and not p.is_symlink() and ".work" not in p.parts and p.stat().st_size < 1 << 24
    ]
    return "".join(p.read_text(errors="replace") for p in [*plain, studio.log])


def reason(studio: Studio, name: str) -> str:
    """Why a request was refused."""
    note = studio.root / "inbox/rejected" / f"{name}.error.txt"
    wait_for(note.exists, f"rejected/{note.name}")
    return note.read_text()


def refusals(studio: Studio, kind: str) -> list[str]:
    """The messages of the refusals, as the ledger has them."""
    lines = map(json.loads, (studio.root / "jobs/state.jsonl").read_text().splitlines())
    return [line["message"] for line in lines if line["type"] == kind]


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
        assert f"odd-{number}.yaml:2:1: id: " in checked.stdout + checked.stderr
        assert f"odd-{number}.yaml:2:1: id: " in reason(studio, f"odd-{number}.yaml")
    assert (sorted(studio.root.glob("runs/**/*")), sorted(studio.root.parent.iterdir())) == before


@pytest.fixture
def idle(studio: Studio) -> Studio:
    """A live daemon with nothing to do."""
    studio.start()
    return studio


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


@pytest.mark.fault(55)
def test_a_request_that_stays_and_changes_its_mode_and_name(studio: Studio) -> None:
    """A taken file without id that could not be removed stays the same file, whatever becomes of its mode, owner and
    names, across a restart too; the next file in its place is another, though it be equal to the byte and the time."""
    stuck = studio.drop("stuck.yaml", REQUEST)
    if subprocess.run(["chattr", "+i", stuck], capture_output=True, check=False).returncode:
        pytest.skip("this file system, or this user, cannot make a file immutable")

    def jobs() -> list[str]:
        return [p.stem for p in (studio.root / "jobs").glob("*.yaml") if not p.stem.startswith("next")]

    def another_look(name: str) -> None:
        studio.submit(name)
        studio.wait(name, "needs_approval")

    try:
        studio.start()
        wait_for(lambda: len(jobs()) == 1, "it to be taken")
        moved = studio.root / "inbox/moved.yaml"
        with held(studio.process):
            subprocess.run(["chattr", "-i", stuck], check=True)
            stuck.chmod(0o600)
            os.chown(stuck, NOBODY, NOBODY)
            stuck = stuck.rename(moved)
            subprocess.run(["chattr", "+i", stuck], check=True)
        another_look("next-1")
        studio.kill()
        studio.start()
        another_look("next-2")
        assert len(jobs()) == 1
        with held(studio.process):
            shutil.copy2(stuck, studio.root / "copy")
            subprocess.run(["chattr", "-i", stuck], check=True)
            (studio.root / "copy").rename(stuck)
    finally:
        subprocess.run(["chattr", "-i", stuck], check=False)
    wait_for(lambda: len(jobs()) == 2, "the equal request to be taken")


@pytest.mark.fault(55)
def test_an_answer_that_stays_answers_one_gate(studio: Studio) -> None:
    """An approval without a binding that cannot be removed counts once, chmod or not; renamed it says something new."""
    studio.pipeline(
        "two",
        "name: two\nstages:\n"
        "  - {name: one, gate: true, command: [sh, -c, 'echo > one.txt']}\n"
        "  - {name: two, gate: true, command: [sh, -c, 'echo > two.txt']}\n",
    )
    studio.start()
    studio.submit("t-1", "two")
    studio.wait("t-1", "needs_approval", stage="one")
    studio.write("t-1", ".beside", "by: alice\n...\n")
    answer = studio.run("t-1") / "approve.yaml"
    with held(studio.process):
        (studio.run("t-1") / ".beside").rename(answer)
        if subprocess.run(["chattr", "+i", answer], capture_output=True, check=False).returncode:
            pytest.skip("this file system, or this user, cannot make a file immutable")
    try:
        studio.wait("t-1", "needs_approval", stage="two")
        with held(studio.process):
            subprocess.run(["chattr", "-i", answer], check=True)
            answer.chmod(0o600)
            subprocess.run(["chattr", "+i", answer], check=True)
        for name in ("x-1", "x-2"):
            studio.submit(name, "two")
            studio.wait(name, "needs_approval")
        assert studio.state("t-1")["status"] == "needs_approval"
    finally:
        subprocess.run(["chattr", "-i", answer], check=True)
    wait_for(lambda: not answer.exists(), "the answer to be taken away")
    assert studio.types("t-1").count("gate_approved") == 1


@pytest.mark.fault(13)
def test_a_refused_answer_renamed_to_another(gated: Studio) -> None:
    """The name is the decision: what was refused as an approval is looked at anew as a rejection."""
    run = gated.run("g-1")
    gated.write("g-1", "approve.yaml", "digest: sha256:" + "0" * 64 + "\nby: alice\n...\n")
    wait_for((run / "approve.yaml.error.txt").exists, "the refusal")
    (run / "approve.yaml").write_text("by: alice\nthen: stop\n...\n")
    wait_for(lambda: "then" in (run / "approve.yaml.error.txt").read_text(), "the second refusal")
    (run / "approve.yaml").rename(run / "reject.yaml")
    gated.wait("g-1", "canceled", "rejected")


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


# -- permissions


@pytest.fixture
def nobodys(studio: Studio) -> Iterator[tuple[Studio, list[str]]]:
    """A workspace of a user who is not root, and what to put before a command so that he gives it."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv, to act as another user")
    base = Path(tempfile.mkdtemp(prefix="spork-nobody-"))
    base.chmod(0o755)
    made = Studio(base / "studio")
    made.pipeline("gated", GATED)
    subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", made.root], check=True)
    yield made, ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    made.close()
    shutil.rmtree(base)


@pytest.mark.two_users
@pytest.mark.fault(54)
def test_unreadable(studio: Studio) -> None:
    """A request and an answer that the daemon may not read wait, naming owner and mode; made readable they count."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv, to give root's powers up")
    studio.pipeline("gated", GATED)
    # Root, but without the power to read what is another's.
    studio.start(before=["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"])

    def locked(path: Path, text: str) -> Path:
        beside = studio.root / "beside"
        beside.write_text(text)
        os.chown(beside, NOBODY, NOBODY)
        beside.chmod(0o600)
        return beside.rename(path)

    request = locked(studio.root / "inbox/locked.yaml", "intent: x\nid: locked\npipeline: gated\n...\n")
    studio.submit("open", "gated")
    studio.wait("open", "needs_approval")
    answer = locked(studio.run("open") / "approve.yaml", "by: them\n...\n")
    studio.submit("other", "gated")
    studio.wait("other", "needs_approval")
    assert studio.state("open")["status"] == "needs_approval" and not studio.run("locked").exists()
    answer.chmod(0o644)
    request.chmod(0o644)
    studio.wait("open", "completed")
    studio.wait("locked", "needs_approval")


@pytest.mark.two_users
@pytest.mark.fault(56)
@pytest.mark.parametrize("name", ["runs", "inbox/rejected"])
def test_a_folder_that_may_not_be_written(nobodys: tuple[Studio, list[str]], name: str) -> None:
    """Another's folder: the daemon does not start, and names the path."""
    studio, as_nobody = nobodys
    place = studio.root / name
    os.chown(place, 0, 0)
    place.chmod(0o755)
    process = studio.spawn(before=as_nobody)
    assert process.wait(timeout=60) == 73
    assert f"{place}: not writable for user {NOBODY} (mode 0755)" in studio.log.read_text()
