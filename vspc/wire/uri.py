"""URIs of serial ports, as vSphere's dialogs and `[[dial]]` take them (RFC 3986).

A *service URI* is what a VM sends in DO-PROXY: a free word, or the URI of a remote system or of a
socket. A *proxy URI* names this server. Both may end in `#key[=value][&key...]`, which says how
TLS is verified.
"""

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from ipaddress import IPv6Address
from urllib.parse import parse_qsl, quote, unquote

from attrs import frozen

from vspc.common.addresses import parse_address
from vspc.common.text import safe
from vspc.common.values import InvalidValue

URI_ARGUMENTS = 16
"""Arguments of a URI that are read, and options behind its `#`."""

URI_LENGTH = 2048
"""Bytes of a service URI that are read."""

HOST_LENGTH = 253
"""Characters of a host's name (RFC 1035 section 2.3.4)."""

THUMBPRINTS: Mapping[int, str] = {20: "SHA-1", 32: "SHA-256"}
"""Digests that `thumbprint=` may have, by their length in bytes."""


@frozen
class ServiceUri:
    """What DO-PROXY named: `text` as typed, `word` up to the first ? or #, `arguments` after ?."""

    text: str
    word: str
    arguments: Mapping[str, str]

    @classmethod
    def parse(cls, raw: bytes) -> "ServiceUri":
        """Never fails: invalid UTF-8 becomes escapes, what is too long is cut."""
        text = raw[:URI_LENGTH].decode("utf-8", "backslashreplace")
        before, _, _ = text.partition("#")
        word, _, query = before.partition("?")
        fields = query.split("&")[:URI_ARGUMENTS]
        return cls(text, word, dict(parse_qsl("&".join(fields), keep_blank_values=True)))

    @property
    def port_label(self) -> str | None:
        """`?port=LABEL`, which tells the serial ports of one VM apart."""
        return self.arguments.get("port") or None


class Scheme(Enum):
    """How a remote system is spoken to; the value is what stands before `://`."""

    TCP = "tcp"
    TCP4 = "tcp4"
    TCP6 = "tcp6"
    SSL = "ssl"
    TCP_SSL = "tcp+ssl"
    TCP4_SSL = "tcp4+ssl"
    TCP6_SSL = "tcp6+ssl"
    TELNET = "telnet"
    TELNETS = "telnets"
    RFC2217 = "rfc2217"

    @property
    def telnet(self) -> bool:
        """Whether the bytes are telnet."""
        return self in (Scheme.TELNET, Scheme.TELNETS, Scheme.RFC2217)

    @property
    def tls(self) -> bool:
        """Whether it begins with TLS."""
        return "ssl" in self.value or self is Scheme.TELNETS

    @property
    def version(self) -> int:
        """The one version of IP, or 0 for both."""
        return next((version for version in (4, 6) if f"tcp{version}" in self.value), 0)

    @property
    def default_port(self) -> int | None:
        """The port where none is written (RFC 4248); None: one has to be."""
        return {Scheme.TELNET: 23, Scheme.TELNETS: 992}.get(self)


SERVICE_SCHEMES = tuple(scheme for scheme in Scheme if scheme is not Scheme.RFC2217)
"""Those of service URIs; `host:port` alone is TCP."""

DIAL_SCHEMES = (Scheme.TCP, Scheme.TELNET, Scheme.TELNETS, Scheme.RFC2217)
"""Those of `[[dial]]`."""


@frozen
class TlsWishes:
    """What stands behind `#`: how the other end's certificate is verified.

    `thumbprint` is the certificate's digest, SHA-1 or SHA-256; `peer_name` the name to be found in
    it, in place of the host's; `ciphers` an OpenSSL cipher list.
    """

    thumbprint: bytes | None = None
    peer_name: str | None = None
    verify: bool = False
    ciphers: str | None = None


NO_WISHES = TlsWishes()


@frozen
class RemoteUri:
    """`scheme://host:port#wishes`. `host` is in lower case and without brackets."""

    scheme: Scheme
    host: str
    port: int
    wishes: TlsWishes = NO_WISHES

    def __str__(self) -> str:
        """`scheme://host:port`."""
        return f"{self.scheme.value}://{self.place}"

    @property
    def place(self) -> str:
        """`host:port`, with the brackets of an IPv6 address."""
        return f"{bracketed(self.host)}:{self.port}"

    @classmethod
    def parse(cls, text: str, schemes: Iterable[Scheme] = SERVICE_SCHEMES) -> "RemoteUri":
        """`text` with one of `schemes`; raises InvalidValue, which says what is wrong with it.

        What stands between `?` and `#` is not looked at.
        """
        before, mark, fragment = text.partition("#")
        before = before.partition("?")[0]
        scheme, rest = _scheme(before, tuple(schemes))
        host, port = _authority(rest.removesuffix("/"), scheme)
        if scheme.version and (address := parse_address(host)):
            _check_version(scheme, host, address.version)
        wishes = _wishes(fragment, scheme) if mark else NO_WISHES
        return cls(scheme, host, port, wishes)


_SOCKET = re.compile(r"(?:([a-z0-9+]+)://)?:([0-9]{1,5})/?", re.ASCII | re.IGNORECASE)

SOCKET_URIS = ("tcp*://:*", "telnet*://:*", "ssl://:*", ":*")
"""Globs that every URI of a socket matches, as far as `service_uris` look at it."""


def socket_of(text: str) -> tuple[Scheme, int] | None:
    """The scheme and the port of a URI without a host, such as `telnet://:2001`: a socket to be
    opened for the serial port. None: it is another word.
    """
    match = _SOCKET.fullmatch(text.partition("#")[0].partition("?")[0])
    if match is None or not 0 < int(match[2]) < 65536:
        return None
    word = (match[1] or Scheme.TCP.value).lower()
    scheme = next((each for each in SERVICE_SCHEMES if each.value == word), None)
    return None if scheme is None else (scheme, int(match[2]))


def bracketed(host: str) -> str:
    """`host` as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def proxy_uri(scheme: str, host: str, port: int, **fragment: str) -> str:
    """`telnets://host:port#key=value&...`; an IPv6 host gets its brackets."""
    tail = "&".join(f"{key}={quote(value, safe=':')}" for key, value in fragment.items())
    return f"{scheme}://{bracketed(host)}:{port}" + (f"#{tail}" if tail else "")


_ALLOWED = "a remote system is written HOST:PORT or SCHEME://HOST:PORT"


def _scheme(text: str, schemes: tuple[Scheme, ...]) -> tuple[Scheme, str]:
    """The scheme of `text`, and what follows its `//`."""
    word, mark, rest = text.partition("://")
    if not mark:
        if Scheme.TCP in schemes:
            return Scheme.TCP, text
        word = ""
    for scheme in schemes:
        if scheme.value == word.lower():
            return scheme, rest
    allowed = ", ".join(f"{scheme.value}://" for scheme in schemes)
    problem = f"unknown scheme {_shown(word)}" if mark else f"{_shown(text)} has no scheme"
    raise InvalidValue(problem, f"expected one of {allowed}")


def _shown(text: str) -> str:
    return f"'{safe(text)}'"


def _authority(text: str, scheme: Scheme) -> tuple[str, int]:
    """Host and port."""
    if "@" in text:
        raise InvalidValue("a user before the host cannot be used", _ALLOWED)
    if "/" in text:
        raise InvalidValue(f"{_shown(text)} has a path behind the host", _ALLOWED)
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise InvalidValue(
            f"{_shown(host)} has a colon", "an IPv6 address is written in brackets: [::1]:4001"
        )
    return _host(host), _port(port, text, scheme)


def _port(port: str, text: str, scheme: Scheme) -> int:
    if not port and scheme.default_port is not None:
        return scheme.default_port
    if not port:
        raise InvalidValue(f"{_shown(text)} has no port", _ALLOWED)
    if not re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) or not 0 < int(port) < 65536:
        raise InvalidValue(f"{_shown(port)} is not a port", "a port is a number from 1 to 65535")
    return int(port)


_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)

_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)

_HOSTS = "a host is a name, an IPv4 address, or an IPv6 address in brackets"


def _host(written: str) -> str:
    if written.startswith("["):
        return _bracketed_host(written[1:-1])
    host = written.lower().removesuffix(".")
    if parse_address(host) is not None:
        return host
    if not host.isascii():
        raise InvalidValue(f"{_shown(written)} is not ASCII", "write the name as xn--...")
    labels = host.split(".")
    if len(host) > HOST_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidValue(f"{_shown(written)} is not a host", _HOSTS)
    if _NUMBER.fullmatch(labels[-1]):
        # The system's resolver reads "127.1" and "0x7f000001" as addresses.
        raise InvalidValue(f"{_shown(written)} is not an IPv4 address", "write it as 10.0.0.9")
    return host


def _bracketed_host(written: str) -> str:
    """An IPv6 address; its scope begins with `%` or, as in RFC 6874, `%25`."""
    text, percent, scope = written.replace("%25", "%", 1).partition("%")
    try:
        address = IPv6Address(text)
    except ValueError:
        raise InvalidValue(f"{_shown(written)} is not an IPv6 address", _HOSTS) from None
    if percent and not re.fullmatch(r"[0-9A-Za-z._-]{1,15}", scope, re.ASCII):
        raise InvalidValue(f"{_shown(scope)} is not a network interface", "write [fe80::1%eth0]")
    return f"{address}{percent}{scope}"


def _check_version(scheme: Scheme, host: str, version: int) -> None:
    if version != scheme.version:
        raise InvalidValue(
            f"{_shown(host)} is not an IPv{scheme.version} address, which {scheme.value}:// needs",
            "write tcp:// or ssl:// for both versions",
        )


_WISHES = "thumbprint=HEX, peerName=NAME, verify and cipherList=LIST may follow the #"


def _wishes(fragment: str, scheme: Scheme) -> TlsWishes:
    if not fragment:
        return NO_WISHES
    if not scheme.tls:
        raise InvalidValue(
            f"{scheme.value}:// has no TLS, which what follows the # is for",
            "write telnets:// in place of telnet://, ssl:// in place of tcp://",
        )
    found: dict[str, str] = {}
    for word in fragment.split("&", URI_ARGUMENTS):
        key, _, value = word.partition("=")
        if key.lower() in found:
            raise InvalidValue(f"{_shown(key)} is there twice behind the #", "write it once")
        found[key.lower()] = unquote(value)
    unknown = found.keys() - {"thumbprint", "peername", "verify", "cipherlist"}
    if unknown:
        raise InvalidValue(f"unknown option {_shown(min(unknown))} behind the #", _WISHES)
    return TlsWishes(
        digest(found["thumbprint"]) if "thumbprint" in found else None,
        _peer_name(found["peername"]) if "peername" in found else None,
        "verify" in found,
        _ciphers(found["cipherlist"]) if "cipherlist" in found else None,
    )


def digest(value: str) -> bytes:
    """A certificate's thumbprint, in hex digits; InvalidValue."""
    digits = value.replace(":", "").replace(" ", "")
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        found = b""
    if len(found) not in THUMBPRINTS:
        allowed = "expected 40 (SHA-1) or 64 (SHA-256) hex digits, with colons or without"
        raise InvalidValue(f"{_shown(value)} is not a thumbprint", allowed)
    return found


def _peer_name(value: str) -> str:
    return _host(f"[{value}]" if ":" in value and "[" not in value else value)


_CIPHERS = re.compile(r"[A-Z0-9a-z+!@=_-]+(?:[:, ]+[A-Z0-9a-z+!@=_-]+)*", re.ASCII)


def _ciphers(value: str) -> str:
    """Ciphers are parted by colons, commas or spaces."""
    if not _CIPHERS.fullmatch(value):
        allowed = "expected names of OpenSSL's with colons between them"
        raise InvalidValue(f"{_shown(value)} is not a list of ciphers", allowed)
    return re.sub(r"[, ]+", ":", value)
