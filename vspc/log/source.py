"""What a sink reads: which consoles said something, whose they are, and their logs."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Event

from attrs import define, field

from vspc.console.identity import DEFAULT_ZONE
from vspc.console.logs import About, LogView
from vspc.console.names import handle
from vspc.log.cache import Cache
from vspc.log.query import snapshot
from vspc.log.view import View
from vspc.log.writer import LogWriter

PATIENCE = 30.0
"""Seconds that the log's thread may take to answer."""


GATHER = 0.2
"""Seconds in which news are gathered before they are told."""


class NoLog(OSError):
    """There is no log of that console, or the log's thread does not answer."""


@define(eq=False)
class LogSource:
    """One sink's view of all logs of `writer`."""

    writer: LogWriter
    cache: Cache
    _news: set[str] = field(factory=set, init=False)
    _changed: Condition = field(factory=Condition, init=False)
    _woken: bool = field(default=False, init=False)

    # In the log's thread

    def heard(self, consoles: set[bytes]) -> None:
        """Something of those consoles was written."""
        with self._changed:
            self._news |= {console.hex() for console in consoles}
            self._changed.notify()

    # In any thread

    def wake(self) -> None:
        """Let `wait` return at once."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    # In the sink's thread

    def wait(self, timeout: float) -> set[str]:
        """The ids of consoles that have news since the last call; at most `timeout` seconds."""
        with self._changed:
            if self._changed.wait_for(lambda: self._news or self._woken, timeout):
                self._changed.wait_for(lambda: self._woken, GATHER)
            self._woken = False
            news, self._news = self._news, set()
        return news

    def ends(self) -> dict[str, int]:
        """Where each log ends, by its console's id."""
        logs = self.writer.store.chronicles
        found = self._ask(lambda: {log.name: log.end for log in logs.values() if log.spoke})
        return found if isinstance(found, dict) else {}

    def about(self, console_id: str) -> About | None:
        """Whose log it is."""
        console = bytes.fromhex(console_id)

        def look() -> dict[str, object] | None:
            chronicle = self.writer.store.chronicles.get(console)
            return None if chronicle is None else chronicle.facts

        facts = self._ask(look)
        if not isinstance(facts, dict):
            return None
        name, zone = str(facts.get("said_name", "")), str(facts.get("zone", DEFAULT_ZONE))
        label = facts.get("label")
        port = None if label is None else str(label)
        uuid = facts.get("uuid")
        return About(
            console_id,
            handle(zone, name, port),
            name,
            zone,
            None if uuid is None else str(uuid),
            "" if port is None else port,
        )

    @contextmanager
    def kept(self, console_id: str) -> Iterator[LogView]:
        """The log of a console as it is now. Raises OSError."""
        console = bytes.fromhex(console_id)
        view = self._ask(lambda: snapshot(self.writer, self.cache, console))
        if not isinstance(view, View):
            raise NoLog(f"there is no log of {console_id} to be read now")
        yield view

    def _ask(self, question: object) -> object:
        """What `question` returns in the log's thread. Raises `NoLog` if that takes too long."""
        done, answers = Event(), list[object]()

        def answer() -> None:
            try:
                assert callable(question)
                answers.append(question())
            finally:
                done.set()

        self.writer.put(answer)
        if not done.wait(PATIENCE) or not answers:
            raise NoLog("the log's thread does not answer")
        return answers[0]
