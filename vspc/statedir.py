"""The state directory: private, and of one server at a time."""

import fcntl
import os
from pathlib import Path
from typing import IO


class StateError(Exception):
    """The state directory cannot be used; the text says why and what to do."""


def make(path: Path) -> None:
    """Make `path` for its owner alone; one that is there stays as it is. Raises `StateError`."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"state_dir {path}: {error.strerror}") from None


def claim(path: Path) -> IO[str]:
    """Make `path` and lock it for this process; the lock lives as long as the result does."""
    make(path)
    try:
        lock = (path / "lock").open("a+")
    except OSError as error:
        raise StateError(f"{path / 'lock'}: {error.strerror}") from None
    os.chmod(lock.fileno(), 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read(20).strip()
        lock.close()
        raise StateError(f"state_dir {path} is in use by the server with pid {holder}") from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
