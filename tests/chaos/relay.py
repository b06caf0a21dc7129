"""What stands between a peer and the server: real TCP on loopback that can be hurt.

`tc netem` would do a part of this in a network namespace; kernels without that module are common,
and a relay can do more: cut one side only, or in the middle of what it has.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.python.failure import Failure

BUFFER = 64 * 1024
"""Bytes of one direction that wait in a link; then its source is not read."""

CONNECT_LIMIT = 10.0
"""Seconds for a connection to the server."""

_LOOPBACK = "127.0.0.1"


class _End(Protocol):
    """One of the two connections of a link."""

    transport: Any

    def __init__(self, link: "Link") -> None:
        self._link = link
        self.connected = False
        self.lane: Lane | None = None  # of what is read here

    def connectionMade(self) -> None:
        self.connected = True
        self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)
        self._link.made(self)

    def dataReceived(self, data: bytes) -> None:
        if self.lane is not None:
            self.lane.push(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.connected = False
        self._link.lost(self, bool(reason.check(ConnectionDone)))

    def pauseProducing(self) -> None:
        self._link.full(self, True)

    def resumeProducing(self) -> None:
        self._link.full(self, False)

    def stopProducing(self) -> None:
        self._link.full(self, True)

    def read(self, wanted: bool) -> None:
        """Go on reading, or stop."""
        if self.connected:
            if wanted:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def close(self) -> None:
        """FIN, after what was written."""
        if self.connected:
            self.read(True)  # what is unread at the end would make the close a reset
            self.lane = None
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def abort(self) -> None:
        """RST."""
        if self.connected:
            self.transport.abortConnection()


class Lane:
    """One direction of a link: passed on at once, unless it is hurt."""

    def __init__(self, clock: Any, source: _End, sink: _End, ended: Callable[[], None]) -> None:
        self.delay = 0.0
        self.splitting = 0
        self.is_full = False
        self._clock = clock
        self._source = source
        self._sink = sink
        self._ended = ended
        self._queue: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._stalled_until = 0.0
        self._is_over = False
        self._is_paused = False
        self._timer: IDelayedCall | None = None

    def push(self, data: bytes) -> None:
        """Bytes from the source."""
        if not self._is_over:
            self._queue.append((self._clock.seconds() + self.delay, data))
            self._size += len(data)
            self.go()

    def end(self) -> None:
        """Nothing more comes: when all is passed on, the link ends."""
        self._is_over = True
        self.go()

    def stall(self, seconds: float) -> None:
        """Pass nothing on for so long."""
        self._stalled_until = self._clock.seconds() + seconds
        self._again(seconds)

    def heal(self) -> None:
        """Pass on at once again."""
        self.delay, self.splitting, self._stalled_until = 0.0, 0, 0.0
        self._queue = deque((0.0, data) for _, data in self._queue)
        self._again(0)

    def stop(self) -> None:
        """The link is over."""
        self._is_over = True
        self._queue.clear()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def go(self) -> None:
        """Pass on what may be passed on now."""
        while self._queue and not self.is_full and self._sink.connected:
            due, data = self._queue[0]
            wait = max(due, self._stalled_until) - self._clock.seconds()
            if wait > 0:
                self._again(wait)
                break
            if self.splitting > 0 and len(data) > 1:
                self._queue[0] = (due, data[1:])
                self._write(data[:1])
                self.splitting -= 1
                self._again(0)
                break
            self._queue.popleft()
            self._write(data)
        self._read_on()
        if self._is_over and not self._queue:
            self._ended()

    def _write(self, data: bytes) -> None:
        self._size -= len(data)
        self._sink.write(data)

    def _read_on(self) -> None:
        paused = self._size > BUFFER
        if paused != self._is_paused:
            self._is_paused = paused
            self._source.read(not paused)

    def _again(self, wait: float) -> None:
        if self._timer is None or not self._timer.active():
            self._timer = self._clock.callLater(wait, self._awake)
        elif self._timer.getTime() > self._clock.seconds() + wait:
            self._timer.reset(wait)

    def _awake(self) -> None:
        self._timer = None
        self.go()


class Link:
    """A peer's connection and the relay's own to the server."""

    def __init__(self, relay: "Relay") -> None:
        self._relay = relay
        self._clock = relay.reactor
        self.near = _End(self)
        self.far = _End(self)
        self.up = Lane(self._clock, self.near, self.far, self._up_ended)
        self.down = Lane(self._clock, self.far, self.near, self._down_ended)
        self.is_over = False
        self.port = 0
        """The peer's port, which orders links."""
        self._kept: _End | None = None  # the other side of a half-open connection

    # Twisted

    def made(self, end: _End) -> None:
        """A connection is there."""
        if end is self.near:
            peer = end.transport.getPeer()
            self.port = peer.port
            self.near.lane = self.up
            self._relay.connect(self, peer.host)
        elif self.is_over:
            end.abort()
        else:
            self.far.lane = self.down
            self.up.go()

    def failed(self) -> None:
        """The server does not accept."""
        self.cut()

    def lost(self, end: _End, in_order: bool) -> None:
        """A connection is over."""
        if end is self._kept:
            self._kept = None
        if self.is_over or self._kept is not None:
            self._forget()
        elif not in_order:
            self.cut()
        else:
            lane = self.up if end is self.near else self.down
            lane.end()

    def full(self, end: _End, is_full: bool) -> None:
        """Whether `end` takes no more."""
        lane = self.down if end is self.near else self.up
        lane.is_full = is_full
        if not is_full:
            lane.go()

    def _up_ended(self) -> None:
        self.far.close()
        self._forget()

    def _down_ended(self) -> None:
        self.near.close()
        self._forget()

    def _forget(self) -> None:
        if not (self.near.connected or self.far.connected):
            self.is_over = True
            self.up.stop()
            self.down.stop()
            self._relay.links.discard(self)

    # What the adversary does

    def cut(self) -> None:
        """RST on both sides; what waits is lost."""
        self.is_over = True
        self.up.stop()
        self.down.stop()
        self.near.abort()
        self.far.abort()
        self._forget()

    def finish(self) -> None:
        """FIN on both sides, after what waits; nothing more is taken."""
        self.near.lane = self.far.lane = None
        self.near.close()
        self.up.end()

    def half_open(self, keep_far: bool, seconds: float) -> None:
        """Cut one side; the other learns of it later, and hears nothing until then."""
        self.is_over = True
        self.up.stop()
        self.down.stop()
        self._kept = self.far if keep_far else self.near
        (self.near if keep_far else self.far).abort()
        self._clock.callLater(seconds, self._let_go)

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept.abort()

    def heal(self) -> None:
        """No harm any more."""
        self.up.heal()
        self.down.heal()


class Relay(Factory):
    """Passes connections to its own port of loopback on to `target`, from the same address."""

    noisy = False

    def __init__(self, reactor: Any, target: int) -> None:
        self.reactor = reactor
        self.links: set[Link] = set()
        self.splitting, self.delay = 0, 0.0
        self._target = target
        self._listening = reactor.listenTCP(0, self, interface=_LOOPBACK)
        self.port: int = self._listening.getHost().port

    def buildProtocol(self, _address: object) -> Protocol:
        link = Link(self)
        self.links.add(link)
        for lane in (link.up, link.down):
            lane.splitting, lane.delay = self.splitting, self.delay
        return link.near

    def connect(self, link: Link, source: str) -> None:
        """Connect `link` to the server."""
        self.reactor.connectTCP(
            _LOOPBACK, self._target, _FarFactory(link), CONNECT_LIMIT, (source, 0)
        )

    def heal(self) -> None:
        """No harm to any link, nor to those that come."""
        self.splitting, self.delay = 0, 0.0
        for link in list(self.links):
            link.heal()

    def close(self) -> None:
        """Listen no more, cut what there is."""
        self._listening.stopListening()
        for link in list(self.links):
            with suppress(OSError):
                link.cut()


class _FarFactory(ClientFactory):
    noisy = False

    def __init__(self, link: Link) -> None:
        self._link = link

    def buildProtocol(self, _address: object) -> Protocol:
        return self._link.far

    def clientConnectionFailed(self, _connector: object, _reason: object) -> None:
        self._link.failed()
