"""The operators' side: the SSH door, the control socket, who may come in and who is in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IListeningPort

from vspc.apps.dispatch import Dispatcher
from vspc.apps.verbs.context import VerbContext
from vspc.common.clock import Clock
from vspc.config import Config
from vspc.console.audit import Audit
from vspc.console.events import EventBus
from vspc.console.ports import Channel
from vspc.console.sessions import Quota, Sessions, end_sessions
from vspc.doors.control import listen_locally
from vspc.net.limits import Admissions, Refusals
from vspc.net.scheduler import Scheduler
from vspc.server.auth_service import AuthService
from vspc.server.logins import LoginRecording, LoginService
from vspc.server.reload import Live
from vspc.ssh.context import SshContext
from vspc.ssh.keys import host_keys
from vspc.ssh.limits import SshLimits
from vspc.ssh.login_limits import Displaceable, GracePeriod
from vspc.ssh.server import SshServer


class OperatorSide:
    """All of it; `live` is the configuration in force."""

    def __init__(
        self,
        live: Live,
        clock: Clock,
        reactor: Any,
        events: EventBus,
        audit: Audit,
        recording: LoginRecording,
        failed: Callable[[], None],
        scheduler: Scheduler,
    ) -> None:
        self._live = live
        self._scheduler = scheduler
        self._reactor = reactor
        self._happenings = events
        self._front = AuthService(live.config, live.people, clock, reactor, failed)
        self.sessions = Sessions(self._quota)
        self.lockouts = self._front.lockouts
        self._guests = LoginService(self.sessions, audit, recording, clock.wall)
        ssh = live.config.ssh
        self._unauthenticated = Admissions[Displaceable](
            ssh.max_unauthenticated_per_address, ssh.max_unauthenticated
        )
        self._ssh: SshServer | None = None
        events.subscribe(self.sessions.on_event)

    def _quota(self) -> Quota:
        ssh = self._live.config.ssh
        return Quota(ssh.max_sessions, ssh.max_attachments, ssh.max_followed)

    def open(self, context: VerbContext, refusals: Refusals) -> tuple[SshServer, IListeningPort]:
        """The SSH door, and the control socket, which is open. Raises `StateError`,
        `HostKeyError`.
        """
        config = self._live.config
        self._front.open(config)
        self._reception = Dispatcher(context, self._happenings)
        ssh = config.ssh
        self._ssh = SshServer(
            SshContext(
                host_keys=host_keys(ssh.host_keys, config.state_dir),
                authenticator=self._front.authenticator,
                start=self._reception.start,
                clock=self._reactor,
                scheduler=self._scheduler,
                grace_period=GracePeriod(self._unauthenticated, self._reactor),
                limits=SshLimits(ssh.login_timeout, channels=ssh.max_channels),
                observer=self._guests,
                refusals=refusals,
            )
        )
        control = listen_locally(
            self._reactor, config.state_dir, self._local, self._guests.stranger
        )
        return self._ssh, control

    def _local(self, channel: Channel, words: list[str]) -> Callable[[], None]:
        session, left = self._guests.local(channel)
        self._reception.local(channel, session, words)
        return left

    def condition(self) -> dict[str, object]:
        """For `status`."""
        connections = 0 if self._ssh is None else len(self._ssh.connections)
        return {
            "connections": connections,
            "not_logged_in": len(self._unauthenticated),
            "passwords_turned_away": self._front.passwords_turned_away,
        }

    def unread(self, revoked: Path) -> str:
        """Why `ssh.certificates.revoked` of a new configuration cannot be read, or empty."""
        return self._front.unread(revoked)

    def reload(self, config: Config) -> int:
        """`config` counts from now on, for those who are in, too; how many have to go."""
        self._front.take(config, self._live.people)
        return self._end_fallen()

    def tick(self) -> None:
        """Call it every second or so: who is revoked meanwhile has to go."""
        if self._front.revoked_more():
            self._end_fallen()

    def _end_fallen(self) -> int:
        gone = [
            present
            for present in self.sessions
            if present.bounded and not self._front.authenticator.stands(present.session)
        ]
        end_sessions(gone, "what you logged in with is no longer accepted here")
        return len(gone)

    def close(self, text: str) -> float:
        """End every connection, telling it `text`; of whoever is on the machine itself, too. How
        many seconds that takes.
        """
        end_sessions([present for present in self.sessions if not present.bounded], text)
        for present in self.sessions:
            for attachment in list(present.attachments):
                attachment.expel(text)
        seconds = 0.0 if self._ssh is None else self._ssh.close(text)
        self._front.close()
        return seconds
