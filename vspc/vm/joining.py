"""Which console a newcomer belongs to: the old line is asked whether it lives, then it is decided.

The decision itself is the table of `vspc.console.identity`; here are the asking and the doing.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from vspc.console.console import Console, State
from vspc.console.identity import Claim, Old, Standing, Verdict, choose
from vspc.console.ports import Cancellable

if TYPE_CHECKING:
    from vspc.vm.arrival import Arrival

WAIT = 1.0
"""Seconds between looks at a migration that a newcomer waits for."""


class Joining:
    """One newcomer's way to its console."""

    __slots__ = ("_arrival", "_claim", "_probed", "_waiting")

    def __init__(self, arrival: "Arrival", claim: Claim) -> None:
        self._arrival = arrival
        self._claim = claim
        self._probed: dict[Console, Old] = {}
        self._waiting: Cancellable | None = None

    def decide(self) -> None:
        """Which console is it? Asked again each time that an old line has shown what it is."""
        arrival, claim = self._arrival, self._claim
        if arrival.ended or arrival.console is not None:
            return
        standings = [self._standing(c) for c in arrival.door.roster.ports(claim)]
        verdict, ordinal = choose(standings)
        if verdict is Verdict.OTHER and standings and claim.uuid_kind == "plain":
            verdict = Verdict.REFUSE  # a plain listener is one console, whoever dials it
        _VERDICTS[verdict](self, ordinal)

    def _standing(self, console: Console) -> Standing:
        old = self._probed.get(console, Old.THERE)
        if console.state is State.AWAY:
            old = Old.GONE
        elif console.state is State.MIGRATING:
            old = Old.MIGRATING
        claim = self._claim
        same_host = console.line is not None and console.line.address == claim.address
        return Standing(console.ordinal, old, console.vm.said_name == claim.name, same_host)

    def _console(self, ordinal: int) -> Console:
        return self._arrival.door.roster.open(self._claim, ordinal)

    def _join(self, ordinal: int) -> None:
        console, line, claim = self._console(ordinal), self._arrival.line, self._claim
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

    def _replace(self, ordinal: int) -> None:
        arrival, console = self._arrival, self._console(ordinal)
        former = arrival.door.arrival_of(console.line)
        old = console.line.address if console.line else None
        arrival.identified(console)
        console.replace(arrival.line)
        if former is not None:
            former.retire("another line of this VM took over; this one no longer answered")
        arrival.settle(self._claim.name)
        arrival.door.log.warn(
            "vm-replaced", console=console.title, id=console.id, old=old, new=arrival.line.address
        )

    def _probe(self, ordinal: int) -> None:
        """Ask the old line whether it lives."""
        door, console = self._arrival.door, self._console(ordinal)
        former = door.arrival_of(console.line)
        if former is None or not former.ask_if_alive(self):
            # A line that cannot be asked counts as alive: keepalive ends it if it is not.
            self.learn(console, Old.ANSWERED)
            return
        self._waiting = door.clock.call_later(
            door.waits.probe, lambda: self.learn(console, Old.SILENT)
        )

    def learn(self, console: Console, old: Old) -> None:
        """The old line of `console` answered, or did not, or is gone."""
        self.stop()
        self._probed[console] = old
        self.decide()

    def _wait(self, _ordinal: int) -> None:
        self._waiting = self._arrival.door.clock.call_later(WAIT, self.decide)

    def _refuse(self, ordinal: int) -> None:
        console = self._console(ordinal)
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


_VERDICTS: Mapping[Verdict, Callable[[Joining, int], None]] = MappingProxyType(
    {
        Verdict.JOIN: Joining._join,
        Verdict.OTHER: Joining._join,
        Verdict.PROBE: Joining._probe,
        Verdict.REPLACE: Joining._replace,
        Verdict.WAIT: Joining._wait,
        Verdict.REFUSE: Joining._refuse,
    }
)
