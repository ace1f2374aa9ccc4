"""What lies in drop-boxes and is no ordinary file: how it is made, and what the daemon says of it."""

from __future__ import annotations

import json
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from tests.studio import Studio
from tests.support import wait_for

REQUEST = "intent: odd\npipeline: note\n...\n"
SECRET = "intent: secret-4711\npipeline: note\n...\n"
NOBODY = 65534
QUOTING = """\
name: quoting
params: {docs: {type: files, max: 3}}
stages:
  - {name: quote, command: [sh, -euc, 'cat "$SPORK_SOURCES"/* > quoted.txt'], outputs: [quoted.txt]}
"""


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
    texts = []
    for path in [*plain, studio.log]:
        # What was still unpublished when it was listed has another name by now.
        with suppress(FileNotFoundError):
            texts.append(path.read_text(errors="replace"))
    return "".join(texts)


def reason(studio: Studio, name: str) -> str:
    """Why a request was refused."""
    note = studio.root / "inbox/rejected" / f"{name}.error.txt"
    wait_for(note.exists, f"rejected/{note.name}")
    return note.read_text()


def refusals(studio: Studio, kind: str) -> list[str]:
    """The messages of the refusals, as the ledger has them."""
    lines = map(json.loads, (studio.root / "jobs/state.jsonl").read_text().splitlines())
    return [line["message"] for line in lines if line["type"] == kind]
