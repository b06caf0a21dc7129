"""One-time codes of operators: none twice, over restarts too, and no guessing."""

from collections import OrderedDict, deque
from collections.abc import Callable

from vspc.auth.statefile import StateFile
from vspc.auth.totp import Totp
from vspc.common.clock import Clock

WRONG = 10
"""Wrong codes of one operator in `WINDOW`, after which none is looked at: three of a million are
right at any time, and who asks for codes has shown something else before.
"""

WINDOW = 600.0
"""Seconds."""

PATIENCE = 3.0
"""Seconds that the disk may take before a code counts that it has not."""

PLACES = 10_000
"""Operators with the address of a right code. Wrong ones of such a place are counted by themselves:
who guesses elsewhere does not keep out who is where he always is.
"""

GUESSED = 10_000
"""Operators whose wrong codes are remembered."""


class Codes:
    """Checks codes, and writes down which were used, if possible before they count."""

    def __init__(self, clock: Clock, file: StateFile) -> None:
        self._clock = clock
        self._file = file
        self._totp = Totp()
        self._wrong: dict[tuple[str, str], deque[float]] = {}
        self._places: OrderedDict[tuple[str, str], None] = OrderedDict()

    def load(self) -> None:
        """Take up what an earlier process knew. Raises ValueError or OSError."""
        state = self._file.load()
        if state is not None:
            self._totp.restore(state)

    def check(
        self,
        operator: str,
        secret: str | None,
        code: bytes,
        answer: Callable[[str], None],
        place: str = "",
    ) -> None:
        """`answer` gets "", or why `code` is no good; at once, or when it is written down.

        `place` is his address.
        """
        now, here = self._clock.seconds(), (operator, place)
        who = here if here in self._places else (operator, "")
        wrong = self._wrong.get(who, deque())
        while wrong and wrong[0] <= now - WINDOW:
            wrong.popleft()
        if len(wrong) >= WRONG:
            answer(f"{WRONG} codes were wrong in {WINDOW / 60:g} minutes; none is looked at now")
        elif self._totp.check(operator, secret, code, self._clock.wall()):
            self._wrong.pop(who, None)
            self._remember(here)
            self._write_down(answer)
        else:
            self._count(who, wrong, now)
            answer("wrong code, or one that was used")

    def _write_down(self, answer: Callable[[str], None]) -> None:
        """A disk that is full, or hangs, keeps nobody out: this process knows the code anyhow."""

        def written(error: str = "") -> None:
            del error
            if late.active():
                late.cancel()
                answer("")

        late = self._clock.call_later(PATIENCE, lambda: answer(""))
        self._file.save(lambda: self._totp.state, written)

    def _remember(self, here: tuple[str, str]) -> None:
        self._places[here] = None
        self._places.move_to_end(here)
        if len(self._places) > PLACES:
            self._places.popitem(last=False)

    def _count(self, who: tuple[str, str], wrong: deque[float], now: float) -> None:
        if who not in self._wrong and len(self._wrong) >= GUESSED:
            del self._wrong[next(iter(self._wrong))]
        wrong.append(now)
        self._wrong[who] = wrong
