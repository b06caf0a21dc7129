"""One-time codes that follow from a secret and the time (TOTP, RFC 6238): six digits, 30 s each."""

import hmac
from collections.abc import Iterator

import pyotp

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
