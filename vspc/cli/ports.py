"""`vspc ports`: every connection of one configuration, as a table, JSON or lines for firewalls."""

import json

from vspc.cli.advice import own_name
from vspc.cli.firewalls import esxcli, firewalld, nftables
from vspc.cli.port_rows import PortRow, port_rows
from vspc.common.columns import Heading, table
from vspc.common.text import safe
from vspc.config import Config
from vspc.config.sockets import PortRange
from vspc.doors.programs.assignment import PortAssignments, stored

_VMOTION = (
    "vMotion needs no port of vspc: a migration is announced and completed on the lines of VMs"
)

_HEADINGS = tuple(
    map(Heading, ("FLOW", "PORT", "ADDRESS", "PEERS", "PURPOSE", "RULE SET", "KEY", "REMARK"))
)


def ports(config: Config, wanted: str, host: str | None) -> list[str]:
    """Lines: a table, or `wanted` of "json", "nftables", "firewalld" and "esxcli".

    `host` is the name by which others reach this machine.
    """
    rows, name = port_rows(config), host or own_name()
    assigned = _assigned(config)
    match wanted:
        case "json":
            return [json.dumps([_facts(row, name, assigned) for row in rows], indent=2)]
        case "nftables":
            return nftables(rows)
        case "firewalld":
            return firewalld(rows)
        case "esxcli":
            return esxcli(rows, name)
        case _:
            return _table(rows, name, assigned)


def _assigned(config: Config) -> PortAssignments:
    """Which console has which port of a range; nothing where no server has run."""
    try:
        return stored(config.state_dir)
    except (OSError, ValueError):
        return PortAssignments()


def _table(rows: list[PortRow], name: str, assigned: PortAssignments) -> list[str]:
    cells = [
        (
            row.direction,
            f"{row.protocol} {row.ports}" if row.port else row.protocol,
            row.host or "*",
            row.peers_text,
            row.purpose,
            row.rule_set or "-",
            row.key,
            row.remark or "-",
        )
        for row in rows
    ]
    lines = table(_HEADINGS, cells).rstrip("\n").split("\n")
    for row in rows:
        given = _given(row, assigned)
        if given:
            lines += ["", f"{row.key}: consoles keep these ports:"]
            lines += [f"  {port}  {safe(console)}" for port, console in given.items()]
    commands = dict.fromkeys(command for row in rows if (command := verification(row, name)))
    if commands:
        lines += ["", "to verify, incoming ones from a peer, outgoing ones from here:"]
        lines += [f"  {command}" for command in commands]
    return [*lines, "", _VMOTION]


def verification(row: PortRow, name: str) -> str:
    """A command that shows whether the port answers; empty where none does."""
    if row.port == 0 or not row.check:
        return ""
    host = name if row.direction == "in" and row.host in ("", "0.0.0.0") else row.host  # noqa: S104
    if row.check == "nc":
        return f"nc -vz {host} {row.port}"
    if row.check == "ssh":
        return f"ssh-keyscan -p {row.port} {host}"
    shown = f"[{host}]" if ":" in host else host
    return f"openssl s_client -connect {shown}:{row.port} </dev/null"


def _given(row: PortRow, assigned: PortAssignments) -> dict[int, str]:
    """The ports of a range that consoles have been given."""
    ports = PortRange(row.port, row.last)
    return dict(assigned.named(row.pattern, ports)) if row.pattern else {}


def _facts(row: PortRow, name: str, assigned: PortAssignments) -> dict[str, object]:
    given = {str(port): console for port, console in _given(row, assigned).items()}
    return {
        "direction": row.direction,
        "protocol": row.protocol,
        "address": row.host or None,
        "port": row.port or None,
        "last_port": row.last or row.port or None,
        "peers": None if row.peers is None else [str(each) for each in row.peers],
        "purpose": row.purpose,
        "rule_set": row.rule_set or None,
        "key": row.key,
        "verify": verification(row, name) or None,
        "consoles": None if row.pattern == "" else given,
        "remark": row.remark or None,
    }
