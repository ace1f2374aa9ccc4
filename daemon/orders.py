"""What the daemon tells a keeper, and what it hears back: one frozen record each, carried as JSON.

Lean on purpose: keepers hold this module warm.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from stages.contract import Published

_DESCRIPTOR = struct.Struct("i")
COMPLETED, FAILED, LOST = "completed", "failed", "lost"
READY, GO, TERMINATE, KILL, ENDED = b"ready", b"go", b"terminate", b"kill", b"ended"
"""The words on a keeper's socket."""


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt of one stage, as a keeper is told to run it. Paths are absolute."""

    job_id: str
    stage: str
    attempt: int
    run_dir: Path
    out_dir: Path
    """``.work/NN-STAGE.A``, the stage's current folder; its name begins those of the files beside it."""
    log_path: Path
    sources: Path
    pipeline_dir: Path
    """What ``./path.py:function`` and a command's ``./program`` are relative to."""
    run: str = ""
    """``module:function`` or ``./path.py:function``; empty for a command."""
    command: tuple[str, ...] = ()
    """The argv; ``{run} {out} {job} {stage} {attempt} {params} {feedback} {sources}`` are filled in."""
    env: tuple[str, ...] = ()
    """Names that the policy and the stage let through from the daemon's environment."""
    outputs: tuple[str, ...] = ()
    """Patterns; each must match a file that is not empty."""
    log_limit_bytes: int = 16 << 20
    intent: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    feedback: str = ""
    redo: Mapping[str, str] = field(default_factory=dict)
    artifacts: tuple[Published, ...] = ()
    placeholders: bool = False
    ahead: tuple[str, ...] = ()
    """Modules that the job's next stage shall find imported."""

    def beside(self, name: str) -> Path:
        """The attempt's own file of that name, such as ``.work/03-script.1.params.json``."""
        return self.out_dir.with_name(f"{self.out_dir.name}.{name}")

    def text(self) -> str:
        """The order as JSON; ValueError or TypeError if params or meta hold more than JSON values."""
        return json.dumps(self, default=_plain)

    @classmethod
    def of(cls, text: str | bytes) -> Order:
        """The order that printed this text."""
        return cls.from_facts(json.loads(text))

    @classmethod
    def from_facts(cls, said: dict[str, Any]) -> Order:
        """The order that printed the text of which these facts were read."""
        for name in ("run_dir", "out_dir", "log_path", "sources", "pipeline_dir"):
            said[name] = Path(said[name])
        for name in ("command", "env", "outputs", "ahead"):
            said[name] = tuple(said[name])
        said["artifacts"] = tuple(Published(**artifact) for artifact in said["artifacts"])
        return cls(**said)

    @classmethod
    def rehearsal(cls) -> Order:
        """A small order that nobody gave."""
        here = Path("nowhere")
        return cls("", "", 0, here, here, here, here, here)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a keeper needs of an order. No paths, and nothing else of it: each kind of object that is made in a
    process that forks costs pages, and the stage waits for them.
    """

    run_dir: str
    out_dir: str
    outputs: tuple[str, ...]
    log_limit_bytes: int
    ahead: tuple[str, ...]
    first: bool
    """Nothing that was published stands for the run directory yet."""

    @classmethod
    def of(cls, text: str | bytes) -> Terms:
        """Those of the order in what :func:`with_environ` printed."""
        said = json.loads(text)["order"]
        return cls(
            said["run_dir"],
            said["out_dir"],
            tuple(said["outputs"]),
            said["log_limit_bytes"],
            tuple(said["ahead"]),
            not said["artifacts"],
        )


def seen_from(run_dir: str, out_dir: str) -> str:
    """The path of a stage's folder below its run directory; as it is where it lies elsewhere, which nobody opens."""
    return out_dir.removeprefix(f"{run_dir}/")


def carry(text: str) -> int:
    """Descriptor of an anonymous file with this text: a message of any length that never blocks."""
    fd = os.memfd_create("spork", os.MFD_CLOEXEC)
    data = text.encode()
    while data:
        data = data[os.write(fd, data) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def unpack(fd: int) -> bytes:
    """What :func:`carry` put there."""
    # Two processes may read one open file: no seeking.
    return os.pread(fd, os.fstat(fd).st_size, 0)


def receive(sock: socket.socket, count: int, flags: int = 0) -> tuple[bytes, list[int]]:
    """A short message and at most ``count`` descriptors that came with it, closed on exec.

    Not by socket.recv_fds, which takes flags and drops them (3.11): the descriptors would leak into
    whatever a stage executes.
    """
    room = socket.CMSG_SPACE(count * _DESCRIPTOR.size)
    word, ancillary, _, _ = sock.recvmsg(16, room, flags | socket.MSG_CMSG_CLOEXEC)
    fds: list[int] = []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            whole = len(data) - len(data) % _DESCRIPTOR.size
            fds += (fd for (fd,) in _DESCRIPTOR.iter_unpack(data[:whole]))
    return word, fds


def with_environ(order: Order, environ: Mapping[str, str]) -> str:
    """What a keeper and its stage are told: the order, and the stage's whole environment."""
    return json.dumps({"order": order, "environ": environ}, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Order):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, Published):
        return vars(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} is not a JSON value")


@dataclass(frozen=True, slots=True)
class Made:
    """One file that a stage left: path with ``/``, size, hex sha256 of its bytes."""

    path: str
    kind: str
    bytes: int
    sha256: str
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """How an attempt ended. When it exists, every process of the attempt is gone."""

    outcome: str
    """``completed``, ``failed``, or ``lost`` where the keeper died before it could say."""
    message: str = ""
    hint: str = ""
    exit_code: int | None = None
    signal: int | None = None
    ordered: str = ""
    """``terminate`` or ``kill`` where the daemon told it to end before it did."""
    seconds: float = 0.0
    strays_ended: int = 0
    """Processes that outlived the stage's own and were ended."""
    log_error: str = ""
    """Why the log is incomplete; empty if it is not."""
    final: bool = False
    """Whether another attempt would fail in the same way."""
    made: tuple[Made, ...] = ()
    """Sorted by path bytes; empty unless completed."""

    @property
    def placeholders(self) -> tuple[str, ...]:
        return tuple(made.path for made in self.made if made.meta.get("placeholder"))

    def text(self) -> str:
        """The report as JSON."""
        said = {f.name: getattr(self, f.name) for f in fields(self)}
        said["made"] = [{f.name: getattr(made, f.name) for f in fields(made)} for made in self.made]
        return json.dumps(said)

    @classmethod
    def of(cls, text: str | bytes) -> Report:
        """The report that printed this text."""
        said = json.loads(text)
        said["made"] = tuple(Made(**made) for made in said["made"])
        for key in ("message", "hint", "log_error"):
            # Python's error about a file whose name is not UTF-8 holds lone surrogates, which no database takes.
            said[key] = said[key].encode("utf-8", "backslashreplace").decode()
        return cls(**said)
