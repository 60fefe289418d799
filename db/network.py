"""Whether a file lies on a network file system, where SQLite's locks and shared memory cannot be trusted."""

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
NETWORK = frozenset(
    "9p afs beegfs beegfs_nodev ceph cifs coda cvmfs davfs dvs fhgfs fuse.beegfs fuse.ceph fuse.cvmfs2 fuse.davfs"
    " fuse.glusterfs fuse.gpfs fuse.juicefs fuse.lustre fuse.rclone fuse.s3fs fuse.seaweedfs fuse.sshfs gfs gfs2"
    " glusterfs gpfs lustre mmfs ncpfs nfs nfs3 nfs4 ocfs2 orangefs panfs pvfs2 quobyte smb3 smbfs virtiofs"
    " wekafs".split()
)
"""Types of file systems, as Linux names them, that other machines may have mounted too."""


def network_type(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the network file system that holds `path` (which need not exist yet), or None on a local disc."""
    found = file_system(path, mounts)
    return found if found in NETWORK else None


def file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system that holds `path`: that of the longest mount point above it, the last of equals."""
    real = os.path.realpath(path)
    best, kind = "", None
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _unescaped(fields[1])
        is_above = real == point or real.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def _unescaped(text: str) -> str:
    """A path of the table of mounts, in which blanks are written in octal."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
