"""How alerts get to those who are told: one after the other, each until it is there or given up."""

import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import define, field

from vspc.alerts.queue import AlertQueue, QueuedAlert, Report
from vspc.common.clock import Clock
from vspc.common.text import safe
from vspc.net.backoff import Backoff
from vspc.net.waiting import RunningCoroutine, Wakeup, sleep, within

DELIVERY_TIME = 60.0
"""Seconds that one delivery may take."""

LONGEST_PAUSE = 300.0
"""Seconds between two tries, at most."""

TRIES = 5
"""How often an alert is tried that was refused, before the next one has its turn."""

KEPT = 86400.0
"""Seconds for which an alert is tried."""


class Undelivered(Exception):
    """An alert was not delivered; the text is why. `is_refused`: the other side does not take it,
    and may take the next one.
    """

    def __init__(self, why: str, is_refused: bool = False) -> None:
        super().__init__(why)
        self.is_refused = is_refused


class AlertAction(Protocol):
    """What is done with an alert."""

    @property
    def shown(self) -> str:
        """What it is, without secrets."""

    async def deliver(self, item: QueuedAlert) -> None:
        """Raises `Undelivered`; may be cancelled."""


@define(eq=False)
class Delivery:
    """Takes alerts called `name` out of `queue`."""

    name: str
    action: AlertAction
    queue: AlertQueue
    clock: Clock
    report: Report
    failed: Callable[[], None]  # called inside an except block
    jitter: Callable[[], float] = random.random
    delivered: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    problem: str = field(default="", init=False)  # of the last delivery; empty if it succeeded
    _tries: int = field(default=0, init=False)
    _is_stopped: bool = field(default=False, init=False)
    _more: Wakeup = field(init=False)
    _backoff: Backoff = field(init=False)
    _running: RunningCoroutine | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._more = Wakeup(self.clock)
        self._backoff = Backoff(LONGEST_PAUSE, jitter=self.jitter)

    def start(self) -> None:
        """Begin."""
        self._running = RunningCoroutine(self._run())

    def wake(self) -> None:
        """There is an alert more."""
        self._more.set_later()

    def stop(self) -> None:
        """No more; what is under way is cancelled, and tried again by the next process."""
        self._is_stopped = True
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> None:
        while not self._is_stopped:
            item = self.queue.first(self.name)
            if item is None:
                await self._more.wait()
                continue
            now = self.clock.seconds()
            if self._backoff.is_waiting(now):
                await sleep(self.clock, self._backoff.retry - now)
                continue
            await self._try(item)

    async def _try(self, item: QueuedAlert) -> None:
        if self.clock.wall() - item.at > KEPT:
            self._give_up(item, "it is a day old")
            return
        try:
            await within(self.clock, DELIVERY_TIME, self.action.deliver(item))
        except TimeoutError:
            self._failed(item, Undelivered(f"it took over {DELIVERY_TIME:g} s"))
        except Undelivered as error:
            self._failed(item, error)
        except Exception:  # a defect: the next one comes all the same
            self.failed()
            self._failed(item, Undelivered("a defect of the server, which its log has", True))
        else:
            self._succeeded(item)

    def _succeeded(self, item: QueuedAlert) -> None:
        self.queue.done(item)
        self.delivered += 1
        self.problem, self._tries = "", 0
        if self._backoff.failing:
            seconds = round(self._backoff.recover(self.clock.seconds()), 1)
            self.report("alert-delivered-again", {"alert": self.name, "seconds": seconds})

    def _failed(self, item: QueuedAlert, error: Undelivered) -> None:
        if self._is_stopped:
            return  # it was cancelled
        self.failures += 1
        self.problem = safe(str(error))
        facts: dict[str, object] = {"alert": self.name, "to": self.action.shown}
        if self._backoff.fail(self.clock.seconds(), moved=False):
            self.report("alert-not-delivered", {**facts, "why": self.problem})
        self._tries = self._tries + 1 if error.is_refused else 0
        if self._tries >= TRIES:
            self._give_up(item, f"{self.problem}, {TRIES} times")

    def _give_up(self, item: QueuedAlert, why: str) -> None:
        self._tries = 0
        self.queue.dropped[self.name] = self.queue.dropped.get(self.name, 0) + 1
        self.report("alert-dropped", {"alert": self.name, "id": item.id, "why": why})
        self.queue.done(item)


def alert_text(facts: Mapping[str, Any]) -> str:
    """An alert in one line."""
    return f"{facts['console']['handle']}: {facts['line']}"
