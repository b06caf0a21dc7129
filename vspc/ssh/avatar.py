"""What an operator may open on his connection: sessions and `-W`, nothing else."""

from twisted.conch.avatar import ConchUser

from vspc.ssh.forward import ForwardChannel
from vspc.ssh.session import SessionChannel


class Avatar(ConchUser):
    """One operator on one connection.

    Forwarding of ports to the server, agents, X11, subsystems: all are refused, because nothing
    here takes them.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.channelLookup = {b"session": SessionChannel, b"direct-tcpip": ForwardChannel}
        self.subsystemLookup = {}
