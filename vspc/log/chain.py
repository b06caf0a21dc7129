"""A chain of hashes over closed segments: a later change of what was kept shows.

Each closed segment adds a line of JSON to `log/chain`: its place in the chain, whose it is, the
SHA-256 of each `BLOCK` of its bytes and of its index, and the hash of the line before. The hash of
the last line is the head; it goes to the server's log, and so to wherever that is sent, every
minute: a changed segment needs a change of every line behind it, and does not fit the head
that is kept elsewhere. `vspc verify` follows it.
"""

import json
import os
from collections.abc import Iterator
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from vspc.common.files import Disk
from vspc.log.segments import Segment

FILE = "chain"

VERSION = 1

BLOCK = 64 * 1024
"""Bytes that have a hash of their own: so closely is a change found."""

LINE_LIMIT = 16 * 1024 * 1024
"""Bytes of a line."""


@frozen
class ChainLink:
    """One line: `number` from 1, and `head`, its own hash."""

    number: int
    head: str
    before: str
    console: str
    start: int
    end: int
    blocks: tuple[str, ...]
    index: str


class BrokenChain(ValueError):
    """A line that cannot be read or does not follow; the text says which."""


@define(eq=False)
class Chain:
    """The file in `root`; one thread adds to it."""

    root: Path
    disk: Disk
    number: int = field(default=0, init=False)
    head: str = field(default="", init=False)

    @property
    def path(self) -> Path:
        """Its file."""
        return self.root / FILE

    def open(self) -> str | None:
        """Find the end of the chain; what a crash left behind it is cut off. Raises OSError.

        A broken one is renamed and kept, and a new one begins; its new name is returned.
        """
        if not self.path.exists():
            return None
        good = 0
        try:
            for size, link in _lines(self.path):
                self.number, self.head, good = link.number, link.head, good + size
        except BrokenChain:
            with self.path.open("rb") as file:
                file.seek(good)
                torn = b"\n" not in file.read(LINE_LIMIT)
            if not torn:
                self.number, self.head = 0, ""
                aside = next(path for n in count(1) if not (path := self._aside(n)).exists())
                self.path.rename(aside)
                return str(aside)
            os.truncate(self.path, good)
        return None

    def _aside(self, number: int) -> Path:
        return self.root / f"{FILE}.broken-{number}"

    def add(self, segment: Segment, data: bytes, index: bytes) -> None:
        """Add a closed segment. Raises OSError, and then it is not in."""
        facts = {
            "version": VERSION,
            "number": self.number + 1,
            "before": self.head,
            "console": segment.directory.name,
            "start": segment.start,
            "end": segment.end,
            "index": sha256(index).hexdigest(),
            "blocks": blocks(data),
        }
        line = json.dumps(facts).encode()
        size = self.path.stat().st_size if self.path.exists() else 0
        descriptor = self.disk.append(self.path)
        try:
            self.disk.write(descriptor, line, b"\n")
            self.disk.sync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)
        self.number, self.head = self.number + 1, sha256(line).hexdigest()


def blocks(data: bytes) -> list[str]:
    """The hash of each `BLOCK` bytes."""
    return [sha256(data[at : at + BLOCK]).hexdigest() for at in range(0, len(data), BLOCK)]


def links(path: Path) -> Iterator[ChainLink]:
    """The lines of a chain, in order. Raises `BrokenChain` at the first that does not fit."""
    for _, link in _lines(path):
        yield link


def _lines(path: Path) -> Iterator[tuple[int, ChainLink]]:
    """Each with its size in bytes."""
    before: ChainLink | None = None
    with path.open("rb") as file:
        while line := file.readline(LINE_LIMIT):
            place = "the first line" if before is None else f"the line after number {before.number}"
            link = _read(line, place)
            if before is not None and (link.before, link.number) != (
                before.head,
                before.number + 1,
            ):
                raise BrokenChain(f"{place} does not follow from it")
            yield len(line), link
            before = link


def _read(line: bytes, place: str) -> ChainLink:
    try:
        facts: dict[str, Any] = json.loads(line)
        if facts["version"] != VERSION or not line.endswith(b"\n"):
            raise ValueError
        return ChainLink(
            int(facts["number"]),
            sha256(line[:-1]).hexdigest(),
            str(facts["before"]),
            bytes.fromhex(facts["console"]).hex(),
            int(facts["start"]),
            int(facts["end"]),
            tuple(map(str, facts["blocks"])),
            str(facts["index"]),
        )
    except (ValueError, KeyError, TypeError):
        raise BrokenChain(f"{place} is damaged") from None
