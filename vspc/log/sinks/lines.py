"""What files of lines have in common: a time that can always be written, and a whole last line."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

LATEST = 253402214400.0
"""Seconds since 1970: the last day that ISO 8601 has four digits for, in every zone."""


def moment(at: float) -> datetime:
    """A time of a log, in UTC. A clock may have been anywhere."""
    return datetime.fromtimestamp(min(max(0.0, at), LATEST), UTC)


def is_torn(path: Path) -> bool:
    """Whether the last line of a file has no end: its writer was killed in the middle of it.

    What came of it comes again; without an end of its own it would spoil the line behind it.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False
