"""The log of a console as an asciicast, version 2, for `asciinema play` and web players.

The format is at https://docs.asciinema.org/manual/asciicast/v2/: a line of JSON with the size
of the terminal, and one for each event. Output of a VM is bytes and an asciicast is text, so
what is not UTF-8 becomes U+FFFD; `--format raw` has the exact bytes. All is ASCII, other characters
are escaped: nothing in the file acts on a terminal on which it is printed.
"""

import codecs
import json
from collections.abc import Iterator

from attrs import define, field

from vspc.common.text import safe
from vspc.console.echo import typed_text
from vspc.console.logs import Item, Marker, MarkerKind, Output

SETBACK = 1.0
"""Seconds by which the time must go back to be a clock that was set; by less it stands still."""


@define(eq=False)
class Cast:
    """One recording: `header`, then `feed` with each item in order, then `end`; all give lines.

    `width` and `height` are of the terminal, in characters; `started` is seconds since 1970. Times
    of events are seconds since the first item and never go back: where the server's clock was set
    back the recording goes on from the same moment, at the pace at which things happened.
    """

    width: int
    height: int
    title: str
    started: float
    _decoder: codecs.IncrementalDecoder = field(init=False)
    _offset: int | None = field(default=None, init=False)  # of what should come next
    _before: float | None = field(default=None, init=False)  # the time of the last event, as logged
    _elapsed: float = field(default=0.0, init=False)  # the same in the recording

    def __attrs_post_init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def header(self) -> str:
        """The first line."""
        facts = {
            "version": 2,
            "width": self.width,
            "height": self.height,
            "timestamp": int(self.started),
            "title": safe(self.title),
        }
        return json.dumps(facts) + "\n"

    def feed(self, item: Item) -> Iterator[str]:
        """What `item` adds: output, or a marker (`pen: alice types`), which players show.

        A character that is cut between two pieces of output comes with the second; if something
        is missing between them, or they are the last, its beginning is one U+FFFD. A marker of
        `MarkerKind.INPUT` that has what was typed is an event of input.
        """
        if item.offset != self._offset:
            yield from self.end()
        self._pass(item.at)
        if isinstance(item, Output):
            self._offset = item.end
            yield from self._output(self._decoder.decode(item.data))
        else:
            yield from self._marker(item)

    def end(self) -> Iterator[str]:
        """The last of it: the beginning of a character that never came whole."""
        yield from self._output(self._decoder.decode(b"", True))

    def _marker(self, marker: Marker) -> Iterator[str]:
        if marker.kind is MarkerKind.GAP:
            yield from self.end()
        self._offset = marker.end
        typed = typed_text(marker.text) if marker.kind is MarkerKind.INPUT else None
        if typed is None:
            yield self._event("m", f"{marker.kind.value}: {marker.text}")
        else:
            yield self._event("i", typed)

    def _output(self, text: str) -> Iterator[str]:
        if text:
            yield self._event("o", text)

    def _event(self, code: str, text: str) -> str:
        return f'[{self._elapsed:.6f}, "{code}", {json.dumps(text)}]\n'

    def _pass(self, at: float) -> None:
        """It is `at` now. A time of 0 is that of something of which it is not known."""
        if at <= 0:
            return
        before = at if self._before is None else self._before
        self._elapsed += max(0.0, at - before)
        self._before = at if at >= before or before - at >= SETBACK else before
