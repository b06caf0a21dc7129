"""RFC 2217 with us as the client: a device server that agrees, one that does not, one of ours."""

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.net.ends import Wire
from tests.vm.test_dial import DialTest
from vspc.common.serial import (
    FASTEST,
    FlowControl,
    ModemState,
    Parity,
    PortSettings,
    StopBits,
)
from vspc.config.dialling import PortWishes
from vspc.console.events import BreakSignal
from vspc.net.scheduler import Scheduler
from vspc.net.telnet_transport import LineTransport
from vspc.vm.lines import rfc2217
from vspc.vm.lines.comport import BREAK_SECONDS, SIGNATURE, ComPortLine, ComPortTerms
from vspc.vm.roles import LineEvent
from vspc.wire import comport, telnet
from vspc.wire.comport import Control, Side
from vspc.wire.telnet import COM_PORT, DO, DONT, WILL, command, negotiation, subnegotiation

PLACE = "rfc2217://192.0.2.9:3001"

SETTINGS = st.builds(
    PortSettings,
    st.integers(1, FASTEST),
    st.integers(5, 8),
    st.sampled_from(Parity),
    st.sampled_from(StopBits),
    st.sampled_from([FlowControl.NONE, FlowControl.SOFTWARE, FlowControl.HARDWARE]),
)


def wishes_of(settings: PortSettings) -> PortWishes:
    return PortWishes(
        settings.speed,
        settings.data_bits,
        settings.parity,
        settings.stop_bits,
        settings.flow,
    )


class Device:
    """A device server with RFC 2217, at the other end of `wire`. `fixed`: it sets nothing."""

    def __init__(self, wire: Any, port: PortSettings, fixed: bool = False) -> None:
        self.wire = wire
        self.port = port
        self.fixed = fixed
        self.heard: list[comport.Command] = []
        self.data = b""

    def say(self, *commands: comport.Command) -> None:
        for each in commands:
            body = comport.encode(each, Side.SERVER)
            self.wire.above.dataReceived(subnegotiation(COM_PORT, body))

    def agree(self) -> "Device":
        self.wire.above.dataReceived(negotiation(DO, COM_PORT))
        self.answer()
        return self

    def listen(self) -> list[comport.Command]:
        """What it was told since the last time; data goes to `data`."""
        decoder, found = telnet.Decoder(self.wire.take()), list[comport.Command]()
        while (event := decoder.next_event()) is not None:
            if isinstance(event, telnet.Subnegotiation) and event.option == COM_PORT:
                found.append(comport.decode(event.body, Side.CLIENT))
            elif isinstance(event, telnet.Data):
                self.data += event.data
        self.heard += found
        return found

    def answer(self) -> None:
        """Everything that it was told is obeyed."""
        for told in self.listen():
            match told:
                case comport.SetLineStateMask() | comport.SetModemStateMask():
                    self.say(told)
                case (
                    comport.SetBaudRate()
                    | comport.SetDataSize()
                    | comport.SetParity()
                    | comport.SetStopSize()
                    | comport.SetControl()
                ):
                    if not self.fixed:
                        self.port = comport.requested(told, self.port) or self.port
                    self.say(comport.in_force(told, self.port))


class Rfc2217Test(DialTest):
    def device(
        self,
        wishes: PortWishes = PortWishes(),  # noqa: B008
        port: PortSettings = PortSettings(),  # noqa: B008
        fixed: bool = False,
    ) -> Device:
        """One that is dialled, and says nothing yet."""
        return Device(self.connected(connect=PLACE, wishes=wishes), port, fixed)


class Setting(Rfc2217Test):
    def test_what_is_configured_is_set_and_the_rest_asked_for(self) -> None:
        device = self.device(PortWishes(115200, flow=FlowControl.HARDWARE), PortSettings(9600, 7))
        self.assertIn(negotiation(WILL, COM_PORT), device.wire.value())
        device.agree()
        self.assertEqual(
            device.heard[:5],
            [
                comport.SetBaudRate(115200),
                comport.SetDataSize(),
                comport.SetParity(),
                comport.SetStopSize(),
                comport.SetControl(Control.FLOW_HARDWARE),
            ],
        )
        link = self.console().link
        self.assertEqual(str(link.port.settings), "115200 7N1 rts/cts")
        self.assertEqual(link.remark, "")
        self.assertEqual([c for c in self.reactor.getDelayedCalls() if c.getTime() > 2], [])

    def test_other_values_in_force_are_said_in_words(self) -> None:
        wishes = PortWishes(115200, 8, Parity.NONE)
        self.device(wishes, PortSettings(9600, 8, Parity.EVEN), fixed=True).agree()
        link = self.console().link
        self.assertEqual(link.remark, "its serial port has speed 9600, not 115200, parity E, not N")
        self.assertEqual(str(link.port.settings), "9600 8E1")

    def test_an_operator_is_told_when_it_is_over(self) -> None:
        device = self.device(PortWishes(115200), fixed=True).agree()
        _, sink = self.world.attach(self.console())
        device.fixed = False
        line = self.console().link.line
        assert line is not None
        self.assertTrue(line.set_port(PortSettings(57600, dtr=False)))
        device.answer()
        self.advance(0)
        self.world.turn()
        self.assertEqual(
            sink.notices, ["moxa: no longer: its serial port has speed 9600, not 115200"]
        )
        self.assertEqual(str(self.console().link.port.settings), "57600 8N1")
        self.assertIn(comport.SetControl(Control.DTR_OFF), device.heard)

    def test_a_device_that_declines(self) -> None:
        device = self.device(PortWishes(115200))
        device.wire.above.dataReceived(negotiation(DONT, COM_PORT))
        link = self.console().link
        self.assertEqual(link.remark, rfc2217.DECLINED)
        self.assertIsNone(link.port.settings)
        assert link.line is not None
        self.assertFalse(link.line.set_port(PortSettings()))
        device.wire.take()
        self.assertEqual(link.line.send_break(), 0.0)
        self.assertEqual(device.wire.take(), command(telnet.BRK))

    def test_a_device_that_speaks_no_telnet(self) -> None:
        device = self.device(PortWishes(115200))
        device.wire.above.dataReceived(b"Debian GNU/Linux 12 ttyS0")
        self.advance(rfc2217.ANSWER)
        self.assertEqual(self.console().link.remark, rfc2217.NO_ANSWER)
        self.assertIsNone(self.console().link.port.settings)

    def test_a_device_that_does_not_answer_everything(self) -> None:
        device = self.device()
        device.wire.above.dataReceived(negotiation(DO, COM_PORT))
        device.say(comport.SetBaudRate(9600), comport.SetParity(1))
        self.advance(rfc2217.ANSWER)
        self.assertEqual(
            self.console().link.remark,
            "it does not say what its serial port has in force: data bits, stop bits, flow control",
        )
        self.assertIsNone(self.console().link.port.settings)

    def test_a_device_that_knows_no_flow_control(self) -> None:
        device = self.device(PortWishes(9600))
        device.wire.above.dataReceived(negotiation(DO, COM_PORT))
        device.say(*comport.setting(PortSettings(9600)))
        self.assertIsNotNone(self.console().link.port.settings)
        self.lose(device.wire)
        self.advance(1)
        device = Device(self.accept(), PortSettings())
        device.wire.above.dataReceived(negotiation(DO, COM_PORT))
        device.say(*[*comport.setting(PortSettings(9600))][:4])
        self.assertIsNone(self.console().link.port.settings)
        self.advance(rfc2217.ANSWER)
        link = self.console().link
        self.assertEqual(
            link.remark, "it does not say what its serial port has in force: flow control"
        )
        self.assertEqual(str(link.port.settings), "9600 8N1")

    def test_a_line_that_is_lost_leaves_no_timer(self) -> None:
        device = self.device()
        device.wire.above.dataReceived(negotiation(DO, COM_PORT))
        self.apply()
        self.lose(device.wire)
        self.advance(0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.console().link.remark, "")

    def test_one_that_is_lost_while_it_is_asked(self) -> None:
        device = self.device()
        self.lose(device.wire)
        self.assertEqual(self.console().link.remark, "")


class Signals(Rfc2217Test):
    def test_a_break_is_set_on_for_a_while(self) -> None:
        device = self.device().agree()
        line = self.console().link.line
        assert line is not None
        self.assertEqual(line.send_break(), BREAK_SECONDS)
        line.end_break()
        self.assertEqual(
            device.listen(),
            [comport.SetControl(Control.BREAK_ON), comport.SetControl(Control.BREAK_OFF)],
        )

    def test_a_break_of_the_device_and_its_modem_lines(self) -> None:
        device = self.device().agree()
        device.say(
            comport.NotifyLineState(16),
            comport.NotifyLineState(1),
            comport.NotifyModemState(ModemState.CTS | ModemState.DELTA_CTS | ModemState.DCD),
        )
        self.advance(0)
        breaks = [e for e in self.world.happened if isinstance(e, BreakSignal)]
        self.assertEqual(len(breaks), 1)
        self.assertEqual(self.console().link.port.modem, ModemState.CTS | ModemState.DCD)

    def test_suspended_input_waits_until_it_is_resumed(self) -> None:
        device = self.device().agree()
        attachment, _ = self.world.attach(self.console())
        attachment.take_pen()
        device.say(comport.FlowControlSuspend())
        attachment.type(b"boot\r")
        device.listen()
        self.assertEqual(device.data, b"")
        device.say(comport.FlowControlResume())
        device.listen()
        self.assertEqual(device.data, b"boot\r")

    def test_the_device_asks_who_we_are(self) -> None:
        device = self.device().agree()
        device.say(comport.Signature())
        self.assertEqual(device.listen(), [comport.Signature(SIGNATURE)])

    def test_nonsense_is_dropped(self) -> None:
        device = self.device().agree()
        before = self.console().link.port.settings
        for body in (b"", b"\x01\x00\x00\x25\x80", b"\x65\x00", b"\x69\x63", b"\xc8"):
            device.wire.above.dataReceived(subnegotiation(COM_PORT, body))
        device.say(comport.SetDataSize(9), comport.SetBaudRate(0))
        self.assertEqual(self.console().link.port.settings, before)
        self.assertFalse(device.wire.disconnecting)

    def test_a_flood_has_its_share_of_a_turn(self) -> None:
        device = self.device().agree()
        one = subnegotiation(COM_PORT, comport.encode(comport.SetBaudRate(9600), Side.SERVER))
        device.wire.above.dataReceived(one * 5000)
        self.assertFalse(device.wire.reading)
        self.assertFalse(device.wire.disconnecting)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(ends)]


class OurOwnServer(Rfc2217Test):
    """Our access server at the other end, as a VM finds it."""

    def meet(self, wanted: PortSettings, cuts: list[int]) -> ComPortLine:
        """Both ends after all has been said; it comes in pieces that end at `cuts`."""
        client = self.connected(connect=PLACE, wishes=wishes_of(wanted))
        scheduler = Scheduler(self.reactor.callLater, self.reactor.seconds)
        share = scheduler.share("192.0.2.1")
        share.proven = True
        line = ComPortLine(lambda _: Silent(), False, self.reactor.seconds, ComPortTerms())
        transport = LineTransport(lambda: line, self.reactor.seconds, share)
        server: Any = Wire()
        transport.makeConnection(server)
        while (ours := client.take()) + (theirs := server.take()):
            for piece in pieces(ours, cuts):
                transport.dataReceived(piece)
                self.advance(0)
            for piece in pieces(theirs, cuts):
                client.above.dataReceived(piece)
                self.advance(0)
        return line

    @settings(deadline=None, max_examples=30)
    @given(SETTINGS, st.lists(st.integers(0, 200), max_size=5))
    def test_both_ends_agree(self, wanted: PortSettings, cuts: list[int]) -> None:
        self.setUp()
        line = self.meet(wanted, cuts)
        link = self.console().link
        self.assertEqual(line.settings, wanted)
        self.assertEqual(link.port.settings, wanted)
        self.assertEqual(link.remark, "")
        assert link.port.modem is not None
        self.assertIn(ModemState.CTS, link.port.modem)


class Silent:
    """Observes a line, and does nothing about it."""

    def handle(self, event: LineEvent, *facts: object) -> None:
        """Nothing."""

    def traffic(self) -> bool:
        return False

    def other_protocol(self, spoken: Any) -> None:
        """Nothing."""

    def dropped(self, what: str) -> None:
        raise AssertionError(what)

    def failed(self, reason: str) -> None:
        raise AssertionError(reason)

    def lost(self, reason: str, error: BaseException | None = None) -> None:
        """Nothing."""
