"""The seam between the telnet layers of a line and its session."""

from typing import Protocol

from vspc.common.serial import ModemState, PortSettings
from vspc.console.ports import Line
from vspc.vm.roles import LineEvent
from vspc.wire.opening import OpeningProtocol


class VmLine(Line, Protocol):
    """A line as its session sees it: a console's, which can be probed."""

    def __hash__(self) -> int: ...  # tables are keyed by it

    def abort(self) -> None:
        """End the connection now, whatever is under way."""

    def identified(self) -> None:
        """The line is identified: it has a whole share of each turn from now on."""

    @property
    def settings(self) -> PortSettings | None:
        """How the VM has set its serial port; None: not known."""

    @property
    def modem(self) -> ModemState | None:
        """The modem lines of that port as its console sees them; None: not known."""

    def keep_settings(self, settings: PortSettings) -> None:
        """The port is set so, as another line of this VM has said."""

    def probe(self) -> bool:
        """Ask whether the VM's host is alive; `LineEvent.ALIVE` follows. False if it cannot be
        asked.
        """


class LineObserver(Protocol):
    """What the layers of a line call; no layer refers to consoles."""

    def handle(self, event: LineEvent, *facts: object) -> None:
        """`event` happens to the line; `facts` are the arguments of its actions."""

    def traffic(self) -> bool:
        """Anything was received; False if this need not be called any more."""

    def other_protocol(self, spoken: OpeningProtocol) -> None:
        """The first bytes are of another protocol than this line's, or may be."""

    def dropped(self, what: str) -> None:
        """Something that the peer sent was dropped; `what` is short and safe to show."""

    def failed(self, reason: str) -> None:
        """The line is being ended for what its peer did (law 4)."""

    def lost(self, reason: str, error: BaseException | None = None) -> None:
        """The connection is closed, by `error` where we did not close it; last call."""


class NoObserver:
    """Observes a line that has ended. Its own observer, which refers to the line, is free then."""

    def handle(self, event: LineEvent, *facts: object) -> None:
        """Nobody is told."""

    def traffic(self) -> bool:
        return False

    def other_protocol(self, spoken: OpeningProtocol) -> None:
        """Nobody is told."""

    def dropped(self, what: str) -> None:
        """Nobody is told."""

    def failed(self, reason: str) -> None:
        """Nobody is told."""

    def lost(self, reason: str, error: BaseException | None = None) -> None:
        """It was."""


ENDED = NoObserver()
"""The observer of all lines that have ended."""
