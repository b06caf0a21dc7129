"""What is done with an alert: a POST of JSON, a program with JSON on its standard input, or a
syslog message. Each raises `Undelivered` where that fails.
"""

import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, DeferredSemaphore

from vspc.alerts.delivery import AlertAction, Undelivered, alert_text
from vspc.alerts.queue import QueuedAlert
from vspc.common.clock import Clock, rfc3339
from vspc.common.text import safe
from vspc.config.alert_settings import AlertSettings
from vspc.config.alerting import WebhookUrl
from vspc.net.children import Child, ChildObserver, start
from vspc.net.connection import (
    Connection,
    counted,
    dialler,
    is_local,
    is_stream,
    local_record,
    record,
    structured,
)
from vspc.net.http_post import PostFailed, post
from vspc.net.waiting import ThreadAnswer, sleep, within

PROGRAMS = 8
"""Programs that run at once, of all alerts."""

PROGRAM_TIME = 30.0
"""Seconds that a program may take."""

PATIENCE = 2.0
"""Seconds between SIGTERM and SIGKILL."""

COMPLAINT = 4096
"""Bytes of a program's standard error that are kept; its last line is told."""

ACKNOWLEDGED = 5.0
"""Seconds in which a syslog server's kernel has to have a message."""

LOOK = 0.05
"""Seconds between two looks whether it has."""

SYSLOG_TEXT = 2048
"""Bytes of a message's text: more does not fit into the datagrams that receivers take."""

ERROR = 3
"""The severity of a message."""

_AGAIN = frozenset({408, 425, 429})
"""Statuses of HTTP, besides those from 500 on, after which the same alert may be taken later."""

HEADERS: Mapping[str, str] = MappingProxyType(
    {"Content-Type": "application/json", "User-Agent": "vspc"}
)


@define(eq=False)
class WebhookAction:
    """A POST to `url`."""

    reactor: Any
    url: WebhookUrl
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ca: Path | None = None

    @property
    def shown(self) -> str:
        """Without what may be secret."""
        return f"webhook {self.url.shown}"

    async def deliver(self, item: QueuedAlert) -> None:
        """2xx: the server has it."""
        headers = {**HEADERS, **dict(self.headers), "X-Alert-Id": item.id}
        try:
            status = await post(self.reactor, self.url.text, item.body, headers, self.ca)
        except PostFailed as error:
            raise Undelivered(str(error)) from None
        if not 200 <= status < 300:
            moved = ", a redirect, which is not followed" if 300 <= status < 400 else ""
            is_refused = status < 500 and status not in _AGAIN
            raise Undelivered(f"the answer is {status}{moved}", is_refused)


class _Output(ChildObserver):
    """Keeps the end of a program's standard error, and waits for its status."""

    def __init__(self) -> None:
        self.exit = Deferred[int]()
        self.is_over = False
        self._errors = b""

    def output(self, data: bytes) -> None:
        """It is not used."""

    def error_output(self, data: bytes) -> None:
        self._errors = (self._errors + data)[-COMPLAINT:]

    def exited(self, status: int) -> None:
        self.is_over = True
        if not self.exit.called:  # nobody waited any more
            self.exit.callback(status)

    @property
    def complaint(self) -> str:
        lines = self._errors.strip().splitlines()
        return f": {safe(lines[-1])}" if lines else ""


StartProgram = Callable[[Any, Sequence[str], ChildObserver], Child]


@define(eq=False)
class CommandAction:
    """A program, run without a shell. `places` is shared by all alerts."""

    reactor: Any
    clock: Clock
    words: tuple[str, ...]
    places: DeferredSemaphore
    start: StartProgram = start

    @property
    def shown(self) -> str:
        """Without its arguments."""
        return f"command {safe(self.words[0])}"

    async def deliver(self, item: QueuedAlert) -> None:
        """Status 0: it is done."""
        await self.places.acquire()
        try:
            await self._run(item)
        finally:
            self.places.release()

    async def _run(self, item: QueuedAlert) -> None:
        output = _Output()
        try:
            child = self.start(self.reactor, self.words, output)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its words are not valid arguments"
            raise Undelivered(f"it cannot be run: {why}") from None
        child.write(item.body + b"\n")
        child.close_input()
        try:
            status = await within(self.clock, PROGRAM_TIME, output.exit)
        except TimeoutError:
            raise Undelivered(f"it took over {PROGRAM_TIME:g} s{output.complaint}", True) from None
        finally:
            if not output.is_over:
                child.end()
                self.clock.call_later(PATIENCE, partial(child.end, force=True))
        if status:
            how = f"signal {-status}" if status < 0 else f"status {status}"
            raise Undelivered(f"it ended with {how}{output.complaint}", True)


@define(eq=False)
class SyslogAction:
    """A message to a syslog server, by a thread; over TCP its kernel must have taken it."""

    settings: AlertSettings
    submit: Callable[[Callable[[], None]], None]
    in_reactor: Callable[[Callable[[], None]], None]
    clock: Clock
    _connection: Connection = field(init=False)

    def __attrs_post_init__(self) -> None:
        target = self.settings.syslog
        assert target is not None
        datagrams = not is_stream(target)
        self._connection = Connection(dialler(target, self.settings, datagrams))

    @property
    def shown(self) -> str:
        """Where to."""
        return f"syslog {safe(str(self.settings.syslog))}"

    async def deliver(self, item: QueuedAlert) -> None:
        """Send it."""
        data = syslog_message(item, self.settings.facility, is_local(str(self.settings.syslog)))
        await self._asked(lambda: self._send(data))
        waited = 0.0
        while await self._asked(self._waiting):
            if waited >= ACKNOWLEDGED:
                await self._asked(self._close)
                raise Undelivered("the server does not acknowledge it")
            await sleep(self.clock, LOOK)
            waited += LOOK

    async def _asked(self, call: Callable[[], str]) -> str:
        answer: ThreadAnswer[tuple[bool, str]] = ThreadAnswer(self.in_reactor)

        def work() -> None:
            try:
                answer.give((True, call()))
            except OSError as error:
                answer.give((False, error.strerror or str(error)))

        self.submit(work)
        done, text = await answer.wait()
        if not done:
            raise Undelivered(text)
        return text

    def _send(self, data: bytes) -> str:
        is_framed = is_stream(str(self.settings.syslog))
        self._connection.send(counted(data) if is_framed else data)
        return ""

    def _waiting(self) -> str:
        is_framed = is_stream(str(self.settings.syslog))
        return "waits" if is_framed and self._connection.waiting() else ""

    def _close(self) -> str:
        self._connection.close()
        return ""


_FACTS = ("id", "alert", "pattern", "offset", "from", "to", "suppressed")


def syslog_message(item: QueuedAlert, facility: int, local: bool = False) -> bytes:
    """One record: who and where as structured data, the line and the lines before it as text. In
    one for the socket of this machine that data follows the text.
    """
    facts = item.facts
    whose = facts["console"]
    data = {key: str(facts[key]) for key in _FACTS}
    data |= {key: str(whose[key]) for key in ("name", "zone", "uuid") if whose[key]}
    before = " / ".join(facts["lines"][:-1])
    text = alert_text(facts) + (f" (before: {before})" if before else "")
    hostname = re.sub(r"[^!-~]", "", socket.gethostname()) or "-"
    shown = text.encode()[:SYSLOG_TEXT].decode("utf-8", "ignore").encode()
    words = structured("alert", data | {"console": whose["id"]})
    if local:
        return local_record(facility, item.at, os.getpid(), shown + f" {words}".encode(), ERROR)
    time = rfc3339(item.at, "microseconds")
    return record(facility, time, hostname, "alert", words, shown, ERROR)


def action_of(
    settings: AlertSettings,
    reactor: Any,
    clock: Clock,
    submit: Callable[[Callable[[], None]], None],
    in_reactor: Callable[[Callable[[], None]], None],
    places: DeferredSemaphore,
) -> AlertAction:
    """What `settings` says."""
    if settings.url is not None:
        headers = () if settings.headers_file is None else settings.headers_file.headers
        return WebhookAction(reactor, settings.url, headers, settings.ca)
    if settings.command is not None:
        return CommandAction(reactor, clock, settings.command.words, places)
    return SyslogAction(settings, submit, in_reactor, clock)
