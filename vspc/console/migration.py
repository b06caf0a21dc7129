"""What may happen to one vMotion, as a table; docs/vmotion.md draws it.

          BEGIN             PEER               COMPLETE
    ----------> begun ----------> claimed ----------> completed
                  |                  |
                  |  ABORT, another BEGIN, target lost or refuted, superseded
                  +--------+---------+----> aborted
                  |        |
                  +--------+---- deadline, GOAHEAD never acknowledged ----> expired

    begun, and its source lost for a while ----> orphaned: over for everybody on the console, but a
    PEER that comes all the same makes it claimed until the deadline.

Whoever says something has been checked before: ABORT counts from the source alone, COMPLETE from
the line that claimed, with the migration's sequence.
"""

from enum import Enum


class State(Enum):
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
        return self in (State.BEGUN, State.CLAIMED, State.ORPHANED)


class Event(Enum):
    """What happens to a migration."""

    BEGIN = "another BEGIN from the source"
    PEER = "PEER with its credential"
    COMPLETE = "COMPLETE from the target"
    ABORT = "ABORT from the source"
    SOURCE_SPOKE = "the source goes on talking"
    SOURCE_LOST = "the source is closed"
    ORPHANED = "the source was closed a while ago, and no target has come"
    TARGET_LOST = "the target is closed"
    REFUTED = "the target says that it is another VM"
    UNHEARD = "GOAHEAD was not acknowledged in time"
    SUPERSEDED = "the console has another line now"
    DEADLINE = "its time is over"


class Act(Enum):
    """What is to be done."""

    CLAIM = "the line is the target"
    MOVE = "the target becomes the console's line"
    RELEASE = "input goes to the line that lives"
    RESUME = "input goes to the source, the credential stays valid"
    AWAIT = "go on holding input: the target may still come"
    REFUSE = "say nothing"
    NOTHING = "nothing"
    ILLEGAL = "drop it: it makes no sense here"


_OPEN = {
    Event.BEGIN: (State.ABORTED, Act.RELEASE),
    Event.ABORT: (State.ABORTED, Act.RELEASE),
    Event.SUPERSEDED: (State.ABORTED, Act.RELEASE),
    Event.DEADLINE: (State.EXPIRED, Act.RELEASE),
}

TABLE: dict[tuple[State, Event], tuple[State, Act]] = {
    **{(State.BEGUN, event): step for event, step in _OPEN.items()},
    (State.BEGUN, Event.PEER): (State.CLAIMED, Act.CLAIM),
    (State.BEGUN, Event.SOURCE_SPOKE): (State.BEGUN, Act.RESUME),
    (State.BEGUN, Event.SOURCE_LOST): (State.BEGUN, Act.AWAIT),
    (State.BEGUN, Event.UNHEARD): (State.EXPIRED, Act.RELEASE),
    # No line is left: the console is away. Its VM may be moving all the same.
    (State.BEGUN, Event.ORPHANED): (State.ORPHANED, Act.RELEASE),
    (State.ORPHANED, Event.PEER): (State.CLAIMED, Act.CLAIM),
    (State.ORPHANED, Event.BEGIN): (State.ABORTED, Act.NOTHING),
    (State.ORPHANED, Event.SUPERSEDED): (State.ABORTED, Act.NOTHING),
    (State.ORPHANED, Event.DEADLINE): (State.EXPIRED, Act.NOTHING),
    **{(State.CLAIMED, event): step for event, step in _OPEN.items()},
    (State.CLAIMED, Event.PEER): (State.CLAIMED, Act.REFUSE),
    (State.CLAIMED, Event.COMPLETE): (State.COMPLETED, Act.MOVE),
    (State.CLAIMED, Event.SOURCE_SPOKE): (State.CLAIMED, Act.RESUME),
    (State.CLAIMED, Event.SOURCE_LOST): (State.CLAIMED, Act.AWAIT),
    (State.CLAIMED, Event.TARGET_LOST): (State.ABORTED, Act.RELEASE),
    (State.CLAIMED, Event.REFUTED): (State.ABORTED, Act.RELEASE),
    # The target has the credential, so that GOAHEAD arrived whatever TCP says.
    (State.CLAIMED, Event.UNHEARD): (State.CLAIMED, Act.NOTHING),
    **{
        (closed, Event.PEER): (closed, Act.REFUSE)
        for closed in (State.COMPLETED, State.ABORTED, State.EXPIRED)
    },
}
"""An absent pair is illegal and changes nothing: see `step`."""


def step(state: State, event: Event) -> tuple[State, Act]:
    """The state after `event`, and what is to be done."""
    return TABLE.get((state, event), (state, Act.ILLEGAL))
