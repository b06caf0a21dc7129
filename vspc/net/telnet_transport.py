"""Twisted's TelnetTransport with its parser, its writer and its options replaced.

Twisted's parser loops over single bytes, is not eight bits wide and raises on what peers can send;
what stays is the shape: a transport that owns a TelnetProtocol (docs/decisions).
"""

from collections.abc import Callable, Iterable
from types import MappingProxyType
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
from vspc.net.scheduler import (
    BYTES,
    CLOSING,
    COMMAND,
    DOUBLED,
    FLOOD,
    NEGOTIATION,
    REGISTERING,
    SUBNEGOTIATION,
    SUBNEGOTIATION_BYTES,
    Share,
)
from vspc.net.telnet_options import LineProtocol, OptionNegotiation
from vspc.wire import telnet
from vspc.wire.qmethod import OptionStates
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

READ = 64 * 1024
"""Bytes that are read at once; what is over the share of a turn waits for a later one."""

READ_UNPROVEN = 4 * 1024
"""The same before a line is identified: there may be thousands of these."""


@frozen
class TransportState:
    """A transport as a value: its options, what is not decoded, TIMING-MARKs without an answer."""

    options: bytes = b""
    tail: bytes = b""
    marks: int = 0


class LineTransport(TelnetTransport):
    """One telnet connection, eight bits wide both ways; RFC 854, 855, 1143.

    Nothing that a peer sends raises. Fatal are a subnegotiation over 16 KiB and a negotiation
    storm; everything else without a meaning is dropped and given to `LineProtocol.dropped`.
    """

    protocol: LineProtocol | None
    protocolArgs = ()
    protocolKwArgs: Any = MappingProxyType({})
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
        self._now = now
        self.share = share
        self._decoder = Decoder()
        if state is None:
            self.negotiation = OptionNegotiation(self, OptionStates(), 0)
        else:
            self.negotiation = OptionNegotiation(self, OptionStates(state.options), state.marks)
            self._decoder.receive(state.tail)
        self._undelivered: list[bytes] = []  # data, to be joined with what follows it
        self._withheld: list[bytes] | None = None  # written while our answer is not decided
        self._closing = False
        self._paused = False  # nothing is read until its share of a later turn
        self._stopped = False  # nothing is read until `resume_reading`
        self._lost: Failure | None = None  # why the connection was lost, with work still to do
        self.written = 0  # bytes given to the transport
        self.received = 0  # bytes that came from it
        self._altered = False  # more than data came since `on_progress` was called
        # Called when what has come is worked on, as far as it will be in this turn; with True if
        # more than data was among it.
        self.on_progress: Callable[[bool], None] | None = None
        # Called for everything that comes, as long as it returns True.
        self.on_traffic: Callable[[], bool] | None = None

    @property
    def value(self) -> TransportState:
        """What another process needs to go on."""
        options = self.negotiation
        return TransportState(options.states.to_bytes(), self.tail, options.marks)

    @property
    def tail(self) -> bytes:
        """What has come and is not decoded."""
        return self._decoder.tail

    # Receiving

    def connectionMade(self) -> None:
        if not self.share.proven:
            read_at_most(self.transport, READ_UNPROVEN)
        super().connectionMade()  # type: ignore[no-untyped-call]
        del self.protocolFactory  # each line's own, and needed once
        if not self._decoder.idle:  # what another process has read and not worked on
            self._wait()

    def identified(self) -> None:
        """The peer is identified: the line has a whole share of each turn from now on."""
        if not self.share.proven:
            self.share.prove(REGISTERING)
            read_at_most(self.transport, READ)

    def dataReceived(self, data: bytes) -> None:
        if self._closing:
            # The close_notify of TLS is behind this.
            if not self.share.spend() and not self.share.waiting:
                self._wait()
            return
        if self.on_traffic is not None and not self.on_traffic():
            self.on_traffic = None
        self.received += len(data)
        decoder = self._decoder
        if not self.share.open():
            decoder.receive(data)
            if not self.share.waiting:
                self._wait()
            if self.on_progress is not None:
                self._report_progress()
        elif decoder.idle and b"\xff" not in data:
            assert self.protocol is not None
            try:  # as `guard` does; nearly everything that VMs send goes this way
                self.protocol.dataReceived(data)
            except Exception:
                self._log.failure("line-defect")
            if self.on_progress is not None:
                self.on_progress(False)
            if not self.share.spend(1 + len(data) // BYTES):
                self._wait()
        else:
            decoder.receive(data)
            self._work(self.share.spend())

    def _work(self, more: bool = True) -> None:
        """Work on what has come, as far as the share of this turn goes; the rest waits."""
        share, decoder = self.share, self._decoder
        only_break = self.protocol is not None and self.protocol.only_break
        after_command = False  # others may follow it
        while more and not self._closing:
            if after_command and share.has(telnet.RUN) and (run := decoder.run()) is not None:
                self._add(run.data)
                more = share.spend(run.commands)
                continue
            event = decoder.next_event()
            if event is None:
                break
            kind = type(event)
            after_command = only_break and kind is Command
            try:  # as `guard` does
                if self._undelivered and kind is not Data and kind is not Command:
                    self._flush()
                _HANDLERS[kind](self, event)
            except Exception:
                self._log.failure("line-defect")
            more = share.spend()
        if self._undelivered:
            self._flush()
        if self.on_progress is not None:
            self._report_progress()
        if not (more or self._closing or share.waiting):
            self._wait()
        if share.waiting:
            return
        if self._lost is not None:
            self._end(self._lost)
        elif self._paused:
            self._paused = False
            self._resume()

    def _report_progress(self) -> None:
        altered, self._altered = self._altered, False
        assert self.on_progress is not None
        self.guard(self.on_progress, altered)

    def _wait(self) -> None:
        """Read nothing more until the share of a later turn."""
        if not self._paused and self._lost is None:
            self._paused = True
            self.transport.pauseProducing()
        if not self.share.wait(self._work):
            self.fail(FLOOD)

    @property
    def _protocol(self) -> LineProtocol:
        assert self.protocol is not None
        return self.protocol

    def guard(self, call: Callable[..., None], *arguments: Any) -> None:
        """Call it; a defect in it is logged and does not cost the rest of the chunk (law 4)."""
        try:
            call(*arguments)
        except Exception:
            self._log.failure("line-defect")

    def _add(self, data: bytes, doubled: int = 0) -> None:
        """Data, which is delivered together with what follows it (`_flush`)."""
        if len(data) >= DOUBLED:
            self.share.spend(len(data) // BYTES + doubled // DOUBLED)
        if data:
            self._undelivered.append(data)

    def _flush(self) -> None:
        """Deliver all data up to here: what comes now has its place behind it."""
        data, self._undelivered = self._undelivered, []
        self.guard(self._protocol.dataReceived, data[0] if len(data) == 1 else b"".join(data))

    def _data(self, event: Data) -> None:
        self._add(event.data, event.doubled)

    def _command(self, event: Command) -> None:
        if not self._protocol.only_break or event.code == telnet.BRK:
            if self._undelivered:
                self._flush()
        elif event.code in telnet.IDLE:
            return
        self._altered = True
        self.surcharge(COMMAND)
        self._protocol.unhandledCommand(bytes((event.code,)), None)

    def _subnegotiation(self, event: Subnegotiation) -> None:
        share, protocol = self.share, self.protocol
        assert protocol is not None
        if len(event.body) >= SUBNEGOTIATION_BYTES:
            share.spend(len(event.body) // SUBNEGOTIATION_BYTES)
        self._altered = True
        if share.proven:
            self.surcharge(SUBNEGOTIATION)
        protocol.unhandledSubnegotiation(bytes((event.option,)), event.body)

    def surcharge(self, events: int) -> None:
        """What one event costs, less the one that it has counted as. A peer that is not identified
        pays nothing more: its share is small enough, and a registration has to fit in it.
        """
        if self.share.proven:
            self.share.spend(events - 1)

    def _malformed(self, event: Malformed) -> None:
        self._protocol.dropped(event.what)

    def _overlong(self, event: Overlong) -> None:
        limit = telnet.MAX_SUBNEGOTIATION
        self.fail(f"a subnegotiation of option {event.option} over {limit} bytes")

    def fail(self, reason: str) -> None:
        """End the connection for what the peer did; nothing more is heard of it."""
        if not self._closing:
            self.guard(self._protocol.line_failed, reason)
        self.abortConnection()

    def _negotiation(self, event: Negotiation) -> None:
        self._altered = True
        if self.share.proven:
            self.surcharge(NEGOTIATION)
        protocol = self.protocol
        assert protocol is not None
        self.negotiation.received(protocol, event, self._now())

    # Options

    def will(self, option: bytes) -> "Deferred[bool]":
        """Ask to do `option`; whether it is on in the end."""
        return self.negotiation.request(telnet.WILL, option)

    def wont(self, option: bytes) -> "Deferred[bool]":
        """Stop doing `option`."""
        return self.negotiation.request(telnet.WONT, option)

    def do(self, option: bytes) -> "Deferred[bool]":
        """Ask the peer to do `option`; whether it is on in the end."""
        return self.negotiation.request(telnet.DO, option)

    def dont(self, option: bytes) -> "Deferred[bool]":
        """Ask the peer to stop doing `option`."""
        return self.negotiation.request(telnet.DONT, option)

    def withheld(self, call: Callable[[bytes], bool], option: bytes) -> tuple[bool, bytes]:
        """What `call` returns, and what the protocol wrote in it: our answer goes before that."""
        written = self._withheld = list[bytes]()
        agree = False
        try:
            agree = bool(call(option))
        except Exception:
            self._log.failure("line-defect")
        self._withheld = None
        return agree, b"".join(written)

    # Sending

    def write_encoded(self, data: bytes) -> None:
        """Send `data`, which is telnet already."""
        if self._withheld is None:
            self.written += len(data)
            self.transport.write(data)
        else:
            self._withheld.append(data)

    def hasten(self) -> None:
        """Send what was written now, where a `vspc.net.turn_loop.TurnLoop` would at the end of this
        turn.
        """
        send = getattr(self.transport, "hasten", None)
        if send is not None:
            self.guard(send)

    def write(self, data: bytes) -> None:
        """Send `data` as data: 0xFF doubled, nothing else touched."""
        self.write_encoded(telnet.escape(data))

    def writeSequence(self, sequence: Iterable[bytes]) -> None:
        self.write(b"".join(sequence))

    def requestNegotiation(self, option: bytes, body: bytes) -> None:
        """Send a subnegotiation of `option`."""
        self.write_encoded(telnet.subnegotiation(option[0], body))

    def send_command(self, code: int) -> None:
        """Send IAC and `code`, such as BRK."""
        self.write_encoded(telnet.command(code))

    # The connection itself

    def getPeer(self) -> IAddress:
        peer: IAddress = self.transport.getPeer()
        return peer

    def loseConnection(self) -> None:
        """Close once everything is written; nothing more is heard of the peer."""
        self._closing = True
        if self._stopped:  # TLS ends with an answer
            self.resume_reading()
        if self._withheld:
            self.transport.write(b"".join(self._withheld))
            self._withheld.clear()
        self.transport.loseConnection()

    def abortConnection(self) -> None:
        """Close now."""
        self._closing = True
        self.transport.abortConnection()

    def startTLS(self, creator: IOpenSSLServerConnectionCreator) -> None:
        """TLS from the next byte on, both ways: what came in the same read belongs to it.

        What came in clear is not known to be the peer's: options are as at the start, and the
        protocol has to forget what else it learned.
        """
        rest = self._decoder.take_rest()
        self.negotiation.reset()
        paused, self._paused = self._paused, False
        self.transport = start_tls(self.transport, creator, self)
        if rest:
            self.transport.dataReceived(rest)
        if paused and not self.share.waiting:
            self._resume()

    def pause_reading(self) -> None:
        """Read nothing more until `resume_reading`."""
        if not self._closing:
            self._stopped = True
            self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Read again."""
        self._stopped = False
        self._resume()

    def _resume(self) -> None:
        """Read again, unless one of both reasons not to is left."""
        if not (self._paused or self._stopped):
            self.transport.resumeProducing()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """As the transport below."""
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """As the transport below."""
        self.transport.unregisterProducer()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """What came before that is worked on first, in its turn."""
        self._lost = reason
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
        self.on_traffic = self.on_progress = None
        self.negotiation.close()
        if protocol is not None:
            protocol.connectionLost(reason)


_HANDLERS: dict[type[Event], Callable[[LineTransport, Any], None]] = {
    Data: LineTransport._data,
    Command: LineTransport._command,
    Negotiation: LineTransport._negotiation,
    Subnegotiation: LineTransport._subnegotiation,
    Malformed: LineTransport._malformed,
    Overlong: LineTransport._overlong,
}
