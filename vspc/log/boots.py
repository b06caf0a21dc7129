"""Where a boot begins: output by which firmware or a kernel shows that it starts.

Found when bytes move to a segment, in runs, so that it costs little a byte; the marker stands at
the beginning of the line that shows it.
"""

import re2
from attrs import define, field

from vspc.common.text import safe_output
from vspc.console import log_reading
from vspc.console.logs import MarkerKind
from vspc.log.records import DATA, Record, marker

TAIL = 256
"""Bytes of an unfinished line that are looked at again with what follows."""


def compiled(pattern: str) -> "re2._Regexp":
    """`pattern`, which the configuration has checked, for bytes."""
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(pattern.encode(), options)


@define(eq=False)
class BootDetector:
    """Finds the lines that match `patterns`; keeps the tail of each console's unfinished line."""

    patterns: tuple[str, ...] = ()
    booted: set[bytes] = field(factory=set)  # consoles that ever had such a line
    _compiled: list["re2._Regexp"] = field(init=False)
    _any: "re2._Regexp | None" = field(init=False)
    _tails: dict[bytes, tuple[int, bytes]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._compiled = [compiled(pattern) for pattern in self.patterns]
        whole = "|".join(f"(?:{pattern})" for pattern in self.patterns)
        self._any = compiled(whole) if self.patterns else None

    def mark(self, console: bytes, batch: list[Record], joined: bytes) -> list[Record]:
        """`batch`, whose output is `joined`, with a marker before each line that begins a boot."""
        if self._any is None:
            return batch
        offset, tail = self._tails.pop(console, (-1, b""))
        first = next((record.offset for record in batch if record.code == DATA), None)
        if first is None:
            if tail:
                self._tails[console] = (offset, tail)
            return batch
        if offset + len(tail) != first:
            tail = b""
        joined = tail + joined if tail else joined
        found = self._any.search(joined) is not None
        last = next(record for record in reversed(batch) if record.code == DATA)
        rest = joined[-TAIL:].rpartition(b"\n")[2]
        self._tails[console] = (last.end - len(rest), rest)
        return self._marked(console, batch, tail) if found else batch

    def _marked(self, console: bytes, batch: list[Record], tail: bytes) -> list[Record]:
        self.booted.add(console)
        marked: list[Record] = []
        for record in batch:
            if record.code != DATA:
                marked.append(record)
                tail = b""
                continue
            marked += self._split(console, record, tail)
            tail = (tail + record.payload)[-TAIL:].rpartition(b"\n")[2]
        return marked

    def _split(self, console: bytes, record: Record, tail: bytes) -> list[Record]:
        """`record` in pieces, each line that matches with a marker in front of it."""
        assert self._any is not None
        text = tail + record.payload
        pieces: list[Record] = []
        done = 0  # of the record's payload
        at = 0  # in text
        while (match := self._any.search(text, at)) is not None:
            begin = max(text.rfind(b"\n", 0, match.start()) + 1 - len(tail), done)
            end = text.find(b"\n", match.end())
            at = len(text) if end < 0 else end
            if match.end() <= len(tail):  # it was there before, and has its marker
                at = max(at, match.end()) if end >= 0 else len(text)
                continue
            if begin > done:
                pieces.append(_piece(record, done, begin))
            offset = record.offset + begin
            shown = self._text(text[match.start() : max(at, match.end())])
            pieces.append(marker(MarkerKind.BOOT, console, offset, record.at, shown))
            done = begin
        pieces.append(_piece(record, done, len(record.payload)))
        return [piece for piece in pieces if piece.code != DATA or piece.payload]

    def _text(self, line: bytes) -> str:
        """The stage of a boot that `line` belongs to, and the line (`vspc.console.log_reading`)."""
        stage = next((n for n, e in enumerate(self._compiled, 1) if e.search(line)), 1)
        return log_reading.boot_text(stage, safe_output(line).strip())

    def forget(self, console: bytes) -> None:
        """No output of `console` is expected: its last line is not looked at again."""
        self._tails.pop(console, None)


def _piece(record: Record, start: int, end: int) -> Record:
    return record._replace(offset=record.offset + start, payload=record.payload[start:end])
