"""How far an outlet is: its cursors on disk, writes that may be lost yet, markers that it has.

The file of a sink is `{"version": 1, "cursors": {ID: OFFSET}}`: where it stands in each log.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from vspc.common.files import Disk
from vspc.console.log_reading import OutputLine, OutputLines
from vspc.console.logs import LogPage, Marker


@define(eq=False)
class SentMarkers:
    """The markers that the outlet has at the last offset of each console that had any: what is
    read again from there has them again.
    """

    _at: dict[str, tuple[int, set[Marker]]] = field(factory=dict, init=False)

    def is_new(self, console_id: str, marker: Marker) -> bool:
        """Whether the outlet has not got it."""
        offset, seen = self._at.get(console_id, (-1, set[Marker]()))
        return marker.offset > offset or (marker.offset == offset and marker not in seen)

    def add(self, console_id: str, items: Iterable[OutputLine | Marker]) -> None:
        """It has got these."""
        for item in items:
            if isinstance(item, Marker):
                offset, seen = self._at.get(console_id, (-1, set[Marker]()))
                if item.offset != offset:
                    seen = set()
                seen.add(item)
                self._at[console_id] = (item.offset, seen)

    def forget(self, console_id: str) -> None:
        """It gets them again."""
        self._at.pop(console_id, None)


@define(eq=False)
class UnconfirmedWrites:
    """Writes that may be lost yet, in order: whose, and where that console goes on if they are."""

    _writes: deque[tuple[str, int]] = field(factory=deque, init=False)

    def add(self, console_id: str, start: int) -> None:
        """One more."""
        self._writes.append((console_id, start))

    def keep(self, last: int) -> None:
        """All but the `last` are where they belong."""
        while len(self._writes) > last:
            self._writes.popleft()

    def clear(self) -> set[str]:
        """They are taken back; whose they were."""
        whose = {console_id for console_id, _ in self._writes}
        self._writes.clear()
        return whose

    def before(self, cursors: Mapping[str, int]) -> dict[str, int]:
        """`cursors` as they are if all of these are lost."""
        sure = dict(cursors)
        for console_id, start in self._writes:
            if console_id in sure:
                sure[console_id] = min(start, sure[console_id])
        return sure

    def __bool__(self) -> bool:
        return bool(self._writes)


def assemble(
    page: LogPage, is_new: Callable[[Marker], bool]
) -> tuple[list[OutputLine | Marker], OutputLines]:
    """Lines and new markers in order, and what there is of an unfinished line."""
    lines, items = OutputLines(), list[OutputLine | Marker]()
    for item in page.items:
        if not isinstance(item, Marker):
            items += lines.feed(item)
        elif is_new(item):
            items += lines.flush()
            items.append(item)
    return items, lines


VERSION = 1


class BadCursors(Exception):
    """The file cannot be read, or makes no sense; the text says what became of it."""


def load(path: Path) -> dict[str, int] | None:
    """Offsets by console; None if there is no file.

    Raises `BadCursors`. A file that makes no sense is renamed: it may be of a newer version.
    """
    try:
        facts = json.loads(path.read_bytes())
        if facts["version"] != VERSION:
            raise ValueError(f"version {facts['version']}")
        return {key: _offset(value) for key, value in facts["cursors"].items()}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadCursors(error.strerror or "it cannot be read") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        aside = path.with_name(path.name + ".damaged")
        with suppress(OSError):
            path.replace(aside)
        raise BadCursors(f"it is kept as {aside}") from None


def _offset(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value


def save(disk: Disk, path: Path, cursors: Mapping[str, int]) -> None:
    """Put them there in one step. Raises OSError."""
    disk.make(path.parent)
    disk.replace(path, json.dumps({"version": VERSION, "cursors": dict(cursors)}).encode())
