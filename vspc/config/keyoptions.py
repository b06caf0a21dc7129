"""The options in front of a key in an authorized_keys file (sshd(8), AUTHORIZED_KEYS FILE FORMAT).

Unknown options are refused: one may be a restriction.
"""

import re
import time
from calendar import timegm
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from attrs import evolve, frozen

from vspc.common.addresses import Address, Network, parse_address
from vspc.common.values import InvalidValue
from vspc.config.mistakes import shown
from vspc.config.values import network

_WITHOUT_EFFECT = frozenset(
    {"agent-forwarding", "x11-forwarding", "user-rc"}
    | {"no-agent-forwarding", "no-x11-forwarding", "no-user-rc"}
)
"""Options about what no key may do here."""

_OPTION = re.compile(
    r'([A-Za-z0-9-]{1,40}+)(?:(=)(?:"((?:\\"|[^"\\]|\\(?!"))*+)")?)?', re.ASCII | re.DOTALL
)
"""A backslash protects a quote and nothing else, as in sshd."""

_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_MOMENT = re.compile(r"([0-9]{8})([0-9]{4}(?:[0-9]{2})?)?(Z?)", re.ASCII)
_ADDRESSES = re.compile(r"[0-9A-Fa-f.:*?]+", re.ASCII)

_IGNORED = frozenset({"environment", "permitlisten", "tunnel"})
"""Options that are common in such files and have no effect here; `vspc check` warns of them."""

_REFUSED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "cert-authority": ("is not supported", "add the authority to [ssh.certificates]"),
        "principals": ("is not supported", "add principals to [[ssh.certificates.map]]"),
        "no-touch-required": ("is not supported", "FIDO keys must be touched"),
    }
)

_KNOWN = (
    'restrict, pty, no-pty, port-forwarding, no-port-forwarding, from="10.0.0.0/8", '
    'expiry-time="20301231Z", permitopen="NAME:1", command="VERB ARGS", verify-required'
)


@frozen
class Sources:
    """Addresses of `from=`: none of `no` may match, and one of `yes` must."""

    yes: tuple[Network | str, ...]
    no: tuple[Network | str, ...]

    def has(self, address: str) -> bool:
        """Whether `address` is allowed; what is not an IP address is not."""
        found = parse_address(address)
        return found is not None and not _matches(self.no, found) and _matches(self.yes, found)


def _matches(among: tuple[Network | str, ...], address: Address) -> bool:
    return any(
        fnmatchcase(str(address), one.lower())
        if isinstance(one, str)
        else address.version == one.version and address in one
        for one in among
    )


@frozen
class KeyOptions:
    """What a key may be used for. `opens`: consoles that `-W` and `-L` may name, None for all;
    `expires`: seconds since 1970; `ignored`: options without an effect.
    """

    command: str | None = None
    pty: bool = True
    forwarding: bool = True
    opens: tuple[str, ...] | None = None
    sources: Sources | None = None
    expires: float | None = None
    verify_required: bool = False
    ignored: tuple[str, ...] = ()


def limited(options: KeyOptions) -> tuple[str, ...]:
    """The options that allow a key less than a password would."""
    limits = {
        "command": options.command is not None,
        "restrict": not options.pty and not options.forwarding,
        "no-pty": not options.pty and options.forwarding,
        "no-port-forwarding": options.pty and not options.forwarding,
        "permitopen": options.opens is not None,
        "from": options.sources is not None,
        "expiry-time": options.expires is not None,
    }
    return tuple(name for name, there in limits.items() if there)


def split_options(line: str) -> tuple[str, str]:
    """The options of a line, which end at the first space outside quotes, and what follows."""
    quoted, at = False, 0
    while at < len(line):
        if line[at].isspace() and not quoted:
            return line[:at], line[at:].strip()
        if line.startswith('\\"', at):
            at += 1
        elif line[at] == '"':
            quoted = not quoted
        at += 1
    raise InvalidValue("no key after the options", "a quote may be missing")


def key_options(text: str) -> KeyOptions:
    """The options before a key. Raises `InvalidValue` for the first that is refused."""
    options = KeyOptions()
    for name, value in _options(text):
        options = _with(options, name.lower(), value)
    return options


def _options(text: str) -> Iterator[tuple[str, str | None]]:
    at = 0
    while True:
        match = _OPTION.match(text, at)
        if match is None:
            raise InvalidValue("invalid option before the key", f"allowed: {_KNOWN}")
        name, equals, value = match.groups()
        if equals and value is None:
            raise _without_value(name)
        yield name, None if value is None else value.replace('\\"', '"')
        at = match.end()
        if at == len(text):
            return
        if text[at] != ",":
            raise InvalidValue(f"no comma after option {name}", f"allowed: {_KNOWN}")
        at += 1


def _with(options: KeyOptions, name: str, value: str | None) -> KeyOptions:
    if name in _REFUSED:
        problem, allowed = _REFUSED[name]
        raise InvalidValue(f"option {name} {problem}", allowed)
    if name in _FLAGS or name in _WITHOUT_EFFECT:
        if value is not None:
            raise InvalidValue(f"option {name} takes no value", f"write {name} alone")
        return evolve(options, **_FLAGS.get(name, {}))
    if name not in _VALUES and name not in _IGNORED:
        raise InvalidValue(f"unknown option {name}", f"allowed: {_KNOWN}")
    if value is None:
        raise _without_value(name)
    if name in _IGNORED:
        seen = tuple(one for one in options.ignored if one != name)
        return evolve(options, ignored=(*seen, name))
    return _VALUES[name](options, value)


def _without_value(name: str) -> InvalidValue:
    return InvalidValue(f"option {name} needs a value", f'write {name}="..."')


_FLAGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "restrict": {"pty": False, "forwarding": False},
        "pty": {"pty": True},
        "no-pty": {"pty": False},
        "port-forwarding": {"forwarding": True},
        "no-port-forwarding": {"forwarding": False},
        "verify-required": {"verify_required": True},
    }
)


def _command(options: KeyOptions, value: str) -> KeyOptions:
    if options.command is not None:
        raise InvalidValue("duplicate option command", "one command is allowed")
    if not value.strip():
        raise InvalidValue("option command is empty", 'expected a verb, such as command="list"')
    return evolve(options, command=value)


def _open(options: KeyOptions, value: str) -> KeyOptions:
    name, _, port = value.rpartition(":")
    if not name or not name.isprintable() or not (port == "*" or _PORT.fullmatch(port)):
        raise InvalidValue(
            f"permitopen={shown(value)} does not name a console", 'expected permitopen="NAME:1"'
        )
    return evolve(options, opens=(*(options.opens or ()), name))


def _from(options: KeyOptions, value: str) -> KeyOptions:
    yes, no = list[Network | str](), list[Network | str]()
    for word in value.split(","):
        word = word.strip()
        (no if word.startswith("!") else yes).append(_source(word.removeprefix("!")))
    if options.sources is not None:
        raise InvalidValue("duplicate option from", "one list of addresses is allowed")
    return evolve(options, sources=Sources(tuple(yes), tuple(no)))


def _source(word: str) -> Network | str:
    if any(c in word for c in "*?") and _ADDRESSES.fullmatch(word):
        return word
    try:
        return network(word)
    except InvalidValue:
        allowed = (
            'addresses, networks and patterns such as "10.0.*" are allowed, host names are not'
        )
        raise InvalidValue(f"from={shown(word)} is not an address", allowed) from None


def _expiry(options: KeyOptions, value: str) -> KeyOptions:
    match = _MOMENT.fullmatch(value)
    try:
        if match is None:
            raise ValueError
        clock = (match[2] or "").ljust(6, "0")
        moment = time.strptime(match[1] + clock, "%Y%m%d%H%M%S")
        at = float(timegm(moment)) if match[3] else time.mktime(moment)
    except (ValueError, OverflowError):
        allowed = "expected YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with a Z for UTC"
        raise InvalidValue(f"expiry-time={shown(value)} is not a time", allowed) from None
    earlier = at if options.expires is None else min(at, options.expires)
    return evolve(options, expires=earlier)


_VALUES: Mapping[str, Callable[[KeyOptions, str], KeyOptions]] = MappingProxyType(
    {"command": _command, "permitopen": _open, "from": _from, "expiry-time": _expiry}
)
