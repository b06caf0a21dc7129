"""Plain text, a file for each console, a time in front of each line: for people, grep, logrotate.

A file is named by the console's id; `by-name/` beside has links to them by what the VM is called.
A file that was moved away is noticed within a second, and another one begins: logrotate needs no
word to us, though SIGHUP tells as well.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from vspc.common.files import Disk
from vspc.common.text import plain_output
from vspc.common.times import rfc3339
from vspc.console.logs import About, Marker
from vspc.console.output_lines import OutputLine
from vspc.log.sinks.links import Links
from vspc.log.sinks.outlet import is_torn

OPEN = 64
"""Files that are open at once."""

LOOK = 1.0
"""Seconds between two looks whether a file is still where it was."""

BY_NAME = "by-name"


@define
class _Open:
    descriptor: int
    identity: tuple[int, int]
    looked: float


@define(eq=False)
class TextOutlet:
    """`vspc.log.sinks.outlet.Outlet` into `directory`."""

    directory: Path
    now: Callable[[], float]
    disk: Disk = field(factory=Disk)
    _files: OrderedDict[str, _Open] = field(factory=OrderedDict, init=False)
    _links: Links = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._links = Links(self.directory / BY_NAME)

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        """A line for each."""
        text = b"".join(_line(item) for item in items)
        found = self._open(about)
        size = os.fstat(found.descriptor).st_size
        try:
            self.disk.write(found.descriptor, text)
        except OSError:
            with suppress(OSError):  # it comes again as a whole
                os.ftruncate(found.descriptor, size)
            raise

    def _open(self, about: About) -> _Open:
        path = self.directory / f"{about.id}.log"
        found = self._files.get(about.id)
        if found is not None and self.now() >= found.looked + LOOK:
            found.looked = self.now()
            if _identity(path) != found.identity:
                self._close(about.id)
                found = None
        if found is None:
            self.disk.make(self.directory / BY_NAME)
            found = self._begin(path)
            self._files[about.id] = found
            while len(self._files) > OPEN:
                self._close(next(iter(self._files)))
        self._files.move_to_end(about.id)
        self._links.point(about, path)
        return found

    def _begin(self, path: Path) -> _Open:
        torn = is_torn(path)
        descriptor = self.disk.append(path)
        try:
            if torn:
                self.disk.write(descriptor, b"\n")
            status = os.fstat(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        return _Open(descriptor, (status.st_dev, status.st_ino), self.now())

    def _close(self, console_id: str) -> None:
        os.close(self._files.pop(console_id).descriptor)

    def waiting(self) -> int:
        """A file has what it has."""
        return 0

    def reopen(self) -> None:
        """Every file is opened anew."""
        self.close()
        self._links.reopen()

    def close(self) -> None:
        """The end."""
        for console_id in list(self._files):
            self._close(console_id)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _line(item: OutputLine | Marker) -> bytes:
    time = rfc3339(item.at, local=True)
    if isinstance(item, Marker):
        return f"{time} [{item.kind.value}: {item.text}]\n".encode()
    return f"{time} ".encode() + plain_output(item.text) + b"\n"
