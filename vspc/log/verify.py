"""Whether the logs are as they were written: every closed segment against the chain of hashes.

`examine` finds what is wrong with the files of all logs, without the chain. Nothing is changed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import zstandard
from attrs import frozen

from vspc.common.files import Disk
from vspc.log import description
from vspc.log.blocks import unpack as unpack_blocks
from vspc.log.blocks import unpack_index
from vspc.log.chain import BLOCK, FILE, BrokenChain, ChainLink, blocks, links
from vspc.log.description import BadDescription, Description
from vspc.log.index import read
from vspc.log.journal import Journal
from vspc.log.records import DATA, UnknownVersion
from vspc.log.recovery import recover
from vspc.log.segments import FoundSegments, Segment, discover


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
            found = unpack_blocks(data or b"")
            data = unpack_index(data or b"") if found is None else found.data
            index = unpack_index(index)
    except zstandard.ZstdError as error:
        return f"{path}: console {link.console} from offset {link.start}: {error}"
    if sha256(index).hexdigest() != link.index:
        return f"{index_path}: console {link.console}: the index is not what it was"
    return _first_difference(path, link, data or b"", index)


def _first_difference(path: Path, link: ChainLink, data: bytes, index: bytes) -> str | None:
    found = blocks(data)
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
