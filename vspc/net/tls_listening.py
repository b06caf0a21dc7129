"""TLS on accepted connections, with the reason why a handshake failed kept for people.

OpenSSL waits for five bytes before it judges, and an ESXi host that speaks plain telnet says three
and waits for an answer: what is not TLS is told by its first byte here.
"""

from OpenSSL import SSL
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from vspc.net.fair_tls import FairTls, FairTlsFactory
from vspc.wire.opening import VERSION_AT, Spoken, recognise


class HandshakeFailed(Exception):
    """No TLS came about: `error` says why. `opening` is the first few bytes that the peer said, and
    `spoken` what that is.
    """

    def __init__(self, error: BaseException | None, opening: bytes, spoken: Spoken | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.opening = opening
        self.spoken = spoken


class ListeningTls(FairTls):
    """One accepted connection. A handshake that fails is lost with `HandshakeFailed`."""

    _opening: bytes | None = b""  # None once it is known to be TLS
    _spoken: Spoken | None = None

    def dataReceived(self, data: bytes) -> None:
        if self._opening is not None:
            self._opening += data[: VERSION_AT - len(self._opening)]
            self._spoken = recognise(self._opening)
            if self._spoken not in (None, Spoken.TLS):
                self.abortConnection()  # type: ignore[no-untyped-call]
                return
        super().dataReceived(data)
        if self._handshakeDone:
            self._opening = None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        error = None if self._reason is None else self._reason.value
        foreign = self._spoken not in (None, Spoken.TLS)
        if self._opening is not None and (foreign or isinstance(error, SSL.Error)):
            failed = HandshakeFailed(error, self._opening, self._spoken)
            self._reason = Failure(failed)  # type: ignore[no-untyped-call]
        super().connectionLost(reason)


class ListeningTlsFactory(FairTlsFactory):
    """TLS in front of another factory, as `FairTlsFactory` makes it, for accepted ones."""

    protocol = ListeningTls
