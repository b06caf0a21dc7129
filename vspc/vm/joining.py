"""Which console a newcomer belongs to: the old line is asked whether it lives, then it is decided.

The decision itself is the table of `vspc.console.identity`; here are the asking and the doing.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from vspc.console.console import Console, State
from vspc.console.identity import PLAIN, Claim, Old, Standing, Verdict, choose
from vspc.console.ports import Cancellable, Line

if TYPE_CHECKING:
    from vspc.vm.arrival import Arrival

WAIT = 1.0
"""Seconds between looks at a migration that a newcomer waits for."""

MAX_PORTS = 32
"""Serial ports of one VM that cannot be told apart otherwise: as many as ESXi gives a VM."""


class Joining:
    """One newcomer's way to its console."""

    __slots__ = ("_arrival", "_claim", "_probed", "_waiting")

    def __init__(self, arrival: "Arrival", claim: Claim) -> None:
        self._arrival = arrival
        self._claim = claim
        # What old lines have shown; a line, not a console: another may have taken it meanwhile.
        self._probed: dict[Line, Old] = {}
        self._waiting: Cancellable | None = None

    def decide(self) -> None:
        """Which console is it? Asked again each time that an old line has shown what it is."""
        while not self._arrival.ended and self._arrival.console is None:
            consoles = self._arrival.door.roster.ports(self._claim)
            standings = [self._standing(console) for console in consoles]
            verdict, standing = choose(standings)
            console = None if standing is None else consoles[standings.index(standing)]
            if verdict is Verdict.OTHER and self._is_too_many(len(standings)):
                verdict = Verdict.REFUSE
            if verdict is not Verdict.PROBE or console is None:
                _VERDICTS[verdict](self, console)
                return
            if self._is_asked(console):
                return

    def _is_too_many(self, ports: int) -> bool:
        # A plain listener is one console, whoever dials it.
        return ports >= (1 if self._claim.uuid_kind == PLAIN else MAX_PORTS)

    def _standing(self, console: Console) -> Standing:
        line, claim = console.line, self._claim
        old = Old.GONE if line is None else self._probed.get(line, Old.THERE)
        if console.state is State.MIGRATING:
            old = Old.MIGRATING
        same_host = line is not None and line.address == claim.address
        return Standing(console.ordinal, old, console.vm.said_name == claim.name, same_host)

    def _is_asked(self, console: Console) -> bool:
        """Whether its line was asked if it lives, so that an answer will come, or a time limit."""
        line = console.line
        assert line is not None
        former = self._arrival.door.arrival_of(line)
        if former is None or not former.ask_if_alive(self):
            # A line that cannot be asked counts as alive: keepalive ends it if it is not.
            self._probed[line] = Old.ANSWERED
            return False
        self._waiting = self._arrival.door.clock.call_later(
            self._arrival.door.waits.probe, lambda: self.learn(line, Old.SILENT)
        )
        return True

    def learn(self, line: Line, old: Old) -> None:
        """`line` answered, or did not, or is gone."""
        self.stop()
        self._probed[line] = old
        self.decide()

    def _join(self, console: Console | None) -> None:
        if console is None:
            console = self._arrival.door.roster.open(self._claim)
        self._take(console)

    def _other(self, _console: Console | None) -> None:
        self._take(self._arrival.door.roster.open(self._claim))

    def _clone(self, _console: Console | None) -> None:
        self._take(self._arrival.door.roster.open(self._claim, clone=True))

    def _take(self, console: Console) -> None:
        line, claim = self._arrival.line, self._claim
        console.service_uri = claim.service_uri
        self._arrival.identified(console)
        console.connect(line)
        self._arrival.settle(claim.name)
        self._arrival.door.log.info(
            "vm-registered",
            console=console.title,
            id=console.id,
            address=line.address,
            secure=line.secure,
            uuid=claim.uuid,
            service_uri=claim.service_uri,
        )

    def _replace(self, console: Console | None) -> None:
        assert console is not None
        arrival = self._arrival
        former = arrival.door.arrival_of(console.line)
        old = console.line.address if console.line else None
        console.service_uri = self._claim.service_uri
        arrival.identified(console)
        console.replace(arrival.line)
        if former is not None:
            former.retire("another line of this VM took over; this one no longer answered")
        arrival.settle(self._claim.name)
        arrival.door.log.warn(
            "vm-replaced", console=console.title, id=console.id, old=old, new=arrival.line.address
        )

    def _wait(self, _console: Console | None) -> None:
        self._waiting = self._arrival.door.clock.call_later(WAIT, self.decide)

    def _refuse(self, console: Console | None) -> None:
        assert console is not None
        other = console.line.address if console.line else "another host"
        self._arrival.refused(
            f"{console.title} is connected from {other} and answers; "
            "two lines cannot both be its serial port"
        )

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._waiting is not None and self._waiting.active():
            self._waiting.cancel()
        self._waiting = None


_VERDICTS: Mapping[Verdict, Callable[[Joining, Console | None], None]] = MappingProxyType(
    {
        Verdict.JOIN: Joining._join,
        Verdict.OTHER: Joining._other,
        Verdict.CLONE: Joining._clone,
        Verdict.REPLACE: Joining._replace,
        Verdict.WAIT: Joining._wait,
        Verdict.REFUSE: Joining._refuse,
    }
)
