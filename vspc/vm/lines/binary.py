"""The lowest layer of a VM's line: eight bits both ways, BREAK, and a question to ask.

RFC 856 (BINARY; without it RFC 854's NVT), RFC 858 (SGA), RFC 857 (ECHO), RFC 860 (TIMING-MARK).
"""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from sys import intern
from typing import Any, ClassVar

from attrs import frozen
from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from vspc.common.addresses import address_text
from vspc.common.serial import ModemState, PortSettings
from vspc.console.events import HOST_CLOSED
from vspc.console.identity import Provenance
from vspc.net.keepalive import unacknowledged
from vspc.net.telnet_options import LineProtocol, OptionOpening
from vspc.net.telnet_transport import LineTransport
from vspc.net.tls import peer_certificate, tls_reason
from vspc.vm.mismatch import TLS_FAILED
from vspc.vm.ports import ENDED, LineObserver, VmLine
from vspc.vm.roles import LineEvent
from vspc.wire import telnet

CUT_OFF = "the connection was reset, cut short or timed out"
"""Why a line ended that neither side closed in order, as TCP and TLS report it."""


class LineQuestion(Enum):
    """Why the VM was sent a question that it is known to answer."""

    IDENTITY = "identity"
    INPUT = "input"
    PROBE = "probe"


_BINARY = bytes((telnet.BINARY,))
_BREAK = bytes((telnet.BRK,))


@frozen
class LineOption:
    """One telnet option as a layer treats it; layers list theirs in `OPTIONS`.

    `offered`: we ask to do it, and do it when asked. `demanded`: we ask the peer to do it, and let
    it. Neither: declined. A passive option is that and no more. The calls get the line: `accept`
    decides in place of `demanded` when the peer offers to do it, `ended` follows when it stops,
    `refused` when it answers WONT to our DO, `received` for the body of a subnegotiation.
    """

    code: int
    offered: bool = False
    demanded: bool = False
    accept: Callable[[Any], bool] | None = None
    ended: Callable[[Any], None] | None = None
    refused: Callable[[Any], None] | None = None
    received: Callable[[Any, bytes], None] | None = None


class LineOptions(Iterable[LineOption]):
    """The options of a layer and those below, in the order in which they are negotiated; `opening`
    is what its lines begin with.
    """

    def __init__(self, *options: LineOption) -> None:
        self._options = options
        self._by_code = {each.code: each for each in options}
        offered = [(telnet.WILL, each.code) for each in options if each.offered]
        demanded = [(telnet.DO, each.code) for each in options if each.demanded]
        self.opening = OptionOpening([*offered, *demanded])

    def __iter__(self) -> Iterator[LineOption]:
        return iter(self._options)

    def find(self, code: int) -> LineOption:
        """That option; one that is declined if it is not among them."""
        return self._by_code.get(code) or LineOption(code)


def host_of(address: IAddress | None) -> str:
    """The IP address of a peer without its port, v4-mapped as v4; "local" where it has none."""
    host = str(getattr(address, "host", "local"))
    # Interned: consoles remember the host that they were on last.
    return intern(address_text(host))


def why_lost(reason: Failure) -> str:
    """Why a connection ended, for notices and logs."""
    if reason.check(ConnectionDone):  # type: ignore[no-untyped-call]
        return HOST_CLOSED
    if reason.check(ConnectionLost):  # type: ignore[no-untyped-call]
        return CUT_OFF
    if isinstance(reason.value, SSL.Error):
        return f"{TLS_FAILED}: {tls_reason(reason.value)}"
    return reason.getErrorMessage().rstrip(".")


class BinaryLine(LineProtocol):
    """A telnet line to something with a serial port. Implements `vspc.console.ports.Line`.

    Eight bits wide both ways from its first byte: RFC 856 would have it NVT until BINARY is agreed
    on, but an ESXi host sends a VM's first output as soon as it has offered BINARY, and never NVT.
    A direction in which the peer refuses BINARY, or stops it, is NVT from then on, until it agrees.
    """

    transport: LineTransport  # type: ignore[assignment]

    OPTIONS: ClassVar[LineOptions]
    """The options of this layer and those below."""

    carries_break = True
    only_break = True

    @property
    def suspended(self) -> bool:
        return False

    @property
    def settings(self) -> PortSettings | None:
        return None

    @property
    def modem(self) -> ModemState | None:
        return None

    def keep_settings(self, settings: PortSettings) -> None:
        """The port is set so, as another line of this VM has said."""

    def __init__(self, observe: Callable[[VmLine], LineObserver], secure: bool) -> None:
        """`observe` gives the observer of this line once it is connected.

        `continues`: another process has had the line, and nothing is negotiated anew; `questions`
        are not answered yet, oldest first, and answers come in order; `after_cr`: the last byte of
        an NVT peer was a CR.
        """
        self._observe = observe
        self.secure = secure
        self.address = ""
        self.observer: LineObserver
        self.continues = False
        self.questions: list[LineQuestion] = []  # a deque of none has ten times the size
        self.after_cr = False
        self._reason = ""

    def connectionMade(self) -> None:
        self.address = host_of(self.transport.getPeer())
        self.observer = self._observe(self)
        self.transport.on_traffic = self.observer.traffic
        if not self.continues:
            self.negotiate()

    def negotiate(self) -> None:
        """Offer and demand the options of this line, at its start."""
        self.transport.negotiation.begin(self.OPTIONS.opening)

    def dataReceived(self, data: bytes) -> None:
        if self.transport.negotiation.refuses(False, _BINARY):
            data, self.after_cr = telnet.decode(data, self.after_cr)
            if not data:
                return
        self.observer.handle(LineEvent.OUTPUT, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        observer, self.observer = self.observer, ENDED
        observer.lost(self._reason or why_lost(reason), None if self._reason else reason.value)

    def enableLocal(self, option: bytes) -> bool:
        return self.OPTIONS.find(option[0]).offered

    def enableRemote(self, option: bytes) -> bool:
        found = self.OPTIONS.find(option[0])
        return found.demanded if found.accept is None else found.accept(self)

    def disableLocal(self, option: bytes) -> None:
        """What we do has no state but the transport's."""

    def disableRemote(self, option: bytes) -> None:
        found = self.OPTIONS.find(option[0])
        if found.ended is not None:
            found.ended(self)

    def refused_remote(self, option: bytes) -> None:
        found = self.OPTIONS.find(option[0])
        if found.refused is not None:
            found.refused(self)

    def _enter_binary(self) -> bool:
        self.after_cr = False  # a NUL is a NUL from here on
        return True

    def unhandledCommand(self, command: bytes, argument: bytes | None) -> None:
        if command == _BREAK:
            self.observer.handle(LineEvent.BREAK)
        elif command[0] < telnet.SE:
            self.observer.dropped(f"unknown telnet command {command[0]}")

    def unhandledSubnegotiation(self, option: bytes, body: bytes) -> None:
        found = self.OPTIONS.find(option[0])
        if found.received is not None:
            found.received(self, body)
        else:
            self.observer.dropped(f"subnegotiation of option {option[0]}, which was not agreed on")

    def timing_mark_received(self) -> None:
        """The answer to the question of this layer."""
        self._answered()

    def line_failed(self, reason: str) -> None:
        """The transport is ending this line (law 4)."""
        self._reason = reason
        self.observer.failed(reason)

    def dropped(self, what: str) -> None:
        """The transport dropped something."""
        self.observer.dropped(what)

    # vspc.console.ports.Line

    def send(self, data: bytes) -> None:
        self.transport.write(
            telnet.encode(data) if self.transport.negotiation.refuses(True, _BINARY) else data
        )

    def send_break(self) -> float:
        self.transport.send_command(telnet.BRK)
        return 0.0

    def end_break(self) -> None:
        """IAC BRK has no end."""

    def set_port(self, settings: PortSettings) -> bool:
        return False

    @property
    def provenance(self) -> Provenance:
        """How sure we are of where it comes from; a client certificate was verified by TLS."""
        if not self.secure:
            return Provenance.PLAIN
        certified = peer_certificate(self.transport.transport) is not None
        return Provenance.CERTIFIED if certified else Provenance.TLS

    def ask(self) -> bool:
        return self._ask(LineQuestion.INPUT)

    def probe(self) -> bool:
        """Ask whether the VM's host is alive; `LineEvent.ALIVE` follows."""
        return LineQuestion.PROBE in self.questions or self._ask(LineQuestion.PROBE)

    def unacknowledged(self) -> int | None:
        return unacknowledged(self.transport.transport)

    def pause_reading(self) -> None:
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        self.transport.resume_reading()

    def close(self, reason: str) -> None:
        self._reason = self._reason or reason
        self.transport.loseConnection()

    def abort(self) -> None:
        """End the connection now, whatever is under way."""
        self.transport.abortConnection()

    def identified(self) -> None:
        self.transport.identified()

    # Questions

    def _ask(self, question: LineQuestion) -> bool:
        if not self._put_question():
            return False
        self.questions.append(question)
        return True

    def _put_question(self) -> bool:
        self.transport.negotiation.ask_timing_mark()
        return True

    def _answered(self) -> None:
        question = self.questions.pop(0) if self.questions else None
        if question is LineQuestion.INPUT:
            self.observer.handle(LineEvent.ANSWERED)
        elif question is LineQuestion.PROBE:
            self.observer.handle(LineEvent.ALIVE)


BinaryLine.OPTIONS = LineOptions(
    LineOption(telnet.BINARY, offered=True, demanded=True, accept=BinaryLine._enter_binary),
    LineOption(telnet.SGA, offered=True, demanded=True),
    LineOption(telnet.ECHO, offered=True),
)
