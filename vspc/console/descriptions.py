"""What operators have written about consoles: descriptions, and the last note. Pure, bounded.

They are kept by the id of the console, so that they are there again when an away console that left
the list comes back, and after a restart (`keep`).
"""

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from attrs import evolve, frozen

LENGTH = 200
"""Characters of a description, and of a note that is kept here."""

COUNT = 20_000
"""Consoles with one."""

TOTAL = 4 << 20
"""Bytes of all of them together, as JSON has them."""


@frozen
class ConsoleText:
    """Both of one console; empty where there is none. As they were typed: not display-safe."""

    description: str = ""
    note: str = ""

    def __bool__(self) -> bool:
        return bool(self.description or self.note)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return len(json.dumps([self.description, self.note]))


_NOTHING = ConsoleText()


async def _not_kept() -> str:
    return ""


class Descriptions:
    """Those of all consoles. `keep` writes them to the disk, and returns why it failed, or ""."""

    def __init__(self, keep: Callable[[], Awaitable[str]] = _not_kept) -> None:
        self._keep = keep
        self._texts: OrderedDict[str, ConsoleText] = OrderedDict()
        self._size = 0

    def of(self, console_id: str) -> ConsoleText:
        """Both of a console."""
        return self._texts.get(console_id, _NOTHING)

    def describe(self, console_id: str, text: str) -> bool:
        """Set the description, of `LENGTH` characters at most; an empty one removes it. False:
        there are too many of them.
        """
        return self._put(console_id, evolve(self.of(console_id), description=text))

    def note(self, console_id: str, text: str) -> None:
        """`text` is the last note now. Where there are too many texts, it is not kept."""
        self._put(console_id, evolve(self.of(console_id), note=text[:LENGTH]))

    def _put(self, console_id: str, text: ConsoleText) -> bool:
        before = self.of(console_id)
        size = self._size - (before.size if before else 0) + (text.size if text else 0)
        more = bool(text) and not before
        if size > max(TOTAL, self._size) or len(self._texts) + more > COUNT:
            return False
        self._size = size
        self._texts.pop(console_id, None)
        if text:
            self._texts[console_id] = text
        return True

    async def keep(self) -> str:
        """Write them; why that failed, or ""."""
        return await self._keep()

    # For a file

    def as_value(self) -> dict[str, list[str]]:
        """All of them, as JSON values."""
        return {each: [text.description, text.note] for each, text in self._texts.items()}

    def restore(self, value: Any) -> bool:
        """Take up what `as_value` gave, within the limits. False: something else was in it, which
        is left out.
        """
        if not isinstance(value, dict):
            return False
        found = {each: _text(texts) for each, texts in value.items() if len(each) <= LENGTH}
        for console_id, text in found.items():
            if text is not None:
                self._put(console_id, text)
        return len(found) == len(value) and None not in found.values()


def _text(value: Any) -> ConsoleText | None:
    match value:
        case [str(description), str(note)]:
            return ConsoleText(description[:LENGTH], note[:LENGTH])
    return None
