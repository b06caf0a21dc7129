"""Who comes to a console, leaves it, asks for its pen and lays it down: one line for each terminal.

Lines are bounded, however many come and go: what is over is counted, and told together.
"""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from vspc.common.clock import Cancellable, Clock

if TYPE_CHECKING:
    from vspc.console.attachment import Attachment
    from vspc.console.console import Console

BURST = 8
"""Lines that may be told at once."""

INTERVAL = 1.0
"""Seconds after which there may be one more; in it all that is over is counted."""

_MORE = {"attached": "attached", "left": "left", "asked": "asked for the pen"}


class Company:
    """Those on one console, as each other's terminals show them."""

    __slots__ = ("_clock", "_console", "_counted_at", "_lines", "_more", "_timer")

    def __init__(self, console: "Console", clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._lines = float(BURST)
        self._counted_at = clock.seconds()
        self._more: Counter[str] = Counter()
        self._timer: Cancellable | None = None

    def came(self, attachment: "Attachment") -> None:
        """`attachment` is new."""

        def text(viewer: "Attachment") -> str:
            return viewer.session.about(attachment.session, "attached", "attached")

        self._tell("attached", text, attachment)

    def left(self, attachment: "Attachment", pen_is_free: bool) -> None:
        """`attachment` has gone, and laid down its pen if it had it."""
        behind = "; the pen is free" if pen_is_free else ""

        def text(viewer: "Attachment") -> str:
            return viewer.session.about(attachment.session, "left", "left") + behind

        self._tell("left", text, attachment)

    def asks(self, attachment: "Attachment", holder: "Attachment") -> None:
        """`attachment` wants the pen that `holder` has."""
        if not holder.is_terminal:
            return
        if self._may("asked"):
            asks = holder.session.about(attachment.session, "asks", "ask")
            holder.notice(f"{asks} for the pen", ("s", "; {} lays it down"))

    def pen_is_free(self, former: "Attachment", why: str, yours: str) -> None:
        """`former` has it no longer; `why` goes on from its name, `yours` from a "you", which
        `former` itself is told; empty: it knows.
        """

        def text(viewer: "Attachment") -> str:
            if viewer is former:
                return f"the pen is free: you {yours}"
            return f"the pen is free: {viewer.session.about(former.session, why, yours or why)}"

        self._tell("freed", text, None if yours else former)

    def _tell(
        self, kind: str, text: Callable[["Attachment"], str], but: "Attachment | None"
    ) -> None:
        viewers = [each for each in self._console.attachments if each.is_terminal]
        if viewers and viewers != [but] and self._may(kind):
            for viewer in viewers:
                if viewer is not but:
                    viewer.notice(text(viewer))

    def _may(self, kind: str) -> bool:
        """Whether one more line may be told; if not it is counted."""
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
        words = [f"{more[kind]} more {does}" for kind, does in _MORE.items() if more[kind]]
        if more["freed"] or more["left"]:
            words += ["the pen is free"] if self._console.pen is None else []
        for viewer in self._console.attachments:
            if viewer.is_terminal and words:
                viewer.notice(", ".join(words))

    def close(self) -> None:
        """Nobody is there to be told."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
