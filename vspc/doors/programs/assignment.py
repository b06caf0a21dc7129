"""Which console has which port of a range: kept in state_dir, so that it stays over restarts.

A console is named by what one types for it, so that a VM that is made anew under the same name gets
its port again. Times and files are the caller's.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vspc.auth.statefile import StateFile
from vspc.config.sockets import PortRange
from vspc.console.console import Console
from vspc.console.names import handle
from vspc.console.ports import InThread

FILE = "console-ports.json"
"""The file in state_dir."""


def lasting_name(console: Console) -> str:
    """What to type for `console`, the same whether its VM has one port or several: the first port
    without a label has no number.
    """
    port = console.port_word if console.label is not None or console.number > 1 else None
    return handle(console.vm.zone, console.name, port)


class PortAssignments:
    """Names of consoles by port, for each pattern of consoles."""

    def __init__(self, value: object = None) -> None:
        """`value` is one that `value` gave; what is damaged in it is left out."""
        tables = value if isinstance(value, dict) else {}
        self._names: dict[str, dict[int, str]] = {
            pattern: dict(_entries(table)) for pattern, table in tables.items()
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

    def assign(
        self, pattern: str, ports: PortRange, name: str, is_gone: Callable[[str], bool]
    ) -> int | None:
        """The port of the console called `name`: the one that it has, the first one that is free,
        or that of the console which was given one longest ago and is gone. None: there are more
        consoles than ports.
        """
        table = self._names.setdefault(pattern, {})
        mine = (port for port, other in table.items() if other == name and port in ports)
        port = next(mine, None)
        if port is not None:
            return port
        port = next((port for port in ports if port not in table), None)
        if port is None:
            gone = (port for port, other in table.items() if port in ports and is_gone(other))
            port = next(gone, None)
        if port is not None:
            table.pop(port, None)  # the newest comes last
            table[port] = name
        return port


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
