"""What `vspc backup` and `vspc restore` do and say. Exit status 0: done; 1: nothing was done."""

import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

from vspc import __version__
from vspc.cli.backup.archive import ArchiveError, BackupHead
from vspc.cli.backup.contents import OpenFile, open_files
from vspc.cli.backup.making import Made, write
from vspc.cli.backup.restoring import STAYS, extract, give, mark, place_aside, put_in_place, staging
from vspc.cli.setup.ownership import account
from vspc.common.clock import rfc3339
from vspc.common.state_dir import StateError, claim
from vspc.common.text import safe
from vspc.common.values import written_size
from vspc.config import Config, ConfigError, state_dir
from vspc.config.file import chosen

STREAM = "-"
"""Standard output or standard input, as a FILE."""


def backup(config: Config, name: str, logs: bool) -> int:
    """Write the state of the server of `config` to the file `name`; the exit status."""
    head = BackupHead(rfc3339(time.time()), __version__, logs)
    files = open_files(config.state_dir, logs, config.state_dir / config.audit.file)
    try:
        if name == STREAM:
            if sys.stdout.isatty():
                raise ArchiveError("standard output is a terminal")
            sys.stdout.flush()
            made = write(sys.stdout.buffer, head, files)
            sys.stdout.buffer.flush()
        else:
            path = Path(name).absolute()
            if path.resolve().is_relative_to(config.state_dir.resolve()):
                raise ArchiveError(f"{path} is in state_dir; write it elsewhere")
            made = _write_file(path, head, files)
    except FileExistsError:
        return _fail("backup", f"{name} is there, and is not replaced")
    except OSError as error:
        return _fail("backup", f"{error.filename or name}: {error.strerror}")
    except ArchiveError as error:
        return _fail("backup", str(error))
    out = sys.stderr if name == STREAM else sys.stdout
    what = "with logs" if logs else "without logs"
    print(f"{made.files} files, {written_size(made.size)}, {what}: it has private keys", file=out)
    for path in _outside(config):
        print(f"not in it, named by the configuration: {safe(str(path))}", file=out)
    print(f"not in it: {config.path}, and what else it names", file=out)
    return 0


def _write_file(path: Path, head: BackupHead, files: Iterable[OpenFile]) -> Made:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        with open(descriptor, "wb") as out:
            made = write(out, head, files)
            out.flush()
            os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
    return made


def _outside(config: Config) -> list[Path]:
    """Keys and records of the server that are not in state_dir."""
    named = [*config.ssh.host_keys, config.tls.certificate, config.tls.private_key]
    paths = [Path(path) for path in named if path is not None]
    if config.audit.enabled:
        paths.append(config.state_dir / config.audit.file)
    return [path for path in paths if not path.is_relative_to(config.state_dir)]


def restore(arguments: Namespace) -> int:
    """Put a backup in the place of state_dir; the exit status."""
    try:
        state = state_dir(chosen(arguments.config)).resolve()
    except ConfigError as error:
        print(*error.mistakes, sep="\n", file=sys.stderr)
        return 1
    try:
        with ExitStack() as stack:
            source: BinaryIO = sys.stdin.buffer
            if arguments.file != STREAM:
                source = stack.enter_context(open(arguments.file, "rb"))
            return _restore(source, state, arguments.force)
    except OSError as error:
        return _fail("restore", f"{safe(str(error.filename))}: {error.strerror}")
    except (ArchiveError, StateError) as error:
        return _fail("restore", str(error))


def _restore(source: BinaryIO, state: Path, force: bool) -> int:
    there = state.is_dir()
    with ExitStack() as stack:
        if there:
            stack.enter_context(claim(state))
            if not force and any(found.name not in STAYS for found in state.iterdir()):
                raise ArchiveError(f"{state} is not empty; --force moves it aside")
        else:
            state.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        owner = _owner(state if there else None)
        directory = stack.enter_context(staging(state))
        restored = extract(source, directory)
        mark(directory)
        give(directory, *owner)
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        aside = place_aside(state, now) if there else None
        put_in_place(directory, state, aside)
    head = restored.head
    what = "with logs" if head.logs else "without logs"
    print(f"backup of {safe(head.made)}, by vspc {safe(head.vspc)}, {what}")
    print(f"{restored.files} files, {written_size(restored.size)}, in {state}:")
    print(f"  {', '.join(sorted(restored.names))}")
    if aside is not None:
        print(f"what was there before: {aside}")
    print("next: vspc check, then start the server")
    return 0


def _owner(state: Path | None) -> tuple[int, int]:
    """Who gets it: who has `state`, else the user of the packages, else this one."""
    if state is not None:
        found = state.stat()
        return found.st_uid, found.st_gid
    named = account(None)
    return (named.uid, named.gid) if named else (os.geteuid(), os.getegid())


def _fail(command: str, why: str) -> int:
    print(f"vspc {command}: {why}", file=sys.stderr)
    return 1
