"""The options of one telnet connection, and the protocol that decides which of them it wants.

RFC 855 and 1143 (the table itself is `vspc.wire.qmethod`), and TIMING-MARK (RFC 860), which is
a question each time and never in the table.
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from twisted.conch.telnet import TelnetProtocol
from twisted.internet.defer import Deferred

from vspc.net.limits import TokenBucket
from vspc.wire import telnet
from vspc.wire.qmethod import Effect, OptionStates

NEGOTIATIONS = 512
"""WILLs, WONTs, DOs and DONTs that a peer may send at once; more are a storm (law 4)."""

NEGOTIATION_RATE = 16.0
"""WILLs, WONTs, DOs and DONTs a second that it may send for ever."""


class LineProtocol(TelnetProtocol):
    """What a `vspc.net.telnet_transport.LineTransport` calls: Twisted's ITelnetProtocol and more.

    Options and commands are one byte, as in Twisted; the body of a subnegotiation is one bytes.
    """

    only_break = False
    """Whether BRK is the only command whose place among the data matters: data around others is
    delivered in one piece, and those of `vspc.wire.telnet.IDLE` are not delivered."""

    def enableLocal(self, option: bytes) -> bool:
        """Whether we do what the peer asks us to."""
        return False

    def enableRemote(self, option: bytes) -> bool:
        """Whether we want what the peer offers."""
        return False

    def disableLocal(self, option: bytes) -> None:
        """We no longer do it."""

    def disableRemote(self, option: bytes) -> None:
        """The peer no longer does it."""

    def unhandledCommand(self, command: bytes, argument: bytes | None) -> None:
        """IAC and `command`; `argument` is always None here."""

    def unhandledSubnegotiation(self, option: bytes, body: bytes) -> None:
        """IAC SB `option` `body` IAC SE."""

    def timing_mark_received(self) -> None:
        """The peer answered DO TIMING-MARK (RFC 860)."""

    def refused_remote(self, option: bytes) -> None:
        """The peer refused to do what we asked for."""

    def dropped(self, what: str) -> None:
        """The peer sent `what`, which has no meaning, and it was dropped."""

    def line_failed(self, reason: str) -> None:
        """The connection is being aborted for what the peer did."""


class OptionsOwner(Protocol):
    """What `OptionNegotiation` needs of its transport."""

    protocol: LineProtocol | None

    def write_encoded(self, data: bytes) -> None:
        """Send bytes that are telnet already."""

    def withheld(self, call: Callable[[bytes], bool], option: bytes) -> tuple[bool, bytes]:
        """What `call` returns, and what was written in it, which is not sent."""

    def guard(self, call: Callable[..., None], *arguments: Any) -> None:
        """Call it; an exception is logged and goes no further."""

    def fail(self, reason: str) -> None:
        """End the connection."""


class _EndedOwner:
    """The owner of the options of a connection that is over: nothing is sent."""

    protocol: LineProtocol | None = None

    def write_encoded(self, data: bytes) -> None:
        """To nobody."""

    def withheld(self, call: Callable[[bytes], bool], option: bytes) -> tuple[bool, bytes]:
        return False, b""

    def guard(self, call: Callable[..., None], *arguments: Any) -> None:
        """Nobody is told."""

    def fail(self, reason: str) -> None:
        """It is over."""


_ENDED = _EndedOwner()


class OptionOpening:
    """What one side wants from the start on: pairs of verb and option, as `OptionStates.want`. The
    same for all connections of a kind, so that it is worked out once: `said` is what they begin
    with, `states` where they stand then.
    """

    def __init__(self, wanted: Iterable[tuple[int, int]]) -> None:
        self.states = OptionStates()
        self.said = b"".join(
            telnet.negotiation(verb, number)
            for wish, number in wanted
            if (verb := self.states.want(wish, number)) is not None
        )


class OptionNegotiation:
    """`states` and `marks` are those of a connection that another process had. `heard`: the peer
    has negotiated.
    """

    __slots__ = ("_bucket", "_owner", "_requests", "heard", "marks", "states")

    def __init__(self, owner: OptionsOwner, states: OptionStates, marks: int) -> None:
        self._owner: OptionsOwner = owner
        self.states = states
        self.marks = marks  # DO TIMING-MARKs without an answer
        self.heard = False
        self._bucket = TokenBucket(NEGOTIATION_RATE, NEGOTIATIONS)
        self._requests: dict[tuple[bool, int], list[Deferred[bool]]] = {}

    def reset(self) -> None:
        """Every option is off, as at the start; requests without an answer fail."""
        self.states = OptionStates()
        self._fail_requests()

    def close(self) -> None:
        """Nothing comes any more, and nothing is sent: requests without an answer fail."""
        self._owner = _ENDED  # the transport, which refers to this, is free then
        self._fail_requests()

    def _fail_requests(self) -> None:
        requests, self._requests = self._requests, {}
        for outcomes in requests.values():
            for outcome in outcomes:
                outcome.callback(False)

    def received(self, protocol: LineProtocol, event: telnet.Negotiation, now: float) -> None:
        """The peer sent it."""
        self.heard = True
        answers = event.option == telnet.TIMING_MARK and event.verb in (telnet.WILL, telnet.WONT)
        if answers and self.marks:
            # Not counted as a storm: a long paste asks this hundreds of times.
            self.marks -= 1
            protocol.timing_mark_received()
        elif not self._bucket.take(now):
            self._owner.fail("a negotiation storm")
        elif answers:
            protocol.dropped("an unexpected answer to TIMING-MARK")
        else:
            self._negotiate(protocol, event.verb, event.option)

    def _negotiate(self, protocol: LineProtocol, verb: int, number: int) -> None:
        ours = verb in (telnet.DO, telnet.DONT)
        option = bytes((number,))
        agree, written = False, b""
        if verb in (telnet.WILL, telnet.DO) and not self.states.enabled(ours, number):
            enable = protocol.enableLocal if ours else protocol.enableRemote
            agree, written = self._owner.withheld(enable, option)
        reply, effect = self.states.receive(verb, number, agree)
        if reply is not None:
            self._owner.write_encoded(telnet.negotiation(reply, number))
        if written:  # behind our answer
            self._owner.write_encoded(written)
        if effect is Effect.DISABLED:
            self._owner.guard(protocol.disableLocal if ours else protocol.disableRemote, option)
        elif effect is Effect.REFUSED and not ours:
            self._owner.guard(protocol.refused_remote, option)
        if effect is not None and self._requests and self.states.settled(ours, number):
            for request in self._requests.pop((ours, number), ()):
                request.callback(self.states.enabled(ours, number))

    def refuses(self, ours: bool, option: bytes) -> bool:
        """Whether `option` is off and not being negotiated: what was asked for was refused, or it
        was switched off later. `ours`: what we do; else what the peer does.
        """
        return self.states.off(ours, option[0])

    def request(self, verb: int, option: bytes) -> "Deferred[bool]":
        """Want what `verb` says; whether the option is on when its negotiation is over, False if
        the line is lost before that.
        """
        number, ours = option[0], verb in (telnet.WILL, telnet.WONT)
        sent = self.states.want(verb, number)
        if sent is not None:
            self._owner.write_encoded(telnet.negotiation(sent, number))
        outcome: Deferred[bool] = Deferred()
        is_open = self._owner.protocol is not None
        if not is_open or self.states.settled(ours, number):
            outcome.callback(is_open and self.states.enabled(ours, number))
        else:
            self._requests.setdefault((ours, number), []).append(outcome)
        return outcome

    def begin(self, opening: OptionOpening) -> None:
        """Every option is off: want those of `opening`. Nobody waits for the outcome."""
        self.states = opening.states.copy()
        if opening.said:
            self._owner.write_encoded(opening.said)

    def ask_timing_mark(self) -> None:
        """Send DO TIMING-MARK: a question that every telnet peer answers."""
        self.marks += 1
        self._owner.write_encoded(telnet.negotiation(telnet.DO, telnet.TIMING_MARK))
