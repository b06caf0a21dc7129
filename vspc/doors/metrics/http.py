"""HTTP as far as it is needed here: GET and HEAD of a few paths, one request a connection."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request

from vspc.common.clock import Cancellable, cancel
from vspc.net.limits import Allow
from vspc.net.waiting import RunningCoroutine

CONNECTIONS = 32
"""Connections at once. One more takes the place of the oldest whose request is not complete; if all
wait for their answers, it is closed.
"""

REQUEST_BYTES = 16 * 1024
"""Bytes of a request, its headers included; a connection that sends more is closed."""

CONNECTION_SECONDS = 10.0
"""Seconds for which a connection lasts at most, whatever is sent or not read on it."""

TEXT = "text/plain; charset=utf-8"


@frozen
class PageAnswer:
    """`status` as HTTP has it, with a body."""

    status: int
    body: bytes
    content_type: str = TEXT


Page = Callable[[], Awaitable[PageAnswer]]
"""Makes the answer to a request of one path."""


class _PageRequest(Request):
    """One request."""

    channel: Any

    def __init__(self, channel: Any, _before: int = 0) -> None:
        super().__init__(channel, parsePOSTFormSubmission=False)  # no forms

    def process(self) -> None:
        """All of it is there."""
        channel = self.channel
        channel.asked = True
        pages: Mapping[bytes, Page] = channel.site.pages
        if self.method not in (b"GET", b"HEAD"):
            self.setHeader(b"allow", b"GET, HEAD")  # type: ignore[no-untyped-call]
            self._answer(PageAnswer(405, b"GET and HEAD are allowed\n"))
            return
        page = pages.get(self.path)
        if page is None:
            there = ", ".join(path.decode() for path in pages)
            self._answer(PageAnswer(404, f"there are {there}\n".encode()))
        else:
            channel.running = RunningCoroutine(self._make(page, channel.site.failed))

    async def _make(self, page: Page, failed: Callable[[], None]) -> None:
        try:
            answer = await page()
        except CancelledError:
            return
        except Exception:
            failed()
            answer = PageAnswer(500, b"the server's log says what went wrong\n")
        self._answer(answer)

    def _answer(self, answer: PageAnswer) -> None:
        self.setResponseCode(answer.status)
        self.setHeader(b"content-type", answer.content_type.encode())  # type: ignore[no-untyped-call]
        self.setHeader(b"content-length", b"%d" % len(answer.body))  # type: ignore[no-untyped-call]
        self.setHeader(b"cache-control", b"no-store")  # type: ignore[no-untyped-call]
        if self.method != b"HEAD":
            self.write(answer.body)  # type: ignore[no-untyped-call]
        self.finish()  # type: ignore[no-untyped-call]


class _PageChannel(HTTPChannel):
    """One connection: one request, within limits."""

    requestFactory: Any = _PageRequest
    totalHeadersSize = REQUEST_BYTES
    timeOut = None  # the connection as a whole has a time limit
    transport: Any

    def __init__(self, site: "PageSite") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.site = site
        self.asked = False  # its request is complete
        self.running: RunningCoroutine | None = None
        self._received = 0
        self._deadline: Cancellable | None = None

    def connectionMade(self) -> None:
        self.site.entered(self)
        self._deadline = self.site.later(CONNECTION_SECONDS, self._abort)
        super().connectionMade()  # type: ignore[no-untyped-call]

    def _abort(self) -> None:
        self._deadline = None
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > REQUEST_BYTES:
            self.transport.abortConnection()
        else:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """Every connection is for one request."""
        request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return False

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        cancel(self._deadline)
        self._deadline = None
        if self.running is not None:
            self.running.cancel()
        self.site.left(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """Close it at once."""
        self.transport.abortConnection()


@define(eq=False)
class PageSite(Factory):
    """Answers requests for `pages` from hosts that `allow()` has. `failed` is called inside an
    except block.
    """

    noisy = False

    pages: Mapping[bytes, Page]
    allow: Callable[[], Allow]
    later: Callable[[float, Callable[[], None]], Cancellable]
    refused: Callable[[str], None]
    failed: Callable[[], None]
    _open: dict[_PageChannel, None] = field(factory=dict, init=False)

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        host = str(getattr(addr, "host", "unix"))
        if not self.allow().permits(host):
            self.refused(host)
            return None
        return _PageChannel(self) if self._has_place() else None

    def _has_place(self) -> bool:
        """Whether one more may come: half a request keeps nobody away who asks for health."""
        if len(self._open) < CONNECTIONS:
            return True
        unasked = next((each for each in self._open if not each.asked), None)
        if unasked is None:
            return False
        self.left(unasked)
        unasked.end()
        return True

    def log(self, request: Request) -> None:
        """Requests are not logged."""

    def entered(self, channel: _PageChannel) -> None:
        """A connection."""
        self._open[channel] = None

    def left(self, channel: _PageChannel) -> None:
        """It is closed."""
        self._open.pop(channel, None)

    def close(self) -> None:
        """Close all connections."""
        for channel in list(self._open):
            channel.end()
