"""What a vMotion is to be: whereto, what goes wrong on purpose, and which ports move together."""

from enum import Enum
from typing import Protocol

from attrs import frozen


class PlannedFault(Enum):
    """What is to go wrong with a migration, by the word of the command."""

    NONE = ""
    ABORT = "abort"  # after GOAHEAD
    ABORT_LATE = "abort-late"  # after PEER-OK
    SOURCE_LOST = "source-lost"  # after GOAHEAD; the target connects all the same
    TARGET_LOST = "target-lost"  # after PEER-OK; the source aborts, as soon as it has noticed
    HANG = "hang"  # after GOAHEAD nobody says anything
    HANG_LATE = "hang-late"  # after PEER-OK nobody says anything
    TALK_ON = "talk-on"  # after GOAHEAD the VM goes on where it is, and no ABORT is said


@frozen
class Plan:
    """A vMotion to do: whereto, how long the copy takes (seconds), and what goes wrong."""

    address: str
    sequence: bytes
    transfer: float = 1.0
    fault: PlannedFault = PlannedFault.NONE


class Member(Protocol):
    """One port's migration, as its convoy sees it."""

    def complete(self) -> None:
        """Say COMPLETE: every port's target is accepted."""

    def fail(self, reason: str) -> None:
        """Give up, unless it is over."""


class Convoy:
    """The migrations of one VM's ports: all are completed, once every target waits, or none is."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._members: list[Member] = []
        self._waiting = 0

    def join(self, member: Member) -> None:
        """One port begins."""
        self._members.append(member)

    def wait(self) -> None:
        """One more target is accepted."""
        self._waiting += 1
        if self._waiting == self._size:
            for member in self._members:
                member.complete()

    def failed(self) -> None:
        """One port does not move."""
        for member in self._members:
            member.fail("another port of the VM did not move")
