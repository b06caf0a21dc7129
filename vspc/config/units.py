"""Values as people write them: "64KiB", "7d", "10.0.0.0/8", "tcp:2222". `Wrong` if they are not."""

import base64
import binascii
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NewType

from attrs import frozen

from vspc.config.mistakes import Wrong

Size = NewType("Size", int)
"""Bytes."""

Duration = NewType("Duration", float)
"""Seconds."""

Endpoint = NewType("Endpoint", str)
"""A Twisted server endpoint string."""

Network = IPv4Network | IPv6Network

_SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

_SIZE_ALLOWED = 'a size is written "64KiB", "256MiB" or "1GiB"'
_DURATION_ALLOWED = 'a time is a number of seconds, or "30s", "10m", "12h", "7d"'
_ENDPOINT_ALLOWED = (
    'an endpoint is written "tcp:2222", "tcp:2222:interface=10.0.0.1", "tcp6:2222", '
    '"unix:/path" or "systemd:domain=INET:index=0"'
)

_ENDPOINTS = re.compile(
    r"(tcp6?:(?P<port>\d{1,5})(:interface=[0-9A-Za-z.\\:%]+)?(:backlog=\d+)?)"
    r"|(unix:[^:]+(:\w+=[^:]*)*)|(systemd:domain=\w+(:\w+=[^:]*)+)",
    re.ASCII,
)

KEY_TYPES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
"""Public keys that an operator can log in with."""


def size(value: object) -> Size:
    """Bytes, from text with a unit."""
    match = re.fullmatch(r"(\d{1,12}) ?(B|KiB|MiB|GiB)", value) if isinstance(value, str) else None
    if match is None:
        raise Wrong(f"{value!r} is no size", _SIZE_ALLOWED)
    return Size(int(match[1]) * _SIZES[match[2]])


def duration(value: object) -> Duration:
    """Seconds, from a number or from text with a unit."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Duration(float(value))
    match = re.fullmatch(r"(\d{1,9}) ?([smhd])", value) if isinstance(value, str) else None
    if match is None:
        raise Wrong(f"{value!r} is no length of time", _DURATION_ALLOWED)
    return Duration(float(int(match[1]) * _DURATIONS[match[2]]))


def endpoint(value: object) -> Endpoint:
    """An endpoint string, by its shape."""
    match = _ENDPOINTS.fullmatch(value) if isinstance(value, str) else None
    if match is None or (match["port"] is not None and int(match["port"]) > 65535):
        raise Wrong(f"{value!r} is no endpoint", _ENDPOINT_ALLOWED)
    assert isinstance(value, str)
    return Endpoint(value)


def network(value: object) -> Network:
    """A network or one address; v4-mapped ones as v4."""
    try:
        if not isinstance(value, str):
            raise ValueError
        found = ip_network(value)
    except ValueError as error:
        raise Wrong(
            f"{value!r} is no network" + (f" ({error})" if str(error) else ""),
            'a network is written "10.0.0.0/8" or "2001:db8::/32", one address without the slash',
        ) from None
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    if mapped is not None and found.prefixlen >= 96:
        return IPv4Network((mapped, found.prefixlen - 96))
    return found


@frozen
class AuthorizedKey:
    """One public key: its type, its blob as it goes over the wire, its comment."""

    kind: str
    blob: bytes
    comment: str


def authorized_key(value: object) -> AuthorizedKey:
    """One line of an authorized_keys file, without options."""
    allowed = 'a key is written "ssh-ed25519 AAAA... comment", as in the .pub file'
    if not isinstance(value, str):
        raise Wrong(f"{value!r} is no public key", allowed)
    words = value.split(None, 2)
    if not words or words[0] not in KEY_TYPES:
        if any(kind in value for kind in KEY_TYPES):
            raise Wrong("options in front of a key are not available in this version", allowed)
        raise Wrong(f"{value[:60]!r} is no public key", f"{allowed}; types: {', '.join(KEY_TYPES)}")
    try:
        blob = base64.b64decode(words[1] if len(words) > 1 else "", validate=True)
    except binascii.Error:
        raise Wrong(f"the key after {words[0]} is not whole (base64)", allowed) from None
    kind = words[0].encode()
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind):
        raise Wrong(f"the key after {words[0]} is of another type", allowed)
    return AuthorizedKey(words[0], blob, words[2] if len(words) > 2 else "")
