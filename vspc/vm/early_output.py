"""Output of a line that has no console yet, until it gets one.

So is what a line sent in quarantine, once that is over. Of a target before COMPLETE, and of a line
that is not identified, nothing is shown before it is clear whose output it is.
"""

from vspc.console.console import Console
from vspc.console.history import History

BUFFER = 64 * 1024
"""Bytes of output that are kept until a line has a console; of the oldest its console has a gap."""

TOO_EARLY = "too much came before the line had its console"
"""Why there is that gap; or of what a line in quarantine sent before what the console has."""


class EarlyOutput:
    """`kept` is what comes behind the first `dropped` bytes, which are gone already.

    `quarantined_at`: when the line sent output last while it was quarantined, in seconds since
    1970, until a console has what it sent there.
    """

    __slots__ = ("dropped", "kept", "quarantined_at")

    def __init__(self) -> None:
        self.kept = bytearray()
        self.dropped = 0
        self.quarantined_at: float | None = None

    def __len__(self) -> int:
        """Bytes that the line has sent, those that are gone included."""
        return self.dropped + len(self.kept)

    def restore(self, kept: bytes, dropped: int, quarantined_at: float | None) -> None:
        """Go on from what another process had."""
        self.kept += kept
        self.dropped, self.quarantined_at = dropped, quarantined_at

    def append(self, data: bytes) -> None:
        """The line sent `data`."""
        self.kept += data
        over = len(self.kept) - BUFFER
        if over > 0:
            self.dropped += over
            del self.kept[:over]

    def append_history(self, history: History, last_output: float | None) -> None:
        """All that the line sent in quarantine, the last of it at `last_output`."""
        self.dropped += history.start
        self.append(history.read(history.start, history.end - history.start))
        self.quarantined_at = last_output

    def drop_older(self, last_output: float | None) -> None:
        """What the line sent in quarantine is dropped if its console has later output, until
        `last_output`: it would be shown in the wrong order.
        """
        last, self.quarantined_at = self.quarantined_at, None
        if last is not None and (last_output or 0) > last:
            self.dropped += len(self.kept)
            self.kept.clear()

    def show_on(self, console: Console) -> None:
        """All of it goes to `console`, the bytes that are gone as a gap."""
        dropped, kept = self.dropped, bytes(self.kept)
        self.clear()
        if dropped:
            console.link.output_lost(dropped, TOO_EARLY)
        if kept:
            console.link.output(kept)

    def clear(self) -> None:
        """Nothing of it is for a console."""
        self.dropped = 0
        self.kept.clear()
