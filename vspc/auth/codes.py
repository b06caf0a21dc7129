"""One-time codes of operators: none twice, over restarts too, and no guessing."""

from collections import deque
from collections.abc import Callable

from vspc.auth.statefile import StateFile
from vspc.auth.totp import Totp
from vspc.console.ports import Clock

WRONG = 10
"""Wrong codes of one operator in `WINDOW`, after which none is looked at: three of a million are
right at any time, and who asks for codes has shown something else before.
"""

WINDOW = 600.0
"""Seconds."""

GUESSED = 10_000
"""Operators whose wrong codes are remembered."""


class Codes:
    """Checks codes, and writes down which were used before they count."""

    def __init__(self, clock: Clock, file: StateFile) -> None:
        self._clock = clock
        self._file = file
        self._totp = Totp()
        self._wrong: dict[str, deque[float]] = {}

    def load(self) -> None:
        """Take up what an earlier process knew. Raises ValueError or OSError."""
        state = self._file.load()
        if state is not None:
            self._totp.restore(state)

    def check(
        self, operator: str, secret: str | None, code: bytes, answer: Callable[[str], None]
    ) -> None:
        """`answer` gets "", or why `code` is no good; at once, or when it is written down."""
        now = self._clock.seconds()
        wrong = self._wrong.get(operator, deque())
        while wrong and wrong[0] <= now - WINDOW:
            wrong.popleft()
        if len(wrong) >= WRONG:
            answer(f"{WRONG} codes were wrong in {WINDOW / 60:g} minutes; none is looked at now")
        elif self._totp.check(operator, secret, code, self._clock.wall()):
            self._wrong.pop(operator, None)
            # A full disk keeps nobody out: this process knows the code in any case.
            self._file.save(lambda: self._totp.state, lambda error: answer(""))
        else:
            self._count(operator, wrong, now)
            answer("wrong code, or one that was used")

    def _count(self, operator: str, wrong: deque[float], now: float) -> None:
        if operator not in self._wrong and len(self._wrong) >= GUESSED:
            del self._wrong[next(iter(self._wrong))]
        wrong.append(now)
        self._wrong[operator] = wrong
