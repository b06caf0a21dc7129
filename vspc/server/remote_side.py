"""The remote systems that VMs ask for, built from the parts of the server."""

from collections.abc import Callable, Iterable

from attrs import define, field
from twisted.internet.interfaces import IListeningPort

from vspc.apps.verbs.context import VerbContext
from vspc.config.dial_allow import DialAllow
from vspc.console.events import EventBus
from vspc.doors.remotes.remotes import RemoteContext, Remotes
from vspc.net.endpoints import is_own
from vspc.net.limits import Refusals
from vspc.net.outbound import Outbound
from vspc.net.reactor import ThreadRunner
from vspc.net.scheduler import Scheduler
from vspc.server.reload import Live


@define(eq=False)
class RemoteSide:
    """`listening` gives the listeners of this server, which no VM is connected to."""

    live: Live
    outbound: Outbound
    scheduler: Scheduler
    refusals: Refusals
    listening: Callable[[], Iterable[IListeningPort]]
    _remotes: Remotes | None = field(default=None, init=False)

    def open(self, verbs: VerbContext, events: EventBus) -> None:
        """Connect what VMs ask for from now on."""
        self._remotes = Remotes(
            RemoteContext(
                verbs,
                self.outbound,
                self.scheduler,
                lambda: DialAllow(self.live.config.vm.dial_allow),
                lambda address, port: is_own(self.listening(), address, port),
                self.refusals,
                ThreadRunner(self.outbound.reactor),
            )
        )
        events.subscribe(self._remotes.handle)

    def condition(self) -> dict[str, int]:
        """For `status`."""
        return {} if self._remotes is None else self._remotes.condition()

    def reload(self) -> None:
        """A configuration is in force: what it does not allow is closed."""
        if self._remotes is not None:
            self._remotes.reload()

    def close(self, reason: str) -> None:
        """The service ends."""
        if self._remotes is not None:
            self._remotes.close(reason)
        self.outbound.close()
