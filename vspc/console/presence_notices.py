"""What terminals on a console are told of its other attachments and of the pen."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from vspc.common.clock import Cancellable, Clock, cancel
from vspc.console.attachment import Attachment
from vspc.console.notices import Notice, NoticeKind

BURST = 8
"""Lines about other attachments that may be shown at once."""

INTERVAL = 1.0
"""Seconds after which there may be one more; in it all that is over is counted."""

_MORE: Mapping[NoticeKind, str] = MappingProxyType(
    {
        NoticeKind.ATTACHED: "attached",
        NoticeKind.LEFT: "left",
        NoticeKind.PEN_WAITED: "asked for the pen",
    }
)

_ABOUT_PEN = (
    NoticeKind.PEN_FREE,
    NoticeKind.LEFT,
    NoticeKind.PEN_PASSED,
    NoticeKind.PEN_LOCKED,
    NoticeKind.PEN_UNLOCKED,
)
"""Kinds after which, when they were too many, terminals are told how it is with the pen now."""


class PresenceNotices:
    """One line for each attachment that comes, leaves, waits for the pen, gets it or lays it down.

    Lines are bounded (`BURST`, `INTERVAL`), however many come and go: what is over is counted, and
    told together. `pen_state` says how it is with the pen: "the pen is free".
    """

    __slots__ = (
        "_attachments",
        "_clock",
        "_counted_at",
        "_is_told_free",
        "_lines",
        "_more",
        "_pen_state",
        "_timer",
    )

    def __init__(
        self, attachments: Iterable[Attachment], clock: Clock, pen_state: Callable[[], str]
    ) -> None:
        self._attachments = attachments
        self._clock = clock
        self._pen_state = pen_state
        self._lines = float(BURST)
        self._counted_at = clock.seconds()
        self._more: Counter[NoticeKind] = Counter()
        self._timer: Cancellable | None = None
        self._is_told_free = False  # whether terminals were told that the pen is free

    def attached(self, attachment: Attachment) -> None:
        """`attachment` is new."""

        def notice(viewer: Attachment) -> Notice:
            who = viewer.session.about(attachment.session, "attached", "attached")
            return NoticeKind.ATTACHED.notice(who=who)

        self._tell(NoticeKind.ATTACHED, notice, attachment)

    def left(self, attachment: Attachment, freed: bool, state: str) -> None:
        """`attachment` has gone; `freed`: it had the pen, and how it is with that now."""
        pen = f"; {state}" if freed else ""

        def notice(viewer: Attachment) -> Notice:
            who = viewer.session.about(attachment.session, "left", "left")
            return NoticeKind.LEFT.notice(who=who, pen=pen)

        self._is_told_free = self._is_told_free or freed
        self._tell(NoticeKind.LEFT, notice, attachment)

    def pen_wanted(self, by: Attachment, holder: Attachment, waits: bool = False) -> None:
        """`by` would have the pen that `holder` has, and `waits` for it or was refused."""
        if holder.is_terminal and self._may(NoticeKind.PEN_WAITED):
            does = ("waits", "wait") if waits else ("asks", "ask")
            who = holder.session.about(by.session, *does)
            holder.show(NoticeKind.PEN_WAITED.notice(("s", "; {} lays it down"), who=who))

    def pen_freed(self, former: Attachment, why: str, yours: str) -> None:
        """`former` has it no longer; `why` follows its name, `yours` follows a "you", which
        `former` itself is told in any case, unless it is empty.
        """

        def notice(viewer: Attachment) -> Notice:
            who = viewer.session.about(former.session, why, yours or why)
            return NoticeKind.PEN_FREE.notice(who=who)

        self._is_told_free = True
        if yours and former.is_terminal:
            former.show(NoticeKind.PEN_FREE.notice(who=f"you {yours}"))
        self._tell(NoticeKind.PEN_FREE, notice, former)

    def pen_taken(self, by: Attachment) -> None:
        """`by` has it, which was free: those are told who were told that it is free."""
        if self._is_told_free:
            self._is_told_free = False
            self.pen_passed(by, "the pen", ())

    def pen_passed(self, to: Attachment, what: str, told: Iterable[Attachment]) -> None:
        """`to` has it now; `what` follows its name and "has". `told` know it, and so does `to`."""

        def notice(viewer: Attachment) -> Notice:
            has = viewer.session.about(to.session, f"has {what}", f"have {what}")
            return NoticeKind.PEN_PASSED.notice(has=has)

        self._is_told_free = False
        self._tell(NoticeKind.PEN_PASSED, notice, to, *told)

    def locked(self, text: Callable[[Attachment], str]) -> None:
        """A lock or lease has begun: `text` is what a terminal is told."""
        kind = NoticeKind.PEN_LOCKED
        self._tell(kind, lambda viewer: kind.notice(locked=text(viewer)))

    def unlocked(self, text: Callable[[Attachment], str], *told: Attachment) -> None:
        """It has ended; `told` know it."""
        kind = NoticeKind.PEN_UNLOCKED
        self._tell(kind, lambda viewer: kind.notice(over=text(viewer)), *told)

    def _tell(
        self, kind: NoticeKind, notice: Callable[[Attachment], Notice], *except_for: Attachment
    ) -> None:
        def sees(viewer: Attachment) -> bool:
            return viewer.is_terminal and viewer not in except_for

        # Most of a storm is only counted: the list of thousands is not made for each.
        if any(map(sees, self._attachments)) and self._may(kind):
            for viewer in filter(sees, self._attachments):
                viewer.show(notice(viewer))

    def _may(self, kind: NoticeKind) -> bool:
        """Whether one more line may be shown; if not it is counted."""
        now = self._clock.seconds()
        self._lines = min(BURST, self._lines + (now - self._counted_at) / INTERVAL)
        self._counted_at = now
        if self._lines >= 1 and not self._more:
            self._lines -= 1
            return True
        self._more[kind] += 1
        if self._timer is None:
            self._timer = self._clock.call_later(INTERVAL, self._tell_more)
        return False

    def _tell_more(self) -> None:
        self._timer = None
        self._counted_at, self._lines = self._clock.seconds(), 0.0
        more, self._more = self._more, Counter()
        counts = [f"{more[kind]} more {does}" for kind, does in _MORE.items() if more[kind]]
        if any(more[kind] for kind in _ABOUT_PEN):
            counts.append(self._pen_state())
        for viewer in self._attachments:
            if viewer.is_terminal and counts:
                viewer.show(NoticeKind.MORE.notice(counts=", ".join(counts)))

    @property
    def is_behind(self) -> bool:
        """Whether there is more to tell, together, when `INTERVAL` is over."""
        return bool(self._more)

    def close(self) -> None:
        """The last attachment has left."""
        cancel(self._timer)
