"""The format of a backup: a tar file, compressed with zstandard.

The first member is `vspc-backup`, which says what it is. Then come the files of state_dir, below
`state/`. The last is `manifest`: a line for each file, with its size and SHA-256, so that a file
that is cut off has none.
"""

import json
import re
import tarfile
from collections.abc import Mapping
from typing import Any

from attrs import frozen

VERSION = 1
"""Of the format. A reader takes its own version and older ones."""

HEAD, MANIFEST, STATE = "vspc-backup", "manifest", "state/"
"""Names of members, and the beginning of those of files."""

CHUNK = 256 * 1024
"""Bytes that are copied at once."""

HEAD_LIMIT = 64 * 1024
"""Bytes of the first member that are read."""

MEMBERS = 4_000_000
"""Files that are restored."""

PATH_LIMIT = 512
"""Characters of the path of a file."""

_PART = re.compile(r"(?!\.\.?/|\.\.?\Z)[A-Za-z0-9._+@:~=-]{1,255}")


class ArchiveError(Exception):
    """A backup that cannot be made or used; the text says why."""


@frozen
class BackupHead:
    """What a backup says of itself."""

    made: str
    vspc: str
    logs: bool

    def encoded(self) -> bytes:
        """As the first member."""
        facts = {"format": VERSION, "made": self.made, "vspc": self.vspc, "logs": self.logs}
        return json.dumps(facts).encode() + b"\n"


def parse_head(data: bytes) -> BackupHead:
    """Raises `ArchiveError`."""
    try:
        facts: Any = json.loads(data)
        if not isinstance(facts, Mapping) or type(facts["format"]) is not int:
            raise ValueError
        if facts["format"] > VERSION:
            raise ArchiveError(
                f"a backup of format {facts['format']}, made by a newer vspc; this one reads "
                f"formats up to {VERSION}"
            )
        return BackupHead(str(facts["made"])[:40], str(facts["vspc"])[:40], facts["logs"] is True)
    except (ValueError, KeyError, RecursionError):
        raise ArchiveError("damaged: its first member cannot be read") from None


def manifest_line(path: str, size: int, digest: str) -> bytes:
    """What the manifest has of a file."""
    return json.dumps([path, size, digest]).encode() + b"\n"


def manifest_end(count: int) -> bytes:
    """The last line of a manifest of `count` files."""
    return json.dumps({"files": count}).encode() + b"\n"


def is_safe(path: str) -> bool:
    """Whether a file may be written at `path` below a directory: relative, no `..`, plain names."""
    return len(path) <= PATH_LIMIT and all(_PART.fullmatch(part) for part in path.split("/"))


def member(name: str, size: int, mtime: float = 0) -> tarfile.TarInfo:
    """The header of a file that belongs to nobody."""
    found = tarfile.TarInfo(name)
    found.size, found.mode, found.mtime = size, 0o600, int(mtime)
    return found


def forget_members(archive: tarfile.TarFile) -> None:
    """A TarFile remembers all members that it reads or writes; there may be millions."""
    vars(archive)["members"].clear()
