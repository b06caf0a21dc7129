"""The lowest layer of a VM's line: eight bits both ways, BREAK, and a question to ask.

RFC 856 (BINARY), RFC 858 (SGA), RFC 857 (ECHO), RFC 860 (TIMING-MARK).
"""

from collections import deque
from collections.abc import Callable
from enum import Enum
from ipaddress import ip_address

from twisted.internet.interfaces import IAddress
from twisted.python.failure import Failure

from vspc.net.keepalive import unacknowledged
from vspc.net.telnet_transport import LineProtocol, LineTransport
from vspc.vm.keeper import Keeper
from vspc.wire import telnet


class Question(Enum):
    """Why the VM was asked what it is known to answer."""

    IDENTITY = "identity"
    GATE = "gate"
    PROBE = "probe"


def option(number: int) -> bytes:
    """An option as Twisted's telnet names it: one byte."""
    return bytes((number,))


_BINARY = option(telnet.BINARY)
_ECHO = option(telnet.ECHO)
_SGA = option(telnet.SGA)
_BREAK = option(telnet.BRK)


def host_of(address: IAddress) -> str:
    """The IP address of a peer without its port, v4-mapped as v4; "local" where it has none."""
    host = str(getattr(address, "host", "local"))
    try:
        parsed = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)


class BinaryLine(LineProtocol):
    """A telnet line to something with a serial port. Implements `vspc.console.ports.Line`."""

    transport: LineTransport

    # Asked for at the start, as in VMware's sample session, in this order.
    OFFERS: tuple[bytes, ...] = (_BINARY, _SGA, _ECHO)
    DEMANDS: tuple[bytes, ...] = (_BINARY, _SGA)

    def __init__(self, keep: Callable[["BinaryLine"], Keeper], secure: bool) -> None:
        self._keep = keep
        self.secure = secure
        self.address = ""
        self.keeper: Keeper
        # Questions that are not answered yet, oldest first; answers come in order.
        self._questions: deque[Question] = deque()
        self._reason = ""

    def connectionMade(self) -> None:
        self.address = host_of(self.transport.getPeer())
        self.keeper = self._keep(self)
        for offer in self.OFFERS:
            self.transport.will(offer)
        for demand in self.DEMANDS:
            self.transport.do(demand)

    def dataReceived(self, data: bytes) -> None:
        self.keeper.output(data)

    def connectionLost(self, reason: Failure) -> None:
        self.keeper.lost(self._reason or reason.getErrorMessage())

    def enableLocal(self, opt: bytes) -> bool:
        return opt in self.OFFERS

    def enableRemote(self, opt: bytes) -> bool:
        return opt in self.DEMANDS

    def disableLocal(self, opt: bytes) -> None:
        """Nothing rests on these options: the line is eight bits wide either way."""

    def disableRemote(self, opt: bytes) -> None:
        """As `disableLocal`."""

    def unhandledCommand(self, command: bytes, argument: bytes | None) -> None:
        if command == _BREAK:
            self.keeper.broke()
        elif command[0] < telnet.SE:
            self.keeper.dropped(f"unknown telnet command {command[0]}")

    def unhandledSubnegotiation(self, opt: bytes, body: bytes) -> None:
        self.keeper.dropped(f"subnegotiation of option {opt[0]}, which was not agreed on")

    def timing_mark_received(self) -> None:
        """The answer to `_put`, at this layer."""
        self._answered()

    def line_failed(self, reason: str) -> None:
        """The transport is ending this line (law 4)."""
        self._reason = reason
        self.keeper.failed(reason)

    def dropped(self, what: str) -> None:
        """The transport dropped something."""
        self.keeper.dropped(what)

    # vspc.console.ports.Line

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def send_break(self) -> None:
        self.transport.send_command(telnet.BRK)

    def ask(self) -> bool:
        return self._ask(Question.GATE)

    def probe(self) -> bool:
        """Ask whether the VM's host lives; `Keeper.lives` follows. False if it cannot be asked."""
        return self._ask(Question.PROBE)

    def unacknowledged(self) -> int | None:
        return unacknowledged(self.transport.transport)

    def close(self, reason: str) -> None:
        self._reason = self._reason or reason
        self.transport.loseConnection()

    # Questions

    def _ask(self, question: Question) -> bool:
        if not self._put_question():
            return False
        self._questions.append(question)
        return True

    def _put_question(self) -> bool:
        self.transport.ask_timing_mark()
        return True

    def _answered(self) -> None:
        question = self._questions.popleft() if self._questions else None
        if question is Question.GATE:
            self.keeper.answered()
        elif question is Question.PROBE:
            self.keeper.lives()
