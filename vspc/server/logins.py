"""Logins by any door: counted, recorded, and ended on request."""

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import define, field

from vspc.apps.verbs.context import FAILED, complain
from vspc.console.audit import Audit
from vspc.console.logins import (
    Login,
    LoginConnection,
    LoginFailure,
    LoginObserver,
    UserName,
    begin_login,
)
from vspc.console.ports import Channel
from vspc.console.session import Proof, Session
from vspc.console.sessions import Sessions
from vspc.doors.metrics.counting import LoginCounts
from vspc.server.reload import LOCAL


class LoginRecording(Protocol):
    """Records logins; `vspc.audit.subscriber.LoginRecorder` is one."""

    def came(self, login: Login) -> None: ...
    def left(self, login: Login) -> None: ...
    def failed(self, failure: LoginFailure) -> None: ...
    def excused(self, failures: Iterable[LoginFailure]) -> None: ...


@define(eq=False)
class LoginService(LoginObserver):
    """Sessions that doors report, by SSH or by the control socket."""

    sessions: Sessions
    audit: Audit
    recording: LoginRecording
    wall: Callable[[], float]
    counts: LoginCounts = field(factory=LoginCounts)

    def came(self, login: Login, connection: LoginConnection) -> str:
        """An operator has authenticated; empty, or why the login is refused."""
        session = login.session
        why_not = self.sessions.enter(session, connection.disconnect, lambda: connection.idle)
        if why_not:
            self.audit.record("limit", session, limit="max_sessions")
            self.counts.refused(session)
        else:
            self._accepted(login)
        return why_not

    def program(self, login: Login, connection: LoginConnection) -> None:
        """The program of an operator is connected: sockets have limits of their own."""
        session = login.session
        self.sessions.enter(session, connection.disconnect, lambda: connection.idle, bounded=False)
        self._accepted(login)

    def _accepted(self, login: Login) -> None:
        self.counts.accepted(login.session)
        self.recording.came(login)

    def left(self, login: Login) -> None:
        """The connection of a login is closed."""
        self.sessions.leave(login.session)
        self.recording.left(login)

    def limited(self, login: Login, limit: str) -> None:
        """A request was over `limit`."""
        self.audit.record("limit", login.session, limit=limit)

    def failed(self, failure: LoginFailure) -> None:
        """An attempt failed."""
        self.counts.failed(failure)
        self.recording.failed(failure)

    def excused(self, failures: Iterable[LoginFailure]) -> None:
        """The same connection has logged in after these."""
        self.recording.excused(failures)

    def refused(self, address: str) -> None:
        """A client of the control socket is neither root nor the server's user."""
        reason = "neither root nor the server's user"
        self.failed(LoginFailure(LOCAL.name, address, reason, Proof("local"), 1, 0))

    def local(self, channel: Channel) -> tuple[Session, Callable[[], None]]:
        """A command from the control socket: its session, and what to call when it is over."""
        proof = Proof("local")
        name = UserName(LOCAL.name, None, ())
        login = begin_login(name, LOCAL, proof, channel.address, self.wall())
        session = login.session

        def end(text: str) -> None:
            complain(channel, text)
            channel.finish(FAILED)
            left()

        def left() -> None:
            if self.sessions.get(session.id) is not None:
                self.sessions.leave(session)
                self.recording.left(login)

        self.sessions.enter(session, end, bounded=False)
        self._accepted(login)
        return session, left
