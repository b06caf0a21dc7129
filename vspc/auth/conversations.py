"""Questions and answers with one claimant, and verdicts that take their time."""

from collections.abc import Callable

from vspc.common.clock import Cancellable, Clock
from vspc.console.authentication import Ask, Conversation, ProofRefused, Verdict

LEAST = 1.0
"""Seconds that a wrong password or answer takes at least, whatever was wrong."""

Heard = Callable[[Ask | Verdict], None]

Judge = Callable[[bytes, Callable[[Verdict], None]], Cancellable | None]
"""Looks at an answer, and says later what it thinks of it."""


class Delayed:
    """Hands on what somebody thinks of an answer: a no not before `LEAST` after the answer."""

    def __init__(self, clock: Clock, heard: Heard) -> None:
        self._clock = clock
        self._heard = heard
        self._since = clock.seconds()
        self._waiting: Cancellable | None = None
        self._judging: Cancellable | None = None
        self._over = False

    def judge(self, judge: Judge, answer: bytes) -> None:
        """An answer came."""
        self._since = self._clock.seconds()
        self._judging = judge(answer, self.hear)

    def answered(self) -> None:
        """An answer came, and somebody else looks at it."""
        self._since = self._clock.seconds()

    def hear(self, said: Ask | Verdict) -> None:
        """A question, or what came of it."""
        if self._over:
            return
        left = self._since + LEAST - self._clock.seconds()
        if isinstance(said, ProofRefused) and left > 0:
            self._waiting = self._clock.call_later(left, lambda: self._say(said))
        else:
            self._say(said)

    def _say(self, said: Ask | Verdict) -> None:
        if not self._over:
            self._over = not isinstance(said, Ask)
            self._heard(said)

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        self._over = True
        for call in (self._waiting, self._judging):
            if call is not None and call.active():
                call.cancel()

    def active(self) -> bool:
        """Whether something may still be heard."""
        return not self._over


class ClaimantQuestion:
    """A `Conversation` of one question."""

    def __init__(self, clock: Clock, text: str, judge: Judge, heard: Heard) -> None:
        self._slowly = Delayed(clock, heard)
        self._judge = judge
        self._asking = clock.call_later(0, lambda: self._slowly.hear(Ask(text)))

    def answer(self, text: bytes) -> None:
        """Once."""
        self._slowly.judge(self._judge, text)

    def cancel(self) -> None:
        """He has gone."""
        if self._asking.active():
            self._asking.cancel()
        self._slowly.cancel()


class Relay:
    """A `Conversation` that somebody else leads; `verify` may turn its yes into a no."""

    def __init__(
        self,
        clock: Clock,
        converse: Callable[[Heard], Conversation],
        verify: Callable[[Verdict], Verdict],
        heard: Heard,
    ) -> None:
        self._slowly = Delayed(clock, heard)
        self._verify = verify
        self._other = converse(self._hear)

    def _hear(self, said: Ask | Verdict) -> None:
        self._slowly.hear(said if isinstance(said, Ask) else self._verify(said))

    def answer(self, text: bytes) -> None:
        """To whoever leads it."""
        self._slowly.answered()
        self._other.answer(text)

    def cancel(self) -> None:
        """He has gone."""
        self._slowly.cancel()
        self._other.cancel()
