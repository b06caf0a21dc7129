"""A chain of hashes over closed segments: a later change of what was kept shows.

Each closed segment adds a line of JSON to `log/chain`: its place in the chain, whose it is, the
SHA-256 of each `BLOCK` of its bytes and of its index, and the hash of the line before. The hash of
the last line is the head; it goes to the server's log, and so to wherever that is sent, every
minute: a changed segment needs a change of every line behind it, and does not fit the head
that is kept elsewhere. `vspc verify` follows it (`verify`).

`examine` finds what is wrong with the files of all logs, without the chain. Neither changes any.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import zstandard
from attrs import define, field, frozen

from vspc.common.files import Disk
from vspc.log import description
from vspc.log.blocks import unpack, unpack_index
from vspc.log.description import BadDescription, Description
from vspc.log.index import read
from vspc.log.journal import Journal
from vspc.log.records import DATA, UnknownVersion
from vspc.log.recovery import recover
from vspc.log.segments import FoundSegments, Segment, discover

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
            "blocks": block_hashes(data),
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


def block_hashes(data: bytes) -> list[str]:
    """The hash of each `BLOCK` bytes."""
    whole = memoryview(data)
    return [sha256(whole[at : at + BLOCK]).hexdigest() for at in range(0, len(data), BLOCK)]


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
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise BrokenChain(f"{place} is damaged") from None


# Whether all is as it was written


@frozen
class LogProblem:
    """One thing; `segment` is the start of the segment that it is about, if it is about one."""

    directory: Path
    segment: int | None
    text: str


def examine(root: Path, deep: bool) -> list[LogProblem]:
    """All that is wrong in `root`; `deep`: every byte is read, else names, descriptions, and the
    indexes that are written now.

    A server may be running: what is not there any more at a second look was never wrong.
    """
    found: list[LogProblem] = []
    for directory in sorted((root / "consoles").glob("??/*")):
        problems = list(_examine_directory(directory, deep))
        if problems:
            again = set(_examine_directory(directory, deep))
            found += [problem for problem in problems if problem in again]
    problems = list(_examine_journal(root / "journal"))
    again = set(_examine_journal(root / "journal")) if problems else set()
    return found + [problem for problem in problems if problem in again]


def _examine_directory(directory: Path, deep: bool) -> Iterator[LogProblem]:
    try:
        found = discover(directory, sweep=False)
    except FileNotFoundError:
        return
    except OSError as error:
        yield LogProblem(directory, None, f"{directory}: {error.strerror}")
        return
    for text in (*found.notes, *found.unknown, *_examine_description(directory, found)):
        yield LogProblem(directory, None, text)
    for segment in found.segments:
        if segment.spare:
            what = f"{segment.spare} bytes of {segment.paths[0].name} are not in it"
            yield LogProblem(directory, segment.start, f"{segment.paths[1]}: {what}")
        elif segment.torn and segment.index_size:
            yield LogProblem(directory, segment.start, f"{segment.paths[1]}: its end is damaged")
        if deep:
            yield from _examine_segment(segment)


def _examine_description(directory: Path, found: FoundSegments) -> Iterator[str]:
    known: Description | None = None
    try:
        known = description.read(directory, directory.name[:16])
        if known is None:
            yield f"{directory / description.FILE}: it is missing"
    except (BadDescription, UnknownVersion) as error:
        yield str(error)
    except OSError as error:
        yield f"{directory / description.FILE}: {error.strerror}"
    if known is None or known.begins is None:
        return
    first = min((segment.start for segment in found.segments), default=None)
    if first is not None and known.begins < first:
        yield f"{directory}: nothing is there from offset {known.begins} to {first}"


def _examine_segment(segment: Segment) -> Iterator[LogProblem]:
    try:
        notes = recover(segment).notes
    except FileNotFoundError:  # it was deleted meanwhile
        return
    for text in notes:
        yield LogProblem(segment.directory, segment.start, text)


def _examine_journal(directory: Path) -> Iterator[LogProblem]:
    found: list[str] = []
    journal = Journal(directory, Disk(), lambda _event, what: found.append(what))
    for _ in journal.replay():
        pass
    found += [
        f"{path}: {count} bytes at its end are damaged" for path, count in journal.torn.items()
    ]
    if not journal.replayed and directory.parent.is_dir():
        found.append(f"{directory}: nothing is in it")
    for text in found:
        yield LogProblem(directory, None, text)


_HEAD = re.compile(r"number=([0-9]{1,18})\b.*?\bhead=([0-9a-f]{64})\b")


@frozen
class VerifyResult:
    """What was found: segments that are right, those no longer kept, and what is wrong."""

    right: int
    gone: int
    heads: int
    wrong: tuple[str, ...]


def verify(root: Path, recorded: Mapping[int, str] | None = None) -> VerifyResult:
    """Follow the chain in `root`; `recorded` has heads by number, from elsewhere. Raises OSError.

    What is wrong is named by console and offset, the first bad block of each segment.
    """
    right = gone = heads = 0
    wrong: list[str] = []
    named: set[tuple[str, int]] = set()  # segments that the chain says are wrong
    last = 0
    try:
        for link in links(root / FILE):
            last = link.number
            known = (recorded or {}).get(link.number)
            if known is not None and known != link.head:
                wrong.append(
                    f"the chain at number {link.number} is not the one whose head was sent"
                )
                break
            heads += known is not None
            problem = _verify_segment(root, link)
            if problem is None:
                right += 1
            elif problem:
                wrong.append(problem)
                named.add((link.console, link.start))
            else:
                gone += 1
    except BrokenChain as error:
        wrong.append(f"the chain is broken: {error}")
    except FileNotFoundError:
        pass
    if not (last or wrong) and next(root.glob("consoles/??/*/*.seg.zst"), None) is not None:
        wrong.append(f"{root / FILE}: it is missing or empty")
    later = max(recorded or {0: ""}) > last
    if later and not wrong:
        wrong.append(f"the chain ends at number {last}; heads of later ones were sent")
    wrong += [
        found.text
        for found in examine(root, deep=True)
        if found.segment is None or (found.directory.name[:16], found.segment) not in named
    ]
    return VerifyResult(right, gone, heads, tuple(wrong))


def _verify_segment(root: Path, link: ChainLink) -> str | None:
    """What is wrong with a segment; None if nothing is, "" if it is no longer kept."""
    directory = root / "consoles" / link.console[:2] / link.console
    name = f"{link.start:020d}"
    packed = sorted(directory.glob(f"{name}-{link.end:020d}-*.seg.zst"))
    path = packed[0] if packed else directory / f"{name}.seg"
    index_path = path.with_name(path.name.replace(".seg", ".idx"))
    try:
        data, index = path.read_bytes() if path.exists() else None, index_path.read_bytes()
    except FileNotFoundError:
        return "" if not path.exists() else f"{path}: its index is missing"
    try:
        if packed:
            found = unpack(data or b"")
            data = unpack_index(data or b"") if found is None else found.data
            index = unpack_index(index)
    except zstandard.ZstdError as error:
        return f"{path}: console {link.console} from offset {link.start}: {error}"
    if sha256(index).hexdigest() != link.index:
        return f"{index_path}: console {link.console}: the index is not what it was"
    return _first_difference(path, link, data or b"", index)


def _first_difference(path: Path, link: ChainLink, data: bytes, index: bytes) -> str | None:
    found = block_hashes(data)
    for number, wanted in enumerate(link.blocks):
        if number >= len(found) or found[number] != wanted:
            offset = _offset(index, number * BLOCK, str(path), link.start)
            return (
                f"{path}: console {link.console}: the first bad byte is at offset {offset} or in "
                f"the {BLOCK} behind it"
            )
    if len(found) > len(link.blocks):
        return f"{path}: console {link.console}: there is more than was written"
    return None


def _offset(index: bytes, place: int, name: str, start: int) -> int:
    """The console's offset of a place among a segment's bytes."""
    try:
        entries = list(read(index, name).entries)
    except UnknownVersion:
        return start + place
    for entry in entries:
        if entry.code == DATA and entry.place <= place < entry.place + entry.length:
            return entry.offset + place - entry.place
    return start + place


def recorded_heads(lines: Iterable[str]) -> dict[int, str]:
    """Heads by number in any text that holds the server's `log-chain` events."""
    found = {}
    for line in lines:
        match = _HEAD.search(line)
        if match is not None:
            found[int(match[1])] = match[2]
    return found
