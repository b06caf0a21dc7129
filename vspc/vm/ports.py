"""The seam between the telnet layers of a line and its session."""

from typing import Protocol

from vspc.console.ports import Line
from vspc.vm.registration import Joined
from vspc.wire.opening import Spoken


class VmLine(Line, Protocol):
    """A line as its session sees it: a console's, which can be probed."""

    def __hash__(self) -> int: ...

    def abort(self) -> None:
        """End the connection now, whatever is under way."""

    def identified(self) -> None:
        """The line is identified: it has a whole share of each turn from now on."""

    def probe(self) -> bool:
        """Ask whether the VM's host is alive; `LineObserver.lives` follows. False if it cannot be
        asked.
        """


class LineObserver(Protocol):
    """Hears from one line. The layers call it; none of them knows what a console is."""

    def stirred(self) -> bool:
        """Something came, whatever it is; False if this need not be called any more."""

    def output(self, data: bytes) -> None:
        """The VM said `data`."""

    def speaks(self, spoken: Spoken) -> None:
        """The first bytes are of another protocol than this line's, or may be."""

    def secured(self) -> None:
        """TLS begins on this line: nothing that came before counts."""

    def broke(self) -> None:
        """The VM sent a BREAK."""

    def answered(self) -> None:
        """A question of `Line.ask` is answered: everything before it was read."""

    def lives(self) -> None:
        """A probe is answered."""

    def joined(self, joined: Joined) -> None:
        """The VM has identified itself."""

    def renamed(self, name: str) -> None:
        """The VM has another name now."""

    def became(self, uuid: str) -> None:
        """The VM's UUID has changed: the line is about to be ended (law 4)."""

    def claimed(self, credential: bytes) -> None:
        """VMOTION-PEER."""

    def began(self, sequence: bytes) -> None:
        """VMOTION-BEGIN."""

    def completed(self, sequence: bytes) -> None:
        """VMOTION-COMPLETE."""

    def aborted(self) -> None:
        """VMOTION-ABORT."""

    def refused(self, reason: str, hint: str = "") -> None:
        """The line cannot be served; what the protocol has to say to it has been said.

        `hint`: what to write into the configuration, if anything there would help.
        """

    def dropped(self, what: str) -> None:
        """Something that the peer sent was dropped; `what` is short and safe to show."""

    def failed(self, reason: str) -> None:
        """The line is being ended for what its peer did (law 4)."""

    def lost(self, reason: str, error: BaseException | None = None) -> None:
        """The connection is closed, by `error` where we did not close it; last call."""
