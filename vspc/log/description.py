"""`console.json` beside a console's segments: whose log it is, as its heads say, too.

Everything in it is derived: what is damaged, or of another console, is made anew from the heads of
the segments, or from what the journal and the VM say next.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from vspc.log.about import belongs
from vspc.log.frames import UnknownVersion

FILE = "console.json"

VERSION = 1

LIMIT = 1024 * 1024
"""Bytes of it that are read."""


class BadDescription(ValueError):
    """It is not what was written; the text says why."""


@frozen
class Description:
    """`about` is who the console is. Up to `evicted` everything was deleted, once all of it was;
    the log begins at `begins`, or None if nothing says so. `booted`: a boot was seen once.
    """

    about: Mapping[str, Any]
    evicted: int = 0
    begins: int | None = None
    booted: bool = False

    def encode(self, console_id: str) -> bytes:
        """The file."""
        facts = {
            "version": VERSION,
            "id": console_id,
            "evicted": self.evicted,
            "begins": self.begins,
            "booted": self.booted,
            "about": dict(self.about),
        }
        return json.dumps({**facts, "checksum": _checksum(facts)}).encode()


def _checksum(facts: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(facts, sort_keys=True).encode()):08x}"


def read(directory: Path, console_id: str) -> Description | None:
    """The description in `directory`; None if there is none. Raises OSError, `BadDescription`, or
    `UnknownVersion`. Earlier servers wrote neither an id nor a checksum.
    """
    path = directory / FILE
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT)
    except FileNotFoundError:
        return None
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError):
        raise BadDescription(f"{path}: invalid JSON") from None
    if not isinstance(facts, dict):
        raise BadDescription(f"{path}: not an object")
    checksum = facts.pop("checksum", None)
    if checksum is not None and checksum != _checksum(facts):
        raise BadDescription(f"{path}: wrong checksum")
    version = facts.get("version")
    if version != VERSION:
        if type(version) is int and version > VERSION:
            raise UnknownVersion(f"{path} is of an unknown version and is left alone")
        raise BadDescription(f"{path}: no version")
    return _description(path, facts, console_id)


def _description(path: Path, facts: Mapping[str, Any], console_id: str) -> Description:
    about, evicted, begins = facts.get("about") or {}, facts.get("evicted"), facts.get("begins")
    other = facts.get("id", console_id) != console_id
    if other or not isinstance(about, dict) or (about and not belongs(about, console_id)):
        raise BadDescription(f"{path}: it describes another console")
    booted = facts.get("booted") is True
    return Description(about, _offset(evicted) or 0, _offset(begins), booted)


def _offset(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
