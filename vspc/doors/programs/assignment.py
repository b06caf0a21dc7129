"""Which console has which port of a range: kept in state_dir, so that it stays over restarts.

A console is named by what one types for it, so that a VM that is made anew under the same name gets
its port again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.logger import Logger

from vspc.auth.statefile import StateFile
from vspc.config.sockets import PortRange
from vspc.console.access import matches
from vspc.console.console import Console
from vspc.console.names import Found, handle
from vspc.console.ports import InThread
from vspc.console.roster import Roster

FILE = "console-ports.json"
"""The file in state_dir."""

_log = Logger(namespace="vspc.doors.programs")


def lasting_name(console: Console) -> str:
    """What to type for `console`, the same whether its VM has one port or several: the first port
    without a label has no number.
    """
    port = console.port_word if console.label is not None or console.number > 1 else None
    return handle(console.vm.zone, console.name, port)


@frozen
class AssignedPort:
    """The port that a console was given, and the name of the console that had it before; empty if
    none had.
    """

    port: int
    replaced: str


class PortAssignments:
    """Names of consoles by port, for each pattern of consoles. Pure."""

    def __init__(self, value: object = None) -> None:
        """`value` is one that `value` gave; what is damaged in it is left out."""
        tables = value if isinstance(value, dict) else {}
        self._names: dict[str, dict[int, str]] = {
            pattern: dict(_entries(table)) for pattern, table in tables.items()
        }
        self._ports = {
            pattern: {name: port for port, name in table.items()}
            for pattern, table in self._names.items()
        }

    @property
    def value(self) -> dict[str, dict[str, str]]:
        """All of it, for a file of JSON."""
        return {
            pattern: {str(port): name for port, name in table.items()}
            for pattern, table in self._names.items()
        }

    def name(self, pattern: str, port: int) -> str:
        """The name of the console that has `port`; empty if none has."""
        return self._names.get(pattern, {}).get(port, "")

    def named(self, pattern: str, ports: PortRange) -> Mapping[int, str]:
        """The ports of a range that are assigned, in order."""
        table = self._names.get(pattern, {})
        return {port: table[port] for port in ports if port in table}

    def port(self, pattern: str, ports: PortRange, name: str) -> int | None:
        """The port that the console called `name` has in a range."""
        found = self._ports.get(pattern, {}).get(name)
        return found if found in ports else None

    def assign(
        self, pattern: str, ports: PortRange, name: str, is_gone: Callable[[str], bool]
    ) -> AssignedPort | None:
        """Give the console called `name`, which has none, the first port that is free, or that of
        the console which was given one longest ago and is gone. None: there are more consoles than
        ports.
        """
        table = self._names.setdefault(pattern, {})
        port = next((port for port in ports if port not in table), None)
        if port is None:
            gone = (port for port, other in table.items() if port in ports and is_gone(other))
            port = next(gone, None)
        if port is None:
            return None
        replaced = table.pop(port, "")  # the newest comes last
        table[port] = name
        owners = self._ports.setdefault(pattern, {})
        if owners.get(replaced) == port:
            del owners[replaced]
        owners[name] = port
        return AssignedPort(port, replaced)


def _entries(table: object) -> Iterator[tuple[int, str]]:
    for port, name in table.items() if isinstance(table, dict) else ():
        if isinstance(port, str) and port.isdecimal() and isinstance(name, str) and name:
            yield int(port), name


def assignments_file(state_dir: Path, in_thread: InThread) -> StateFile:
    """The file of a server."""
    return StateFile(state_dir / FILE, in_thread)


def stored(state_dir: Path) -> PortAssignments:
    """What a server has assigned, for commands of the machine. Raises OSError or ValueError."""

    def no_thread(_call: Callable[[], Any]) -> Any:
        raise RuntimeError("nothing is written")

    return PortAssignments(assignments_file(state_dir, no_thread).load())


class ConsolePorts:
    """Gives the consoles of `roster` ports of ranges, and keeps that in `file`."""

    def __init__(self, roster: Roster, file: StateFile) -> None:
        self._roster = roster
        self._file = file
        self._assigned = PortAssignments()
        self._ranges: tuple[tuple[str, PortRange], ...] = ()
        self._full: set[str] = set()  # patterns without a port for one more console

    def load(self) -> None:
        """Go on from the file."""
        try:
            self._assigned = PortAssignments(self._file.load())
        except (OSError, ValueError) as error:
            _log.error("console-ports-lost", reason=str(error))

    def take(self, ranges: Iterable[tuple[str, PortRange]]) -> None:
        """These are all ranges, each with its pattern, from now on."""
        self._ranges = tuple(dict.fromkeys(ranges))
        self._full.clear()
        for console in self._roster if self._ranges else ():
            self.assign(console)

    def name(self, pattern: str, port: int) -> str:
        """What is typed for the console that has `port`; empty if none has."""
        return self._assigned.name(pattern, port)

    def has_room(self) -> None:
        """A console was forgotten, or has another name: its ports may be given to others."""
        self._full.clear()

    def assign(self, console: Console) -> None:
        """Give `console` a port of each range whose pattern it matches, if it has none."""
        for pattern, ports in self._ranges:
            if pattern in self._full or console.quarantined:
                continue
            if matches(pattern, console.subject):
                self._assign_one(pattern, ports, lasting_name(console))

    def _assign_one(self, pattern: str, ports: PortRange, name: str) -> None:
        if self._assigned.port(pattern, ports, name) is not None:
            return
        found = self._assigned.assign(pattern, ports, name, self._is_gone)
        if found is None:
            self._full.add(pattern)
            _log.warn("console-ports-full", pattern=pattern, ports=str(ports), console=name)
            return
        _log.info("console-port", console=name, port=found.port, replaced=found.replaced or None)
        self._file.save(lambda: self._assigned.value)

    def _is_gone(self, name: str) -> bool:
        for typed in (name, f"{name}:1"):
            match self._roster.resolve(typed, lambda _console: True):
                case Found(console) if lasting_name(console) == name:
                    return False
        return True
