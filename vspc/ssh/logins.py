"""Who logs in, as what, and what he asks for: the values that the door hands to the service."""

from collections.abc import Callable, Collection
from typing import Protocol

from attrs import frozen

from vspc.console.ports import Channel

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
    """An operator who has proved who he is."""

    operator: str
    target: str | None
    options: tuple[str, ...]
    address: str
    method: str
    fingerprint: str


@frozen
class Shell:
    """No command: the console named in the login, or the chooser."""

    target: str | None


@frozen
class Exec:
    """A command, its words not yet split; never log it (law 7: `send` words are in it)."""

    line: bytes


@frozen
class Forward:
    """`ssh -W HOST:1` and `-L`: a console by the name `host`, exact bytes both ways."""

    host: str


Request = Shell | Exec | Forward

Start = Callable[[Channel, Login, Request], None]
"""The service decides what runs.

It calls `channel.start(program)`, or `channel.finish(status)` after a word on `write_error`. A
`Forward` that is finished before it is started is refused to the client, with that word; it has
30 s to be either.
"""


class Directory(Protocol):
    """Which keys an operator may log in with."""

    def keys(self, operator: str) -> Collection[bytes]:
        """Public key blobs of `operator`; none for an operator that nobody knows."""


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
