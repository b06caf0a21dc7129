"""The telnet AUTHENTICATION option (37) as ESXi uses it: to start TLS inside a connection.

RFC 2941 for the shape of the messages; the type SSL (7) and its one dialogue are VMware's:
SEND, IS with START, REPLY with ACCEPTED, and the very next byte is TLS, both ways.
"""

from attrs import frozen

_IS, _SEND, _REPLY, _NAME = range(4)
SSL = 7
"""The authentication type with which TLS starts."""

_START, _ACCEPTED = b"\x01", b"\x02"

SEND_TLS = bytes((_SEND, SSL, 0))
"""Body of the server's question: TLS, with modifier 0."""

IS_START = bytes((_IS, SSL, 0)) + _START
"""Body of the client's answer: start it."""

REPLY_ACCEPTED = bytes((_REPLY, SSL, 0)) + _ACCEPTED
"""Body of the server's last message in clear."""


class MalformedAuthentication(ValueError):
    """A body that is not a message of RFC 2941."""


@frozen
class Send:
    """Server to client: the pairs of type and modifier that it accepts, best first."""

    pairs: tuple[tuple[int, int], ...]


@frozen
class Is:
    """Client to server: the pair that it chose, and its data."""

    kind: int
    modifier: int
    data: bytes

    @property
    def starts_tls(self) -> bool:
        """Whether this is `IS_START`: the one answer on which TLS may start."""
        return (self.kind, self.modifier, self.data) == (SSL, 0, _START)


@frozen
class Reply:
    """Server to client: the answer to that."""

    kind: int
    modifier: int
    data: bytes

    @property
    def accepts_tls(self) -> bool:
        """Whether this is `REPLY_ACCEPTED`."""
        return (self.kind, self.modifier, self.data) == (SSL, 0, _ACCEPTED)


@frozen
class Name:
    """Client to server: its user name."""

    name: bytes


Authentication = Send | Is | Reply | Name


def parse(body: bytes) -> Authentication:
    """The message in `body`, of a subnegotiation of option 37. Raises MalformedAuthentication."""
    code, arguments = body[:1], body[1:]
    if code == bytes((_NAME,)):
        return Name(arguments)
    if code == bytes((_SEND,)):
        return Send(_pairs(arguments))
    if code not in (bytes((_IS,)), bytes((_REPLY,))):
        raise MalformedAuthentication("not a message of the AUTHENTICATION option")
    if len(arguments) < 2:
        raise MalformedAuthentication("IS or REPLY without its type and modifier")
    kind = Is if code == bytes((_IS,)) else Reply
    return kind(arguments[0], arguments[1], arguments[2:])


def _pairs(arguments: bytes) -> tuple[tuple[int, int], ...]:
    if len(arguments) % 2:
        raise MalformedAuthentication("SEND with half a pair of type and modifier")
    return tuple(zip(arguments[::2], arguments[1::2], strict=True))
