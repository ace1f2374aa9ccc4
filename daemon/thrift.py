"""Memory that work needed and rest does not: free in between what is kept, it goes back only where that is asked."""

from __future__ import annotations

import ctypes

_libc = ctypes.CDLL(None)


def give_back() -> None:
    """Give the system what the C library holds in reserve, in half a millisecond; nothing where it is not glibc."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)
