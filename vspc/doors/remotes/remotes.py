"""All remote systems that VMs have asked for: connected while their VM's line is there, and again
after they were lost.
"""

import random
from collections.abc import Callable

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vspc.apps.verbs.context import VerbContext
from vspc.common.addresses import Address, parse_address
from vspc.common.text import safe
from vspc.config.dial_allow import DialAllow, DialRefusal
from vspc.console.console import Console
from vspc.console.events import (
    Connected,
    ConsoleRef,
    Continued,
    Event,
    Introduction,
    Moved,
    PenReleased,
    RefusalKind,
    Replaced,
    VmRefused,
    WentAway,
)
from vspc.console.ports import InThread
from vspc.console.remote import RemoteSystem
from vspc.doors.remotes.bridge import BridgeEvents, RemoteBridge
from vspc.net.backoff import Backoff
from vspc.net.client_tls import ClientTls, TrustSettings
from vspc.net.limits import Refusals, TokenBucket
from vspc.net.outbound import LIMIT, ConnectFailed, Destination, FailureKind, Outbound
from vspc.net.scheduler import Scheduler
from vspc.net.telnet_transport import LineTransport
from vspc.net.tls import TlsError
from vspc.net.waiting import RunningCoroutine, sleep, within
from vspc.vm.lines.plain import DialledTelnetLine, RawLine
from vspc.wire.uri import RemoteUri

MOST = 256
"""Remote systems that are connected, or being connected to, at a time."""

DIALS = 256
"""Connections that may be begun at once; a start may bring as many."""

DIAL_RATE = 8.0
"""Connections a second that may be begun for ever: VMs that come and go make no flood elsewhere."""

LONGEST = 120.0
"""Seconds between two tries at most."""

SETTLED = 30.0
"""Seconds that a connection has to last for the pauses to begin again."""

_log = Logger(namespace="vspc.doors.remotes")


@frozen
class RemoteContext:
    """What all of them share. `allow` is the list in force; `is_own` says whether a listener of
    this server has an address and a port.
    """

    verbs: VerbContext
    outbound: Outbound
    scheduler: Scheduler
    allow: Callable[[], DialAllow]
    is_own: Callable[[Address, int], bool]
    refusals: Refusals
    in_thread: InThread
    full: Callable[[], str] = field(default=lambda: "")


class Remotes:
    """The remote system of each console that has one and a line, by the console's id."""

    def __init__(self, context: RemoteContext) -> None:
        self._context = evolve(context, full=self._full)
        self._links: dict[str, RemoteLink] = {}
        self._dials = TokenBucket(DIAL_RATE, DIALS)

    def _full(self) -> str:
        """Why one more connection cannot be begun now; empty if it can."""
        if sum(link.is_open for link in self._links.values()) >= MOST:
            return f"{MOST} remote systems are connected already, which is the limit"
        if not self._dials.take(self._context.verbs.clock.seconds()):
            return f"more than {DIAL_RATE:g} connections a second are asked for, which is the limit"
        return ""

    EVENTS = (Connected, Continued, Replaced, Moved, WentAway, PenReleased)
    """Those that `handle` needs."""

    def handle(self, event: Event) -> None:
        """For `vspc.console.events.EventBus.subscribe`."""
        match event:
            case Connected(console) | Continued(console) | Replaced(console) if (
                not console.quarantined
            ):
                self._start(console)
            case Moved(console) if console.id not in self._links:  # it had been given up
                self._start(console)
            case WentAway(console, reason):
                self._stop(console.id, f"the VM is away: {reason}")
            case PenReleased(attachment) if attachment.console.id in self._links:
                # Once those who had the pen have been told that it is free.
                link = self._links[attachment.console.id]
                self._context.verbs.clock.call_later(0, link.pen_freed)

    def _start(self, ref: ConsoleRef) -> None:
        self._stop(ref.id, "the VM has another line")
        console = self._context.verbs.roster.get(ref.id)
        if console is not None and console.remote is not None:
            self._links[ref.id] = RemoteLink(self._context, console, console.remote.uri)

    def _stop(self, console_id: str, reason: str) -> None:
        link = self._links.pop(console_id, None)
        if link is not None:
            link.stop(reason)

    def reload(self) -> None:
        """`allow` has changed: connections that it has no longer are closed."""
        for link in list(self._links.values()):
            link.reconsider()

    def close(self, reason: str) -> None:
        """The service ends."""
        for console_id in list(self._links):
            self._stop(console_id, reason)

    def condition(self) -> dict[str, int]:
        """For `status`."""
        connected = sum(link.is_connected for link in self._links.values())
        return {"asked_for": len(self._links), "connected": connected, "limit": MOST}


@define(eq=False)
class RemoteLink:
    """One console's remote system, from the VM's line to its end; connected again and again."""

    _context: RemoteContext
    _console: Console
    _uri: RemoteUri
    is_open: bool = field(default=False, init=False)  # counts for the limit
    _bridge: RemoteBridge | None = field(default=None, init=False)
    _address: str = field(default="", init=False)
    _refusal: DialRefusal | None = field(default=None, init=False)
    _ended: "Deferred[str]" = field(factory=Deferred, init=False)
    # What the VM says while it is connected for the first time is not lost; later output is old.
    _begins: int | None = field(init=False)
    _is_over: bool = field(default=False, init=False)
    _running: RunningCoroutine = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._begins = self._console.history.end
        self._running = RunningCoroutine(self._run())

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection."""
        return self._bridge is not None

    async def _run(self) -> None:
        clock = self._context.verbs.clock
        backoff = Backoff(LONGEST, SETTLED, random.random)
        while not self._is_over:
            reason = await self._connect()
            self._begins = None
            if self._bridge is not None:
                backoff.recover(clock.seconds())
                reason = await self._ended
                self._bridge = None
            self.is_open = False
            if not self._is_over:
                backoff.fail(clock.seconds(), False)
                self._show(f"not connected: {reason}", False)
                await sleep(clock, backoff.retry - clock.seconds())

    async def _connect(self) -> str:
        """Connect once; why that failed."""
        context, uri = self._context, self._uri
        full = context.full()
        if full:
            return full
        self.is_open = True
        self._refusal, self._ended = None, Deferred()
        try:
            tls = await within(context.verbs.clock, LIMIT, self._tls()) if uri.scheme.tls else None
            destination = Destination(uri.host, uri.port)
            await context.outbound.connect(destination, self._build, tls, self._permits)
        except ConnectFailed as error:
            return self._not_allowed() if error.kind is FailureKind.NOT_ALLOWED else str(error)
        except TlsError as error:
            return str(error)
        except (TimeoutError, RuntimeError):
            return "this server has no thread left for TLS"
        return ""

    async def _tls(self) -> ClientTls:
        """How the certificate is verified: for its host, unless the URI says otherwise. Made in a
        thread, because the authorities of the system are read.
        """
        wishes = self._uri.wishes
        settings = TrustSettings(
            thumbprint=wishes.thumbprint or b"",
            peer_name=wishes.peer_name or "",
            ciphers=wishes.ciphers or "",
        )
        return await self._context.in_thread(lambda: ClientTls(settings))

    def _permits(self, address: str) -> bool:
        """The address is checked, and the same is connected to: the name is looked up once."""
        found = parse_address(address)
        version = self._uri.scheme.version
        if found is None or (version and found.version != version):
            return False
        refusal = self._forbidden(address)
        self._refusal = self._refusal or refusal
        return refusal is None

    def _not_allowed(self) -> str:
        """Why none of its addresses may be connected to."""
        if self._refusal is None:
            return f"{self._uri.host} has no IPv{self._uri.scheme.version} address"
        self._report(self._refusal)
        return str(self._refusal)

    def _forbidden(self, address: str) -> DialRefusal | None:
        uri, found = self._uri, parse_address(address)
        is_own = found is not None and self._context.is_own(found, uri.port)
        return self._context.allow().address_refusal(uri.host, uri.port, address, is_own)

    def _report(self, refusal: DialRefusal) -> None:
        """As a VM that is refused, but that the VM's line stays."""
        console, context = self._console, self._context
        address, zone = console.link.last_address, console.vm.zone
        if context.refusals.worth_a_line(address, context.verbs.clock.seconds()):
            _log.warn("remote-refused", console=console.title, id=console.id, reason=str(refusal))
        said = Introduction(console.name, console.vm.uuid or "", console.service_uri)
        context.verbs.roster.publish(
            VmRefused(address, zone, str(refusal), refusal.hint, said, RefusalKind.REMOTE)
        )

    def _build(self, address: str) -> RawLine | LineTransport:
        """A line of vm/lines: turns, NVT, BREAK and backpressure are the same, seen from the other
        end of the VM.
        """
        context, scheme = self._context, self._uri.scheme
        events = BridgeEvents(lambda: self._made(bridge, address), self._speaks_telnet, self._lost)
        bridge = RemoteBridge(context.verbs, self._console, self._uri, events, self._begins)
        now, share = context.verbs.clock.seconds, context.scheduler.share(address)
        share.prove()  # we have asked for what it sends
        if scheme.telnet:
            return LineTransport(
                lambda: DialledTelnetLine(bridge.connected, "", scheme.tls), now, share
            )
        return RawLine(bridge.connected, "", share)

    def _made(self, bridge: RemoteBridge, address: str) -> None:
        self._bridge, self._address = bridge, address
        self._show(f"connected, at {address}", True)

    def _speaks_telnet(self) -> None:
        hint = f"telnet{'s' if self._uri.scheme.tls else ''}://{self._uri.place}"
        self._show(f"connected, at {self._address}, and speaks telnet: {hint} is its URI", True)

    def _lost(self, reason: str) -> None:
        self._ended.callback(reason)

    def _show(self, state: str, is_connected: bool) -> None:
        """Tell those on the console, and the log; the same again is not told."""
        console, before = self._console, self._console.remote
        if before is None or before.state == state:
            return
        wall = self._context.verbs.clock.wall()
        console.remote_changed(
            RemoteSystem(self._uri, safe(state, 600), is_connected, wall, before.unsent)
        )
        event = "remote-connected" if is_connected else "remote-lost"
        _log.info(event, console=console.title, id=console.id, uri=str(self._uri), state=state)

    # From outside

    def pen_freed(self) -> None:
        """It may take the pen."""
        if self._bridge is not None and not self._is_over:
            self._bridge.pen_freed()

    def reconsider(self) -> None:
        """Is it allowed still?"""
        refusal = self._forbidden(self._address) if self._bridge is not None else None
        if self._bridge is not None and refusal is not None:
            self._bridge.close(str(refusal))

    def stop(self, reason: str) -> None:
        """It is not needed any more."""
        self._is_over = True
        if self._bridge is not None:
            self._bridge.close(reason)
        remote = self._console.remote
        if remote is not None and remote.uri == self._uri:
            # Those on the console have been told what has become of the VM.
            self._console.remote = evolve(
                remote, state=f"not connected: {reason}", is_connected=False
            )
        self._running.cancel()
