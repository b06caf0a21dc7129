"""What a client sends and is sent: how much of it is handled, and how much is kept.

Input is handled in the connection's share of each turn (`vspc.net.scheduler`).
"""

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from vspc.console.logins import Login
from vspc.net.scheduler import BYTES, FLOOD, HANDSHAKE, Share
from vspc.ssh import limits
from vspc.ssh.context import SshContext
from vspc.ssh.crypto.exchange import METHOD_MESSAGES
from vspc.ssh.crypto.packets import Incoming
from vspc.ssh.limits import Displaceable
from vspc.wire.ssh import MalformedSsh

_TURN = "turn"


class Receiver(Displaceable, Protocol):
    """The connection that the input is for."""

    @property
    def context(self) -> SshContext: ...
    @property
    def ended(self) -> bool:
        """Whether nothing is received any more."""

    @property
    def login(self) -> Login | None: ...
    @property
    def transport(self) -> Any:
        """TCP."""

    def version_received(self, version: bytes) -> None:
        """The client's first line."""

    def packet_received(self, payload: bytes) -> None:
        """Everything after it; raises `MalformedSsh`."""

    def all_received(self) -> None:
        """What has arrived is handled, or has to wait."""

    def refuse(self, reason: str) -> None:
        """End the connection: the client breaks the protocol."""

    def fail(self, failure: Failure) -> None:
        """End the connection after an exception."""

    def finished(self) -> None:
        """The connection is lost, and what arrived before that is handled."""


def _cost(payload: bytes) -> int:
    """Events that a packet counts as."""
    return HANDSHAKE if payload[0] in METHOD_MESSAGES else 1 + len(payload) // BYTES


class ClientInput:
    """Reads and parses until the share of the turn is used up, or there is a reason to wait.

    What is malformed, and any exception, ends the connection with one log line (law 4).
    """

    def __init__(self, receiver: Receiver, incoming: Incoming, share: Share) -> None:
        self._receiver = receiver
        self._incoming = incoming
        self._share = share
        self._held: set[str] = set()
        self._has_version = False
        self._lost = False
        self._parsing = False

    def received(self, data: bytes) -> None:
        """Bytes from TCP."""
        receiver = self._receiver
        if receiver.login is None:
            receiver.context.grace_period.touched(receiver)
        self._incoming.feed(data)
        if self._held:
            return
        if self._share.open():
            self._share.spend()
            self._parse()
        else:
            self._wait()

    def connection_lost(self) -> None:
        """What was received from a client that had logged in is handled first."""
        self._lost = True
        if self._receiver.login is None:
            self._receiver.finished()
        else:
            self._finish()

    def _finish(self) -> None:
        if self._lost and (self._receiver.ended or self._held != {_TURN}):
            self._receiver.finished()

    def hold(self, why: str) -> None:
        """Read nothing more from the client, until `release` for every reason to."""
        self._held.add(why)
        self._receiver.transport.pauseProducing()

    def release(self, why: str) -> None:
        """Take `hold` back."""
        if why not in self._held:
            return
        self._held.discard(why)
        if not (self._held or self._receiver.ended):
            self._parse()
        if not (self._held or self._receiver.ended):
            self._receiver.transport.resumeProducing()

    def _wait(self) -> None:
        """Read and parse nothing more until the share of a later turn."""
        self.hold(_TURN)
        if not self._share.wait(self._turn_came):
            self._receiver.refuse(FLOOD)
        elif self._share.floods:
            self._receiver.context.grace_period.failed(self._receiver)

    def _turn_came(self) -> None:
        self.release(_TURN)
        self._finish()

    def _parse(self) -> None:
        if self._parsing:
            return
        receiver = self._receiver
        self._parsing = True
        try:
            self._parse_all()
        except MalformedSsh as error:
            receiver.refuse(str(error))
        except Exception:
            receiver.fail(Failure())  # type: ignore[no-untyped-call]
        finally:
            self._parsing = False

    def _parse_all(self) -> None:
        if not self._has_version:
            version = self._incoming.version()
            if version is None:
                return
            self._has_version = True
            self._receiver.version_received(version)
        while not (self._receiver.ended or self._held):
            payload = self._incoming.packet()
            if payload is None:
                break
            self._receiver.packet_received(payload)
            more = self._share.spend(_cost(payload))
            if not (more or self._receiver.ended or _TURN in self._held):
                self._wait()
        self._receiver.all_received()


@implementer(IPushProducer)
class ClientOutput:
    """Writes to TCP. `stalled`: its buffer is full; `drained` is called when it is empty again.

    Channels wait then. Replies are written all the same: over `limits.BACKLOG_LIMIT` bytes of them
    nothing more is read from the client.
    """

    def __init__(self, tcp: Any, client_input: ClientInput, drained: Callable[[], None]) -> None:
        self._tcp = tcp
        self._input = client_input
        self._drained = drained
        self.stalled = False
        self._backlog = 0

    def write(self, packet: bytes) -> None:
        """A sealed packet."""
        self._tcp.write(packet)
        if self.stalled:
            self._backlog += len(packet)
            if self._backlog > limits.BACKLOG_LIMIT:
                self._input.hold("backlog")

    def pauseProducing(self) -> None:
        """TCP's buffer is full."""
        self.stalled = True

    def resumeProducing(self) -> None:
        """TCP's buffer is empty again."""
        self.stalled = False
        self._backlog = 0
        self._input.release("backlog")
        self._drained()

    def stopProducing(self) -> None:
        """The connection is lost; `connectionLost` follows."""
        self.stalled = True
