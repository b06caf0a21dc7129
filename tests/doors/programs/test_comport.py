"""Sockets with RFC 2217: each command is answered, with what is in force."""

from pathlib import Path

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.doors.programs.support import Client, Hall, entry
from tests.fakes import FakeClock, FakeLine
from vspc.common.serial import FlowControl, LineState, ModemState, Parity, PortSettings, StopBits
from vspc.console.console import Console
from vspc.doors.programs.channel import CONNECTED
from vspc.doors.programs.comport import SET_TIMEOUT, SIGNATURE, UNANSWERED, ComPortServer
from vspc.wire import comport, telnet
from vspc.wire.comport import Command, Control, Side
from vspc.wire.telnet import BINARY, BRK, COM_PORT, DO, DONT, SGA, WILL, WONT, negotiation

OPENING = b"".join(
    negotiation(verb, option) for verb in (WILL, DO) for option in (BINARY, SGA)
) + negotiation(DO, COM_PORT)
SETTINGS = PortSettings(115200, 7, Parity.EVEN, StopBits.TWO)


@define
class FakePort:
    """`vspc.doors.programs.comport.ServedPort`; `takes`: settings can be set, and are by `obey`."""

    settings: PortSettings | None = None
    modem: ModemState = CONNECTED
    takes: bool = False
    asked: list[PortSettings] = field(factory=list)
    happened: list[object] = field(factory=list)

    def set_port(self, settings: PortSettings) -> bool:
        if self.takes:
            self.asked.append(settings)
        return self.takes

    def obey(self) -> None:
        self.settings = self.asked[-1]

    def break_received(self) -> None:
        self.happened.append("break")

    def suspend(self, suspended: bool) -> None:
        self.happened.append(("suspend", suspended))

    def purge(self, output: bool, typed: bool) -> None:
        self.happened.append(("purge", output, typed))


class Server(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = FakeClock()
        self.port = FakePort()
        self.said: list[Command] = []
        self.server = ComPortServer(
            self.port, self.clock, lambda body: self.said.append(comport.decode(body, Side.SERVER))
        )

    def say(self, *commands: Command) -> list[Command]:
        """What is said to `commands`."""
        del self.said[:]
        for command in commands:
            self.server.received(comport.encode(command, Side.CLIENT))
        return self.said

    def test_where_nothing_is_known_the_client_has_its_way(self) -> None:
        commands: list[Command] = list(comport.setting(SETTINGS))
        self.assertEqual(self.say(*commands), commands)
        self.assertEqual(self.say(comport.SetBaudRate(0)), [comport.SetBaudRate(115200)])

    def test_what_the_vm_has_set_is_in_force(self) -> None:
        self.port.settings = SETTINGS
        asked = (comport.SetBaudRate(9600), comport.SetParity(1), comport.SetDataSize(8))
        wanted = [comport.SetBaudRate(115200), comport.SetParity(3), comport.SetDataSize(7)]
        self.assertEqual(self.say(*asked), wanted)
        control = comport.SetControl(Control.DTR_OFF), comport.SetControl(Control.FLOW_HARDWARE)
        self.assertEqual(self.say(*control), list(control))
        self.assertEqual(self.say(comport.SetControl(Control.ASK_DTR)), [control[0]])

    def test_nonsense_is_answered_with_what_is_in_force(self) -> None:
        self.port.settings = SETTINGS
        for asked, wanted in (
            (comport.SetBaudRate(4_000_000_000), comport.SetBaudRate(115200)),
            (comport.SetDataSize(99), comport.SetDataSize(7)),
            (comport.SetParity(9), comport.SetParity(3)),
            (comport.SetStopSize(0), comport.SetStopSize(2)),
            (comport.SetControl(77), comport.SetControl(Control.FLOW_NONE)),
        ):
            self.assertEqual(self.say(asked), [wanted])

    def test_a_device_is_set_and_answered_for_when_it_has(self) -> None:
        self.port.settings, self.port.takes = PortSettings(), True
        self.assertEqual(self.say(comport.SetBaudRate(115200), comport.SetParity(3)), [])
        self.assertEqual(self.port.asked[-1], PortSettings(115200, parity=Parity.EVEN))
        self.port.obey()
        self.clock.advance(0.1)
        self.assertEqual(self.said, [comport.SetBaudRate(115200), comport.SetParity(3)])
        self.assertEqual(self.say(comport.SetBaudRate(115200)), [comport.SetBaudRate(115200)])
        self.assertEqual(len(self.port.asked), 2)

    def test_a_device_that_does_not_obey(self) -> None:
        self.port.settings, self.port.takes = PortSettings(), True
        self.assertEqual(self.say(comport.SetBaudRate(115200)), [])
        self.clock.advance(SET_TIMEOUT)
        self.assertEqual(self.said, [comport.SetBaudRate(9600)])

    def test_more_than_may_wait_is_answered_at_once(self) -> None:
        self.port.settings, self.port.takes = PortSettings(), True
        said = self.say(*[comport.SetBaudRate(115200)] * (UNANSWERED + 3))
        self.assertEqual(said, [comport.SetBaudRate(9600)] * 3)
        self.server.close()
        self.clock.advance(SET_TIMEOUT)
        self.assertEqual(len(self.said), 3)

    def test_a_break_is_one_however_long(self) -> None:
        on, off = comport.SetControl(Control.BREAK_ON), comport.SetControl(Control.BREAK_OFF)
        self.assertEqual(self.say(on, on, off, off), [on, on, off, off])
        self.assertEqual(self.port.happened, ["break"])
        self.assertEqual(self.say(comport.SetControl(Control.ASK_BREAK)), [off])

    def test_who_we_are(self) -> None:
        self.assertEqual(self.say(comport.Signature()), [comport.Signature(SIGNATURE)])
        self.assertEqual(self.say(comport.Signature(b"pyserial")), [])

    def test_suspend_resume_and_purge(self) -> None:
        self.say(comport.FlowControlSuspend(), comport.FlowControlResume(), comport.PurgeData(1))
        wanted = [("suspend", True), ("suspend", False), ("purge", True, False)]
        self.assertEqual(self.port.happened, wanted)
        purges: list[Command] = [comport.PurgeData(2), comport.PurgeData(9)]
        self.assertEqual(self.say(*purges), purges)
        self.assertEqual(self.port.happened[3:], [("purge", False, True), ("purge", False, False)])

    def test_modem_lines_by_the_mask(self) -> None:
        self.server.begin()
        self.assertEqual(self.said, [comport.NotifyModemState(CONNECTED)])
        self.port.modem = ModemState(0)
        del self.said[:]
        self.server.notify_modem()
        self.server.notify_modem()
        gone = ModemState.DELTA_CTS | ModemState.DELTA_DSR | ModemState.DELTA_DCD
        self.assertEqual(self.said, [comport.NotifyModemState(gone)])
        mask = comport.SetModemStateMask(0)
        self.assertEqual(self.say(mask), [mask, comport.NotifyModemState(0)])
        self.port.modem = CONNECTED
        self.server.notify_modem()
        self.assertEqual(len(self.said), 2)
        self.assertEqual(self.say(comport.NotifyModemState(0)), [comport.NotifyModemState(0)])

    def test_a_break_of_the_vm_by_the_mask(self) -> None:
        self.assertFalse(self.server.notify_break())
        self.say(comport.SetLineStateMask(LineState.BREAK))
        self.assertTrue(self.server.notify_break())
        self.assertEqual(self.said[1:], [comport.NotifyLineState(LineState.BREAK)])

    @settings(deadline=None)
    @given(st.lists(st.binary(max_size=7), max_size=20), st.booleans(), st.booleans())
    def test_any_bodies_are_survived_and_answered_once_each(
        self, bodies: list[bytes], takes: bool, known: bool
    ) -> None:
        self.setUp()
        self.port.takes, self.port.settings = takes, SETTINGS if known else None
        for body in bodies:
            before = len(self.said)
            self.server.received(body)
            self.assertLessEqual(len(self.said) - before, 2 + UNANSWERED)
        self.clock.advance(SET_TIMEOUT)
        wanted = sum(_is_answered(body) for body in bodies)
        kinds = (comport.NotifyModemState, comport.NotifyLineState)
        self.assertEqual(sum(not isinstance(each, kinds) for each in self.said), wanted)


def _is_answered(body: bytes) -> bool:
    try:
        command = comport.decode(body, Side.CLIENT)
    except comport.MalformedComPort:
        return False
    silent = (comport.FlowControlSuspend, comport.FlowControlResume)
    notices = (comport.NotifyModemState, comport.NotifyLineState)
    asks = not isinstance(command, comport.Signature) or not command.text
    return asks and not isinstance(command, silent + notices)


class DeviceLine(FakeLine):
    """A line whose serial port can be set."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console
        self.asked: list[PortSettings] = []

    def set_port(self, settings: PortSettings) -> bool:
        self.asked.append(settings)
        self.console.link.port.set(settings)
        return True


class Sockets(SynchronousTestCase):
    def setUp(self) -> None:
        self.hall = Hall(Path(self.mktemp()), entry("rfc2217"))
        self.console, self.line = self.hall.connected()

    def client(self) -> Client:
        client = Client(self.hall, 4001)
        self.assertEqual(client.heard(), OPENING)
        said = client.say(negotiation(WILL, COM_PORT))
        notice = self.port(comport.NotifyModemState(CONNECTED))
        self.assertEqual(said, notice)
        return client

    @staticmethod
    def port(command: Command, side: Side = Side.SERVER) -> bytes:
        return telnet.subnegotiation(COM_PORT, comport.encode(command, side))

    def ask(self, client: Client, command: Command) -> bytes:
        return client.say(self.port(command, Side.CLIENT))

    def test_a_client_that_uses_the_option_has_agreed_on_it(self) -> None:
        # pyserial, whose thread has read our DO before it has said WILL, never says it.
        client = Client(self.hall, 4001)
        client.heard()
        said = self.ask(client, comport.SetBaudRate(9600))
        notice = self.port(comport.NotifyModemState(CONNECTED))
        self.assertEqual(said, notice + self.port(comport.SetBaudRate(9600)))
        self.assertEqual(client.say(negotiation(WILL, COM_PORT)), b"")
        self.assertEqual(client.say(negotiation(WONT, COM_PORT)), negotiation(DONT, COM_PORT))
        self.assertEqual(self.ask(client, comport.SetBaudRate(9600)), b"")

    def test_a_client_that_refuses_the_option_has_none(self) -> None:
        client = Client(self.hall, 4001)
        client.heard()
        client.say(negotiation(WONT, COM_PORT))
        self.assertEqual(self.ask(client, comport.SetBaudRate(9600)), b"")
        self.console.link.break_received()
        self.assertEqual(client.heard(), telnet.command(BRK))

    def test_exact_bytes_unless_binary_is_refused(self) -> None:
        client = self.client()
        every = bytes(range(256)) + b"\r\n\r\0"
        client.say(telnet.escape(every))
        self.assertEqual(bytes(self.line.sent), every)
        self.console.link.output(every)
        self.assertEqual(client.heard(), telnet.escape(every))
        client.say(negotiation(WONT, BINARY))
        del self.line.sent[:]
        client.say(b"a\r\0b\r\n")
        self.assertEqual(bytes(self.line.sent), b"a\rb\r\n")

    def test_nothing_but_bytes_of_the_vm_and_commands_goes_out(self) -> None:
        client = self.client()
        self.console.link.disconnect("gone")
        self.hall.roster.settle(self.console)
        gone = ModemState.DELTA_CTS | ModemState.DELTA_DSR | ModemState.DELTA_DCD
        self.assertEqual(client.heard(), self.port(comport.NotifyModemState(gone)))
        self.assertEqual(client.say(telnet.command(telnet.AYT)), telnet.command(telnet.NOP))
        self.console.link.connect(FakeLine())
        back = self.port(comport.NotifyModemState(CONNECTED | gone))
        self.assertEqual(client.heard(), back)
        self.console.link.disconnect("gone")
        client.say(b"x")
        self.assertTrue(client.closed)

    def test_breaks(self) -> None:
        client = self.client()
        self.ask(client, comport.SetControl(Control.BREAK_ON))
        self.ask(client, comport.SetControl(Control.BREAK_OFF))
        client.say(telnet.command(BRK))
        self.assertEqual(self.line.log, ["BREAK", "BREAK"])
        self.console.link.break_received()
        self.assertEqual(client.heard(), telnet.command(BRK))
        self.ask(client, comport.SetLineStateMask(LineState.BREAK))
        self.hall.clock.advance(1)
        self.console.link.break_received()
        self.assertEqual(client.heard(), self.port(comport.NotifyLineState(LineState.BREAK)))

    def test_a_break_that_is_refused_does_not_close(self) -> None:
        self.line.carries_break = False
        client = self.client()
        self.ask(client, comport.SetControl(Control.BREAK_ON))
        self.assertFalse(client.closed)

    def test_output_waits_while_the_client_has_suspended_it(self) -> None:
        client = self.client()
        self.assertEqual(self.ask(client, comport.FlowControlSuspend()), b"")
        self.console.link.output(b"later")
        self.assertEqual(client.heard(), b"")
        self.assertEqual(self.ask(client, comport.FlowControlResume()), b"later")

    def test_a_purge_drops_what_was_not_sent_and_closes_nothing(self) -> None:
        client = self.client()
        self.ask(client, comport.FlowControlSuspend())
        self.console.link.output(b"unwanted")
        client.say(b"x" * 10_000)
        sent = len(self.line.sent)
        self.assertLess(sent, 10_000)
        answer = self.ask(client, comport.PurgeData(3))
        self.assertEqual(answer, self.port(comport.PurgeData(3)))
        self.console.link.answered()
        self.console.link.answered()
        self.hall.settle()
        self.assertEqual(len(self.line.sent), sent)
        self.ask(client, comport.FlowControlResume())
        self.console.link.output(b"wanted")
        self.assertEqual(client.heard(), b"wanted")
        self.assertFalse(client.closed)

    def test_who_may_not_type_may_not_set(self) -> None:
        line = self.device()
        self.hall.attach(self.console)[0].type(b"x")
        client = self.client()
        answer = self.ask(client, comport.SetBaudRate(19200))
        self.assertEqual((line.asked, answer), ([], self.port(comport.SetBaudRate(9600))))

    def device(self) -> "DeviceLine":
        self.console.link.disconnect("gone")
        line = DeviceLine(self.console)
        self.console.link.connect(line)
        self.console.link.port.set(PortSettings())
        return line

    def test_a_setting_goes_to_the_device(self) -> None:
        self.device()
        client = self.client()
        flow = comport.SetControl(Control.FLOW_HARDWARE)
        self.assertEqual(self.ask(client, flow), self.port(flow))
        self.assertEqual(self.console.link.port.settings, PortSettings(flow=FlowControl.HARDWARE))
        self.console.link.port.set_modem(ModemState.CTS)
        client.hall.settle()
        changed = ModemState.CTS | ModemState.DELTA_DSR | ModemState.DELTA_DCD
        self.assertEqual(client.heard(), self.port(comport.NotifyModemState(changed)))

    def test_a_client_that_asks_and_does_not_read_is_not_read(self) -> None:
        client = self.client()
        client.producer.pauseProducing()
        self.ask(client, comport.SetBaudRate(0))
        self.assertFalse(client.wire.reading)
        client.producer.resumeProducing()
        self.assertTrue(client.wire.reading)

    @settings(deadline=None, max_examples=40)
    @given(
        st.lists(
            st.binary(max_size=20)
            | st.binary(max_size=6).map(lambda body: telnet.subnegotiation(COM_PORT, body)),
            max_size=12,
        ),
        st.integers(1, 30),
    )
    def test_any_dialogue_in_any_pieces_is_survived(self, parts: list[bytes], size: int) -> None:
        hall = Hall(Path(self.mktemp()), entry("rfc2217"))
        hall.connected()
        client = Client(hall, 4001)
        data = negotiation(WILL, COM_PORT) + b"".join(parts)
        client.say(*(data[at : at + size] for at in range(0, len(data), size)))
        client.leave()
        self.assertEqual((hall.failures, len(self.flushLoggedErrors())), (0, 0))
