"""Who waits for a pen, in order; who of them asks the holder for it, one at a time."""

from collections.abc import Callable, Iterator

from attrs import define

from vspc.common.clock import Clock, Timer
from vspc.console.attachment import Attachment

LIMIT = 100
"""Attachments that wait for one pen."""

ASK_INTERVAL = 1.0
"""Seconds between two questions that a holder is shown."""


@define(eq=False)
class _Place:
    attachment: Attachment
    queues: bool  # it waits until the pen is free
    asks: bool  # it wants it now


class PenQueue:
    """Those who wait. `asked` is called to show the holder who asks, `unanswered` when that had no
    answer for `timeout` seconds (0: never); neither may raise.
    """

    __slots__ = ("_asked", "_last", "_places", "_timeout", "_timer", "_unanswered", "asker")

    def __init__(
        self,
        clock: Clock,
        timeout: Callable[[], float],
        asked: Callable[[Attachment], None],
        unanswered: Callable[[Attachment], None],
    ) -> None:
        self._timeout = timeout
        self._asked = asked
        self._unanswered = unanswered
        self._places: dict[Attachment, _Place] = {}
        self._timer = Timer(clock)
        self._last = Timer(clock)  # runs for `ASK_INTERVAL` after a question
        self.asker: Attachment | None = None

    def __iter__(self) -> Iterator[Attachment]:
        return iter(list(self._places))

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, attachment: object) -> bool:
        return attachment in self._places

    def place(self, attachment: Attachment) -> int:
        """1 for the first; 0 for one who does not wait."""
        if attachment not in self._places:
            return 0
        return list(self._places).index(attachment) + 1

    def add(self, attachment: Attachment, asks: bool) -> int:
        """It waits, or with `asks` asks, too; its place, 0 where `LIMIT` others wait."""
        place = self._places.get(attachment)
        if place is None:
            if len(self._places) >= LIMIT:
                return 0
            place = self._places[attachment] = _Place(attachment, False, False)
        place.asks = place.asks or asks
        place.queues = place.queues or not asks
        self.show_next()
        return self.place(attachment)

    def remove(self, attachment: Attachment) -> bool:
        """It waits no longer; whether it did. `show_next` is to be called then."""
        if self.asker is attachment:
            self._end_question()
        return self._places.pop(attachment, None) is not None

    def refuse(self) -> None:
        """The holder said no to the one who asks, who waits on only if it did so before."""
        if self.asker is not None:
            place = self._places[self.asker]
            place.asks = False
            if not place.queues:
                del self._places[self.asker]
            self._answered()

    def clear(self) -> list[Attachment]:
        """Nobody waits any longer; who did."""
        waited, self._places = list(self._places), {}
        self._end_question()
        return waited

    def holder_changed(self) -> list[Attachment]:
        """Nobody has asked the new holder: those who had asked wait, and are returned."""
        asked = [each for each in self._places.values() if each.asks]
        for place in asked:
            place.asks, place.queues = False, True
        self._end_question()
        return [place.attachment for place in asked]

    @property
    def is_over(self) -> bool:
        """Whether nothing would be different without it."""
        return not self._places and self._last.left is None

    def close(self) -> None:
        """No timer is left."""
        self._end_question()
        self._last.stop()

    def _end_question(self) -> None:
        self.asker = None
        self._timer.stop()

    def _answered(self) -> None:
        self._end_question()
        self.show_next()

    def show_next(self) -> None:
        """Show the holder the next question, if that is not too soon."""
        if self.asker is not None or self._last.left is not None:
            return
        self.asker = next((each.attachment for each in self._places.values() if each.asks), None)
        if self.asker is None:
            return
        self._last.start(ASK_INTERVAL, self.show_next)
        self.ask_again()

    def ask_again(self) -> None:
        """Show the question once more, if there is one: it may have another time now."""
        self._timer.stop()
        if self.asker is None:
            return
        seconds = self._timeout()
        if seconds:
            self._timer.start(seconds, self._time_is_over)
        self._asked(self.asker)

    def _time_is_over(self) -> None:
        if self.asker is not None:
            self._unanswered(self.asker)
