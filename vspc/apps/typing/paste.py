"""Text that is typed at a pace, or line by line as the VM echoes it."""

from vspc.apps.typing.task import TypingStopped, TypingTask
from vspc.common.text import safe
from vspc.console.echo_check import EchoCheck
from vspc.console.history import History

LIMIT = 1024 * 1024
"""Bytes of a paste."""

MAX_CPS = 100_000
"""Characters a second at most."""

TICK = 0.05
"""Seconds between two pieces of a paste at a pace."""

PIECE = 64
"""Bytes that are typed before their echo is awaited: what the buffer of any port holds."""

ECHO_PATIENCE = 5.0
"""Seconds in which more of an echo has to come."""

QUIET = 0.1
"""Seconds without output after which a VM is taken to wait for the next line."""

NEVER_QUIET = 30.0
"""Seconds after which a VM that goes on sending is given up."""

READ = 4096
"""Bytes of output that are compared in one turn of the reactor."""

SHOWN = 40
"""Characters that are shown of what came instead of an echo."""


def pasted(data: bytes) -> bytes:
    """Text as it is typed: a line ends with Enter."""
    return data.replace(b"\r\n", b"\r").replace(b"\n", b"\r")


class Paste:
    """Types `text`; `done` bytes of it so far. `type` raises `TypingStopped`."""

    def __init__(self, history: History, text: bytes) -> None:
        self._history = history
        self._text = text
        self._offset = 0  # of the output that was not looked at
        self._check = EchoCheck()
        self.done = 0

    @property
    def line(self) -> int:
        """The number of the line that is typed, from 1."""
        return self._text.count(b"\r", 0, self.done) + 1

    @property
    def lines(self) -> int:
        """How many there are."""
        return self._text.rstrip(b"\r").count(b"\r") + 1

    @property
    def progress(self) -> str:
        """How far it is."""
        size = len(self._text)
        return f"{self.done} of {size} bytes, line {min(self.line, self.lines)} of {self.lines}"

    async def type(self, task: TypingTask, cps: int | None) -> None:
        """Type all of it, `cps` bytes a second; None: verify each line by its echo."""
        task.begin()
        if cps is None:
            await self._verified(task)
        else:
            await self._at_pace(task, cps)

    async def _at_pace(self, task: TypingTask, cps: int) -> None:
        size = max(1, int(cps * TICK))
        while self.done < len(self._text):
            piece = self._text[self.done : self.done + size]
            await task.type(piece)
            self.done += len(piece)
            await task.sleep(len(piece) / cps)

    async def _verified(self, task: TypingTask) -> None:
        """Each line is typed when the VM is quiet, its Enter when all of it came back."""
        for line in self._text.splitlines(keepends=True):
            await self._until_quiet(task)
            text = line.rstrip(b"\r")
            self._check, self._offset = EchoCheck(), self._history.end
            for at in range(0, len(text), PIECE):
                await self._type_verified(task, text[at : at + PIECE])
            if line != text:
                await self._type_verified(task, b"\r")

    async def _type_verified(self, task: TypingTask, piece: bytes) -> None:
        self._check.typed(piece)
        await task.type(piece)
        clock, check, echoed = task.clock, self._check, -1
        began = clock.seconds()
        while self._read(task) or not check.is_whole:
            if check.wrong:
                await task.sleep(QUIET)  # more of it may come, which explains it
                self._read(task)
                raise TypingStopped(self._difference())
            if check.echoed > echoed:
                echoed, began = check.echoed, clock.seconds()
            left = began + ECHO_PATIENCE - clock.seconds()
            if left <= 0:
                raise TypingStopped(self._silence())
            await task.pause(left)
        self.done += len(piece)

    def _read(self, task: TypingTask) -> bool:
        """Compare what came; whether there is more."""
        history = self._history
        if self._check.is_whole:
            return False
        if self._offset < history.start:
            raise TypingStopped(f"line {self.line}: too much output to compare with")
        data = history.read(self._offset, READ)
        self._offset += len(data)
        self._check.output(data)
        if self._offset < history.end:
            task.changed()
            return True
        return False

    async def _until_quiet(self, task: TypingTask) -> None:
        clock, history = task.clock, self._history
        began = since = clock.seconds()
        end = history.end
        while (left := since + QUIET - clock.seconds()) > 0:
            await task.pause(left)
            if history.end != end:
                end, since = history.end, clock.seconds()
            if clock.seconds() - began > NEVER_QUIET:
                why = f"output did not pause for {NEVER_QUIET:g} s"
                raise TypingStopped(f"line {self.line}: {why}")

    def _difference(self) -> str:
        """Where the echo is another text. What did not come back may be a password: of that no more
        is told than the first character, and nothing where nothing came back.
        """
        check = self._check
        got = f"got '{safe(check.wrong, SHOWN)}'"
        if not check.echoed:
            return f"line {self.line}: it is not echoed, {got}"
        expected = "Enter" if check.next == b"\r" else f"'{safe(check.next)}'"
        return f"line {self.line}, column {check.echoed + 1}: expected {expected}, {got}"

    def _silence(self) -> str:
        if not self._check.echoed:
            return f"line {self.line}: nothing came back in {ECHO_PATIENCE:g} s"
        return f"line {self.line}, column {self._check.echoed + 1}: the rest did not come back"
