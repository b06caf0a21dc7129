"""One command on many consoles: which they are, how many at a time, and what became of each."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from attrs import evolve, frozen
from twisted.internet.defer import CancelledError

from vspc.apps.describe import state_word, writers
from vspc.apps.verbs.context import (
    DENIED,
    DONE,
    FAILED,
    NOT_FOUND,
    TIMED_OUT,
    USAGE,
    Call,
    VerbExit,
    complain,
    handle_of,
    no_console,
)
from vspc.apps.verbs.grammar import Argument, Option
from vspc.apps.verbs.kinds import CONSOLES, NUMBER
from vspc.apps.verbs.output import INTERRUPT
from vspc.common.columns import Heading, table
from vspc.console.console import Console
from vspc.console.names import reading_order
from vspc.net.waiting import RunningCoroutine, Wakeup, sleep

AT_ONCE = 32
"""Consoles that one command works on at a time."""

ANSWER = 300.0
"""Seconds that a question waits for its answer."""

LONGEST = 16
"""Characters of an answer."""

GLOB = Argument("GLOB", "a glob of consoles, or one of them", CONSOLES)
YES = Option("--yes", "so many there are on which you may type", NUMBER, value="COUNT")

_CHOSEN = (
    Heading("NAME", names=True, least=16),
    Heading("STATE"),
    Heading("WRITER", names=True),
    Heading("TYPED ON"),
)

_OUTCOMES = (
    Heading("NAME", names=True, least=16),
    Heading("RESULT"),
    Heading("SECONDS", right=True),
    Heading("DETAIL"),
)


@frozen
class Target:
    """One of the consoles, with its names when the command began: the operator may not learn later
    ones.
    """

    console: Console
    title: str
    handle: str

    def outcome(
        self,
        result: str,
        status: int = DONE,
        why: str = "",
        facts: Mapping[str, object] = MappingProxyType({}),
    ) -> "VerbOutcome":
        """What became of the command here."""
        return VerbOutcome(self, result, status, why, facts)


@frozen
class VerbOutcome:
    """What became of a command on one console: a word, an exit status, why, and more facts."""

    target: Target
    result: str
    status: int
    why: str
    facts: Mapping[str, object]
    seconds: float = 0.0  # that it took

    def as_row(self) -> tuple[str, ...]:
        """For a table."""
        return (self.target.title, self.result, f"{self.seconds:.1f}", self.why or "-")

    def as_json(self) -> dict[str, object]:
        """With all facts."""
        about = {"console": self.target.title, "handle": self.target.handle}
        return {
            **about,
            "result": self.result,
            "status": self.status,
            "why": self.why,
            "seconds": self.seconds,
            **self.facts,
        }


def chosen(call: Call, word: str) -> list[Target]:
    """The consoles that `word` means, in the order of `list`. Raises `VerbExit` for none."""
    found = call.matching(word) if call.means_many(word) else [call.find(word)]
    if not found:
        raise VerbExit(NOT_FOUND, no_console(word))
    found.sort(key=reading_order)
    return [Target(console, console.title, handle_of(console)) for console in found]


def may_type(call: Call, target: Target) -> bool:
    """Whether a command may type there, whoever has the pen."""
    return "write" in call.rights(target.console)


def denial(call: Call, target: Target, types: bool = True) -> VerbOutcome | None:
    """What becomes of a command, which `types` or only reads, where the operator may not do that;
    it is recorded. None where he may.
    """
    if not call.may_read(target.console):
        return target.outcome("failed", FAILED, "you may no longer read this console")
    if not types or may_type(call, target):
        return None
    end = VerbExit(DENIED, "you have no right to type there", detail="right")
    return failure(call, target, end, "refused")


def failure(call: Call, target: Target, end: VerbExit, result: str, **facts: object) -> VerbOutcome:
    """What became of a command that ended so on one console; a denial is recorded."""
    if end.status == DENIED:
        call.record("denied", target.console, verb=call.verb, detail=end.detail)
    return target.outcome(result, end.status, "; ".join(end.lines), facts)


async def confirm(
    call: Call, targets: Sequence[Target], what: str, count: int | None, asks: bool = True
) -> None:
    """Returns if the operator wishes to do `what` ("type 5 bytes") on those of `targets` where
    typing is allowed: `count` is their number, or the list is answered with yes. Without `asks` a
    count is not needed. Raises `VerbExit`.
    """
    number = sum(may_type(call, target) for target in targets)
    if not number:
        raise VerbExit(DENIED, "you have no right to type on any of these consoles")
    if count == number or (count is None and not asks):
        return
    await call.print(table(_CHOSEN, [_row(call, target) for target in targets], call.columns))
    those = "1 console" if number == 1 else f"{number} consoles"
    if count is not None or call.channel.terminal is None:
        raise VerbExit(USAGE, f"nothing is typed; --yes {number} types on {those}")
    if await answer(call, f"{what} on {those}? (yes/no) ") != "yes":
        raise VerbExit(FAILED, "nothing is typed")


def _row(call: Call, target: Target) -> tuple[str, ...]:
    console = target.console
    may = "yes" if may_type(call, target) else "no right"
    return (target.title, state_word(console), ",".join(writers(console)) or "-", may)


async def answer(call: Call, question: str) -> str:
    """What the operator answers at a terminal. Raises `VerbExit` for Control-C, for the end of
    input, and where nothing is answered for `ANSWER` seconds.
    """
    line, ended = _AnswerLine(call), Wakeup(call.context.clock)
    call.channel.write_error(question.encode())

    def read(data: bytes | None) -> None:
        if data is not None:
            call.channel.consumed(len(data))
        if data is None or line.feed(data):
            call.output.reader = None
            ended.set()

    call.output.reader = read
    is_answered = await ended.wait(ANSWER)
    call.output.reader = None
    call.channel.write_error(b"\r\n")
    if not is_answered:
        raise VerbExit(TIMED_OUT, f"no answer for {ANSWER:g} s; nothing is typed")
    if not line.is_whole:
        raise VerbExit(FAILED, "interrupted; nothing is typed")
    return line.text.strip()


class _AnswerLine:
    """A line that is typed at a terminal, and its echo. What is typed behind it is dropped."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.text = ""
        self.is_whole = False

    def feed(self, data: bytes) -> bool:
        """Whether it has ended."""
        for byte in data:
            if byte in b"\r\n":
                self.is_whole = True
                return True
            if byte in INTERRUPT + b"\x04":
                return True
            if byte in b"\b\x7f" and self.text:
                self.text = self.text[:-1]
                self._call.channel.write_error(b"\b \b")
            elif 0x20 <= byte < 0x7F and len(self.text) < LONGEST:
                self.text += chr(byte)
                self._call.channel.write_error(bytes((byte,)))
        return False


async def on_each(
    call: Call,
    targets: Sequence[Target],
    work: Callable[[Target], Coroutine[Any, Any, VerbOutcome]],
) -> list[VerbOutcome]:
    """What `work` gives for each of `targets`, in their order; `AT_ONCE` are under way at a time.
    Cancelled, it cancels those.
    """
    # What `work` raises is in the server's log.
    found = {each: each.outcome("failed", FAILED, "internal error") for each in targets}
    left, changed, running, clock = iter(targets), Wakeup(), 0, call.context.clock

    async def some() -> None:
        nonlocal running
        running += 1
        try:
            for target in left:
                await sleep(clock, 0)
                began = clock.seconds()
                outcome = await work(target)
                found[target] = evolve(outcome, seconds=round(clock.seconds() - began, 3))
        finally:
            running -= 1
            changed.set()

    workers = [RunningCoroutine(some()) for _ in range(min(AT_ONCE, len(targets)))]
    try:
        while running:
            await changed.wait()
    except CancelledError:  # not where all of it is collected: the workers may be already
        for worker in workers:
            worker.cancel()
        raise VerbExit(FAILED, "interrupted") from None
    return list(found.values())


async def report(call: Call, outcomes: Sequence[VerbOutcome], as_json: bool) -> None:
    """Print a table, or JSON. Unless all is done the status is that which all the others have, or
    1.
    """
    if as_json:
        await call.print_json([each.as_json() for each in outcomes])
    else:
        rows = [each.as_row() for each in outcomes]
        await call.print(table(_OUTCOMES, rows, call.columns))
    statuses = {each.status for each in outcomes} - {DONE}
    if statuses:
        done = sum(each.status == DONE for each in outcomes)
        complain(call.channel, f"done on {done} of {len(outcomes)} consoles")
        # Not by `VerbExit`: each denial has been recorded, with its console.
        call.channel.finish(statuses.pop() if len(statuses) == 1 else FAILED)
