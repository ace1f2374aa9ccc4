"""What a stage may leave to be published."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from daemon.harvest import RESERVED, Refused, Stopped, harvest, matches
from daemon.stagelog import StageLog


def never() -> bool:
    return False


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_everything_is_listed_by_path_bytes(tmp_path: Path) -> None:
    """Sorted by path bytes, with the kind that the suffix says."""
    put(tmp_path, "b.MP4", "a/z.srt", "a.json", "é.wav", "noext")
    made = harvest(tmp_path, (), never)
    assert [one.path for one in made] == ["a.json", "a/z.srt", "b.MP4", "noext", "é.wav"]
    assert [one.kind for one in made] == ["json", "captions", "video", "file", "audio"]


def test_an_empty_folder_is_nothing(tmp_path: Path) -> None:
    """Folders are not artifacts."""
    (tmp_path / "empty").mkdir()
    assert harvest(tmp_path, (), never) == ()


@pytest.mark.parametrize(
    "name",
    [
        *sorted(RESERVED - {".work"}),
        "approve.yaml", "Approve.YAML", "reject.template.yaml", "resume", "cancel.yaml.txt",
        "x.template.yaml",
        "STATE.json", "decisions/x", ".hidden", "sub/.hidden", ".git/config",
        "a\nb", "a\x1b[31m", "a\u202eb", "a\u200fb", b"\xff.txt".decode(errors="surrogateescape"),
        "n" * 201, "/".join(["d" * 100] * 11),
    ],
)  # fmt: skip
@pytest.mark.fault(48, 49)
def test_names_that_are_not_published(tmp_path: Path, name: str) -> None:
    """Reserved names, decision files, hidden files, control and direction characters, over-long names."""
    os.makedirs(os.path.dirname(tmp_path / name), exist_ok=True)
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(Refused) as caught:
        harvest(tmp_path, (), never)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", ["sub/approve.yaml", "sub/state.json", "disapprove.yaml", "n" * 200, "ü.txt", "a b"]
)
def test_names_that_are(tmp_path: Path, name: str) -> None:
    """The daemon's names are reserved at the top only; spaces and letters of any script are decent."""
    put(tmp_path, name)
    assert [one.path for one in harvest(tmp_path, (), never)] == [name]


@pytest.mark.fault(43, 46)
def test_links_in_folders_are_refused_not_followed(tmp_path: Path) -> None:
    """A folder that is a link never leads out."""
    out = tmp_path / "out"
    put(tmp_path, "elsewhere/secret")
    put(out, "a.txt")
    (out / "folder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="'folder' is a link"):
        harvest(out, (), never)


@pytest.mark.fault(44)
def test_another_files_second_name_is_refused(tmp_path: Path) -> None:
    """What somebody else can still write to, under its other name, is no artifact."""
    out = tmp_path / "out"
    put(tmp_path, "elsewhere")
    put(out, "a.txt")
    os.link(tmp_path / "elsewhere", out / "b.txt")
    with pytest.raises(Refused, match=r"'b\.txt' has 2 hard links"):
        harvest(out, (), never)


def test_files_without_permissions_are_taken(tmp_path: Path) -> None:
    """What a stage left with mode 0 is its own all the same."""
    put(tmp_path, "d/a.txt")
    (tmp_path / "d/a.txt").chmod(0)
    (tmp_path / "d").chmod(0)
    assert [one.path for one in harvest(tmp_path, ("d/*",), never)] == ["d/a.txt"]


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("a.txt", "a.txt", "b/a.txt"),
        ("assets/*", "assets/x.png", "assets/b/x.png"),
        ("assets/", "assets/b/x.png", "asset"),
        ("**/*.png", "x.png", "x.jpg"),
        ("**/*.png", "a/b/x.png", "a/b/x.PNG"),
        ("scene_???.mp4", "scene_001.mp4", "scene_1.mp4"),
    ],
)
def test_patterns(pattern: str, fits: str, does_not: str) -> None:
    """A star stays within one name; two stars and a final slash go deeper."""
    assert matches(fits, pattern)
    assert not matches(does_not, pattern)


def test_declared_outputs_must_be_there_and_not_empty(tmp_path: Path) -> None:
    """Each pattern needs one file that is not empty."""
    put(tmp_path, "a.txt")
    (tmp_path / "e.txt").touch()
    assert len(harvest(tmp_path, ("a.txt", "*.txt"), never)) == 2
    with pytest.raises(Refused, match=r"declared output e\.txt is empty"):
        harvest(tmp_path, ("e.txt",), never)
    with pytest.raises(Refused, match=r"declared output x/\* is missing"):
        harvest(tmp_path, ("x/*",), never)


def test_descriptions_are_read_and_not_published(tmp_path: Path) -> None:
    """`.meta.json` gives kind and meta; what it leaves out comes from the suffix."""
    put(tmp_path, "a.txt", "b.txt")
    said = {"a.txt": {"kind": "script", "meta": {"words": 3}}, "b.txt": {"meta": {"n": [1]}}}
    (tmp_path / ".meta.json").write_text(json.dumps(said))
    made = harvest(tmp_path, (), never)
    assert [(one.path, one.kind, one.meta) for one in made] == [
        ("a.txt", "script", {"words": 3}),
        ("b.txt", "text", {"n": [1]}),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[]", "{", "null", '{"a.txt": 1}', '{"a.txt": {"kind": 1}}', '{"a.txt": {"kind": "k", "more": 1}}',
        '{"a.txt": {"meta": []}}', '{"a.txt": {"kind": ""}}', '{"gone.txt": {}}',
        '{"a.txt": {"meta": {"x": NaN}}}', '{"a.txt": {"meta": {"x": -1e999}}}',
        '{"a.txt": {"meta": {"x": "\\ud800"}}}', "[" * 100_000,
        '{"a.txt": {"meta": {"x": ' + "[" * 40 + "]" * 40 + "}}}",
        '{"a.txt": {"meta": {"x": ' + "9" * 5000 + "}}}", " " * (1 << 20) + "{}",
    ],
)  # fmt: skip
def test_bad_descriptions_are_refused(tmp_path: Path, text: str) -> None:
    """Not the expected object, not JSON, too deep, too large, or of a file that is not there."""
    put(tmp_path, "a.txt")
    (tmp_path / ".meta.json").write_text(text)
    with pytest.raises(Refused, match=r"\.meta\.json"):
        harvest(tmp_path, (), never)


def test_a_description_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Nothing outside is read through it."""
    (tmp_path / ".meta.json").symlink_to("/etc/passwd")
    with pytest.raises(Refused, match="link"):
        harvest(tmp_path, (), never)


def test_every_file_and_folder_is_synced_after_its_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is reported survives a power cut: file before folder, inner folder before outer."""
    put(tmp_path, "a.txt", "d/b.txt")
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    harvest(tmp_path, (), never)
    assert synced == [f"{tmp_path}/a.txt", f"{tmp_path}/d/b.txt", f"{tmp_path}/d", str(tmp_path)]


def test_it_can_be_stopped_in_the_middle(tmp_path: Path) -> None:
    """A sparse giant does not hold up a cancel."""
    with (tmp_path / "giant").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Stopped):
        harvest(tmp_path, (), lambda: True)


@pytest.mark.parametrize("size", [0, 10, 99, 100, 101, 150, 100_000, 300_001])
@pytest.mark.parametrize("piece", [1, 7, 65_536])
def test_log_keeps_both_ends(tmp_path: Path, size: int, piece: int) -> None:
    """Whole where it fits the limit, else its first and last half and the number of bytes between."""
    if size > 1_000 and piece == 1:
        size = 1_001
    data = bytes(i % 251 for i in range(size))
    path = tmp_path / "log"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    log = StageLog(fd, 100)
    read, write = os.pipe()
    os.set_blocking(read, False)
    for start in range(0, size, piece):
        os.write(write, data[start : start + piece])
        while log.take(read):
            pass
    log.close()
    for used in (fd, read, write):
        os.close(used)
    left_out = max(size - 100, 0)
    note = f"\n[... {left_out} bytes left out here ...]\n".encode() if left_out else b""
    assert path.read_bytes() == data[:50] + note + data[50:][-50:]
