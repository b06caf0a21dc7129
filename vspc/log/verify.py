"""Whether the logs are as they were written: every closed segment against the chain of hashes."""

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

import zstandard
from attrs import frozen

from vspc.log.blocks import unpack as unpack_blocks
from vspc.log.blocks import unpack_index
from vspc.log.chain import BLOCK, FILE, BrokenChain, ChainLink, blocks, links
from vspc.log.examine import examine
from vspc.log.frames import UnknownVersion
from vspc.log.index import read
from vspc.log.records import DATA

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
            complaint = _segment(root, link)
            if complaint is None:
                right += 1
            elif complaint:
                wrong.append(complaint)
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


def _segment(root: Path, link: ChainLink) -> str | None:
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
            data, index = _unpacked(data or b""), unpack_index(index)
    except zstandard.ZstdError as error:
        return f"{path}: console {link.console} from offset {link.start}: {error}"
    if sha256(index).hexdigest() != link.index:
        return f"{index_path}: console {link.console}: the index is not what it was"
    return _first_difference(path, link, data or b"", index)


def _unpacked(data: bytes) -> bytes:
    """The bytes of a segment; zeros where they are damaged."""
    found = unpack_blocks(data)
    if found is None:
        return unpack_index(data)
    joined = bytearray(max((run.place + len(run.data) for run in found.runs), default=0))
    for run in found.runs:
        joined[run.place : run.place + len(run.data)] = run.data
    return bytes(joined)


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
