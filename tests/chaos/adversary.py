"""Carries out the steps of a plan."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.task import deferLater

from tests.chaos import floods
from tests.chaos.damage import damage
from tests.chaos.lives import Lives
from tests.chaos.machines import Machine
from tests.chaos.operators import Actor, Paster
from tests.chaos.plan import ENDING, Fault, Step
from tests.chaos.programs import SocketProgram
from tests.chaos.relay import Link, Relay
from vspc.simulator.migration import PlannedFault

_MOVES = (
    *(PlannedFault.NONE, PlannedFault.NONE, PlannedFault.NONE, PlannedFault.ABORT),
    *(PlannedFault.ABORT_LATE, PlannedFault.SOURCE_LOST, PlannedFault.TARGET_LOST),
    PlannedFault.TALK_ON,
)

_STRANGER = "127.0.0.200"

FULL = 2.0
"""Seconds for which the disk is full."""


@frozen
class Cast:
    """All whom the adversary can harm. `door` is the relay before the SSH door."""

    machines: Sequence[Machine]
    actors: Sequence[Actor]
    programs: Sequence[SocketProgram]
    door: Relay

    @property
    def users(self) -> list[Actor | SocketProgram]:
        """Operators and programs."""
        return [*self.actors, *self.programs]

    @property
    def relays(self) -> list[Relay]:
        """All of them."""
        return [self.door, *(m.relay for m in self.machines), *(p.relay for p in self.programs)]


class Adversary:
    """`do` carries out one step; `said` notes what was done, for who reads a failure."""

    def __init__(self, reactor: Any, lives: Lives, cast: Cast, said: Callable[[str], None]) -> None:
        self._reactor = reactor
        self._lives = lives
        self._cast = cast
        self._said = said

    async def do(self, step: Step) -> None:
        """Do it; those that end the server return when it listens again."""
        chance = random.Random(step.seed)
        match step.fault:
            case fault if fault in ENDING:
                await self._end(fault, chance)
            case Fault.CUT | Fault.FINISH | Fault.HALF_OPEN | Fault.STALL as fault:
                self._hurt(chance.choice(self._cast.machines), fault, chance)
            case Fault.SPLIT | Fault.DELAY as fault:
                self._slow(chance.choice(self._cast.relays), fault, chance)
            case Fault.MOVE | Fault.BURST | Fault.POWER as fault:
                self._machine(chance.choice(self._cast.machines), fault, chance)
            case Fault.CUT_OPERATOR | Fault.STALL_OPERATOR | Fault.PASTE as fault:
                self._operator(fault, chance)
            case Fault.RELOAD:
                self._lives.write_config()
                self._lives.reload()
            case Fault.BROKEN_RELOAD:
                self._lives.write_config(broken=True)
                self._lives.reload()
            case Fault.FULL_DISK | Fault.FILE_LIMIT as fault:
                self._disk(fault)
            case fault:
                self._flood(fault, chance)

    def heal(self) -> None:
        """What is still harmed is well again."""
        for relay in self._cast.relays:
            relay.heal()
        self._lives.heal()

    # The server

    async def _end(self, fault: Fault, chance: random.Random) -> None:
        lives = self._lives
        lives.heal()
        if fault in (Fault.RESTART, Fault.HANDOVER):
            await lives.terminate()
        else:
            await lives.kill()
        if fault is Fault.DAMAGE:
            for _ in range(chance.randrange(1, 4)):
                self._said(f"damaged {damage(lives.state, chance)}")
        keeps_lines = fault in (Fault.HANDOVER, Fault.KILL_AND_HANDOVER)
        if not keeps_lines:
            lives.lose_store()
        await deferLater(self._reactor, chance.choice((0.0, 0.0, 1.0)))
        lives.write_config()
        await lives.start(under_manager=keeps_lines or chance.random() < 0.7)
        if fault is not Fault.HANDOVER:
            for machine in self._cast.machines:
                machine.trouble()

    def _disk(self, fault: Fault) -> None:
        if fault is Fault.FULL_DISK and self._lives.has_disk:
            self._lives.fill_disk()
        else:
            self._lives.limit_files(True)
        self._reactor.callLater(FULL, self._lives.heal)

    # Connections

    def _hurt(self, machine: Machine, fault: Fault, chance: random.Random) -> None:
        for link in list(machine.relay.links):
            match fault:
                case Fault.CUT:
                    link.cut()
                case Fault.FINISH:
                    link.finish()
                case Fault.HALF_OPEN:
                    seconds = chance.uniform(0.5, 3)
                    machine.trouble(seconds + 3)
                    link.half_open(chance.random() < 0.5, seconds)
                case _:
                    self._stall(link, chance)

    def _stall(self, link: Link, chance: random.Random) -> None:
        for lane in chance.choice(((link.up, link.down), (link.up,), (link.down,))):
            lane.stall(chance.uniform(0.2, 3))

    def _slow(self, relay: Relay, fault: Fault, chance: random.Random) -> None:
        if fault is Fault.SPLIT:
            relay.splitting = 400
        else:
            relay.delay = chance.uniform(0.01, 0.3)
        for link in list(relay.links):
            for lane in (link.up, link.down):
                lane.splitting, lane.delay = relay.splitting, relay.delay

    # VMs, operators, programs

    def _machine(self, machine: Machine, fault: Fault, chance: random.Random) -> None:
        match fault:
            case Fault.MOVE:
                how = chance.choice(_MOVES)
                address = f"127.0.0.{chance.randrange(30, 100)}"
                if how is PlannedFault.SOURCE_LOST:
                    machine.trouble()
                if machine.move(address, how):
                    self._said(f"{machine.name} moves to {address} {how.value}")
            case Fault.BURST:
                machine.guest.burst(chance.randrange(50_000, 400_000))
            case _:
                machine.trouble(1.0)
                machine.port.power_off()
                self._reactor.callLater(1.0, machine.port.power_on)

    def _operator(self, fault: Fault, chance: random.Random) -> None:
        if fault is Fault.PASTE:
            pasters = [actor for actor in self._cast.actors if isinstance(actor, Paster)]
            chance.choice(pasters).paste(chance.randrange(200, 4000))
            return
        relays = [self._cast.door, *(program.relay for program in self._cast.programs)]
        links = [link for relay in relays for link in sorted(relay.links, key=lambda x: x.port)]
        if fault is Fault.CUT_OPERATOR and chance.random() < 0.5:
            chance.choice(self._cast.actors).cut()
        elif links:
            link = chance.choice(links)
            if fault is Fault.CUT_OPERATOR:
                link.cut()
            else:
                self._stall(link, chance)

    # Strangers

    def _flood(self, fault: Fault, chance: random.Random) -> None:
        lives = self._lives
        ports = (lives.telnet, lives.telnets, lives.ssh)
        match fault:
            case Fault.GARBAGE:
                words, answer, port = floods.garbage(chance), b"", chance.choice(ports)
            case Fault.IDLE_CONNECTIONS:
                words, answer, port = b"", b"", chance.choice(ports)
            case Fault.HANDSHAKES:
                words, answer, port = floods.handshake(chance), b"", lives.telnets
            case Fault.NEGOTIATION:
                words, answer = floods.storm(chance), floods.storm_answer(chance)
                port = lives.telnet
            case _:
                words, answer, port = floods.login(chance), b"", lives.ssh
        flood = floods.Flood(self._reactor, words, answer)
        flood.begin(port, _STRANGER, chance.randrange(5, 40))
