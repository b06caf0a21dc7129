"""Mistakes and warnings in [[console.listen]]: consoles as sockets for programs."""

from collections.abc import Iterator
from typing import Any

from vspc.common.addresses import LOOPBACK
from vspc.common.globs import is_glob, parse_pattern
from vspc.config.dials import dialled
from vspc.config.mistakes import Finding, Tainted, dicts, shown, table
from vspc.config.settings import Config
from vspc.config.sockets import SocketAddress, taken_by
from vspc.config.vm_settings import SocketSettings

KEY = "console.listen"

_ONE_WAY = 'console = "web01" with listen = "tcp:4001", or consoles = "lab-*" with ports'


def relations(tables: dict[str, Any]) -> Iterator[Finding]:
    """Mistakes that show in the tables of the file."""
    vm = table(tables, "vm")
    if vm.get("service_sockets") == "open" and "service_socket" not in vm:
        allowed = 'set ports = "2001-2100" and operator in [vm.service_socket]'
        yield "vm.service_sockets", "no ports for them", allowed
    for index, entry in enumerate(dicts(table(tables, "console"), "listen")):
        key, has = f"{KEY}[{index}]", entry.keys()
        if ("console" in has) == ("consoles" in has):
            problem = "both console and consoles" if "console" in has else "no console"
            yield key, f"{problem} named", f"expected {_ONE_WAY}"
        elif "console" in has:
            yield from _of_one(key, entry)
        else:
            yield from _of_many(key, entry)
        if entry.get("tls") is True and str(entry.get("listen")).startswith("unix:"):
            yield (
                f"{key}.tls",
                "used with TCP only",
                "mode and group decide who may connect",
            )
        if "client_ca" in has and entry.get("tls") is not True:
            yield f"{key}.client_ca", "used with TLS only", "set tls = true"
        if entry.get("split_break") is True and entry.get("protocol") != "raw":
            yield f"{key}.split_break", "used with raw only", 'set protocol = "raw"'
        if not {"operator", "client_ca"} & has:
            allowed = "set operator, whose access rules decide, or client_ca"
            yield key, "no operator named", allowed


def _of_one(key: str, entry: dict[str, Any]) -> Iterator[Finding]:
    name = entry["console"]
    if isinstance(name, str) and is_glob(name) and not name.startswith("uuid:"):
        allowed = 'write consoles, with ports; or "uuid:HEX" for a name that has one'
        yield f"{key}.console", f"{shown(name)} has a wildcard", allowed
    if "listen" not in entry:
        yield key, "listen is missing", 'set listen = "tcp:4001"'
    for other in ("ports", "interface"):
        if other in entry:
            yield f"{key}.{other}", "used with consoles only", 'set listen = "tcp:4001"'


def _of_many(key: str, entry: dict[str, Any]) -> Iterator[Finding]:
    if "ports" not in entry:
        yield key, "ports is missing", 'set ports = "4001-4064", one for each console'
    if "listen" in entry:
        allowed = 'set ports, and interface = "10.0.0.1" if it is not this machine alone'
        yield f"{key}.listen", "used with console only", allowed


def conflicts(config: Config, tainted: Tainted) -> Iterator[Finding]:
    """Mistakes that show in `config`, which may be partial."""
    entries = list(tainted.numbered(KEY, config.console.listen))
    yield from _taken_twice(config, entries)
    yield from _service_sockets(config, tainted)
    if not tainted.about("dial"):
        yield from _to_themselves(config, entries)
    for index, entry in entries:
        key = f"{KEY}[{index}].operator"
        if entry.operator is None or tainted.about(key) or tainted.about("operators"):
            continue
        if entry.operator not in config.operators:
            allowed = "expected an operator with a table [operators.NAME]"
            yield key, f"unknown operator {shown(entry.operator)}", allowed
        elif not tainted.about("access") and not may_read(config, entry):
            what = shown(entry.console or entry.consoles)
            problem = f"{entry.operator} may not read {what}, by any access rule"
            yield key, problem, "add an [[access]] rule with the right read, or correct the name"


def _service_sockets(config: Config, tainted: Tainted) -> Iterator[Finding]:
    settings, key = config.vm.service_socket, "vm.service_socket"
    if settings is None or tainted.about(key) or tainted.about("operators"):
        return
    if settings.operator not in config.operators:
        allowed = "expected an operator with a table [operators.NAME]"
        yield f"{key}.operator", f"unknown operator {shown(settings.operator)}", allowed


def _taken_twice(config: Config, entries: list[tuple[int, SocketSettings]]) -> Iterator[Finding]:
    """Ports and paths that another listener has."""
    seen: dict[tuple[int, str], list[tuple[str, SocketAddress]]] = {}
    for key, text in _others(config):
        address = taken_by(text)
        if address is not None:
            seen.setdefault((address.port, address.path), []).append((key, address))
    sockets = [
        (f"{KEY}[{index}].{'listen' if entry.ports is None else 'ports'}", entry.addresses)
        for index, entry in entries
    ]
    if config.vm.service_socket is not None:
        sockets.append(("vm.service_socket.ports", config.vm.service_socket.addresses))
    for key, addresses in sockets:
        for address in addresses:
            place = seen.setdefault((address.port, address.path), [])
            other = next((name for name, each in place if each.meets(address)), None)
            place.append((key, address))
            if other is not None:
                yield key, f"{address} is used by {other}", "each needs a port of its own"
                break


def _to_themselves(config: Config, entries: list[tuple[int, SocketSettings]]) -> Iterator[Finding]:
    """Sockets to which the server would connect for the console whose sockets they are."""
    remotes = {entry.name: entry.uri for entry in dialled(config)}
    for index, entry in entries:
        uri, address = remotes.get(entry.console or ""), entry.listen
        if uri and address and address.is_reached_by(uri.partition(":")[2].removeprefix("//")):
            problem = f"[[dial]] connects {entry.console} to this socket of its own"
            allowed = "what is typed would come back as typed, for ever: correct either"
            yield f"{KEY}[{index}].listen", problem, allowed


def _others(config: Config) -> Iterator[tuple[str, str]]:
    for zone in config.vm.zones:
        name = "vm" if zone == config.vm.zones[0] else f"[[vm.zone]] {zone.name}"
        yield from ((f"{name}.telnet", each) for each in zone.telnet)
        yield from ((f"{name}.telnets", each) for each in zone.telnets)
    yield from ((f"[[vm.plain]] {each.name}", each.listen) for each in config.vm.plain)
    yield from (("ssh.listen", each) for each in config.ssh.listen)
    yield from (("metrics.listen", each) for each in config.metrics.listen)


def may_read(config: Config, entry: SocketSettings) -> bool:
    """Whether its operator may read a console of `entry`; False only where that is certain."""
    operator = config.operators[entry.operator or ""]
    if "audit" in operator.roles:
        return True
    named = {"*", entry.operator, *(f"@{group}" for group in operator.groups)}
    # What follows the last colon may be a port, which rules do not look at.
    text = entry.consoles or entry.console or ""
    wanted = [parse_pattern(text)]
    if entry.console is not None and ":" in text and not text.startswith("uuid:"):
        wanted.append(parse_pattern(text.rpartition(":")[0]))
    for rule in config.access:
        if not named & set(rule.operators):
            continue
        if "read" in rule.rights:
            patterns = [parse_pattern(pattern) for pattern in rule.patterns]
            if any(each.may_meet(one) for each in patterns for one in wanted):
                return True
        elif all(any(parse_pattern(each).covers(one) for each in rule.patterns) for one in wanted):
            return False
    return False


def warnings(config: Config) -> Iterator[str]:
    """What is allowed and probably unintended."""
    for index, entry in enumerate(config.console.listen):
        key = f"{KEY}[{index}]"
        local = all(address.is_local for address in entry.addresses)
        if not local and entry.allow == LOOPBACK:
            yield f"{key}: it listens for other hosts, and allow lets in none of them"
        if not local and not entry.tls:
            yield f"{key}: without TLS, what is typed and shown can be read on the network"
