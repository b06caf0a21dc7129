"""A console for a program: exact bytes on stdout, everything else on stderr, no escapes.

Lossless or ended: a reader that falls behind what is kept ends with status 1 and both offsets, and
so does everybody when the VM's host changes without a vMotion: a program cannot ask for the pen.
"""

from vspc.console.attachment import Refusal
from vspc.verbs.bridge import Bridge
from vspc.verbs.call import DENIED, FAILED, complain
from vspc.verbs.describe import cautions


class ExactBridge(Bridge):
    """`raw`, `-W`, and `console` without a terminal."""

    def begin(self) -> None:
        """Cautions on stderr, then what is said from now on."""
        for caution in cautions(self.call.world, self.console):
            self.notice(caution)
        super().begin()

    def notice(self, text: str) -> None:
        complain(self.channel, f"[{text}]")

    def lost(self, start: int, end: int) -> None:
        complain(
            self.channel,
            f"[lost {end - start} bytes: offsets {start} to {end} of {self.console.title} are no "
            "longer kept]",
        )
        self.leave(FAILED)

    def host_changed(self, old: str, new: str) -> None:
        title = self.console.title
        self.attachment.end(f"{title}: ended, because its host changed; to go on, connect again")

    def refused(self, refusal: Refusal, count: int, breaks: int = 0) -> None:
        """A program that may not type must know; a VM that is away may come back."""
        super().refused(refusal, count, breaks)
        if refusal in (Refusal.PEN, Refusal.RIGHT, Refusal.READ_ONLY):
            self.leave(DENIED)
