"""Where a sink stands in each console's log: a file `{"version": 1, "cursors": {ID: OFFSET}}`."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from vspc.common.files import Disk

VERSION = 1


class Damaged(Exception):
    """The file cannot be read, or makes no sense; the text says what became of it."""


def load(path: Path) -> dict[str, int] | None:
    """Offsets by console; None if there is no file. Raises `Damaged`: what we do not understand is
    put aside, as it may be of a newer version.
    """
    try:
        facts = json.loads(path.read_bytes())
        if facts["version"] != VERSION:
            raise ValueError(f"version {facts['version']}")
        return {key: _offset(value) for key, value in facts["cursors"].items()}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Damaged(error.strerror or "it cannot be read") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        aside = path.with_name(path.name + ".damaged")
        with suppress(OSError):
            path.replace(aside)
        raise Damaged(f"it is kept as {aside}") from None


def _offset(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value


def save(disk: Disk, path: Path, cursors: Mapping[str, int]) -> None:
    """Put them there in one step. Raises OSError."""
    disk.make(path.parent)
    disk.replace(path, json.dumps({"version": VERSION, "cursors": dict(cursors)}).encode())
