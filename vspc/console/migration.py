"""What may happen to one vMotion, as a table; docs/vmotion.md draws it.

          BEGIN             PEER               COMPLETE
    ----------> begun ----------> claimed ----------> completed
                  |                  |
                  |  ABORT, another BEGIN, target lost or refuted, superseded
                  +--------+---------+----> aborted
                  |        |
                  +--------+---- deadline, GOAHEAD never acknowledged ----> expired

    begun, and its source lost for a while ----> orphaned: over for attachments, but a
    PEER that comes all the same makes it claimed until the deadline.

The sender of a message has been checked before: ABORT counts from the source alone, COMPLETE from
the line that claimed, with the migration's sequence.
"""

from enum import Enum

from attrs import frozen

from vspc.console.console import Console
from vspc.console.ports import Line


class MigrationState(Enum):
    """Where a migration is; the first three are open, the others are remembered for a while."""

    BEGUN = "begun"
    CLAIMED = "claimed"
    ORPHANED = "orphaned"
    COMPLETED = "completed"
    ABORTED = "aborted"
    EXPIRED = "expired"

    @property
    def open(self) -> bool:
        """Whether the credential counts, or the claimant may still complete."""
        return self in (MigrationState.BEGUN, MigrationState.CLAIMED, MigrationState.ORPHANED)


class MigrationEvent(Enum):
    """What happens to a migration."""

    BEGIN = "another BEGIN from the source"
    PEER = "PEER with its credential"
    COMPLETE = "COMPLETE from the target"
    ABORT = "ABORT from the source"
    SOURCE_SENT = "the source goes on sending"
    SOURCE_LOST = "the source is closed"
    ORPHANED = "the source was closed a while ago, and no target has come"
    TARGET_LOST = "the target is closed"
    REFUTED = "the target claims to be another VM"
    UNACKNOWLEDGED = "GOAHEAD was not acknowledged in time"
    SUPERSEDED = "the console has another line now"
    DEADLINE = "its time is over"


class Act(Enum):
    """What is to be done."""

    CLAIM = "the line is the target"
    MOVE = "the target becomes the console's line"
    RELEASE = "input goes to the line that lives"
    RESUME = "input goes to the source, the credential stays valid"
    AWAIT = "go on holding input: the target may still come"
    REFUSE = "send no answer"
    NOTHING = "nothing"
    ILLEGAL = "drop it: it makes no sense here"


_OPEN = {
    MigrationEvent.BEGIN: (MigrationState.ABORTED, Act.RELEASE),
    MigrationEvent.ABORT: (MigrationState.ABORTED, Act.RELEASE),
    MigrationEvent.SUPERSEDED: (MigrationState.ABORTED, Act.RELEASE),
    MigrationEvent.DEADLINE: (MigrationState.EXPIRED, Act.RELEASE),
}

TABLE: dict[tuple[MigrationState, MigrationEvent], tuple[MigrationState, Act]] = {
    **{(MigrationState.BEGUN, event): step for event, step in _OPEN.items()},
    (MigrationState.BEGUN, MigrationEvent.PEER): (MigrationState.CLAIMED, Act.CLAIM),
    (MigrationState.BEGUN, MigrationEvent.SOURCE_SENT): (MigrationState.BEGUN, Act.RESUME),
    (MigrationState.BEGUN, MigrationEvent.SOURCE_LOST): (MigrationState.BEGUN, Act.AWAIT),
    (MigrationState.BEGUN, MigrationEvent.UNACKNOWLEDGED): (MigrationState.EXPIRED, Act.RELEASE),
    # No line is left: the console is away. Its VM may be moving all the same.
    (MigrationState.BEGUN, MigrationEvent.ORPHANED): (MigrationState.ORPHANED, Act.RELEASE),
    (MigrationState.ORPHANED, MigrationEvent.PEER): (MigrationState.CLAIMED, Act.CLAIM),
    (MigrationState.ORPHANED, MigrationEvent.BEGIN): (MigrationState.ABORTED, Act.NOTHING),
    (MigrationState.ORPHANED, MigrationEvent.SUPERSEDED): (MigrationState.ABORTED, Act.NOTHING),
    (MigrationState.ORPHANED, MigrationEvent.DEADLINE): (MigrationState.EXPIRED, Act.NOTHING),
    **{(MigrationState.CLAIMED, event): step for event, step in _OPEN.items()},
    (MigrationState.CLAIMED, MigrationEvent.PEER): (MigrationState.CLAIMED, Act.REFUSE),
    (MigrationState.CLAIMED, MigrationEvent.COMPLETE): (MigrationState.COMPLETED, Act.MOVE),
    (MigrationState.CLAIMED, MigrationEvent.SOURCE_SENT): (MigrationState.CLAIMED, Act.RESUME),
    (MigrationState.CLAIMED, MigrationEvent.SOURCE_LOST): (MigrationState.CLAIMED, Act.AWAIT),
    (MigrationState.CLAIMED, MigrationEvent.TARGET_LOST): (MigrationState.ABORTED, Act.RELEASE),
    (MigrationState.CLAIMED, MigrationEvent.REFUTED): (MigrationState.ABORTED, Act.RELEASE),
    # The target has the credential, so that GOAHEAD arrived, acknowledged or not.
    (MigrationState.CLAIMED, MigrationEvent.UNACKNOWLEDGED): (MigrationState.CLAIMED, Act.NOTHING),
    **{
        (closed, MigrationEvent.PEER): (closed, Act.REFUSE)
        for closed in (MigrationState.COMPLETED, MigrationState.ABORTED, MigrationState.EXPIRED)
    },
}
"""An absent pair is illegal and changes nothing: see `step`."""


def step(state: MigrationState, event: MigrationEvent) -> tuple[MigrationState, Act]:
    """The state after `event`, and what is to be done."""
    return TABLE.get((state, event), (state, Act.ILLEGAL))


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
    """Send no answer. `console` and `source` (an address) are those of a known credential."""

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
