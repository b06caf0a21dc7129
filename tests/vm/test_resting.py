"""A line that rests because its log has to catch up: nothing of it is read until it goes on."""

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from tests.net.ends import Wire
from tests.vm.test_fair import FairLineServerTest
from vspc.net.scheduler import BYTES
from vspc.vm.lines.plain import RawLine


class Resting(FairLineServerTest):
    def test_a_telnet_line_is_not_read_until_it_goes_on(self) -> None:
        host = self.registered("web01", 1)
        host.line.pause_reading()
        self.assertFalse(host.wire.reading)
        host.line.resume_reading()
        self.assertTrue(host.wire.reading)

    def test_its_share_of_the_next_turn_does_not_end_it(self) -> None:
        host = self.registered("web01", 1)
        self.clock.turn()
        while host.wire.reading:
            host.transport.dataReceived(b"x" * BYTES)
        host.line.pause_reading()
        self.clock.turn()
        self.assertFalse(host.wire.reading)
        host.line.resume_reading()
        self.assertTrue(host.wire.reading)

    def test_going_on_does_not_end_a_wait_for_its_share(self) -> None:
        host = self.registered("web01", 1)
        self.clock.turn()
        while host.wire.reading:
            host.transport.dataReceived(b"x" * BYTES)
        host.line.pause_reading()
        host.line.resume_reading()
        self.assertFalse(host.wire.reading)
        self.clock.turn()
        self.assertTrue(host.wire.reading)

    def test_one_that_is_lost_while_it_rests_is_over(self) -> None:
        host = self.registered("web01", 1)
        line = host.line
        line.pause_reading()
        self.clock.turn()
        host.transport.connectionLost(Failure(ConnectionDone()))
        self.clock.turn()
        line.resume_reading()
        self.assertFalse(self.console("web01").live)

    def test_a_raw_line(self) -> None:
        wire = Wire(peerAddress=IPv4Address("TCP", "10.0.0.1", 4))
        line = RawLine(
            self.scene.server.arrive, "qemu", self.scene.server.scheduler.share("10.0.0.1")
        )
        line.makeConnection(wire)
        self.clock.turn()
        while wire.reading:
            line.dataReceived(b"x" * BYTES)
        line.pause_reading()
        self.clock.turn()
        self.assertFalse(wire.reading)
        line.resume_reading()
        self.assertTrue(wire.reading)
