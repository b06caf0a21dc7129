"""Who logs in, as what, and what he asks for: the values that the door hands to the service."""

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import field, frozen

from vspc.console.ports import Channel
from vspc.console.session import Proof, Session, SessionLimits

REASON = "reason="
"""An option that says why somebody comes."""

USER_LIMIT = 1024
"""Bytes of a user name, with target and options."""


@frozen
class UserName:
    """What stands before the `@`, taken apart.

    `target` is None where none was given and "" where an empty one was (`alice+@host`: the
    chooser is wanted).
    """

    operator: str
    target: str | None
    options: tuple[str, ...]


@frozen
class Login:
    """An operator who has proved who he is, and what he wrote before the `@`."""

    session: Session
    target: str | None
    options: tuple[str, ...]

    @property
    def operator(self) -> str:
        """His name."""
        return self.session.operator.name

    @property
    def address(self) -> str:
        """Where he comes from."""
        return self.session.address

    @property
    def limits(self) -> SessionLimits:
        """What the proof itself allows."""
        return self.session.limits


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
    """`ssh -W HOST:1` and `-L`: a console by the name `host`, exact bytes both ways."""

    host: str


Request = ShellRequest | ExecRequest | ForwardRequest

Start = Callable[[Channel, Login, Request], None]
"""The service decides what runs.

It calls `channel.start(program)`, or `channel.finish(status)` after a word on `write_error`. A
`ForwardRequest` that is finished before it is started is refused to the client, with that word; it
has 30 s to be either.
"""


@frozen
class LoginFailure:
    """Attempts to log in that came to nothing, up to now in one connection.

    `last`: nothing follows, and no attempt has been counted since the last failure was told: the
    client only asked for keys that are not authorised, and left.
    """

    operator: str
    address: str
    reason: str
    proof: Proof
    attempts: int
    probes: int
    last: bool = False


class LoginConnection(Protocol):
    """The connection of a login."""

    @property
    def idle(self) -> bool:
        """Whether nothing runs in it."""

    def disconnect(self, text: str) -> None:
        """End it, telling the client why."""


class LoginObserver(Protocol):
    """Who counts and records logins. Nothing here may raise."""

    def came(self, login: Login, guest: LoginConnection) -> str:
        """Somebody has proved who he is; empty, or why he cannot come in now."""

    def left(self, login: Login) -> None:
        """Who came in is gone."""

    def limited(self, login: Login, limit: str) -> None:
        """He wanted more than `limit`, a key of [ssh], allows: said once for each connection."""

    def failed(self, failure: LoginFailure) -> None:
        """One more attempt was counted, or a client has gone that only asked."""

    def excused(self, failures: Iterable[LoginFailure]) -> None:
        """Who failed so, all of it in one name and one connection, is in after all."""


class NoLoginObserver:
    """Nobody does."""

    def came(self, login: Login, guest: LoginConnection) -> str:
        """Nobody hears it."""
        return ""

    def left(self, login: Login) -> None:
        """Nor this."""

    def limited(self, login: Login, limit: str) -> None:
        """Nor this."""

    def failed(self, failure: LoginFailure) -> None:
        """Nor this."""

    def excused(self, failures: Iterable[LoginFailure]) -> None:
        """Nor this."""


def split_user(user: bytes) -> UserName | None:
    """Take a login's user name apart; None where it is no text or over `USER_LIMIT`.

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
