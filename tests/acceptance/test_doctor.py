"""spork doctor: each finding is seen when its fault is made, and is gone once its mend was followed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fusemount import needs_sshfs, sshfs
from tests.studio import QUICK, ROOT, Studio
from tests.worked import copy_of

Fault = Callable[[Studio], object]


def findings(
    studio: Studio, *arguments: str, env: dict[str, str] | None = None, within: str = ""
) -> dict[str, str]:
    """What wants mending, with its mend; ``within``: a shell line in a mount namespace of its own, before doctor."""
    if env or within:
        command = studio.command("doctor", "--json", *arguments)
        if within:
            command = ["unshare", "--mount", "sh", "-euc", f'{within}; exec "$@"', "sh", *command]
        own = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=60, check=False)
    else:
        done = studio.spork("doctor", "--json", *arguments, check=False)
    assert done.stdout, done.stderr
    found = [f for f in json.loads(done.stdout) if not f["right"]]
    assert done.returncode == (1 if found else 0), done.stderr
    # A test machine may be run as root, and have small limits.
    return {f["said"]: f["mend"] for f in found if f["about"] not in ("user", "inotify", "video")}


def only(found: dict[str, str], said: str) -> str:
    """The mend of the one finding, which says this."""
    ((text, mend),) = found.items()
    assert said in text, found
    return mend


def shell(studio: Studio, mend: str) -> None:
    """Do what the mend says, as it stands there."""
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(["sh", "-euc", mend.partition(" (")[0]], cwd=studio.root, env=env, check=False)
    assert done.returncode in (0, 1), mend


def rebuild(studio: Studio, mend: str) -> None:
    assert mend.startswith("stop the daemon, then: spork rebuild")
    studio.spork("rebuild")


def spoil(name: str, change: Callable[[bytes], bytes]) -> Fault:
    """Change a file of the workspace."""

    def do(studio: Studio) -> None:
        path = studio.root / name
        path.write_bytes(change(path.read_bytes()))

    return do


def link_lock(studio: Studio) -> None:
    (studio.root / "jobs/daemon.lock").unlink()
    (studio.root / "jobs/daemon.lock").symlink_to("/dev/null")


def lose_database(studio: Studio) -> None:
    for path in (studio.root / "jobs").glob("spork.db*"):
        path.unlink()


def older_database(studio: Studio) -> None:
    """As out of an old backup: the newest event is not in it."""
    db = sqlite3.connect(studio.root / "jobs/spork.db")
    db.execute("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)")
    db.commit()
    db.close()


FAULTS: list[tuple[str, Fault, str, Callable[[Studio, str], object]]] = [
    (
        "folder missing",
        lambda s: shutil.rmtree(s.root / "inbox/rejected"),
        "inbox/rejected: No such file",
        lambda s, _: s.spork("init", str(s.root)),
    ),
    ("open to all", lambda s: (s.root / "inbox").chmod(0o2777), "writable for everybody (2777)", shell),
    ("wrong mode", lambda s: (s.root / "runs").chmod(0o750), "mode 0750, not 2770", shell),
    ("lock is a link", link_lock, "daemon.lock is a link", shell),
    ("database gone", lose_database, "jobs/spork.db is missing", rebuild),
    (
        "database damaged",
        spoil("jobs/spork.db", lambda d: d[:5000] + b"x" * 9000 + d[14_000:]),
        "damaged",
        rebuild,
    ),
    ("database older", older_database, "does not know event", rebuild),
    (
        "state.json",
        spoil("runs/wait-1/state.json", lambda d: d.replace(b"draft", b"polish")),
        "wait-1",
        rebuild,
    ),
    ("state.json of a job that is over", spoil("runs/done-1/state.json", lambda _: b"{}"), "done-1", rebuild),
    (
        "events.jsonl",
        spoil("runs/back-1/events.jsonl", lambda d: d.replace(b"again", b"never")),
        "back-1",
        rebuild,
    ),
    ("ledger", spoil("jobs/state.jsonl", lambda d: d.replace(b"again", b"never")), "the ledger", rebuild),
    (
        "a line of the ledger gone",
        spoil("jobs/state.jsonl", lambda d: d.partition(b"\n")[2]),
        "event 1 ",
        rebuild,
    ),
]


@pytest.mark.parametrize(("fault", "said", "mend"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_fault_is_found_and_its_mend_mends_it(
    worked: Studio, fault: Fault, said: str, mend: Callable[[Studio, str], object]
) -> None:
    """A sound workspace has no finding; the fault is the only one; after the mend there is none."""
    fault(worked)
    mend(worked, only(findings(worked), said))
    assert findings(worked, "--full") == {}


def test_what_only_a_full_look_finds(worked: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs over long ago, and the ledger's middle, are compared with --full."""
    code = "import sys, daemon.cli.doctor.copies as c; c.RECENT = 1; c.LEDGER_EVENTS = 5; from daemon.cli import main"
    (worked.run("done-1") / "events.jsonl").write_bytes(b"")
    for full, expected in (([], set()), (["--full"], {"done-1"})):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                f"{code}; sys.exit(main(sys.argv[1:]))",
                *worked.command("doctor", *full)[3:],
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        told = [line for line in done.stdout.splitlines() if "not what the database says" in line]
        assert {name for line in told for name in ("done-1",) if name in line} == expected, done.stdout
    rebuild(worked, only(findings(worked, "--full"), "done-1"))
    assert findings(worked, "--full") == {}


def test_copies_are_compared_while_the_daemon_works(worked: Studio) -> None:
    """What is a moment behind is no finding."""
    worked.start()
    for number in range(6):
        worked.submit(f"more-{number}", "gated")
    for _ in range(2):
        assert findings(worked, "--full") == {}


@pytest.mark.parametrize(
    ("policy", "said", "mended"),
    [
        ("gates: {draft: {requird: true}}\n", "did you mean 'required'", QUICK),
        (QUICK + "lane: {path: shared/lane.lock}\n", "shared is missing", None),
    ],
)
def test_the_policy(worked: Studio, policy: str, said: str, mended: str | None) -> None:
    """With its line; a lane in a folder that there is not is made by the command that is named."""
    file = worked.root / "conf/operator.yaml"
    file.write_text(policy)
    mend = only(findings(worked), said)
    if mended is None:
        shell(worked, mend)
    else:
        file.write_text(mended)
    assert findings(worked) == {}


def test_a_pipeline(worked: Studio) -> None:
    """One that cannot be used is named; requests that want it would be refused."""
    odd = worked.root / "conf/pipelines/odd.yaml"
    odd.write_text("name: even\nstages: []\n")
    assert "refused" in only(findings(worked), "odd.yaml")
    odd.write_text('name: odd\nstages: [{name: a, run: "./nofile.py:run"}]\n')
    assert "fail at that stage" in only(findings(worked), "./nofile.py")
    odd.unlink()
    assert findings(worked) == {}


needs_mounts = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount in a namespace of its own")


@needs_mounts
def test_the_disk(worked: Studio) -> None:
    """Too little room or too few inodes in runs/: spork prune, as it stands there, gets them back."""
    tmp = f'mount -t tmpfs -o size=16m,nr_inodes=10150,mode=2770 tmpfs "{worked.root}/runs"'
    full = (
        f"cp -a {worked.root}/runs {worked.root}/kept; {tmp}; cp -a {worked.root}/kept/. {worked.root}/runs"
    )
    fill = (
        f"mkdir {worked.root}/runs/done-1/many; seq 1 200 | (cd {worked.root}/runs/done-1/many; xargs touch)"
    )
    fill += f"; head -c 8m /dev/zero > {worked.root}/runs/done-1/big"
    (worked.root / "conf/operator.yaml").write_text(QUICK.replace("min_free_mib: 1", "min_free_mib: 12"))
    found = findings(worked, within=f"{full}; {fill}")
    assert any("MiB free" in said and "spork prune" in mend for said, mend in found.items()), found
    assert any("inodes free" in said and "spork prune" in mend for said, mend in found.items()), found
    shutil.rmtree(worked.root / "kept")
    prune = " ".join(worked.command("prune", "--older-than", "0d"))
    found = findings(worked, within=f"{full}; {fill}; {prune} >&2")
    assert found == {}


@needs_mounts
def test_inotify_limits(worked: Studio, tmp_path: Path) -> None:
    """A small limit is told with the sysctl that raises it."""
    limit = tmp_path / "limit"

    def wrong() -> list[dict[str, str]]:
        bound = f'mount --bind {limit} /proc/sys/fs/inotify/max_user_instances; exec "$@"'
        command = ["unshare", "--mount", "sh", "-euc", bound, "sh", *worked.command("doctor", "--json")]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        return [f for f in json.loads(done.stdout) if not f["right"] and "max_user_instances" in f["said"]]

    limit.write_text("8\n")
    (found,) = wrong()
    assert found["said"] == "max_user_instances 8"
    name, _, value = found["mend"].partition(";")[0].removeprefix("sysctl ").partition("=")
    assert name == "fs.inotify.max_user_instances"
    limit.write_text(f"{value}\n")
    assert wrong() == []


@needs_sshfs
def test_network_folders(worked: Studio, tmp_path: Path) -> None:
    """jobs/ there is a finding; inbox/ there is one only where the policy insists on inotify."""
    policy = worked.root / "conf/operator.yaml"
    (tmp_path / "far").mkdir()
    with sshfs(tmp_path / "far", worked.root / "inbox"):
        assert {said for said in findings(worked) if "FUSE" in said} == set()
        policy.write_text(QUICK + "watch: {mode: inotify}\n")
        mends = [mend for said, mend in findings(worked).items() if "inbox/ lies on FUSE" in said]
        assert ["auto" in mend for mend in mends] == [True]
        policy.write_text(QUICK)
    shutil.copytree(worked.root / "jobs", tmp_path / "far/jobs")
    with sshfs(tmp_path / "far/jobs", worked.root / "jobs"):
        found = findings(worked)
        assert any("jobs/ lies on FUSE" in said for said in found)
        assert any("lane lies on FUSE" in said for said in found)
    assert findings(worked) == {}


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder first on Python's path."""
    folder = tmp_path / "odd"
    folder.mkdir()
    return folder


def packages_wrong(studio: Studio, odd: Path) -> dict[str, str]:
    env = {**os.environ, "PYTHONPATH": f"{odd}:{ROOT}"}
    done = subprocess.run(
        studio.command("doctor", "--json"), env=env, capture_output=True, text=True, timeout=60, check=False
    )
    found = json.loads(done.stdout)
    return {f["said"]: f["mend"] for f in found if f["about"] in ("packages", "video") and not f["right"]}


def test_python_daemon_is_in_the_way(worked: Studio, odd: Path) -> None:
    """PyPI's python-daemon installs a package of our name."""
    before = packages_wrong(worked, odd)
    clash = odd / "python_daemon-3.1.2.dist-info"
    clash.mkdir()
    (clash / "METADATA").write_text("Metadata-Version: 2.1\nName: python-daemon\nVersion: 3.1.2\n")
    new = {said: mend for said, mend in packages_wrong(worked, odd).items() if said not in before}
    assert only(new, "python-daemon 3.1.2 is installed").startswith("pip uninstall python-daemon")
    shutil.rmtree(clash)
    assert packages_wrong(worked, odd) == before


@pytest.mark.parametrize(
    ("hidden", "about"), [("rich", "missing: rich"), ("lucide", "lucide not installed"), ("skia", "skia")]
)
def test_packages_that_are_missing_or_cannot_be_loaded(
    worked: Studio, odd: Path, hidden: str, about: str
) -> None:
    """What the daemon imports, what videos need, and what skia needs of the system."""
    (worked.root / "conf/operator.yaml").write_text(QUICK.replace("default: note", "default: video"))
    before = packages_wrong(worked, odd)
    if hidden != "skia":
        (odd / "sitecustomize.py").write_text(f"import sys\nsys.modules[{hidden!r}] = None\n")
    elif before:
        pytest.skip("the libraries for videos are not installed")
    else:
        (odd / "skia.py").write_text("raise ImportError('libEGL.so.1: cannot open shared object file')\n")
    new = {said: mend for said, mend in packages_wrong(worked, odd).items() if said not in before}
    assert about in " ".join(new), new
    assert any(word in " ".join(new.values()) for word in ("make install", "[video]", "apt install libegl1"))
    for path in odd.glob("*.py"):
        path.unlink()
    assert packages_wrong(worked, odd) == before


@pytest.fixture
def open_to_all(history: Path) -> Iterator[Path]:
    """A copy of the workspace where another user can go; pytest's own folders are closed."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy_of(history, Path(folder) / "studio")
        os.chmod(Path(folder) / "studio", 0o755)
        yield Path(folder) / "studio"


@pytest.mark.two_users
@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")
def test_who_asks(open_to_all: Path) -> None:
    """Being root is a finding; a user who cannot write a folder is told to join its group."""
    root = open_to_all
    nobody = ["setpriv", "--reuid=61001", "--regid=61002", "--clear-groups", "--inh-caps=+dac_read_search"]
    nobody += ["--ambient-caps=+dac_read_search"]

    def as_user(*become: str) -> list[dict[str, str]]:
        command = [*become, sys.executable, "-m", "daemon", "--workspace", str(root), "doctor", "--json"]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
        return [f for f in json.loads(done.stdout) if not f["right"]]

    assert [f["mend"] for f in as_user() if f["about"] == "user"] == [
        "run daemon and commands as a user of their own"
    ]
    found = as_user(*nobody)
    assert not [f for f in found if f["about"] == "user"]
    assert any("inbox is not writable for you" in f["said"] and "join its group" in f["mend"] for f in found)
    for path in root.rglob("*"):
        os.chown(path, -1, 61002, follow_symlinks=False)
    for name, mode in (("inbox", 0o2770), ("inbox/rejected", 0o2770), ("runs", 0o2770), ("jobs", 0o2750)):
        (root / name).chmod(mode)
    assert [f["said"] for f in as_user(*nobody) if "not writable" in f["said"]] == []
