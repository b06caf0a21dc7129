"""Lines go on over a restart of the server: nothing is lost, nothing comes twice, no VM notices."""

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import vspc
from tests.end_to_end.processes import DEADLINE, script
from tests.end_to_end.server import ServerTestCase
from tests.supervisor import Unit
from tests.vm.support import SEQUENCE, VC_UUID
from tests.vm.test_values import registration, sb
from vspc.server.handover.received import STATES
from vspc.wire.telnet import VMWARE, WILL, negotiation
from vspc.wire.vmware import (
    DoProxy,
    VmName,
    VMotionBegin,
    VMotionComplete,
    VMotionPeer,
    VmVcUuid,
)


class HandoverTestCase(ServerTestCase):
    """A server under a service manager, and VMs that are sockets of the test."""

    command: tuple[str, ...] = ("vspc", "run")

    def setUp(self) -> None:
        super().setUp()
        self.configure()
        program, *words = self.command
        self.unit = Unit(self, script(program), *words, "--config", self.config)
        self.served_by(self.unit.start())

    def configure(self) -> None:
        """Before the first start."""

    def connect(self, what: str) -> socket.socket:
        peer = socket.create_connection(("127.0.0.1", self.ports[what]))
        self.addCleanup(peer.close)
        peer.settimeout(DEADLINE)
        return peer

    def until_state(self, name: str, state: str = "connected") -> dict[str, Any]:
        """Wait until the console is in that state."""
        self.assertEqual(self.ssh("wait", name, "--timeout", "30").status, 0)
        row = self.consoles()[name]
        self.assertEqual(row["state"], state)
        return row

    def until_waiting(self, name: str, count: int) -> None:
        """Wait until that many bytes of input wait, or are held."""
        end = time.monotonic() + DEADLINE
        while json.loads(self.ssh("info", name, "--json").out)["input_waiting"] != count:
            self.assertLess(time.monotonic(), end)

    def restart(self) -> None:
        self.served_by(self.unit.restart())

    def log_of(self, name: str) -> bytes:
        found = self.ssh("log", name, "--raw")
        self.assertEqual(found.status, 0, found)
        return found.out

    def markers(self, name: str) -> list[str]:
        lines = self.ssh("log", name, "--json").out.splitlines()
        return [found["marker"] for line in lines if "marker" in (found := json.loads(line))]

    def hears(self, peer: socket.socket, expected: bytes) -> None:
        """`peer` is sent exactly that, next."""
        got = b""
        while len(got) < len(expected):
            data = peer.recv(len(expected) - len(got))
            self.assertNotEqual(data, b"", f"closed after {got!r}")
            got += data
        self.assertEqual(got, expected)

    def is_open(self, peer: socket.socket) -> bool:
        """Whether `peer` is connected, and nothing waits for it."""
        peer.setblocking(False)
        try:
            data = peer.recv(1000)
        except BlockingIOError:
            return True
        finally:
            peer.settimeout(DEADLINE)
        self.assertEqual(data, b"", "unexpected bytes")
        return False


class RawLines(HandoverTestCase):
    def go_on_after(self, number: signal.Signals) -> None:
        """Three times."""
        guest = self.connect("plain guest")
        said = b"boot\xff\n"
        guest.sendall(said)
        before = self.until_state("guest")
        for round_ in range(3):
            self.unit.end(number)
            guest.sendall(b"said meanwhile\n")
            self.served_by(self.unit.start())
            said += b"said meanwhile\n"
            text = f"typed {round_}"
            self.assertEqual(self.ssh("send", "guest", text).status, 0)
            self.hears(guest, text.encode())
            guest.sendall(b"answer %d\n" % round_)
            said += b"answer %d\n" % round_
            answer = f"answer.{round_}"
            self.assertEqual(self.ssh("expect", "guest", "--from", "0", answer).status, 0)
            self.assertEqual(self.states_open(), 1)
        self.assertTrue(self.is_open(guest))
        self.assertEqual(self.log_of("guest"), said)
        after = self.consoles()["guest"]
        for key in ("id", "address", "since", "state"):
            self.assertEqual(after[key], before[key])
        self.assertEqual(after["bytes_from_vm"], len(said))
        self.assertEqual(self.markers("guest").count("restarted"), 3)
        self.assertEqual(self.markers("guest").count("away"), 0)
        self.assert_no_defects()
        self.unit.stop()
        self.assertFalse(self.is_open(guest))

    def states_open(self) -> int:
        """How many files of states the server has open: its own one."""
        files = set()
        for each in Path(f"/proc/{self.unit.process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                if "vspc-state" in os.readlink(each):
                    files.add(each.stat().st_ino)
        return len(files)

    def test_restarts(self) -> None:
        self.go_on_after(signal.SIGTERM)

    def test_kills(self) -> None:
        self.go_on_after(signal.SIGKILL)

    def test_an_operator_comes_back_to_the_console(self) -> None:
        guest = self.connect("plain guest")
        guest.sendall(b"login: ")
        self.until_state("guest")
        before = self.terminal("guest")
        before.out.expect(rb"login: ")
        self.unit.end()
        before.out.expect(rb"restarting, back in a moment")
        before.wait()
        guest.sendall(b"meanwhile")
        self.served_by(self.unit.start())
        again = self.terminal()
        again.out.expect(rb"guest connected")
        again.out.expect(rb"meanwhile")
        again.type(b"x")
        self.hears(guest, b"x")
        self.assertNotIn(b"login: ", again.out.data)

    def test_an_operator_comes_back_to_the_console_after_a_kill(self) -> None:
        guest = self.connect("plain guest")
        guest.sendall(b"login: ")
        self.until_state("guest")
        before = self.terminal("guest")
        before.out.expect(rb"login: ")
        for number in range(2):  # nobody is back between the first kill and the second
            self.unit.end(signal.SIGKILL)
            guest.sendall(b"meanwhile %d" % number)
            self.served_by(self.unit.start())
            said = f"meanwhile {number}"
            self.assertEqual(self.ssh("expect", "guest", "--from", "0", said).status, 0)
        before.wait()
        again = self.terminal()
        again.out.expect(rb"you were here when the server restarted")
        again.out.expect(rb"guest connected")
        again.out.expect(rb"meanwhile 1")
        again.type(b"x")
        self.hears(guest, b"x")
        self.assertNotIn(b"login: ", again.out.data)
        again.type(b"\x05c.")
        again.out.expect(rb"type to filter")
        self.unit.end(signal.SIGKILL)
        self.served_by(self.unit.start())
        self.terminal().out.expect(rb"type to filter")


class DialledLines(HandoverTestCase):
    """A device that the server connects to."""

    def configure(self) -> None:
        self.device = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.device.close)
        self.device.settimeout(DEADLINE)
        self.scheme = "tcp"
        self.dial()

    def dial(self) -> None:
        port = self.device.getsockname()[1]
        connect = f'name = "device"\nconnect = "{self.scheme}://127.0.0.1:{port}"\n'
        self.write_config("[[dial]]\n" + connect)

    def accept(self) -> socket.socket:
        peer, _ = self.device.accept()
        self.addCleanup(peer.close)
        peer.settimeout(DEADLINE)
        return peer

    def test_restarts_and_kills(self) -> None:
        peer, said = self.accept(), b""
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            self.until_state("device")
            self.unit.end(number)
            peer.sendall(b"meanwhile\n")
            said += b"meanwhile\n"
            self.served_by(self.unit.start())
            self.assertEqual(self.ssh("send", "device", "typed").status, 0)
            self.hears(peer, b"typed")
            expected = str(said.count(b"\n"))
            peer.sendall(b"answer " + expected.encode() + b"\n")
            said += b"answer " + expected.encode() + b"\n"
            found = self.ssh("expect", "device", "--from", "0", "answer." + expected)
            self.assertEqual(found.status, 0)
        self.assertTrue(self.is_open(peer))
        self.assertEqual(self.log_of("device"), said)
        self.assert_no_defects()

    def test_it_is_gone_from_the_configuration_or_is_another_one_after_a_restart(self) -> None:
        peer = self.accept()
        self.until_state("device")
        self.scheme = "telnet"
        self.dial()
        self.restart()
        self.assertEqual(peer.recv(1), b"")
        peer = self.accept()
        self.assertEqual(peer.recv(1), b"\xff")
        self.until_state("device")
        self.write_config("")
        self.restart()
        while peer.recv(1000):
            pass
        self.assertEqual(self.consoles()["device"]["state"], "away")
        self.assert_no_defects()


class UnderTwistd(HandoverTestCase):
    command = ("twistd", "-n", "--pidfile=", "vspc")

    def test_a_restart_and_a_kill(self) -> None:
        guest = self.connect("plain guest")
        guest.sendall(b"boot\n")
        self.until_state("guest")
        self.restart()
        self.served_by(self.unit.kill())
        guest.sendall(b"still here\n")
        self.assertEqual(self.ssh("expect", "guest", "--from", "0", "still here").status, 0)
        self.assertEqual(self.log_of("guest"), b"boot\nstill here\n")
        self.assertTrue(self.is_open(guest))
        self.assert_no_defects()


class VMwareTestCase(HandoverTestCase):
    """A VM that speaks the extension."""

    def vm(self, said: bytes = b"boot\n") -> socket.socket:
        """A VM that is identified, as web01."""
        peer = self.connect("telnet")
        peer.sendall(registration() + said)
        self.until_state("web01")
        self.hears_all(peer)
        return peer

    def hears_all(self, peer: socket.socket) -> bytes:
        """What was sent to `peer` until now: the server has answered all of ours, as it asks."""
        got = b""
        peer.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while data := peer.recv(4096):
                got += data
        peer.settimeout(DEADLINE)
        return got

    def hears_message(self, peer: socket.socket, code: int) -> bytes:
        """The body of the message of the extension with `code`, which comes next or later."""
        got = b""
        begin = bytes((255, 250, VMWARE, code))
        while begin not in got or b"\xff\xf0" not in got.partition(begin)[2]:
            data = peer.recv(4096)
            self.assertNotEqual(data, b"", f"closed after {got!r}")
            got += data
        return got.partition(begin)[2].partition(b"\xff\xf0")[0]


class VMwareLines(VMwareTestCase):
    def test_nothing_is_negotiated_anew(self) -> None:
        peer = self.vm()
        self.restart()
        self.assertTrue(self.is_open(peer))
        self.assertEqual(self.ssh("send", "web01", "date").status, 0)
        self.hears(peer, b"date")
        self.assertEqual(self.log_of("web01"), b"boot\n")

    def test_a_migration_that_began_before_completes_after(self) -> None:
        source = self.vm()
        source.sendall(sb(VMotionBegin(SEQUENCE)))
        secret = self.hears_message(source, 41)[len(SEQUENCE) :]
        self.restart()
        self.attach("raw", "web01").type(b"held")
        self.until_waiting("web01", 4)
        target = self.connect("telnet")
        target.sendall(negotiation(WILL, VMWARE) + sb(VMotionPeer(SEQUENCE + secret)))
        self.hears_message(target, 45)
        self.restart()
        target.sendall(sb(VmVcUuid(VC_UUID)) + sb(VmName(b"web01")) + sb(VMotionComplete(SEQUENCE)))
        target.sendall(b"arrived\n")
        self.assertEqual(self.ssh("expect", "web01", "--from", "0", "arrived").status, 0)
        row = self.consoles()["web01"]
        self.assertEqual(row["state"], "connected")
        self.hears(target, b"held")
        self.assertFalse(self.is_open(source))
        self.assertEqual(self.log_of("web01"), b"boot\narrived\n")
        self.assertIn("moved", self.markers("web01"))
        self.assert_no_defects()

    def test_who_is_not_identified_yet_goes_on_too(self) -> None:
        peer = self.connect("telnet")
        peer.sendall(negotiation(WILL, VMWARE) + sb(DoProxy(b"S", b"vspc")))
        self.hears_message(peer, 83)
        self.restart()
        self.assertTrue(self.is_open(peer))
        peer.sendall(sb(VmVcUuid(VC_UUID)) + sb(VmName(b"web01")) + b"login: ")
        self.until_state("web01")
        self.assertEqual(self.ssh("expect", "web01", "--from", "0", "login: ").status, 0)

    def test_tls_is_closed_in_order(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = self.connect("telnets")
        peer = context.wrap_socket(plain, suppress_ragged_eofs=False)
        self.addCleanup(peer.close)
        peer.sendall(registration(b"tls01"))
        self.until_state("tls01")
        self.unit.end()
        while peer.recv(4096):
            pass
        self.served_by(self.unit.start())
        self.assertEqual(self.consoles()["tls01"]["state"], "away")

    def test_a_peer_that_closes_meanwhile(self) -> None:
        peer = self.vm()
        self.unit.end()
        peer.sendall(b"last words\n")
        peer.close()
        self.served_by(self.unit.start())
        self.assertEqual(self.ssh("expect", "web01", "--from", "0", "last words").status, 0)
        self.unit.wait(lambda: "l00000" not in self.unit.manager.names(), "FDSTOREREMOVE")
        self.assertEqual(self.consoles()["web01"]["state"], "away")
        self.assertEqual(self.log_of("web01"), b"boot\nlast words\n")

    def test_a_lock_stays(self) -> None:
        self.vm()
        self.assertEqual(self.ssh("lock", "web01", "--keep", "maintenance").status, 0)
        self.restart()
        self.assertIsNotNone(self.consoles()["web01"]["lock"])


class Damage(VMwareTestCase):
    """What was handed over does not fit."""

    def damage(self, change: Callable[[], None]) -> None:
        self.unit.end()
        change()
        self.served_by(self.unit.start())

    def spoil(self) -> None:
        for each in self.unit.manager.stored:
            if each.name.startswith("state"):
                os.pwrite(each.number, b"x" * 4096, 0)

    def forget_state(self) -> None:
        for name in STATES:
            self.unit.manager.forget(name)

    def test_a_state_that_cannot_be_read_is_a_clean_start(self) -> None:
        peer = self.vm()
        self.damage(self.spoil)
        self.assertIn(b" error handover-unreadable ", self.server.out.data)
        self.assertFalse(self.is_open(peer))
        self.assertEqual(self.consoles()["web01"]["state"], "away")
        again = self.vm(b"again\n")
        self.restart()
        self.assertTrue(self.is_open(again))
        self.assert_no_defects()

    def test_no_state(self) -> None:
        peer = self.vm()
        self.damage(self.forget_state)
        self.assertIn(b" warn handover-lines-closed count=1 ", self.server.out.data)
        self.assertFalse(self.is_open(peer))
        self.assertEqual(self.consoles()["web01"]["state"], "away")

    def test_no_connection(self) -> None:
        self.vm()
        self.damage(lambda: self.unit.manager.forget("l00000"))
        self.assertIn(b" warn handover-lines-lost count=1 ", self.server.out.data)
        row = self.consoles()["web01"]
        self.assertEqual(row["state"], "away")
        self.assertIn("lost while the server was restarted", row["away_reason"])
        self.vm(b"again\n")
        self.assert_no_defects()


NEXT_VERSION = {
    "__init__.py": (('__version__ = "', '__version__ = "99.'),),
    "console/values.py": (
        ("\n\n\nclass SavedHistory(", '\n    of_the_next: str = "x"\n\n\nclass SavedHistory('),
    ),
    "vm/values.py": (
        ("\n\n\nclass SavedServer(", "\n    of_the_next: int = 7\n\n\nclass SavedServer("),
    ),
    "server/handover/encoding.py": (
        (
            "    is_orderly: bool = False\n",
            "    is_orderly: bool = False\n    of_the_next_version: float = 1.5\n",
        ),
    ),
    "server/handover/writer.py": (
        ("[moment, *self", '[moment, ((200, b"of the next version"), b"new"), *self'),
    ),
}
"""What the next version of the package has more in its records, by file: a text and another one."""


class Versions(VMwareTestCase):
    def next_version(self) -> Path:
        """The package of the next version, which writes each field of its records."""
        place = self.directory / "next"
        package = place / "vspc"
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(vspc.__file__).parent, package, ignore=ignored)
        for name, changes in NEXT_VERSION.items():
            file = package / name
            text = file.read_text().replace("omit_defaults=True", "omit_defaults=False")
            for before, after in changes:
                self.assertEqual(text.count(before), 1, before)
                text = text.replace(before, after)
            file.write_text(text)
        return place

    def test_there_and_back_with_live_lines(self) -> None:
        guest = self.connect("plain guest")
        guest.sendall(b"boot\n")
        self.until_state("guest")
        vm = self.vm()
        ours, theirs = vspc.__version__, f"99.{vspc.__version__}"
        here, there = dict[str, str](), {"PYTHONPATH": str(self.next_version())}
        steps = (
            (signal.SIGTERM, there, ours),
            (signal.SIGKILL, there, theirs),
            (signal.SIGKILL, here, theirs),
            (signal.SIGTERM, there, ours),
            (signal.SIGTERM, here, theirs),
        )
        said = b"boot\n"
        for number, environment, before in steps:
            self.unit.end(number)
            self.unit.environment = environment
            guest.sendall(b"meanwhile\n")
            said += b"meanwhile\n"
            self.served_by(self.unit.start())
            expected = f" info lines-taken-up lines=2 version={before}\n"
            self.assertIn(expected.encode(), self.server.out.data)
            self.assertEqual(self.ssh("send", "guest", "typed").status, 0)
            self.hears(guest, b"typed")
            self.assertTrue(self.is_open(vm))
            self.assert_no_defects()
            if number is signal.SIGKILL and environment is here:
                vm.sendall(sb(VMotionBegin(SEQUENCE)))
                secret = self.hears_message(vm, 41)[len(SEQUENCE) :]
        target = self.connect("telnet")
        target.sendall(negotiation(WILL, VMWARE) + sb(VMotionPeer(SEQUENCE + secret)))
        self.hears_message(target, 45)
        target.sendall(sb(VmVcUuid(VC_UUID)) + sb(VmName(b"web01")) + sb(VMotionComplete(SEQUENCE)))
        self.until_state("web01")
        self.assertIn("moved", self.markers("web01"))
        self.assertEqual(self.log_of("guest"), said)


class FullStore(VMwareTestCase):
    """FileDescriptorStoreMax is too low."""

    def test_what_has_no_room_comes_back_and_all_else_goes_on_each_time(self) -> None:
        guest = self.connect("plain guest")
        guest.sendall(b"boot\n")
        self.until_state("guest")
        self.unit.manager.room = len(self.unit.manager.names())
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            vm = self.vm()
            self.unit.end(number)
            self.assertFalse(self.is_open(vm))
            self.served_by(self.unit.start())
            self.assertTrue(self.is_open(guest))
            self.assertEqual(self.consoles()["guest"]["state"], "connected")
            self.assertIn(b" warn handover-lines-lost count=1 ", self.server.out.data)
        self.assert_no_defects()

    def test_a_manager_that_says_how_much_room_it_has(self) -> None:
        self.unit.stop()
        names = len(self.unit.manager.names())
        self.unit.manager.room = 9
        self.unit.environment["FDSTORE"] = "9"
        self.assertEqual(names, 0)
        self.served_by(self.unit.start())
        while len(self.unit.manager.names()) < 8:
            guest = self.connect("telnet")
            uuid = b"%032x" % len(self.unit.manager.names())
            guest.sendall(registration(b"vm" + uuid[-1:], uuid))
            self.hears_all(guest)
        last = self.vm()
        self.server.out.expect(rb" warn descriptor-store-full room=9 ")
        self.restart()
        self.assertFalse(self.is_open(last))
        self.assertTrue(self.is_open(guest))
        self.assert_no_defects()
