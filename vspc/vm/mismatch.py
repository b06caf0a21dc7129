"""Why a peer cannot be served at the listener that it connects to: a sentence, and what to do.

The peer speaks another protocol than the listener, or the TLS handshake failed.
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

from attrs import frozen
from OpenSSL import SSL

from vspc.common.addresses import parse_address
from vspc.console.events import RefusalKind
from vspc.console.identity import DEFAULT_ZONE
from vspc.net.fair_tls import HandshakeFailed
from vspc.net.tls import tls_reason
from vspc.wire.opening import OpeningProtocol, offered_version

TLS_FAILED = "TLS failed"
"""How a reason begins for which there is no better sentence."""


class Mismatch(Enum):
    """What does not fit."""

    TLS_ON_TELNET = auto()
    TELNET_ON_TLS = auto()
    NO_TLS = auto()
    HTTP = auto()
    SSH = auto()
    PROXY_HEADER = auto()
    OLD_TLS = auto()
    NO_CIPHER = auto()
    CERTIFICATE_REFUSED = auto()
    CLIENT_CERTIFICATE = auto()
    TLS_FAILED = auto()


REASONS: Mapping[Mismatch, str] = MappingProxyType(
    {
        Mismatch.TLS_ON_TELNET: "TLS received on a telnet listener: set its proxy URI to "
        "telnets:// with a port of vm.telnets, or to telnet://",
        Mismatch.TELNET_ON_TLS: "telnet without TLS received on a TLS listener: set its proxy URI "
        "to telnets://, or to telnet:// with a port of vm.telnet",
        Mismatch.NO_TLS: "something else than TLS received on a TLS listener: set its proxy URI "
        "to telnets://, or to telnet:// with a port of vm.telnet",
        Mismatch.HTTP: "HTTP request received on a listener for serial ports of VMs: a health "
        "check should connect and close without a request",
        Mismatch.SSH: "SSH received on a listener for serial ports of VMs: operators log in at a "
        "port of ssh.listen",
        Mismatch.PROXY_HEADER: "PROXY protocol header received from an address that is not in "
        "proxy_protocol_from: add the balancer there, or switch the header off at the balancer",
        Mismatch.OLD_TLS: "TLS version too old: {} offered, and TLS 1.2 is the oldest that is "
        "accepted: update the host, or use a telnet:// proxy URI on a trusted network",
        Mismatch.NO_CIPHER: "no cipher suite in common (TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM "
        "or ChaCha20-Poly1305 is accepted): enable one at the host, and look at cipherList= in "
        "its proxy URI; a host without ECDSA needs an RSA certificate in [tls]",
        Mismatch.CERTIFICATE_REFUSED: "the host does not accept the server's certificate{}",
        Mismatch.CLIENT_CERTIFICATE: "the client certificate is not issued by an authority in "
        "client_ca of this zone",
        Mismatch.TLS_FAILED: TLS_FAILED + ": {}",
    }
)
"""The English of each; {} is a detail."""

_PROXY_URIS = "vspc proxy-uri prints the proxy URIs"
_THUMBPRINT = "vspc proxy-uri prints the URI with the server's thumbprint"

_HINTS: Mapping[Mismatch, str] = MappingProxyType(
    {
        Mismatch.TLS_ON_TELNET: _PROXY_URIS,
        Mismatch.TELNET_ON_TLS: _PROXY_URIS,
        Mismatch.NO_TLS: _PROXY_URIS,
        Mismatch.OLD_TLS: _PROXY_URIS,
        Mismatch.CERTIFICATE_REFUSED: _THUMBPRINT,
        Mismatch.TLS_FAILED: _THUMBPRINT,
    }
)

_AT_TELNET: Mapping[OpeningProtocol | None, Mismatch] = MappingProxyType(
    {
        OpeningProtocol.TLS: Mismatch.TLS_ON_TELNET,
        OpeningProtocol.HTTP: Mismatch.HTTP,
        OpeningProtocol.PROXY: Mismatch.PROXY_HEADER,
        OpeningProtocol.SSH: Mismatch.SSH,
    }
)

_AT_TELNETS: Mapping[OpeningProtocol | None, Mismatch] = MappingProxyType(
    {
        OpeningProtocol.TELNET: Mismatch.TELNET_ON_TLS,
        OpeningProtocol.HTTP: Mismatch.HTTP,
        OpeningProtocol.PROXY: Mismatch.PROXY_HEADER,
        OpeningProtocol.SSH: Mismatch.SSH,
    }
)

# What OpenSSL calls it, or the alert that the peer sent -> what that means here, and a detail.
_BY_REASON: Mapping[str, tuple[Mismatch, str]] = MappingProxyType(
    {
        "no shared cipher": (Mismatch.NO_CIPHER, ""),
        "no suitable signature algorithm": (Mismatch.NO_CIPHER, ""),
        "wrong version number": (Mismatch.NO_TLS, ""),
        "http request": (Mismatch.HTTP, ""),
        "https proxy request": (Mismatch.HTTP, ""),
        "unknown ca": (Mismatch.CERTIFICATE_REFUSED, ": unknown CA"),
        "bad certificate": (Mismatch.CERTIFICATE_REFUSED, ""),
        "unsupported certificate": (Mismatch.CERTIFICATE_REFUSED, ""),
        "certificate unknown": (Mismatch.CERTIFICATE_REFUSED, ""),
        "certificate expired": (Mismatch.CERTIFICATE_REFUSED, ": it has expired"),
        "certificate verify failed": (Mismatch.CLIENT_CERTIFICATE, ""),
    }
)


# All else is a handshake of TLS that failed.
_KINDS: Mapping[Mismatch, RefusalKind] = MappingProxyType(
    {
        Mismatch.TLS_ON_TELNET: RefusalKind.TLS_ON_TELNET,
        Mismatch.TELNET_ON_TLS: RefusalKind.TELNET_ON_TLS,
        Mismatch.NO_TLS: RefusalKind.TELNET_ON_TLS,
        Mismatch.HTTP: RefusalKind.FOREIGN,
        Mismatch.SSH: RefusalKind.FOREIGN,
        Mismatch.PROXY_HEADER: RefusalKind.BALANCER,
    }
)


@frozen
class RemotePeer:
    """Who connects, and to which zone's listener."""

    address: str
    zone: str


@frozen
class Explanation:
    """`hint`: what to write into the configuration, or the command that helps; may be empty."""

    reason: str
    hint: str
    kind: RefusalKind


def _explain(mismatch: Mismatch, peer: RemotePeer, detail: str = "") -> Explanation:
    hint = _HINTS.get(mismatch, "")
    network = parse_address(peer.address)
    if mismatch is Mismatch.PROXY_HEADER and network is not None:
        key = "vm" if peer.zone == DEFAULT_ZONE else f"the [[vm.zone]] {peer.zone}"
        hint = f'add to proxy_protocol_from of {key}: "{network}/{network.max_prefixlen}"'
    kind = _KINDS.get(mismatch, RefusalKind.TLS)
    return Explanation(REASONS[mismatch].format(detail), hint, kind)


def at_telnet(spoken: OpeningProtocol | None, peer: RemotePeer) -> Explanation | None:
    """Why a peer that begins so is refused at a listener without TLS; None: it is not."""
    mismatch = _AT_TELNET.get(spoken)
    return None if mismatch is None else _explain(mismatch, peer)


def of_handshake(error: BaseException, peer: RemotePeer) -> Explanation | None:
    """Why a connection was lost with `error`; None if that is not an error of TLS."""
    opening = b""
    cause: BaseException | None = error
    if isinstance(error, HandshakeFailed):
        mismatch = _AT_TELNETS.get(error.spoken)
        if mismatch is not None:
            return _explain(mismatch, peer)
        opening, cause = error.opening, error.error
    if not isinstance(cause, SSL.Error):
        return None
    reason = tls_reason(cause)
    if reason in ("unsupported protocol", "version too low"):
        version = offered_version(opening)
        offered = f"{version} at most" if version else "no TLS 1.2 or newer"
        return _explain(Mismatch.OLD_TLS, peer, offered)
    # The words before an alert's name differ between versions of OpenSSL.
    found = _BY_REASON.get(reason.rpartition(" alert ")[2])
    mismatch, detail = found or (Mismatch.TLS_FAILED, reason)
    return _explain(mismatch, peer, detail)
