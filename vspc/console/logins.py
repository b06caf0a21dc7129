"""A login, and what it asks for: the values that a door hands to the dispatcher."""

from collections.abc import Callable, Iterable
from secrets import token_hex
from typing import Protocol

from attrs import field, frozen

from vspc.console.access import Operator
from vspc.console.authentication import RefusalCause
from vspc.console.ports import Channel
from vspc.console.session import UNLIMITED, Proof, Session, SessionLimits

REASON = "reason="
"""The login option that says why the operator logs in."""

USER_LIMIT = 1024
"""Bytes of a user name, with target and options."""


@frozen
class UserName:
    """The user name of a login: `OPERATOR[+TARGET][,OPTION...]`.

    `target` is None where none was given and "" where an empty one was (`alice+`: the chooser).
    """

    operator: str
    target: str | None
    options: tuple[str, ...]


@frozen
class Login:
    """An authenticated operator, with the target and options of the user name."""

    session: Session
    target: str | None
    options: tuple[str, ...]

    @property
    def operator(self) -> str:
        """The operator's name."""
        return self.session.operator.name

    @property
    def address(self) -> str:
        """The client's address."""
        return self.session.address

    @property
    def limits(self) -> SessionLimits:
        """What the proof itself allows."""
        return self.session.limits


def begin_login(
    name: UserName,
    operator: Operator,
    proof: Proof,
    address: str,
    now: float,
    limits: SessionLimits = UNLIMITED,
) -> Login:
    """A new session of `operator`, who has authenticated; `now`: seconds since 1970."""
    session = Session(token_hex(6), operator, proof, address, now, limits)
    options = []
    for option in name.options:
        if option.startswith(REASON):
            session = session.because(option.removeprefix(REASON))
        else:
            options.append(option)
    return Login(session, name.target, tuple(options))


@frozen
class ShellRequest:
    """No command: the console named in the login, or the chooser."""

    target: str | None


@frozen
class ExecRequest:
    """A command, its words not yet split; never log it (law 7: `send` words are in it)."""

    line: bytes = field(repr=False)


@frozen
class ForwardRequest:
    """A console by its name `host`, as if it were a host to connect to: exact bytes both ways."""

    host: str


Request = ShellRequest | ExecRequest | ForwardRequest

Start = Callable[[Channel, Login, Request], None]
"""Starts what a login asked for on its channel.

It calls `channel.start(program)`, or `channel.finish(status)` after a message on `write_error`.
A `ForwardRequest` that is finished before it is started is refused to the client, with that
message; it has 30 s to be either.
"""


@frozen
class LoginFailure:
    """Failed attempts to log in with one operator's name, up to now, in one connection.

    `last`: no failure follows, and no attempt was counted since the last one was reported: the
    client asked for keys that are not authorised, and left.
    """

    operator: str
    address: str
    reason: str
    proof: Proof
    attempts: int
    probes: int
    last: bool = False
    cause: RefusalCause = RefusalCause.OTHER


class LoginConnection(Protocol):
    """The connection of a login."""

    @property
    def idle(self) -> bool:
        """Whether no program runs on any of its channels."""

    def disconnect(self, text: str) -> None:
        """End it; the client is told `text`."""


class LoginObserver:
    """Observes logins. This one does nothing. No method may raise."""

    def came(self, login: Login, connection: LoginConnection) -> str:
        """An operator has authenticated; empty, or why the login is refused now."""
        del login, connection
        return ""

    def program(self, login: Login, connection: LoginConnection) -> None:
        """The program of an operator is connected, by a door with limits of its own."""

    def left(self, login: Login) -> None:
        """The connection of a login that was accepted is closed."""

    def limited(self, login: Login, limit: str) -> None:
        """A request was over `limit`, a key of [ssh]: reported once for each connection."""

    def failed(self, failure: LoginFailure) -> None:
        """One more attempt was counted, or a client that only probed keys has left."""

    def excused(self, failures: Iterable[LoginFailure]) -> None:
        """The same connection has logged in with the same name after these."""


def split_user(user: bytes) -> UserName | None:
    """Parse a login's user name; None if it is not UTF-8, or over `USER_LIMIT`.

    The first `,` begins options, the first `+` or `:` before it ends the operator.
    """
    if len(user) > USER_LIMIT:
        return None
    try:
        text = user.decode("utf-8")
    except UnicodeDecodeError:
        return None
    head, comma, tail = text.partition(",")
    cuts = [head.find(mark) for mark in "+:" if mark in head]
    cut = min(cuts, default=len(head))
    return UserName(
        operator=head[:cut],
        target=head[cut + 1 :] if cuts else None,
        options=tuple(tail.split(",")) if comma else (),
    )
