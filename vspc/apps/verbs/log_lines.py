"""The output of `log`: exact bytes, safe text, with times, as JSON; and the search for lines."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from attrs import define, field

from vspc.apps.verbs.context import VerbContext, timestamp
from vspc.apps.verbs.grammar import JSON, Parsed
from vspc.apps.verbs.log_cursor import PIECE, ask, remembered
from vspc.apps.verbs.log_options import FOLLOW, GREP, RAW, TIMESTAMPS, by_line
from vspc.apps.verbs.stream_search import SearchPattern
from vspc.common.text import safe_output
from vspc.console.console import Console
from vspc.console.log_reading import OutputLine, OutputLines
from vspc.console.logs import Item, LogView, Marker, MarkerKind, Output
from vspc.net.waiting import sleep

# What may still become part of a character or of an escape sequence.
_UNFINISHED = re.compile(rb"\x1b[^A-Za-z~\x07\x1b]{0,64}$|[\xc2-\xf4][\x80-\xbf]{0,2}$")

_NO_CONSOLE: Mapping[str, str] = MappingProxyType({})


class LogFormat:
    """Turns items of a log into standard output. Where several logs are printed, `about` has facts
    about the console for JSON; its `console` comes before each line of text.
    """

    def __init__(
        self, parsed: Parsed, terminal: bool, about: Mapping[str, str] = _NO_CONSOLE
    ) -> None:
        self._json, self._raw = parsed.has(JSON), parsed.has(RAW)
        self._timestamps, self._by_line = parsed.has(TIMESTAMPS), by_line(parsed)
        self._grep = parsed.get(GREP)
        self._about = about
        self._name = f"{about['console']}: ".encode() if about else b""
        self._lines = OutputLines(self._by_line)
        self._end = b"\r\n" if terminal and not self._raw else b"\n"
        self._cut = -1  # where an unfinished line that was printed as one ended
        self._early: OutputLine | None = None  # what was shown of the line that is held
        self.matches = 0

    def feed(self, item: Item) -> Iterator[bytes]:
        """What `item` adds."""
        if isinstance(item, Marker):
            if self._json and self._grep is None:
                yield from self._flushed()
                yield self._json_marker(item)
        elif self._raw and self._grep is None:
            yield item.data
        else:
            for line in self._lines.feed(item):
                yield from self._shown(line)

    def pause(self) -> Iterator[bytes]:
        """Nothing more has come for now: a prompt is shown although its line goes on."""
        if not self._by_line:
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
        held = self._lines.unfinished if self._by_line else None
        return held is not None and held != self._early

    def late(self) -> Iterator[bytes]:
        """Nothing has come for a while: the unfinished line is shown as it is. What comes of it
        later is a line of its own; with `--grep`, which searches whole lines, it comes again.
        """
        if self._grep is None:
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
        early, self._early = self._early, None
        if early is not None and (line.offset, line.text) == (early.offset, early.text):
            return  # all of it was shown
        if self._grep is not None:
            if not _matches(self._grep, line):
                return
            self.matches += 1
        if self._json:
            yield self._json_line(line)
            return
        text = line.text if self._raw else safe_output(line.text)
        if self._timestamps:
            if text or line.offset != self._cut:  # else it is the end of a line that was shown
                yield self._name + f"{timestamp(line.at)} ".encode() + text + self._end
            return
        # Where only an unfinished line is left, it stays so: it is a prompt.
        whole = line.whole or self._grep is not None
        yield self._name + text + (self._end if whole else b"")

    def _json_line(self, line: OutputLine) -> bytes:
        text = safe_output(line.text).decode()
        facts: dict[str, Any] = {"offset": line.offset, "time": timestamp(line.at), "text": text}
        if not line.whole:
            facts["unfinished"] = True
        if line.offset == self._cut:
            facts["continued"] = True
        return json.dumps({**self._about, **facts}).encode() + b"\n"

    def _json_marker(self, marker: Marker) -> bytes:
        facts: dict[str, Any] = {
            "offset": marker.offset,
            "time": timestamp(marker.at),
            "marker": marker.kind.value,
            "text": marker.text,
        }
        if marker.end > marker.offset:
            facts["end"] = marker.end
        return json.dumps({**self._about, **facts}).encode() + b"\n"


def _matches(expression: SearchPattern, line: OutputLine) -> bool:
    """Whether a line, as it is shown, matches."""
    return expression.pattern.search(safe_output(line.text)) is not None


def _matching(expression: SearchPattern, items: Iterable[Item], lines: OutputLines) -> list[Item]:
    """The lines of `items` that match, each as the VM sent it, and gaps; runs in a thread."""
    found: list[Item] = []
    for item in items:
        if isinstance(item, Marker):
            found += [item] if item.kind is MarkerKind.GAP else []
            continue
        found.extend(
            Output(line.offset, line.at, line.text + b"\n")
            for line in lines.feed(item)
            if _matches(expression, line)
        )
    return found


SIFTED = 1024 * 1024
"""Bytes that are searched in one go."""

FOUND = 1000
"""Lines after which one go ends."""

SEARCHED = 4 * 1024 * 1024 * 1024
"""Bytes that one command searches."""


@define(eq=False)
class LogSearch:
    """Searches the log of one console piece by piece, in the thread that reads it; what the log
    cannot give now is searched in memory.

    `searched` are bytes that this command has searched, in other logs too; `offset` is how far it
    is. `ended`: all of it was searched, or `is_over_limit`: more than `SEARCHED` would be. With
    `follow` an unfinished line at the end is left for what follows.
    """

    _context: VerbContext
    _console: Console
    _parsed: Parsed
    offset: int
    _end: int
    searched: int = 0
    ended: bool = field(default=False, init=False)
    is_over_limit: bool = field(default=False, init=False)

    async def next(self) -> list[Item]:
        """The lines of the next piece that match, and gaps; in a new turn of the reactor."""
        await sleep(self._context.clock, 0)
        answer = await ask(self._context, self._console, self._look)
        if answer is None:  # the disk does not answer: memory may have it
            answer = self._look(remembered(self._console))
        found, at, self.ended = answer
        self.searched += at - self.offset
        self.offset = at
        self.is_over_limit = not self.ended and self.searched >= SEARCHED
        self.ended = self.ended or self.is_over_limit
        return found

    def _look(self, kept: LogView) -> tuple[list[Item], int, bool]:
        """What was found, where to go on, and whether that is the end."""
        expression = self._parsed.get(GREP)
        assert expression is not None
        at, ended, found, lines = self.offset, False, list[Item](), OutputLines(returns=True)
        while not (ended or kept.cancelled) and at - self.offset < SIFTED and len(found) < FOUND:
            page = kept.read(at, PIECE, self._end)
            found += _matching(expression, page.items, lines)
            at, ended = page.next, page.ended
        if self._parsed.has(FOLLOW) if ended else at > self.offset + lines.pending:
            at -= lines.pending  # an unfinished line is read again
        else:
            found += [
                Output(line.offset, line.at, line.text)
                for line in lines.flush()
                if _matches(expression, line)
            ]
        return found, at, ended
