"""What verbs remember of what was said before: where a match ended, how often somebody spoke."""

from collections import OrderedDict

from attrs import define, field

from vspc.net.limits import TokenBucket

PLACES = 4096
"""Places that are remembered; the oldest is forgotten first."""

SPEAKERS = 4096
"""Operators whose messages are counted; the longest silent is forgotten first."""

MESSAGES = 10
"""Messages that an operator may send in a minute."""


@define(eq=False)
class Remembered:
    """It is kept in memory only."""

    _places: "OrderedDict[tuple[str, str], int]" = field(factory=OrderedDict, init=False)
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

    def may_say(self, operator: str, now: float) -> bool:
        """Whether `operator` may send one more message; it counts if he may."""
        bucket = self._speakers.setdefault(operator, TokenBucket(MESSAGES / 60, MESSAGES))
        self._speakers.move_to_end(operator)
        if len(self._speakers) > SPEAKERS:
            self._speakers.popitem(last=False)
        return bucket.take(now)
