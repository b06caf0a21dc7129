"""Twisted's TelnetTransport with its parser, its writer and its option handling replaced.

Twisted's own loops over single bytes, is not eight bits wide and raises on what peers can send;
what stays of it is the shape: a transport that owns a TelnetProtocol.
"""

from collections.abc import Callable, Iterable
from typing import Any

from attrs import frozen
from twisted.conch.telnet import TelnetTransport
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IOpenSSLServerConnectionCreator
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from vspc.net.fair_tls import start_tls
from vspc.net.keepalive import read_at_most
from vspc.net.limits import TokenBucket
from vspc.net.line_protocol import LineProtocol
from vspc.net.scheduler import (
    BYTES,
    CLOSING,
    DOUBLED,
    FLOOD,
    NEGOTIATION,
    REGISTERING,
    SUBNEGOTIATION,
    SUBNEGOTIATION_BYTES,
    Share,
)
from vspc.wire import telnet
from vspc.wire.qmethod import Effect, OptionStates
from vspc.wire.telnet import (
    Command,
    Data,
    Decoder,
    Event,
    Malformed,
    Negotiation,
    Overlong,
    Subnegotiation,
)

NEGOTIATIONS = 512
"""WILLs, WONTs, DOs and DONTs that a peer may send at once; more, and it is a storm (law 4)."""

NEGOTIATION_RATE = 16.0
"""WILLs, WONTs, DOs and DONTs a second that it may send for ever."""

READ = 64 * 1024
"""Bytes that are read at once; what is over the share of a turn is kept until the next one."""

READ_UNPROVEN = 4 * 1024
"""The same before a line is known to be a VM's: there may be thousands of these."""


@frozen
class TransportState:
    """A transport as a value: its options, what is not decoded, questions without an answer."""

    options: bytes
    tail: bytes
    marks: int


class LineTransport(TelnetTransport):
    """One telnet connection, eight bits wide both ways; RFC 854, 855, 1143.

    Nothing that a peer sends raises. Fatal are a subnegotiation over 16 KiB and a negotiation
    storm; all else that makes no sense is given to `LineProtocol.dropped`.
    """

    protocol: LineProtocol | None
    transport: Any
    _log = Logger()

    def __init__(
        self,
        make_protocol: Callable[[], LineProtocol],
        now: Callable[[], float],
        share: Share,
        state: TransportState | None = None,
    ) -> None:
        """`now` gives seconds that are never set back; `state` is of a line that goes on."""
        # Twisted's __init__ would make tables that are replaced here, for each of many lines.
        self.protocolFactory = make_protocol
        self.protocolArgs: tuple[()] = ()
        self.protocolKwArgs: dict[str, Any] = {}
        self._now = now
        self.share = share
        self._decoder = Decoder()
        self._table = OptionStates()
        if state is not None:
            self._table = OptionStates(state.options)
            self._decoder.receive(state.tail)
        self._bucket = TokenBucket(NEGOTIATION_RATE, NEGOTIATIONS)
        self._wishes: dict[tuple[bool, int], list[Deferred[bool]]] = {}
        self._said: list[bytes] = []  # data that what follows it may be joined to
        self._held: list[bytes] | None = None  # what waits for the answer to a WILL or a DO
        self._marks = 0 if state is None else state.marks  # DO TIMING-MARKs without an answer
        self._closing = False
        self._paused = False  # nothing is read until its share of a later turn
        self._resting = False  # nothing is read until `go_on`
        self._gone: Failure | None = None  # why the connection was lost, with work still to do
        self.written = 0  # bytes given to the transport
        self.stirred: Callable[[], None] | None = None  # told of everything that comes

    @property
    def value(self) -> TransportState:
        """What another process needs to go on."""
        return TransportState(self._table.to_bytes(), self._decoder.tail, self._marks)

    def _write(self, data: bytes) -> None:
        if self._held is None:
            self.written += len(data)
            self.transport.write(data)
        else:
            self._held.append(data)

    # Receiving

    def connectionMade(self) -> None:
        if not self.share.proven:
            read_at_most(self.transport, READ_UNPROVEN)
        super().connectionMade()  # type: ignore[no-untyped-call]
        if not self._decoder.idle:  # what another process has read and not worked on
            self._wait()

    def identified(self) -> None:
        """Whose line it is, is known: it has a whole share of each turn from now on."""
        if not self.share.proven:
            self.share.proven = True
            self.share.spend(REGISTERING)
            read_at_most(self.transport, READ)

    def dataReceived(self, data: bytes) -> None:
        if self._closing:
            # What TLS still has to say about its end is behind this.
            if not self.share.spend() and not self.share.waiting:
                self._wait()
            return
        if self.stirred is not None:
            self.stirred()
        decoder = self._decoder
        if not self.share.open():
            decoder.receive(data)
            if not self.share.waiting:
                self._wait()
        elif decoder.idle and b"\xff" not in data:
            try:  # as `_guard` does; this is the way of nearly everything that VMs say
                self._protocol.dataReceived(data)
            except Exception:
                self._log.failure("line-defect")
            if not self.share.spend(1 + len(data) // BYTES):
                self._wait()
        else:
            decoder.receive(data)
            self._work(self.share.spend())

    def _work(self, more: bool = True) -> None:
        """Work on what has come, as far as the share of this turn goes; the rest waits."""
        share, decoder = self.share, self._decoder
        only_break = self.protocol is not None and self.protocol.only_break
        while more and not self._closing:
            if only_break and share.has(telnet.RUN) and (run := decoder.run()) is not None:
                self._say(run.data)
                more = share.spend(run.commands)
                continue
            event = decoder.next_event()
            if event is None:
                break
            self._guard(_HANDLERS[type(event)], self, event)
            more = share.spend()
        self._flush()
        if not (more or self._closing or share.waiting):
            self._wait()
        if share.waiting:
            return
        if self._gone is not None:
            self._end(self._gone)
        elif self._paused:
            self._paused = False
            self._resume()

    def _wait(self) -> None:
        """Read nothing more until the share of a later turn."""
        if not self._paused and self._gone is None:
            self._paused = True
            self.transport.pauseProducing()
        if not self.share.wait(self._work):
            self.fail(FLOOD)

    @property
    def _protocol(self) -> LineProtocol:
        assert self.protocol is not None
        return self.protocol

    def _guard(self, call: Callable[..., None], *arguments: Any) -> None:
        """A defect of ours must not cost what else came in the same chunk (law 4)."""
        try:
            call(*arguments)
        except Exception:
            self._log.failure("line-defect")

    def _say(self, data: bytes) -> None:
        """Data, which is heard by the protocol together with what follows it (`_flush`)."""
        if len(data) >= DOUBLED:
            self.share.spend(len(data) // BYTES + data.count(0xFF) // DOUBLED)
        if data:
            self._said.append(data)

    def _flush(self) -> None:
        """The protocol hears all data up to here: what comes now has its place behind it."""
        if self._said:
            said, self._said = self._said, []
            self._guard(self._protocol.dataReceived, said[0] if len(said) == 1 else b"".join(said))

    def _data(self, event: Data) -> None:
        self._say(event.data)

    def _command(self, event: Command) -> None:
        if not self._protocol.only_break or event.code == telnet.BRK:
            self._flush()
        elif event.code in telnet.IDLE:
            return
        self._protocol.unhandledCommand(bytes((event.code,)), None)

    def _subnegotiation(self, event: Subnegotiation) -> None:
        self._flush()
        if len(event.body) >= SUBNEGOTIATION_BYTES:
            self.share.spend(len(event.body) // SUBNEGOTIATION_BYTES)
        self._surcharge(SUBNEGOTIATION)
        self._protocol.unhandledSubnegotiation(bytes((event.option,)), event.body)

    def _surcharge(self, events: int) -> None:
        """What one event costs, less the one that it has counted as. A peer that is not identified
        pays nothing more: its share is small enough, and a registration has to fit in it.
        """
        if self.share.proven:
            self.share.spend(events - 1)

    def _malformed(self, event: Malformed) -> None:
        self._flush()
        self._protocol.dropped(event.what)

    def _overlong(self, event: Overlong) -> None:
        self._flush()
        limit = telnet.MAX_SUBNEGOTIATION
        self.fail(f"a subnegotiation of option {event.option} over {limit} bytes")

    def fail(self, reason: str) -> None:
        """End the connection for what the peer did; nothing more is heard of it."""
        if not self._closing:
            self._guard(self._protocol.line_failed, reason)
        self.abortConnection()

    # Options

    def _negotiation(self, event: Negotiation) -> None:
        self._flush()
        self._surcharge(NEGOTIATION)
        answers = event.option == telnet.TIMING_MARK and event.verb in (telnet.WILL, telnet.WONT)
        if answers and self._marks:
            # No part of a storm: a long paste puts this question hundreds of times.
            self._marks -= 1
            self._protocol.timing_mark_received()
        elif not self._bucket.take(self._now()):
            self.fail("a negotiation storm")
        elif answers:
            self._protocol.dropped("an answer to no TIMING-MARK")
        else:
            self._negotiate(event.verb, event.option)

    def _negotiate(self, verb: int, number: int) -> None:
        ours = verb in (telnet.DO, telnet.DONT)
        option = bytes((number,))
        protocol = self._protocol
        agree, held = False, b""
        if verb in (telnet.WILL, telnet.DO) and not self._enabled(ours, number):
            enable = protocol.enableLocal if ours else protocol.enableRemote
            agree, held = self._agree(enable, option)
        reply, effect = self._table.receive(verb, number, agree)
        if reply is not None:
            self._write(telnet.negotiation(reply, number))
        if held:
            self._write(held)
        if effect is Effect.DISABLED:
            self._guard(protocol.disableLocal if ours else protocol.disableRemote, option)
        elif effect is Effect.REFUSED and not ours:
            self._guard(protocol.refused_remote, option)
        if effect is not None and self._settled(ours, number):
            for wish in self._wishes.pop((ours, number), ()):
                wish.callback(self._enabled(ours, number))

    def _enabled(self, ours: bool, number: int) -> bool:
        return self._table.enabled_us(number) if ours else self._table.enabled_him(number)

    def refuses(self, ours: bool, option: bytes) -> bool:
        """Whether `option` is off and not being negotiated: what was asked for was refused, or it
        was switched off later. `ours`: what we do; else what the peer does.
        """
        return self._settled(ours, option[0]) and not self._enabled(ours, option[0])

    def _settled(self, ours: bool, number: int) -> bool:
        return self._table.settled_us(number) if ours else self._table.settled_him(number)

    def _agree(self, enable: Callable[[bytes], bool], option: bytes) -> tuple[bool, bytes]:
        """Whether we agree, and what the protocol wrote: our answer goes out before that."""
        held = self._held = list[bytes]()
        agree = False
        try:
            agree = bool(enable(option))
        except Exception:
            self._log.failure("line-defect")
        self._held = None
        return agree, b"".join(held)

    def _wish(self, ours: bool, number: int, verb: int | None) -> "Deferred[bool]":
        """Whether the option is on when its negotiation is over; False if the line is lost."""
        if verb is not None:
            self._write(telnet.negotiation(verb, number))
        outcome: Deferred[bool] = Deferred()
        if self.protocol is None or self._settled(ours, number):
            outcome.callback(self.protocol is not None and self._enabled(ours, number))
        else:
            self._wishes.setdefault((ours, number), []).append(outcome)
        return outcome

    def will(self, option: bytes) -> "Deferred[bool]":
        """Ask to do `option`."""
        return self._wish(True, option[0], self._table.will(option[0]))

    def wont(self, option: bytes) -> "Deferred[bool]":
        """Stop doing `option`."""
        return self._wish(True, option[0], self._table.wont(option[0]))

    def do(self, option: bytes) -> "Deferred[bool]":
        """Ask the peer to do `option`."""
        return self._wish(False, option[0], self._table.do(option[0]))

    def dont(self, option: bytes) -> "Deferred[bool]":
        """Ask the peer to stop doing `option`."""
        return self._wish(False, option[0], self._table.dont(option[0]))

    # Sending

    def write(self, data: bytes) -> None:
        """Send `data` as data: 0xFF doubled, nothing else touched."""
        self._write(telnet.escape(data))

    def writeSequence(self, sequence: Iterable[bytes]) -> None:
        self.write(b"".join(sequence))

    def requestNegotiation(self, option: bytes, body: bytes) -> None:
        """Send a subnegotiation of `option`."""
        self._write(telnet.subnegotiation(option[0], body))

    def send_command(self, code: int) -> None:
        """Send IAC and `code`, such as BRK."""
        self._write(telnet.command(code))

    def ask_timing_mark(self) -> None:
        """DO TIMING-MARK: a question each time, outside the option table (RFC 860)."""
        self._marks += 1
        self._write(telnet.negotiation(telnet.DO, telnet.TIMING_MARK))

    # The connection itself

    def getPeer(self) -> IAddress:
        peer: IAddress = self.transport.getPeer()
        return peer

    def loseConnection(self) -> None:
        """Close once everything is written; nothing more is heard of the peer."""
        self._closing = True
        if self._resting:  # TLS ends with an answer
            self.go_on()
        if self._held:
            self.transport.write(b"".join(self._held))
            self._held.clear()
        self.transport.loseConnection()

    def abortConnection(self) -> None:
        """Close now."""
        self._closing = True
        self.transport.abortConnection()

    def startTLS(self, creator: IOpenSSLServerConnectionCreator) -> None:
        """TLS from the next byte on, both ways: what came in the same read belongs to it.

        What the peer said before is no longer known to come from it: options are as at the start,
        and what else was learned the protocol has to forget.
        """
        rest = self._decoder.take_rest()
        self._table = OptionStates()
        self._forget_wishes()
        paused, self._paused = self._paused, False
        self.transport = start_tls(self.transport, creator, self)
        if rest:
            self.transport.dataReceived(rest)
        if paused and not self.share.waiting:
            self._resume()

    def rest(self) -> None:
        """Read nothing more until `go_on`."""
        if not self._closing:
            self._resting = True
            self.transport.pauseProducing()

    def go_on(self) -> None:
        """Read again."""
        self._resting = False
        self._resume()

    def _resume(self) -> None:
        """Read again, if nothing speaks against it."""
        if not (self._paused or self._resting):
            self.transport.resumeProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """As the transport below."""
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """As the transport below."""
        self.transport.unregisterProducer()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """What came before is worked on first, in its turn."""
        self._gone = reason
        if self.share.waiting:
            return
        if self.share.open():
            self.share.spend(REGISTERING if self.share.proven else CLOSING)
            self._end(reason)
        elif not self.share.wait(self._work):
            self._end(reason)

    def _end(self, reason: Failure) -> None:
        self._closing = True
        protocol, self.protocol = self.protocol, None
        self._forget_wishes()
        if protocol is not None:
            protocol.connectionLost(reason)

    def _forget_wishes(self) -> None:
        """Nobody will answer them any more."""
        wishes, self._wishes = self._wishes, {}
        for outcomes in wishes.values():
            for outcome in outcomes:
                outcome.callback(False)


_HANDLERS: dict[type[Event], Callable[[LineTransport, Any], None]] = {
    Data: LineTransport._data,
    Command: LineTransport._command,
    Negotiation: LineTransport._negotiation,
    Subnegotiation: LineTransport._subnegotiation,
    Malformed: LineTransport._malformed,
    Overlong: LineTransport._overlong,
}
