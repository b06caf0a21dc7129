"""A disk that fails when it is told to, and files of the audit as values."""

import errno
import json
import os
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.audit.holding import assert_holds
from vspc.audit.writer import AuditWriter
from vspc.common.files import APPEND, Disk


class FailingDisk(Disk):
    """`room`: bytes that it still takes, None for all there are; `broken`: names of methods that
    fail: without
    `truncate` a file can only be appended to, as with `chattr +a`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.room: int | None = None
        self.broken: set[str] = set()
        self.calls: list[str] = []

    def _may(self, name: str) -> None:
        self.calls.append(name)
        if name in self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def regular(self, path: Path, flags: int) -> int:
        if flags == APPEND:
            self._may("append")
        return super().regular(path, flags)

    def write(self, descriptor: int, *parts: bytes) -> None:
        self._may("write")
        data = b"".join(parts)
        if self.room is None:
            super().write(descriptor, data)
            return
        taken = data[: self.room]
        super().write(descriptor, taken)
        self.room -= len(taken)
        if len(taken) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def overwrite(self, descriptor: int, data: bytes) -> None:
        self._may("overwrite")
        super().overwrite(descriptor, data)

    def truncate(self, descriptor: int, size: int) -> None:
        self._may("truncate")
        super().truncate(descriptor, size)

    def close(self, descriptor: int) -> None:
        """As Linux does: the number is free, whatever it says."""
        super().close(descriptor)
        self._may("close")

    def sync(self, _descriptor: int) -> None:
        """It counts, and takes no time."""
        self._may("sync")

    def sync_directory(self, _path: Path) -> None:
        """Nor does this."""


@define(eq=False)
class Bench:
    """A writer whose rounds the test makes, with a clock that it sets."""

    path: Path
    disk: FailingDisk = field(factory=FailingDisk)
    now: float = 100.0
    told: list[tuple[str, dict[str, object]]] = field(factory=list)
    failures: int = 0
    written: list[bytes] = field(factory=list)

    def writer(self, refuse: bool = False) -> AuditWriter:
        """One on the same file: as a process that starts has it."""
        made = AuditWriter(
            self.path,
            lambda event, facts: self.told.append((event, facts)),
            self.fail,
            refuse,
            lambda: 1.7e9 + self.now,
            lambda: self.now,
            self.disk,
        )
        made.subscribers.append(self.written.extend)
        return made

    def fail(self) -> None:
        """A defect."""
        self.failures += 1

    def put(self, writer: AuditWriter, count: int = 1) -> None:
        """Some events."""
        for _ in range(count):
            writer.put('{"time": "2023-11-14T22:13:20.000000Z"', '"event": "vm-refused"}')

    def later(self, writer: AuditWriter, seconds: float = 1.0) -> None:
        """A round after some time."""
        self.now += seconds
        writer.round()

    def names(self) -> list[str]:
        """What was told in the server's log."""
        return [event for event, _ in self.told]


def lines_of(*paths: Path) -> list[dict[str, Any]]:
    """The events in files, each held against the schema, and their numbers without a gap."""
    lines = [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
    for line in lines:
        assert_holds(line)
    numbers = [line["seq"] for line in lines]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers
    return lines
