"""The consoles that [[dial]] tables stand for, and mistakes about several of their keys."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from vspc.common.serial import FlowControl
from vspc.common.values import InvalidValue
from vspc.config.checks import label
from vspc.config.dialling import (
    COUNT,
    DIALS,
    PARITIES,
    UNIX,
    DialledEntry,
    PortWishes,
    filled_in,
    is_template,
    remote_of,
)
from vspc.config.mistakes import Finding, shown
from vspc.config.settings import Config
from vspc.config.vm_settings import DialSettings

_ONLY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "rfc2217": ("speed", "data", "parity", "stop", "flow"),
        "telnets": ("ca", "thumbprint", "certificate", "private_key"),
    }
)
"""Keys that only one scheme has."""


def entries(settings: DialSettings) -> Iterator[DialledEntry]:
    """The consoles of one table. Raises InvalidValue where `mistakes` finds one."""
    wishes = PortWishes(
        settings.speed,
        settings.data,
        None if settings.parity is None else PARITIES[settings.parity],
        settings.stop,
        None if settings.flow is None else FlowControl(settings.flow),
    )
    for number in range(1, (settings.count or 1) + 1):
        where = filled_in(settings.connect, number)
        yield DialledEntry(
            filled_in(settings.name, number),
            remote_of(where),
            where.removeprefix(UNIX),
            settings.when,
            wishes,
            settings.ca,
            settings.thumbprint or b"",
            settings.certificate,
            settings.private_key,
        )


def dialled(config: Config) -> list[DialledEntry]:
    """Every console that the server connects to."""
    return [entry for settings in config.dial for entry in entries(settings)]


def _count(table: Mapping[str, Any]) -> int:
    """How many entries it stands for; 1 where the number itself is a mistake."""
    count = table.get("count")
    return count if type(count) is int and 1 <= count <= COUNT else 1


def mistakes(tables: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[Finding]:
    """Mistakes that show in the tables of the file. `names` are those of other consoles, with their
    key paths.
    """
    total, taken = 0, dict(names)
    for index, table in enumerate(tables):
        total += _count(table)
        key = f"dial[{index}]"
        yield from _templates(key, table)
        yield from _last(key, table)
        yield from _foreign(key, table)
        yield from _duplicates(f"{key}.name", table, taken)
    if total > DIALS:
        yield "dial", f"the tables stand for {total} consoles", f"{DIALS} are allowed"


def _duplicates(key: str, table: Mapping[str, Any], taken: dict[str, str]) -> Iterator[Finding]:
    """The first name that is in `taken`; afterwards all of them are."""
    name, count = table.get("name"), _count(table)
    if not isinstance(name, str):
        return
    own = dict.fromkeys(filled_in(name, number) for number in range(1, count + 1))
    twice = next((each for each in own if each in taken), None)
    if twice is not None:
        yield key, f"{shown(twice)} is the name of {taken[twice]}, too", "names must be unique"
    taken |= dict.fromkeys(own, key)


def _templates(key: str, table: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("name", "connect"):
        value = table.get(name)
        if not isinstance(value, str):
            continue
        if "count" not in table and is_template(value):
            yield (
                f"{key}.{name}",
                f"{shown(value)} has a number, and there is no count",
                ("set count = 16, or write the number"),
            )
        elif _count(table) > 1 and not is_template(value):
            yield (
                f"{key}.{name}",
                f"{shown(value)} is the same for all {_count(table)}",
                ("write {n}, or {4000+n}, where the number of the entry is to stand"),
            )


def _last(key: str, table: Mapping[str, Any]) -> Iterator[Finding]:
    """What goes wrong in the entry with the highest number only, as a port above 65535."""
    name, connect, count = table.get("name"), table.get("connect"), _count(table)
    if count == 1:
        return
    if isinstance(name, str) and _right(label, filled_in(name, 1)):
        yield from _wrong(f"{key}.name", count, label, filled_in(name, count))
    if isinstance(connect, str) and _right(remote_of, filled_in(connect, 1)):
        yield from _wrong(f"{key}.connect", count, remote_of, filled_in(connect, count))


def _right(read: Any, text: str) -> bool:
    return not list(_wrong("", 1, read, text))


def _wrong(key: str, number: int, read: Any, text: str) -> Iterator[Finding]:
    try:
        read(text)
    except InvalidValue as wrong:
        yield key, f"entry {number}: {wrong.problem}", wrong.allowed


def _foreign(key: str, table: Mapping[str, Any]) -> Iterator[Finding]:
    connect = table.get("connect")
    if not isinstance(connect, str):
        return
    scheme = connect.partition(":")[0].lower()
    for only, keys in _ONLY.items():
        if scheme != only:
            for name in keys:
                if name in table:
                    yield f"{key}.{name}", f"used with {only}:// only", "remove it"


def warnings(config: Config) -> Iterator[str]:
    """What is allowed and probably unintended."""
    seen: dict[str, str] = {}
    for index, settings in enumerate(config.dial):
        for entry in entries(settings):
            if entry.uri in seen:
                where = f"dial[{index}].connect: {entry.uri}"
                yield f"{where} is {seen[entry.uri]}, too: each entry is a connection of its own"
                break
            seen[entry.uri] = entry.name
