"""Who is in, by whatever door: counted, recorded, and ended when that is asked for."""

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import define

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
from vspc.server.reload import LOCAL


class LoginRecording(Protocol):
    """Who records logins; see `vspc.audit.logins`."""

    def came(self, login: Login) -> None: ...
    def left(self, login: Login) -> None: ...
    def failed(self, failure: LoginFailure) -> None: ...
    def excused(self, failures: Iterable[LoginFailure]) -> None: ...


@define(eq=False)
class LoginService(LoginObserver):
    """Who is in, by SSH (`vspc.console.logins.LoginObserver`) or from the machine itself."""

    sessions: Sessions
    audit: Audit
    recording: LoginRecording
    wall: Callable[[], float]

    def came(self, login: Login, connection: LoginConnection) -> str:
        """Somebody has proved who he is."""
        session = login.session
        why_not = self.sessions.enter(session, connection.disconnect, lambda: connection.idle)
        if why_not:
            self.audit.record("limit", session, limit="max_sessions")
        else:
            self.recording.came(login)
        return why_not

    def left(self, login: Login) -> None:
        """He is gone."""
        self.sessions.leave(login.session)
        self.recording.left(login)

    def limited(self, login: Login, limit: str) -> None:
        """He wanted more than that allows."""
        self.audit.record("limit", login.session, limit=limit)

    def failed(self, failure: LoginFailure) -> None:
        """An attempt came to nothing."""
        self.recording.failed(failure)

    def excused(self, failures: Iterable[LoginFailure]) -> None:
        """Who failed so is in."""
        self.recording.excused(failures)

    def stranger(self, address: str) -> None:
        """Somebody who is neither root nor the server's user was at the control socket."""
        reason = "neither root nor the server's user"
        self.recording.failed(LoginFailure(LOCAL.name, address, reason, Proof("local"), 1, 0))

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
        self.recording.came(login)
        return session, left
