"""Asks the server what it has at the end, and the oracle whether that, and what everybody saw, is
what the VMs said and the operators typed.
"""

from typing import Any

from twisted.internet.threads import deferToThread

from tests.chaos.adversary import Cast
from tests.chaos.commands import Operators
from tests.chaos.machines import Machine
from tests.chaos.operators import (
    Actor,
    JsonProgram,
    LogFollower,
    SshReader,
    TerminalOperator,
    gaps_told,
)
from tests.chaos.oracle import (
    Gap,
    InputCheck,
    Item,
    OutputCheck,
    Seen,
    TerminalCheck,
    Typist,
    disagreements,
)


class _Answer:
    """What a command says, all of it."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()

    def output(self, data: bytes) -> None:
        self.out += data

    def error(self, data: bytes) -> None:
        self.err += data


class Verdict:
    """The problems of one run, so far."""

    def __init__(self, operators: Operators, cast: Cast, clock: Any) -> None:
        self._operators = operators
        self._cast = cast
        self._clock = clock

    async def find(self) -> list[str]:
        """All of them."""
        problems: list[str] = []
        for machine in self._cast.machines:
            log = await self._log(machine.name, problems)
            await self._export(machine.name, log, problems)
            problems += await deferToThread(self._output, machine, log)
            problems += self._input(machine)
        for actor in self._cast.actors:
            problems += actor.problems
        return problems

    # What the server has

    async def _ask(self, words: list[str], problems: list[str]) -> _Answer:
        answer = _Answer()
        command = self._operators.local(words, answer)
        command.end_input()
        status = await command.ended
        if status != 0:
            problems.append(f"{' '.join(words)}: status {status}, {bytes(answer.err)[-300:]!r}")
        return answer

    async def _log(self, console: str, problems: list[str]) -> list[Item]:
        """The whole log of a console, as `log --raw` prints it."""
        answer = await self._ask(["log", console, "--raw", "--from", "0"], problems)
        said = answer.err.decode("utf-8", "replace")
        if "nothing older is kept" in said:
            problems.append(f"{console}: {said}")
        return with_gaps(bytes(answer.out), gaps_told(said))

    async def _export(self, console: str, log: list[Item], problems: list[str]) -> None:
        answer = await self._ask(["export", console, "--format", "raw", "--from", "0"], problems)
        kept = b"".join(item.data for item in log if isinstance(item, Seen))
        if answer.out != kept:
            problems.append(f"{console}: export has {len(answer.out)} bytes, the log {len(kept)}")

    # What was seen

    def _output(self, machine: Machine, log: list[Item]) -> list[str]:
        name, lines = machine.name, machine.guest.lines()
        problems = [
            f"log: {problem}"
            for problem in OutputCheck(machine.stream, lines).check(log, complete=True)
        ]
        for actor in self._cast.actors:
            if actor.console != name:
                continue
            found: list[str] = []
            if isinstance(actor, JsonProgram | SshReader | LogFollower):
                found += OutputCheck(machine.stream, lines).check(actor.items, complete=True)
                found += disagreements(name, actor.items, log)
            elif isinstance(actor, TerminalOperator):
                check = TerminalCheck(machine.stream, lines)
                found += [problem for shown in actor.shown for problem in check.check(bytes(shown))]
            problems += [f"{actor.name}: {problem}" for problem in found]
        for program in self._cast.programs:
            if program.console != name:
                continue
            for seen in program.seen:
                problems += [
                    f"socket {program.kind}: {problem}"
                    for problem in self._socket(machine, program.kind, bytes(seen))
                ]
        return problems

    def _socket(self, machine: Machine, kind: str, seen: bytes) -> list[str]:
        lines = machine.guest.lines()
        if kind == "telnet":
            return TerminalCheck(machine.stream, lines).check(seen)
        return OutputCheck(machine.stream, lines).check_part([Seen(0, seen)])

    # What was typed

    def _input(self, machine: Machine) -> list[str]:
        typists = {
            each.name: Typist(each.typed, each.troubles, isinstance(each, Actor) and each.is_told)
            for each in self._cast.users
            if each.console == machine.name
        }
        check = InputCheck(machine.name, machine.troubles)
        return check.check(machine.guest.typed, typists, self._clock.seconds())


def with_gaps(data: bytes, gaps: list[Gap]) -> list[Item]:
    """`data`, which begins at offset 0, with `gaps` in their places."""
    items: list[Item] = []
    at = used = 0
    for gap in sorted(gaps, key=lambda each: each.offset):
        size = gap.offset - at
        items += [Seen(at, data[used : used + size]), gap]
        used += size
        at = gap.end
    return [*items, Seen(at, data[used:])]
