"""Mistakes and warnings about several keys together.

Tables are checked as they stand in the file, whatever else is wrong with them: one mistake must not
hide another, nor cause one.
"""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, collapse_addresses
from pathlib import Path
from typing import Any

from vspc.common.addresses import LOOPBACK, Network
from vspc.config import alerts, dials, programs, proofs, rules
from vspc.config.checks import filled
from vspc.config.listening import listening
from vspc.config.mistakes import Finding, Tainted, dicts, join, table, values
from vspc.config.settings import Config, SshSettings
from vspc.config.vm_settings import VmSettings

_LISTENERS = (
    ("vm", "telnet", VmSettings().telnet),
    ("vm", "telnets", VmSettings().telnets),
    ("ssh", "listen", SshSettings().listen),
    ("metrics", "listen", ()),
)


_NO_CERTIFICATES = "without client_ca, no host can show the certificate that a takeover requires"


def relations(tables: dict[str, Any]) -> Iterator[Finding]:
    """Mistakes that show in the tables of the file."""
    yield from _pair("tls", table(tables, "tls"))
    yield from _sinks(dicts(table(tables, "log"), "sink"))
    breaks = [(f"break[{i}].name", b.get("name")) for i, b in enumerate(dicts(tables, "break"))]
    yield from _twice(breaks, "names must be unique")
    yield from _audit(table(tables, "audit"))
    yield from alerts.mistakes(dicts(tables, "alert"))
    yield from _rules(dicts(tables, "access"))
    yield from _groups(dicts(tables, "group"))
    yield from _operators(table(tables, "operators"))
    yield from programs.relations(tables)
    plain = dicts(table(tables, "vm"), "plain")
    zones = [each.get("name") for each in dicts(table(tables, "vm"), "zone")]
    named = [(f"vm.zone[{index}].name", name) for index, name in enumerate(zones)]
    yield from _twice(named, "zone names must be unique")
    names = [(f"vm.plain[{i}].name", each.get("name")) for i, each in enumerate(plain)]
    yield from _twice(names, "names must be unique")
    dialled = dicts(tables, "dial")
    yield from dials.mistakes(dialled, {name: key for key, name in names if isinstance(name, str)})
    for index, each in enumerate(dialled):
        yield from _pair(f"dial[{index}]", each)
    yield from _twice(_listeners(tables, plain), "each listener needs an endpoint of its own")


def conflicts(config: Config, tainted: Tainted, methods: proofs.Methods) -> Iterator[Finding]:
    """Mistakes that show in `config`, which may be partial."""
    for index, sink in enumerate(config.log.sink):
        path = Path(sink.target)
        if path.is_absolute() and path.is_relative_to(config.state_dir):
            problem = "in state_dir, which is reserved for the server"
            yield f"log.sink[{index}].target", problem, "choose another directory"
    yield from _metrics(config, tainted)
    yield from proofs.conflicts(config, tainted, methods)
    yield from rules.conflicts(config, tainted)
    yield from programs.conflicts(config, tainted)


def _metrics(config: Config, tainted: Tainted) -> Iterator[Finding]:
    """Whoever may connect reads the numbers: for other hosts, they have to be named."""
    metrics = config.metrics
    if metrics.allow != LOOPBACK or tainted.about("metrics.allow"):
        return
    for index, endpoint in tainted.numbered("metrics.listen", metrics.listen):
        where = listening(endpoint)
        if where.kind != "unix" and not where.is_loopback:
            problem = f"{endpoint} can be reached by other hosts, and metrics.allow names none"
            local = f'"tcp:{where.port or 9464}:interface=127.0.0.1"'
            allowed = f'write {local}, or set metrics.allow = ["10.0.0.5/32"]'
            yield f"metrics.listen[{index}]", problem, allowed


def _sinks(sinks: list[dict[str, Any]]) -> Iterator[Finding]:
    names = [(f"log.sink[{index}].name", sink.get("name")) for index, sink in enumerate(sinks)]
    yield from _twice(names, "names must be unique")
    for index, sink in enumerate(sinks):
        key, kind, target = f"log.sink[{index}].target", sink.get("kind"), sink.get("target")
        word = str(target).partition(":")[0] if isinstance(target, str) else ""
        if kind == "text" and word in ("tcp", "tls", "udp", "unix"):
            yield key, "a text sink writes into a directory", "write its path"
        elif word == "udp" or (kind == "syslog" and word not in ("tcp", "tls")):
            yield key, "TCP or TLS is required", 'write "tcp:HOST:514" or "tls:HOST:6514"'
        yield from _pair(f"log.sink[{index}]", sink)


def _listeners(tables: dict[str, Any], plain: list[dict[str, Any]]) -> Iterator[tuple[str, object]]:
    for name, key, default in _LISTENERS:
        there = {key: list(default)} | table(tables, name)
        yield from _numbered(f"{name}.{key}", values(there, key))
    for place, zone in enumerate(dicts(table(tables, "vm"), "zone")):
        for key in ("telnet", "telnets"):
            yield from _numbered(f"vm.zone[{place}].{key}", values(zone, key))
    for index, listener in enumerate(plain):
        yield f"vm.plain[{index}].listen", listener.get("listen")


def _numbered(key: str, endpoints: list[Any]) -> Iterator[tuple[str, object]]:
    for index, value in enumerate(endpoints):
        # Port 0 is any free one.
        if not str(value).startswith(("tcp:0", "tcp6:0")):
            yield f"{key}[{index}]", value


def _audit(audit: dict[str, Any]) -> Iterator[Finding]:
    target = audit.get("syslog")
    kind = target.partition(":")[0] if isinstance(target, str) else ""
    if target is not None and kind not in ("tcp", "tls", "udp", "unix"):
        allowed = 'expected "tls:HOST:6514", "tcp:HOST:514", "udp:HOST:514" or "unix:/dev/log"'
        yield "audit.syslog", "not a syslog target", allowed
    for key in ("ca", "certificate", "private_key"):
        if key in audit and kind != "tls":
            yield f"audit.{key}", "used with TLS only", 'set syslog = "tls:HOST:6514"'
    yield from _pair("audit", audit)


def _pair(key: str, found: dict[str, Any]) -> Iterator[Finding]:
    if ("certificate" in found) != ("private_key" in found):
        yield key, "one of certificate and private_key is missing", "set both or neither"


def _rules(rules: list[dict[str, Any]]) -> Iterator[Finding]:
    for index, rule in enumerate(rules):
        if "consoles_file" not in rule and rule.get("consoles", []) == []:
            allowed = 'set consoles = ["web*"], consoles_file, or both'
            yield f"access[{index}].consoles", "the rule names no console", allowed


def _groups(groups: list[dict[str, Any]]) -> Iterator[Finding]:
    titles = [(f"group[{i}].title", each.get("title")) for i, each in enumerate(groups)]
    folded = [(key, t.casefold() if isinstance(t, str) else t) for key, t in titles]
    yield from _twice(folded, "titles must be unique, whatever the case")
    for index, group in enumerate(groups):
        if "consoles_file" not in group and group.get("consoles", []) == []:
            allowed = 'set consoles = ["web*"], consoles_file, or both'
            yield f"group[{index}].consoles", "the group names no console", allowed


def _operators(operators: dict[str, Any]) -> Iterator[Finding]:
    for name, operator in operators.items():
        if isinstance(operator, dict) and {"password_hash", "password_hash_file"} <= set(operator):
            problem = "both password_hash and password_hash_file are set"
            yield join("operators", name), problem, "set only one of them"


def _twice(found: Any, allowed: str) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for key, value in found:
        if not isinstance(value, str):
            continue
        if value in seen:
            yield key, f"duplicate of {seen[value]}", allowed
        seen.setdefault(value, key)


def warnings(config: Config, methods: proofs.Methods) -> Iterator[str]:
    """What is allowed and probably unintended."""
    vm = config.vm
    if not (vm.plain or config.dial) and not any(zone.telnet or zone.telnets for zone in vm.zones):
        yield "vm: no listener is configured, so no VM can connect"
    if not vm.allow:
        yield "vm.allow: empty, so no host may connect"
    if not config.ssh.listen:
        yield "ssh.listen: empty, so no operator can connect"
    certificates = config.ssh.certificates
    certified = certificates.keys and certificates.map
    admitted = config.ssh.auth_command and config.ssh.auth_command_operators
    if not (config.operators or certified or admitted):
        yield "operators: none is configured, so no login is possible"
    if config.operators and not config.access:
        yield "access: no rule is configured, so no operator sees a console"
    for index, zone in enumerate(vm.zone):
        if not (zone.telnet or zone.telnets):
            yield f"vm.zone[{index}]: {zone.name} has no listener, so it has no VMs"
        if zone.takeover == "certificate" and zone.client_ca is None:
            yield f"vm.zone[{index}]: {_NO_CERTIFICATES}"
    if vm.takeover == "certificate" and vm.client_ca is None:
        yield f"vm.takeover: {_NO_CERTIFICATES}"
    yield from _open_to_all(vm)
    if every := _every(config.metrics.allow):
        yield f"metrics.allow: every host may read them ({every}); name the Prometheus server"
    yield from dials.warnings(config)
    yield from proofs.warnings(config, methods)
    yield from _unruled(config)
    yield from rules.warnings(config)
    yield from programs.warnings(config)
    yield from _audit_warnings(config)
    yield from alerts.warnings(config)


def _open_to_all(vm: VmSettings) -> Iterator[str]:
    """Lists of networks that contain every address."""
    lists = [("vm.allow", vm.allow), ("vm.proxy_protocol_from", vm.proxy_protocol_from)]
    for index, zone in enumerate(vm.zone):
        lists.append((f"vm.zone[{index}].allow", zone.allow))
        lists.append((f"vm.zone[{index}].proxy_protocol_from", zone.proxy_protocol_from))
    lists += [(f"vm.plain[{i}].allow", each.allow or ()) for i, each in enumerate(vm.plain)]
    for index, entry in enumerate(vm.dial_allow):
        if entry.is_open:
            yield (
                f"vm.dial_allow[{index}]: VMs may be connected to every host ({entry.text}); name "
                "the remote systems"
            )
    for key, networks in lists:
        every = _every(networks)
        if every and key.endswith("allow"):
            yield f"{key}: every host may connect ({every}); name the networks of the ESXi hosts"
        elif every:
            yield f"{key}: every host may claim any address ({every}); name the balancers"


def _every(networks: Iterable[Network]) -> str:
    """ "0.0.0.0/0" and "::/0", as far as `networks` together cover them."""
    found: list[Network] = [
        *collapse_addresses([one for one in networks if isinstance(one, IPv4Network)]),
        *collapse_addresses([one for one in networks if isinstance(one, IPv6Network)]),
    ]
    return ", ".join(str(network) for network in found if network.prefixlen == 0)


def _unruled(config: Config) -> Iterator[str]:
    """Operators without a rule; auditors read everything even so."""
    named = {who for rule in config.access for who in rule.operators}
    if not named or "*" in named:
        return
    for name, operator in config.operators.items():
        groups = {*operator.groups, *_mapped_groups(config, name), *config.ssh.auth_command_groups}
        about = name in named or any(f"@{group}" in named for group in groups)
        if not about and "audit" not in operator.roles:
            yield f"{join('operators', name)}: no access rule applies, so no console is visible"


def _mapped_groups(config: Config, name: str) -> Iterator[str]:
    """Groups that certificates can give to the operator `name`."""
    for each in config.ssh.certificates.map:
        globs = (filled(each.operator, principal, "*") for principal in each.principals)
        if any(fnmatchcase(name, glob) for glob in globs):
            yield from each.groups


def _audit_warnings(config: Config) -> Iterator[str]:
    audit = config.audit
    if not audit.enabled:
        yield "audit.enabled: off, so nothing that operators do is recorded"
    if audit.syslog is not None and audit.syslog.startswith(("tcp:", "udp:")):
        yield "audit.syslog: without TLS, events can be read and changed on the network"
