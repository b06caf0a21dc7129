"""A server whose VMs may be connected to remote systems, all of it in memory."""

from typing import Any

from tests.apps.support import ALICE, XTERM, Desk, FakeChannel
from tests.fakes import FakeThreads
from tests.net.dialling import Dialling
from tests.vm.support import Host
from vspc.config.dial_allow import DialAllow, DialEntry
from vspc.console.access import Access, Rule
from vspc.console.console import Console
from vspc.console.remote import REMOTE, REMOTE_RIGHTS
from vspc.doors.remotes.remotes import RemoteContext, Remotes
from vspc.net.limits import Refusals
from vspc.net.outbound import Outbound
from vspc.wire.telnet import VMWARE, subnegotiation
from vspc.wire.vmware import WillProxy, WontProxy, encode

MOXA = b"tcp://192.0.2.9:4001"
WEB01 = b"web01".hex().encode().ljust(32, b"0")
"""The UUID of the VM of that name, as it says it."""

ALLOWED = ["192.0.2.0/24:*", "moxa-*.example:*"]

WILL = subnegotiation(VMWARE, encode(WillProxy()))
WONT = subnegotiation(VMWARE, encode(WontProxy()))


class RemoteWorld:
    """VMs of direction client, what they ask for, and alice. `own` are listeners of the server."""

    def build(self) -> None:
        """A new one."""
        self.desk = Desk()
        everyone = self.desk.rules.rules
        self.desk.rules = Access((*everyone, Rule(frozenset({REMOTE.name}), ("*",), REMOTE_RIGHTS)))
        self.allowed = ALLOWED
        self.own: list[tuple[str, int]] = []
        self.dialling = Dialling()
        self.threads = FakeThreads()
        self.outbound = Outbound(
            self.dialling.reactor, self.desk.clock, self.desk.fail, self.dialling.look_up
        )
        context = RemoteContext(
            self.desk.context,
            self.outbound,
            self.desk.server.scheduler,
            lambda: DialAllow(tuple(map(DialEntry.parse, self.allowed))),
            lambda address, port: (str(address), port) in self.own,
            Refusals(),
            self.threads,
        )
        self.remotes = Remotes(context)
        self.desk.events.subscribe(self.remotes.handle)

    def vm(self, uri: bytes = MOXA, name: bytes = b"web01", address: str = "10.0.0.1") -> Host:
        """A VM that asks for `uri`."""
        host = Host(self.desk, address, dial_allow=self.allowed)
        uuid = name.hex().encode().ljust(32, b"0")
        self.said = host.register(name, uuid, uri, b"C")
        return host

    def connected(self, uri: bytes = MOXA) -> tuple[Host, Any]:
        """A VM, and the connection to what it asked for."""
        host = self.vm(uri)
        return host, self.dialling.take().accept()

    @property
    def console(self) -> Console:
        (console,) = self.desk.roster
        return console

    @property
    def state(self) -> str:
        assert self.console.remote is not None
        return self.console.remote.state

    def operator(self) -> FakeChannel:
        """Alice looks at the console."""
        channel = self.desk.say("console web01", ALICE, XTERM)
        self.turn()
        return channel

    def turn(self) -> None:
        """Turns of the reactor end."""
        self.desk.turn()
        self.desk.clock.advance(0)
        self.desk.turn()

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.desk.clock.advance(seconds)
        self.turn()
