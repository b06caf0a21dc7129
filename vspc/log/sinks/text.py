"""Plain text, a file for each console, a time in front of each line: for people, grep, logrotate.

A file is named by the console's id; `by-name/` beside has links to them by what the VM is called.
A file that was moved away is noticed within a second, and another one begins: logrotate
needs no signal, though SIGHUP works as well. No name that a VM sent is ever a path (law 6).
"""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

from attrs import define, field

from vspc.common.clock import rfc3339
from vspc.common.files import Disk
from vspc.common.text import plain_output
from vspc.config.settings import SinkSettings
from vspc.console.identity import DEFAULT_ZONE
from vspc.console.log_reading import OutputLine
from vspc.console.logs import About, Marker
from vspc.log.sinks.outlet import LineFile, Outlet

NAME_LIMIT = 200
"""Bytes of a link's name."""


@define(eq=False)
class Links:
    """Those in `directory`, to files beside it. A link that cannot be made harms no file."""

    directory: Path
    _made: dict[str, tuple[str, str]] = field(factory=dict, init=False)
    # Of each console that wrote: what its link should be called, and what it is called.
    _left: dict[str, list[str]] | None = field(default=None, init=False)
    # By target, links of an earlier process; None until they are read.

    def point(self, about: About, path: Path) -> None:
        """The link of a console goes to `path`, under its present name only."""
        wanted = link_name(about)
        known, old = self._made.get(about.id, ("", None))
        if known == wanted:
            return
        target = f"../{path.name}"
        names = self._earlier(target) + ([] if old is None else [old])
        try:
            name = wanted if self._is_free(wanted, target) else _with_id(wanted, about.id)
            for other in names:
                if other != name and self._target(other) == target:
                    (self.directory / other).unlink(missing_ok=True)
            if self._target(name) != target:
                (self.directory / name).unlink(missing_ok=True)
                (self.directory / name).symlink_to(target)
        except OSError:  # tried again when files are opened anew
            name = wanted
        self._made[about.id] = (wanted, name)

    def reopen(self) -> None:
        """Look at each again before its console's next line."""
        self._made = {key: ("", name) for key, (_, name) in self._made.items()}

    def _earlier(self, target: str) -> list[str]:
        if self._left is None:
            self._left = {}
            for name in os.listdir(self.directory) if self.directory.is_dir() else ():
                if (there := self._target(name)) is not None:
                    self._left.setdefault(there, []).append(name)
        return self._left.pop(target, [])

    def _is_free(self, name: str, target: str) -> bool:
        """Whether no console of the same name has it. One whose file is gone, and without output,
        has not.
        """
        there = self._target(name)
        if there is None or there == target or not there.startswith("../"):
            return True
        if any(made == name for _, made in self._made.values()):
            return False
        return not (self.directory / there).exists()

    def _target(self, name: str) -> str | None:
        try:
            return os.readlink(self.directory / name)
        except OSError:
            return None


def link_name(about: About) -> str:
    """What a console's link is called: letters, digits and `. _ -`, all else as %XX."""
    zone = "" if about.zone == DEFAULT_ZONE else f"{_quoted(about.zone)}%2F"
    port = f"%3A{_quoted(about.port)}" if about.port else ""
    name = zone + _quoted(about.name) + port
    if name.startswith("."):  # neither hidden, nor a directory above
        name = "%2E" + name[1:]
    return name if 0 < len(name) <= NAME_LIMIT else _with_id(name, about.id)


def _quoted(word: str) -> str:
    return quote(word, safe="", errors="replace").replace("~", "%7E")


def _with_id(name: str, console_id: str) -> str:
    """`~` is in no other name."""
    return f"{name[: NAME_LIMIT - len(console_id) - 1]}~{console_id}"


OPEN = 64
"""Files that are open at once."""

BY_NAME = "by-name"


@define(eq=False)
class TextOutlet:
    """`vspc.log.sinks.outlet.Outlet` into `directory`."""

    directory: Path
    now: Callable[[], float]
    disk: Disk = field(factory=Disk)
    _files: OrderedDict[str, LineFile] = field(factory=OrderedDict, init=False)
    _links: Links = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._links = Links(self.directory / BY_NAME)

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        """A line for each."""
        path = self.directory / f"{about.id}.log"
        file = self._files.get(about.id)
        if file is None:
            self.disk.make(self.directory / BY_NAME)
            file = self._files[about.id] = LineFile(path, self.disk, self.now)
            while len(self._files) > OPEN:
                self._files.popitem(last=False)[1].close()
        self._files.move_to_end(about.id)
        self._links.point(about, path)
        file.write(b"".join(_line(item) for item in items))

    def waiting(self) -> int:
        """None: a file has what was written."""
        return 0

    def reopen(self) -> None:
        """Every file is opened anew."""
        self.close()
        self._links.reopen()

    def close(self) -> None:
        """The end."""
        while self._files:
            self._files.popitem()[1].close()


def _line(item: OutputLine | Marker) -> bytes:
    time = rfc3339(item.at, local=True)
    if isinstance(item, Marker):
        return f"{time} [{item.kind.value}: {item.text}]\n".encode()
    return f"{time} ".encode() + plain_output(item.text) + b"\n"


def outlet(settings: SinkSettings) -> Outlet:
    """As the configuration has it; `target` is a directory."""
    return TextOutlet(Path(settings.target), time.monotonic)
