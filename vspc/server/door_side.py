"""Doors that are not for operators, built from the parts of the server: sockets for programs, and
the remote systems that VMs ask for.
"""

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.interfaces import IListeningPort

from vspc.apps.verbs.context import VerbContext
from vspc.config.dial_allow import DialAllow
from vspc.config.vm_settings import ServiceSocketSettings
from vspc.console.access import Operator
from vspc.console.ports import Lockouts
from vspc.doors.programs.assignment import assignments_file
from vspc.doors.programs.door import DoorContext, ProgramDoor
from vspc.doors.programs.service_sockets import ServiceSockets
from vspc.doors.programs.socket import OperatorsOfSockets
from vspc.doors.remotes.remotes import RemoteContext, Remotes
from vspc.net.endpoints import is_own
from vspc.net.limits import Refusals
from vspc.net.outbound import Outbound
from vspc.net.reactor import ThreadRunner
from vspc.net.scheduler import Scheduler
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


def service_sockets(live: Live, verbs: VerbContext, door: ProgramDoor) -> ServiceSockets:
    """What VMs ask for, as far as the configuration in force allows it."""

    def settings() -> ServiceSocketSettings | None:
        vm = live.config.vm
        return vm.service_socket if vm.service_sockets == "open" else None

    return ServiceSockets(verbs.roster, verbs.clock, settings, door.serve)


def program_door(
    live: Live,
    verbs: VerbContext,
    lockouts: Lockouts,
    logins: LoginService,
    reactor: Any,
    scheduler: Scheduler,
    refusals: Refusals,
) -> ProgramDoor:
    """A door without a socket yet."""
    return ProgramDoor(
        DoorContext(
            reactor,
            verbs,
            operators_of_sockets(live, lockouts),
            logins,
            scheduler,
            refusals,
            assignments_file(live.config.state_dir, ThreadRunner(reactor)),
        )
    )


def remotes(
    live: Live,
    verbs: VerbContext,
    outbound: Outbound,
    scheduler: Scheduler,
    refusals: Refusals,
    listening: Callable[[], Iterable[IListeningPort]],
) -> Remotes:
    """What VMs ask to be connected to; `listening` gives the listeners of this server, to which
    none is connected.
    """
    return Remotes(
        RemoteContext(
            verbs,
            outbound,
            scheduler,
            lambda: DialAllow(live.config.vm.dial_allow),
            lambda address, port: is_own(listening(), address, port),
            refusals,
            ThreadRunner(outbound.reactor),
        )
    )
