"""The segments that an earlier process left, found by their names and cut to what counts."""

import os
from pathlib import Path

from vspc.log.frames import UnknownVersion
from vspc.log.records import DATA
from vspc.log.segments import Segment, end_of, parse


def discover(directory: Path) -> list[Segment]:
    """The segments in `directory`, by offset; leftovers of a crash are swept away.

    Raises OSError; `UnknownVersion` if there is anything of another version.
    """
    names = set(os.listdir(directory))
    for name in [name for name in names if name.endswith(".new")]:
        (directory / name).unlink(missing_ok=True)
        names.discard(name)
    found = [closed(directory, name) for name in names if name.endswith(".seg.zst")]
    whole = [segment for segment in found if segment.paths[1].name in names]
    done = {segment.start for segment in whole}
    for name in sorted(name for name in names if name.endswith(".idx")):
        start = int(name[:-4]) if name[:-4].isdecimal() else None
        if start is None:
            raise UnknownVersion(f"{directory / name} is of an unknown version and is left alone")
        if start in done:  # compressed already, and the original not deleted any more
            Segment(directory, start, start, 0, 0).remove()
        else:
            whole.append(_reopened(directory, start))
    return sorted(whole, key=lambda segment: segment.start)


def closed(directory: Path, name: str) -> Segment:
    """The compressed segment whose bytes are in `name`. Raises `UnknownVersion`."""
    parts = name.removesuffix(".seg.zst").split("-")
    try:
        start, end, first, last = int(parts[0]), int(parts[1]), int(parts[2], 16), int(parts[3], 16)
    except (ValueError, IndexError):
        raise UnknownVersion(
            f"{directory / name} is of an unknown version and is left alone"
        ) from None
    segment = Segment(directory, start, end, first, last, closed=True, compressed=True)
    segment.size = end - start  # at most; gaps are not known before it is read
    for path in segment.paths:
        if path.exists():
            segment.index_size = path.stat().st_size
            segment.on_disk += segment.index_size
    return segment


def _reopened(directory: Path, start: int) -> Segment:
    """A segment that was not compressed yet, cut to what its index has."""
    segment = Segment(directory, start, start, 0, 0)
    bytes_path, index_path = segment.paths
    size = bytes_path.stat().st_size if bytes_path.exists() else 0
    index = parse(index_path.read_bytes(), size, str(index_path))
    for path, wanted in ((bytes_path, index.size), (index_path, index.index_size)):
        if path.exists() and path.stat().st_size > wanted:
            os.truncate(path, wanted)
    segment.size, segment.index_size = index.size, index.index_size
    segment.on_disk = index.size + index.index_size
    segment.serial = index.serial
    for entry in index.entries:
        segment.first = segment.first or entry.at
        segment.last = max(segment.last, entry.at)
        segment.said = max(segment.said, entry.at if entry.code == DATA else 0)
        segment.end = max(segment.end, end_of(entry))
    segment.unsynced = True
    return segment
