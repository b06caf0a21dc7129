"""The doors that are not for operators: sockets for programs, and the remote systems that VMs ask
for.
"""

from twisted.internet.interfaces import IListeningPort

from vspc.apps.verbs.context import VerbContext
from vspc.config import Config
from vspc.config.dial_allow import DialAllow
from vspc.config.vm_settings import ServiceSocketSettings
from vspc.console.access import Operator
from vspc.console.events import EventBus
from vspc.console.ports import Lockouts
from vspc.doors.programs.assignment import assignments_file
from vspc.doors.programs.door import DoorContext, ProgramDoor, SocketChanges
from vspc.doors.programs.service_sockets import ServiceSockets
from vspc.doors.programs.socket import OperatorsOfSockets
from vspc.doors.remotes.remotes import RemoteContext, Remotes
from vspc.net.endpoints import Listeners, is_own
from vspc.net.kept_ports import KeptPorts
from vspc.net.limits import Refusals
from vspc.net.outbound import Outbound
from vspc.net.reactor import ThreadRunner
from vspc.net.scheduler import Scheduler
from vspc.net.tls import Pair
from vspc.server.logins import LoginService
from vspc.server.reload import Live


def operators_of_sockets(live: Live, lockouts: Lockouts) -> OperatorsOfSockets:
    """The operators of the configuration in force."""

    def named(name: str) -> Operator | None:
        return live.directory.operator(name, None)

    def by_certificate(name: str) -> str:
        settings = live.config.operators[name]
        if settings.require:
            return f"{name} has to show {', '.join(settings.require)}"
        return f"{name} has to be verified by a FIDO token" if settings.verify_required else ""

    return OperatorsOfSockets(named, by_certificate, lockouts)


class DoorSide:
    """Everything that takes part in consoles without logging in. `listeners` are those of
    the other sides: to none of this server's a remote system is connected.
    """

    def __init__(
        self,
        live: Live,
        verbs: VerbContext,
        lockouts: Lockouts,
        logins: LoginService,
        outbound: Outbound,
        scheduler: Scheduler,
        refusals: Refusals,
        listeners: Listeners,
        kept_ports: KeptPorts,
    ) -> None:
        self._live = live
        self._ports = listeners.ports
        reactor = outbound.reactor
        in_thread = ThreadRunner(reactor)
        self._programs = ProgramDoor(
            DoorContext(
                reactor,
                verbs,
                operators_of_sockets(live, lockouts),
                logins,
                scheduler,
                refusals,
                listeners.turn_loop,
                assignments_file(live.config.state_dir, in_thread),
                kept_ports,
            )
        )
        self._service_sockets = ServiceSockets(
            verbs.roster, verbs.clock, self._service_socket, self._programs.serve
        )
        self._remotes = Remotes(
            RemoteContext(
                verbs,
                outbound,
                scheduler,
                lambda: DialAllow(live.config.vm.dial_allow),
                lambda address, port: is_own(self.listening(), address, port),
                refusals,
                in_thread,
            )
        )
        verbs.events.subscribe(self._remotes.handle, *self._remotes.EVENTS)

    def _service_socket(self) -> ServiceSocketSettings | None:
        vm = self._live.config.vm
        return vm.service_socket if vm.service_sockets == "open" else None

    def listening(self) -> list[IListeningPort]:
        """All listeners of this server."""
        return [*self._ports, *self._programs.ports()]

    def claim(self) -> None:
        """What `open` opens goes on with the listeners that the process before had for it."""
        asked = self._service_sockets.wanted()
        self._programs.claim([*self._live.config.console.listen, *asked])

    def open(self, pair: Pair) -> None:
        """Listen. Raises `SocketError`."""
        self._programs.open(self._live.config.console.listen, pair)
        self._service_sockets.update()

    def start(self, events: EventBus) -> None:
        """Everything is listening."""
        events.subscribe(self._programs.on_event, *self._programs.EVENTS)
        events.subscribe(self._service_sockets.on_event, *self._service_sockets.EVENTS)

    def remote_systems(self) -> dict[str, int]:
        """Their state, for `status`."""
        return self._remotes.condition()

    def sockets(self) -> dict[str, int]:
        """Their state, for `status`."""
        return self._programs.condition()

    def prepare(self, config: Config, pair: Pair) -> SocketChanges:
        """What a reload changes of sockets, as far as it can fail. Raises `SocketError`."""
        return self._programs.prepare(config.console.listen, pair)

    def reload(self) -> None:
        """The configuration in force is another one."""
        self._remotes.reload()
        self._service_sockets.update()

    def close(self, text: str) -> None:
        """End the connections to remote systems, with `text` as the reason."""
        self._remotes.close(text)
