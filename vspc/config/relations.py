"""What one part of a configuration has to do with another.

The tables are looked at as they stand in the file, whatever else is wrong with them: one mistake
must not hide another, nor make one of what is right.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

from vspc.config.classes import AccessRule, Config, SshSettings, VmSettings

Relation = tuple[str, str, str]
"""A key path, the problem, what is allowed."""

_LISTENERS = (
    ("vm", "telnet", VmSettings().telnet),
    ("vm", "telnets", VmSettings().telnets),
    ("ssh", "listen", SshSettings().listen),
)


def people(tables: dict[str, Any]) -> frozenset[str]:
    """Whom an access rule can speak of: operators, and groups with an @ in front."""
    operators = _table(tables, "operators")
    groups = (
        f"@{group}"
        for operator in operators.values()
        if isinstance(operator, dict)
        for group in _list(operator, "groups")
        if isinstance(group, str)
    )
    return frozenset(operators) | frozenset(groups)


def relations(tables: dict[str, Any]) -> Iterator[Relation]:
    """Mistakes that no single value has."""
    tls = _table(tables, "tls")
    if ("certificate" in tls) != ("private_key" in tls):
        yield "tls", "one of certificate and private_key is missing", "give both or neither"
    yield from _sinks(_dicts(_table(tables, "log"), "sink"))
    plain = _dicts(_table(tables, "vm"), "plain")
    zones = [table.get("name") for table in _dicts(_table(tables, "vm"), "zone")]
    named = [(f"vm.zone[{index}].name", name) for index, name in enumerate(zones)]
    yield from _twice(named, "each zone once")
    names = [(f"vm.plain[{i}].name", table.get("name")) for i, table in enumerate(plain)]
    yield from _twice(names, "each name once")
    yield from _twice(_listeners(tables, plain), "each listener needs an endpoint of its own")


def conflicts(config: Config) -> Iterator[Relation]:
    """Mistakes that only whole values show."""
    for index, sink in enumerate(config.log.sink):
        path = Path(sink.target)
        if path.is_absolute() and path.is_relative_to(config.state_dir):
            problem = "it is in state_dir, which is the server's alone"
            yield f"log.sink[{index}].target", problem, "give a place elsewhere"


def _sinks(sinks: list[dict[str, Any]]) -> Iterator[Relation]:
    names = [(f"log.sink[{index}].name", sink.get("name")) for index, sink in enumerate(sinks)]
    yield from _twice(names, "each name once")
    for index, sink in enumerate(sinks):
        key, kind, target = f"log.sink[{index}].target", sink.get("kind"), sink.get("target")
        word = str(target).partition(":")[0] if isinstance(target, str) else ""
        if kind == "text" and word in ("tcp", "tls", "unix"):
            yield key, "a text sink writes into a directory", "give its path"
        elif kind == "syslog" and word not in ("tcp", "tls"):
            yield key, "syslog goes by TCP or TLS", 'write "tcp:HOST:514" or "tls:HOST:6514"'
        if ("certificate" in sink) != ("private_key" in sink):
            missing = "one of certificate and private_key is missing"
            yield f"log.sink[{index}]", missing, "give both or neither"


def _listeners(tables: dict[str, Any], plain: list[dict[str, Any]]) -> Iterator[tuple[str, object]]:
    for table, key, default in _LISTENERS:
        there = {key: list(default)} | _table(tables, table)
        for index, value in enumerate(_list(there, key)):
            # Port 0 is any free one.
            if not str(value).startswith(("tcp:0", "tcp6:0")):
                yield f"{table}.{key}[{index}]", value
    for place, zone in enumerate(_dicts(_table(tables, "vm"), "zone")):
        for key in ("telnet", "telnets"):
            for index, value in enumerate(_list(zone, key)):
                if not str(value).startswith(("tcp:0", "tcp6:0")):
                    yield f"vm.zone[{place}].{key}[{index}]", value
    for index, listener in enumerate(plain):
        yield f"vm.plain[{index}].listen", listener.get("listen")


def _twice(values: Any, allowed: str) -> Iterator[Relation]:
    seen: dict[str, str] = {}
    for key, value in values:
        if not isinstance(value, str):
            continue
        if value in seen:
            yield key, f"it is there twice: {seen[value]} is the same", allowed
        seen.setdefault(value, key)


def _table(tables: dict[str, Any], key: str) -> dict[str, Any]:
    value = tables.get(key)
    return value if isinstance(value, dict) else {}


def _list(table: dict[str, Any], key: str) -> list[Any]:
    value = table.get(key)
    return value if isinstance(value, list) else []


def _dicts(table: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [value for value in _list(table, key) if isinstance(value, dict)]


def warnings(config: Config) -> Iterator[str]:
    """What is allowed and probably not meant."""
    vm = config.vm
    if not vm.plain and not any(zone.telnet or zone.telnets for zone in vm.zones):
        yield "vm: there is no listener, so no virtual machine can connect"
    if not vm.allow:
        yield "vm.allow: it is empty, so no host may connect"
    if not config.ssh.listen:
        yield "ssh.listen: it is empty, so no operator can connect"
    if not config.operators:
        yield "operators: there are none, so nobody can log in"
    for name, operator in config.operators.items():
        if not operator.keys:
            yield f"operators.{name}: no authorized key, so the operator cannot log in"
    if config.operators and not config.access:
        yield "access: there are no rules, so no operator sees any console"
    for index, zone in enumerate(vm.zone):
        if not (zone.telnet or zone.telnets):
            yield f"vm.zone[{index}]: {zone.name} has no listener, so that it has no VMs"
        if zone.takeover == "certificate" and zone.client_ca is None:
            yield f"vm.zone[{index}]: without client_ca nobody has a certificate to take over with"
    if vm.takeover == "certificate" and vm.client_ca is None:
        yield "vm.takeover: without client_ca nobody has a certificate to take over with"
    yield from _useless(config.access, {zone.name for zone in vm.zones})


def _useless(rules: tuple[AccessRule, ...], zones: set[str]) -> Iterator[str]:
    for index, (rule, following) in enumerate(pairwise([*rules, None])):
        assert rule is not None
        if not rule.operators or not rule.consoles:
            yield f"access[{index}]: it has no operators or no consoles, so it never matches"
        for place, pattern in enumerate(rule.consoles):
            zone, slash, _ = pattern.partition("/")
            if slash and not any(fnmatchcase(name, zone) for name in zones):
                yield f"access[{index}].consoles[{place}]: there is no zone {zone}"
        if "*" in rule.operators and "*" in rule.consoles and following is not None:
            yield f"access[{index}]: it matches everybody everywhere; later rules never count"
            return
