"""One run: the cast, the plan, the end, and what the oracle says."""

import random
import shutil
import tempfile
import traceback
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.task import deferLater

from tests.chaos.adversary import Adversary, Cast
from tests.chaos.commands import Operators
from tests.chaos.lives import OPERATOR, Lives
from tests.chaos.machines import Machine
from tests.chaos.operators import (
    Actor,
    JsonProgram,
    LogFollower,
    Paster,
    Sender,
    SshReader,
    TerminalOperator,
)
from tests.chaos.oracle import Gap
from tests.chaos.plan import Fault, Step, make_plan
from tests.chaos.programs import SocketProgram
from tests.chaos.relay import Relay
from tests.chaos.streams import tokens
from tests.chaos.verdict import Verdict
from tests.end_to_end.openssh import ssh_command

MACHINES = 8

SOCKETS = (("vm3", "telnet"), ("vm4", "raw"), ("vm6", "rfc2217"))
"""Consoles with sockets for programs."""

SETTLE_LIMIT = 40.0
"""Seconds until every VM is connected again, and every reader has seen everything."""

STILL = 1.5
"""Seconds in which no reader gets anything: it has seen everything."""

MORE_MEMORY = 24 << 20
"""Bytes by which memory may grow from one measurement to the next."""

UNCHANGED = 3.0
"""Seconds in which the number of descriptors does not change: those who left are gone."""


@frozen
class Measure:
    """What a life of the server uses at a quiet time."""

    life: int
    memory: int
    descriptors: Counter[str]


class Chaos:
    """A run of `seconds`. `problems` are sentences; without any it was a good one."""

    def __init__(self, reactor: Any, seed: int, seconds: float) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="vspc-chaos-"))
        self.problems: list[str] = []
        self._reactor = reactor
        self._seed = seed
        self._plan = make_plan(seed, seconds)
        self._began = reactor.seconds()
        self._history = (self.directory / "history").open("w", encoding="utf-8", buffering=1)
        self.lives = Lives(reactor, self.directory, SOCKETS, seconds)
        self.cast = self._make_cast(random.Random(seed))
        self._adversary = Adversary(reactor, self.lives, self.cast, self._note)
        self._measures: list[Measure] = []
        self._done: Counter[str] = Counter()

    def _make_cast(self, chance: random.Random) -> Cast:
        reactor, lives = self._reactor, self.lives
        numbers = range(1, MACHINES + 1)
        machines = [
            Machine(reactor, number, lives.telnet, chance.randrange(1 << 30)) for number in numbers
        ]
        door = Relay(reactor, lives.ssh)
        ssh = ssh_command(self.directory, door.port, lives.key)
        self.operators = operators = Operators(reactor, lives.state, ssh, OPERATOR)
        actors: list[Actor] = [
            JsonProgram(reactor, operators, machine.name, f"json{n}", types=n == 2)
            for n, machine in enumerate(machines, 1)
        ]
        actors += [
            TerminalOperator(reactor, operators, "vm1", "terminal", is_remote=False),
            TerminalOperator(reactor, operators, "vm7", "remote", is_remote=True),
            Sender(reactor, operators, "vm5", "sender"),
            Paster(reactor, operators, "vm8", "paster"),
            SshReader(reactor, operators, "vm5", "reader"),
            SshReader(reactor, operators, "vm2", "reader2"),
            LogFollower(reactor, operators, "vm3", "follower"),
            LogFollower(reactor, operators, "vm6", "follower2"),
        ]
        programs = [
            SocketProgram(reactor, console, kind, Relay(reactor, port), f"{kind}s")
            for console, kind, port in lives.sockets
        ]
        return Cast(machines, actors, programs, door)

    # The run

    async def run(self) -> list[str]:
        """Play the plan; the problems."""
        try:
            await self.lives.start()
            for machine in self.cast.machines:
                machine.port.power_on()
            for each in self.cast.users:
                each.start()
            last = self._reactor.seconds()
            for before, step in pairwise([Step(0.0, Fault.QUIET, 0), *self._plan]):
                # A start that takes long does not bring together what is to be apart.
                last += step.at - before.at
                await deferLater(self._reactor, max(0, last - self._reactor.seconds()))
                await self._do(step)
                last = max(last, self._reactor.seconds())
                if self.problems:
                    break
        except Exception:
            self.problems.append(traceback.format_exc())
        finally:
            await self._end()
        return self.problems

    async def _do(self, step: Step) -> None:
        self._note(str(step))
        self._done[step.fault.value] += 1
        match step.fault:
            case Fault.QUIET:
                self._rest(True)
                self._adversary.heal()
            case Fault.MEASURE:
                await self._settle()
                await self._still()
                self._measure()
            case Fault.CHECK:
                self._rest(True)
                self._adversary.heal()
                await self._settle()
                await self._check()
            case _:
                self._rest(False)
                if not self.lives.is_alive:
                    self.problems.append(f"the server ended by itself before {step}")
                    return
                await self._adversary.do(step)

    def _note(self, text: str) -> None:
        now = self._reactor.seconds() - self._began
        self._history.write(f"{now:8.2f} {text}\n")

    def _rest(self, quiet: bool) -> None:
        for machine in self.cast.machines:
            machine.guest.is_silent = quiet
        for each in self.cast.users:
            each.rest(quiet)

    async def _settle(self) -> None:
        """Until everybody is connected, and nobody gets anything any more."""
        end = self._reactor.seconds() + SETTLE_LIMIT
        before, since = -1, self._reactor.seconds()
        while self._reactor.seconds() < end:
            settled = all(machine.is_settled for machine in self.cast.machines)
            seen = sum(self._progress())
            if not settled or seen != before:
                before, since = seen, self._reactor.seconds()
            elif self._reactor.seconds() - since >= STILL:
                return
            await deferLater(self._reactor, 0.1)
        states = [f"{m.name} {m.port.state}" for m in self.cast.machines if not m.is_settled]
        self.problems.append(f"not settled in {SETTLE_LIMIT} s: {states or 'readers still read'}")

    def _progress(self) -> list[int]:
        return [
            actor.offset
            for actor in self.cast.actors
            if isinstance(actor, JsonProgram | SshReader | LogFollower)
        ]

    async def _still(self) -> None:
        """Until no descriptor is opened or closed for a while."""
        end = self._reactor.seconds() + SETTLE_LIMIT
        before, since = Counter[str](), self._reactor.seconds()
        while self._reactor.seconds() < min(end, since + UNCHANGED):
            if (now := self.lives.descriptors()) != before:
                before, since = now, self._reactor.seconds()
            await deferLater(self._reactor, 0.1)

    def _measure(self) -> None:
        now = Measure(self.lives.number, self.lives.memory(), self.lives.descriptors())
        self._note(f"{now}")
        for before in self._measures:
            if before.life != now.life:
                continue
            if now.memory > before.memory + MORE_MEMORY:
                self.problems.append(f"memory grows: {before}, then {now}")
            change = Counter(now.descriptors)
            change.subtract(before.descriptors)
            if different := {kind: count for kind, count in change.items() if count}:
                self.problems.append(f"other descriptors are open than before: {different}")
        self._measures.append(now)

    async def _check(self) -> None:
        verdict = Verdict(self.operators, self.cast, self._reactor)
        self.problems += await verdict.find()
        self.problems += self.lives.problems
        self.problems += self.lives.look_at_log()

    def summary(self) -> str:
        """How much happened, so that "nothing is wrong" is worth something."""
        machines, users = self.cast.machines, self.cast.users
        moves = Counter(report.outcome for m in machines for report in m.reports)
        printed = sum(line.end - line.start for m in machines for line in m.guest.lines())
        read = sum(len(data) for m in machines for _, data in m.guest.typed)
        arrived = Counter(
            name for m in machines for name, _ in tokens(b"".join(d for _, d in m.guest.typed))
        )
        typed = {
            user.name: f"{arrived[user.name]} of {len(user.typed)}" for user in users if user.typed
        }
        gaps = sum(
            isinstance(item, Gap)
            for user in users
            if isinstance(user, JsonProgram | SshReader | LogFollower)
            for item in user.items
        )
        seen = {user.name: user.seen_bytes for user in users}
        sent = {user.name: dict(user.statuses) for user in users if isinstance(user, Sender)}
        lines = sum(len(m.guest.printed) for m in machines)
        return (
            f"{self.lives.number} lives, {lines} lines, vMotions: {dict(moves)}\n"
            f"done: {dict(self._done)}\n"
            f"VMs printed {printed} bytes and read {read}; tokens that arrived: {typed}\n"
            f"{gaps} gaps told to readers; bytes seen: {seen}\n"
            f"status of send: {sent}"
        )

    def abandon(self) -> None:
        """End the server at once, after a run that did not come to its end."""
        self.lives.abandon()

    async def _end(self) -> None:
        """Everybody leaves, the server ends in time."""
        for user in self.cast.users:
            user.stop()
        for machine in self.cast.machines:
            machine.stop()
        self.operators.stop()
        for relay in self.cast.relays:
            relay.close()
        if self.lives.is_alive:
            await self.lives.terminate()
            self.problems += [p for p in self.lives.problems if p not in self.problems]
            self.problems += [p for p in self.lives.look_at_log() if p not in self.problems]
        await self.lives.close(keep=bool(self.problems))
        self._history.close()
        if not self.problems:
            shutil.rmtree(self.directory, ignore_errors=True)
