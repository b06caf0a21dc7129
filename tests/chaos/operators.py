"""Operators: each works on one console for as long as the run lasts, and begins anew when it ends.

What they see is kept for the oracle, with offsets where they are told; what they type is noted with
its moment.
"""

import json
import re
from abc import ABC, abstractmethod
from base64 import b64decode
from collections import Counter
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from tests.chaos.commands import Command, Operators
from tests.chaos.oracle import Gap, Item, Seen, Trouble, Typed, told
from tests.chaos.streams import token

PAUSE = 0.3
"""Seconds until an operator whose command ended starts it again."""

KEYS = 0.4
"""Seconds between two tokens that are typed."""

LOST = re.compile(r"output lost: offsets (\d+) to (\d+) of [^\n]*")
"""How a reader is told of a gap."""

MOST = re.compile(r"at most (\d+) bytes")
"""What a gap says that a kill left."""


UNSENT = re.compile(rb" not sent\b| is away \(| this was not a vMotion| has a new connection ")
"""How a terminal tells that input may not have arrived: with a number, or with the line's end."""


def gaps_told(text: str) -> list[Gap]:
    """The gaps in what was said on standard error."""
    return [_gap(int(match[1]), int(match[2]), match[0]) for match in LOST.finditer(text)]


def _gap(start: int, end: int, text: str) -> Gap:
    said = MOST.search(text)
    if "damaged" in text:  # what is gone may have been a gap itself
        return told(start, end, end - start if said is None else int(said[1]))
    return told(start, end, None if said is None else int(said[1]))


class Actor(ABC):
    """Somebody on the console `console`. `typed` and `troubles` are for the oracle."""

    types = True
    is_told = False
    """Whether it reads what becomes of its input, until its command ends."""

    def __init__(self, clock: Any, operators: Operators, console: str, name: str) -> None:
        self.console = console
        self.name = name
        self.typed: list[Typed] = []
        self.troubles: list[Trouble] = []
        self.problems: list[str] = []
        self.command: Command | None = None
        self.seen_bytes = 0
        """How much it was shown."""
        self._clock = clock
        self._operators = operators
        self._number = 0
        self._is_quiet = False
        self._is_over = False
        self._running: Deferred[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(lambda failure: failure.trap(CancelledError))
        if self.types:
            self._clock.callLater(KEYS, self._key)

    def stop(self) -> None:
        """End, for good."""
        self._is_over = True
        if self.command is not None:
            self.command.cut()
        if self._running is not None:
            self._running.cancel()

    def rest(self, quiet: bool) -> None:
        """Type nothing, or go on."""
        self._is_quiet = quiet

    def cut(self) -> None:
        """The adversary ends what runs."""
        if self.command is not None:
            self.command.cut()

    async def _run(self) -> None:
        while not self._is_over:
            self.command = self.begin()
            status = await self.command.ended
            self.command = None
            self.trouble()
            self.end(status)
            await deferLater(self._clock, PAUSE)

    @abstractmethod
    def begin(self) -> Command:
        """Start the command."""

    def end(self, status: int | None) -> None:
        """It ended."""
        return

    def trouble(self) -> None:
        """From now on what was typed may be missing."""
        now = self._clock.seconds()
        self.troubles.append(Trouble(now, now))

    def _key(self) -> None:
        if self._is_over:
            return
        self._clock.callLater(KEYS, self._key)
        if self._is_quiet or self.command is None:
            return
        text = token(self.name, self._number)
        if self.command.type(self.typing(text)):
            self.typed.append(Typed(self._number, self._clock.seconds()))
            self._number += 1

    def typing(self, text: bytes) -> bytes:
        """How `text` is typed."""
        return text

    def output(self, data: bytes) -> None:  # noqa: B027 - who only types sees nothing
        """Standard output of the command."""

    def error(self, data: bytes) -> None:
        """Its standard error."""
        if b"not sent" in data:
            self.trouble()


class JsonProgram(Actor):
    """`raw --json` by the control socket, from where it was before."""

    is_told = True

    def __init__(
        self, clock: Any, operators: Operators, console: str, name: str, types: bool
    ) -> None:
        super().__init__(clock, operators, console, name)
        self.types = types
        self.items: list[Item] = []
        self.offset = 0
        self._rest = b""
        self._errors = b""

    def begin(self) -> Command:
        self._rest, self._errors = b"", b""
        words = ["raw", self.console, "--json", "--from", str(self.offset)]
        return self._operators.local(words if self.types else [*words, "ro"], self)

    def typing(self, text: bytes) -> bytes:
        return json.dumps({"type": "input", "text": text.decode()}).encode() + b"\n"

    def output(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(json.loads(line))

    def error(self, data: bytes) -> None:
        self._errors += data

    def end(self, status: int | None) -> None:
        if b"does not exist yet" in self._errors:
            self.problems.append(
                f"{self.console}: shown up to {self.offset}, then {self._errors!r}"
            )
            self.offset = 0

    def _line(self, found: dict[str, Any]) -> None:
        match found:
            case {"type": "output", "offset": offset, "data": data}:
                self._take(Seen(offset, b64decode(data)))
            case {"type": "event", "event": "lost", "start": start, "end": end}:
                self._take(_gap(start, end, found["text"]))
            case {
                "type": "event",
                "event": "refused" | "unsent" | "away" | "host-changed" | "replaced",
            }:
                self.trouble()

    def _take(self, item: Item) -> None:
        self.seen_bytes += item.end - item.offset if isinstance(item, Seen) else 0
        self.items.append(item)
        self.offset = item.end


class LogFollower(Actor):
    """`log -f --raw` by the control socket, over restarts from where it was; gaps in the middle."""

    types = False

    def __init__(self, clock: Any, operators: Operators, console: str, name: str) -> None:
        super().__init__(clock, operators, console, name)
        self.items: list[Item] = []
        self.offset = 0
        self._errors = ""
        self._gaps: list[Gap] = []

    def begin(self) -> Command:
        self._errors, self._gaps = "", []
        words = ["log", self.console, "-f", "--raw", "--from", str(self.offset)]
        return self._operators.local(words, self)

    def output(self, data: bytes) -> None:
        self.seen_bytes += len(data)
        while self._gaps and self._gaps[0].offset - self.offset <= len(data):
            gap = self._gaps.pop(0)
            size = max(0, gap.offset - self.offset)
            self._take(Seen(self.offset, data[:size]))
            data = data[size:]
            self._take(_behind(gap, self.offset))
        self._take(Seen(self.offset, data))

    def _take(self, item: Item) -> None:
        self.items.append(item)
        self.offset = item.end

    def error(self, data: bytes) -> None:
        *lines, self._errors = (self._errors + data.decode("utf-8", "replace")).split("\n")
        told = [gap for line in lines for gap in gaps_told(line)]
        self._gaps += [gap for gap in told if gap.end > self.offset]
        if any("does not exist yet" in line for line in lines):
            self.problems.append(f"{self.console}: shown up to {self.offset}, then {lines!r}")

    def end(self, status: int | None) -> None:
        if self._gaps and self._gaps[0].offset <= self.offset:
            self._take(_behind(self._gaps[0], self.offset))


class SshReader(Actor):
    """`raw --from` by ssh; exact bytes, gaps on standard error."""

    types = False
    words = ("raw", "{console}", "--from", "{offset}", "ro")

    def __init__(self, clock: Any, operators: Operators, console: str, name: str) -> None:
        super().__init__(clock, operators, console, name)
        self.items: list[Item] = []
        self.offset = 0
        self._errors = ""

    def begin(self) -> Command:
        self._errors = ""
        words = [w.format(console=self.console, offset=self.offset) for w in self.words]
        return self._operators.remote(words, self)

    def output(self, data: bytes) -> None:
        self.items.append(Seen(self.offset, data))
        self.seen_bytes += len(data)
        self.offset += len(data)

    def error(self, data: bytes) -> None:
        self._errors += data.decode("utf-8", "replace")

    def end(self, status: int | None) -> None:
        for gap in gaps_told(self._errors):
            if gap.offset <= self.offset < gap.end:
                self.items.append(_behind(gap, self.offset))
                self.offset = gap.end
        if "does not exist yet" in self._errors:
            self.problems.append(
                f"{self.console}: shown up to {self.offset}, then {self._errors!r}"
            )


def _behind(gap: Gap, offset: int) -> Gap:
    """What of `gap` is behind `offset`."""
    length = gap.end - offset
    return Gap(offset, gap.end, min(gap.least, length), min(gap.most, length))


class TerminalOperator(Actor):
    """The console on a terminal. `shown` is what each login saw."""

    is_told = True

    def __init__(
        self, clock: Any, operators: Operators, console: str, name: str, is_remote: bool
    ) -> None:
        super().__init__(clock, operators, console, name)
        self.shown: list[bytearray] = []
        self._is_remote = is_remote

    def begin(self) -> Command:
        self.shown.append(bytearray())
        if self._is_remote:
            return self._operators.remote([], self, f"+{self.console}", terminal=True)
        return self._operators.local(["console", self.console], self, terminal=True)

    def output(self, data: bytes) -> None:
        shown = self.shown[-1]
        seen = max(0, len(shown) - 40)
        shown += data
        self.seen_bytes += len(data)
        if UNSENT.search(shown, seen):
            self.trouble()


class Sender(Actor):
    """`send` by ssh, one token after the other; what has status 0 went to the VM."""

    types = False

    def __init__(self, clock: Any, operators: Operators, console: str, name: str) -> None:
        super().__init__(clock, operators, console, name)
        self.statuses: Counter[int | None] = Counter()

    def begin(self) -> Command:
        text = token(self.name, self._number)
        self.typed.append(Typed(self._number, self._clock.seconds()))
        self._number += 1
        return self._operators.remote(["send", self.console, text.decode()], self)

    async def _run(self) -> None:
        while not self._is_over:
            if self._is_quiet:
                await deferLater(self._clock, PAUSE)
                continue
            self.command = self.begin()
            status = await self.command.ended
            self.command = None
            self.statuses[status] += 1
            if status != 0:
                self.trouble()
            await deferLater(self._clock, PAUSE)


class Paster(Sender):
    """`send` by the control socket, each time with very many tokens on standard input."""

    def __init__(self, clock: Any, operators: Operators, console: str, name: str) -> None:
        super().__init__(clock, operators, console, name)
        self._wanted = 0

    def paste(self, count: int) -> None:
        """Paste so many tokens."""
        self._wanted += count

    def begin(self) -> Command:
        command = self._operators.local(["send", self.console], self)
        now = self._clock.seconds()
        numbers = range(self._number, self._number + max(1, self._wanted))
        self._number, self._wanted = numbers.stop, 0
        self.typed += [Typed(number, now) for number in numbers]
        command.type(b"".join(token(self.name, number) for number in numbers))
        command.end_input()
        return command
