"""The server of the package in a Debian of a test's own, under its systemd or without one, and what
has to be true of it there.
"""

from attrs import define, field

from tests.chaos.oracle import Gap
from tests.chaos.streams import NumberedStream, token
from tests.end_to_end.debian import Debian
from tests.end_to_end.numbered import TYPIST, NumberedVm
from tests.end_to_end.processes import Child, Completed
from tests.vm.test_values import registration

SSH = (
    *("ssh", "-p", "2222", "-i", "/key", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"),
    *("-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=/run/known_hosts"),
)

PLAIN_PORT = 13372

PLAIN = f"""
[[vm.plain]]
name = "guest"
listen = "tcp:{PLAIN_PORT}:interface=127.0.0.1"
"""
"""The console of a VM without VMware's extension."""

UUID = b"fe dc ba 98 76 54 32 10-01 23 45 67 89 ab cd ef"


@define
class Installed:
    """The server. `debian` is where."""

    debian: Debian

    def ssh(self, *words: str) -> Completed:
        """A verb of alice's."""
        return self.debian.inside(*SSH, f"{TYPIST}@127.0.0.1", *words)

    def do(self, *words: str) -> Completed:
        """The same, which has to succeed."""
        return self.debian.do(*SSH, f"{TYPIST}@127.0.0.1", *words)

    def attach(self, *words: str) -> Child:
        """The same, left running."""
        return self.debian.start(*SSH, f"{TYPIST}@127.0.0.1", *words)

    def until_connected(self, console: str) -> None:
        """Wait until it is."""
        self.do("wait", console, "--timeout", "30")

    # systemd's

    def is_active(self) -> bool:
        """Whether the server has said that it is ready."""
        return self.debian.inside("systemctl", "is-active", "vspc").out == b"active\n"

    def pid(self) -> int:
        """Of the server that is ready."""
        shown = self.debian.inside("systemctl", "show", "vspc", "--property=MainPID", "--value")
        return int(shown.out)

    def restart(self) -> None:
        """`systemctl restart`."""
        self.debian.do("systemctl", "restart", "vspc")

    def kill(self) -> None:
        """SIGKILL; systemd starts it again."""
        before = self.pid()
        self.debian.do("systemctl", "kill", "--signal=KILL", "vspc")
        self.debian.wait(lambda: self.pid() not in (0, before) and self.is_active())

    def journal(self) -> str:
        """What the server and systemd said of it."""
        found = self.debian.do("journalctl", "--unit", "vspc", "--no-pager")
        return found.out.decode("utf-8", "replace")


@define
class Numbers:
    """Two VMs that print all the time, and what alice types at them: each byte arrives once."""

    server: Installed
    vms: list[NumberedVm] = field(factory=list)
    _sure: list[int] = field(factory=list)
    _perhaps: list[int] = field(factory=list)
    _count: int = 0

    def connect(self) -> None:
        """A VM without VMware's extension, and one with it."""
        debian = self.server.debian
        guest = NumberedVm(debian.connect(PLAIN_PORT), NumberedStream("guest", binary=True))
        peer, greeting = debian.connect(13370), registration(b"web02", UUID)
        web = NumberedVm(peer, NumberedStream("web02"), greeting, is_telnet=True)
        for vm in (guest, web):
            debian.test.addCleanup(vm.close)
            self.vms.append(vm)
            self.server.until_connected(vm.name)

    def type(self) -> None:
        """Something that arrives."""
        self._sure.append(self._next())
        for vm in self.vms:
            self.server.do("send", vm.name, self._text(self._count).decode())
            vm.hears(self._text(self._count))

    def type_unheard(self) -> list[Child]:
        """Something of which nobody knows whether it has arrived; who typed it."""
        self._perhaps.append(self._next())
        typists = [self.server.attach("raw", vm.name) for vm in self.vms]
        for typist in typists:
            typist.out.wait_total(1)  # attached: the VM prints
            typist.type(self._text(self._count))
        return typists

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _text(self, number: int) -> bytes:
        return token(TYPIST, number)

    def check(self) -> list[Gap]:
        """All that was printed and typed until now; the gaps that were told."""
        told: list[Gap] = []
        test = self.server.debian.test
        for vm in self.vms:
            self.server.do("expect", vm.name, "--from", "0", vm.pause())
            problems, gaps = vm.lost(self.server.do("log", vm.name, "--raw", "--from", "0"))
            problems += vm.mistyped(self._sure, self._perhaps)
            test.assertEqual(problems, [])
            test.assertTrue(vm.is_connected, vm.name)
            told += gaps
            vm.go_on()
        return told
