"""The remote system that a VM asked to be connected to (DO-PROXY, direction client).

It is on its VM's console as an attachment of its own kind, with a session of a built-in operator:
what it sends is typed at the VM, and the VM's output goes to it.
"""

from secrets import token_hex

from attrs import frozen

from vspc.console.access import Operator, Rights
from vspc.console.session import Proof, Session
from vspc.wire.uri import RemoteUri

REMOTE = Operator("remote@local")
"""The operator of all remote systems; names that end in @local are reserved."""

REMOTE_RIGHTS: Rights = frozenset({"read", "write", "break"})


@frozen
class RemoteSystem:
    """What the VM asked for, and what became of it. `state` is one safe line; `since`: seconds
    since 1970; `unsent` counts what it sent while an operator had the pen, which goes nowhere.
    """

    uri: RemoteUri
    state: str = "not connected yet"
    is_connected: bool = False
    since: float | None = None
    unsent: int = 0


def remote_session(uri: RemoteUri, now: float) -> Session:
    """The session of one connection to `uri`; `now`: seconds since 1970."""
    return Session(token_hex(6), REMOTE, Proof("remote"), str(uri), now)
