"""The real command where no daemon runs: finding the workspace, checking, submitting, each refusal's code."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from importlib.metadata import version
from pathlib import Path

import pytest

from daemon.cli import main
from tests.studio import ROOT, Studio
from tests.support import PATIENCE

SOURCES = """\
name: quoting
params: {docs: {type: files, max: 3}}
stages:
  - {name: quote, command: [sh, -euc, 'cat "$SPORK_SOURCES"/* > quoted.txt'], outputs: [quoted.txt]}
"""
NOTE = "intent: a note\npipeline: note\n"


def spork(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "daemon", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def told(done: subprocess.CompletedProcess[str], code: int) -> str:
    """What was said on stderr; the exit code must be this one, and there is no traceback."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_workspace_is_made_and_found_from_below(tmp_path: Path) -> None:
    """init, then any folder inside is enough; without one, the message says what to do."""
    root = tmp_path / "my studio"
    assert "spork init" in told(spork("status", cwd=tmp_path), 2)
    made = spork("init", str(root), cwd=tmp_path)
    assert "conf/operator.yaml" in made.stdout.splitlines(), made.stderr
    assert "No job yet" in spork("status", cwd=root / "conf/pipelines").stdout
    assert "No job yet" in spork("status", cwd=tmp_path, SPORK_WORKSPACE=str(root)).stdout
    assert "No job yet" in spork("status", "--workspace", str(root), cwd=tmp_path).stdout
    assert spork("init", str(root), cwd=tmp_path).stdout == "", "a second init finds nothing missing"


def test_usage_is_code_two(studio: Studio) -> None:
    """Unknown verbs, missing arguments, wrong values."""
    wrong: tuple[list[str], ...] = (
        [],
        ["frobnicate"],
        ["status", "--bogus"],
        ["prune", "--older-than", "soon"],
        ["prune", "--older-than", "99999999999d"],
        ["systemd"],
    )
    for arguments in wrong:
        assert told(studio.spork(*arguments, check=False), 2)
    assert studio.spork("--help").stdout.startswith("usage: spork")
    assert studio.spork("--version").stdout == f"spork {version('probable-spork')}\n"


def test_status_imports_nothing_heavy(studio: Studio) -> None:
    """`spork status` starts without pydantic, YAML, watchdog, rich or filelock, and without what takes Python long."""
    script = (
        "import sys; from daemon.cli import main; code = main(['status']);"
        "heavy = {'pydantic', 'yaml', 'watchdog', 'rich', 'filelock', 'daemon.machine', 'logging'};"
        "heavy |= {'dataclasses', 'inspect', 'shutil'};"
        "print(sorted(heavy & set(sys.modules)), code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=studio.root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_submit_checks_first(studio: Studio) -> None:
    """With one wrong file among them nothing is written, and the problem has its line."""
    right, wrong = studio.root / "right.yaml", studio.root / "wrong.yaml"
    right.write_text(NOTE)
    wrong.write_text("intent: x\npipeline: nto\n")
    said = told(studio.spork("submit", str(right), str(wrong), check=False), 65)
    assert "wrong.yaml:2" in said
    assert "note" in said
    assert [p.name for p in (studio.root / "inbox").iterdir()] == ["rejected"]


def test_submit_tells_of_every_wrong_file(studio: Studio, tmp_path: Path) -> None:
    """Before anything is dropped; who mended the first need not come back for the second."""
    for name, text in (("a.yaml", "intnt: x\n"), ("b.yaml", NOTE), ("c.yaml", "intent: x\npipeline: nope\n")):
        (tmp_path / name).write_text(text)
    said = told(studio.spork("submit", *map(str, sorted(tmp_path.glob("?.yaml"))), check=False), 65)
    assert "a.yaml:1" in said and "c.yaml:2" in said
    assert not list((studio.root / "inbox").glob("*.yaml"))


def test_submit_drops_a_whole_file_for_the_group(studio: Studio) -> None:
    """Mode 0660 whatever the umask; a taken name gets a number; nothing of the making is left."""
    (studio.root / "note.yaml").write_text(NOTE)
    old = os.umask(0o077)
    try:
        names = [studio.spork("submit", str(studio.root / "note.yaml")).stdout.strip() for _ in range(2)]
    finally:
        os.umask(old)
    assert names == ["inbox/note.yaml", "inbox/note-2.yaml"]
    for name in names:
        assert (studio.root / name).stat().st_mode & 0o7777 == 0o660
        assert (studio.root / name).read_text() == NOTE
    lying = sorted(p.name for p in (studio.root / "inbox").iterdir())
    assert lying == ["note-2.yaml", "note.yaml", "rejected"]


def test_submit_brings_the_sources_that_lie_beside(studio: Studio, tmp_path: Path) -> None:
    """Into inbox/STEM/, folders included; a link is refused and nothing is dropped."""
    studio.pipeline("quoting", SOURCES)
    work = tmp_path / "elsewhere"
    (work / "deep").mkdir(parents=True)
    (work / "a.md").write_text("A")
    (work / "deep/b.md").write_text("B")
    (work / "job.yaml").write_text("intent: x\npipeline: quoting\nparams: {docs: [a.md, deep/b.md]}\n")
    assert studio.spork("submit", str(work / "job.yaml")).stdout == "inbox/job.yaml\n"
    brought = studio.root / "inbox/job"
    assert (brought / "a.md").read_text() + (brought / "deep/b.md").read_text() == "AB"
    assert brought.stat().st_mode & 0o7777 == 0o2770
    assert studio.spork("submit", str(work / "job.yaml")).stdout == "inbox/job-2.yaml\n"

    (work / "a.md").unlink()
    (work / "a.md").symlink_to("/etc/hostname")
    assert "link" in told(studio.spork("submit", str(work / "job.yaml"), check=False), 65)
    assert not (studio.root / "inbox/job-3.yaml").exists()
    (work / "a.md").unlink()
    assert "a.md" in told(studio.spork("submit", str(work / "job.yaml"), check=False), 65)


def test_check_says_what_is_wrong_as_json(studio: Studio) -> None:
    """One entry a file, every problem with its place; the policy and pipelines are checked too."""
    (studio.root / "a.yaml").write_text("intnet: x\n")
    files = [str(studio.root / name) for name in ("a.yaml", "conf/operator.yaml", "conf/pipelines/note.yaml")]
    done = studio.spork("check", "--json", *files, check=False)
    assert done.returncode == 65
    first, *others = json.loads(done.stdout)
    assert {p["field"] for p in first["problems"]} >= {"intnet"}
    assert first["problems"][0]["line"] == 1
    assert [o["problems"] for o in others] == [[], []]


def test_a_bad_policy_is_code_78(studio: Studio) -> None:
    """With the line, for every command that needs the policy; status does not."""
    (studio.root / "note.yaml").write_text(NOTE)
    (studio.root / "conf/operator.yaml").write_text("gates:\n  script: {requird: true}\n")
    verbs = (["submit", "note.yaml"], ["run", "note.yaml"], ["daemon"], ["reload"], ["systemd", "--print"])
    for arguments in verbs:
        said = told(spork(*arguments, cwd=studio.root), 78)
        assert "operator.yaml:2" in said
        assert "required" in said
    assert studio.spork("status").returncode == 0


def test_there_is_no_such_job(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    """65 and a hint, from every verb that names one; nothing is written."""
    for verb in ("status", "review", "approve", "reject", "resume", "cancel", "events", "logs"):
        assert main(["--workspace", str(studio.root), verb, "nope"]) == 65
        assert "no job" in capsys.readouterr().err
    assert not (studio.root / "runs/nope").exists()


def test_what_waits_in_the_inbox_is_named(studio: Studio) -> None:
    """Look-alikes with what was meant, escapes shown and not acted on, and that no daemon runs."""
    inbox = studio.root / "inbox"
    for name in ("plan.yaml.txt", "\x1b[2Jevil.yaml", "ok.yaml", "picture.png", "notes"):
        (inbox / name).write_text(NOTE)
    said = studio.spork("status").stdout
    assert "1 file whose name is no request's" in said
    assert "notes: not read, does not end in .yaml or .yml; did you mean notes.yaml?" in said
    assert "plan.yaml.txt" in said
    assert "did you mean plan.yaml" in said
    assert "\x1b" not in said
    assert "\\x1b[2Jevil.yaml" in said
    assert "No daemon runs here" in said
    assert any("ok.yaml" in note for note in json.loads(studio.spork("status", "--json").stdout)["inbox"])


@pytest.mark.parametrize("name", ["plan.yaml.txt", "plan.json", "plan.YAML", "plan.yml.TXT"])
def test_status_names_what_looks_like_a_request(
    studio: Studio, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for each, with the name that would be read."""
    (studio.root / "inbox" / name).write_text(NOTE)
    assert main(["--workspace", str(studio.root), "status"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if name in line]
    assert "did you mean plan.yaml?" in line


def test_a_text_that_holds_a_request_is_named(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    """By what it begins with: sources that lie there in passing are only counted, and one is named."""
    for name, text in (("job.txt", f"# mine\n{NOTE}"), ("notes.txt", "what the intent: of it is\n")):
        (studio.root / "inbox" / name).write_text(text)
    assert main(["--workspace", str(studio.root), "status"]) == 0
    said = capsys.readouterr().out
    assert "job.txt: not read, does not end in .yaml or .yml; did you mean job.yaml?" in said
    assert "1 file whose name is no request's, as sources' are; why: spork explain inbox/notes.txt" in said
    assert main(["--workspace", str(studio.root), "explain", "inbox/job.txt"]) == 0
    assert "did you mean job.yaml?" in capsys.readouterr().out


def watched(studio: Studio, until: bytes) -> list[str]:
    """What `status --watch` draws on a terminal of 80 by 24, as soon as that is among it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    watching = subprocess.Popen(
        studio.command("status", "--watch"), env={**env, "TERM": "xterm"}, stdout=theirs, stderr=theirs
    )
    seen = b""
    try:
        while until not in seen and select.select([ours], [], [], PATIENCE)[0]:
            seen += os.read(ours, 4096)
    finally:
        watching.kill()
        watching.wait()
        os.close(ours)
        os.close(theirs)
    return seen.decode(errors="replace").splitlines()


def test_watching_tells_that_a_line_is_cut(studio: Studio) -> None:
    """On a terminal of 80 columns a longer line ends with an ellipsis, never in the middle of a word unsaid."""
    (studio.root / "inbox" / f"{'long-' * 12}name.yaml").write_text("")
    (line,) = [line for line in watched(studio, b"No daemon runs") if "long-name.yaml" in line]
    assert line.endswith("…")


def test_watching_tells_that_lines_are_left_out(studio: Studio) -> None:
    """With more than 24 lines to show, how many are missing is said, and whether a daemon runs still stands there."""
    for number in range(30):
        (studio.root / f"inbox/r-{number}.yaml").touch()
    lines = watched(studio, b"No daemon runs")
    assert len(lines) <= 24
    assert any(line.startswith("... ") and line.endswith(" more") for line in lines)


@pytest.mark.parametrize("name", ["my job.yml", "it's.yaml", "$(id).yaml", "a\u00a0'b\\.yaml"])
def test_a_hint_can_be_copied_into_a_shell(studio: Studio, name: str) -> None:
    """What status proposes for a file with an odd name asks about that very file."""
    (studio.root / "inbox" / name).write_text("")
    (note,) = json.loads(studio.spork("status", "--json").stdout)["inbox"]
    words = note.partition("why: spork explain ")[2]
    done = subprocess.run(
        ["bash", "-c", f"printf %s {words}"], cwd=studio.root, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"inbox/{name}"


def test_check_names_what_the_inbox_would_not_take(studio: Studio) -> None:
    """A request that is right in all but its name; one that was set aside is looked at for what it says."""
    near, aside = (studio.root / "inbox" / name for name in ("Big.YAML", "_later.yaml"))
    for path in (near, aside):
        path.write_text(NOTE)
    done = studio.spork("check", str(near), check=False)
    assert (done.returncode, "rename it to Big.yaml" in done.stdout) == (65, True)
    assert studio.spork("check", str(aside)).stdout.endswith("_later.yaml: right\n")


def test_check_tells_of_an_empty_request(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    """What the inbox would do, and nothing about a policy, which has advice of its own."""
    for name in ("inbox/a.yaml", "conf/operator.yaml"):
        (studio.root / name).write_text("")
    root = ["--workspace", str(studio.root)]
    assert main([*root, "check", str(studio.root / "inbox/a.yaml")]) == 65
    assert "waits for its content" in capsys.readouterr().out
    assert main([*root, "check", str(studio.root / "conf/operator.yaml")]) == 65
    assert "a policy of nothing but defaults is {}" in capsys.readouterr().out


def test_status_counts_what_was_refused_lately(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the last 24 hours, by the reasons that lie in inbox/rejected; older ones are not told again."""
    status = ["--workspace", str(studio.root), "status"]
    rejected = studio.root / "inbox/rejected"
    for name in ("old.yaml", "a.yaml", "b.yaml"):
        (rejected / name).write_text("intnet: x\n")
        (rejected / f"{name}.error.txt").write_text("unknown key\n")
    os.utime(rejected / "old.yaml.error.txt", (0, 0))
    assert main(status) == 0
    assert "2 requests were refused in the last 24 hours, see inbox/rejected/" in capsys.readouterr().out
    for path in rejected.iterdir():
        path.unlink()
    assert main(status) == 0
    assert "refused" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "verdict", "says"),
    [
        ("a.yaml", NOTE + "...\n", "waiting", "complete"),
        ("a.yaml", NOTE, "waiting", "unchanged"),
        ("a.yaml", "", "waiting", "empty"),
        ("a.yaml", "intnet: x\n", "waiting", "would be refused"),
        ("a.yaml", "# spork decision template\nintent: x\n", "waiting", "last line"),
        ("#a.yaml#", NOTE, "ignored", "editor"),
        ("a.yaml~", NOTE, "ignored", "backup"),
        ("_a.yaml", NOTE, "ignored", "_"),
        ("gone.yaml", None, "gone", "ever taken"),
    ],
)
def test_explain_a_request(
    studio: Studio, name: str, text: str | None, verdict: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it is by name, and what it waits for."""
    if text is not None:
        (studio.root / "inbox" / name).write_text(text)
    assert main(["--workspace", str(studio.root), "explain", "--json", f"inbox/{name}"]) == 0
    (story,) = json.loads(capsys.readouterr().out)
    assert story["verdict"] == verdict
    assert any(says in line for line in story["why"]), story


def test_explain_everything_in_the_inbox(studio: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    """Folders have a line of their own; what cannot be explained stops nothing and is 65 only if it is all."""
    (studio.root / "inbox/plan").mkdir()
    (studio.root / "inbox/plan.yaml").write_text(NOTE)
    paths = [f"inbox/{name}" for name in ("plan", "plan.yaml", "rejected")]
    explain = ["--workspace", str(studio.root), "explain"]
    assert main([*explain, *paths, "runs", "/etc/hostname"]) == 0
    said = capsys.readouterr()
    for line in ("inbox/plan: folder", "inbox/plan.yaml: waiting", "inbox/rejected: folder", "runs: folder"):
        assert line in said.out.splitlines()
    assert "/etc/hostname: only files in" in said.err
    assert main([*explain, "/etc/hostname", "/etc/passwd"]) == 65
    said = capsys.readouterr()
    assert said.out == ""
    assert "/etc/passwd" in said.err


def test_explain_who_writes(studio: Studio) -> None:
    """A file that is open for writing is named with the process that has it."""
    with (studio.root / "inbox/a.yaml").open("w") as file:
        file.write(NOTE)
        file.flush()
        said = studio.spork("explain", str(studio.root / "inbox/a.yaml")).stdout
    assert f"open for writing by pid {os.getpid()}" in said
    assert "explained" in told(studio.spork("explain", "/etc/passwd", check=False), 65)


def test_schemas_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind, as JSON."""
    for kind in ("job", "decision", "operator", "pipeline"):
        assert main(["schema", kind]) == 0
        assert json.loads(capsys.readouterr().out)["$schema"].startswith("https://json-schema.org")


def test_a_reader_that_has_seen_enough(studio: Studio) -> None:
    """`spork schema operator | head -1` ends quietly."""
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | head -1', "-", *studio.command("schema", "operator")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_unit_is_not_made_for_nobody(studio: Studio) -> None:
    """systemd would say so only when the service is started, and as a number."""
    said = told(studio.spork("systemd", "--print", "--as", "no-such-user", check=False), 65)
    assert "no user no-such-user" in said and "useradd" in said


def test_the_unit_is_filled_in(studio: Studio) -> None:
    """The user unit names this workspace, and can be installed where systemd looks for it."""
    unit = studio.spork("systemd", "--print", "--user", check=False)
    if "not installed" in unit.stderr:
        pytest.skip("the spork command is not installed")
    assert str(studio.root) in unit.stdout
    assert "@" not in "".join(line for line in unit.stdout.splitlines() if not line.startswith("#"))
