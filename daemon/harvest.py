"""What a stage left in its folder, checked, hashed and synced. Lean: keepers hold it warm."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from daemon.beneath import has, opened_beneath
from daemon.orders import Made, Terms
from stages.contract import META_NAME

RESERVED = frozenset(
    "state.json events.jsonl pipeline.yaml review.md gate.json decisions logs history sources .work".split()
)
"""Names in a run directory that belong to the daemon (contract, section 4), in lower case."""
_DECISIONS = ("approve", "reject", "cancel", "resume")
_KINDS = {
    "text": ".txt .md .rst .csv .log .html .yaml .yml",
    "json": ".json .jsonl",
    "image": ".png .jpg .jpeg .gif .svg .webp",
    "video": ".mp4 .mkv .webm .mov",
    "audio": ".mp3 .wav .m4a .ogg .opus .flac .aac",
    "captions": ".srt .vtt .ass",
}
_KIND_OF = {suffix: kind for kind, suffixes in _KINDS.items() for suffix in suffixes.split()}
_NAME_BYTES, _PATH_BYTES, _META_BYTES, _META_DEPTH = 200, 1_000, 1 << 20, 32
_CHUNK = 1 << 20
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Refused(Exception):
    """What a stage left cannot be published; the message says what and why, for its author."""


class Stopped(Exception):
    """The harvest was told to stop."""


def harvest(
    out_dir: Path | str, outputs: Sequence[str], stopped: Callable[[], bool], below: str = "."
) -> tuple[Made, ...]:
    """The files in the folder ``below`` of ``out_dir``, sorted by path bytes, durable and with modes 0660 and 2770.

    Every process that could write there must be gone. ``stopped`` is asked between megabytes. Raises
    Refused, Stopped, or OSError where the disk fails.
    """
    with opened_beneath(out_dir, below) as root:
        described: dict[str, Any] = {}
        # Not by a listing: there are file systems that give one only once for each opening.
        if has(root, META_NAME):
            described = _described(root)
        made = sorted(_walk(root, "", described, stopped), key=lambda one: one.path.encode())
    _check_outputs(outputs, made)
    paths = {one.path for one in made}
    for path in described:
        if path not in paths:
            raise Refused(f"{META_NAME} describes {path!r}, which was not made")
    return tuple(made)


def anchor(order: Terms) -> None:
    """Make the names durable by which the files are found after a power cut: of the attempt's folder, and of
    the run itself while nothing that was published stands for it. Raises OSError.
    """
    work, run = os.path.dirname(order.out_dir), order.run_dir
    for path in (work, run, os.path.dirname(run)) if order.first else (work,):
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _walk(
    folder: int, prefix: str, described: Mapping[str, Any], stopped: Callable[[], bool]
) -> Iterator[Made]:
    """Every file below an open folder, each folder synced after what is in it."""
    for name in sorted(os.listdir(folder)):
        if not prefix and name == META_NAME:
            continue
        path = prefix + name
        _check_name(path, name, top=not prefix)
        looked = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISDIR(looked.st_mode):
            _own(folder, name, path, looked, 0o700)
            below = os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=folder)
            try:
                yield from _walk(below, f"{path}/", described, stopped)
                os.fchmod(below, 0o2770)
            finally:
                os.close(below)
            continue
        _check_file(path, looked)
        _own(folder, name, path, looked, 0o600)
        yield _take(folder, name, path, described.get(path, {}), stopped)
    os.fsync(folder)


def _own(folder: int, name: str, path: str, looked: os.stat_result, needed: int) -> None:
    """Make what a stage has left without permissions readable to us."""
    if os.geteuid() not in (0, looked.st_uid):
        raise Refused(f"{path!r} belongs to another user (uid {looked.st_uid})")
    if looked.st_mode & needed != needed:
        handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            # By the descriptor of what was looked at: chmod by name would follow a link that was put there since.
            if os.path.samestat(os.fstat(handle), looked):
                os.chmod(f"/proc/self/fd/{handle}", needed)
        finally:
            os.close(handle)


def _check_name(path: str, name: str, *, top: bool) -> None:
    if not name.isprintable() or not path.isprintable():
        raise Refused(f"{path!r}: names must be printable UTF-8, without control or direction characters")
    if len(name.encode()) > _NAME_BYTES or len(path.encode()) > _PATH_BYTES:
        raise Refused(f"{path[:80]!r}...: longer than {_NAME_BYTES} bytes a name or {_PATH_BYTES} a path")
    small = name.casefold()
    if top and (small in RESERVED or small.startswith(_DECISIONS) or small.endswith(".template.yaml")):
        raise Refused(f"{name!r} is a name of the daemon's own; let the stage choose another")
    if name.startswith("."):
        raise Refused(f"{path!r} is hidden; remove it at the stage's end or name it without a dot")


def _check_file(path: str, looked: os.stat_result) -> None:
    if stat.S_ISLNK(looked.st_mode):
        raise Refused(f"{path!r} is a link; leave the file itself")
    if not stat.S_ISREG(looked.st_mode):
        raise Refused(f"{path!r} is not a regular file")
    if looked.st_nlink != 1:
        raise Refused(f"{path!r} has {looked.st_nlink} hard links; leave a copy of its own")


def _take(folder: int, name: str, path: str, said: Mapping[str, Any], stopped: Callable[[], bool]) -> Made:
    fd = os.open(name, _OPEN, dir_fd=folder)
    try:
        _check_file(path, os.fstat(fd))
        os.fchmod(fd, 0o660)
        digest, size = hashlib.sha256(), 0
        while chunk := os.read(fd, _CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if stopped():
                raise Stopped
        os.fsync(fd)
    finally:
        os.close(fd)
    kind = said.get("kind") or _KIND_OF.get(os.path.splitext(name)[1].lower(), "file")
    return Made(path, kind, size, digest.hexdigest(), said.get("meta", {}))


def _check_outputs(outputs: Sequence[str], made: Sequence[Made]) -> None:
    for pattern in outputs:
        matching = [one for one in made if matches(one.path, pattern)]
        if not matching:
            raise Refused(f"declared output {pattern} is missing")
        if not any(one.bytes for one in matching):
            raise Refused(f"declared output {pattern} is empty")


def matches(path: str, pattern: str) -> bool:
    """Whether a path fits a pattern: ``*`` within one name, ``**`` over folders, ``x/`` all below x."""
    return _fits(path.split("/"), (pattern + "**" if pattern.endswith("/") else pattern).split("/"))


def _fits(names: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns or not names:
        return not names and all(pattern == "**" for pattern in patterns)
    if patterns[0] == "**":
        return _fits(names, patterns[1:]) or _fits(names[1:], patterns)
    return fnmatchcase(names[0], patterns[0]) and _fits(names[1:], patterns[1:])


def _described(root: int) -> dict[str, Any]:
    """``.meta.json``, checked: ``{path: {kind, meta}}``."""
    _check_file(META_NAME, os.stat(META_NAME, dir_fd=root, follow_symlinks=False))
    with open(os.open(META_NAME, _OPEN, dir_fd=root), "rb") as file:
        text = file.read(_META_BYTES + 1)
    if len(text) > _META_BYTES:
        raise Refused(f"{META_NAME} is larger than 1 MiB")
    try:
        said = json.loads(text.decode(), parse_constant=_no_constant, parse_float=_finite)
        json.dumps(said, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refused(f"{META_NAME} is not JSON in UTF-8: {error}") from None
    if not isinstance(said, dict):
        raise Refused(f"{META_NAME} must be an object {{path: {{kind, meta}}}}")
    for path, one in said.items():
        _check_description(path, one)
    return said


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not a JSON number")


def _finite(word: str) -> float:
    # As infinity it would be recorded by a word that SQLite does not take for JSON.
    number = float(word)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {word[:40]} is too large")
    return number


def _check_description(path: str, one: Any) -> None:
    where = f"{META_NAME}, {path!r}"
    if not isinstance(one, dict) or not one.keys() <= {"kind", "meta"}:
        raise Refused(f"{where}: expected {{kind, meta}} and nothing else")
    kind = one.get("kind", "file")
    if not isinstance(kind, str) or not 0 < len(kind) <= 40 or not kind.isprintable():
        raise Refused(f"{where}: kind must be a short word")
    if not isinstance(one.get("meta", {}), dict):
        raise Refused(f"{where}: meta must be an object")
    if _depth(one) > _META_DEPTH:
        raise Refused(f"{where}: deeper than {_META_DEPTH} levels")


def _depth(value: Any) -> int:
    deep = 0
    level = [value]
    while level:
        deep += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return deep
