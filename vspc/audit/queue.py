"""Events on their way to the audit file. Not for two threads at once: the writer has a lock."""

import json
from collections import deque
from itertools import islice

from attrs import define, field

from vspc.audit.file import Entry

COUNT = 20_000
"""Events that wait."""

BYTES = 16 * 1024 * 1024
"""Bytes of them."""

TOGETHER = 256
"""Events that are written at once."""


@define(eq=False)
class AuditQueue:
    """Over a limit the newest are lost, and counted: an event in their place says how many."""

    count: int = COUNT
    bytes: int = BYTES
    lost: int = field(default=0, init=False)
    _since: str = field(default="", init=False)  # when the first of those was to be written
    _entries: deque[Entry] = field(factory=deque, init=False)
    _size: int = field(default=0, init=False)

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, head: str, tail: str) -> None:
        """One more."""
        size = len(head) + len(tail)
        if len(self._entries) >= self.count or self._size + size > self.bytes:
            if not self.lost:
                self._since = head
            self.lost += 1
            return
        self.tell_lost(head)
        self._add(head, tail)

    def tell_lost(self, head: str) -> None:
        """Put in how many were lost up to now, if any were."""
        if self.lost:
            facts = {"event": "lost", "count": self.lost, **_since(self._since)}
            self.lost = 0
            self._add(head, json.dumps(facts)[1:])

    def _add(self, head: str, tail: str) -> None:
        self._entries.append((head, tail))
        self._size += len(head) + len(tail)

    def first(self) -> list[Entry]:
        """The next ones, which stay for now."""
        return list(islice(self._entries, TOGETHER))

    def done(self, count: int) -> None:
        """As many are written."""
        for _ in range(count):
            head, tail = self._entries.popleft()
            self._size -= len(head) + len(tail)


def _since(head: str) -> dict[str, str]:
    return {"since": json.loads(head + "}")["time"]}
