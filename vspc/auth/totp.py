"""One-time codes that follow from a secret and the time (TOTP, RFC 6238): six digits, 30 s each."""

import hmac
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator

import pyotp

from vspc.auth.statefile import StateFile
from vspc.common.clock import Clock

STEP = 30
"""Seconds for which a code is shown."""

SKEW = 1
"""Steps that a clock may be wrong by; RFC 6238 section 5.2."""

LIMIT = 65536
"""Operators whose last step is known."""

FAR = 20
"""Steps. Who logged in further in the future than that did so while the server's clock was wrong:
he is not kept out until then.
"""


class Totp:
    """Checks codes, and remembers which operator has used which step: none is used twice."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._last: dict[str, int] = {}
        self._nobodys = pyotp.random_base32()

    def check(self, operator: str, secret: str | None, code: bytes, now: float) -> bool:
        """Whether `code` is his, `now` seconds since 1970, and newer than the last one that was.

        `secret` is as `vspc.config.secrets.totp_secret` returns it; None takes as long and is
        False. Spaces in the code do not count. Whoever comes in by one code has used it up, and
        all older ones.
        """
        step = int(now // STEP)
        matching = list(_matching(secret or self._nobodys, code.replace(b" ", b""), step))
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
        """Take up `state` of an earlier process. Raises ValueError if it is none; nothing is lost
        that is known already.
        """
        if not isinstance(state, dict) or len(state) > self._limit:
            raise ValueError("that is no table of one-time codes")
        for operator, step in state.items():
            if not isinstance(operator, str) or type(step) is not int or step < 0:
                raise ValueError("that is no table of one-time codes")
        for operator, step in state.items():
            self._last[operator] = max(step, self._last.get(operator, step))


def _matching(secret: str, code: bytes, step: int) -> Iterator[int]:
    """The steps near `step` whose code that is; all of them are compared, whatever is found."""
    generator = pyotp.TOTP(secret)
    for near in range(max(0, step - SKEW), step + SKEW + 1):
        if hmac.compare_digest(generator.generate_otp(near).encode(), code):
            yield near


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
