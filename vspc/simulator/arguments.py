"""The command line of `vspc simulate`, and words of commands; docs/simulator.md describes both."""

import argparse
import random
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from ipaddress import ip_address
from typing import TypeVar

from attrs import frozen

from vspc.simulator.extension import plain_uuid
from vspc.simulator.transport import ProxyUri, proxy_uri, thumbprint

T = TypeVar("T")

USAGE = 2
"""Exit status for a command line that makes no sense."""

MOST_VMS = 50_000
"""VMs of one simulator; at two descriptors each during vMotion, few systems allow more."""

MOST_PORTS = 32
"""Serial ports of one VM, as ESXi allows."""

NAME = 80
"""Characters of a VM's name, as vSphere allows."""

LONGEST = 86_400.0
"""Seconds, for every time that is asked for."""

SHORTEST_INTERVAL = 0.1
"""Seconds between two moves of one VM."""


@frozen
class GuestAddress:
    """`--guest`: where a real guest's serial port is; `listens`: we do, and it dials."""

    listens: bool
    host: str
    port: int


@frozen
class SimulateOptions:
    """The command line, checked."""

    proxy: ProxyUri
    names: list[str]
    ports: list[str]
    service_uris: list[str]
    direction: str
    guest: GuestAddress | None
    vmotion_every: float | None
    vmotion_time: float
    chop: random.Random | None
    start_tls: bool
    vc_uuid: str | None
    source: str
    pace: float
    control: str | None


def parse(argv: Sequence[str]) -> SimulateOptions:
    """The options; a mistake is printed on standard error and ends in SystemExit(2)."""
    own = parser()
    words = own.parse_args(list(argv))
    proxy: ProxyUri = words.proxy
    if words.thumbprint is not None:
        proxy = ProxyUri(proxy.secure, proxy.host, proxy.port, words.thumbprint)
    if words.vms > 1 and "{n}" not in words.name:
        own.error("--name: {n} is needed where there are several VMs")
    if words.guest is not None and words.vms * words.ports > 1:
        own.error("--guest: one real guest, one VM with one port")
    ports, service_uris = _ports(own, words)
    return SimulateOptions(
        proxy=proxy,
        names=[words.name.replace("{n}", str(n)) for n in range(1, words.vms + 1)],
        ports=ports,
        service_uris=service_uris,
        direction="S" if words.direction == "server" else "C",
        guest=words.guest,
        vmotion_every=words.vmotion_every,
        vmotion_time=words.vmotion_time,
        chop=None if words.chop is None else random.Random(words.chop),
        start_tls=words.start_tls == "accept",
        vc_uuid=words.uuid,
        source=_default_source(proxy.host) if words.source is None else words.source,
        pace=words.pace,
        control=words.control,
    )


def _ports(parser: argparse.ArgumentParser, words: argparse.Namespace) -> tuple[list[str], ...]:
    """What the ports are called, and their service URIs: the same for all, or with labels."""
    uri = words.service_uri
    labels = words.port_labels
    if labels is None:
        numbers = [str(number) for number in range(1, words.ports + 1)]
        return numbers, [uri.replace("{port}", number) for number in numbers]
    if words.ports not in (1, len(labels)):
        parser.error(f"--port-labels: {words.ports} ports need as many labels")
    mark = "&" if "?" in uri else "?"
    return labels, [f"{uri}{mark}port={label}" for label in labels]


def _default_source(host: str) -> str:
    """Loopback where the proxy is on it; otherwise what the system chooses."""
    return "127.0.0.1" if host == "localhost" or host.startswith("127.") else ""


def parser() -> argparse.ArgumentParser:
    """What `vspc simulate` takes."""
    made = argparse.ArgumentParser(
        prog="vspc simulate",
        description="Virtual machines whose serial ports connect to a proxy, as on ESXi.",
    )
    add = made.add_argument
    proxy_help = "telnet://HOST:PORT or telnets://HOST:PORT, with #thumbprint=HEX or without"
    add("--proxy", required=True, type=_said(proxy_uri), metavar="URI", help=proxy_help)
    add("--name", type=_said(_name), default="web{n}", help="names; {n} is the number (web{n})")
    add("--service-uri", default="vspc", metavar="URI", help="as in vSphere (vspc)")
    add("--direction", choices=("server", "client"), default="server")
    tls_help = "where a telnet proxy asks for TLS (accept)"
    add("--start-tls", choices=("accept", "decline"), default="accept", help=tls_help)
    add("--chop", type=int, metavar="SEED", help="split and join every write at random")
    add("--control", metavar="PATH", help="a unix socket for commands; - is standard input")
    for flag, metavar, convert, default, text in _VALUES:
        add(flag, type=_said(convert), default=default, metavar=metavar, help=text)
    return made


def _said(convert: Callable[[str], T]) -> Callable[[str], T]:
    """A converter for argparse, which shows the text of its ValueError."""

    def converted(text: str) -> T:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return converted


def _count(text: str, most: int) -> int:
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= count <= most:
        raise ValueError(f"{text!r} is not a number from 1 to {most}")
    return count


def _labels(text: str) -> list[str]:
    labels = text.split(",")
    plain = all(label.isprintable() and label and not set(label) & set(" &#:") for label in labels)
    if not plain or len(set(labels)) < len(labels) or len(labels) > MOST_PORTS:
        raise ValueError(f"{text!r} is not up to {MOST_PORTS} different labels with , between")
    return labels


def _name(text: str) -> str:
    if not text or " " in text or not text.isprintable() or len(text) > NAME:
        raise ValueError(f"{text!r} is not a name: 1 to {NAME} printable characters, no space")
    return text


def _interval(text: str) -> float:
    interval = seconds(text)
    if interval < SHORTEST_INTERVAL:
        raise ValueError(f"{text!r} is too short: at least {SHORTEST_INTERVAL} seconds")
    return interval


def guest_address(text: str) -> GuestAddress:
    """`tcp:HOST:PORT` or `tcp-listen:HOST:PORT`. Raises ValueError."""
    kind, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    known = kind in ("tcp", "tcp-listen") and port.isascii() and port.isdigit() and len(port) < 6
    if not known or not host or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is not tcp:HOST:PORT or tcp-listen:HOST:PORT")
    return GuestAddress(kind == "tcp-listen", host.strip("[]"), int(port))


# Words, of options or commands; all raise ValueError, whose text says what is wrong

_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_LETTERS = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"e": b"\x1b", b"s": b" ", b"\\": b"\\"}


def unescape(text: str) -> bytes:
    r"""Bytes of a text with `\r`, `\n`, `\t`, `\e`, `\s` (a space), `\\` and `\xNN` in it."""
    return _ESCAPE.sub(
        lambda found: bytes.fromhex(found[1].decode()) if found[1] else _letter(found[2]),
        text.encode(),
    )


def _letter(letter: bytes) -> bytes:
    return _LETTERS.get(letter, b"\\" + letter)


def address(text: str) -> str:
    """An IP address, in its shortest spelling."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an address") from None


def seconds(text: str) -> float:
    """A time from 0 to `LONGEST`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LONGEST:
        raise ValueError(f"{text!r} is not a time from 0 to {LONGEST:.0f} seconds")
    return value


def from_hex(text: str) -> bytes:
    """Bytes of hex digits."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{text!r} is not hex") from None


def options(words: Iterable[str], *keys: str) -> dict[str, str]:
    """KEY=VALUE words, of the `keys` that there are; a key alone has the value "" ."""
    found = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in keys or key in found:
            raise ValueError(f"{word!r} is not one of {' '.join(keys)}, or is there twice")
        found[key] = value
    return found


_VALUES: tuple[tuple[str, str, Callable[[str], object], object, str], ...] = (
    ("--vms", "N", partial(_count, most=MOST_VMS), 1, "how many (1)"),
    ("--uuid", "HEX", plain_uuid, None, "VC UUID of every VM; empty: a host without vCenter"),
    ("--ports", "N", partial(_count, most=MOST_PORTS), 1, "of each VM (1)"),
    ("--port-labels", "A,B", _labels, None, "?port=A and so on in the ports' service URIs"),
    ("--thumbprint", "HEX", thumbprint, None, "the one certificate to accept, SHA-1 or SHA-256"),
    ("--guest", "tcp:HOST:PORT", guest_address, None, "a real guest; tcp-listen: if it dials"),
    ("--pace", "SECONDS", seconds, 0.05, "between two lines of the guest's boot log (0.05)"),
    ("--source", "ADDRESS", address, None, "the first host (127.0.0.1 for a proxy on loopback)"),
    ("--vmotion-every", "SECONDS", _interval, None, "move every VM so often"),
    ("--vmotion-time", "SECONDS", seconds, 1.0, "from go-ahead to the new connection (1)"),
)
"""Options with a checked value: flag, metavar, converter, default, help."""
