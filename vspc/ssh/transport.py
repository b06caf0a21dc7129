"""One client's connection, from TCP to the services above.

The login time runs from connect; what comes is worked on in the connection's share of each turn
(`vspc.net.scheduler`); whatever is malformed ends the connection with one log line;
Conch's own log lines go nowhere (`vspc.ssh.quiet`). Three things make it silent towards channels,
`flowing` is then False: a key exchange, a full TCP buffer, and the end.
"""

from typing import TYPE_CHECKING

from twisted.conch.ssh.transport import (
    DISCONNECT_PROTOCOL_ERROR,
    DISCONNECT_TOO_MANY_CONNECTIONS,
    MSG_DISCONNECT,
    MSG_SERVICE_ACCEPT,
)
from twisted.internet.interfaces import IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from vspc.common.text import safe
from vspc.console.logins import Login
from vspc.net.keepalive import keep_alive
from vspc.net.limits import TokenBucket
from vspc.net.scheduler import BYTES, CLOSING, EVENTS, FLOOD, HANDSHAKE, SIGNATURE, Share
from vspc.ssh import limits
from vspc.ssh.crypto.exchange import ExchangeTransport
from vspc.ssh.timers import Timers
from vspc.wire.ssh import MalformedSsh, SshReader, string, uint32

if TYPE_CHECKING:
    from vspc.ssh.server import SshServer
    from vspc.ssh.session import Avatar

log = Logger()

_KEY_EXCHANGE = range(30, 50)
"""Messages of a key exchange method (RFC 4253 section 12)."""


def _cost(payload: bytes) -> int:
    """Events that a packet counts as."""
    return HANDSHAKE if payload[0] in _KEY_EXCHANGE else 1 + len(payload) // BYTES


@implementer(IPushProducer)
class SshTransport(ExchangeTransport):
    """A connection: who is at its other end, how it flows, how it ends."""

    factory: "SshServer"
    avatar: "Avatar"
    share: Share

    def __init__(self, factory: "SshServer") -> None:
        super().__init__(Timers(factory.clock))
        self.factory = factory
        self.address = ""
        self.login: Login | None = None
        self.heard = False
        """Whether a packet came since somebody set this to False."""
        self._stalled = False
        self._backlog = 0
        self._held: set[str] = set()
        self._lost = False
        self._parsing = False
        self._asking = TokenBucket(limits.REKEY_RATE, limits.REKEY_BURST)

    # The connection

    def connectionMade(self) -> None:
        """Say who we are; from here on the login time runs."""
        self.address = self.factory.welcome(self)
        self.share = self.factory.scheduler.share(self.address)
        keep_alive(self.transport)
        self.transport.registerProducer(self, True)
        self.timers.later("login", self.factory.limits.login_timeout, self._too_late)
        self.transport.write(self.ourVersionString + b"\r\n")
        self.sendKexInit()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Whatever ran for this client hears that it is gone, behind what it sent before."""
        del reason
        self._lost = True
        if self.login is None or self.ended or self._held != {"turn"}:
            self._end()

    def _end(self) -> None:
        self.ended = True
        self.timers.stop()
        self.share.leave()
        self.factory.gone(self)
        if self.share.open() or not self.share.wait(self._depart):
            self._depart()

    def _depart(self) -> None:
        self.share.spend(CLOSING)
        self._stop_service()
        self.factory.farewell(self)

    def _stop_service(self) -> None:
        """Once: what ran ends now, however long the client keeps its end open."""
        service, self.service = self.service, None
        if service:
            try:
                service.serviceStopped()  # type: ignore[no-untyped-call]
            except Exception:  # a defect: he is gone all the same, and counts no more
                log.failure("ssh-failed", address=self.address)

    def authenticated(self, login: Login) -> bool:
        """The client has proved who it is: it is in, unless there is no room for it."""
        why_not = self.factory.entered(self, login)
        if why_not:
            self.disconnect(why_not, DISCONNECT_TOO_MANY_CONNECTIONS)
            return False
        self.login = login
        self.share.proven = True
        self.timers.never("login")
        return True

    @property
    def idle(self) -> bool:
        """Whether the client, who is in, has nothing open."""
        return not getattr(self.service, "channels", None)

    def _too_late(self) -> None:
        if self.factory.tellable(self.address):
            log.info("login-too-late", address=self.address)
        self.disconnect("not logged in in time")

    def failed(self, operator: str) -> None:
        """An attempt to log in as `operator` failed."""
        self.factory.failed(self, operator)

    def abort(self) -> None:
        """End the connection without a word."""
        self.ended = True
        self.transport.abortConnection()

    def displace(self) -> None:
        """Give way to a newcomer."""
        log.debug("login-displaced", address=self.address)
        self.abort()

    def disconnect(self, text: str, code: int = DISCONNECT_PROTOCOL_ERROR) -> None:
        """Tell the client why and end the connection; nothing that it sends is read any more.

        Its terminals are given back first, and the client has `limits.FAREWELL` seconds for that.
        """
        if self.ended:
            return
        packet = bytes((MSG_DISCONNECT,)) + uint32(code) + string(text.encode()) + string(b"")
        gives_back = getattr(self.service, "give_back", None)
        has_terminals = self.login is not None and gives_back is not None and gives_back()
        self._cease()
        if has_terminals:
            self.timers.later("farewell", limits.FAREWELL, self._leave, packet)
        else:
            self._leave(packet)

    def _cease(self) -> None:
        """Nothing is read any more, and nothing runs."""
        self.ended = True
        self.incoming.forget()
        if self.login is not None:
            self._stop_service()
        self.factory.leaving(self)

    def _leave(self, packet: bytes = b"") -> None:
        if packet:
            self.transport.write(self.outgoing.seal(packet))
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self.timers.later("linger", limits.LINGER, self.transport.abortConnection)

    def sendDisconnect(self, reason: int, desc: bytes | str) -> None:
        """Conch's word for `disconnect`: something in the key exchange was wrong."""
        text = desc if isinstance(desc, str) else desc.decode("ascii", "replace")
        self.refuse(text, reason)

    def refuse(self, reason: str, code: int = DISCONNECT_PROTOCOL_ERROR) -> None:
        """The one log line about a client that breaks the protocol."""
        if self.ended:
            return
        if self.factory.tellable(self.address):
            log.warn("ssh-refused", address=self.address, reason=safe(reason))
        self.disconnect("protocol error", code)

    # From the client

    def dataReceived(self, data: bytes) -> None:
        """Bytes from TCP."""
        if self.ended:
            return
        if self.login is None:
            self.factory.heard(self)
        self.incoming.feed(data)
        if self._held:
            return
        if self.share.open():
            self.share.spend()
            self._parse()
        else:
            self._wait()

    def _wait(self) -> None:
        """Read and parse nothing more until the share of a later turn."""
        self.hold("turn")
        if not self.share.wait(self._turn_came):
            self.refuse(FLOOD)
        elif self.share.floods:
            self.factory.leaving(self)

    def _turn_came(self) -> None:
        self.release("turn")
        if self._lost and (self.ended or self._held != {"turn"}):
            self._end()

    def _parse(self) -> None:
        if self._parsing:
            return
        self._parsing = True
        try:
            self._parse_all()
        except MalformedSsh as error:
            self.refuse(str(error))
        except Exception as error:
            if not self.exchanging and self.factory.tellable(self.address):
                log.failure("ssh-failed", address=self.address)
            # In a key exchange Conch and the cryptography below it raise whatever comes to mind.
            self.refuse(f"{type(error).__name__} on what the client sent")
        finally:
            self._parsing = False

    def _parse_all(self) -> None:
        if not self.gotVersion:
            version = self.incoming.version()
            if version is None:
                return
            self.gotVersion = True
            self.otherVersionString = version
        while not (self.ended or self._held):
            payload = self.incoming.packet()
            if payload is None:
                break
            self.heard = True
            self.dispatchMessage(payload[0], payload[1:])
            more = self.share.spend(_cost(payload))
            if not (more or self.ended or "turn" in self._held):
                self._wait()
        self.renew_if_due()

    def ssh_DISCONNECT(self, packet: bytes) -> None:
        """The client leaves."""
        del packet
        self._cease()
        self._leave()

    def ssh_SERVICE_REQUEST(self, packet: bytes) -> None:
        """ssh-userauth, before anything else; ssh-connection follows a login by itself.

        Some clients ask for it before each method: what was shown until then stays shown.
        """
        reader = SshReader(packet)
        name = reader.string()
        reader.end()
        if self.login is not None or name != b"ssh-userauth":
            raise MalformedSsh("a request for a service that is not to be had")
        self.sendPacket(MSG_SERVICE_ACCEPT, string(name))
        if self.service is None:
            self.enter_service(name)

    def enter_service(self, name: bytes) -> None:
        """From now on messages from 50 on belong to this service."""
        self.setService(self.factory.services[name]())  # type: ignore[no-untyped-call]

    def asked_for_keys(self) -> None:
        """Signing costs more than asking: who asks too often waits until he may again."""
        if not self._asking.take(self.factory.clock.seconds()):
            self.hold("keys")
            self.timers.later("keys", limits.REKEY_PAUSE, self.release, "keys")

    def started(self) -> None:
        """The client has begun something that takes time: a turn has room for few of these."""
        self.share.spend(EVENTS // limits.STARTS)

    def check_signature(self) -> None:
        """A signature of the client's is about to be checked."""
        self.share.spend(SIGNATURE)

    @property
    def flowing(self) -> bool:
        """Whether channels may write."""
        return self.may_write and not self._stalled

    @property
    def may_write(self) -> bool:
        """Whether channels may write what the client will read later."""
        return not (self.ended or self.exchanging)

    def written(self, count: int) -> None:
        """Count what a client that does not read is sent nevertheless: replies."""
        if not self._stalled:
            return
        self._backlog += count
        if self._backlog > limits.BACKLOG_LIMIT:
            self.hold("backlog")

    def flow(self) -> None:
        """Channels that waited go on, if they may."""
        resume = getattr(self.service, "resume_channels", None)
        if resume is not None and self.flowing:
            resume()

    def hold(self, why: str) -> None:
        """Read nothing more from the client, until `release` for every reason to."""
        self._held.add(why)
        self.transport.pauseProducing()

    def release(self, why: str) -> None:
        """Take `hold` back."""
        if why not in self._held:
            return
        self._held.discard(why)
        if not (self._held or self.ended):
            self._parse()
        if not (self._held or self.ended):
            self.transport.resumeProducing()

    def pauseProducing(self) -> None:
        """TCP's buffer is full (IPushProducer)."""
        self._stalled = True

    def resumeProducing(self) -> None:
        """TCP's buffer is empty again (IPushProducer)."""
        self._stalled = False
        self._backlog = 0
        self.release("backlog")
        self.flow()

    def stopProducing(self) -> None:
        """The connection is gone; `connectionLost` follows (IPushProducer)."""
        self._stalled = True
