"""Plain text, a file for each console, a time in front of each line: for people, grep, logrotate.

A file is named by the console's id; `by-name/` beside has links to them by what the VM is called.
A file that was moved away is noticed within a second, and another one begins: logrotate needs no
word to us, though SIGHUP tells as well.
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from attrs import define, field

from vspc.console.identity import DEFAULT_ZONE
from vspc.console.lines import Line
from vspc.console.past import About, Marker
from vspc.log.disk import Disk
from vspc.text import plain_output

OPEN = 64
"""Files that are open at once."""

LOOK = 1.0
"""Seconds between two looks whether a file is still where it was."""

NAME_LIMIT = 200
"""Bytes of a link's name."""

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
    _links: dict[str, str] = field(factory=dict, init=False)  # of each console, its link's name

    def write(self, about: About, items: Sequence[Line | Marker]) -> None:
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
            descriptor = self.disk.append(path)
            status = os.fstat(descriptor)
            found = _Open(descriptor, (status.st_dev, status.st_ino), self.now())
            self._files[about.id] = found
            while len(self._files) > OPEN:
                self._close(next(iter(self._files)))
        self._files.move_to_end(about.id)
        self._link(about, path)
        return found

    def _link(self, about: About, path: Path) -> None:
        wanted = link_name(about)
        if self._links.get(about.id) == wanted:
            return
        directory = self.directory / BY_NAME
        target = f"../{path.name}"
        if self._target(directory / wanted) not in (None, target):  # a namesake has it
            wanted = f"{wanted[: NAME_LIMIT - 17]}~{about.id}"
        old = self._links.get(about.id)
        if old is not None and self._target(directory / old) == target:
            (directory / old).unlink(missing_ok=True)
        if self._target(directory / wanted) != target:
            (directory / wanted).unlink(missing_ok=True)
            (directory / wanted).symlink_to(target)
        self._links[about.id] = wanted

    @staticmethod
    def _target(link: Path) -> str | None:
        try:
            return os.readlink(link)
        except OSError:
            return None

    def _close(self, console_id: str) -> None:
        os.close(self._files.pop(console_id).descriptor)

    def settled(self) -> bool:
        """A file has what it has."""
        return True

    def reopen(self) -> None:
        """Every file is opened anew."""
        for console_id in list(self._files):
            self._close(console_id)

    def close(self) -> None:
        """The end."""
        self.reopen()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _line(item: Line | Marker) -> bytes:
    time = datetime.fromtimestamp(item.at).astimezone().isoformat(timespec="milliseconds")
    if isinstance(item, Marker):
        return f"{time} [{item.kind.value}: {item.text}]\n".encode()
    return f"{time} ".encode() + plain_output(item.text) + b"\n"


def link_name(about: About) -> str:
    """What a console's link is called: letters, digits and `. _ -`, all else as %XX."""
    zone = "" if about.zone == DEFAULT_ZONE else f"{about.zone}%2F"
    port = f"%3A{quote(about.port, safe='')}" if about.port else ""
    name = zone + quote(about.name, safe="").replace("~", "%7E") + port
    if name.startswith("."):  # neither hidden, nor a directory above
        name = "%2E" + name[1:]
    return name if 0 < len(name) <= NAME_LIMIT else f"{name[: NAME_LIMIT - 17]}~{about.id}"
