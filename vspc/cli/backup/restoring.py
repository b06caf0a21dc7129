"""A backup is read: into a directory of its own, which takes the place of state_dir when all of it
is there and whole. No path, mode, owner or link of the archive is trusted.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

import zstandard
from attrs import define, field

from vspc.cli.backup.archive import (
    CHUNK,
    HEAD,
    HEAD_LIMIT,
    MANIFEST,
    MEMBERS,
    STATE,
    ArchiveError,
    BackupHead,
    forget_members,
    is_safe,
    manifest_end,
    manifest_line,
    parse_head,
)
from vspc.cli.backup.contents import BEFORE, LOG
from vspc.common.text import safe
from vspc.log.failure_mark import RESTORED

STAGING = ".vspc-restore-"
"""The beginning of the name of the directory, beside state_dir, that a backup is read into."""


STAYS = frozenset({"lock", "lost+found"})
"""What belongs to this process, or to the file system, and is not moved out of a mount."""


@define
class Restored:
    """What was read."""

    head: BackupHead
    files: int = 0
    size: int = 0
    names: set[str] = field(factory=set)  # at the top of state_dir


@contextmanager
def staging(state: Path) -> Iterator[Path]:
    """An empty directory beside `state`, or in it where that is a mount, which is gone at the end
    unless it was moved. OSError.
    """
    where = state if state.is_mount() else state.parent
    path = Path(tempfile.mkdtemp(prefix=STAGING, dir=where))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def extract(source: BinaryIO, directory: Path) -> Restored:
    """Read all of a backup into `directory`, and check it against its manifest. OSError,
    `ArchiveError`.
    """
    unpacked = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
        source, read_across_frames=True, closefd=False
    )
    try:
        with tarfile.open(fileobj=unpacked, mode="r|", bufsize=CHUNK) as archive:
            return _Extraction(archive, directory).run()
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise ArchiveError(f"not a backup of vspc, or damaged: {safe(str(error), 200)}") from None


@define(eq=False)
class _Extraction:
    archive: tarfile.TarFile
    directory: Path

    def run(self) -> Restored:
        first = self.archive.next()
        if first is None or first.name != HEAD or not first.isreg() or first.size > HEAD_LIMIT:
            raise ArchiveError(f"not a backup of vspc: its first member is not {HEAD}")
        restored = Restored(parse_head(self._data(first).read(HEAD_LIMIT)))
        with tempfile.TemporaryFile() as manifest:
            while True:
                found = self.archive.next()
                forget_members(self.archive)
                if found is None:
                    raise ArchiveError("damaged: its end, with the manifest, is missing")
                if found.name == MANIFEST and found.isreg():
                    break
                manifest.write(self._file(found, restored))
            manifest.write(manifest_end(restored.files))
            manifest.seek(0)
            self._compare(self._data(found), manifest)
        while self.archive.fileobj is not None and self.archive.next() is not None:
            raise ArchiveError("damaged: there is more behind its manifest")
        return restored

    def _data(self, found: tarfile.TarInfo) -> IO[bytes]:
        data = self.archive.extractfile(found)
        if data is None:
            raise ArchiveError(f"damaged: {safe(found.name, 200)} has no data")
        return data

    def _file(self, found: tarfile.TarInfo, restored: Restored) -> bytes:
        """Write one file; its line of the manifest."""
        path = found.name.removeprefix(STATE)
        if not found.name.startswith(STATE) or not is_safe(path) or not found.isreg():
            raise ArchiveError(f"refused: {safe(found.name, 200)} is not a file of a state_dir")
        restored.files += 1
        if restored.files > MEMBERS:
            raise ArchiveError(f"refused: more than {MEMBERS} files")
        if found.size > shutil.disk_usage(self.directory).free:
            raise ArchiveError(f"no space for {path}, of {found.size} bytes")
        target = self.directory / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(target, flags, 0o600)
        except (FileExistsError, IsADirectoryError):
            raise ArchiveError(f"damaged: {path} is in it twice") from None
        with open(descriptor, "wb") as out, self._data(found) as data:
            while piece := data.read(CHUNK):
                out.write(piece)
                digest.update(piece)
                size += len(piece)
            out.flush()
            os.fsync(descriptor)
            os.utime(descriptor, (found.mtime, found.mtime))
        restored.size += size
        restored.names.add(path.partition("/")[0])
        return manifest_line(path, size, digest.hexdigest())

    def _compare(self, said: IO[bytes], computed: IO[bytes]) -> None:
        for line in computed:
            if said.read(len(line)) != line:
                raise ArchiveError(f"damaged: {safe(line.decode(), 300)} is not in its manifest")
        if said.read(1):
            raise ArchiveError("damaged: files of its manifest are missing")


def mark(directory: Path) -> None:
    """The first start is to know that its log, if there is one, is that of a backup. OSError."""
    if (directory / LOG).is_dir():
        (directory / LOG / RESTORED).touch(mode=0o600)


def give(directory: Path, uid: int, gid: int) -> None:
    """All of `directory`, which only this process can reach, to its owner, with our modes."""
    for path, _, names in os.walk(directory):
        os.chmod(path, 0o700)
        if os.geteuid() == 0:
            for name in [".", *names]:
                os.chown(Path(path, name), uid, gid, follow_symlinks=False)


def place_aside(state: Path, now: str) -> Path:
    """Where what is in `state` is moved to: beside it, or into it where it is a mount."""
    name = f"{BEFORE}{now}"
    return state / name if state.is_mount() else state.with_name(f"{state.name}.{name}")


def put_in_place(directory: Path, state: Path, aside: Path | None) -> None:
    """`directory` becomes `state`; what is there is moved to `aside`, or is an empty directory. A
    mount stays where it is, and its contents are moved. After an error all is where it was.
    OSError.
    """
    moves = [] if aside is None else [(state, aside)]
    moves.append((directory, state))
    if aside is not None and aside.parent == state:
        aside.mkdir(mode=0o700)
        found = directory.stat()
        os.chown(aside, found.st_uid, found.st_gid)
        stay = {*STAYS, directory.name, aside.name}
        moves = [(path, aside / path.name) for path in state.iterdir() if path.name not in stay]
        moves += [(path, state / path.name) for path in directory.iterdir()]
    done: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            source.rename(target)
            done.append((source, target))
    except OSError:
        for source, target in reversed(done):
            target.rename(source)
        raise
