"""What verbs remember: where a match ended, how often somebody spoke, for how much he waits."""

from collections import Counter, OrderedDict

from attrs import define, field

from vspc.net.limits import TokenBucket

PLACES = 4096
"""Places that are remembered; the oldest is forgotten first."""

SPEAKERS = 4096
"""Operators whose messages are counted; the longest silent is forgotten first."""

MESSAGES = 10
"""Messages that an operator may send in a minute."""


EXPECTING = 64
"""Patterns that an operator may wait for at a time: each may take some MB."""


@define(eq=False)
class VerbLimits:
    """It is kept in memory only."""

    _places: "OrderedDict[tuple[str, str], int]" = field(factory=OrderedDict, init=False)
    _expecting: "Counter[str]" = field(factory=Counter, init=False)
    _speakers: "OrderedDict[str, TokenBucket]" = field(factory=OrderedDict, init=False)

    def matched(self, operator: str, console_id: str, end: int) -> None:
        """What `operator` expected on a console ended at offset `end`."""
        self._places[operator, console_id] = end
        self._places.move_to_end((operator, console_id))
        if len(self._places) > PLACES:
            self._places.popitem(last=False)

    def last_match(self, operator: str, console_id: str) -> int | None:
        """Where that was last."""
        return self._places.get((operator, console_id))

    def begins_to_expect(self, operator: str) -> bool:
        """Whether `operator` may wait for one more pattern; `has_expected` follows if so."""
        if self._expecting[operator] >= EXPECTING:
            return False
        self._expecting[operator] += 1
        return True

    def has_expected(self, operator: str) -> None:
        """He waits for one less."""
        self._expecting[operator] -= 1
        if not self._expecting[operator]:
            del self._expecting[operator]

    def may_say(self, operator: str, now: float) -> bool:
        """Whether `operator` may send one more message; it counts if he may."""
        bucket = self._speakers.setdefault(operator, TokenBucket(MESSAGES / 60, MESSAGES))
        self._speakers.move_to_end(operator)
        if len(self._speakers) > SPEAKERS:
            self._speakers.popitem(last=False)
        return bucket.take(now)
