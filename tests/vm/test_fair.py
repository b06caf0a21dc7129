"""Lines that send what is cheap for them: none makes another VM's host wait, in turns counted."""

from functools import partial
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure

from tests.net.ends import TurnClock, Wire
from tests.vm.support import SEQUENCE, VC_UUID, Host
from tests.vm.test_server import LineServerTest
from vspc.net.preaccept import SERVED
from vspc.net.scheduler import BYTES, EVENTS, TURN_EVENTS
from vspc.net.telnet_transport import READ, READ_UNPROVEN
from vspc.vm.lines.plain import RawLine
from vspc.vm.reports import BREAKS
from vspc.wire.telnet import BRK, NOP, VMWARE, command, subnegotiation
from vspc.wire.vmware import DoProxy, VmName, VMotionBegin, VmVcUuid, encode

BEGIN = subnegotiation(VMWARE, encode(VMotionBegin(SEQUENCE)))
CHEAP = command(NOP) * 20_000


class FairLineServerTest(LineServerTest):
    def setUp(self) -> None:
        super().setUp()
        self.clock = TurnClock()
        self.scene.clock.twisted = self.clock

    def registered(self, name: str, number: int, address: str = "10.0.0.1") -> Host:
        host = self.scene.host(address)
        host.register(name.encode(), b"%032x" % number)
        assert self.console(name).live
        return host

    def flooding(self, count: int, address: str = "10.0.0.1") -> list[Host]:
        """Lines that are VMs, each with more to say than it may in thousands of turns."""
        hosts = []
        for number in range(count):
            self.scene.server.scheduler.left = TURN_EVENTS
            host = self.registered(f"flood{number:03}", 1000 + number, address)
            hosts.append(host)
        for host in hosts:
            host.transport.dataReceived(CHEAP)
        return hosts


class GoaheadTests(FairLineServerTest):
    def turns_to_goahead(self, host: Host) -> int:
        host.wire.take()
        host.transport.dataReceived(BEGIN)
        turns = 0
        while not (said := host.wire.take()):
            self.clock.turn()
            turns += 1
        Host.credential_in(said)
        return turns

    def test_seventy_flooding_lines_of_its_host_cost_it_no_turn(self) -> None:
        host = self.registered("web01", 1)
        self.flooding(70)
        for _ in range(100):
            self.clock.turn()
        self.assertEqual(self.turns_to_goahead(host), 0)

    def test_when_they_all_begin_at_once_it_is_a_few_turns(self) -> None:
        host = self.registered("web01", 1)
        self.flooding(70)
        # As many as among lines that were registered long before.
        self.assertLessEqual(self.turns_to_goahead(host), 6)

    def test_connections_that_have_said_nothing_of_themselves_do_not_either(self) -> None:
        host = self.registered("web01", 1)
        for _ in range(200):
            self.scene.host().transport.dataReceived(CHEAP)
        self.assertLessEqual(self.turns_to_goahead(host), 5)


class LineTests(FairLineServerTest):
    def told(self, name: str) -> list[LogEvent]:
        """The events called `name` from now on."""
        found: list[LogEvent] = []

        def keep(event: LogEvent) -> None:
            if event.get("log_format") == name:
                found.append(event)

        observer: Any = keep
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        return found

    def test_whoever_says_who_it_is_may_say_more(self) -> None:
        host = self.scene.host().agree()
        self.assertFalse(host.transport.share.proven)
        host.say(DoProxy(b"S", b"vspc"), VmVcUuid(VC_UUID))
        self.assertFalse(host.transport.share.proven)
        host.say(VmName(b"web01"))
        self.assertTrue(host.transport.share.proven)
        self.clock.turn()
        host.transport.dataReceived(CHEAP)
        # To read them was an event, too.
        self.assertEqual(self.left_in(host), len(CHEAP) // 2 - (EVENTS - 1))

    def test_a_registration_needs_no_second_turn(self) -> None:
        host = self.scene.host()
        host.register()
        self.assertFalse(host.transport.share.waiting)
        Host.credential_in(host.say(VMotionBegin(SEQUENCE)))
        self.assertEqual(host.wire.pauses, 0)

    def test_little_is_read_at_once_before_that(self) -> None:
        host = self.scene.host()
        self.assertEqual(host.wire.bufferSize, READ_UNPROVEN)
        host.register()
        self.assertEqual(host.wire.bufferSize, READ)

    def left_in(self, host: Host) -> int:
        """Commands that wait."""
        return len(host.transport.value.tail) // 2

    def test_a_vm_is_never_ended_for_it_and_always_read(self) -> None:
        host = self.registered("web01", 1)
        for _ in range(30):
            before = self.left_in(host)
            while host.wire.reading:
                host.transport.dataReceived(CHEAP)
            self.clock.turn(1)
            self.assertNotEqual(self.left_in(host), before)
        self.assertFalse(host.closed)

    def test_who_is_nobody_is_ended_after_ten_seconds_and_named_once(self) -> None:
        told = self.told("vm-failed")
        host = self.scene.host()
        host.transport.dataReceived(CHEAP)
        for _ in range(9):
            self.clock.turn(1)
            self.assertFalse(host.closed)
        self.clock.turn(1)
        self.clock.turn(1)
        self.assertTrue(host.closed)
        self.assertEqual([event["address"] for event in told], ["10.0.0.1"])

    def test_breaks_without_end_are_few_on_the_console(self) -> None:
        host = self.registered("web01", 1)
        for _ in range(100):
            host.say(command(BRK))
            self.clock.turn(0.2)
        count = self.console("web01").link.breaks_from_vm
        self.assertGreater(count, BREAKS)
        self.assertLessEqual(count, BREAKS + 2 * 20)

    def test_a_raw_line_counts_by_size_and_reads(self) -> None:
        wire = Wire(peerAddress=IPv4Address("TCP", "10.0.0.1", 4))
        line = RawLine(
            self.scene.server.arrive, "qemu", self.scene.server.scheduler.share("10.0.0.1")
        )
        line.makeConnection(wire)
        taken = 0
        while wire.reading:
            line.dataReceived(b"x" * BYTES)
            taken += BYTES
        self.assertLessEqual(taken, EVENTS * BYTES)
        line.dataReceived(b"more")
        self.clock.turn()
        self.assertTrue(wire.reading)
        self.assertEqual(self.console("qemu").link.bytes_from_vm, taken + 4)

    def test_lines_that_close_at_once_take_turns_and_all_are_gone(self) -> None:
        hosts = [self.registered(f"web{n:03}", n, f"10.0.1.{n % 250}") for n in range(1, 400)]
        self.clock.turn()
        for host in hosts:
            host.transport.connectionLost(Failure(ConnectionDone()))
        live = sum(console.live for console in self.scene.roster)
        self.assertGreater(live, 0)
        turns = 0
        while any(console.live for console in self.scene.roster):
            self.clock.turn()
            turns += 1
        self.assertGreaterEqual(turns, 1)
        self.assertEqual(self.scene.server.sessions, {})


class WaitingTests(FairLineServerTest):
    def test_those_who_waited_for_room_come_in_a_few_a_turn(self) -> None:
        server, made, refused = self.scene.server, list[int](), list[str]()

        def make(number: int) -> None:
            made.append(number)

        for number in range(3 * SERVED):
            waiting = server.queue.join(
                "10.0.0.1", partial(make, number), server.clock.call_later, refused.append
            )
            assert waiting is not None
            waiting.makeConnection(Wire())
        server.tick()
        self.assertEqual(made, list(range(SERVED)))
        self.clock.turn()
        self.assertEqual(made, list(range(2 * SERVED)))
        self.clock.turn()
        self.clock.turn()
        self.assertEqual(made, list(range(3 * SERVED)))
        self.assertEqual(refused, [])
