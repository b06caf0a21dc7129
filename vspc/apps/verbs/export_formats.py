"""The formats of `export`: exact bytes, text, and asciicast version 2 for `asciinema play` and web
players.

asciicast (https://docs.asciinema.org/manual/asciicast/v2/) is a line of JSON with the size of the
terminal, and one for each event. Output of a VM is bytes and an asciicast is text, so what is not
UTF-8 becomes U+FFFD; `--format raw` has the exact bytes. All is ASCII, other characters are
escaped: nothing in the file acts on a terminal on which it is printed.
"""

import codecs
import json
from collections.abc import Iterator
from typing import Protocol

from attrs import define, field

from vspc.common.text import safe, safe_output
from vspc.console.echo import typed_text
from vspc.console.log_reading import OutputLines
from vspc.console.logs import Item, Marker, MarkerKind, Output

SETBACK = 1.0
"""Seconds by which the time must go back to be a clock that was set; by less it stands still."""


class Format(Protocol):
    """How items become bytes."""

    def feed(self, item: Item) -> Iterator[bytes]:
        """What `item` adds."""

    def end(self) -> Iterator[bytes]:
        """The last of it."""


class RawFormat:
    """The exact bytes of the VM."""

    def feed(self, item: Item) -> Iterator[bytes]:
        """Output only."""
        if isinstance(item, Output):
            yield item.data

    def end(self) -> Iterator[bytes]:
        """Nothing is held back."""
        yield from ()


class TextFormat:
    """Text and colours; markers in brackets on lines of their own."""

    def __init__(self) -> None:
        self._lines = OutputLines()

    def feed(self, item: Item) -> Iterator[bytes]:
        """Whole lines."""
        if isinstance(item, Marker):
            yield from self.end()
            yield f"[{item.kind.value}: {item.text}]\n".encode()
            return
        for line in self._lines.feed(item):
            yield safe_output(line.text) + b"\n"

    def end(self) -> Iterator[bytes]:
        """The unfinished line."""
        for line in self._lines.flush():
            yield safe_output(line.text) + b"\n"


@define(eq=False)
class Cast:
    """One recording, a line of JSON for its header and for each event.

    `width` and `height` are of the terminal, in characters; `started` is seconds since 1970, for a
    recording without items. Times of events are seconds since the first item and never go back:
    where the server's clock was set back the recording continues from the same moment.
    """

    width: int
    height: int
    title: str
    started: float
    _has_begun: bool = field(default=False, init=False)
    _decoder: codecs.IncrementalDecoder = field(init=False)
    _offset: int | None = field(default=None, init=False)  # of what should come next
    _before: float | None = field(default=None, init=False)  # the time of the last event, as logged
    _elapsed: float = field(default=0.0, init=False)  # the same in the recording

    def __attrs_post_init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def _header(self, started: float) -> Iterator[bytes]:
        """The first line, once."""
        if self._has_begun:
            return
        self._has_begun = True
        facts = {
            "version": 2,
            "width": self.width,
            "height": self.height,
            "timestamp": int(started),
            "title": safe(self.title),
        }
        yield f"{json.dumps(facts)}\n".encode()

    def feed(self, item: Item) -> Iterator[bytes]:
        """What `item` adds: output, or a marker (`pen: alice types`), which players show.

        A character that is cut between two pieces of output comes with the second; if something
        is missing between them, or they are the last, its beginning is one U+FFFD. A marker of
        `MarkerKind.INPUT` that has what was typed is an event of input.
        """
        yield from self._header(item.at or self.started)
        if item.offset != self._offset:
            yield from self.end()
        self._pass(item.at)
        if isinstance(item, Output):
            self._offset = item.end
            yield from self._output(self._decoder.decode(item.data))
        else:
            yield from self._marker(item)

    def end(self) -> Iterator[bytes]:
        """The last of it: the beginning of a character that never came whole."""
        yield from self._header(self.started)
        yield from self._output(self._decoder.decode(b"", True))

    def _marker(self, marker: Marker) -> Iterator[bytes]:
        if marker.kind is MarkerKind.GAP:
            yield from self.end()
        self._offset = marker.end
        typed = typed_text(marker.text) if marker.kind is MarkerKind.INPUT else None
        if typed is None:
            yield self._event("m", f"{marker.kind.value}: {marker.text}")
        else:
            yield self._event("i", typed)

    def _output(self, text: str) -> Iterator[bytes]:
        if text:
            yield self._event("o", text)

    def _event(self, code: str, text: str) -> bytes:
        return f'[{self._elapsed:.6f}, "{code}", {json.dumps(text)}]\n'.encode()

    def _pass(self, at: float) -> None:
        """It is `at` now; 0 is an unknown time."""
        if at <= 0:
            return
        before = at if self._before is None else self._before
        self._elapsed += max(0.0, at - before)
        self._before = at if at >= before or before - at >= SETBACK else before
