"""A console for a program: exact bytes on stdout, everything else on stderr, no escapes.

Lossless or ended: a reader that falls behind what is kept ends with status 1 and both offsets.
"""

from vspc.console.attachment import Refusal
from vspc.verbs.bridge import Bridge
from vspc.verbs.call import DENIED, FAILED, complain


class ExactBridge(Bridge):
    """`raw`, `-W`, and `console` without a terminal."""

    def notice(self, text: str) -> None:
        complain(self.channel, f"[{text}]")

    def lost(self, start: int, end: int) -> None:
        complain(
            self.channel,
            f"[lost {end - start} bytes: offsets {start} to {end} of {self.console.title} are no "
            "longer kept, because they were not read in time]",
        )
        self.leave(FAILED)

    def refused(self, refusal: Refusal, count: int) -> None:
        """A program that may not type must know; a VM that is away may come back."""
        super().refused(refusal, count)
        if refusal in (Refusal.PEN, Refusal.RIGHT):
            self.leave(DENIED)
