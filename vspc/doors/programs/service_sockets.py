"""Sockets that VMs ask for: where a port's direction is server, its service URI may name one,
such as `telnet://:2001`, which ESXi itself would open if there were no concentrator.
"""

from collections.abc import Callable, Collection, Iterator

from twisted.logger import Logger

from vspc.common.clock import Clock
from vspc.config.vm_settings import ServiceSocketSettings, SocketSettings
from vspc.console.console import Console
from vspc.console.events import Appeared, Connected, Continued, Event, Forgotten, Replaced
from vspc.console.roster import Roster
from vspc.doors.programs.listener import SocketError
from vspc.wire.uri import Scheme, socket_of

_log = Logger(namespace="vspc.doors.programs")


class ServiceSockets:
    """Which console has which port: the first that asked for it, until it is forgotten or asks for
    another. `settings` is None while such URIs are ignored; `serve` opens exactly what it gets, and
    raises `SocketError`.
    """

    def __init__(
        self,
        roster: Roster,
        clock: Clock,
        settings: Callable[[], ServiceSocketSettings | None],
        serve: Callable[[tuple[SocketSettings, ...]], object],
    ) -> None:
        self._roster = roster
        self._clock = clock
        self._settings = settings
        self._serve = serve
        self._served: dict[int, SocketSettings] = {}  # by port
        self._told: dict[str, tuple[int, str]] = {}  # by console, while it is there
        self._is_due = False

    EVENTS = (Appeared, Connected, Continued, Replaced, Forgotten)
    """Those after which a console may get a socket, or lose it."""

    def on_event(self, event: Event) -> None:
        """For `vspc.console.events.EventBus.subscribe`."""
        if not self._is_due and isinstance(event, self.EVENTS):
            if self._settings() is None and not self._served:
                return
            self._clock.call_later(0, self._update_now)
            self._is_due = True

    def _update_now(self) -> None:
        self._is_due = False
        self.update()

    def wanted(self) -> Collection[SocketSettings]:
        """Those that `update` would open."""
        return self._wanted().values()

    def update(self) -> None:
        """Open and close what is to be; call it after a reload, too."""
        wanted = self._wanted()
        if wanted == self._served:
            return
        try:
            self._open(wanted)
        except SocketError:  # of many it is not known which
            kept = {port: each for port, each in wanted.items() if self._served.get(port) == each}
            self._open(kept)
            for port in wanted.keys() - kept.keys():
                self._open_one(port, wanted[port])

    def _open(self, wanted: dict[int, SocketSettings]) -> None:
        self._serve(tuple(wanted.values()))
        self._served = wanted

    def _open_one(self, port: int, socket: SocketSettings) -> None:
        console = self._roster.get(socket.console or "")
        try:
            self._open(self._served | {port: socket})
        except SocketError as error:
            if console is not None:
                self._tell(console, port, str(error))

    def _wanted(self) -> dict[int, SocketSettings]:
        settings, found = self._settings(), dict[int, SocketSettings]()
        if settings is None:
            return found
        self._told = {each: told for each, told in self._told.items() if self._roster.get(each)}
        asking = list(self._asking())
        # Those that have their port already come first.
        asking.sort(key=lambda each: not self._has(each[0], each[2]))
        for console, scheme, port in asking:
            if port not in settings.ports:
                self._tell(console, port, "it is not in vm.service_socket.ports")
            elif port in found:
                self._tell(console, port, "another console has it")
            else:
                found[port] = settings.socket(console.id, port, scheme.telnet, scheme.tls)
        return found

    def _asking(self) -> Iterator[tuple[Console, Scheme, int]]:
        for console in self._roster:
            asked = socket_of(console.service_uri)
            if asked is not None and console.remote is None and not console.quarantined:
                yield (console, *asked)

    def _has(self, console: Console, port: int) -> bool:
        served = self._served.get(port)
        return served is not None and served.console == console.id

    def _tell(self, console: Console, port: int, why: str) -> None:
        """Log why it gets no socket, once."""
        if self._told.get(console.id) != (port, why):
            self._told[console.id] = port, why
            _log.warn(
                "service-socket-refused",
                console=console.title,
                id=console.id,
                service_uri=console.service_uri,
                reason=f"port {port}: {why}",
            )
