"""Why a peer cannot be served at the listener that it connects to: a sentence, and what to do.

The peer speaks another protocol than the listener, or no TLS comes about between them.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from attrs import frozen
from OpenSSL import SSL

from vspc.common.addresses import parse_address
from vspc.console.identity import DEFAULT_ZONE
from vspc.net.fair_tls import HandshakeFailed
from vspc.net.tls import tls_reason
from vspc.wire.opening import Spoken, offered_version

TLS_FAILED = "TLS failed"
"""How a reason begins for which there is no better sentence."""

PROXY_URIS = "vspc proxy-uri prints the proxy URIs"
THUMBPRINT = "vspc proxy-uri prints the URI with our thumbprint"


@frozen
class Mismatch:
    """`hint`: what to write into the configuration, or the command that helps; may be empty."""

    reason: str
    hint: str = ""


@frozen
class RemotePeer:
    """Who connects, and to which zone's listener."""

    address: str
    zone: str


def _proxy_header(peer: RemotePeer) -> Mismatch:
    key = "vm" if peer.zone == DEFAULT_ZONE else f"the [[vm.zone]] {peer.zone}"
    found = parse_address(peer.address)
    network = "" if found is None else f'"{found}/{found.max_prefixlen}"'
    return Mismatch(
        "it sends a PROXY protocol header, and its address is not in proxy_protocol_from: add the "
        "balancer there, or switch the header off at the balancer",
        f"add to proxy_protocol_from of {key}: {network}" if network else "",
    )


def _fixed(reason: str, hint: str = "") -> Callable[[RemotePeer], Mismatch]:
    return lambda _peer: Mismatch(reason, hint)


_HTTP = _fixed(
    "it sends an HTTP request, and this listener is for the serial ports of VMs: a health check "
    "should connect and close without a request"
)
_SSH = _fixed(
    "it speaks SSH, and this listener is for the serial ports of VMs: operators log in at a port "
    "of ssh.listen"
)

_AT_TELNET: Mapping[Spoken, Callable[[RemotePeer], Mismatch]] = MappingProxyType(
    {
        Spoken.TLS: _fixed(
            "it speaks TLS, and this listener expects telnet without TLS: set its proxy URI to "
            "telnets:// with a port of vm.telnets, or to telnet://",
            PROXY_URIS,
        ),
        Spoken.HTTP: _HTTP,
        Spoken.PROXY: _proxy_header,
        Spoken.SSH: _SSH,
    }
)

_AT_TELNETS: Mapping[Spoken, Callable[[RemotePeer], Mismatch]] = MappingProxyType(
    {
        Spoken.TELNET: _fixed(
            "it speaks telnet without TLS, and this listener expects TLS: set its proxy URI to "
            "telnets://, or to telnet:// with a port of vm.telnet",
            PROXY_URIS,
        ),
        Spoken.HTTP: _HTTP,
        Spoken.PROXY: _proxy_header,
        Spoken.SSH: _SSH,
    }
)

_NO_TLS = Mismatch(
    "it does not speak TLS, which this listener expects: set its proxy URI to telnets://, or to "
    "telnet:// with a port of vm.telnet",
    PROXY_URIS,
)

_NO_CIPHER = Mismatch(
    "it offers no cipher suite that is accepted (TLS 1.3, or TLS 1.2 with ECDHE and AES-GCM or "
    "ChaCha20-Poly1305): enable one at the host, and look at cipherList= in its proxy URI; a host "
    "without ECDSA needs an RSA certificate in [tls]"
)

_NOT_OURS = "it does not accept our certificate"

# What OpenSSL calls it, or the alert that the peer sent -> what that means here.
_BY_REASON: Mapping[str, Mismatch] = MappingProxyType(
    {
        "no shared cipher": _NO_CIPHER,
        "no suitable signature algorithm": _NO_CIPHER,
        "wrong version number": _NO_TLS,
        "http request": _HTTP(RemotePeer("", "")),
        "https proxy request": _HTTP(RemotePeer("", "")),
        "unknown ca": Mismatch(f"{_NOT_OURS}: unknown CA", THUMBPRINT),
        "bad certificate": Mismatch(_NOT_OURS, THUMBPRINT),
        "unsupported certificate": Mismatch(_NOT_OURS, THUMBPRINT),
        "certificate unknown": Mismatch(_NOT_OURS, THUMBPRINT),
        "certificate expired": Mismatch(f"{_NOT_OURS}: it has expired", THUMBPRINT),
        "certificate verify failed": Mismatch(
            "its client certificate is of no authority in client_ca of this zone"
        ),
    }
)


def at_telnet(spoken: Spoken | None, peer: RemotePeer) -> Mismatch | None:
    """What is said of a peer that begins so at a listener without TLS; None: nothing."""
    say = _AT_TELNET.get(spoken) if spoken is not None else None
    return None if say is None else say(peer)


def of_handshake(error: BaseException, peer: RemotePeer) -> Mismatch | None:
    """What is said of a connection that was lost with `error`; None if that is not TLS's."""
    opening = b""
    cause: BaseException | None = error
    if isinstance(error, HandshakeFailed):
        say = _AT_TELNETS.get(error.spoken) if error.spoken is not None else None
        if say is not None:
            return say(peer)
        opening, cause = error.opening, error.error
    if not isinstance(cause, SSL.Error):
        return None
    reason = tls_reason(cause)
    if reason in ("unsupported protocol", "version too low"):
        return _too_old(offered_version(opening))
    # The words before an alert's name differ between versions of OpenSSL.
    found = _BY_REASON.get(reason.rpartition(" alert ")[2])
    return found or Mismatch(f"{TLS_FAILED}: {reason}", THUMBPRINT)


def _too_old(version: str) -> Mismatch:
    offered = f"{version} at most" if version else "no TLS 1.2 or newer"
    return Mismatch(
        f"it offers {offered}, and TLS 1.2 is the oldest that is accepted: update the host, or use "
        "a telnet:// proxy URI on a trusted network",
        PROXY_URIS,
    )
