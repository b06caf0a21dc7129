"""Consoles that the server connects to: one `Dialler` for each waits until a connection is needed,
makes it, waits until it is over, and tries again.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from enum import Enum

from attrs import frozen
from twisted.internet.defer import CancelledError
from twisted.internet.protocol import Protocol

from vspc.common.text import safe
from vspc.config.dialling import DialledEntry
from vspc.console.console import Console
from vspc.console.events import (
    Attached,
    Connected,
    Continued,
    Detached,
    Event,
    EventBus,
    WentAway,
)
from vspc.console.identity import PLAIN, Claim, Provenance
from vspc.console.ports import Line
from vspc.net.backoff import Backoff
from vspc.net.client_tls import ClientTls, TrustSettings
from vspc.net.outbound import ConnectFailed, Destination, FailureKind, Outbound
from vspc.net.telnet_transport import LineTransport
from vspc.net.waiting import RunningCoroutine, Wakeup
from vspc.vm.dialled import DialledObserver, LineWatcher
from vspc.vm.lines.plain import DialledTelnetLine, RawLine
from vspc.vm.lines.rfc2217 import Rfc2217Line
from vspc.vm.ports import LineObserver, VmLine
from vspc.vm.roles import LineEvent
from vspc.vm.server import LineServer
from vspc.wire.uri import Scheme

LONGEST = 120.0
"""Seconds between two attempts at most; the first pause is 1 s, each one twice the one before."""

SETTLED = 10.0
"""Seconds that a connection has to last for the pauses to begin with 1 s again."""

HURRY = 5.0
"""Seconds after an attempt from which somebody who attaches need not wait for the next one."""

HANG_UP = 10.0
"""Seconds after the last attachment has left until a connection for attachments is closed."""

REASON = 200
"""Characters of a reason."""

CHANGED = "its entry in the configuration has changed"
GONE = "it is no longer in the configuration"

NOT_NEEDED = "connected when somebody attaches"

FULL = "no listener, or all of its connections in use"
"""What a refused connection may mean: device servers refuse the ninth reader of a port."""


class DialState(Enum):
    """What a dialler does."""

    IDLE = "idle"  # nobody needs the connection
    CONNECTING = "connecting"
    CONNECTED = "connected"
    WAITING = "waiting"  # for the next attempt


@frozen(eq=False)
class DialContext:
    """What all diallers share. `jitter` gives numbers from 0 to 1."""

    server: LineServer
    outbound: Outbound
    jitter: Callable[[], float] = random.random


Plan = tuple[DialledEntry, ClientTls | None]
"""A console to connect to, and its TLS."""


class Dialler:
    """Keeps the line of one console. `state` is what it does now."""

    def __init__(self, context: DialContext, plan: Plan, console: Console) -> None:
        self._context = context
        self._clock = context.server.clock
        self._log = context.server.context.log
        self.entry, self._tls = plan
        self.console = console
        self.state = DialState.IDLE
        self._changed = Wakeup(self._clock)
        self._backoff = Backoff(LONGEST, SETTLED, context.jitter)
        self._due = 0.0  # when the next attempt may be made
        self._tried = float("-inf")
        if console.dial_uri not in ("", self.entry.uri):
            self._context.server.context.send(console.link.line, LineEvent.ENDED, CHANGED)
        # One that an earlier process has connected has no `DialledObserver`.
        self._line: Line | None = console.link.line
        self._is_adopted = self._line is not None
        if self._is_adopted:
            self.state = DialState.CONNECTED
        self._logged = ""  # the reason that the log has
        console.dial_uri = self.entry.uri
        context.server.roster.settle(console)
        context.server.roster.changes.console(console.id)
        self._running = RunningCoroutine(self._run())

    # What changes from outside

    def stop(self) -> None:
        """Connect no more; what is connected stays."""
        self._running.cancel()

    def update(self, plan: Plan) -> None:
        """The configuration was read again."""
        before = self.entry
        self.entry, self._tls = plan  # files of TLS may be others though their names are the same
        if self.entry == before:
            return
        self.console.dial_uri = self.entry.uri
        # What is accepted from now on is what the new entry says.
        self.console.link.provenance = Provenance.PLAIN
        self._running.cancel()
        self._hang_up(CHANGED)
        self._backoff = Backoff(LONGEST, SETTLED, self._context.jitter)
        self._due, self._logged = 0.0, ""
        self._running = RunningCoroutine(self._run())

    def look(self, attached: bool) -> None:
        """Its console has another line, or other attachments; `attached`: one more of these."""
        if attached:
            self._due = min(self._due, max(self._clock.seconds(), self._tried + HURRY))
        if self._is_adopted and self.console.link.line is None:
            self._is_adopted = False
            self._lost("")
        self._changed.set_later()

    # One after another

    async def _run(self) -> None:
        await self._until_over()
        while True:
            await self._until_due()
            if await self._connect():
                await self._until_over()

    @property
    def _is_needed(self) -> bool:
        return self.entry.when == "always" or bool(self.console.attachments)

    async def _until_due(self) -> None:
        """Until a connection is needed, and may be tried."""
        while True:
            wait: float | None = None
            if self.console.link.line is not None:
                self.state = DialState.CONNECTED
            elif not self._is_needed:
                self.state = DialState.IDLE
                self.console.link.stay_away(NOT_NEEDED)
            else:
                wait = self._due - self._clock.seconds()
                if wait <= 0:
                    return
                self.state = DialState.WAITING
                self.console.link.next_try = self._clock.wall() + wait
            await self._changed.wait(wait)

    async def _connect(self) -> bool:
        self.state = DialState.CONNECTING
        self._tried = self._clock.seconds()
        link, remote = self.console.link, self.entry.remote
        link.next_try = None
        if link.away_reason in ("", NOT_NEEDED):
            link.away_reason = f"connecting to {self.entry.uri}"
        path = self.entry.path
        destination = Destination(remote.host, remote.port) if remote else Destination(path)
        try:
            await self._context.outbound.connect(destination, self._build, self._tls)
        except CancelledError:
            raise
        except ConnectFailed as error:
            hint = f" ({FULL})" if remote and error.kind is FailureKind.REFUSED else ""
            self._fail(f"{error}{hint}")
            return False
        except Exception:
            self._log.failure("dial-defect", console=self.console.title)
            self._fail("internal error; the server's log has it")
            return False
        self.state = DialState.CONNECTED
        self._backoff.recover(self._clock.seconds())
        return True

    async def _until_over(self) -> None:
        while self._line is not None:
            if self._is_needed:
                await self._changed.wait()
            elif not await self._changed.wait(HANG_UP):
                self._hang_up("nobody is attached any more")

    def _fail(self, reason: str) -> None:
        reason = safe(reason, REASON)
        self._pause()
        self.console.link.stay_away(reason)
        if reason != self._logged:
            self._logged = reason
            self._log.warn("dial-failed", console=self.console.title, reason=reason)

    def _pause(self) -> None:
        """The next attempt comes later each time."""
        self._backoff.fail(self._clock.seconds(), False)
        self._due = self._backoff.retry

    def _hang_up(self, reason: str) -> None:
        self._context.server.context.send(self._line, LineEvent.ENDED, reason)

    # The line

    def _build(self, address: str) -> Protocol:
        server, scheme = self._context.server, self.entry.scheme
        share = server.scheduler.share(address)
        if scheme is None or not scheme.telnet:
            return RawLine(self._observe, self.entry.name, share)
        return LineTransport(self._telnet_line, server.clock.seconds, share)

    def _telnet_line(self) -> DialledTelnetLine:
        name, scheme = self.entry.name, self.entry.scheme
        if scheme is Scheme.RFC2217:
            return Rfc2217Line(self._observe, name, self.entry.wishes, self._clock, self._remark)
        return DialledTelnetLine(self._observe, name, scheme is Scheme.TELNETS)

    def _observe(self, line: VmLine) -> LineObserver:
        self._line = line
        self._logged = ""
        session = self._context.server.arrive(line)
        watcher = LineWatcher(self.entry, self._clock.seconds)
        return DialledObserver(session, watcher, self._remark, self._lost)

    def _remark(self, what: str) -> None:
        self.console.link.remark_on(what)
        refusals = self._context.server.refusals
        if what and refusals.worth_a_line(self.entry.uri, self._clock.seconds()):
            self._log.warn("dial-mismatch", console=self.console.title, reason=what)

    def _lost(self, reason: str) -> None:
        """The line is over, and its console away."""
        self._line = None
        self._pause()
        self._changed.set_later()


class Diallers:
    """All of them, by the names of their consoles."""

    def __init__(self, context: DialContext, bus: EventBus) -> None:
        self._context = context
        self._diallers: dict[str, Dialler] = {}
        self._by_console: dict[str, Dialler] = {}
        self._unsubscribe = bus.subscribe(
            self._on_event, Attached, Detached, Connected, Continued, WentAway
        )

    @staticmethod
    def prepare(entries: Iterable[DialledEntry]) -> list[Plan]:
        """`entries` with their TLS, whose files are read. Raises `TlsError`."""
        made: dict[TrustSettings, ClientTls] = {}
        plans = list[Plan]()
        for entry in entries:
            tls = None
            if entry.scheme is not None and entry.scheme.tls:
                trust = TrustSettings(
                    entry.ca,
                    entry.thumbprint,
                    certificate=entry.certificate,
                    private_key=entry.private_key,
                )
                tls = made[trust] = made.get(trust) or ClientTls(trust)
            plans.append((entry, tls))
        return plans

    def apply(self, plans: Iterable[Plan]) -> None:
        """These and no others: new ones begin, changed ones connect anew, the rest ends."""
        wanted = {plan[0].name: plan for plan in plans}
        for name in self._diallers.keys() - wanted.keys():
            dialler = self._diallers.pop(name)
            del self._by_console[dialler.console.id]
            dialler.stop()
        for name, plan in wanted.items():
            known = self._diallers.get(name)
            if known is not None:
                known.update(plan)
                continue
            console = self._console(name)
            dialler = Dialler(self._context, plan, console)
            self._diallers[name] = self._by_console[console.id] = dialler
        for console in list(self._context.server.roster):
            if console.dial_uri and console.id not in self._by_console:
                self._release(console)

    def _release(self, console: Console) -> None:
        """`console` is not in the configuration any more, now or since an earlier process: it goes
        as any other.
        """
        server = self._context.server
        server.context.send(console.link.line, LineEvent.ENDED, GONE)
        console.dial_uri = ""
        if console.link.line is None:
            console.link.stay_away(GONE)
        server.roster.settle(console)
        server.roster.changes.console(console.id)

    def _console(self, name: str) -> Console:
        server = self._context.server
        claim = Claim(server.zone.name, None, PLAIN, name, "")
        known = server.roster.ports(claim)
        return known[0] if known else server.roster.open(claim)

    def stop(self) -> None:
        """Connect no more; what is connected stays, until the lines of the server are closed."""
        self._unsubscribe()
        for dialler in self._diallers.values():
            dialler.stop()

    def condition(self) -> Mapping[str, int]:
        """For `status`: how many there are, and how many in which state."""
        states = [dialler.state for dialler in self._diallers.values()]
        counts = {state.value: states.count(state) for state in DialState}
        return {"all": len(states), **counts}

    def _on_event(self, event: Event) -> None:
        match event:
            case Attached(attachment) | Detached(attachment):
                found = self._by_console.get(attachment.console.id)
            case Connected(console) | Continued(console) | WentAway(console):
                found = self._by_console.get(console.id)
            case _:
                return
        if found is not None:
            found.look(isinstance(event, Attached))
