"""The nodes of the forgetful file system of ``tests/fuse.py``: as they are, and as a power cut would leave them."""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path

RECORD = struct.Struct("<cQI")
_NOREPLACE = 1


@dataclass
class Node:
    """A file, link or folder: as it is, and as it would be after a power cut."""

    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = field(default_factory=time.time_ns)
    data: bytearray = field(default_factory=bytearray)
    names: dict[bytes, int] = field(default_factory=dict)
    places: set[tuple[int, bytes]] = field(default_factory=set)
    """The folders that it lies in, and its name there; looked up at every answer."""
    safe_data: bytes = b""
    safe_names: dict[bytes, int] = field(default_factory=dict)
    renames: list[tuple[int, bytes, int, bytes, int]] = field(default_factory=list)
    """Of a folder: (from, name, to, name, node) that are not durable yet, in order."""
    ctime: int = field(default_factory=time.time_ns)
    safe_times: tuple[int, int] = (0, 0)


class Errno(Exception):
    """The answer to a request that fails."""


class Tree:
    """The nodes. Number 1 is the root."""

    def __init__(self, log: int | None) -> None:
        self.nodes = {1: Node(stat.S_IFDIR | 0o755)}
        self._log = log
        self._next = 2

    def cut(self) -> None:
        """Go back to what is durable."""
        for node in self.nodes.values():
            node.data, node.names = bytearray(node.safe_data), dict(node.safe_names)
            node.mtime, node.ctime = node.safe_times
            node.renames.clear()
        reached, todo = {1}, [1]
        while todo:
            for child in self.nodes[todo.pop()].names.values():
                if child not in reached:
                    reached.add(child)
                    todo.append(child)
        self.nodes = {number: node for number, node in self.nodes.items() if number in reached}
        for node in self.nodes.values():
            node.places.clear()
        for folder, node in self.nodes.items():
            for name, number in node.names.items():
                self.nodes[number].places.add((folder, name))

    def load(self, inner: str, outer: str) -> None:
        """Put a host's file or folder in, durable, with its modes."""
        parts = [part.encode() for part in inner.strip("/").split("/")]
        folder = 1
        for part in parts[:-1]:
            folder = self.child(folder, part)
        self._load(folder, parts[-1], Path(outer))

    def _load(self, folder: int, name: bytes, outer: Path) -> None:
        status = outer.stat()
        number = self.make(folder, name, status.st_mode, status.st_uid, status.st_gid)
        node = self.nodes[number]
        self.nodes[folder].safe_names[name] = number
        if outer.is_dir():
            for below in outer.iterdir():
                self._load(number, os.fsencode(below.name), below)
        else:
            node.data = bytearray(outer.read_bytes())
            node.safe_data = bytes(node.data)
        node.safe_times = (node.mtime, node.ctime)

    # -- what the kernel asks for

    def child(self, folder: int, name: bytes) -> int:
        number = self.nodes[folder].names.get(name)
        if number is None:
            raise Errno(errno.ENOENT)
        return number

    def make(self, folder: int, name: bytes, mode: int, uid: int, gid: int) -> int:
        parent = self.nodes[folder]
        if name in parent.names:
            raise Errno(errno.EEXIST)
        if parent.mode & stat.S_ISGID:
            gid = parent.gid
            mode |= stat.S_ISGID if stat.S_ISDIR(mode) else 0
        number, self._next = self._next, self._next + 1
        self.nodes[number] = Node(mode, uid, gid)
        self._name(folder, name, number)
        return number

    def link(self, number: int, folder: int, name: bytes) -> None:
        if name in self.nodes[folder].names:
            raise Errno(errno.EEXIST)
        self._name(folder, name, number)

    def unlink(self, folder: int, name: bytes, *, is_folder: bool) -> None:
        number = self.child(folder, name)
        if stat.S_ISDIR(self.nodes[number].mode) != is_folder:
            raise Errno(errno.ENOTDIR if is_folder else errno.EISDIR)
        if self.nodes[number].names:
            raise Errno(errno.ENOTEMPTY)
        self._unname(folder, name)
        self._touch(folder)
        self._touch(number)

    def rename(self, source: tuple[int, bytes], target: tuple[int, bytes], flags: int) -> None:
        number = self.child(*source)
        there = self.nodes[target[0]].names.get(target[1])
        if flags & ~_NOREPLACE:
            raise Errno(errno.EINVAL)
        if there is not None and flags & _NOREPLACE:
            raise Errno(errno.EEXIST)
        if there is not None:
            self.unlink(*target, is_folder=stat.S_ISDIR(self.nodes[number].mode))
        self._unname(*source)
        self._name(*target, number)
        self._touch(source[0])
        step = (*source, *target, number)
        for folder in {source[0], target[0]}:
            self.nodes[folder].renames.append(step)

    def _name(self, folder: int, name: bytes, number: int) -> None:
        self.nodes[folder].names[name] = number
        self.nodes[number].places.add((folder, name))
        self._touch(folder)
        self._touch(number, content=False)

    def _unname(self, folder: int, name: bytes) -> None:
        number = self.nodes[folder].names.pop(name)
        self.nodes[number].places.remove((folder, name))

    def _touch(self, number: int, *, content: bool = True) -> None:
        node = self.nodes[number]
        node.ctime = time.time_ns()
        if content and stat.S_ISDIR(node.mode):
            node.mtime = node.ctime

    def links(self, number: int) -> int:
        node = self.nodes[number]
        return 2 if stat.S_ISDIR(node.mode) else len(node.places)

    def write(self, number: int, offset: int, data: bytes) -> None:
        node = self.nodes[number]
        if self._log is not None:
            os.writev(self._log, [RECORD.pack(b"W", offset, len(data)), data])
        if offset > len(node.data):
            node.data.extend(bytes(offset - len(node.data)))
        node.data[offset : offset + len(data)] = data
        node.mtime = node.ctime = time.time_ns()

    def resize(self, number: int, size: int) -> None:
        node = self.nodes[number]
        del node.data[size:]
        node.data.extend(bytes(size - len(node.data)))
        node.mtime = node.ctime = time.time_ns()

    def sync(self, number: int) -> None:
        node = self.nodes[number]
        if self._log is not None:
            os.write(self._log, RECORD.pack(b"S", 0, 0))
            return
        if stat.S_ISDIR(node.mode):
            for step in list(node.renames):
                self._keep_rename(step)
            node.safe_names = dict(node.names)
            for named in node.names.values():
                self._keep_times(named)
        else:
            node.safe_data = bytes(node.data)
        self._keep_times(number)
        self._keep_way(number)

    def _keep_times(self, number: int) -> None:
        node = self.nodes[number]
        node.safe_times = (node.mtime, node.ctime)

    def _keep_rename(self, step: tuple[int, bytes, int, bytes, int]) -> None:
        source, name, target, new_name, moved = step
        for folder in {source, target}:
            self.nodes[folder].renames.remove(step)
        if self.nodes[source].safe_names.get(name) == moved:
            del self.nodes[source].safe_names[name]
        self.nodes[target].safe_names[new_name] = moved

    def _keep_way(self, number: int) -> None:
        """Make the folders durable that it lies in, up to the root."""
        while number != 1:
            above, name = min(self.nodes[number].places, default=(1, b""))
            if name and stat.S_ISDIR(self.nodes[number].mode):
                for step in [step for step in self.nodes[above].renames if step[4] == number]:
                    self._keep_rename(step)
                self.nodes[above].safe_names[name] = number
            number = above
