"""What the table of migrations answers: what the door is to do, as values."""

from enum import Enum

from attrs import frozen

from vspc.console.console import Console
from vspc.console.ports import Line


@frozen
class Goahead:
    """Write VMOTION-GOAHEAD with `credential`; close `replaced`, an earlier attempt's target."""

    credential: bytes
    replaced: Line | None


@frozen
class NotNow:
    """Write VMOTION-NOTNOW: the VM stays where it is and may try again later."""

    reason: str


@frozen
class PeerOk:
    """Write VMOTION-PEER-OK with `sequence`: this line is the target for `console`."""

    console: Console
    sequence: bytes


class PeerFault(Enum):
    """Why a credential does not count."""

    UNKNOWN = "no migration has this credential"
    BUSY = "another line has claimed with it"
    USED = "its migration is over"
    PLACE = "it is of another zone, or from a host that may not be a target there"


@frozen
class Unknown:
    """Say nothing. `console` and `source` (an address) are whose credential it is, if anybody's."""

    fault: PeerFault
    console: Console | None = None
    source: str = ""


@frozen
class MoveComplete:
    """`target` is the line of `console` now; close `source` if it is still there."""

    console: Console
    source: Line | None
    source_address: str
    seconds: float


@frozen
class Released:
    """The migration of `console` is over without a move; close `target` if there is one."""

    console: Console
    target: Line | None
    reason: str


@frozen
class SourceLost:
    """The source of an open migration is gone: go on holding input, the target may still come."""

    console: Console


@frozen
class Resumed:
    """The source has not moved: input goes to it again. The credential stays valid."""

    console: Console


@frozen
class Illegal:
    """Drop the message: it makes no sense here."""

    reason: str
