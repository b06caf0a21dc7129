"""What this process goes on with, and what it leaves to the next one."""

import os
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping

from attrs import define, evolve, field
from twisted.logger import Logger

from vspc.common.clock import Timer
from vspc.console.console import Console
from vspc.console.events import Continued, EventBus, HandoverIncomplete
from vspc.console.interruptions import Interruption, Interruptions, interrupted
from vspc.console.ports import Line
from vspc.console.sessions import OpenSession
from vspc.net.adoption import adopt_connection
from vspc.net.descriptor_store import DescriptorStore, shut
from vspc.net.ledger import tcp_counts
from vspc.net.turn_loop import TurnLoop
from vspc.server.handover.encoding import Assembled
from vspc.server.handover.lifecycle import Lifecycle, ServiceManager
from vspc.server.handover.places import TerminalPlaces
from vspc.server.handover.received import STATES, Received
from vspc.server.handover.restored import read_state, reckon
from vspc.server.handover.state_file import BadState, HandoverFile
from vspc.server.handover.writer import RETRY, HandoverWriter
from vspc.vm.context import Zone
from vspc.vm.lines.vmware import Terms
from vspc.vm.server import LineServer
from vspc.vm.take_up import TakeUp
from vspc.vm.values import may_be_saved

LOST = "its connection was lost while the server was restarted"
"""Why the console of a line is away whose connection was not handed over."""


@define(eq=False)
class Handover:
    """`store` is None where the service manager has none: then nothing is handed over."""

    manager: ServiceManager
    lifecycle: Lifecycle
    server: LineServer
    events: EventBus
    store: DescriptorStore | None = field(init=False)
    interruptions: Interruptions = field(init=False)
    received: Received = field(factory=Received, init=False)
    _log: Logger = field(factory=lambda: Logger(namespace="vspc.server.handover"), init=False)
    _state: Assembled | None = field(default=None, init=False)
    _take_up: TakeUp | None = field(default=None, init=False)
    _missing: Mapping[str, list[str]] = field(factory=dict, init=False)  # by ids of consoles
    _kept: list[tuple[Line, str]] = field(factory=list, init=False)  # in the store already
    _writer: HandoverWriter | None = field(default=None, init=False)
    _retry: Timer = field(init=False)
    _places: TerminalPlaces = field(factory=TerminalPlaces, init=False)

    def __attrs_post_init__(self) -> None:
        self.interruptions = Interruptions(self.server.clock, self._places.remove)
        self._retry = Timer(self.server.clock)
        notifier = self.lifecycle.notifier
        keeps = notifier is not None and notifier.settings.keeps
        if notifier is None or not keeps:
            self.store = None
        else:
            self.store = DescriptorStore(notifier, self._is_full)

    def _is_full(self, room: int) -> None:
        what = "further connections end with this process: raise FileDescriptorStoreMax"
        self._log.warn("descriptor-store-full", room=room, what=what)

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
        descriptor, self.received.state = self.received.state, None
        if descriptor is None:
            return
        try:
            found = self._read(descriptor)
            counts = {name: tcp_counts(sock) for name, sock in self.received.lines.items()}
            reckoning = reckon(found, counts)
            self._take_up = TakeUp(
                self.server, reckoning.state, zones, terms, self._zero(), reckoning.resend
            )
            self._state, self._missing = found, reckoning.missing
            for text in reckoning.missing_elsewhere:
                self._log.warn("handover-incomplete", what=text)
        except BadState as error:
            self._log.error("handover-unreadable", what=str(error))
        else:
            for kind, count in found.unread.items():
                self._log.error("handover-unreadable", what=f"{count} records of kind {kind}")

    def _read(self, descriptor: int) -> Assembled:
        try:
            return read_state(descriptor)
        finally:
            os.close(descriptor)  # its memory is free as soon as the manager has let it go

    def _zero(self) -> float:
        """See `SavedServer`."""
        return time.monotonic() - self.server.clock.seconds()

    @property
    def uncertain(self) -> Container[str]:
        """The ids of the consoles of which something is missing, before `take_up`."""
        return self._missing.keys()

    def take_up(self, reactor: object, loop: TurnLoop) -> None:
        """Go on with the lines, which send by `loop`; all that look at events do so already."""
        if self._take_up is not None and self._state is not None:
            self.interruptions.restore(self._interrupted(self._state))
            self._connect(reactor, loop, self._take_up, self._state)
        self._take_up = self._state = None
        without = self.received.lines
        if without:
            self._log.warn("handover-lines-closed", count=len(without), why="no state of them")
            for name, sock in without.items():
                shut(sock)
                self._remove([name])
            without.clear()
        if self.store is not None:
            for each in self.interruptions.left:
                self._places.add(each)
            self.events.subscribe(self._places.on_event, *self._places.EVENTS)
            self._begin_to_write(self.store, loop)

    def _interrupted(self, found: Assembled) -> Iterator[Interruption]:
        """Where terminals were, before there is more output."""
        for each in found.interruptions:
            console = self.server.roster.get(each.console)
            if console is not None:
                yield evolve(each, offset=min(each.offset, console.history.end))

    def _begin_to_write(self, store: DescriptorStore, loop: TurnLoop) -> None:
        """From now on the next process can go on, also where this one is killed."""
        before, self.received.state_name = self.received.state_name, None
        try:
            file = HandoverFile.create()
            writer = HandoverWriter(
                file,
                store,
                self.server,
                self.events,
                self._places,
                self._not_written,
                loop.before_sending,
            )
        except OSError as error:
            self._not_written(str(error))
            if before is not None:  # it is not true any more: nobody must go on from it
                store.notifier.remove(before)
            self._retry.start(RETRY, lambda: self._begin_to_write(store, loop))
            return
        writer.attach((line, name) for line, name in self._kept if line in self.server.sessions)
        self._kept.clear()
        self._writer = writer
        name = STATES[before == STATES[0]]
        store.notifier.store(name, file.descriptor)
        if before is not None:
            store.notifier.remove(before)
            # Where the store was full there is room only now; what it has it does not take again.
            store.notifier.store(name, file.descriptor)

    def _not_written(self, why: str) -> None:
        self._log.error("handover-not-written", what=why)

    def _connect(self, reactor: object, loop: TurnLoop, take_up: TakeUp, found: Assembled) -> None:
        for name, protocol in take_up.lines.items():
            sock = self.received.lines.pop(name, None)
            if sock is not None:
                host = found.state.lines[name].address
                transport = adopt_connection(reactor, sock, protocol, loop, host)
                self._kept.append((take_up.line(name), name))
                if self.store is not None:
                    self.store.kept(name, transport)
        take_up.finish()
        lost = 0
        for console_id, saved in found.state.consoles.consoles.items():
            console = self.server.roster.get(console_id)
            if console is not None and saved.line is not None:
                lost += not self._goes_on(console)
        for console_id, texts in self._missing.items():
            console = self.server.roster.get(console_id)
            if console is not None:
                for text in texts:
                    self.events.publish(HandoverIncomplete(console.ref, text))
        if lost:
            self._log.warn("handover-lines-lost", count=lost, why="no connection of them")
        self._log.info("lines-taken-up", lines=len(self._kept), version=found.moment.version)

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
        is_kept = self._writer is not None and self._writer.name(line) is not None
        return is_kept and session is not None and may_be_saved(session)

    def continuing(self) -> frozenset[str]:
        """The ids of the consoles of these lines."""
        consoles = [s.console for s in self.server.sessions.values() if self.continues(s.line)]
        return frozenset(console.id for console in consoles if console is not None)

    def freeze(self, sessions: Iterable[OpenSession]) -> None:
        """Nothing more is read, written and accepted of what the next process goes on with; where
        the terminals of `sessions` are is remembered.
        """
        self._retry.stop()
        self.interruptions.stop()
        if self.store is None:
            return
        self._places.settle([*self.interruptions.left, *interrupted(sessions)])
        if self._writer is not None:
            self._writer.keep_all()
        self.store.freeze()

    def leave(self) -> None:
        """All of this process has ended that can change the state: write it for the next one."""
        if self.store is None:
            return
        if self._writer is not None:
            self._writer.full()
            stored = self._writer.stored.values()
            self.store.close_others({each.name for each in stored if each.name is not None})
            lines = sum(map(self.continues, self.server.sessions))
            self._log.info("lines-left", lines=lines)
        self.store.leave()
