"""A log as its reader wants it: exact bytes, safe text, with times, as JSON, what matches only."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from vspc.apps.verbs.context import timestamp
from vspc.apps.verbs.log_options import LogOptions
from vspc.common.text import safe_output
from vspc.console.logs import Item, Marker, MarkerKind, Output
from vspc.console.output_lines import OutputLine, OutputLines

# What may still become part of a character or of an escape sequence.
_UNFINISHED = re.compile(rb"\x1b[^A-Za-z~\x07\x1b]{0,64}$|[\xc2-\xf4][\x80-\xbf]{0,2}$")

_NOBODYS: Mapping[str, str] = MappingProxyType({})


class Printed:
    """Turns items into what goes to standard output. Where several logs are printed, `whose` says
    of which console it is: facts for JSON, of which `console` comes before each line of text.
    """

    def __init__(
        self, wanted: LogOptions, terminal: bool, whose: Mapping[str, str] = _NOBODYS
    ) -> None:
        self._wanted = wanted
        self._whose = whose
        self._name = f"{whose['console']}: ".encode() if whose else b""
        self._lines = OutputLines(wanted.by_line)
        self._end = b"\r\n" if terminal and not wanted.raw else b"\n"
        self._cut = -1  # where an unfinished line that was printed as one ended
        self._early: OutputLine | None = None  # what was shown of the line that is held
        self.matches = 0

    def feed(self, item: Item) -> Iterator[bytes]:
        """What `item` adds."""
        if isinstance(item, Marker):
            if self._wanted.json and self._wanted.grep is None:
                yield from self._flushed()
                yield self._json_marker(item)
        elif self._wanted.raw and self._wanted.grep is None:
            yield item.data
        else:
            for line in self._lines.feed(item):
                yield from self._shown(line)

    def pause(self) -> Iterator[bytes]:
        """Nothing more has come for now: a prompt is shown although its line goes on."""
        if not self._wanted.by_line:
            for line in self._lines.flush():
                kept = _UNFINISHED.search(line.text)
                text = line.text if kept is None else line.text[: kept.start()]
                if text:
                    yield safe_output(text)
                if kept is not None:
                    held = line.text[kept.start() :]
                    list(self._lines.feed(Output(line.end - len(held), line.at, held)))

    @property
    def waits(self) -> bool:
        """Whether there is a part of a line that `late` would show."""
        held = self._lines.unfinished if self._wanted.by_line else None
        return held is not None and held != self._early

    def late(self) -> Iterator[bytes]:
        """Nothing has come for a while: the unfinished line is shown as it is. What comes of it
        later is a line of its own; with `--grep`, which searches whole lines, it comes again.
        """
        if self._wanted.grep is None:
            yield from self._flushed()
            return
        held = self._lines.unfinished
        if held is not None:
            yield from self._shown(held)
            self._early = held

    def end(self) -> Iterator[bytes]:
        """The last of it."""
        yield from self._flushed()

    def _flushed(self) -> Iterator[bytes]:
        for line in self._lines.flush():
            yield from self._shown(line)
            if not line.whole:
                self._cut = line.end

    def _shown(self, line: OutputLine) -> Iterator[bytes]:
        wanted, early, self._early = self._wanted, self._early, None
        if early is not None and (line.offset, line.text) == (early.offset, early.text):
            return  # all of it was shown
        if wanted.grep is not None:
            if not matches(wanted.grep, line):
                return
            self.matches += 1
        if wanted.json:
            yield self._json_line(line)
            return
        text = line.text if wanted.raw else safe_output(line.text)
        if wanted.timestamps:
            if text or line.offset != self._cut:  # else it is the end of a line that was shown
                yield self._name + f"{timestamp(line.at)} ".encode() + text + self._end
            return
        # Where only an unfinished line is left, it stays so: it is a prompt.
        whole = line.whole or wanted.grep is not None
        yield self._name + text + (self._end if whole else b"")

    def _json_line(self, line: OutputLine) -> bytes:
        text = safe_output(line.text).decode()
        facts: dict[str, Any] = {"offset": line.offset, "time": timestamp(line.at), "text": text}
        if not line.whole:
            facts["unfinished"] = True
        if line.offset == self._cut:
            facts["continued"] = True
        return json.dumps({**self._whose, **facts}).encode() + b"\n"

    def _json_marker(self, marker: Marker) -> bytes:
        facts: dict[str, Any] = {
            "offset": marker.offset,
            "time": timestamp(marker.at),
            "marker": marker.kind.value,
            "text": marker.text,
        }
        if marker.end > marker.offset:
            facts["end"] = marker.end
        return json.dumps({**self._whose, **facts}).encode() + b"\n"


def matches(expression: Any, line: OutputLine) -> bool:
    """Whether a line, as it is shown, matches."""
    return expression.search(safe_output(line.text)) is not None


def sift(expression: Any, items: Iterable[Item], lines: OutputLines) -> list[Item]:
    """Only the lines of `items` that match, each as it was said, and gaps; in a reader's thread."""
    found: list[Item] = []
    for item in items:
        if isinstance(item, Marker):
            found += [item] if item.kind is MarkerKind.GAP else []
            continue
        found.extend(
            Output(line.offset, line.at, line.text + b"\n")
            for line in lines.feed(item)
            if matches(expression, line)
        )
    return found
