"""The pages: /metrics, /healthz and /readyz."""

from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred

from vspc.common.worker import WorkerPool
from vspc.doors.metrics.exposition import CONTENT_TYPE, Collected, collect, render
from vspc.doors.metrics.health import problems
from vspc.doors.metrics.http import Page, PageAnswer
from vspc.doors.metrics.sources import MetricSources

FRESH = 1.0
"""Seconds for which the same numbers are given again: a flood of requests costs one scrape."""


class MetricPages:
    """Makes the answers. The numbers are read in the reactor's thread, and become text in one of
    their own, so that neither /proc nor a large text keeps others waiting.
    """

    def __init__(
        self,
        sources: MetricSources,
        in_reactor: Callable[[Callable[[], None]], None],
        failed: Callable[[], None],
    ) -> None:
        """`in_reactor` runs a call in the reactor's thread; `failed`: see `WorkerPool`."""
        self.scrapes = 0
        self._sources = sources
        self._in_reactor = in_reactor
        self._failed = failed
        self._pool = WorkerPool("metrics", failed)
        self._text = b""
        self._made = float("-inf")
        self._is_making = False
        self._waiting: list[Deferred[None]] = []

    @property
    def pages(self) -> Mapping[bytes, Page]:
        """By their paths."""
        return {b"/metrics": self._metrics, b"/healthz": self._health, b"/readyz": self._readiness}

    def close(self) -> None:
        """The server stops."""
        self._pool.close()

    async def _metrics(self) -> PageAnswer:
        self.scrapes += 1
        now = self._sources.clock.seconds()
        if not self._is_making and now >= self._made + FRESH:
            self._pool.submit(self._make, collect(self._sources))
            self._is_making, self._made = True, now
        if self._is_making:
            made: Deferred[None] = Deferred()
            self._waiting.append(made)
            await made
        if not self._text:
            return PageAnswer(500, b"the server's log says what went wrong\n")
        return PageAnswer(200, self._text, CONTENT_TYPE)

    def _make(self, collected: Collected) -> None:
        """In the thread."""
        text = b""
        try:
            text = render(collected)
        except Exception:
            self._failed()
        self._in_reactor(lambda: self._take(text))

    def _take(self, text: bytes) -> None:
        self._text, self._is_making = text, False
        waiting, self._waiting = self._waiting, []
        for made in waiting:
            if not made.called:  # else its client has gone
                made.callback(None)

    async def _health(self) -> PageAnswer:
        return _verdict(list(problems(self._sources)))

    async def _readiness(self) -> PageAnswer:
        why = self._sources.why_not_ready()
        return _verdict([why] if why else [])


def _verdict(wrong: list[str]) -> PageAnswer:
    if wrong:
        return PageAnswer(503, "".join(f"{line}\n" for line in wrong).encode())
    return PageAnswer(200, b"ok\n")
