"""A server that is killed leaves its lines to the next one: what was said and typed comes once."""

import socket
from signal import SIGKILL
from typing import Any

from tests.end_to_end import test_handover
from tests.vm.support import SEQUENCE, VC_UUID
from tests.vm.test_values import registration, sb
from vspc.wire.telnet import VMWARE, WILL, negotiation
from vspc.wire.vmware import (
    VmName,
    VMotionAbort,
    VMotionBegin,
    VMotionComplete,
    VMotionPeer,
    VmVcUuid,
)

GO_AHEAD, PEER_OK = 41, 45


class KillTestCase(test_handover.HandoverTestCase):
    def kill(self) -> None:
        """Kill the server; the service manager starts it again."""
        self.served_by(self.unit.kill())

    def expect(self, name: str, text: str) -> None:
        """The console has said `text`."""
        self.assertEqual(self.ssh("expect", name, "--from", "0", text).status, 0)

    def message(self, peer: socket.socket, code: int) -> bytes:
        """The body of the next message of the extension with `code`."""
        got, begin = b"", bytes((255, 250, VMWARE, code))
        while begin not in got or b"\xff\xf0" not in got.partition(begin)[2]:
            data = peer.recv(4096)
            self.assertNotEqual(data, b"", f"closed after {got!r}")
            got += data
        return got.partition(begin)[2].partition(b"\xff\xf0")[0]


class Killed(KillTestCase):
    def test_a_raw_line_is_killed_under_three_times(self) -> None:
        guest = self.connect("plain guest")
        guest.sendall(b"boot\n")
        before: dict[str, Any] = self.until_state("guest")
        said, typed = b"boot\n", b""
        for round_ in range(3):
            word = f"round {round_}"
            guest.sendall(word.encode() + b"\n")
            said += word.encode() + b"\n"
            self.expect("guest", word)
            self.assertEqual(self.ssh("send", "guest", word).status, 0)
            typed += word.encode()
            self.kill()
            self.assertEqual(self.ssh("log", "guest", "--raw").out, said)
        self.hears(guest, typed)
        guest.sendall(b"end\n")
        self.expect("guest", "end")
        self.assertTrue(self.is_open(guest))
        self.assertEqual(self.log_of("guest"), said + b"end\n")
        after = self.consoles()["guest"]
        for key in ("id", "address", "since", "state"):
            self.assertEqual(after[key], before[key])
        self.assertEqual(after["bytes_from_vm"], len(said) + 4)
        self.assertEqual(after["bytes_to_vm"], len(typed))
        for kind in ("away", "gap"):
            self.assertNotIn(kind, self.markers("guest"))
        self.assertEqual(self.log_of("guest").count(b"round"), 3)
        self.assertNotIn(b"handover-incomplete", self.server.out.data)

    def test_a_migration_that_began_before_completes_after_and_held_input_comes_once(self) -> None:
        source = self.connect("telnet")
        source.sendall(registration() + b"boot\n")
        self.until_state("web01")
        source.sendall(sb(VMotionBegin(SEQUENCE)))
        secret = self.message(source, GO_AHEAD)[len(SEQUENCE) :]
        self.attach("raw", "web01").type(b"held")
        self.until_waiting("web01", 4)
        self.kill()
        self.until_waiting("web01", 4)
        target = self.connect("telnet")
        target.sendall(negotiation(WILL, VMWARE) + sb(VMotionPeer(SEQUENCE + secret)))
        self.message(target, PEER_OK)
        self.kill()
        target.sendall(sb(VmVcUuid(VC_UUID)) + sb(VmName(b"web01")) + sb(VMotionComplete(SEQUENCE)))
        target.sendall(b"arrived\n")
        self.expect("web01", "arrived")
        self.hears(target, b"held")
        self.assertTrue(self.is_open(target))
        self.assertFalse(self.is_open(source))
        self.assertEqual(self.log_of("web01"), b"boot\narrived\n")
        self.assert_no_defects()


class Migrations(KillTestCase):
    """Each message of a vMotion comes while nobody is there, or was answered just before that."""

    def setUp(self) -> None:
        super().setUp()
        self.source = self.connect("telnet")
        self.source.sendall(registration() + b"boot\n")
        self.before = self.until_state("web01")

    def dead(self, peer: socket.socket, data: bytes) -> None:
        """`peer` sends `data` after the server was killed; then there is another one."""
        self.unit.end(SIGKILL)
        peer.sendall(data)
        self.served_by(self.unit.start())

    def begin(self, is_dead: bool) -> bytes:
        """BEGIN, and input that is held; the credential."""
        begin = sb(VMotionBegin(SEQUENCE))
        if is_dead:
            self.dead(self.source, begin)
        else:
            self.source.sendall(begin)
        credential = self.message(self.source, GO_AHEAD)
        self.attach("raw", "web01").type(b"held")
        self.until_waiting("web01", 4)
        if not is_dead:
            self.kill()
        return credential

    def peer(self, credential: bytes, is_dead: bool) -> socket.socket:
        """Another line says PEER, and has its answer."""
        if is_dead:
            self.unit.end(SIGKILL)
        target = self.connect("telnet")
        target.sendall(negotiation(WILL, VMWARE) + sb(VMotionPeer(credential)))
        if is_dead:
            self.served_by(self.unit.start())
        self.message(target, PEER_OK)
        if not is_dead:
            self.kill()
        return target

    def completion(self) -> bytes:
        """What the target says at the end."""
        identity = sb(VmVcUuid(VC_UUID)) + sb(VmName(b"web01"))
        return identity + sb(VMotionComplete(SEQUENCE)) + b"arrived\n"

    def goes_on(self, line: socket.socket, moves: int, said: bytes) -> None:
        """`line` is the console's, which has had the input that was held, once."""
        self.hears(line, b"held")
        self.assertTrue(self.is_open(line))
        self.kill()
        self.assertEqual(self.ssh("send", "web01", "typed").status, 0)
        self.hears(line, b"typed")
        line.sendall(b"answer\n")
        self.expect("web01", "answer")
        after = self.consoles()["web01"]
        self.assertEqual((after["id"], after["state"]), (self.before["id"], "connected"))
        self.assertEqual(after["bytes_to_vm"], len(b"heldtyped"))
        self.assertEqual(self.markers("web01").count("moved"), moves)
        self.assertEqual(self.log_of("web01"), b"boot\n" + said + b"answer\n")
        self.assertTrue(self.is_open(line))
        self.assertNotIn(b"handover-incomplete", self.server.out.data)
        self.assert_no_defects()

    def is_spent(self, credential: bytes) -> None:
        """Nobody gets an answer to PEER with it any more."""
        other = self.connect("telnet")
        other.sendall(negotiation(WILL, VMWARE) + sb(VMotionPeer(credential)))
        self.server.out.expect(rb"vmotion-peer-unknown")

    def test_each_comes_while_nobody_is_there(self) -> None:
        credential = self.begin(is_dead=True)
        target = self.peer(credential, is_dead=True)
        self.dead(target, self.completion())
        self.expect("web01", "arrived")
        self.assertFalse(self.is_open(self.source))
        self.goes_on(target, 1, b"arrived\n")

    def test_each_was_answered_before(self) -> None:
        credential = self.begin(is_dead=False)
        target = self.peer(credential, is_dead=False)
        target.sendall(self.completion())
        self.expect("web01", "arrived")
        self.kill()
        self.assertFalse(self.is_open(self.source))
        self.is_spent(credential)
        self.goes_on(target, 1, b"arrived\n")

    def test_it_is_given_up_while_nobody_is_there(self) -> None:
        credential = self.begin(is_dead=True)
        target = self.peer(credential, is_dead=True)
        self.dead(self.source, sb(VMotionAbort()) + b"stays\n")
        self.expect("web01", "stays")
        self.assertFalse(self.is_open(target))
        self.goes_on(self.source, 0, b"stays\n")

    def test_it_was_given_up_before(self) -> None:
        credential = self.begin(is_dead=False)
        self.source.sendall(sb(VMotionAbort()) + b"stays\n")
        self.expect("web01", "stays")
        self.kill()
        self.is_spent(credential)
        self.goes_on(self.source, 0, b"stays\n")
