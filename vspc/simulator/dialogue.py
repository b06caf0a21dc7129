"""What a VM says and hears in VMware's extension, once the option is on.

KNOWN-SUBOPTIONS-1 at once; DO-PROXY (or, for a vMotion target, VMOTION-PEER) once the proxy has
said what it knows; COM-PORT is offered behind WILL-PROXY, or behind VMOTION-PEER. Every GET is
answered, at any time.
"""

from typing import TYPE_CHECKING

from twisted.logger import Logger

from vspc.simulator import extension as ext
from vspc.simulator.extension import say, spelled_uuid

if TYPE_CHECKING:
    from vspc.simulator.host import HostConnection

log = Logger()


class ExtensionDialogue:
    """The extension's part of one connection."""

    def __init__(self, connection: "HostConnection", claim: bytes | None) -> None:
        self._connection = connection
        self._claim = claim
        self._known: frozenset[int] | None = None
        self._introduced = False
        self._up = False
        self._begun = False  # VMOTION-BEGIN was said and is not answered
        self._handlers = {
            ext.KNOWN_2: self._known_suboptions,
            ext.UNKNOWN_2: self._unknown,
            ext.WILL_PROXY: self._will_proxy,
            ext.WONT_PROXY: self._wont_proxy,
            ext.GOAHEAD: self._goahead,
            ext.NOTNOW: self._notnow,
            ext.PEER_OK: self._peer_ok,
            ext.GET_VC_UUID: self._get_vc_uuid,
            ext.GET_NAME: self._get_name,
            ext.GET_BIOS_UUID: self._get_bios_uuid,
            ext.GET_LOCATION_UUID: self._get_location_uuid,
        }

    @property
    def is_target(self) -> bool:
        """Whether this is a vMotion target's connection."""
        return self._claim is not None

    @property
    def can_move(self) -> bool:
        """Whether the proxy knows what vMotion needs."""
        return self._known is not None and self._known >= ext.FOR_VMOTION

    # The VM says.

    def begin(self) -> None:
        """The option is on."""
        self._say(ext.KNOWN_1, ext.KNOWN)
        self._introduce()

    def vmotion_begin(self, sequence: bytes) -> None:
        """VMOTION-BEGIN."""
        self._begun = True
        self._say(ext.BEGIN, sequence)

    def vmotion_abort(self) -> None:
        """VMOTION-ABORT, which has no arguments."""
        self._begun = False
        self._say(ext.ABORT)

    def vmotion_complete(self, sequence: bytes) -> None:
        """VMOTION-COMPLETE."""
        self._say(ext.COMPLETE, sequence)

    def announce_name(self) -> None:
        """VM-NAME, without having been asked."""
        self._get_name(b"")

    def announce(self) -> None:
        """VM-VC-UUID and VM-NAME, without having been asked."""
        self._get_vc_uuid(b"")
        self._get_name(b"")

    def _introduce(self) -> None:
        if self._introduced or self._known is None:
            return
        self._introduced = True
        if self._claim is not None:
            self._say(ext.PEER, self._claim)
            self._connection.offer_com_port()
        else:
            settings = self._connection.settings
            self._say(ext.DO_PROXY, f"{settings.direction}{settings.service_uri}".encode())

    def _say(self, code: int, payload: bytes = b"") -> None:
        self._connection.say(say(code, payload))

    # The VM hears.

    def heard(self, payload: bytes) -> None:
        """One suboption from the proxy."""
        if not payload:
            return
        handler = self._handlers.get(payload[0])
        if handler is None:
            log.warn("unknown-suboption", name=self._name(), code=payload[0])
            self._say(ext.UNKNOWN_1, payload[:1])
        else:
            handler(payload[1:])

    def _name(self) -> str:
        return self._connection.port.identity.name

    def _known_suboptions(self, payload: bytes) -> None:
        self._known = frozenset(payload)
        self._introduce()

    def _unknown(self, payload: bytes) -> None:
        log.warn("proxy-does-not-know", name=self._name(), code=payload.hex())

    def _will_proxy(self, _payload: bytes) -> None:
        if self._up or not self._introduced or self.is_target:
            return
        self._up = True
        self._connection.established()
        self._connection.offer_com_port()
        self._connection.port.line_up(self._connection)

    def _wont_proxy(self, _payload: bytes) -> None:
        self._connection.fail("WONT-PROXY")

    def _goahead(self, payload: bytes) -> None:
        if self._begun:
            self._begun = False
            self._connection.port.goahead(self._connection, payload)

    def _notnow(self, sequence: bytes) -> None:
        if self._begun:
            self._begun = False
            self._connection.port.notnow(self._connection, sequence)

    def _peer_ok(self, sequence: bytes) -> None:
        if self.is_target and self._introduced and not self._up:
            self._up = True
            self._connection.established()
            self._connection.port.peer_ok(self._connection, sequence)

    def _get_vc_uuid(self, _payload: bytes) -> None:
        self._say(ext.VC_UUID, spelled_uuid(self._connection.port.identity.vc_uuid))

    def _get_name(self, _payload: bytes) -> None:
        self._say(ext.NAME, self._connection.port.identity.name.encode())

    def _get_bios_uuid(self, _payload: bytes) -> None:
        self._say(ext.BIOS_UUID, spelled_uuid(self._connection.port.identity.bios_uuid))

    def _get_location_uuid(self, _payload: bytes) -> None:
        self._say(ext.LOCATION_UUID, spelled_uuid(self._connection.port.identity.location_uuid))
