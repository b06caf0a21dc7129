"""What a VM counts: enough to prove that nothing was lost, doubled or reordered."""

import hashlib
from collections import deque

from attrs import asdict, frozen

REPORTS = 100
"""Migrations that a VM remembers."""


@frozen
class Report:
    """How one vMotion went. Times in milliseconds.

    `outcome` is "moved", "notnow", or "failed", then `reason` says why. `bytes_before_goahead`
    came in between VMOTION-BEGIN and its answer. What came on the source after that answer, or on
    the target before VMOTION-COMPLETE, ought to be 0: a proxy has to hold it back. `credential` is
    what VMOTION-GOAHEAD brought, in hex.
    """

    outcome: str
    reason: str
    source: str
    target: str
    milliseconds: int
    goahead_milliseconds: int
    bytes_before_goahead: int
    bytes_after_goahead: int
    bytes_before_complete: int
    credential: str = ""


class CountedStream:
    """Bytes of one direction: how many, and their SHA-256."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    def add(self, data: bytes) -> None:
        """Bytes that went by."""
        self.size += len(data)
        self._hash.update(data)

    @property
    def sha256(self) -> str:
        """Of all bytes so far, in hex."""
        return self._hash.hexdigest()


class Counters:
    """Of one VM, since it was made: `into` the VM and `out` of it, over all its connections."""

    def __init__(self) -> None:
        self.into = CountedStream()
        self.out = CountedStream()
        self.dropped = 0  # output while no line was up
        self.breaks = 0
        self.lines = 0
        self.moves = 0
        self.reports: deque[Report] = deque(maxlen=REPORTS)

    def moved(self, report: Report) -> None:
        """A migration is over."""
        self.moves += report.outcome == "moved"
        self.reports.append(report)

    def facts(self) -> dict[str, object]:
        """As `stats` prints it."""
        return {
            "bytes_in": self.into.size,
            "sha256_in": self.into.sha256,
            "bytes_out": self.out.size,
            "sha256_out": self.out.sha256,
            "bytes_dropped": self.dropped,
            "breaks": self.breaks,
            "lines": self.lines,
            "moves": self.moves,
            "bytes_before_goahead": sum(r.bytes_before_goahead for r in self.reports),
            "migrations": [asdict(report) for report in self.reports],
        }
