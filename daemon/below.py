"""All that lies below a folder, however deep: strangers make folders as well."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def below(top: Path) -> Iterator[os.DirEntry[str]]:
    """Every entry below a folder, a folder before what is in it, passing no link.

    Not by `os.walk`, which calls itself for each level and ends the daemon at the thousandth. What cannot be listed
    is left out; a path may come that is too long to be opened.
    """
    left = [str(top)]
    while left:
        with suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    left.append(entry.path)
