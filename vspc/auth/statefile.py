"""A small file of JSON in state_dir, read at start and written by a thread whenever it changes."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from vspc.console.ports import InThread

LIMIT = 16 * 1024 * 1024
"""Bytes that are read."""


class StateFile:
    """One such file. What it holds is replaced as a whole, and is on the disk once `saved` was
    called.
    """

    def __init__(self, path: Path, in_thread: InThread) -> None:
        self._path = path
        self._in_thread = in_thread
        self._writing = False
        self._value: Callable[[], Any] = lambda: None
        self._waiting: list[Callable[[str], None]] = []

    def load(self) -> Any:
        """What was written last; None if nothing was. Raises ValueError or OSError."""
        try:
            with self._path.open("rb") as file:
                data = file.read(LIMIT + 1)
        except FileNotFoundError:
            return None
        if len(data) > LIMIT:
            raise ValueError(f"it has more than {LIMIT} bytes")
        return json.loads(data)

    def save(
        self, value: Callable[[], Any], saved: Callable[[str], None] = lambda error: None
    ) -> None:
        """Write what `value` returns when it is its turn, which nobody changes then; `saved` gets
        why it failed, or "". While one is written only the latest waits.
        """
        self._value = value
        self._waiting.append(saved)
        if not self._writing:
            self._write()

    def _write(self) -> None:
        self._writing = True
        value, waiting = self._value(), self._waiting
        self._waiting = []

        def written(error: str) -> None:
            self._writing = False
            for saved in waiting:
                saved(error)
            if self._waiting and not self._writing:
                self._write()

        try:
            self._in_thread(lambda: _replace(self._path, value), written)
        except RuntimeError:  # the system has none left; the next save tries again
            written("no thread could be started for it")


def _replace(path: Path, value: Any) -> str:
    """In a thread: why it failed, or "". A crash leaves the old file or the new one."""
    new = path.with_name(f"{path.name}.new")
    try:
        with suppress(FileNotFoundError):
            new.unlink()
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(json.dumps(value, indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        return error.strerror or "it cannot be written"
    except MemoryError:
        return "there is no memory for it"
    return ""
