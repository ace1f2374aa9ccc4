"""The tools that people and sync programs save with, each as what it takes to put a text under a name.

Shell scripts get ``$FILE`` (the target), ``$MADE`` (the text, on the same file system), ``$OTHER`` (the text, on
another one) and ``$DESK`` (a folder of their own); they run in the target's folder, and have ended when they return.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PATTERNS = Path(__file__).with_name("patterns.py")


@dataclass(frozen=True, slots=True)
class Tool:
    """One way to save. ``edits``: also over a file of one line; ``makes``: also where there is none."""

    script: str
    needs: str = "sh"
    makes: bool = True
    edits: bool = True


def _pattern(name: str) -> Tool:
    """A way of saving that is replayed in Python, for programs that cannot run here."""
    return Tool(f'"$PYTHON" "$PATTERNS" {name} "$MADE" "$FILE"')


TOOLS = {
    "cp": Tool('cp "$MADE" "$FILE"'),
    "cp -p": Tool('touch -d @1 "$MADE"; cp -p "$MADE" "$FILE"'),
    "cp -p from the future": Tool('touch -d 2242-01-01 "$MADE"; cp -p "$MADE" "$FILE"'),
    "cp -b": Tool('cp -b "$MADE" "$FILE"'),
    "cp --remove-destination": Tool('cp --remove-destination "$MADE" "$FILE"'),
    "mv": Tool('mv "$MADE" "$FILE"'),
    "mv -b": Tool('mv -b "$MADE" "$FILE"'),
    "mv from another file system": Tool('mv "$OTHER" "$FILE"'),
    "install": Tool('install -m 660 "$MADE" "$FILE"'),
    "ln": Tool('ln -f "$MADE" "$FILE"'),
    "ln, then unlink": Tool('ln -f "$MADE" "$FILE"; rm "$MADE"'),
    "rsync": Tool('rsync "$MADE" "$FILE"', "rsync"),
    "rsync -t": Tool('touch -d @0 "$MADE"; rsync -t "$MADE" "$FILE"', "rsync"),
    "rsync --inplace": Tool('rsync --inplace "$MADE" "$FILE"', "rsync"),
    "rsync --append": Tool('rsync --append "$MADE" "$FILE"', "rsync", edits=False),
    "rsync --delay-updates": Tool('rsync --delay-updates "$MADE" "$FILE"', "rsync"),
    "rsync --temp-dir": Tool('rsync --temp-dir="${OTHER%/*}" "$MADE" "$FILE"', "rsync"),
    "tee": Tool('tee "$FILE" < "$MADE" > /dev/null'),
    "dd": Tool('dd if="$MADE" of="$FILE" bs=4096 status=none'),
    "dd in small pieces": Tool('head -c 2000 "$MADE" > "$MADE.s"; dd if="$MADE" of="$FILE" bs=97 status=none'),
    "cat >": Tool('cat "$MADE" > "$FILE"'),
    "slow cat >": Tool('split -n 5 "$MADE" "$DESK/p"; for p in "$DESK"/p*; do cat "$p"; sleep 0.2; done > "$FILE"'),
    "echo >>": Tool(': > "$FILE"; head -n 4 "$MADE" | while read -r l; do echo "$l" >> "$FILE"; done'
                    '; tail -n +5 "$MADE" >> "$FILE"'),
    "truncated, then cat": Tool(': > "$FILE"; sleep 0.3; cat "$MADE" > "$FILE"'),
    "room first, then dd": Tool('truncate -s 0 "$FILE"; truncate -s "$(stat -c %s "$MADE")" "$FILE"; sleep 0.1'
                                '; dd if="$MADE" of="$FILE" conv=notrunc status=none'),
    "tar": Tool('n="$(basename "$FILE")"; cp "$MADE" "$DESK/$n"; tar -cf - -C "$DESK" "$n" | tar xf -', "tar"),
    "curl -o": Tool('curl -s -o "$FILE" "file://$MADE"', "curl"),
    "sponge": Tool('sponge "$FILE" < "$MADE"', "sponge"),
    "sed -i": Tool('sed -i -e "1{r $MADE" -e "d}" "$FILE"', "sed", makes=False),
    "sed -i.bak": Tool('sed -i.bak -e "1{r $MADE" -e "d}" "$FILE"', "sed", makes=False),
    "perl -i": Tool("perl -i -pe 'BEGIN { undef $/; open F, q(<), $ENV{MADE}; $n = <F> } $_ = $n' \"$FILE\"",
                    "perl", makes=False),
    "patch": Tool('diff -u "$FILE" "$MADE" > "$DESK/p" || true; patch -s "$FILE" "$DESK/p"', "patch", makes=False),
    "ed": Tool("printf '%s\\n' ,d \"0r $MADE\" w q | ed -s \"$FILE\"", "ed", makes=False),
    "vim -es": Tool('vim -u NONE -N -es -c "%d _" -c "0read $MADE" -c wq "$FILE" < /dev/null', "vim"),
    "unison": Tool('n="$(basename "$FILE")"; mkdir "$DESK/a"; cp "$MADE" "$DESK/a/$n"; HOME="$DESK" unison "$DESK/a"'
                   ' "$(dirname "$FILE")" -path "$n" -prefer "$DESK/a" -batch -silent', "unison"),
    "Path.write_text": _pattern("written"),
    "O_TMPFILE + linkat": _pattern("linked"),
    "VS Code": _pattern("code"),
    "gedit, Text Editor (GIO)": _pattern("gio"),
    "Nautilus copy": _pattern("nautilus"),
    "Syncthing": _pattern("syncthing"),
    "a sync tool in place": _pattern("preallocated"),
    "emacs, vim (moved aside)": _pattern("aside"),
}  # fmt: skip


def save(tool: Tool, target: Path, text: str, desk: Path) -> None:
    """Put the text under the target's name with the tool; skipped, naming it, where it is not installed."""
    if shutil.which(tool.needs) is None:
        pytest.skip(f"{tool.needs} is not installed")
    desk.mkdir(parents=True)
    made = desk / "made"
    made.write_text(text)
    other = another_file_system(desk)
    if other is None and "OTHER" in tool.script:
        pytest.skip("/dev/shm or /tmp, as another file system, is not there")
    foreign = (other or desk) / f"{desk.parent.name}-{desk.name}"
    foreign.mkdir(exist_ok=True)
    (foreign / "made").write_text(text)
    facts = {"FILE": target, "MADE": made, "OTHER": foreign / "made", "DESK": desk}
    env = {**os.environ, **{key: str(path) for key, path in facts.items()}}
    env |= {"PYTHON": sys.executable, "PATTERNS": str(PATTERNS)}
    try:
        done = subprocess.run(
            ["sh", "-ec", tool.script],
            cwd=target.parent,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(foreign)
    assert done.returncode == 0, done.stderr


def another_file_system(path: Path) -> Path | None:
    """A folder that lies on another file system than the path."""
    here = path.stat().st_dev
    found = (Path(name) for name in ("/dev/shm", "/tmp"))
    return next((other for other in found if other.is_dir() and other.stat().st_dev != here), None)
