"""What one part of a configuration has to do with another.

The tables are looked at as they stand in the file, whatever else is wrong with them: one mistake
must not hide another, nor make one of what is right.
"""

from collections.abc import Iterator
from itertools import pairwise
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
    plain = [table for table in _list(_table(tables, "vm"), "plain") if isinstance(table, dict)]
    names = [(f"vm.plain[{i}].name", table.get("name")) for i, table in enumerate(plain)]
    yield from _twice(names, "each name once")
    yield from _twice(_listeners(tables, plain), "each listener needs an endpoint of its own")


def _listeners(tables: dict[str, Any], plain: list[dict[str, Any]]) -> Iterator[tuple[str, object]]:
    for table, key, default in _LISTENERS:
        there = {key: list(default)} | _table(tables, table)
        for index, value in enumerate(_list(there, key)):
            # Port 0 is any free one.
            if not str(value).startswith(("tcp:0", "tcp6:0")):
                yield f"{table}.{key}[{index}]", value
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


def warnings(config: Config) -> Iterator[str]:
    """What is allowed and probably not meant."""
    vm = config.vm
    if not (vm.telnet or vm.telnets or vm.plain):
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
    yield from _useless(config.access)


def _useless(rules: tuple[AccessRule, ...]) -> Iterator[str]:
    for index, (rule, following) in enumerate(pairwise([*rules, None])):
        assert rule is not None
        if not rule.operators or not rule.consoles:
            yield f"access[{index}]: it has no operators or no consoles, so it never matches"
        for place, pattern in enumerate(rule.consoles):
            zone, slash, _ = pattern.partition("/")
            if slash and zone not in ("default", "*") and not pattern.startswith("uuid:"):
                yield f"access[{index}].consoles[{place}]: the only zone is default in this version"
        if "*" in rule.operators and "*" in rule.consoles and following is not None:
            yield f"access[{index}]: it matches everybody everywhere; later rules never count"
            return
