"""Which file systems hear nothing of other machines' changes, and so have to be polled."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_REMOTE = {
    0x6969: "NFS",
    0x517B: "SMB",
    0xFE534D42: "SMB",
    0xFF534D42: "CIFS",
    0x65735546: "FUSE",
    0x01021997: "9p",
    0x00C36400: "Ceph",
    0x5346414F: "AFS",
    0x6B414653: "AFS",
    0x73757245: "Coda",
    0x0BD00BD0: "Lustre",
    0x47504653: "GPFS",
    0x01161970: "GFS2",
    0x7461636F: "OCFS2",
    0x19830326: "BeeGFS",
    0x786F4256: "VirtualBox shared folder",
    0xBACBACBC: "VMware shared folder",
}
"""f_type of statfs(2), from linux/magic.h and the file systems' own sources."""

_libc = ctypes.CDLL(None)


def needs_polling(folder: Path | bytes) -> str | None:
    """The kind of file system below ``folder`` if inotify cannot hear all of its changes, else None.

    None too where the folder is gone: whoever looks next finds that out.
    """
    answer = ctypes.create_string_buffer(256)
    if _libc.statfs(os.fsencode(folder), answer) != 0:
        return None
    kind = ctypes.c_long.from_buffer(answer).value & 0xFFFFFFFF
    return _REMOTE.get(kind)
