"""What is wrong with the files of all logs, without a change to any of them."""

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from vspc.common.files import Disk
from vspc.log import description
from vspc.log.description import BadDescription, Description
from vspc.log.discovery import FoundSegments, discover
from vspc.log.frames import UnknownVersion
from vspc.log.journal import Journal
from vspc.log.recovery import recover
from vspc.log.segments import Segment


@frozen
class Complaint:
    """One thing; `segment` is the start of the segment that it is about, if it is about one."""

    directory: Path
    segment: int | None
    text: str


def examine(root: Path, deep: bool) -> list[Complaint]:
    """All that is wrong in `root`; `deep`: every byte is read, else names, descriptions, and the
    indexes that are written now.

    A server may be running: what is not there any more at a second look was never wrong.
    """
    found: list[Complaint] = []
    for directory in sorted((root / "consoles").glob("??/*")):
        complaints = list(_directory(directory, deep))
        if complaints:
            again = set(_directory(directory, deep))
            found += [complaint for complaint in complaints if complaint in again]
    complaints = list(_journal(root / "journal"))
    again = set(_journal(root / "journal")) if complaints else set()
    return found + [complaint for complaint in complaints if complaint in again]


def _directory(directory: Path, deep: bool) -> Iterator[Complaint]:
    try:
        found = discover(directory, sweep=False)
    except FileNotFoundError:
        return
    except OSError as error:
        yield Complaint(directory, None, f"{directory}: {error.strerror}")
        return
    for text in (*found.notes, *found.unknown, *_description(directory, found)):
        yield Complaint(directory, None, text)
    for segment in found.segments:
        if segment.spare:
            what = f"{segment.spare} bytes of {segment.paths[0].name} are not in it"
            yield Complaint(directory, segment.start, f"{segment.paths[1]}: {what}")
        elif segment.torn and segment.index_size:
            yield Complaint(directory, segment.start, f"{segment.paths[1]}: its end is damaged")
        if deep:
            yield from _segment(segment)


def _description(directory: Path, found: FoundSegments) -> Iterator[str]:
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


def _segment(segment: Segment) -> Iterator[Complaint]:
    try:
        notes = recover(segment).notes
    except FileNotFoundError:  # it was deleted meanwhile
        return
    for text in notes:
        yield Complaint(segment.directory, segment.start, text)


def _journal(directory: Path) -> Iterator[Complaint]:
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
        yield Complaint(directory, None, text)
