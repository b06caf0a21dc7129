"""What operators wrote about consoles, their favourites, and which pens they locked, in files of
state_dir: read at a start, written by a thread after each change.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from twisted.logger import Logger

from vspc.auth.statefile import StateFile
from vspc.console.bookmarks import Bookmarks
from vspc.console.descriptions import Descriptions
from vspc.console.pen_locks import PenLocks
from vspc.console.ports import InThread
from vspc.net.waiting import RunningCoroutine

DESCRIPTIONS, BOOKMARKS = "descriptions.json", "bookmarks.json"
LOCKS = "locks.json"
"""Files in state_dir."""

_log = Logger(namespace="vspc.server")


class Keepable(Protocol):
    """What such a file holds."""

    def as_value(self) -> Any:
        """All of it, as JSON values that change no more."""

    def restore(self, value: Any) -> bool:
        """Take up what `as_value` gave; False if something else was in it, which is left out."""


class KeptFile:
    """One file, which is never a reason not to start: what is damaged is told and lost."""

    def __init__(self, path: Path, in_thread: InThread, kept: Callable[[], Keepable]) -> None:
        self._path = path
        self._file = StateFile(path, in_thread)
        self._kept = kept

    def load(self) -> None:
        """What was written last."""
        try:
            value = self._file.load()
        except (OSError, ValueError) as error:
            what = f"{self._path} and its copy: {error}; what was in them is lost"
            _log.error("state-file-damaged", what=what)
            return
        if self._file.damage:
            _log.error("state-file-damaged", what=self._file.damage)
        if value is not None and not self._kept().restore(value):
            what = f"{self._path}: what does not belong in it is left out"
            _log.error("state-file-damaged", what=what)

    async def save(self) -> str:
        """Write what there is then; why that failed, or ""."""
        error = await self._file.save(lambda: self._kept().as_value())
        if error:
            _log.error("state-file-not-written", what=f"{self._path}: {error}")
        return error


class KeptLocks:
    """The locks of pens."""

    def __init__(self, state_dir: Path, in_thread: InThread, locks: PenLocks) -> None:
        self._file = KeptFile(state_dir / LOCKS, in_thread, lambda: locks)
        self._locks = locks

    def load(self) -> None:
        """What earlier processes kept; from now on each change is written."""
        self._file.load()
        self._locks.changed = self._save

    def _save(self) -> None:
        RunningCoroutine(self._write())

    async def _write(self) -> None:
        await self._file.save()  # which logs its failure

    def stop(self) -> None:
        """That sessions end now ends no lock."""
        self._locks.stop()


class KeptTexts:
    """Descriptions and bookmarks."""

    def __init__(self, state_dir: Path, in_thread: InThread) -> None:
        self._descriptions = KeptFile(
            state_dir / DESCRIPTIONS, in_thread, lambda: self.descriptions
        )
        self.descriptions = Descriptions(self._descriptions.save)
        self._bookmarks = KeptFile(state_dir / BOOKMARKS, in_thread, lambda: self.bookmarks)
        self.bookmarks = Bookmarks(self._save_bookmarks)

    def _save_bookmarks(self) -> None:
        RunningCoroutine(self._save())

    async def _save(self) -> None:
        await self._bookmarks.save()  # what fails is in the log

    def load(self) -> None:
        """What earlier processes kept."""
        self._descriptions.load()
        self._bookmarks.load()
