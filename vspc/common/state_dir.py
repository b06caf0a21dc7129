"""The state directory: private, and used by one server at a time."""

import fcntl
import os
from pathlib import Path
from shlex import quote
from typing import IO

from vspc.common.files import is_abandoned
from vspc.common.text import safe


class StateError(Exception):
    """The state directory cannot be used; the text says why and what to do."""


def make(path: Path) -> None:
    """Create `path` with mode 0700, unless it exists. Raises `StateError`."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(f"state_dir {path}: {error.strerror}") from None


def examine(path: Path) -> None:
    """Raises `StateError` if anything in `path` is a symbolic link or belongs to another user (for
    root: to another one than its owner), who could redirect what we write. Drafts that killed
    processes have left are deleted.
    """
    try:
        state = path.stat()
        owners = {os.geteuid(), state.st_uid} if os.geteuid() == 0 else {os.geteuid()}
        if state.st_uid not in owners:
            raise StateError(_foreign(path, path))
        if state.st_mode & 0o077:
            path.chmod(0o700)
        _examine_below(path, path, owners)
    except OSError as error:
        raise StateError(f"state_dir {path}: {error.filename}: {error.strerror}") from None


def _examine_below(root: Path, path: Path, owners: set[int]) -> None:
    with os.scandir(path) as found:
        for entry in found:
            if entry.is_symlink():
                raise StateError(
                    f"state_dir {root}: {safe(entry.path)} is a symbolic link; remove it: "
                    f"rm {quote(safe(entry.path))}"
                )
            if entry.stat(follow_symlinks=False).st_uid not in owners:
                raise StateError(_foreign(root, Path(entry.path)))
            if entry.is_dir(follow_symlinks=False):
                _examine_below(root, Path(entry.path), owners)
            elif is_abandoned(entry.name):
                os.unlink(entry.path)


def _foreign(root: Path, path: Path) -> str:
    who = "root" if os.geteuid() == 0 else str(os.geteuid())
    return (
        f"state_dir {root}: {safe(str(path))} belongs to another user; if that is "
        f"intended: chown -R {who} {quote(str(root))}"
    )


def claim(path: Path) -> IO[str]:
    """Create `path` and lock it for this process, as long as the result is open."""
    make(path)
    try:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.fdopen(os.open(path / "lock", flags, 0o600), "a+")
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
    try:
        examine(path)
    except StateError:
        lock.close()
        raise
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
