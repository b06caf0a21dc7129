"""The operators' side: the SSH server, the control socket, and the authenticator of both."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import asdict
from twisted.internet.interfaces import IListeningPort

from vspc.apps.dispatch import Dispatcher
from vspc.common.clock import Clock
from vspc.config import Config
from vspc.config.settings import SshSettings
from vspc.console.ports import Channel
from vspc.console.sessions import Quota, Sessions, end_sessions
from vspc.doors.control import listen_locally
from vspc.doors.metrics.sources import SshCounts
from vspc.net.limits import Admissions, Refusals
from vspc.net.scheduler import Scheduler
from vspc.server.auth_service import AuthService
from vspc.server.logins import LoginService
from vspc.server.reload import Live
from vspc.ssh.context import SshContext
from vspc.ssh.keys import host_keys
from vspc.ssh.limits import Displaceable, GracePeriod, SshLimits
from vspc.ssh.server import SshServer


def quota(ssh: SshSettings) -> Quota:
    """What one operator may have at once."""
    return Quota(ssh.max_sessions, ssh.max_attachments, ssh.max_followed)


class OperatorSide:
    """Everything that operators connect to; `live` is the configuration in force."""

    def __init__(
        self,
        live: Live,
        sessions: Sessions,
        logins: LoginService,
        clock: Clock,
        reactor: Any,
        scheduler: Scheduler,
        refusals: Refusals,
        failed: Callable[[], None],
    ) -> None:
        self._live = live
        self._sessions = sessions
        self._logins = logins
        self._reactor = reactor
        self._scheduler = scheduler
        self._refusals = refusals
        self._auth = AuthService(live.config, live.directory, clock, reactor, failed)
        self.lockouts = self._auth.lockouts
        ssh = live.config.ssh
        self._unauthenticated = Admissions[Displaceable](
            ssh.max_unauthenticated_per_address, ssh.max_unauthenticated
        )
        self._ssh: SshServer | None = None

    def open(self, dispatcher: Dispatcher) -> tuple[SshServer, IListeningPort]:
        """The SSH server, to listen with, and the control socket, which listens already.

        `dispatcher` starts what operators ask for. Raises `StateError`, `HostKeyError`.
        """
        config = self._live.config
        ssh = config.ssh
        self._auth.open(config)
        context = SshContext(
            host_keys=host_keys(ssh.host_keys, config.state_dir),
            authenticator=self._auth.authenticator,
            start=dispatcher.start,
            clock=self._reactor,
            scheduler=self._scheduler,
            grace_period=GracePeriod(self._unauthenticated, self._reactor),
            limits=SshLimits(ssh.login_timeout, ssh.auth_command_wait, channels=ssh.max_channels),
            observer=self._logins,
            refusals=self._refusals,
        )

        def run(channel: Channel, words: list[str]) -> Callable[[], None]:
            session, left = self._logins.local(channel)
            dispatcher.local(channel, session, words)
            return left

        self._ssh = SshServer(context)
        control = listen_locally(self._reactor, config.state_dir, run, self._logins.refused)
        return self._ssh, control

    def condition(self) -> dict[str, object]:
        """For `status`."""
        return asdict(self.counts())

    def counts(self) -> SshCounts:
        """Connections and passwords."""
        connections = 0 if self._ssh is None else len(self._ssh.connections)
        return SshCounts(connections, len(self._unauthenticated), self._auth.passwords_turned_away)

    def unread(self, revoked: Path) -> str:
        """Why `ssh.certificates.revoked` of a new configuration cannot be read, or empty."""
        return self._auth.unread(revoked)

    def reload(self, config: Config) -> int:
        """`config` is in force from now on, for sessions too; how many of them are ended."""
        self._auth.take(config, self._live.directory)
        return self._end_invalid()

    def tick(self) -> None:
        """Call it every second or so: sessions whose proof has been revoked are ended."""
        if self._auth.revoked_more():
            self._end_invalid()

    def _end_invalid(self) -> int:
        invalid = [
            present
            for present in self._sessions
            if present.bounded and not self._auth.authenticator.stands(present.session)
        ]
        end_sessions(invalid, "what you logged in with is no longer accepted here")
        return len(invalid)

    def close(self, text: str, continues: bool) -> float:
        """End every session and connection, with `text` as the reason; how many seconds that
        takes. `continues`: another process sends what was typed.
        """
        end_sessions([present for present in self._sessions if not present.bounded], text)
        for present in self._sessions:
            for attachment in list(present.attachments):
                (attachment.dismiss if continues else attachment.expel)(text)
        seconds = 0.0 if self._ssh is None else self._ssh.close(text)
        self._auth.close()
        return seconds
