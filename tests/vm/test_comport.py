"""RFC 2217 with the VM as the client: the whole dialogue, in any split, and over vMotion."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.net.ends import TurnClock
from tests.vm.support import SEQUENCE, Host, Scene
from tests.vm.test_server import LineServerTest
from tests.wire.test_comport import ANY
from vspc.common.serial import FlowControl, ModemState, Parity, PortSettings, StopBits
from vspc.console.attachment import Attachment
from vspc.console.events import BreakSignal, ModemChanged, SettingsChanged
from vspc.console.input_flow import PATIENCE
from vspc.console.link import BREAK_PAIR
from vspc.console.notices import NoticeKind
from vspc.console.port_state import SETTLING
from vspc.net.scheduler import EVENTS, SUBNEGOTIATION
from vspc.vm.lines.comport import ANSWERS, BREAK_SECONDS, ComPortTerms
from vspc.wire import comport, telnet
from vspc.wire.comport import Control, Side
from vspc.wire.telnet import (
    BRK,
    COM_PORT,
    DO,
    DONT,
    WILL,
    WONT,
    command,
    negotiation,
    subnegotiation,
)
from vspc.wire.vmware import VMotionBegin

AGREED = negotiation(DO, COM_PORT) + subnegotiation(COM_PORT, b"\x6b\xb0")
FAST = PortSettings(115_200)
ODD = PortSettings(0xFFFF, 7, Parity.EVEN, StopBits.TWO, FlowControl.HARDWARE)


def said(*commands: comport.Command) -> bytes:
    """What a VM says."""
    return b"".join(subnegotiation(COM_PORT, comport.encode(c, Side.CLIENT)) for c in commands)


def answers(data: bytes) -> list[comport.Command]:
    """What a VM was told in this option."""
    decoder, found = telnet.Decoder(data), list[comport.Command]()
    while (event := decoder.next_event()) is not None:
        if isinstance(event, telnet.Subnegotiation) and event.option == COM_PORT:
            found.append(comport.decode(event.body, Side.SERVER))
    return found


class ComPortTest(LineServerTest):
    def joined(self, scene: Scene | None = None, **terms: bool) -> Host:
        """A VM that has the option."""
        host = (scene or self.scene).host(port=ComPortTerms(**terms))
        host.register()
        host.say(negotiation(WILL, COM_PORT))
        return host

    def breaks(self) -> int:
        return sum(isinstance(event, BreakSignal) for event in self.scene.happened)


class DialogueTests(ComPortTest):
    def test_accepted_and_declined(self) -> None:
        host = self.scene.host()
        host.register()
        self.assertEqual(host.say(negotiation(WILL, COM_PORT)), AGREED)
        other = self.scene.host("10.0.0.2", port=ComPortTerms(accepted=False))
        other.register(b"db01", b"ab" * 16)
        self.assertEqual(other.say(negotiation(WILL, COM_PORT)), negotiation(DONT, COM_PORT))
        self.assertEqual(other.say(said(comport.SetBaudRate(9600))), b"")
        self.assertIsNone(self.console("db01").link.port.settings)

    def test_a_guest_sets_its_uart(self) -> None:
        host, link = self.joined(), self.console().link
        self.assertIsNone(link.port.settings)
        commands = tuple(comport.setting(ODD))
        self.assertEqual(answers(host.say(said(*commands))), list(commands))
        self.assertEqual(link.port.settings, ODD)
        self.scene.clock.advance(SETTLING)
        texts = [str(e.settings) for e in self.scene.happened if isinstance(e, SettingsChanged)]
        self.assertEqual(texts, ["65535 7E2 rts/cts"])

    def test_each_byte_of_a_speed_may_be_0xff_and_is_doubled_on_the_wire(self) -> None:
        host = self.joined()
        speed = comport.SetBaudRate(0x0000FFFF)
        said_ = b"\xff\xfa\x2c\x01\x00\x00\xff\xff\xff\xff\xff\xf0"
        self.assertEqual(said(speed), said_)
        answer = b"\xff\xfa\x2c\x65\x00\x00\xff\xff\xff\xff\xff\xf0"
        self.assertEqual(host.say(said_), answer)
        self.assertEqual(self.console().link.port.settings, PortSettings(0xFFFF))
        self.assertEqual(
            host.say(said(comport.SetLineStateMask(255)))[-5:], b"\x6e\xff\xff\xff\xf0"
        )

    def test_questions_are_answered_and_say_nothing(self) -> None:
        host = self.joined()
        questions = (comport.SetBaudRate(), comport.SetDataSize(), comport.SetParity())
        found = answers(host.say(said(*questions, comport.SetControl(4), comport.Signature())))
        self.assertEqual(
            found,
            [
                comport.SetBaudRate(9600),
                comport.SetDataSize(8),
                comport.SetParity(1),
                comport.SetControl(Control.BREAK_OFF),
                comport.Signature(b"vspc"),
            ],
        )
        self.assertIsNone(self.console().link.port.settings)
        self.assertEqual(host.say(said(comport.Signature(b"ESXi \xff"))), b"")

    def test_masks_purges_and_modem_lines(self) -> None:
        host, link = self.joined(), self.console().link
        mask = comport.SetModemStateMask(0x20)
        self.assertEqual(
            answers(host.say(said(mask))), [mask, comport.NotifyModemState(ModemState.DSR)]
        )
        ask = subnegotiation(COM_PORT, b"\x06") + subnegotiation(COM_PORT, b"\x07")
        states = [comport.NotifyLineState(), comport.NotifyModemState(0xB0)]
        self.assertEqual(answers(host.say(ask)), states)
        for each in (comport.SetModemStateMask(0), comport.SetLineStateMask(16)):
            self.assertEqual(answers(host.say(said(each))), [each])
        alice, _ = self.scene.attach(self.console())
        host.say(said(comport.FlowControlSuspend()))
        alice.type(b"typed")
        self.assertEqual(answers(host.say(said(comport.PurgeData()))), [comport.PurgeData()])
        self.assertEqual(host.say(said(comport.FlowControlResume())), b"typed")
        host.say(said(comport.SetControl(Control.DTR_OFF), comport.SetControl(Control.RTS_ON)))
        self.assertEqual(link.port.modem, ModemState.CTS)
        self.scene.clock.advance(0)
        self.assertIsInstance(self.scene.happened[-1], ModemChanged)

    def test_what_makes_no_sense_is_dropped_and_the_line_goes_on(self) -> None:
        host = self.joined()
        for wrong in ("", "01", "010000000000", "0d", "6500000001", "061000", "0800", "0b"):
            body = bytes.fromhex(wrong)
            self.assertEqual(host.say(subnegotiation(COM_PORT, body)), b"")
        self.assertFalse(host.closed)
        self.assertIsNone(self.console().link.port.settings)
        self.assertEqual(self.breaks(), 0)

    @settings(deadline=None, max_examples=60)
    @given(st.lists(ANY | st.binary(max_size=6), max_size=12), st.integers(1, 40))
    def test_the_same_dialogue_in_any_split(
        self, commands: list[comport.Command | bytes], size: int
    ) -> None:
        data = b"".join(
            subnegotiation(COM_PORT, each) if isinstance(each, bytes) else said(each)
            for each in commands
        )
        outcomes = []
        for pieces in ([data], [data[at : at + size] for at in range(0, len(data), size)]):
            scene = Scene()
            host = self.joined(scene)
            heard = b"".join(host.say(piece) for piece in pieces)
            self.assertEqual(scene.failures, 0)
            (console,) = scene.roster
            outcomes.append((heard, host.line.port, console.link.port.settings))
            self.assertFalse(host.closed)
        self.assertEqual(*outcomes)
        self.assertEqual(len(answers(outcomes[0][0])) > 0, bool(outcomes[0][0]))

    def test_a_flood_of_questions_takes_its_share_of_a_turn_and_bounded_memory(self) -> None:
        clock = self.scene.clock.twisted = TurnClock()
        host = self.joined()
        clock.turn(600)
        other = self.scene.host("10.0.0.2")
        other.register(b"db01", b"ab" * 16)
        many = 4 * ANSWERS
        host.transport.dataReceived(said(comport.SetBaudRate()) * many)
        other.wire.take()
        Host.credential_in(other.say(VMotionBegin(SEQUENCE)))  # at once, for the other VM
        turns = most = 0
        while host.transport.share.waiting:
            before = len(host.wire.value())
            clock.turn()
            most = max(most, len(host.wire.value()) - before)
            turns += 1
        one = len(said(comport.SetBaudRate()))
        self.assertGreater(turns, many * SUBNEGOTIATION // EVENTS // 2)
        self.assertLessEqual(most, EVENTS // SUBNEGOTIATION * one + one)
        # In memory it is not known what the VM's host reads.
        self.assertLessEqual(len(answers(host.wire.take())), ANSWERS)
        self.assertFalse(host.closed)
        clock.turn(1)
        self.assertEqual(len(answers(host.say(said(comport.SetBaudRate())))), 1)


class MovingTests(ComPortTest):
    def moved(self, source: Host, *between: comport.Command) -> Host:
        target = self.scene.host("10.0.0.2")
        target.peer(source.begin())
        target.say(negotiation(WILL, COM_PORT), said(*between))
        target.complete()
        return target

    def test_settings_are_kept_and_not_negotiated_anew(self) -> None:
        source = self.joined()
        source.say(said(*comport.setting(ODD)))
        target = self.moved(source)
        link = self.console().link
        self.assertEqual((link.line, link.port.settings), (target.line, ODD))
        self.assertEqual(
            answers(target.say(said(comport.SetBaudRate(), comport.SetDataSize()))),
            [comport.SetBaudRate(ODD.speed), comport.SetDataSize(7)],
        )
        # A change of one of them leaves the others.
        target.say(said(comport.SetBaudRate(9600)))
        self.assertEqual(str(link.port.settings), "9600 7E2 rts/cts")
        self.scene.clock.advance(SETTLING)
        self.assertEqual(self.moved(target).line.settings, link.port.settings)
        texts = [str(e.settings) for e in self.scene.happened if isinstance(e, SettingsChanged)]
        self.assertEqual(texts, ["9600 7E2 rts/cts"])

    def test_a_target_that_says_them_is_believed(self) -> None:
        source = self.joined()
        source.say(said(*comport.setting(ODD)))
        self.moved(source, comport.SetBaudRate(9600))
        self.assertEqual(str(self.console().link.port.settings), "9600 7E2 rts/cts")

    def test_a_target_asks_between_peer_and_complete(self) -> None:
        source = self.joined()
        source.say(said(*comport.setting(ODD)))
        target = self.scene.host("10.0.0.2")
        target.peer(source.begin())
        found = answers(target.say(negotiation(WILL, COM_PORT), said(comport.SetBaudRate())))
        self.assertEqual(found[-1], comport.SetBaudRate(ODD.speed))

    def test_a_power_cycle_begins_anew(self) -> None:
        host = self.joined()
        host.say(said(*comport.setting(ODD)))
        host.lose()
        self.assertIsNone(self.console().link.port.settings)
        again = self.joined()
        self.assertEqual(
            answers(again.say(said(comport.SetBaudRate()))), [comport.SetBaudRate(9600)]
        )

    def test_a_suspended_source_gets_its_goahead_and_the_target_what_waited(self) -> None:
        source = self.joined()
        alice, _ = self.scene.attach(self.console())
        source.say(said(comport.FlowControlSuspend()))
        alice.type(b"held")
        self.assertEqual(source.wire.take(), b"")
        target = self.scene.host("10.0.0.2")
        target.peer(source.begin())
        self.assertEqual(target.complete(), b"held")
        self.assertFalse(target.line.suspended)


class SuspendTests(ComPortTest):
    def test_it_is_told_when_it_begins_and_ends(self) -> None:
        host = self.joined()
        alice, sink = self.scene.attach(self.console())
        host.say(said(comport.FlowControlSuspend()))
        self.scene.clock.advance(PATIENCE)
        alice.type(b"reboot\r")
        self.scene.clock.advance(PATIENCE)
        self.scene.turn()
        self.assertEqual(sink.notices, ["web01 has suspended input: 7 bytes wait"])
        self.assertEqual(host.wire.take(), b"")
        # It still answers, whatever it is asked.
        self.assertEqual(len(answers(host.say(said(comport.SetBaudRate(50))))), 1)
        self.assertEqual(host.say(said(comport.FlowControlResume())), b"reboot\r")
        self.scene.turn()
        self.assertEqual(sink.kinds[1:], [NoticeKind.GOES_ON, NoticeKind.CAUGHT_UP])

    def test_who_comes_later_is_told_too(self) -> None:
        host = self.joined()
        host.say(said(comport.FlowControlSuspend()))
        for name, waiting in (("alice", 7), ("bob", 14)):
            operator, sink = self.scene.attach(self.console(), name)
            operator.type(b"reboot\r")
            self.scene.clock.advance(2 * PATIENCE)
            self.scene.turn()
            told = [each for each in sink.notices if "suspended" in each]
            self.assertEqual(told, [f"web01 has suspended input: {waiting} bytes wait"])
            operator.detach()

    def test_a_vm_that_withdraws_the_option_is_not_suspended_for_ever(self) -> None:
        host = self.joined()
        alice, _ = self.scene.attach(self.console())
        host.say(said(comport.FlowControlSuspend()))
        alice.type(b"x")
        self.assertIn(b"x", host.say(negotiation(WONT, COM_PORT)))

    def test_another_vm_of_that_console_is_not_suspended(self) -> None:
        host = self.joined()
        host.say(said(comport.FlowControlSuspend()))
        host.lose()
        again = self.joined()
        alice, _ = self.scene.attach(self.console())
        alice.type(b"x")
        self.assertEqual(again.wire.take(), b"x")


class BreakTests(ComPortTest):
    def attached(self) -> Attachment:
        return self.scene.attach(self.console())[0]

    def test_from_the_vm_in_both_spellings_at_once_it_is_one(self) -> None:
        host = self.joined()
        on, off = comport.SetControl(Control.BREAK_ON), comport.SetControl(Control.BREAK_OFF)
        self.assertEqual(answers(host.say(command(BRK), said(on, off))), [on, off])
        self.assertEqual((self.breaks(), self.console().link.breaks_from_vm), (1, 1))
        self.scene.clock.advance(BREAK_PAIR)
        host.say(said(on))
        self.assertEqual(answers(host.say(said(comport.SetControl(4)))), [on])
        self.scene.clock.advance(1)
        host.say(said(on))  # it is on already
        self.assertEqual(self.breaks(), 2)
        host.say(said(off, on))
        self.assertEqual(self.breaks(), 3)

    def test_to_the_vm_it_is_brk_unless_the_configuration_says_otherwise(self) -> None:
        host = self.joined()
        self.attached().send_break()
        self.assertEqual(host.wire.take(), command(BRK))

    def test_by_set_control_it_lasts_and_input_stays_in_order(self) -> None:
        host, alice = self.joined(breaks=True), self.attached()
        alice.type(b"a")
        alice.send_break()
        alice.type(b"b")
        on = b"\xff\xfa\x2c\x69\x05\xff\xf0"
        self.assertEqual(host.wire.take(), b"a" + on)
        self.scene.clock.advance(BREAK_SECONDS)
        self.assertEqual(host.wire.take(), b"\xff\xfa\x2c\x69\x06\xff\xf0b")

    def test_where_the_line_has_no_com_port_it_is_brk(self) -> None:
        host = self.scene.host(port=ComPortTerms(breaks=True))
        host.register()
        self.attached().send_break()
        self.assertEqual(host.wire.take(), command(BRK))

    def test_a_vmotion_in_mid_break(self) -> None:
        host, alice = self.joined(breaks=True), self.attached()
        alice.send_break()
        host.wire.take()
        heard = host.say(VMotionBegin(SEQUENCE))
        self.assertTrue(heard.startswith(b"\xff\xfa\x2c\x69\x06\xff\xf0"), heard)
        self.scene.clock.advance(1)
        self.assertEqual(host.wire.take(), b"")

    def test_a_line_that_is_closed_in_mid_break(self) -> None:
        host, alice = self.joined(breaks=True), self.attached()
        alice.send_break()
        host.lose()
        host.wire.take()
        self.scene.clock.advance(1)
        self.assertEqual(host.wire.take(), b"")
