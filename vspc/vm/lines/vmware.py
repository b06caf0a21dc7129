"""The top layer of a VM's line: VMware's telnet extension, option 232.

"Using a Proxy with vSphere Virtual Serial Ports" (EN-000302-00), chapter 2.
"""

from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator

from vspc.net.limits import TokenBucket
from vspc.vm import registration
from vspc.vm.lines.binary import LineOption, LineQuestion
from vspc.vm.lines.comport import ComPortLine
from vspc.vm.ports import LineObserver, VmLine
from vspc.vm.registration import Action, Registration
from vspc.wire import telnet, vmware
from vspc.wire.opening import DECIDED, recognise
from vspc.wire.starttls import REPLY_ACCEPTED, SEND_TLS, Is, MalformedAuthentication
from vspc.wire.starttls import parse as parse_authentication

_VMWARE = bytes((telnet.VMWARE,))
_AUTHENTICATION = bytes((telnet.AUTHENTICATION,))

MESSAGES = 512
"""Messages of the extension that a line may send at once; more, and it is a storm (law 4)."""

MESSAGE_RATE = 32.0
"""Messages a second that it may send for ever: each may cost an answer that nobody reads."""

PLAIN_HINT = '[[vm.plain]] name = "NAME", listen = "tcp:PORT"'
"""What serves a peer without the extension."""

_VC_UUID_CODES = frozenset({80, 81})

# The suboption that a VM may not know, and what it then lacks.
_LACKS = {81: "vc", 85: "bios", 87: "location"}
_GET_VM_NAME = 83

# How the question for the VC UUID is answered, one way or the other.
_VC_UUID = bytes((vmware.VmVcUuid.CODE,))
_NO_VC_UUID = vmware.encode(vmware.UnknownSuboption1(vmware.GetVmVcUuid.CODE))


@frozen
class Terms:
    """What the layer needs to know of the configuration and of time (`now`: seconds).

    `start_tls` is "off", "offer" or "require"; with `tls`, what TLS is made with.
    """

    service_uris: tuple[str, ...]
    now: Callable[[], float]
    start_tls: str = "off"
    tls: IOpenSSLServerConnectionCreator | None = None


class VMwareLine(ComPortLine):
    """A line from an ESXi host."""

    def __init__(
        self, observe: Callable[[VmLine], LineObserver], secure: bool, terms: Terms
    ) -> None:
        super().__init__(observe, secure)
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
        """Is it a VM's host at all? One speaks telnet first."""
        opening = (self.opening or b"") + data[:DECIDED]
        self.opening = opening if len(opening) < DECIDED else None
        spoken = recognise(opening)
        if spoken is not None:
            self.opening = None
            self.observer.speaks(spoken)

    def enableLocal(self, option: bytes) -> bool:
        self.opening = None
        return super().enableLocal(option)

    def enableRemote(self, option: bytes) -> bool:
        self.opening = None
        return super().enableRemote(option)

    # The extension as an option

    def _agree(self) -> bool:
        if self._terms.start_tls == "require" and not self.secure:
            self.observer.refused(
                "it does not start TLS, which vm.start_tls requires: set its proxy URI to telnets://"
            )
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
            self.observer.refused(
                "it does not speak VMware's telnet extension: in vSphere tick 'Use Virtual Serial "
                "Port Concentrator'; for QEMU or a device server add a [[vm.plain]] listener",
                PLAIN_HINT,
            )

    def _message(self, body: bytes) -> None:
        if not self.agreed:
            self.observer.dropped("a message of the extension before it was agreed on")
        elif not self._is_answer(body) and not self._bucket.take(self._terms.now()):
            self.transport.fail("too many messages of the extension")
        else:
            self._receive(body)

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
        # Nothing that was said in clear counts: anybody may have said it.
        self.secure = True
        self.agreed = False
        self.registration = Registration(self._terms.service_uris)
        self.questions.clear()
        self.after_cr = False
        self.observer.secured()
        self.transport.startTLS(self._terms.tls)
        self.negotiate()

    # The extension

    def _is_answer(self, body: bytes) -> bool:
        """Whether this is what we asked for: as many as we ask for are no storm."""
        return bool(self.questions) and (body[:1] == _VC_UUID or body == _NO_VC_UUID)

    def _receive(self, body: bytes) -> None:
        try:
            message = vmware.decode(body)
        except vmware.UnknownSuboption as unknown:
            self._disown(unknown.code)
            return
        except vmware.MalformedSuboption as malformed:
            self.observer.dropped(str(malformed))
            return
        handler = _HANDLERS.get(type(message))
        if handler is None:  # one that only a proxy sends
            self._disown(body[0])
        else:
            handler(self, message)

    def _disown(self, code: int) -> None:
        self.observer.dropped(f"unknown suboption {code}")
        self._say(vmware.UnknownSuboption2(code))

    def _say(self, message: vmware.Suboption) -> None:
        self.transport.requestNegotiation(_VMWARE, vmware.encode(message))

    # vMotion: what the session answers

    def go_ahead(self, credential: bytes) -> None:
        """VMOTION-GOAHEAD."""
        self._say(vmware.VMotionGoahead(credential))
        self.written_to_goahead = self.transport.written

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
        if not self.agreed or (known is not None and not known & _VC_UUID_CODES):
            return False
        self._say(vmware.GetVmVcUuid())
        return True

    # What the VM says

    def _known(self, message: vmware.KnownSuboptions1) -> None:
        self._do(self.registration.knows(frozenset(message.codes)))

    def _unknown(self, message: vmware.UnknownSuboption1) -> None:
        kind = _LACKS.get(message.code)
        if kind is not None:
            self._do(self.registration.lacks_uuid(kind))
        elif message.code == _GET_VM_NAME:
            self._do(self.registration.lacks_name())
        if kind == "vc":
            self._answered()

    def _do_proxy(self, message: vmware.DoProxy) -> None:
        self._do(self.registration.asks_for_proxy(message))

    def _vc_uuid(self, message: vmware.VmVcUuid) -> None:
        self._do(self.registration.says_uuid("vc", message.text))
        self._answered()

    def _bios_uuid(self, message: vmware.VmBiosUuid) -> None:
        self._do(self.registration.says_uuid("bios", message.text))

    def _location_uuid(self, message: vmware.VmLocationUuid) -> None:
        self._do(self.registration.says_uuid("location", message.text))

    def _name(self, message: vmware.VmName) -> None:
        self._do(self.registration.says_name(message.name))

    def _begin(self, message: vmware.VMotionBegin) -> None:
        self.observer.began(message.sequence)

    def _peer(self, message: vmware.VMotionPeer) -> None:
        self._do(self.registration.claims(message.credential))

    def _complete(self, message: vmware.VMotionComplete) -> None:
        self.observer.completed(message.sequence)

    def _abort(self, _message: vmware.VMotionAbort) -> None:
        self.observer.aborted()

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case registration.Say(message=message):
                    self._say_registering(message)
                case registration.Joined():
                    self.observer.joined(action)
                case registration.PeerClaim(credential=credential):
                    self.observer.claimed(credential)
                case registration.RegistrationRefused(reason=reason, hint=hint):
                    self.observer.refused(reason, hint)
                case registration.NameChanged(name=name):
                    self.observer.renamed(name)
                case registration.UuidChanged(uuid=uuid):
                    self.observer.became(uuid)
                    self.transport.fail(f"its UUID became {uuid} in mid-line")

    def _say_registering(self, message: vmware.Suboption) -> None:
        if isinstance(message, vmware.GetVmVcUuid):
            self.questions.append(LineQuestion.IDENTITY)
        self._say(message)


_HANDLERS: dict[type, Callable[[VMwareLine, Any], None]] = {
    vmware.KnownSuboptions1: VMwareLine._known,
    vmware.UnknownSuboption1: VMwareLine._unknown,
    vmware.DoProxy: VMwareLine._do_proxy,
    vmware.VmVcUuid: VMwareLine._vc_uuid,
    vmware.VmBiosUuid: VMwareLine._bios_uuid,
    vmware.VmLocationUuid: VMwareLine._location_uuid,
    vmware.VmName: VMwareLine._name,
    vmware.VMotionBegin: VMwareLine._begin,
    vmware.VMotionPeer: VMwareLine._peer,
    vmware.VMotionComplete: VMwareLine._complete,
    vmware.VMotionAbort: VMwareLine._abort,
}

VMwareLine.OPTIONS = (
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
