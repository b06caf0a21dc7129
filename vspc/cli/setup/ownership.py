"""The user that the server runs as, and files that belong to it.

What is in its state_dir is made as that user, never as root: somebody with the rights of that user
could have put a link there.
"""

import os
import pwd
import traceback
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from vspc.common.values import InvalidValue

USER = "vspc"
"""The user that the packages make for the server."""

FILE_MODE, DIRECTORY_MODE, STATE_MODE = 0o640, 0o750, 0o700
"""Of the configuration, of the directory that is made for it, and of state_dir."""


@frozen
class Account:
    """A user and its group."""

    name: str
    uid: int
    gid: int


def account(named: str | None) -> Account | None:
    """The user of the server where it is not the one of this process: `named`, or `USER` where
    root has that. Raises `InvalidValue`.
    """
    me = os.geteuid()
    try:
        found = pwd.getpwnam(named or USER)
    except KeyError:
        if named:
            raise InvalidValue(
                f"unknown user {named!r}", "expected a user of this machine"
            ) from None
        return None
    if found.pw_uid == me or (me and not named):
        return None
    if me:
        raise InvalidValue("files of another user", "only root can make them")
    return Account(found.pw_name, found.pw_uid, found.pw_gid)


def make_directory(path: Path, owner: Account | None) -> None:
    """The directory of a configuration; one that is there stays as it is. OSError."""
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=DIRECTORY_MODE)
        if owner is not None:
            os.chown(path, -1, owner.gid, follow_symlinks=False)


def make_state(path: Path, owner: Account | None) -> None:
    """An empty state_dir; one that is there stays as it is. OSError."""
    if path.is_dir():
        return
    path.mkdir(mode=STATE_MODE, parents=True)
    if owner is not None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchown(descriptor, owner.uid, owner.gid)
        finally:
            os.close(descriptor)


def write_new(path: Path, text: str, owner: Account | None) -> None:
    """A file that only root and the server may read. FileExistsError, OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, FILE_MODE)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, FILE_MODE)
        if owner is not None:
            os.fchown(descriptor, -1, owner.gid)
        file.write(text)


def run_as(owner: Account | None, work: Callable[[], int]) -> int:
    """The exit status of `work`, in a process of `owner` that ends with it. Call it before any
    thread is started.
    """
    if owner is None:
        return work()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(owner.gid)
            os.setuid(owner.uid)
            os.umask(0o077)
            status = work()
        except BaseException:
            traceback.print_exc()  # nothing else of this process tells of it
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
