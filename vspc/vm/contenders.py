"""Other lines that claim a VM's console: its suspects, and those that are quarantined. Pure.

A suspect lost its console to another line because it did not answer a probe. A quarantined line
claims to be a VM that has another line; when that one closes, it is decided about anew. Nothing
here acts on lines: every method answers with the lines that something is to happen to.
"""

from vspc.console.console import Console, Vm
from vspc.console.ports import Line

SUSPECTS = 4
"""Suspects of one console; one more, and the first is closed."""


class Suspects:
    """The suspects of all consoles."""

    def __init__(self) -> None:
        self._of: dict[Console, dict[Line, None]] = {}

    def add(self, console: Console, line: Line) -> Line | None:
        """`line` had `console`, and another one has it now. The line that is to go for it."""
        lines = self._of.setdefault(console, {})
        lines[line] = None
        return next(iter(lines)) if len(lines) > SUSPECTS else None

    def remove(self, console: Console, line: Line) -> None:
        """`line` is no suspect any more."""
        lines = self._of[console]
        del lines[line]
        if not lines:
            del self._of[console]

    def of(self, console: Console) -> list[Line]:
        """The suspects of `console`, in the order in which they lost it."""
        return list(self._of.get(console, ()))


def quarantined(vm: Vm) -> list[Line]:
    """The lines that claim to be `vm`, in the order in which they are reconsidered."""
    return [console.link.line for console in vm.quarantined if console.link.line is not None]


def put_first(vm: Vm, console: Console) -> None:
    """The line of `console` is the first of those that claim to be `vm`."""
    others = [other for other in vm.quarantined if other is not console]
    vm.quarantined.clear()
    vm.quarantined.update(dict.fromkeys([console, *others]))


def claimed_console(vm: Vm, quarantine: Console) -> Console | None:
    """The console of `vm` that the quarantined line of `quarantine` would get."""
    console = vm.consoles.get((quarantine.port_key, quarantine.ordinal))
    if console is None and len(vm.consoles) == 1:  # the VM's only port has another name now
        return next(iter(vm.consoles.values()))
    return console
