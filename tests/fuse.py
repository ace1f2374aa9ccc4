"""A file system that forgets at a power cut what was not synced, and can log every write of one file.

``python -m tests.fuse MOUNT [LOG]`` serves it (root; nothing but /dev/fuse is needed) and obeys lines on stdin:
``cut`` goes back to what is durable, ``load INNER OUTER`` puts a durable file in. Stricter than any real file
system: the bytes of a file live on only after fsync of that file, a name only after fsync of its folder. What
journals do is kept: a rename is one step, and is durable with either of its folders; and who syncs something makes
the folders durable that it lies in.

With LOG, each write (``W``, offset, length, bytes) and sync (``S``, 0, 0) of a file of the top folder is appended
there before it is answered: a loop device on that file makes it the log of a disk with its cache flushes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import stat
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.fusetree import Errno, Tree

_IN, _OUT, _ATTR = struct.Struct("<IIQQIIII"), struct.Struct("<IiQ"), struct.Struct("<6Q10I")
_FORGET, _BATCH_FORGET = 2, 42
_MAX_WRITE = 1 << 20
_MOUNT_FLAGS = 0x2 | 0x4  # nosuid, nodev
_BIG_WRITES, _MAX_PAGES = 1 << 5, 1 << 22
_FULL = 0o170000


class Server:
    """Answers the kernel. One request at a time, which orders everything."""

    def __init__(self, mount: Path, log: Path | None) -> None:
        self._fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        opened = None if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.tree = Tree(opened)
        options = f"fd={self._fd},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"spork-test", os.fsencode(mount), b"fuse", _MOUNT_FLAGS, options.encode()) != 0:
            raise OSError(ctypes.get_errno(), "cannot mount", str(mount))
        self._calls: dict[int, Callable[[int, bytes, tuple[int, int]], bytes]] = {
            1: lambda at, body, _: self._entry(self.tree.child(at, body[:-1])),
            3: lambda at, _, __: self._attr_out(at),
            4: self._set,
            5: lambda at, _, __: bytes(self.tree.nodes[at].data),
            6: self._symlink,
            8: lambda at, body, who: self._made(at, body[16:-1], struct.unpack_from("<I", body)[0], who),
            9: lambda at, body, who: self._made(
                at, body[8:-1], stat.S_IFDIR | struct.unpack_from("<I", body)[0], who
            ),
            10: lambda at, body, _: self._gone(at, body, is_folder=False),
            11: lambda at, body, _: self._gone(at, body, is_folder=True),
            12: lambda at, body, _: self._rename(at, body, 8, 0),
            13: self._link,
            14: lambda _, __, ___: struct.pack("<QII", 0, 0, 0),
            15: self._read,
            16: self._write,
            17: lambda _, __, ___: struct.pack(
                "<5Q10I", *(1 << n for n in (20, 19, 19, 20, 19)), 4096, 255, 4096, *[0] * 7
            ),
            18: _nothing,
            20: self._sync,
            25: _nothing,
            26: self._init,
            27: lambda _, __, ___: struct.pack("<QII", 0, 0, 0),
            28: self._list,
            29: _nothing,
            30: self._sync,
            35: self._create,
            38: _nothing,
            45: lambda at, body, _: self._rename(at, body, 16, struct.unpack_from("<QI", body)[1]),
        }  # fmt: skip

    def serve(self) -> None:
        """Until the file system is unmounted or stdin ends."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(0, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll()]
            if self._fd in ready and not self._answer():
                return
            if 0 in ready and not self._obey():
                return

    def _obey(self) -> bool:
        line = sys.stdin.readline().split()
        if not line:
            return False
        if line[0] == "cut":
            self.tree.cut()
        else:
            self.tree.load(line[1], line[2])
        print("done", flush=True)
        return True

    def _answer(self) -> bool:
        try:
            request = os.read(self._fd, _MAX_WRITE + 4096)
        except OSError as error:
            return error.errno != errno.ENODEV
        _, code, unique, at, uid, gid, _, _ = _IN.unpack_from(request)
        if code in (_FORGET, _BATCH_FORGET):
            return True
        failed, body = 0, b""
        try:
            call = self._calls.get(code)
            if call is None:
                raise Errno(errno.ENOSYS)
            body = call(at, request[_IN.size :], (uid, gid))
        except Errno as error:
            failed = int(error.args[0])
        except KeyError:
            failed = errno.ESTALE
        os.write(self._fd, _OUT.pack(_OUT.size + len(body), -failed, unique) + body)
        return True

    def _init(self, at: int, body: bytes, who: tuple[int, int]) -> bytes:
        flags = struct.unpack_from("<4I", body)[3] & (_BIG_WRITES | _MAX_PAGES)
        return struct.pack("<IIIIHHIIHHI7I", 7, 31, 0, flags, 16, 12, _MAX_WRITE, 1, 256, 0, 0, *[0] * 7)

    def _attr(self, number: int) -> bytes:
        node = self.tree.nodes[number]
        size, seconds, rest = len(node.data), *divmod(node.mtime, 10**9)
        changed, changed_rest = divmod(node.ctime, 10**9)
        return _ATTR.pack(
            number, size, (size + 511) // 512, seconds, seconds, changed, rest, rest, changed_rest,
            node.mode, self.tree.links(number), node.uid, node.gid, 0, 4096, 0,
        )  # fmt: skip

    def _attr_out(self, number: int) -> bytes:
        return struct.pack("<QII", 0, 0, 0) + self._attr(number)

    def _entry(self, number: int) -> bytes:
        # No name and no attribute is believed for any time: after a cut everything is asked again.
        return struct.pack("<QQQQII", number, 0, 0, 0, 0, 0) + self._attr(number)

    def _set(self, at: int, body: bytes, who: tuple[int, int]) -> bytes:
        valid, _, _, size, _, _, mtime, _, _, nanos, _, mode, _, uid, gid, _ = struct.unpack_from(
            "<II6Q8I", body
        )
        node = self.tree.nodes[at]
        if valid & 1:
            node.mode = node.mode & _FULL | mode & 0o7777
        if valid & 2:
            node.uid = uid
        if valid & 4:
            node.gid = gid
        if valid & 8:
            self.tree.resize(at, size)
        if valid & 256:
            node.mtime = time.time_ns()
        elif valid & 32:
            node.mtime = mtime * 10**9 + nanos
        node.ctime = time.time_ns()
        return self._attr_out(at)

    def _symlink(self, at: int, body: bytes, who: tuple[int, int]) -> bytes:
        name, target, _ = body.split(b"\0", 2)
        number = self.tree.make(at, name, stat.S_IFLNK | 0o777, *who)
        self.tree.nodes[number].data[:] = target
        self.tree.nodes[number].safe_data = target
        return self._entry(number)

    def _made(self, at: int, name: bytes, mode: int, who: tuple[int, int]) -> bytes:
        return self._entry(self.tree.make(at, name, mode, *who))

    def _create(self, at: int, body: bytes, who: tuple[int, int]) -> bytes:
        mode = struct.unpack_from("<II", body)[1]
        number = self.tree.make(at, body[16:-1], stat.S_IFREG | mode & 0o7777, *who)
        return self._entry(number) + struct.pack("<QII", 0, 0, 0)

    def _gone(self, at: int, body: bytes, *, is_folder: bool) -> bytes:
        self.tree.unlink(at, body[:-1], is_folder=is_folder)
        return b""

    def _rename(self, at: int, body: bytes, head: int, flags: int) -> bytes:
        source, target, _ = body[head:].split(b"\0", 2)
        self.tree.rename((at, source), (struct.unpack_from("<Q", body)[0], target), flags)
        return b""

    def _link(self, at: int, body: bytes, who: tuple[int, int]) -> bytes:
        number = struct.unpack_from("<Q", body)[0]
        self.tree.link(number, at, body[8:-1])
        return self._entry(number)

    def _read(self, at: int, body: bytes, who: tuple[int, int]) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        return bytes(memoryview(self.tree.nodes[at].data)[offset : offset + size])

    def _write(self, at: int, body: bytes, who: tuple[int, int]) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        self.tree.write(at, offset, body[40 : 40 + size])
        return struct.pack("<II", size, 0)

    def _sync(self, at: int, body: bytes, who: tuple[int, int]) -> bytes:
        self.tree.sync(at)
        return b""

    def _list(self, at: int, body: bytes, who: tuple[int, int]) -> bytes:
        _, offset, size = struct.unpack_from("<QQI", body)
        answer = b""
        names = [*self.tree.nodes[at].names.items()]
        for index, (name, number) in enumerate(names[offset:], offset + 1):
            kind = self.tree.nodes[number].mode >> 12
            entry = struct.pack("<QQII", number, index, len(name), kind) + name
            entry += bytes(-len(entry) % 8)
            if len(answer) + len(entry) > size:
                break
            answer += entry
        return answer


def _nothing(at: int, body: bytes, who: tuple[int, int]) -> bytes:
    return b""


if __name__ == "__main__":
    server = Server(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2:] else None)
    print("ready", flush=True)
    server.serve()
