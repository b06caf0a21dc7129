"""A backup is written: in one pass, with a bounded amount of memory."""

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterable
from io import BytesIO
from typing import IO, BinaryIO

import zstandard
from attrs import define, field

from vspc.cli.backup.archive import (
    CHUNK,
    HEAD,
    MANIFEST,
    STATE,
    ArchiveError,
    BackupHead,
    forget_members,
    manifest_end,
    manifest_line,
    member,
)
from vspc.cli.backup.contents import OpenFile


@define
class Made:
    """What is in a backup."""

    files: int = 0
    size: int = 0


@define(eq=False)
class _Reader:
    """The first `size` bytes of a file, and their hash."""

    file: OpenFile
    left: int
    digest: "hashlib._Hash" = field(factory=hashlib.sha256)

    def read(self, size: int = CHUNK, /) -> bytes:
        """As tarfile asks for them."""
        data = os.pread(self.file.descriptor, min(size, self.left), self.file.size - self.left)
        self.left -= len(data)
        self.digest.update(data)
        return data


def write(out: BinaryIO, head: BackupHead, files: Iterable[OpenFile]) -> Made:
    """Write a backup of `files`, which are closed. Raises OSError and `ArchiveError`."""
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
    made = Made()
    with (
        tempfile.TemporaryFile() as manifest,
        compressor.stream_writer(out, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        _add(archive, HEAD, BytesIO(head.encoded()), len(head.encoded()))
        for file in files:
            try:
                manifest.write(_copy(archive, file))
            finally:
                os.close(file.descriptor)
            made.files += 1
            made.size += file.size
        manifest.write(manifest_end(made.files))
        size = manifest.tell()
        manifest.seek(0)
        _add(archive, MANIFEST, manifest, size)
    return made


def _add(archive: tarfile.TarFile, name: str, data: IO[bytes], size: int) -> None:
    archive.addfile(member(name, size), data)
    forget_members(archive)


def _copy(archive: tarfile.TarFile, file: OpenFile) -> bytes:
    """Its line of the manifest."""
    reader = _Reader(file, file.size)
    try:
        archive.addfile(member(STATE + file.path, file.size, file.mtime), reader)
    except OSError:
        if reader.left:
            raise ArchiveError(f"{file.path} became shorter while it was read") from None
        raise
    forget_members(archive)
    return manifest_line(file.path, file.size, reader.digest.hexdigest())
