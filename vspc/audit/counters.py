"""Limits that were hit since the server began: `status` has them at a glance, the file in full."""

from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING

from attrs import define, field

from vspc.console.audit import Audit
from vspc.console.session import Fact, Session

if TYPE_CHECKING:
    from vspc.console.console import Console

EVENT = "limit"

NAMES = 64
"""Limits that are told apart: there are fewer."""


@define(eq=False)
class AuditCounters:
    """`vspc.console.audit.Audit` that counts on the way to `audit`. From any thread."""

    audit: Audit
    _counts: Counter[str] = field(factory=Counter, init=False)
    _lock: Lock = field(factory=Lock, init=False)

    def record(
        self,
        event: str,
        session: Session | None = None,
        console: "Console | None" = None,
        **facts: Fact,
    ) -> None:
        """Pass it on."""
        if event == EVENT:
            self._count(str(facts.get("limit", "")))
        self.audit.record(event, session, console, **facts)

    def _count(self, limit: str) -> None:
        with self._lock:
            if limit in self._counts or len(self._counts) < NAMES:
                self._counts[limit] += 1

    @property
    def refuses(self) -> bool:
        """What `audit` says."""
        return self.audit.refuses

    def counted(self) -> Mapping[str, int]:
        """How often each was hit, by name."""
        with self._lock:
            return dict(sorted(self._counts.items()))
