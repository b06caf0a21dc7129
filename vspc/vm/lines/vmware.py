"""The top layer of a VM's line: VMware's telnet extension, option 232.

"Using a Proxy with vSphere Virtual Serial Ports" (EN-000302-00), chapter 2.
"""

from collections.abc import Callable

from attrs import field, frozen
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator

from vspc.config.dial_allow import NO_DIALS, DialAllow
from vspc.console.events import RefusalKind
from vspc.net.limits import TokenBucket
from vspc.vm.lines.binary import LineOption, LineOptions, LineQuestion
from vspc.vm.lines.comport import ComPortLine, ComPortState, ComPortTerms
from vspc.vm.ports import LineObserver, VmLine
from vspc.vm.registration import Action, Registration, Report
from vspc.vm.roles import LineEvent
from vspc.wire import telnet, vmware
from vspc.wire.opening import DECIDED, recognise
from vspc.wire.starttls import REPLY_ACCEPTED, SEND_TLS, Is, MalformedAuthentication
from vspc.wire.starttls import parse as parse_authentication

_VMWARE = bytes((telnet.VMWARE,))
_AUTHENTICATION = bytes((telnet.AUTHENTICATION,))

MESSAGES = 512
"""Messages of the extension that a line may send at once; more, and it is a storm (law 4)."""

MESSAGE_RATE = 32.0
"""Messages a second that it may send for ever: each may cost an answer that is never read."""

TLS_REQUIRED = "no TLS, which vm.start_tls requires: set its proxy URI to telnets://"
NO_EXTENSION = (
    "VMware's telnet extension declined: in vSphere tick 'Use Virtual Serial Port Concentrator'; "
    "for QEMU or a device server add a [[vm.plain]] listener"
)
PLAIN_HINT = '[[vm.plain]] name = "NAME", listen = "tcp:PORT"'
"""What serves a peer without the extension."""

_VC_UUID_CODES = frozenset({80, 81})

# How the question for the VC UUID is answered, one way or the other.
_VC_UUID = bytes((vmware.VmVcUuid.CODE,))
_NO_VC_UUID = vmware.encode(vmware.UnknownSuboption1(vmware.GetVmVcUuid.CODE))


@frozen
class Terms:
    """The part of the configuration that the layer needs; `now` is time in seconds.

    `start_tls` is "off", "offer" or "require"; with `tls`, what TLS is made with. `port`: those of
    the layer below.
    """

    service_uris: tuple[str, ...]
    now: Callable[[], float]
    start_tls: str = "off"
    tls: IOpenSSLServerConnectionCreator | None = None
    port: ComPortTerms = field(factory=ComPortTerms)
    dial_allow: DialAllow = NO_DIALS


class VMwareLine(ComPortLine):
    """A line from an ESXi host."""

    def __init__(
        self, observe: Callable[[VmLine], LineObserver], secure: bool, terms: Terms
    ) -> None:
        super().__init__(observe, secure, terms.now, terms.port)
        self.registration = Registration(terms.service_uris)
        self._terms = terms
        self._bucket = TokenBucket(MESSAGE_RATE, MESSAGES)
        self.agreed = False
        self.written_to_goahead = 0  # bytes written up to the last GOAHEAD
        # What came before any telnet, a few bytes; None once that is known to be a VM's.
        self.opening: bytes | None = None if secure else b""

    def dataReceived(self, data: bytes) -> None:
        if self.opening is not None:
            self._examine(data)
        super().dataReceived(data)

    def _examine(self, data: bytes) -> None:
        """Is the peer a VM's host? A host begins with telnet."""
        if self.transport.negotiation.heard:
            self.opening = None
            return
        opening = (self.opening or b"") + data[:DECIDED]
        self.opening = opening if len(opening) < DECIDED else None
        spoken = recognise(opening)
        if spoken is not None:
            self.opening = None
            self.observer.other_protocol(spoken)

    # The extension

    def _agree(self) -> bool:
        if self._terms.start_tls == "require" and not self.secure:
            self.observer.handle(LineEvent.REFUSED, TLS_REQUIRED, "", RefusalKind.TLS_REQUIRED)
            return False
        self.agreed = True
        self._say(vmware.KnownSuboptions2(vmware.KNOWN_SUBOPTIONS))
        return True

    def _disagree(self) -> None:
        self.agreed = False
        # They will not be answered; a peer that sent this is alive, and has read all before it.
        while self.questions:
            self._answered()

    def _refused(self) -> None:
        if not self.registration.over:
            kind = RefusalKind.NO_EXTENSION
            self.observer.handle(LineEvent.REFUSED, NO_EXTENSION, PLAIN_HINT, kind)

    def _message(self, body: bytes) -> None:
        is_answer = self.questions and _answers_question(body)  # to what we asked: no storm
        if not self.agreed:
            self.observer.dropped("a message of the extension before it was agreed on")
        elif not is_answer and not self._bucket.take(self._terms.now()):
            self.transport.fail("too many messages of the extension")
        else:
            self._receive(body)

    def _receive(self, body: bytes) -> None:
        try:
            message = vmware.decode(body)
        except vmware.UnknownSuboption as unknown:
            self._disown(unknown.code)
            return
        except vmware.MalformedSuboption as malformed:
            self.observer.dropped(str(malformed))
            return
        actions = self.registration.receive(message, self._terms.dial_allow)
        if actions is None:
            self._disown(body[0])
            return
        for action in actions:
            self._do(action)
        if _answers_question(body):
            self._answered()

    def _do(self, action: Action) -> None:
        if not isinstance(action, Report):
            if isinstance(action, vmware.GetVmVcUuid):
                self.questions.append(LineQuestion.IDENTITY)
            self._say(action)
            return
        self.observer.handle(action.event, *action.facts)
        if action.event is LineEvent.UUID_CHANGED:
            self.transport.fail(f"UUID changed to {action.facts[0]} on a connected line")

    def _disown(self, code: int) -> None:
        self.observer.dropped(f"unknown suboption {code}")
        self._say(vmware.UnknownSuboption2(code))

    def _say(self, message: vmware.Suboption) -> None:
        self.transport.requestNegotiation(_VMWARE, vmware.encode(message))

    # TLS inside the connection

    @property
    def _may_start_tls(self) -> bool:
        return self._terms.start_tls != "off" and not self.secure and not self.registration.over

    def _accept_authentication(self) -> bool:
        if not self._may_start_tls:
            return False
        self.transport.requestNegotiation(_AUTHENTICATION, SEND_TLS)
        return True

    def _authenticate(self, body: bytes) -> None:
        """IS, START: the very next byte is TLS, both ways."""
        if not self._may_start_tls:
            self.observer.dropped("a message of the AUTHENTICATION option, which was declined")
            return
        try:
            message = parse_authentication(body)
        except MalformedAuthentication as malformed:
            self.observer.dropped(str(malformed))
            return
        if not isinstance(message, Is) or not message.starts_tls or self._terms.tls is None:
            self.observer.dropped("a message of the AUTHENTICATION option that starts no TLS")
            return
        self.transport.requestNegotiation(_AUTHENTICATION, REPLY_ACCEPTED)
        # Nothing that was received in clear counts: its sender is not authenticated.
        self.secure = True
        self.agreed = False
        self.registration = Registration(self._terms.service_uris)
        self.questions.clear()
        self.port = ComPortState()
        self.after_cr = False
        self.observer.handle(LineEvent.SECURED)
        self.transport.startTLS(self._terms.tls)
        self.negotiate()

    # vMotion: what the session answers

    def go_ahead(self, credential: bytes) -> None:
        """VMOTION-GOAHEAD."""
        self._say(vmware.VMotionGoahead(credential))
        self.written_to_goahead = self.transport.written

    def hasten(self) -> None:
        """Send what was said now, not at the end of the turn."""
        self.transport.hasten()

    def has_acknowledged_goahead(self) -> bool:
        """Whether the VM's host has acknowledged the last GOAHEAD, as far as TCP can tell.

        Over TLS only while nothing was written since: its records are longer than what is in them.
        """
        unacknowledged = self.unacknowledged()
        since = self.transport.written - self.written_to_goahead
        if unacknowledged is None or (self.secure and since):
            return True
        return unacknowledged <= since

    def not_now(self, sequence: bytes) -> None:
        """VMOTION-NOTNOW."""
        self._say(vmware.VMotionNotNow(sequence))

    def peer_ok(self, sequence: bytes) -> None:
        """VMOTION-PEER-OK."""
        self._say(vmware.VMotionPeerOk(sequence))

    # Questions

    def _put_question(self) -> bool:
        known = self.registration.known
        if not self.agreed or (known is not None and _VC_UUID_CODES.isdisjoint(known)):
            return False
        self._say(vmware.GetVmVcUuid())
        return True


def _answers_question(body: bytes) -> bool:
    """Whether this answers GET-VM-VC-UUID, one way or the other."""
    return body[:1] == _VC_UUID or body == _NO_VC_UUID


VMwareLine.OPTIONS = LineOptions(
    *ComPortLine.OPTIONS,
    LineOption(
        telnet.VMWARE,
        demanded=True,
        accept=VMwareLine._agree,
        ended=VMwareLine._disagree,
        refused=VMwareLine._refused,
        received=VMwareLine._message,
    ),
    LineOption(
        telnet.AUTHENTICATION,
        accept=VMwareLine._accept_authentication,
        received=VMwareLine._authenticate,
    ),
)
