"""Which file systems are shared with other machines: they have to be polled, and hold no locks to rely on."""

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

_FUSE = 0x65735546
_REMOTE_FUSE = frozenset(
    "sshfs rclone s3fs gcsfuse goofys juicefs glusterfs ceph curlftpfs davfs smbnetfs gvfsd-fuse".split()
)
"""The subtypes, as mount(8) names them after ``fuse.``, whose files are on another machine."""

_libc = ctypes.CDLL(None)


def needs_polling(folder: Path | bytes) -> str | None:
    """The kind of file system below ``folder`` if inotify cannot hear all of its changes, else None.

    None too where the folder is gone: whoever looks next finds that out.
    """
    return _REMOTE.get(_kind(folder))


def unfit_for_locks(folder: Path) -> str | None:
    """The kind of file system below ``folder`` if it is another machine's, else None.

    Locks there are emulated, or seen by one machine only; and SQLite's shared memory cannot work.
    """
    kind = _kind(folder)
    if kind != _FUSE:
        return _REMOTE.get(kind)
    subtype = _mounted_as(folder).partition(".")[2]
    return f"FUSE ({subtype})" if subtype in _REMOTE_FUSE else None


def _kind(folder: Path | bytes) -> int:
    answer = ctypes.create_string_buffer(256)
    if _libc.statfs(os.fsencode(folder), answer) != 0:
        return 0
    return ctypes.c_long.from_buffer(answer).value & 0xFFFFFFFF


def _mounted_as(folder: Path) -> str:
    """The type of the folder's mount, such as ``fuse.sshfs``; empty if it is not found."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        # proc_pid_mountinfo(5): the device is the third field; the type is the first after the dash.
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            return after.split()[0]
    return ""
