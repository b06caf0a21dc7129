"""One-time codes (TOTP, RFC 6238): six digits, 30 s each; none is accepted twice, over restarts
too, and wrong ones are limited.
"""

import hmac
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import suppress

import pyotp

from vspc.auth.statefile import StateFile
from vspc.common.clock import Clock
from vspc.net.waiting import within

STEP = 30
"""Seconds for which a code is shown."""

SKEW = 1
"""Steps that a clock may be wrong by; RFC 6238 section 5.2."""

LIMIT = 65536
"""Operators whose last step is kept."""

FAR = 20
"""Steps. A code used further in the future than that was used while the server's clock was wrong:
the operator is not locked out until then.
"""


class Totp:
    """Checks codes, and keeps the step that each operator used last: none is accepted twice."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._last: dict[str, int] = {}
        self._dummy = pyotp.random_base32()

    def check(self, operator: str, secret: str | None, code: bytes, now: float) -> bool:
        """Whether `code` is right `now`, in seconds since 1970, and newer than the last one used.

        `secret` is as `vspc.config.credentials.totp_secret` returns it; None takes as long and is
        False. Spaces in the code are ignored. A right code uses up itself and all older ones.
        """
        step = int(now // STEP)
        matching = list(_matching(secret or self._dummy, code.replace(b" ", b""), step))
        last = self._last.get(operator)
        if last is not None and last > step + FAR:
            last = None
        fresh = [each for each in matching if last is None or each > last]
        if secret is None or not fresh or not self._has_room(operator, step):
            return False
        self._last[operator] = max(fresh)
        return True

    def _has_room(self, operator: str, step: int) -> bool:
        if operator in self._last or len(self._last) < self._limit:
            return True
        self._last = {who: last for who, last in self._last.items() if last >= step - SKEW}
        return len(self._last) < self._limit

    @property
    def state(self) -> dict[str, int]:
        """The steps last used, by operator; for JSON."""
        return dict(self._last)

    def restore(self, state: object) -> None:
        """Merge in the `state` of an earlier process. Raises ValueError if it is not one."""
        if not isinstance(state, dict) or len(state) > self._limit:
            raise ValueError("it is not a table of one-time codes")
        for operator, step in state.items():
            if not isinstance(operator, str) or type(step) is not int or step < 0:
                raise ValueError("it is not a table of one-time codes")
        for operator, step in state.items():
            self._last[operator] = max(step, self._last.get(operator, step))


def _matching(secret: str, code: bytes, step: int) -> Iterator[int]:
    """The steps near `step` that have this code; all are compared, whatever is found."""
    generator = pyotp.TOTP(secret)
    for near in range(max(0, step - SKEW), step + SKEW + 1):
        if hmac.compare_digest(generator.generate_otp(near).encode(), code):
            yield near


WRONG = 10
"""Wrong codes of one operator in `WINDOW`, after which none is checked: three of a million are
right at any time, and a client that is asked for one has shown another proof before.
"""

WINDOW = 600.0
"""Seconds."""

PATIENCE = 3.0
"""Seconds that the disk may take before a code is accepted that is not written down."""

PLACES = 10_000
"""Operators with the address of a right code. Wrong ones of such a place are counted by themselves:
guesses from elsewhere do not lock out an operator at the usual place.
"""

GUESSED = 10_000
"""Operators whose wrong codes are counted."""


class Codes:
    """Checks codes, and writes down which were used, if possible before they are accepted."""

    def __init__(self, clock: Clock, file: StateFile) -> None:
        self._clock = clock
        self._file = file
        self._totp = Totp()
        self._wrong: dict[tuple[str, str], deque[float]] = {}
        self._places: OrderedDict[tuple[str, str], None] = OrderedDict()

    def load(self) -> None:
        """Read what earlier processes wrote down. Raises ValueError or OSError."""
        state = self._file.load()
        if state is not None:
            self._totp.restore(state)

    async def check(self, operator: str, secret: str | None, code: bytes, place: str = "") -> str:
        """Empty when a right `code` is written down, or why it is refused. `place`: the client's
        address.
        """
        now, here = self._clock.seconds(), (operator, place)
        counted = here if here in self._places else (operator, "")
        wrong = self._wrong.get(counted, deque())
        while wrong and wrong[0] <= now - WINDOW:
            wrong.popleft()
        if len(wrong) >= WRONG:
            return f"{WRONG} wrong codes in {WINDOW / 60:g} minutes; none is checked now"
        if not self._totp.check(operator, secret, code, self._clock.wall()):
            self._count(counted, wrong, now)
            return "wrong code, or one that was used"
        self._wrong.pop(counted, None)
        self._remember(here)
        # A disk that is full, or hangs, does not refuse a login: this process has the code anyhow.
        with suppress(TimeoutError):
            await within(self._clock, PATIENCE, self._file.save(lambda: self._totp.state))
        return ""

    def _remember(self, here: tuple[str, str]) -> None:
        self._places[here] = None
        self._places.move_to_end(here)
        if len(self._places) > PLACES:
            self._places.popitem(last=False)

    def _count(self, counted: tuple[str, str], wrong: deque[float], now: float) -> None:
        if counted not in self._wrong and len(self._wrong) >= GUESSED:
            del self._wrong[next(iter(self._wrong))]
        wrong.append(now)
        self._wrong[counted] = wrong
