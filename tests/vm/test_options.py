"""How much an option costs: a passive one a line in its layer, one with a body a file besides."""

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from tests.net.ends import Wire
from tests.vm.support import Scene
from tests.vm.window_size import NAWS, WINDOW_SIZE
from vspc.net.telnet_transport import LineTransport
from vspc.vm.lines.binary import BinaryLine, LineOption, LineOptions
from vspc.vm.ports import LineObserver, VmLine
from vspc.vm.session import LineSession
from vspc.wire.telnet import DO, DONT, WILL, WONT, negotiation, subnegotiation

STATUS, LOGOUT = 5, 18


class ExtendedLine(BinaryLine):
    """A layer with options of its own: two passive ones, and one with a body."""

    OPTIONS = LineOptions(
        *BinaryLine.OPTIONS,
        LineOption(STATUS, offered=True),
        LineOption(LOGOUT, demanded=True),
        WINDOW_SIZE,
    )
    window: tuple[int, int] | None = None


class Options(SynchronousTestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        self.wire = Wire(peerAddress=IPv4Address("TCP", "10.0.0.1", 40000))
        self.line = ExtendedLine(self.observe, False)
        share = self.scene.server.scheduler.share("10.0.0.1")
        self.transport = LineTransport(lambda: self.line, self.scene.now, share)
        self.transport.makeConnection(self.wire)
        self.asked = self.wire.take()
        self.dropped: list[str] = []

    def observe(self, line: VmLine) -> LineObserver:
        test = self

        class Observer(LineSession):
            __slots__ = ()

            def dropped(self, what: str) -> None:
                test.dropped.append(what)

        return Observer(self.scene.server.context, line, self.scene.server.zone)

    def say(self, data: bytes) -> bytes:
        self.transport.dataReceived(data)
        while self.transport.share.waiting:
            self.scene.clock.advance(0)
        return self.wire.take()

    def test_passive_ones_are_asked_for_in_their_place(self) -> None:
        offers = [negotiation(WILL, option) for option in (0, 3, 1, STATUS)]
        demands = [negotiation(DO, option) for option in (0, 3, LOGOUT)]
        self.assertEqual(self.asked, b"".join([*offers, *demands]))
        self.assertEqual(self.say(negotiation(DO, STATUS)), b"")
        self.assertEqual(self.say(negotiation(WILL, LOGOUT)), b"")
        self.assertFalse(self.transport.negotiation.refuses(True, bytes([STATUS])))

    def test_a_passive_one_is_agreed_to_when_it_is_asked_for_later(self) -> None:
        self.say(negotiation(DONT, STATUS))
        self.assertEqual(self.say(negotiation(DO, STATUS)), negotiation(WILL, STATUS))

    def test_what_is_not_listed_is_declined(self) -> None:
        self.assertEqual(self.say(negotiation(WILL, 99)), negotiation(DONT, 99))
        self.assertEqual(self.say(negotiation(DO, 99)), negotiation(WONT, 99))
        self.say(subnegotiation(99, b"x"))
        self.assertEqual(len(self.dropped), 1)

    def test_one_with_a_body(self) -> None:
        self.assertEqual(self.say(negotiation(WILL, NAWS)), negotiation(DO, NAWS))
        self.say(subnegotiation(NAWS, b"\x00\x50\x00\x18"))
        self.assertEqual(self.line.window, (80, 24))
        self.say(subnegotiation(NAWS, b"\x00"))
        self.assertEqual((self.line.window, len(self.dropped)), ((80, 24), 1))
        self.say(negotiation(WONT, NAWS))
        self.assertIsNone(self.line.window)
