"""Limits per operator, and where the last match of `expect` ended. In memory only."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field

from vspc.net.limits import TokenBucket

PLACES = 4096
"""Places that are remembered; the oldest is forgotten first."""

SENDERS = 4096
"""Operators whose messages are counted; the least recent is forgotten first."""

MESSAGES = 10
"""Messages that an operator may send in a minute."""

EXPECTING = 64
"""Patterns that an operator may wait for at a time: each may take several MB."""


@define(eq=False)
class VerbLimits:
    """One for all operators."""

    _places: "OrderedDict[tuple[str, str], int]" = field(factory=OrderedDict, init=False)
    _expecting: "Counter[str]" = field(factory=Counter, init=False)
    _senders: "OrderedDict[str, TokenBucket]" = field(factory=OrderedDict, init=False)

    def matched(self, operator: str, console_id: str, end: int) -> None:
        """A match of `operator` on a console ended at offset `end`."""
        self._places[operator, console_id] = end
        self._places.move_to_end((operator, console_id))
        if len(self._places) > PLACES:
            self._places.popitem(last=False)

    def last_match(self, operator: str, console_id: str) -> int | None:
        """Where the last one ended."""
        return self._places.get((operator, console_id))

    @contextmanager
    def expecting(self, operator: str) -> Iterator[bool]:
        """Whether `operator` may wait for one more pattern, which is counted in the block."""
        if self._expecting[operator] >= EXPECTING:
            yield False
            return
        self._expecting[operator] += 1
        try:
            yield True
        finally:
            self._expecting[operator] -= 1
            if not self._expecting[operator]:
                del self._expecting[operator]

    def may_send(self, operator: str, now: float) -> bool:
        """Whether `operator` may send one more message, which is counted."""
        bucket = self._senders.setdefault(operator, TokenBucket(MESSAGES / 60, MESSAGES))
        self._senders.move_to_end(operator)
        if len(self._senders) > SENDERS:
            self._senders.popitem(last=False)
        return bucket.take(now)
