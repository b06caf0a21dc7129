"""The telnet AUTHENTICATION option as ESXi uses it: a way into TLS, never a proof of identity.

RFC 2941 for the frame; type SSL with the words START and ACCEPTED is VMware's.
"""

from vspc.simulator.wire import AUTHENTICATION, subnegotiate

_IS, _SEND, _REPLY = 0, 1, 2
_SSL = 7
_START, _ACCEPTED = 1, 2

_TYPE = bytes([_SSL, 0])

START = subnegotiate(AUTHENTICATION, bytes([_IS]) + _TYPE + bytes([_START]))
"""IS SSL START: TLS may begin once it is accepted."""

NONE = subnegotiate(AUTHENTICATION, bytes([_IS, 0, 0]))
"""IS NULL: nothing of what the server asked for is possible (RFC 2941 section 2)."""


def asks_for_tls(payload: bytes) -> bool:
    """SEND, with SSL and no modifier among the pairs it names."""
    pairs = [payload[at : at + 2] for at in range(1, len(payload), 2)]
    return payload[:1] == bytes([_SEND]) and _TYPE in pairs


def asks(payload: bytes) -> bool:
    """SEND of any kind: an answer is due."""
    return payload[:1] == bytes([_SEND])


def accepts_tls(payload: bytes) -> bool:
    """REPLY SSL ACCEPTED: the very next byte is TLS."""
    return payload == bytes([_REPLY]) + _TYPE + bytes([_ACCEPTED])


def replies(payload: bytes) -> bool:
    """REPLY of any kind: the server has decided."""
    return payload[:1] == bytes([_REPLY])
