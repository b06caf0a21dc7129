"""A turn of the reactor as its connections see it: what has arrived is given to them, and what the
turn writes to them is sent at its end, in one piece.

Twisted waits for each write until the socket is said to be writable, which it nearly always is: two
calls of epoll_ctl(2) and another turn for each answer. Here the turn's writes are tried at once,
after all that is due in the turn, and only what the socket does not take waits for that. Nor has
each event a context of its own for the log, which nothing here looks at.
"""

import select
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet import tcp
from twisted.logger import Logger

SEND_BUFFER = 128 * 1024
"""Bytes that a connection has yet to send, beyond which its producer is paused. What a turn writes
is sent at its end: a piece of output, and the packets around it, are no sign of a slow reader."""


class TurnLoop:
    """The turns of `reactor`, and the connections that have something to send at the end of this
    one.

    Sending calls nothing of anybody: a connection that is to be closed, has failed, or has a
    producer to resume, is left to the reactor, which finds it writable in the same turn.
    """

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._waiting: dict[GatheringConnection | LastCall, None] = {}
        self._iterate: Any = None  # the reactor's own way to wait, and do what there is to do
        self._gives = False  # what has arrived is being given to connections
        self._last = list[Callable[[], None]]()
        self._before = list[Callable[[], None]]()

    def start(self) -> None:
        """Take the turns over, of a reactor that waits by epoll. With another one, connections
        write as Twisted's.
        """
        poller = getattr(self._reactor, "_poller", None)  # Twisted's for poll(2) has another one
        if self._iterate is None and isinstance(poller, select.epoll):
            self._iterate = self._reactor.doIteration
            self._reactor.doIteration = self._turn

    def stop(self) -> None:
        """Connections write as Twisted's from now on."""
        if self._iterate is not None:
            self._reactor.doIteration, self._iterate = self._iterate, None
            self._send()

    def serve(self, port: Any) -> None:
        """Have connections of `port` send so, if it is a TCP port of Twisted's."""
        if getattr(port, "transport", None) is tcp.Server:  # not of a Unix socket, or in memory
            port.transport = partial(GatheringConnection, self)

    def add(self, connection: "GatheringConnection") -> bool:
        """It has something to send; False if it has to wait for the reactor."""
        if self._iterate is None:
            return False
        self._waiting[connection] = None
        return True

    def remove(self, connection: "GatheringConnection | LastCall") -> None:
        """It has nothing to send any more."""
        self._waiting.pop(connection, None)

    def __contains__(self, connection: "GatheringConnection") -> bool:
        """Whether it has something to send at the end of this turn."""
        return connection in self._waiting

    def callLater(self, _delay: float, call: Callable[[], None]) -> Any:
        """As the reactor's with a delay of 0, at the end of this turn: what `call` writes is sent
        in it.
        """
        if self._iterate is None:
            return self._reactor.callLater(0, call)
        last = LastCall(self, call)
        self._waiting[last] = None
        return last

    def at_end(self, call: Callable[[], None]) -> None:
        """`call` when all that has arrived in this turn is given to connections, or if that is not
        going on, in the next turn: as the reactor's `callLater` with a delay of 0, without a timer.
        """
        if self._gives:
            self._last.append(call)
        else:
            self._reactor.callLater(0, call)

    def before_sending(self, call: Callable[[], None]) -> None:
        """`call` before anything is sent of what is written from now on, by what has arrived or by
        a timer; with another reactor in its next turn.
        """
        if self._iterate is None:
            self._reactor.callLater(0, call)
        else:
            self._before.append(call)

    def _turn(self, timeout: float | None) -> None:
        """As `EPollReactor.doPoll`: wait, and give each descriptor its events."""
        if self._waiting or self._before:
            self._send()
        reactor = self._reactor
        found = reactor._poller.poll(-1 if timeout is None else timeout, len(reactor._selectables))
        self._gives = True
        try:
            self._give(reactor, found)
        finally:
            self._gives = False
        if self._last:
            calls, self._last = self._last, []  # what one of them adds is called in the next turn
            self._call(calls)

    def _give(self, reactor: Any, arrived: list[tuple[int, int]]) -> None:
        selectables = reactor._selectables
        for number, event in arrived:
            found = selectables.get(number)
            if found is not None:
                try:
                    reactor._doReadOrWrite(found, number, event)
                except Exception:
                    self._log.failure("connection-defect")

    def _call(self, calls: list[Callable[[], None]]) -> None:
        for call in calls:
            try:
                call()
            except Exception:
                self._log.failure("connection-defect")

    def _send(self) -> None:
        waiting = self._waiting
        while waiting or self._before:
            if self._before:
                calls, self._before = self._before, []
                self._call(calls)
                continue
            connection = next(iter(waiting))
            del waiting[connection]
            try:
                connection.send()
            except Exception:
                connection.wait()
                self._log.failure("connection-defect")


class LastCall:
    """A call at the end of a turn, before what it writes is sent."""

    __slots__ = ("_loop", "send")

    def __init__(self, loop: TurnLoop, send: Callable[[], None]) -> None:
        self._loop = loop
        self.send = send

    def cancel(self) -> None:
        """Take it back."""
        self._loop.remove(self)

    def wait(self) -> None:
        """It has failed, which was logged."""


class GatheringConnection(tcp.Server):
    """A TCP connection that was accepted, and sends by a `TurnLoop`."""

    def __init__(self, loop: TurnLoop, *arguments: Any) -> None:
        self.turn_loop = loop
        self._waits = False  # for the reactor to find it writable
        super().__init__(*arguments)
        # Nothing logs by them, and Twisted makes two for each of many connections.
        self.logstr = self.repstr = type(self.protocol).__name__

    def _isSendBufferFull(self) -> bool:
        """Of Twisted's `FileDescriptor`, where it is what is read at once: 64 KiB."""
        return len(self.dataBuffer) + self._tempDataLen > SEND_BUFFER

    def startWriting(self) -> None:
        if not (self._waits or self.turn_loop.add(self)):
            self.wait()

    def stopWriting(self) -> None:
        self.turn_loop.remove(self)
        if self._waits:
            self._waits = False
            super().stopWriting()  # type: ignore[no-untyped-call]

    def wait(self) -> None:
        """Have the reactor write when it can."""
        self._waits = True
        super().startWriting()  # type: ignore[no-untyped-call]

    def write(self, data: bytes) -> None:
        """As Twisted's, which makes six calls of it; each answer to a VM, and each line for a
        program, comes this way.
        """
        if data and self.connected and not self._writeDisconnected:
            self._tempDataBuffer.append(data)
            self._tempDataLen += len(data)
            if self.producer is not None:
                self._maybePauseProducer()  # type: ignore[no-untyped-call]
            if not (self._waits or self.turn_loop.add(self)):
                self.wait()

    def hasten(self) -> None:
        """Send what was written now, unless it waits for the socket: somebody waits for it."""
        if self in self.turn_loop:
            self.send()
            self.turn_loop.remove(self)

    def send(self) -> None:
        """Write what there is; what the socket does not take waits for it, and so does what Twisted
        has to do next: more than writing, if something follows from having written all, or if the
        connection has failed.
        """
        producer = self.producer
        resumes = producer is not None and (self.producerPaused or not self.streamingProducer)
        if resumes or self.disconnecting or self._writeDisconnecting or self.dataBuffer:
            self.wait()
            return
        data = b"".join(self._tempDataBuffer)
        try:
            sent = self.socket.send(data)
        except OSError:
            self.wait()
            return
        self._tempDataBuffer, self._tempDataLen = [], 0
        if sent < len(data):
            self.dataBuffer, self.offset = data, sent
            self.wait()
