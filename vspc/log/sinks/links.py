"""Links to a sink's files by what VMs are called. No name is ever a path (law 6)."""

import os
from pathlib import Path
from urllib.parse import quote

from attrs import define, field

from vspc.console.identity import DEFAULT_ZONE
from vspc.console.logs import About

NAME_LIMIT = 200
"""Bytes of a link's name."""


@define(eq=False)
class Links:
    """Those in `directory`, to files beside it. A link that cannot be made harms no file."""

    directory: Path
    _made: dict[str, tuple[str, str]] = field(factory=dict, init=False)
    # Of each console that wrote: what its link should be called, and what it is called.
    _left: dict[str, list[str]] | None = field(default=None, init=False)
    # By target, links of an earlier process; None until somebody has looked.

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
        """Whether no namesake has it. One whose file is gone, and who says nothing, has not."""
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
