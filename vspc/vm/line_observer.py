"""What a line tells whoever keeps it: the seam between the three telnet layers and the server."""

from typing import TYPE_CHECKING, Protocol

from vspc.console.ports import Line
from vspc.vm.registration import Joined
from vspc.wire.opening import Spoken

if TYPE_CHECKING:
    from vspc.vm.lines.binary import LineState


class VmLine(Line, Protocol):
    """A line as the server sees it: a console's, which can be asked whether it lives."""

    def abort(self) -> None:
        """End the connection now, whatever is under way."""

    def identified(self) -> None:
        """The server knows whose line it is: it has a whole share of each turn from now on."""

    @property
    def state(self) -> "LineState":
        """What another process needs to go on with it."""

    def probe(self) -> bool:
        """Ask whether the VM's host lives; `LineObserver.lives` follows. False if it cannot be
        asked.
        """


class LineObserver(Protocol):
    """Hears from one line. The layers call it; none of them knows what a console is."""

    def stirred(self) -> bool:
        """Something came, whatever it is; False if that is of no interest any more."""

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
        """The VM has said who it is."""

    def renamed(self, name: str) -> None:
        """The VM has another name now."""

    def became(self, uuid: str) -> None:
        """The VM says that it is another one: the line is about to be ended (law 4)."""

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
        """Something that the peer sent made no sense; `what` is short and safe to show."""

    def failed(self, reason: str) -> None:
        """The line is being ended for what its peer did (law 4)."""

    def lost(self, reason: str, error: BaseException | None = None) -> None:
        """The connection is closed, by `error` where we did not close it; last call."""
