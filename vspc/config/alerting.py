"""Values of [[alert]]: patterns of output, those that are built in, and where a webhook is."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NewType
from urllib.parse import urlsplit

import re2
from attrs import field, frozen

from vspc.common.textfile import examine, naming, read, text_of
from vspc.common.values import InvalidValue
from vspc.config.credentials import first_line
from vspc.config.mistakes import shown
from vspc.config.values import expression

BuiltIn = Literal["panic", "oops", "bsod", "out-of-memory", "soft-lockup", "read-only"]

PANIC_PATTERNS: tuple[BuiltIn, ...] = ("panic", "oops", "bsod")
"""After these the end of a console's output is kept ([panics])."""

BUILT_IN: Mapping[BuiltIn, str] = MappingProxyType(
    {
        # Linux; BSD and illumos; XNU; Xen; ESXi.
        "panic": r"Kernel panic - not syncing|"
        r"^(?:\[ *[0-9.]+\] )?panic(?:\[cpu[0-9]+\]/thread=[0-9a-f]+)?: |"
        r"^Fatal trap [0-9]+: |panic\(cpu [0-9]+ caller 0x|Panic on CPU [0-9]+:|"
        r"#[A-Z]{2} Exception [0-9]+ in world [0-9]+|@BlueScreen: ",
        "oops": r"BUG: unable to handle |BUG: kernel NULL pointer dereference|"
        r"Unable to handle kernel |\bOops(?: - [A-Za-z ]+)?: [0-9a-f]+ \[#[0-9]+\]|"
        r"general protection fault.*: [0-9a-f]{4} \[#[0-9]+\]|kernel BUG at |"
        r"Internal error: [A-Za-z ]*(?:Oops|BUG)",
        # The screen of Windows, and what its Emergency Management Services write.
        "bsod": r"\*\*\* STOP: 0x[0-9A-Fa-f]{8}|CLASSNAME=\"BLUESCREEN\"|"
        r"A problem has been detected and Windows has been shut down",
        "out-of-memory": r"Out of memory: Kill|\binvoked oom-killer: |"
        r"Memory cgroup out of memory: Kill|was killed: (?:out of swap space|failed to reclaim)",
        "soft-lockup": r"BUG: soft lockup - CPU#|\b[Hh]ard LOCKUP on cpu|"
        r"detected (?:expedited )?stalls? on CPU|\bself-detected stall|"
        r"INFO: task .* blocked for more than [0-9]+ seconds",
        "read-only": r"[Rr]emounting filesystem read-only|\bforced readonly\b|"
        r"Aborting journal on device|XFS .*(?:[Ff]ilesystem has been shut down|xfs_do_force_shut)",
    }
)
"""What kernels write by themselves, as RE2 finds it in a line."""

INSTRUCTIONS = 4096
"""The size of a pattern, in instructions of RE2."""

HEADERS_LIMIT = 16 * 1024
"""Bytes of a `headers_file`."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}): *([!-~](?:[ -~]*[!-~])?)", re.ASCII)
_RESERVED = frozenset({"host", "content-length", "transfer-encoding", "connection", "content-type"})
_ABSOLUTE = re.compile(r"(?<!\\)(?:\\\\)*(?:\\[Az]|\(\?[A-Za-z]*-[A-Za-z]*m)")

_URL_ALLOWED = 'expected "https://HOST/PATH", with letters, digits and what URLs have in ASCII'


AlertPattern = NewType("AlertPattern", str)
"""A regular expression of RE2 that is looked for in each line."""


def alert_pattern(value: object) -> AlertPattern:
    """One that some lines do not match, and that needs no beginning of a text. `InvalidValue`."""
    found = expression(value)
    options = re2.Options()
    options.log_errors = False
    compiled = re2.compile(found.encode(), options)
    if compiled.search(b"") is not None:
        raise InvalidValue(f"{shown(value)} matches every line", "expected one that some do not")
    if _ABSOLUTE.search(found):
        raise InvalidValue(f"{shown(value)} is about a whole text", r"write ^ for \A and $ for \z")
    if compiled.programsize > INSTRUCTIONS:
        problem = f"{shown(value)} has {compiled.programsize} instructions of RE2"
        raise InvalidValue(problem, f"at most {INSTRUCTIONS} are allowed")
    return AlertPattern(found)


@frozen
class WebhookUrl:
    """An address that alerts are sent to. It may hold a token: only `shown` is for logs."""

    text: str = field(repr=False)

    @property
    def shown(self) -> str:
        """Without path, query and what is behind it."""
        parts = urlsplit(self.text)
        return f"{parts.scheme}://{parts.netloc}/..."

    @property
    def is_plain(self) -> bool:
        """Whether it is without TLS."""
        return self.text.startswith("http://")


class WebhookFile(WebhookUrl):
    """One out of the first line of a file."""


@frozen
class HeadersFile:
    """Lines `Name: value` of a file, which may be secret."""

    headers: tuple[tuple[str, str], ...] = field(repr=False)


def webhook(value: object) -> WebhookUrl:
    """A URL. Raises `InvalidValue`, which does not repeat it."""
    return WebhookUrl(_url(value))


def _url(value: object) -> str:
    if not isinstance(value, str) or len(value) > 2000 or not re.fullmatch(r"[!-~]+", value):
        raise InvalidValue("not the URL of a webhook", _URL_ALLOWED)
    try:
        parts = urlsplit(value)
        has_port = parts.port != 0
    except ValueError:
        raise InvalidValue("not the URL of a webhook", _URL_ALLOWED) from None
    if parts.scheme not in ("https", "http") or not parts.hostname or not has_port:
        raise InvalidValue("not the URL of a webhook", _URL_ALLOWED)
    if "@" in parts.netloc:
        raise InvalidValue("a user or a password in the URL", "write an Authorization header")
    if parts.fragment:
        raise InvalidValue("a URL with a fragment", "remove # and what is behind it")
    return value


def webhook_file(path: Path) -> WebhookFile:
    """The URL in the first line of a file that others cannot read. Raises `InvalidValue`."""
    with naming(path):
        return WebhookFile(_url(first_line(path)))


def headers_file(path: Path) -> HeadersFile:
    """The headers in a file that others cannot read. Raises `InvalidValue`."""
    with naming(path):
        content = read(path, HEADERS_LIMIT)
        if content.mode & 0o027:
            raise InvalidValue("accessible by other users", "chmod 600 or 640 is required")
        lines = [line.strip() for line in text_of(content.data).split("\n")]
        for line in lines:
            examine(line)
        return HeadersFile(tuple(_header(line) for line in lines if line and line[0] != "#"))


def _header(line: str) -> tuple[str, str]:
    found = _HEADER.fullmatch(line)
    if found is None:
        raise InvalidValue("a line is not a header", 'expected lines such as "Name: value"')
    if found[1].lower() in _RESERVED:
        raise InvalidValue(f"the header {found[1]} is set by the server", "remove that line")
    return found[1], found[2]


def alert_name(value: str) -> None:
    """The name of an alert; it does not look like an option. Raises `InvalidValue`."""
    if value and not _NAME.fullmatch(value):
        allowed = "1 to 32 letters, digits and . _ - are allowed, a letter or digit first"
        raise InvalidValue("invalid name of an alert", allowed)
