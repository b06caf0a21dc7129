"""What was recorded, for verbs: `vspc.console.audit.Trail`. Threads read, the reactor answers."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from vspc.audit.file import Tell
from vspc.audit.files import read
from vspc.audit.refusals import RecentRefusals
from vspc.audit.schema import EVENTS
from vspc.console.audit import AuditPage, AuditPosition, AuditQuery, TurnedAway
from vspc.net.readers import Readers

ASKING = 64
"""Questions that wait for an answer."""

WAITING = 256
"""How many may follow the file at once."""


@define(eq=False)
class Asked:
    """A question on its way, or somebody who waits for more."""

    answer: Callable[..., Any]
    over: bool = False

    def cancel(self) -> None:
        """The answer is not wanted any more."""
        self.over = True

    def active(self) -> bool:
        """Whether it is still to come."""
        return not self.over


@define(eq=False)
class FileAuditReader:
    """`in_reactor` calls something in the reactor's thread; `reader` is threads."""

    path: Path
    refused: RecentRefusals
    tell: Tell
    in_reactor: Callable[[Callable[[], None]], None]
    reader: Readers
    _asked: dict[Asked, None] = field(factory=dict, init=False)
    _waiting: dict[Asked, None] = field(factory=dict, init=False)
    _writes: int = field(default=0, init=False)

    # In the reactor's thread

    def ask(
        self,
        sought: AuditQuery,
        place: AuditPosition | None,
        answer: Callable[[AuditPage | None], Any],
    ) -> Asked | None:
        """Read on, as the port says."""
        # Who has gone counts until a thread has seen it: where the disk stands still they wait.
        if len(self._asked) >= ASKING:
            return None
        asked = Asked(answer)
        self._asked[asked] = None
        try:
            self.reader.submit(self._read, asked, sought, place)
        except RuntimeError:  # the system has no thread for it
            del self._asked[asked]
            return None
        return asked

    def wait(self, page: AuditPage, call: Callable[[], None]) -> Asked | None:
        """`call` once, when there is more than `page` has."""
        for gone in [one for one in self._waiting if one.over]:
            del self._waiting[gone]
        if len(self._waiting) >= WAITING:
            return None
        waiting = Asked(call)
        self._waiting[waiting] = None
        if self._writes != page.writes:  # since it was read
            self.in_reactor(self._news)
        return waiting

    def turned_away(self) -> Sequence[TurnedAway]:
        """What was refused lately."""
        return self.refused.latest()

    def events(self) -> Collection[str]:
        """The names of all there are."""
        return EVENTS

    def _answer(self, asked: Asked, page: AuditPage | None) -> None:
        self._asked.pop(asked, None)
        if not asked.over:
            asked.over = True
            asked.answer(page)

    def _news(self) -> None:
        for one in list(self._waiting):  # who raises leaves the others where they are
            self._waiting.pop(one, None)
            if not one.over:
                one.over = True
                one.answer()

    def close(self) -> None:
        """Nobody is answered any more."""
        for one in (*self._asked, *self._waiting):
            one.cancel()
        self._asked.clear()
        self._waiting.clear()
        self.reader.close()

    # In a reader's thread

    def _read(self, asked: Asked, sought: AuditQuery, place: AuditPosition | None) -> None:
        page = None
        try:
            writes = self._writes
            if not asked.over:
                page = evolve(read(self.path, sought, place), writes=writes)
        except OSError as error:
            self.tell("audit-unreadable", {"error": error.strerror or str(error)})
        finally:
            self.in_reactor(lambda: self._answer(asked, page))

    # In the writer's thread

    def written(self, lines: Sequence[bytes]) -> None:
        """The file has more."""
        self._writes += len(lines)
        if self._waiting:
            self.in_reactor(self._news)
