"""The SSH server: give it to an endpoint's `listen`. It makes connections and lists them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import DISCONNECT_BY_APPLICATION
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory

from vspc.ssh.connection import SshConnection
from vspc.ssh.context import SshContext
from vspc.ssh.limits import DISCONNECT_DELAY
from vspc.ssh.transport import SshTransport
from vspc.ssh.userauth import SshUserAuth


class SshServer(Factory):
    """All SSH connections of one server. `privateKeys` and `publicKeys` are for Conch."""

    noisy = False
    services: Mapping[bytes, Callable[[], SSHService]] = MappingProxyType(
        {b"ssh-userauth": SshUserAuth, b"ssh-connection": SshConnection}
    )

    def __init__(self, context: SshContext) -> None:
        self.context = context
        self.privateKeys: dict[bytes, Key] = {key.kind: key.key for key in context.host_keys}
        self.publicKeys: dict[bytes, Key] = {key.kind: key.public for key in context.host_keys}
        self.connections: set[SshTransport] = set()

    def buildProtocol(self, addr: IAddress | None) -> SshTransport:  # type: ignore[override]
        """A connection, which enters `connections` itself."""
        del addr
        return SshTransport(self.context, self)

    def close(self, text: str) -> float:
        """End every connection, with `text` as the reason; how many seconds that takes."""
        is_busy = any(not transport.idle for transport in self.connections)
        for transport in list(self.connections):
            transport.disconnect(text, DISCONNECT_BY_APPLICATION)
        return DISCONNECT_DELAY if is_busy else 0.0
