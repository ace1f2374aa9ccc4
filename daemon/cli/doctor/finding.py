"""What ``spork doctor`` says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``mend`` is empty where it is right, or only to be known."""

    about: str
    said: str
    mend: str = ""
