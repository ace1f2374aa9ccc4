"""Editors in a real terminal (tmux): opened, typed into, saved and left, as a person does."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import wait_for


@dataclass(frozen=True, slots=True)
class Editor:
    """How an editor is started, and which keys do what. ``delete``: removes the only line there is."""

    command: str
    delete: Sequence[str]
    write: Sequence[str]
    leave: Sequence[str]
    insert: Sequence[str] = ()
    typed: Sequence[str] = ()
    """After the last line was typed."""

    @property
    def program(self) -> str:
        return self.command.split()[0]


_VI = {
    "delete": ["dd"],
    "write": [":w", "Enter"],
    "leave": [":q", "Enter"],
    "insert": ["i"],
    "typed": ["Escape"],
}

EDITORS = {
    "vim": Editor("vim -u NONE -N -i NONE", **_VI),
    "vim with backups": Editor('vim -u NONE -N -i NONE --cmd "set backup backupdir=. backupskip= undofile"', **_VI),
    "nvim": Editor("nvim -u NONE -i NONE", **_VI),
    "nano": Editor("nano -I", ["C-k"], ["C-o", "Enter"], ["C-x"]),
    "nano with locks and backups": Editor("nano -I -G -B", ["C-k"], ["C-o", "Enter"], ["C-x"]),
    "emacs": Editor(
        'emacs -nw -Q --eval "(progn (electric-indent-mode -1) (setq auto-save-interval 20))"',
        ["C-k", "C-k"], ["C-x", "C-s"], ["C-x", "C-c"],
    ),
    "micro": Editor("micro -autoindent false -config-dir .", ["C-k"], ["C-s"], ["C-q"]),
    "joe": Editor("joe", ["C-y"], ["C-k", "d", "Enter"], ["C-k", "q"]),
    "kak": Editor("kak -n", ["xd"], [":w", "Enter"], [":q", "Enter"], ["i"], ["Escape"]),
    "mcedit": Editor("mcedit", ["C-y"], ["F2", "Enter"], ["F10"]),
}  # fmt: skip


class Terminal:
    """One program in a terminal of its own."""

    def __init__(self, command: str, folder: Path, home: Path) -> None:
        self._tmux = ["tmux", "-S", str(home / "tmux"), "-f", "/dev/null"]
        self._env = {**os.environ, "HOME": str(home), "TERM": "screen", "LC_ALL": "C.UTF-8"}
        self._env.pop("TMUX", None)
        size = ["-x", "120", "-y", "30"]
        self._run("new-session", "-d", "-s", "t", *size, "-c", str(folder), command, check=True)

    def keys(self, *keys: str) -> None:
        """Press keys: names as tmux has them (C-x, Enter), or text."""
        for key in keys:
            self._run("send-keys", "-t", "t", key, check=True)

    def type(self, text: str) -> None:
        """Type the text, line by line."""
        for line in text.splitlines():
            self._run("send-keys", "-t", "t", "-l", line, check=True)
            self.keys("Enter")

    @property
    def screen(self) -> str:
        return self._run("capture-pane", "-p", "-t", "t").stdout

    @property
    def ended(self) -> bool:
        return self._run("has-session", "-t", "t").returncode != 0

    def close(self) -> None:
        self._run("kill-server")

    def _run(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._tmux, *arguments], env=self._env, capture_output=True, text=True, check=check
        )


def edit(
    editor: Editor, target: Path, text: str, desk: Path, before_saving: Callable[[], None] | None = None
) -> None:
    """Open the file, which has one line or is not there, make it this text, save it and leave."""
    for program in ("tmux", editor.program):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    desk.mkdir(parents=True)
    command = editor.command.replace("-config-dir .", f"-config-dir {desk}")
    terminal = Terminal(f"{command} {target.name}", target.parent, desk)
    try:
        wait_for(lambda: target.name in terminal.screen, f"{editor.program} to show {target.name}")
        if target.exists():
            terminal.keys(*editor.delete)
        terminal.keys(*editor.insert)
        terminal.type(text)
        terminal.keys(*editor.typed)
        last = text.splitlines()[-1]
        wait_for(lambda: last in terminal.screen, f"{editor.program} to show {last!r}")
        if before_saving is not None:
            before_saving()
        terminal.keys(*editor.write)
        terminal.keys(*editor.leave)
        wait_for(lambda: terminal.ended, f"{editor.program} to end; it shows:\n{terminal.screen}")
    finally:
        terminal.close()
