"""The SSH door: give it to an endpoint's `listen`.

    door = Door(host_keys(paths, state_dir), gate, start, reactor, limits, admission)

`gate` judges who may come in (`vspc.console.authentication`, asked at each attempt, so a reload
counts at once); `start(channel, login, request)` decides what runs, see `vspc.console.logins`. What
`Channel` promises is in `vspc.ssh.channel`. `door.close(text)` ends every connection.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import DISCONNECT_BY_APPLICATION
from twisted.internet.interfaces import IAddress, IReactorTime

from vspc import __version__
from vspc.common.addresses import address_text, rate_key
from vspc.console.access import Operator
from vspc.console.authentication import Authenticator
from vspc.console.logins import Login, LoginObserver, Start, UserName, begin_login
from vspc.console.session import Proof, SessionLimits
from vspc.net.scheduler import Scheduler
from vspc.ssh.connection import SshConnection
from vspc.ssh.grace_period import GracePeriod
from vspc.ssh.keys import HostKey
from vspc.ssh.limits import FAREWELL, Admission, SshLimits, Tellable
from vspc.ssh.login_throttle import LoginThrottle
from vspc.ssh.quiet import quiet
from vspc.ssh.transport import SshTransport
from vspc.ssh.userauth import SshUserAuth

_VERSION = b"SSH-2.0-vspc_" + __version__.replace("-", "_").encode("ascii")


def _host(address: object) -> str:
    """The client's IP address, a v4-mapped one as v4; `local` for anything else."""
    host = getattr(address, "host", None)
    return address_text(host) if isinstance(host, str) else "local"


class SshServer(SSHFactory):
    """All SSH connections of one server."""

    _log = quiet
    noisy = False
    protocol: Any = SshTransport
    services = {b"ssh-userauth": SshUserAuth, b"ssh-connection": SshConnection}

    def __init__(
        self,
        host_keys: Sequence[HostKey],
        gate: Authenticator,
        start: Start,
        clock: IReactorTime,
        limits: SshLimits | None = None,
        admission: Admission | None = None,
        tellable: Tellable | None = None,
        witness: LoginObserver | None = None,
        wall: Callable[[], float] = time.time,
        scheduler: Scheduler | None = None,
    ) -> None:
        """`admission` bounds who is not logged in, `tellable` how often an address is logged.

        Without them neither is bounded. `witness` hears of logins; `wall`: seconds since 1970.
        `scheduler`: that of all connections of the server, with which these take turns.
        """
        self.gate = gate
        self.start = start
        self.clock = clock
        self.scheduler = scheduler or Scheduler(clock.callLater, clock.seconds)
        self.limits = limits or SshLimits()
        self.attempts = LoginThrottle()
        self.witness = witness or LoginObserver()
        self._wall = wall
        self._newcomers = None if admission is None else GracePeriod(admission, clock)
        self._tellable = tellable
        self._signatures = [name for key in host_keys for name in key.signatures]
        self.privateKeys: dict[bytes, Key] = {key.kind: key.key for key in host_keys}
        self.publicKeys: dict[bytes, Key] = {key.kind: key.public for key in host_keys}
        self.primes = None
        self.connections: set[SshTransport] = set()

    def buildProtocol(self, addr: IAddress | None) -> SshTransport:
        """A connection; what Conch would set here is set by `SshTransport`."""
        del addr
        transport = SshTransport(self)
        transport.supportedPublicKeys = self._signatures
        transport.ourVersionString = _VERSION
        return transport

    def close(self, text: str) -> float:
        """End every connection, telling it `text`; how many seconds that takes."""
        is_busy = any(not transport.idle for transport in self.connections)
        for transport in list(self.connections):
            transport.disconnect(text, DISCONNECT_BY_APPLICATION)
        return FAREWELL if is_busy else 0.0

    # What connections tell

    def welcome(self, transport: SshTransport) -> str:
        """A connection was made; returns its address."""
        self.connections.add(transport)
        address = _host(transport.transport.getPeer())
        if self._newcomers is not None:
            self._newcomers.came(transport, address)
        return address

    def leaving(self, transport: SshTransport) -> None:
        """A connection has been told to go, or floods: if there is no room it goes first."""
        if self._newcomers is not None:
            self._newcomers.failed(transport)

    def gone(self, transport: SshTransport) -> None:
        """A connection is lost: it takes no place any more, though its end may wait its turn."""
        if self._newcomers is not None:
            self._newcomers.leave(transport)

    def heard(self, transport: SshTransport) -> None:
        """Something came from a client that has not logged in."""
        if self._newcomers is not None and transport.login is None:
            self._newcomers.touched(transport)

    def delay(self, address: str, operator: str) -> float:
        """Seconds that the next attempt to log in has to wait."""
        return self.attempts.delay(rate_key(address), operator, self.clock.seconds())

    def failed(self, transport: SshTransport, operator: str) -> None:
        """An attempt to log in failed."""
        self.attempts.failed(rate_key(transport.address), operator, self.clock.seconds())
        if self._newcomers is not None:
            self._newcomers.failed(transport)

    def login(
        self, name: UserName, operator: Operator, proof: Proof, limits: SessionLimits, address: str
    ) -> Login:
        """An operator has authenticated: a session begins."""
        return begin_login(name, operator, proof, address, self._wall(), limits)

    def entered(self, transport: SshTransport, login: Login) -> str:
        """A client has logged in; empty, or why it must go all the same."""
        self.attempts.succeeded(rate_key(transport.address), login.operator)
        if self._newcomers is not None:
            self._newcomers.leave(transport)
        return self.witness.came(login, transport)

    def farewell(self, transport: SshTransport) -> None:
        """All that there was of a connection is over."""
        self.connections.discard(transport)
        if transport.login is not None:
            self.witness.left(transport.login)

    def tellable(self, address: str) -> bool:
        """Whether one more line about `address` may be logged."""
        return self._tellable is None or self._tellable(rate_key(address), self.clock.seconds())
