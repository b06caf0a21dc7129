"""Hosts that are evacuated, die, come back and lie, under real programs on both sides."""

import hashlib
import json
import re
import socket
from typing import Any

from tests.end_to_end.guest import PROMPT, Guest, client_of
from tests.end_to_end.processes import DEADLINE, Child, free_port
from tests.end_to_end.test_virtual_machines import SimulatorTestCase

FIRST, SECOND, THIRD, ELSEWHERE = (f"127.0.0.{last}" for last in (1, 2, 3, 66))
"""Hosts: three of the cluster, and one of somebody else."""

PROBE = "0.5"
"""Seconds that a silent host has to answer in these tests."""


class MovingTestCase(SimulatorTestCase):
    """bob is an administrator; a host that is asked answers soon or not at all."""

    def write_config(self, more: str = "") -> None:
        super().write_config(more)
        text = self.config.read_text()
        text = text.replace("[vm]\n", f"[vm]\nprobe_timeout = {PROBE}\n")
        self.config.write_text(
            text.replace("[operators.bob]\n", '[operators.bob]\nroles = ["admin"]\n')
        )

    def begin(self, command: str) -> "Answer":
        """Say one line to the simulator and go on; the answer comes when it is done."""
        return Answer(str(self.directory / "control"), command)

    def lie(self, words: str) -> int:
        """Tell a lie; its number."""
        return int(self.tell(f"lie {words}"))

    def heard(self, number: int) -> bytes:
        """Every byte that a liar got, telnet included; its data as far as it is some."""
        lies: list[dict[str, Any]] = json.loads(self.tell("lies"))
        self.assertEqual(lies[number - 1]["heard"], "")
        return bytes.fromhex(lies[number - 1]["wire"])

    def rows(self, operator: str = "alice") -> list[tuple[str, str, str | None]]:
        """Of each console that `operator` sees: name, state and address."""
        listed = json.loads(self.ssh("list", "--json", operator=operator).out)
        return [(row["name"], row["state"], row["address"]) for row in listed]

    def event(self, kind: str, claimant: str, holder: str) -> None:
        """Wait for one security event."""
        facts = f"kind={kind} .*claimant={claimant} holder={holder}".encode()
        self.server.out.expect(rb" error security " + facts)

    def attach_and_wait(self, name: str) -> Child:
        """`raw`, as soon as it is there."""
        raw = self.attach("raw", name)
        self.server.out.expect(rb" attached console=%b " % name.encode())
        return raw


class Answer:
    """A command that the simulator is busy with."""

    def __init__(self, path: str, command: str) -> None:
        self._control = socket.socket(socket.AF_UNIX)
        self._control.settimeout(2 * DEADLINE)
        self._control.connect(path)
        self._control.sendall(command.encode() + b"\n")

    def wait(self) -> str:
        """Its answer."""
        with self._control, self._control.makefile("r", encoding="utf-8") as answers:
            return answers.readline().strip()


class Evacuation(MovingTestCase):
    VMS, SAID, TYPED = 40, 3000, 1200
    AT_ONCE = 10  # logins: over a limit, the longest silent one gives way to a newcomer

    def test_a_host_with_40_vms_is_evacuated_twice_in_the_middle_of_streams(self) -> None:
        self.serve()
        self.simulate("--vmotion-time", "0.4", vms=self.VMS)
        names = [f"web{n}" for n in range(1, self.VMS + 1)]
        raws = self._attach(names)
        command = b"stream %d 1000 &\rexpect %d\r" % (self.SAID, self.TYPED)
        for raw in raws.values():
            raw.type(command)
        for raw in raws.values():
            raw.out.expect(rb"^expecting ")
        lines = b"".join(b"%08d\r" % n for n in range(self.TYPED))
        fifth = len(lines) // 5
        pieces = [lines[:fifth], *(lines[at * fifth : (at + 1) * fifth] for at in (1, 2, 3))]
        pieces.append(lines[4 * fifth :])
        self._type(raws, pieces[0])
        for source, target, during, after in ((FIRST, SECOND, 1, 2), (SECOND, THIRD, 3, 4)):
            moving = self.begin(f"evacuate {source} {target}")
            self._type(raws, pieces[during])
            moved = json.loads(moving.wait().removeprefix("ok "))
            self.assertEqual((moved["moved"], moved["failed"]), (self.VMS, 0), moved)
            self._type(raws, pieces[after])
        for name, raw in raws.items():
            self._check(name, raw, command + lines)
        expected = sorted((name, "connected", THIRD) for name in names)
        self.assertEqual(sorted(self.rows()), expected)
        self.assert_no_defects()

    def _attach(self, names: list[str]) -> dict[str, Child]:
        raws: dict[str, Child] = {}
        for start in range(0, len(names), self.AT_ONCE):
            some = names[start : start + self.AT_ONCE]
            raws |= {name: self.attach("raw", name) for name in some}
            for _ in some:
                self.server.out.expect(rb" attached console=")
        return raws

    def _type(self, raws: dict[str, Child], data: bytes) -> None:
        for raw in raws.values():
            raw.type(data)

    def _check(self, name: str, raw: Child, typed: bytes) -> None:
        for source, target in ((FIRST, SECOND), (SECOND, THIRD)):
            raw.err.expect(rb"\[%b moved from %b to %b" % (name.encode(), *_bytes(source, target)))
        while b"%08d\r\n" % (self.SAID - 1) not in raw.out.data or b"\nok " not in raw.out.data:
            raw.out.expect(rb"^(?:%08d|ok %d)\r\n" % (self.SAID - 1, self.TYPED))
        numbers = re.findall(rb"(\d{8})\r\n", raw.out.data)
        self.assertEqual(numbers, [b"%08d" % n for n in range(self.SAID)])
        counted = self.stats(name)
        self.assertEqual(counted["sha256_in"], hashlib.sha256(typed).hexdigest())
        self.assertEqual(counted["moves"], 2)
        for migration in counted["migrations"]:
            late = migration["bytes_after_goahead"], migration["bytes_before_complete"]
            self.assertEqual(late, (0, 0), name)

    def test_all_ports_of_a_vm_move_at_once_and_stay_what_they_are(self) -> None:
        self.serve()
        self.simulate("--port-labels", "com1,debug", "--vmotion-time", "0.1")
        self.server.out.expect(rb" vm-registered ")
        debug = self.attach_and_wait("web1:debug")
        for target in (SECOND, THIRD, FIRST):
            self.tell(f"vmotion web1 {target}")
        debug.type(b"echo which\r")
        debug.out.expect(rb"^which")
        debug.stop()
        self.assertEqual(self.stats("web1:com1")["bytes_in"], 0)
        listed = json.loads(self.ssh("list", "--json").out)
        ports = [(row["name"], row["port"], row["port_certain"]) for row in listed]
        self.assertEqual(ports, [("web1", "com1", True), ("web1", "debug", True)])

    def test_one_port_that_fails_keeps_the_vm_where_it_is(self) -> None:
        self.serve()
        self.simulate("--ports", "2", "--vmotion-time", "0.1")
        self.server.out.expect(rb" vm-registered ")
        for fault in ("abort", "abort-late", "target-lost"):
            self.begin(f"vmotion web1:2 {fault}").wait()
            for port in ("web1:1", "web1:2"):
                raw = self.attach_and_wait(port)
                raw.type(b"echo after %b\r" % fault.encode())
                raw.out.expect(rb"^after %b" % fault.encode())
                raw.err.expect(rb"order in which the VM's ports connected")
                raw.stop()
        self.assertEqual({row[2] for row in self.rows()}, {FIRST})
        self.assertEqual(self.ssh("raw", "web1:1", "--strict").status, 1)


class Faults(MovingTestCase):
    """One vMotion that goes wrong."""

    def write_config(self, more: str = "") -> None:
        super().write_config(more)
        text = self.config.read_text().replace("[vm]\n", "[vm]\nvmotion_timeout = 5\n")
        self.config.write_text(text)

    def test_a_source_that_talks_on_gets_its_input_back(self) -> None:
        self.serve()
        self.simulate()
        raw = self.attach_and_wait("web1")
        raw.type(b"stream 1000000 100 &\r")
        raw.out.expect(rb"00000001\r\n")
        self.tell(f"vmotion web1 {SECOND} talk-on")
        raw.type(b"echo held\r")
        raw.err.expect(rb"\[web1 stays on %b: its vMotion did not happen\]" % FIRST.encode())
        raw.out.expect(rb"^held\r\n")
        self.assert_no_defects()

    def test_a_source_that_is_lost_changes_nothing(self) -> None:
        self.serve()
        self.simulate()
        raw = self.attach_and_wait("web1")
        moving = self.begin(f"vmotion web1 {SECOND} source-lost")
        raw.type(b"echo held\r")
        self.assertRegex(moving.wait(), "^ok moved")
        raw.err.expect(rb"\[web1 moved from %b to %b" % _bytes(FIRST, SECOND))
        raw.out.expect(rb"^held\r\n")
        self.assert_no_defects()

    def test_hosts_that_hang_are_given_up_and_the_vm_can_be_moved_again(self) -> None:
        self.serve()
        self.simulate("--vmotion-time", "0")
        raw = self.attach_and_wait("web1")
        hanging = self.begin(f"vmotion web1 {SECOND} hang-late")
        self.server.out.expect(rb" vmotion-peer ")
        raw.type(b"echo held\r")
        raw.err.expect(rb"\[web1 did not move: ")
        self.assertRegex(hanging.wait(), "^error failed after .*: target: ")
        raw.out.expect(rb"^held\r\n")
        self.tell(f"vmotion web1 {SECOND}")
        raw.err.expect(rb"\[web1 moved from %b to %b" % _bytes(FIRST, SECOND))
        self.assert_no_defects()


class HighAvailability(MovingTestCase):
    def test_a_dead_hosts_vm_comes_back_elsewhere_and_its_operators_are_told(self) -> None:
        self.serve()
        self.simulate(vms=2)
        raw = self.attach_and_wait("web1")
        terminal = self.terminal(operator="bob", user="bob+web2")
        terminal.out.expect(rb"for help\]")
        self.tell(f"ha {FIRST} {SECOND}")
        for _ in range(2):
            self.event("taken-over", SECOND, FIRST)
        self.assertEqual(raw.wait(), 1)
        self._assert_says_both(raw.err.data)
        terminal.out.expect(rb"\[web2 is on %b now; it was on %b" % _bytes(SECOND, FIRST))
        terminal.type(b"echo blind\r")
        terminal.out.expect(rb"not sent")
        terminal.type(b"\x05ca")
        terminal.type(b"echo seen\r")
        terminal.out.expect(rb"^seen\r\n")
        again = self.attach_and_wait("web1")
        again.err.expect(rb"(?s)%b.*%b" % _bytes(SECOND, FIRST))
        again.type(b"echo again\r")
        again.out.expect(rb"^again\r\n")
        states = [("web1", "connected", SECOND), ("web2", "connected", SECOND)]
        self.assertEqual(self.rows("bob"), states)
        self.assertNotIn(b"blind", b"".join(self._typed_at(name) for name in ("web1", "web2")))
        self.assert_no_defects()

    def _typed_at(self, name: str) -> bytes:
        said = self.attach("raw", name, "ro", "--from", "0")
        said.out.expect(re.escape(name).encode() + b":~# ")
        data = said.out.data
        said.stop()
        return data

    def _assert_says_both(self, text: bytes) -> None:
        for address in _bytes(FIRST, SECOND):
            self.assertIn(address, text)

    def test_the_old_host_was_only_cut_off_and_comes_back_for_a_moment(self) -> None:
        self.serve()
        self.simulate()
        self.tell(f"ha {FIRST} {SECOND}")
        self.event("taken-over", SECOND, FIRST)
        self.tell(f"revive {FIRST}")
        self.event("came-back", FIRST, SECOND)
        # The old host ends its copy of the VM, and the quarantined line gets the console.
        self.server.out.expect(rb" vm-registered console=web1 .*%b" % SECOND.encode())
        self.assertEqual(self.rows("bob"), [("web1", "connected", SECOND)])
        raw = self.attach_and_wait("web1")
        raw.type(b"echo alive\r")
        raw.out.expect(rb"^alive\r\n")
        self.assert_no_defects()


class Liars(MovingTestCase):
    def test_he_claims_a_live_vm_and_is_kept_apart(self) -> None:
        self.serve()
        self.simulate(vms=2)
        raw = self.attach_and_wait("web1")
        number = self.lie(f"{ELSEWHERE} as=web1 text=forged early")
        self.event("claimed-while-there", ELSEWHERE, FIRST)
        raw.type(b"echo for-the-vm-alone\r")
        raw.out.expect(rb"^for-the-vm-alone")
        self.assertNotIn(b"for-the-vm", self.heard(number))
        self.assertNotIn(b"forged", raw.out.data)
        connected = [("web1", "connected", FIRST), ("web2", "connected", FIRST)]
        self.assertEqual(self.rows(), connected)
        kept = [row for row in self.rows("bob") if row not in connected]
        self.assertEqual([row[1:] for row in kept], [("quarantined", ELSEWHERE)])
        self.assertEqual(self.ssh("info", "web1").status, 0)
        self.assert_no_defects()

    def test_he_claims_a_vm_while_its_host_is_stunned_and_gets_no_key(self) -> None:
        self.serve()
        self.simulate()
        raw = self.attach_and_wait("web1")
        terminal = self.terminal(operator="bob", user="bob+web1")
        terminal.out.expect(rb"for help\]")
        self.tell("stun web1 4")
        number = self.lie(f"{ELSEWHERE} as=web1 text=forged")
        self.event("taken-over", ELSEWHERE, FIRST)
        self.assertEqual(raw.wait(), 1)
        for address in _bytes(FIRST, ELSEWHERE):
            self.assertIn(address, raw.err.data)
        terminal.out.expect(rb"\[web1 is on %b now; it was on %b" % _bytes(ELSEWHERE, FIRST))
        terminal.type(b"my-password\r")
        terminal.out.expect(rb"not sent")
        self.event("came-back", FIRST, ELSEWHERE)
        terminal.out.expect(rb"\[web1 is on %b now; it was on %b" % _bytes(FIRST, ELSEWHERE))
        self.tell(r"output web1 victims-own\r\n")
        terminal.out.expect(rb"victims-own")
        wire = self.heard(number)
        for secret in (b"my-password", b"victims-own"):
            self.assertNotIn(secret, wire)
        self.assertEqual(self.rows(), [("web1", "connected", FIRST)])
        self.assert_no_defects()

    def test_he_lies_beside_an_evacuation_and_an_ha_restart(self) -> None:
        self.serve()
        self.simulate("--vmotion-time", "1", vms=3)
        raws = [self.attach_and_wait(f"web{n}") for n in (1, 2, 3)]
        moving = self.begin(f"evacuate {FIRST} {SECOND}")
        numbers = [self.lie(f"{ELSEWHERE} as=web{n} text=forged early") for n in (1, 2)]
        numbers.append(self.lie(f"{ELSEWHERE} as=web3 peer=0011223344556677 text=forged early"))
        for raw in raws:
            raw.type(b"echo held-meanwhile\r")
        self.assertEqual(json.loads(moving.wait().removeprefix("ok "))["moved"], 3)
        for raw in raws:
            raw.out.expect(rb"^held-meanwhile\r\n")
        for _ in (1, 2):
            self.event("claimed-while-there", ELSEWHERE, SECOND)
        self.tell(f"ha {SECOND} {THIRD}")
        for raw in raws:
            self.assertEqual(raw.wait(), 1)
            self.assertNotIn(b"forged", raw.out.data)
        raw = self.attach_and_wait("web3")
        raw.type(b"echo to-the-true-one\r")
        raw.out.expect(rb"^to-the-true-one\r\n")
        for number in numbers:
            wire = self.heard(number)
            for secret in (b"held-meanwhile", b"to-the-true-one"):
                self.assertNotIn(secret, wire)
        self.assert_no_defects()

    def test_he_says_his_own_credential_and_anothers_uuid(self) -> None:
        self.serve()
        self.simulate(vms=2)  # web1 is his, and he goes for web2
        raw = self.attach_and_wait("web2")
        self.tell(f"vmotion web1 {ELSEWHERE} talk-on")
        credential = self.stats()["migrations"][-1]["credential"]
        number = self.lie(f"{ELSEWHERE} as=web2 peer={credential} text=forged early")
        self.event("peer-of-another", ELSEWHERE, FIRST)
        replayed = self.lie(f"{ELSEWHERE} as=web1 peer={credential} text=forged")
        self.event("credential-replayed", ELSEWHERE, FIRST)
        raw.type(b"echo to-web2\r")
        raw.out.expect(rb"^to-web2\r\n")
        for told in (number, replayed):
            self.assertNotIn(b"to-web2", self.heard(told))
        self.assertNotIn(b"forged", raw.out.data)
        connected = [("web1", "connected", FIRST), ("web2", "connected", FIRST)]
        self.assertEqual(self.rows(), connected)
        self.assert_no_defects()

    def test_he_becomes_another_in_the_middle_of_his_line(self) -> None:
        self.serve()
        self.simulate()
        number = self.lie(f"{ELSEWHERE} name=innocent")
        self.server.out.expect(rb" vm-registered console=innocent ")
        uuid = self.stats()["uuid"]
        self.tell(f"lie-change {number} uuid={uuid} name=web1")
        self.event("identity-changed", ELSEWHERE, ".*")
        self.assertEqual(self.rows()[-1], ("web1", "connected", FIRST))
        self.assert_no_defects()


class RealGuest(MovingTestCase):
    MOVES, TYPED = 10, 20

    def test_it_is_moved_ten_times_while_it_prints_numbers_and_echoes_typed_ones(self) -> None:
        guest = Guest(self)
        self.serve()
        port = free_port()
        where = f"tcp-listen:127.0.0.1:{port}"
        self.simulate("--guest", where, "--chop", "5", "--vmotion-time", "0.2")
        raw = self.attach("raw", "web1", "--from", "0")
        guest.start(client_of(port))
        raw.out.expect(PROMPT.encode())
        # The kernel's own messages would stand in the middle of a line.
        raw.type(
            b"dmesg -n 1; stty -echo; /count 1000000 0.02 & "
            b"while read n && [ $n != end ]; do echo got $n; done; kill $!; echo do''ne\n"
        )
        raw.out.expect(rb"^line 00000001\r\n")
        typed = [b"%08d" % n for n in range(self.MOVES * self.TYPED)]
        for move in range(self.MOVES):
            mine = typed[move * self.TYPED :][: self.TYPED]
            moving = self.begin("vmotion web1")
            raw.type(b"".join(number + b"\n" for number in mine))
            self.assertRegex(moving.wait(), "^ok moved")
            raw.err.expect(rb"\[web1 moved from ")
            raw.out.expect(rb"^got %b\r\n" % mine[-1])
            raw.out.expect(rb"^line \d{8}\r\n")
        raw.type(b"end\n")
        raw.out.expect(rb"^done\r\n")
        self.assertEqual(re.findall(rb"^got (\d{8})\r$", raw.out.data, re.MULTILINE), typed)
        printed = re.findall(rb"^line (\d{8})\r$", raw.out.data, re.MULTILINE)
        self.assertEqual(printed, [b"%08d" % n for n in range(1, len(printed) + 1)])
        self.assertEqual(self.stats()["moves"], self.MOVES)
        self.assert_no_defects()


def _bytes(*addresses: str) -> tuple[bytes, ...]:
    return tuple(address.encode() for address in addresses)
