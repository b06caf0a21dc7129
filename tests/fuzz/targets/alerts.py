"""What looks at the output of VMs for alerts, and the files of alerts and panics."""

import json
import tempfile
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path

from attrs import evolve

from tests.fuzz.target import Choices, Target, same
from vspc.alerts.matching import FoundLine, LineMatcher, PatternSet, Piece
from vspc.alerts.queue import AlertQueue
from vspc.config.alerting import BUILT_IN
from vspc.console.logs import Item, Marker, MarkerKind, Output
from vspc.console.panics import PanicRecord
from vspc.log.panic_file import MAGIC, PanicView, pack, read_facts, unpack
from vspc.log.records import MalformedRecord, pack_frame

_NAMED = PanicRecord("0123456789abcdef", 1, 0.0, "", "", 0)

_LINES = (
    b"[    1.0] Kernel panic - not syncing: x\r\n",
    b"\x1b[1;31m*** STOP: 0x0000007B\x1b[0m (0x0)\r\n\xc3\xa4\x1b]0;panic: x\x07\r\n",
    b"BUG: unable to handle \rOops: 0002 [#1]\n",
)


@cache
def _patterns() -> PatternSet:
    return PatternSet(list(BUILT_IN.values()))


def _fed(pieces: list[bytes]) -> list[FoundLine]:
    matcher, found, at = LineMatcher(_patterns()), list[FoundLine](), 0
    for data in pieces:
        found += matcher.feed(Piece("x", at, data, frozenset(range(len(BUILT_IN)))))
        at += len(data)
    return found + matcher.end("x")


def _lines(data: bytes) -> None:
    """Any cut finds the same, in lines of a size that are not looked at in parts."""
    cut = data[0] if data else 0
    pieces = [data[at : at + cut + 1] for at in range(0, len(data), cut + 1)]
    same(_fed(pieces), _fed([data]), "what is found")


def _panic(data: bytes) -> None:
    """A file as it is, and as its writer would have made it of these frames."""
    choices, whole = Choices(data), MAGIC
    while choices:
        whole += pack_frame(choices.take(choices.byte()))
    for each in (data, MAGIC + data, whole):
        with suppress(MalformedRecord):
            read_facts(each, _NAMED)
            view = PanicView(unpack(each, _NAMED))
            view.read(view.start, 100)
            view.read(view.end // 2, 1 << 20, view.end)
            view.since(1.0)
            view.last_lines(2, 100)


def _queued(data: bytes) -> None:
    """A file in the queue, with a checksum that is right."""
    with tempfile.TemporaryDirectory() as directory:
        checked = f"{zlib.crc32(data):08x}\n".encode() + data
        (Path(directory) / "1.json").write_bytes(checked)
        told = list[str]()
        queue = AlertQueue(
            Path(directory),
            lambda call: call(),
            lambda call: call(),
            lambda event, _facts: told.append(event),
        )
        queue.load(["a"])
        item = queue.first("a")
        if item is not None:
            item.at + 1.0
            queue.done(item)
        same(list(Path(directory).iterdir()), [], "what is left")


_QUEUED = json.dumps({"at": 1.5, "facts": {"id": "1", "alert": "a"}}).encode()

_TOKENS = (b"[" * 3000, b"Infinity", b"1e999", b"NaN", b"-1", b"null", b'"1"', b"{}", b"9" * 30)


def _panic_files() -> tuple[bytes, ...]:
    items: list[Item] = [Output(5, 1.0, b"one\ntwo\n"), Marker(13, 1.0, MarkerKind.NOTE, "n", 13)]
    record = evolve(_NAMED, at=1.0, pattern="panic", line="x", offset=5, start=5, end=13)
    facts = b'{"at":1.0,"pattern":"p","line":"l","offset":1,"start":1,"end":2}'
    return pack(record, items), bytes((len(facts),)) + facts


TARGETS = (
    Target("alert-lines", _lines, lambda: _LINES, (b"\x1b]", b"\x1b[", b"\r", b"panic: "), 4000),
    Target("alert-queue-file", _queued, lambda: (_QUEUED,), _TOKENS, 4096),
    Target("panic-file", _panic, _panic_files, (*_TOKENS, b"\xf5vf\n"), 4096),
)
