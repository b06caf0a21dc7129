"""What this process goes on with, and what it leaves to the next one."""

import time
from collections.abc import Callable, Iterable, Mapping

from attrs import define, field
from twisted.logger import Logger

from vspc import __version__
from vspc.console.console import Console
from vspc.console.events import Continued
from vspc.console.ports import Line
from vspc.net.adoption import adopt_connection
from vspc.net.descriptor_store import DescriptorStore, shut
from vspc.server.handover.encoding import Assembled, Moment, assemble, records
from vspc.server.handover.lifecycle import Lifecycle, ServiceManager
from vspc.server.handover.received import STATES, Received
from vspc.server.handover.state_file import BadState, HandoverFile, read
from vspc.vm.context import Zone
from vspc.vm.lines.vmware import Terms
from vspc.vm.server import LineServer
from vspc.vm.take_up import TakeUp
from vspc.vm.values import may_be_saved, save

LOST = "its connection was lost while the server was restarted"
"""Why the console of a line is away whose connection was not handed over."""


@define(eq=False)
class Handover:
    """`store` is None where the service manager has none: then nothing is handed over."""

    manager: ServiceManager
    lifecycle: Lifecycle
    server: LineServer
    store: DescriptorStore | None = field(init=False)
    received: Received = field(factory=Received, init=False)
    _log: Logger = field(factory=lambda: Logger(namespace="vspc.server.handover"), init=False)
    _state: Assembled | None = field(default=None, init=False)
    _take_up: TakeUp | None = field(default=None, init=False)
    _names: dict[Line, str] = field(factory=dict, init=False)  # in the store

    def __attrs_post_init__(self) -> None:
        notifier = self.lifecycle.notifier
        keeps = notifier is not None and notifier.settings.keeps
        self.store = DescriptorStore(notifier) if notifier is not None and keeps else None

    # Starting

    def open(self, endpoints: Iterable[str]) -> None:
        """Look at what was handed over; `endpoints` are those of the configuration."""
        received = self.received = Received.of(self.manager.descriptors, endpoints)
        if received.unusable:
            names = sorted(set(received.unusable))
            self._log.warn("handover-descriptors-closed", names=names, count=len(names))
            self._remove(received.unusable)
        if self.store is not None:
            self.store.avoid(received.lines)

    def _remove(self, names: Iterable[str]) -> None:
        """`names` are kept no longer."""
        if self.store is not None:
            for name in names:
                self.store.notifier.remove(name)

    def restore(self, zones: Mapping[str, Zone], terms: Callable[[Zone], Terms]) -> None:
        """Make the consoles that were handed over, as long as there are no others; `terms` of a
        zone count for the lines in it.
        """
        if self.received.state is None:
            return
        try:
            found = assemble(read(self.received.state))
            self._take_up = TakeUp(self.server, found.state, zones, terms, self._zero())
            self._state = found
        except BadState as error:
            self._log.error("handover-unreadable", what=str(error))
        else:
            for kind, count in found.unread.items():
                self._log.error("handover-unreadable", what=f"{count} records of kind {kind}")

    def _zero(self) -> float:
        """See `SavedServer`."""
        return time.monotonic() - self.server.clock.seconds()

    def take_up(self, reactor: object) -> None:
        """Go on with the lines; all that look at events do so already."""
        if self._take_up is not None and self._state is not None:
            self._connect(reactor, self._take_up, self._state)
        self._take_up = self._state = None
        without = self.received.lines
        if without:
            self._log.warn("handover-lines-closed", count=len(without), why="no state of them")
            for name, sock in without.items():
                shut(sock)
                self._remove([name])
            without.clear()

    def _connect(self, reactor: object, take_up: TakeUp, found: Assembled) -> None:
        for name, protocol in take_up.lines.items():
            sock = self.received.lines.pop(name, None)
            if sock is not None:
                transport = adopt_connection(
                    reactor, sock, protocol, found.state.lines[name].address
                )
                self._names[take_up.line(name)] = name
                if self.store is not None:
                    self.store.kept(name, transport)
        take_up.finish()
        lost = 0
        for console_id, saved in found.state.consoles.consoles.items():
            console = self.server.roster.get(console_id)
            if console is not None and saved.line is not None:
                lost += not self._goes_on(console)
        if lost:
            self._log.warn("handover-lines-lost", count=lost, why="no connection of them")
        self._log.info("lines-taken-up", lines=len(self._names), version=found.moment.version)

    def _goes_on(self, console: Console) -> bool:
        if console.link.line is None and not console.link.migrating:
            console.link.disconnect(LOST)
            return False
        if not console.quarantined:
            self.server.roster.publish(Continued(console.ref))
        return True

    # Stopping

    def keeps(self, port: object) -> bool:
        """Whether the listener `port` is left to the next process."""
        return self.store is not None and self.store.keeps_port(port)

    def continues(self, line: Line) -> bool:
        """Whether `line` is left to the next process."""
        session = self.server.sessions.get(line)
        return line in self._names and session is not None and may_be_saved(session)

    def continuing(self) -> frozenset[str]:
        """The ids of the consoles of these lines."""
        consoles = [s.console for s in self.server.sessions.values() if self.continues(s.line)]
        return frozenset(console.id for console in consoles if console is not None)

    def freeze(self) -> None:
        """Nothing more is read, written and accepted of what the next process goes on with."""
        if self.store is None:
            return
        for line, session in self.server.sessions.items():
            if line not in self._names and may_be_saved(session):
                name = self.store.keep(getattr(line, "transport", None))
                if name is not None:
                    self._names[line] = name
        self.store.freeze()

    def leave(self) -> None:
        """All of this process has ended that can change the state: write it for the next one."""
        if self.store is None:
            return
        state = save(self.server, self._name, self._zero())
        moment = Moment(self._zero(), __version__, is_orderly=True)
        try:
            file = HandoverFile.create()
            file.write(records(state, moment).items())
        except OSError as error:
            self._log.error("handover-not-written", what=error.strerror)
            return
        before = self.received.state_name
        self.store.notifier.store(STATES[before == STATES[0]], file.descriptor)
        if before is not None:
            self.store.notifier.remove(before)
        self.store.leave()
        self._log.info("lines-left", lines=len(state.lines))

    def _name(self, line: Line | None) -> str | None:
        return self._names[line] if line is not None and self.continues(line) else None
