"""What goes to the log's thread, and how it is asked to treat the disk."""

from collections.abc import Callable
from enum import Enum

from attrs import define, frozen

from vspc.log.records import Record


class Sync(Enum):
    """When what was written is forced to the disk."""

    NEVER = "never"
    INTERVAL = "interval"
    ALWAYS = "always"


@frozen(eq=False)
class Batch:
    """Records of some milliseconds, of `size` bytes; `written` is called once they are."""

    records: list[Record]
    size: int
    written: Callable[["Batch"], None]


@define
class Counts:
    """What the log has done, for benchmarks and `status`."""

    writes: int = 0
    syncs: int = 0
    bytes: int = 0


Told = Callable[[str, dict[str, object]], None]
"""An event for our own log: its name in kebab-case, and facts. May be called in any thread."""
