"""A small file of JSON in state_dir, read at start and written by a thread whenever it changes.

It has a checksum, and a second copy in `NAME.copy`: one of them may be damaged, or gone.
"""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from vspc.common.files import Disk
from vspc.console.ports import InThread
from vspc.net.waiting import RunningCoroutine

LIMIT = 16 * 1024 * 1024
"""Bytes that are read."""


COPY = ".copy"
"""The end of the second copy's name."""

_NAMES = frozenset({"checksum", "value"})


class StateFile:
    """One such file. What it holds is replaced as a whole. `damage` says what was wrong with one of
    both copies when the other was loaded.
    """

    def __init__(self, path: Path, in_thread: InThread) -> None:
        self._path = path
        self.damage = ""
        self._in_thread = in_thread
        self._writing = False
        self._value: Callable[[], Any] = lambda: None
        self._waiting: list[Deferred[str]] = []

    def load(self) -> Any:
        """What was written last; None if nothing was. Raises ValueError or OSError where it cannot
        be read in either copy.
        """
        try:
            found, why = _read(self._path), "it is missing"
        except (OSError, ValueError) as error:
            found, why = self._spare(), _why(error)
            if found is None:
                raise
        else:
            if found is not None:
                return found[0]
            found = self._spare()
        if found is None:
            return None
        self.damage = f"{self._path}: {why}; it is written anew from {_copy(self._path).name}"
        _replace(self._path, found[0])
        return found[0]

    def _spare(self) -> tuple[Any] | None:
        try:
            return _read(_copy(self._path))
        except (OSError, ValueError):
            return None

    def save(self, value: Callable[[], Any]) -> Deferred[str]:
        """Write what `value` returns when the file before it is written; it may not change then.
        Fires with why that failed, or "". While one is written only the latest waits.
        """
        self._value = value
        saved = Deferred[str]()
        self._waiting.append(saved)
        if not self._writing:
            RunningCoroutine(self._write())
        return saved

    async def _write(self) -> None:
        self._writing = True
        try:
            while self._waiting:
                value, waiting = self._value(), self._waiting
                self._waiting = []
                error = await self._replaced(value)
                for saved in waiting:
                    saved.callback(error)
        finally:
            self._writing = False

    async def _replaced(self, value: Any) -> str:
        try:
            return await self._in_thread(lambda: _replace(self._path, value))
        except RuntimeError:  # out of threads; the next save tries again
            return "no thread could be started for it"


def _copy(path: Path) -> Path:
    return path.with_name(path.name + COPY)


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _read(path: Path) -> tuple[Any] | None:
    """What is in a file; None if there is none. Raises ValueError or OSError."""
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except FileNotFoundError:
        return None
    if len(data) > LIMIT:
        raise ValueError(f"it has more than {LIMIT} bytes")
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("invalid JSON") from None
    if not (isinstance(found, dict) and len(found) == len(_NAMES) and _NAMES & set(found)):
        return (found,)  # written by a server without checksums
    value = found.get("value")
    if found.get("checksum") != _checksum(value):
        raise ValueError("wrong checksum")
    return (value,)


def _checksum(value: Any) -> str:
    return f"{zlib.crc32(json.dumps(value, sort_keys=True).encode()):08x}"


def _replace(path: Path, value: Any) -> str:
    """In a thread: why it failed, or "". A crash leaves the old file or the new one."""
    try:
        data = json.dumps({"checksum": _checksum(value), "value": value}, indent=1).encode()
        disk = Disk(spare=0)
        for each in (path, _copy(path)):
            disk.replace(each, data, sync=True)
            disk.sync_directory(each.parent)
    except OSError as error:
        return error.strerror or "it cannot be written"
    except MemoryError:
        return "there is no memory for it"
    return ""
