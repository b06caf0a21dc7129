"""One connection, byte for byte: the dialogue of the sample capture, from the VM's side."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from tests.conversations import read
from tests.simulator.test_telnet import cut, decoded
from vspc.simulator import comport, telnet
from vspc.simulator import extension as ext
from vspc.simulator.extension import VmIdentity, spelled_uuid, suboption
from vspc.simulator.host import HOST_BUFFER, SETUP_LIMIT, HostConnection, Settings
from vspc.simulator.telnet import DO, DONT, WILL, WONT, negotiate

SEQUENCE = bytes.fromhex("44da87f1")
CLAIM = bytes.fromhex("44da87f1 3ce64dab")
VM = VmIdentity("vm-00000", "0123456789abcdeffedcba9800000000", "b" * 32, "c" * 32)


class Recorder:
    """A VM that reads `room` bytes at once and notes what it hears."""

    identity = VM
    uart = comport.UartSettings()

    def __init__(self, boot: bytes = b"") -> None:
        self.room = 1 << 20
        self.boot = boot
        self.input = b""
        self.said: list[tuple[str, bytes]] = []
        self.reasons: list[str] = []

    def line_up(self, connection: HostConnection) -> None:
        self.said.append(("up", b""))
        connection.send(self.boot)

    def input_room(self, connection: HostConnection) -> int:
        return self.room

    def received(self, connection: HostConnection, data: bytes) -> None:
        self.input += data
        self.room -= len(data)

    def break_received(self, connection: HostConnection) -> None:
        self.said.append(("break", b""))

    def goahead(self, connection: HostConnection, payload: bytes) -> None:
        self.said.append(("goahead", payload))

    def notnow(self, connection: HostConnection, sequence: bytes) -> None:
        self.said.append(("notnow", sequence))

    def peer_ok(self, connection: HostConnection, sequence: bytes) -> None:
        self.said.append(("peer-ok", sequence))
        connection.dialogue.vmotion_complete(sequence)

    def writable(self, connection: HostConnection) -> None:
        self.said.append(("writable", b""))

    def lost(self, connection: HostConnection, reason: str) -> None:
        self.reasons.append(reason)


class Wired:
    """A connection over a transport that notes what is written."""

    def __init__(
        self, claim: bytes | None = None, boot: bytes = b"", chop: int | None = None
    ) -> None:
        self.clock = Clock()
        self.vm = Recorder(boot)
        chance = None if chop is None else random.Random(chop)
        setup = Settings(service_uri="vSPC.py", chop=chance)
        self.connection = HostConnection(self.vm, self.clock, setup, claim)
        self.transport = StringTransport()
        self.connection.makeConnection(self.transport)

    def hear(self, *pieces: bytes) -> bytes:
        """What the VM answers."""
        for piece in pieces:
            self.connection.dataReceived(piece)
        for _ in range(2000):
            self.clock.advance(0.002)
        said: bytes = self.transport.value()
        self.transport.clear()
        return said

    def quick(self, *pieces: bytes) -> bytes:
        for piece in pieces:
            self.connection.dataReceived(piece)
        said: bytes = self.transport.value()
        self.transport.clear()
        return said

    def up(self) -> "Wired":
        """As far as WILL-PROXY, COM-PORT refused."""
        self.quick(negotiate(DONT, telnet.AUTHENTICATION), negotiate(DO, telnet.VMWARE))
        self.quick(suboption(ext.KNOWN_2, ext.KNOWN), suboption(ext.WILL_PROXY))
        self.quick(negotiate(DONT, telnet.COM_PORT))
        return self


def both_sides(name: str) -> tuple[bytes, bytes]:
    turns = read(name)
    sides = [b"".join(turn.data for turn in turns if turn.from_vm is vm) for vm in (True, False)]
    return sides[0], sides[1]


class SampleSessionTests(SynchronousTestCase):
    def test_the_sample_session_turn_by_turn(self) -> None:
        wired = Wired()
        steps = [
            (b"", "ff fb 25"),
            (bytes.fromhex("fffb00 fffb03 fffb01 fffd00 fffd03 fffde8"),
             "fffd00 fffd03 fffd01 fffb00 fffb03"),
            (bytes.fromhex("fffe25"),
             "fffbe8 fffae8 00 00010203 2829 2b2c2d2e30 464749 50 54555657 5253 fff0"),
            (bytes.fromhex("fffae8 01 00010203 2829 2b2c2d2e30 464749 50515253 fff0"),
             "fffae8 46 53 765350432e7079 fff0"),
            (bytes.fromhex("fffae851fff0"), suboption(80, spelled_uuid(VM.vc_uuid)).hex()),
            (bytes.fromhex("fffae853fff0"), "fffae8 52 766d2d3030303030 fff0"),
            (bytes.fromhex("fffae847fff0"), "fffb2c"),
            (bytes.fromhex("fffe2c"), ""),
        ]  # fmt: skip
        for heard, answer in steps:
            self.assertEqual(wired.quick(heard).hex(" "), bytes.fromhex(answer).hex(" "))

    @settings(deadline=None)
    @given(st.lists(st.integers(0, 1000), max_size=12))
    def test_the_sample_session_however_it_is_cut(self, marks: list[int]) -> None:
        vm, proxy = both_sides("registration")
        wired = Wired(boot=b"Booting\r\n")
        said = wired.quick(*cut(proxy, marks))
        self.assertEqual(said, vm)

    @settings(deadline=None, max_examples=20)
    @given(st.integers(0, 1 << 32))
    def test_chopping_changes_the_pieces_only(self, seed: int) -> None:
        vm, proxy = both_sides("registration")
        wired = Wired(boot=b"Booting\r\n", chop=seed)
        self.assertEqual(wired.hear(proxy), vm)

    def test_a_target_claims_and_completes(self) -> None:
        wired = Wired(CLAIM)
        wired.quick(negotiate(DONT, telnet.AUTHENTICATION), negotiate(DO, telnet.VMWARE))
        self.assertEqual(
            wired.quick(suboption(ext.KNOWN_2, ext.KNOWN)),
            bytes.fromhex("fffae8 2c 44da87f1 3ce64dab fff0  fffb2c"),
        )
        answers = wired.quick(
            suboption(ext.GET_VC_UUID), suboption(ext.GET_NAME), suboption(ext.PEER_OK, SEQUENCE)
        )
        self.assertEqual(
            answers,
            suboption(80, spelled_uuid(VM.vc_uuid))
            + suboption(82, b"vm-00000")
            + suboption(46, SEQUENCE),
        )
        self.assertEqual(wired.vm.said, [("peer-ok", SEQUENCE)])

    def test_a_target_does_not_say_its_port_settings_again(self) -> None:
        wired = Wired(CLAIM)
        wired.quick(negotiate(DONT, telnet.AUTHENTICATION), negotiate(DO, telnet.VMWARE))
        wired.quick(suboption(ext.KNOWN_2, ext.KNOWN))
        self.assertEqual(wired.quick(negotiate(DO, telnet.COM_PORT)), b"")


class OptionTests(SynchronousTestCase):
    def test_the_extension_is_held_back_until_authentication_is_settled(self) -> None:
        wired = Wired()
        self.assertEqual(wired.quick(), negotiate(WILL, telnet.AUTHENTICATION))
        self.assertEqual(wired.quick(negotiate(DO, telnet.VMWARE)), b"")
        said = wired.quick(negotiate(DONT, telnet.AUTHENTICATION))
        self.assertTrue(said.startswith(negotiate(WILL, telnet.VMWARE) + suboption(0, ext.KNOWN)))

    def test_the_proxy_may_ask_for_the_extension_afterwards(self) -> None:
        wired = Wired()
        wired.quick()
        said = wired.quick(negotiate(DONT, telnet.AUTHENTICATION))
        self.assertEqual(said, negotiate(WILL, telnet.VMWARE))
        self.assertEqual(wired.quick(negotiate(DO, telnet.VMWARE)), suboption(0, ext.KNOWN))

    def test_what_is_unknown_is_refused_and_what_is_on_is_not_answered(self) -> None:
        wired = Wired()
        wired.quick()
        self.assertEqual(wired.quick(negotiate(DO, 24)), negotiate(WONT, 24))
        self.assertEqual(wired.quick(negotiate(WILL, 24)), negotiate(DONT, 24))
        self.assertEqual(wired.quick(negotiate(DO, 0)), negotiate(WILL, 0))
        self.assertEqual(wired.quick(negotiate(DO, 0)), b"")
        self.assertEqual(wired.quick(negotiate(DONT, 0)), negotiate(WONT, 0))
        self.assertEqual(wired.quick(negotiate(WILL, 1)), negotiate(DO, 1))
        self.assertEqual(wired.quick(negotiate(WONT, 1)), negotiate(DONT, 1))
        self.assertEqual(wired.quick(negotiate(WONT, 1), negotiate(DONT, 0)), b"")

    def test_a_proxy_that_wants_authentication_of_another_kind_gets_none(self) -> None:
        wired = Wired()
        wired.quick(negotiate(DO, telnet.AUTHENTICATION))
        said = wired.quick(telnet.subnegotiate(37, b"\x01\x07\x00\x06\x00"))
        self.assertEqual(said, bytes.fromhex("fffa25000000fff0") + negotiate(WILL, telnet.VMWARE))

    def test_the_extension_refused_or_withdrawn_ends_the_line(self) -> None:
        for wired, heard in ((Wired(), negotiate(DONT, 37)), (Wired().up(), b"")):
            wired.quick(heard, negotiate(DONT, telnet.VMWARE))
            self.assertEqual(wired.vm.reasons, ["the proxy refuses VMware's extension"])
            self.assertTrue(wired.transport.disconnecting)

    def test_port_settings_are_told_and_the_answers_are_noted(self) -> None:
        wired = Wired()
        wired.quick(negotiate(DONT, 37), negotiate(DO, 232))
        wired.quick(suboption(ext.KNOWN_2, ext.KNOWN), suboption(ext.WILL_PROXY))
        settings_ = decoded([wired.quick(negotiate(DO, telnet.COM_PORT))])
        self.assertIn(telnet.WireSubnegotiation(44, b"\x01\x00\x01\xc2\x00"), settings_)
        facts = wired.connection.com_port.facts()
        self.assertEqual(facts["com_port_unanswered"], [1, 2, 3, 4, 5, 5])
        for answer in ("65 0001c200", "", "66 08", "67 01", "68 03", "6b b0"):
            wired.quick(telnet.subnegotiate(44, bytes.fromhex(answer)))
        facts = wired.connection.com_port.facts()
        self.assertEqual(facts["com_port_unanswered"], [5, 5])
        self.assertEqual((facts["com_port"], facts["modem"]), ("115200 8N1.5", 0xB0))

    def test_a_break_in_either_spelling_is_one(self) -> None:
        wired = Wired().up()
        wired.quick(telnet.command(telnet.BRK), telnet.subnegotiate(44, b"\x6a\x10"))
        wired.quick(telnet.subnegotiate(44, b"\x6a\x00"))
        wired.quick(*(telnet.subnegotiate(44, b"\x69" + value) for value in (b"\x05", b"\x06")))
        self.assertEqual(wired.vm.said.count(("break", b"")), 3)

    def test_a_break_from_the_guest(self) -> None:
        wired = Wired().up()
        wired.connection.send_break()
        self.assertFalse(wired.connection.say_com_port(*comport.BREAK))
        self.assertEqual(wired.quick(), b"\xff\xf3")
        wired.quick(negotiate(DO, telnet.COM_PORT))
        wired.connection.options.ours.add(telnet.COM_PORT)
        self.assertTrue(wired.connection.say_com_port(*comport.BREAK))
        said = bytes.fromhex("fffa2c0505fff0 fffa2c0506fff0")
        self.assertEqual(wired.quick(), said)
        wired.quick(said.replace(b"\x2c\x05", b"\x2c\x69"))  # the answers are no BREAK
        self.assertNotIn(("break", b""), wired.vm.said)


class DialogueTests(SynchronousTestCase):
    def test_every_question_is_answered_at_any_time(self) -> None:
        wired = Wired().up()
        answers = wired.quick(*(suboption(code) for code in (81, 83, 85, 87)))
        self.assertEqual(
            answers,
            suboption(80, spelled_uuid(VM.vc_uuid))
            + suboption(82, b"vm-00000")
            + suboption(84, spelled_uuid("b" * 32))
            + suboption(86, spelled_uuid("c" * 32)),
        )

    def test_an_unknown_suboption_is_said_to_be_one(self) -> None:
        wired = Wired().up()
        self.assertEqual(wired.quick(suboption(99, b"x")), suboption(ext.UNKNOWN_1, bytes([99])))

    def test_a_suboption_without_a_code_is_dropped(self) -> None:
        self.assertEqual(Wired().up().quick(telnet.subnegotiate(232, b"")), b"")

    def test_do_proxy_waits_for_what_the_proxy_knows(self) -> None:
        wired = Wired()
        wired.quick(negotiate(DONT, 37), negotiate(DO, 232), suboption(ext.WILL_PROXY))
        self.assertEqual(wired.vm.said, [])
        self.assertEqual(wired.quick(suboption(ext.KNOWN_2, b"\x01")), suboption(70, b"SvSPC.py"))
        self.assertFalse(wired.connection.dialogue.can_move)

    def test_wont_proxy_ends_the_line(self) -> None:
        wired = Wired()
        wired.quick(negotiate(DONT, 37), negotiate(DO, 232), suboption(ext.WONT_PROXY))
        self.assertEqual(wired.vm.reasons, ["WONT-PROXY"])

    def test_a_proxy_that_goes_silent_is_given_up(self) -> None:
        wired = Wired()
        wired.clock.advance(SETUP_LIMIT)
        self.assertEqual(wired.vm.reasons, ["no answer in time"])

    def test_an_answer_without_a_question_is_not_heard(self) -> None:
        wired = Wired().up()
        wired.quick(
            suboption(41, CLAIM), suboption(43, SEQUENCE), suboption(45, SEQUENCE), suboption(71)
        )
        self.assertEqual(wired.vm.said, [("up", b"")])

    def test_a_secret_with_ff_arrives_whole(self) -> None:
        wired = Wired().up()
        wired.connection.dialogue.vmotion_begin(b"\x76\x19\xff\xff\xe9")
        self.assertEqual(
            wired.quick(), bytes.fromhex("fffae8 28 7619ffff ffff e9 fff0".replace(" ", ""))
        )
        wired.quick(suboption(41, b"\x76\x19\xff\xff\xe9\x01\xff\x02"))
        self.assertEqual(wired.vm.said[-1], ("goahead", b"\x76\x19\xff\xff\xe9\x01\xff\x02"))


class FlowTests(SynchronousTestCase):
    def test_a_host_whose_guest_does_not_read_sees_no_question(self) -> None:
        wired = Wired().up()
        wired.vm.room = 3
        self.assertEqual(wired.quick(b"abcde" + suboption(ext.GET_NAME)), b"")
        self.assertEqual(wired.vm.input, b"abc")
        self.assertEqual(wired.transport.producerState, "paused")
        wired.vm.room = 10
        wired.connection.run()
        self.assertEqual(wired.quick(), suboption(82, b"vm-00000"))
        self.assertEqual(wired.vm.input, b"abcde")
        self.assertEqual(wired.transport.producerState, "producing")

    def test_a_peer_that_ignores_the_pause_is_given_up(self) -> None:
        wired = Wired().up()
        wired.vm.room = 0
        wired.quick(b"x" * (HOST_BUFFER + 1))
        self.assertEqual(wired.vm.reasons, ["more than the host reads"])

    def test_an_endless_subnegotiation_ends_the_line(self) -> None:
        wired = Wired().up()
        wired.quick(b"\xff\xfa\xe8" + b"x" * telnet.SUBNEGOTIATION)
        self.assertEqual(wired.vm.reasons, ["subnegotiation too long"])

    def test_a_full_transport_has_no_room(self) -> None:
        wired = Wired().up()
        producer = wired.transport.producer
        assert producer is not None
        producer.pauseProducing()
        self.assertEqual(wired.connection.room(), 0)
        producer.resumeProducing()
        self.assertGreater(wired.connection.room(), 0)
        self.assertEqual(wired.vm.said[-1], ("writable", b""))

    def test_a_chopped_line_has_as_much_room_and_says_it_all_before_it_closes(self) -> None:
        wired = Wired(chop=1)
        wired.hear(negotiate(DONT, 37), negotiate(DO, 232))
        wired.connection.send(b"x" * 70_000)
        self.assertEqual(wired.connection.room(), 0)
        wired.connection.close()
        self.assertFalse(wired.transport.disconnecting)
        self.assertEqual(len(wired.hear()), 70_000)
        self.assertTrue(wired.transport.disconnecting)

    @settings(deadline=None, max_examples=30)
    @given(st.lists(st.binary(max_size=40), max_size=8))
    def test_noise_never_raises(self, pieces: list[bytes]) -> None:
        for wired in (Wired(), Wired().up(), Wired(CLAIM)):
            wired.quick(*pieces)

    def test_what_was_closed_before_it_was_made_says_nothing(self) -> None:
        vm, transport = Recorder(), StringTransport()
        connection = HostConnection(vm, Clock(), Settings())
        connection.close()
        connection.makeConnection(transport)
        self.assertTrue(transport.disconnecting)
        self.assertEqual((transport.value(), vm.reasons), (b"", []))
