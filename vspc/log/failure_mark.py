"""Whether the disk takes nothing, or the log is that of a backup, for the next start to know.

While the disk fails no reserve of offsets can be written, so that output that comes then, and is
shown, is behind all that the journal has. If the server is killed before the disk is well again,
the next start must not use these offsets again. Nor may it behind the end of a backup: the server
that it was made of went on.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

NAME = "disk-fails"
"""The file's name, in the directory of the log."""

RESTORED = "restored"
"""The name of the one that is made with a log that was restored."""


class FailureMark:
    """A file in the directory `root`, which is there while the disk fails, or until the first start
    with a backup.
    """

    def __init__(self, root: Path, name: str = NAME) -> None:
        self._path = root / name

    @property
    def is_set(self) -> bool:
        """Whether it is there."""
        return self._path.exists()

    def set(self, files: Sequence[Path]) -> None:
        """The disk fails. A link to one of `files` needs no room where a new file may."""
        for file in files[-1:]:
            with suppress(OSError):
                os.link(file, self._path, follow_symlinks=False)
        with suppress(OSError):
            os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))

    def clear(self) -> None:
        """All that waited is written, or the start knows it."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
