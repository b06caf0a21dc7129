"""Lines that we are not sure of: suspects, which did not answer, and those that are kept apart.

A suspect lost its console to a newcomer because it was silent; if it speaks again, the newcomer was
the liar, or the VM lives twice: they swap back. A line that is kept apart says that it is a VM
which lives on another line; when that one closes, it is asked anew who it is.
"""

from typing import TYPE_CHECKING

from vspc.common.clock import Cancellable
from vspc.console.console import Console
from vspc.console.events import How
from vspc.console.vm import Vm

if TYPE_CHECKING:
    from vspc.vm.presence import LinePresence
    from vspc.vm.server import LineServer

SUSPECT = 600.0
"""Seconds that a line stays suspect before it is closed."""

SUSPECTS = 4
"""Suspects of one console; one more, and the first is closed."""


class Contenders:
    """The suspects of all consoles, and the doings of those that are kept apart."""

    __slots__ = ("_server", "_suspects")

    def __init__(self, server: "LineServer") -> None:
        self._server = server
        self._suspects: dict[Console, dict[LinePresence, tuple[Cancellable, float]]] = {}

    # Suspects

    def suspect(self, former: "LinePresence", console: Console, seconds: float = SUSPECT) -> None:
        """`former` had `console` and did not answer: another line has it now."""
        former.become_suspect()
        mine = self._suspects.setdefault(console, {})
        clock = self._server.clock
        timer = clock.call_later(seconds, lambda: self._settle(former))
        mine[former] = timer, clock.seconds() + seconds
        if len(mine) > SUSPECTS:
            self._settle(next(iter(mine)))

    def _settle(self, former: "LinePresence") -> None:
        """It was silent for long enough: it is dead."""
        self.forget(former)
        former.retire("another line of this VM took over; this one no longer answered")

    def left(self, former: "LinePresence") -> float | None:
        """Seconds until `former` is no suspect any more; None if it is none."""
        timer = self._suspects.get(former.console, {}).get(former) if former.console else None
        return None if timer is None else max(0.0, timer[1] - self._server.clock.seconds())

    def forget(self, former: "LinePresence") -> None:
        """`former` is no suspect any more."""
        console = former.console
        assert console is not None
        mine = self._suspects[console]
        timer, _ = mine.pop(former)
        if timer.active():
            timer.cancel()
        if not mine:
            del self._suspects[console]

    def of(self, console: Console) -> "list[LinePresence]":
        """The suspects of `console`, the first first."""
        return list(self._suspects.get(console, ()))

    def come_back(self, former: "LinePresence") -> None:
        """A suspect speaks: the console is its own again, and whoever has it is kept apart."""
        server, console = self._server, former.console
        assert console is not None
        self.forget(former)
        if not server.roster.knows(console):  # it was forgotten meanwhile
            former.set_free()
            former.joining.decide()
            return
        usurper = server.session_of(console.line)
        released = server.peers.supersede(console, "the line that it had before speaks again")
        if console.line is None and not console.migrating:
            console.connect(former.line)
        else:
            console.replace(former.line, "the line before speaks again", How.CAME_BACK)
        if usurper is not None:
            self._keep_apart(usurper, console.vm)
        if released is not None:
            server.close_target(released)
        former.leads_at(console)

    def _keep_apart(self, usurper: "LinePresence", vm: Vm) -> None:
        usurper.set_free()
        if not self.hold(usurper, vm):
            return
        # It had the console once: it is the first that has it again.
        held = usurper.console
        assert held is not None
        others = [console for console in vm.held if console is not held]
        vm.held.clear()
        vm.held.update(dict.fromkeys([held, *others]))

    # Kept apart

    def hold(self, session: "LinePresence", vm: Vm) -> bool:
        """Keep `session` apart, which says that it is `vm`; False if it was refused: too many."""
        assert session.claim is not None
        console = self._server.roster.hold(session.claim, vm)
        if console is None:
            session.refused(f"too many lines say that they are {vm.name}")
            return False
        session.keep_apart(console)
        return True

    def free(self, session: "LinePresence") -> None:
        """`session` is gone, or kept apart no longer."""
        console = session.console
        assert console is not None
        session.set_free()
        self._server.roster.free(console)

    def held(self, vm: Vm) -> "list[LinePresence]":
        """Who says that it is `vm` and is kept apart, in the order in which they get their turn."""
        sessions = (self._server.session_of(console.line) for console in vm.held)
        return [session for session in sessions if session is not None]

    def reconsider(self, vm: Vm) -> None:
        """A line of `vm` is gone: perhaps one that is kept apart has its turn."""
        for session in self.held(vm):
            session.joining.reconsider()

    def accept(self, console: Console, address: str) -> bool:
        """An administrator says that the VM is at `address`; False if nobody from there waits."""
        for session in self.held(console.vm):
            if session.line.address == address:
                session.joining.accept(console)
                return True
        return False

    def accept_line(self, line: Console) -> Console | None:
        """The same of `line`, which is kept apart: the console that it has now, None if there is
        none for it.
        """
        vm, session = self._server.roster.about(line), self._server.session_of(line.line)
        if vm is None or session is None:
            return None
        console = vm.consoles.get((line.port_key, line.ordinal))
        if console is None and len(vm.consoles) == 1:  # the VM's only port has another name now
            console = next(iter(vm.consoles.values()))
        if console is not None:
            session.joining.accept(console)
        return console
