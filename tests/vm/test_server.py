"""The VM's server: registration in any order, refusals, old lines, migrations, law 3."""

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.vm.support import SECRET, SEQUENCE, VC_UUID, Scene
from vspc.console.console import Console, ConsoleState
from vspc.console.names import Found
from vspc.vm.lines.vmware import MESSAGE_RATE, MESSAGES
from vspc.wire import telnet, vmware
from vspc.wire.telnet import VMWARE, Decoder, Subnegotiation, negotiation, subnegotiation
from vspc.wire.vmware import (
    DoProxy,
    KnownSuboptions1,
    UnknownSuboption1,
    UnknownSuboption2,
    VmBiosUuid,
    VmName,
    VMotionBegin,
    VMotionComplete,
    VMotionGoahead,
    VMotionPeer,
    VmVcUuid,
    WillProxy,
    WontProxy,
    encode,
)


def sb(message: vmware.Suboption) -> bytes:
    return subnegotiation(VMWARE, encode(message))


class LineServerTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def console(self, name: str = "web01") -> Console:
        found = self.scene.roster.resolve(name, lambda _console: True)
        assert isinstance(found, Found), found
        return found.console

    def count(self) -> int:
        return len(self.scene.roster)


class Registering(LineServerTest):
    def test_in_every_order_of_its_messages(self) -> None:
        messages: list[vmware.Suboption] = [
            DoProxy(b"S", b"vspc"),
            VmVcUuid(VC_UUID),
            VmName(b"web01"),
        ]
        known = KnownSuboptions1(bytes([70, 71, 73, 80, 82]))
        for order in permutations([*messages, known]):
            self.scene = Scene()
            host = self.scene.host().agree()
            said = b"".join(host.say(message) for message in order)
            self.assertIs(self.console().state, ConsoleState.CONNECTED, order)
            self.assertEqual(said.count(sb(WillProxy())), 1, order)

    def test_output_before_the_name_belongs_to_the_console(self) -> None:
        host = self.scene.host().agree()
        host.say(b"SeaBIOS", DoProxy(b"S", b"vspc"), b" boots", VmVcUuid(VC_UUID), b"!")
        host.say(VmName(b"web01"), b"\n")
        self.assertEqual(self.console().history.read(0, 99), b"SeaBIOS boots!\n")

    def test_early_output_is_bounded(self) -> None:
        host = self.scene.host().agree()
        for _ in range(200):
            host.say(b"x" * 1024)
        host.register()
        history = self.console().history
        self.assertEqual((history.start, history.end), (136 * 1024, 200 * 1024))

    def test_a_vm_without_a_vc_uuid_is_known_by_its_bios_uuid(self) -> None:
        host = self.scene.host().agree()
        host.say(KnownSuboptions1(bytes([80, 82, 84, 85])), DoProxy(b"S", b"vspc"))
        self.assertIn(sb(vmware.GetVmBiosUuid()), host.say(VmVcUuid(b"")))
        host.say(VmBiosUuid(b"ab" * 16), VmName(b"web01"))
        self.assertEqual(self.console().vm.uuid, "ab" * 16)

    def test_a_vm_that_knows_no_uuid_is_known_by_address_and_name(self) -> None:
        host = self.scene.host().agree()
        host.say(DoProxy(b"S", b"vspc"), *map(UnknownSuboption1, (81, 85, 87)), VmName(b"web01"))
        self.assertIsNone(self.console().vm.uuid)

    def test_a_name_of_4000_bytes_with_escapes_in_it_is_shown_safely(self) -> None:
        self.scene.host().register(name=b"../../etc\n\x1b[2J" + b"x" * 4000)
        (console,) = self.scene.roster
        self.assertLess(len(console.name), 120)
        self.assertTrue(console.name.isprintable())
        self.assertTrue(console.name.startswith("../../etc\\x0a\\x1b[2J"))

    def test_a_new_name_in_mid_line_is_a_rename(self) -> None:
        host = self.scene.host()
        host.register()
        host.say(VmName(b"db01"))
        self.assertIs(self.console("db01").state, ConsoleState.CONNECTED)

    def test_another_uuid_in_mid_line_is_fatal(self) -> None:
        host = self.scene.host()
        host.register()
        host.say(VmVcUuid(b"ab" * 16))
        self.assertTrue(host.wire.aborted)

    def test_the_same_uuid_again_is_not(self) -> None:
        host = self.scene.host()
        host.register()
        host.say(VmVcUuid(VC_UUID))
        self.assertFalse(host.closed)

    def test_an_unknown_suboption_is_answered_and_the_line_goes_on(self) -> None:
        host = self.scene.host()
        host.register()
        said = host.say(subnegotiation(VMWARE, b"\x63args"))
        self.assertEqual(said, sb(UnknownSuboption2(0x63)))
        self.assertFalse(host.closed)

    def test_what_only_a_proxy_sends_is_answered_as_unknown(self) -> None:
        host = self.scene.host()
        host.register()
        self.assertEqual(host.say(WillProxy()), sb(UnknownSuboption2(71)))

    def test_malformed_suboptions_are_dropped(self) -> None:
        host = self.scene.host()
        host.register()
        for body in (b"", b"\x46", b"\x02", b"\x02ab", b"\x30extra"):
            self.assertEqual(host.say(subnegotiation(VMWARE, body)), b"")
        self.assertFalse(host.closed)

    @settings(deadline=None, max_examples=200)
    @given(st.lists(st.binary(max_size=60), max_size=20))
    def test_noise_never_raises_and_never_loses_the_line_of_another(
        self, chunks: list[bytes]
    ) -> None:
        scene = Scene()
        other = scene.host("10.0.0.2")
        other.register()
        noisy = scene.host("10.0.0.3").agree()
        for chunk in chunks:
            noisy.say(chunk)
            noisy.say(b"\xff\xfa\xe8" + chunk + b"\xff\xf0")
        other.say(b"fine")
        found = scene.roster.resolve("web01", lambda _console: True)
        assert isinstance(found, Found)
        self.assertTrue(found.console.history.read(0, 99).endswith(b"fine"))
        self.assertEqual(self.flushLoggedErrors(), [])


class Refusing(LineServerTest):
    def test_a_foreign_service_uri(self) -> None:
        host = self.scene.host().agree()
        self.assertIn(sb(WontProxy()), host.say(DoProxy(b"S", b"somebody-else")))
        self.assertTrue(host.closed)
        self.assertEqual(self.count(), 0)

    def test_a_service_uri_with_arguments_counts_up_to_the_question_mark(self) -> None:
        self.scene.host().register(uri=b"vspc?port=ttyS1#x")
        self.assertEqual(self.console().label, "ttyS1")

    def test_client_direction(self) -> None:
        host = self.scene.host().agree()
        self.assertIn(sb(WontProxy()), host.say(DoProxy(b"C", b"telnet://there:23")))

    def test_a_peer_that_will_not_speak_the_extension(self) -> None:
        host = self.scene.host()
        host.say(negotiation(telnet.WONT, VMWARE))
        self.assertTrue(host.closed)

    def test_a_peer_that_never_says_who_it_is(self) -> None:
        host = self.scene.host().agree()
        host.say(DoProxy(b"S", b"vspc"))
        self.scene.clock.advance(29)
        self.assertFalse(host.closed)
        self.scene.clock.advance(2)
        self.assertTrue(host.closed)

    def test_an_identified_vm_has_no_time_limit(self) -> None:
        host = self.scene.host()
        host.register()
        self.scene.clock.advance(3600)
        self.assertFalse(host.closed)

    def test_a_storm_of_messages(self) -> None:
        host = self.scene.host()
        host.register()
        host.say(*[VMotionBegin(SEQUENCE)] * 2000)
        self.assertTrue(host.wire.aborted)

    def test_what_a_line_may_say_for_ever_is_no_storm_and_more_is_one(self) -> None:
        host = self.scene.host()
        host.register()
        host.say(*[VMotionBegin(SEQUENCE)] * (MESSAGES // 2))
        for _ in range(5 * MESSAGES):
            self.scene.clock.advance(1 / MESSAGE_RATE)
            host.say(VMotionBegin(SEQUENCE))
        self.assertFalse(host.wire.aborted)
        for _ in range(MESSAGES):
            self.scene.clock.advance(0.3 / MESSAGE_RATE)
            host.say(VMotionBegin(SEQUENCE))
        self.assertTrue(host.wire.aborted)


class OldLines(LineServerTest):
    def test_power_off_and_on_finds_its_console_again(self) -> None:
        host = self.scene.host()
        host.register()
        host.say(b"before")
        host.lose()
        self.assertIs(self.console().state, ConsoleState.AWAY)
        self.scene.host("10.0.0.2").register()
        self.assertEqual(self.count(), 1)
        self.assertIs(self.console().state, ConsoleState.CONNECTED)
        self.assertEqual(self.console().history.read(0, 99), b"before")

    def test_an_old_line_that_answers_on_the_same_host_is_another_port(self) -> None:
        old, new = self.scene.host(), self.scene.host()
        old.register()
        new.register()
        old.say(VmVcUuid(VC_UUID))
        self.assertEqual(self.count(), 2)
        self.assertEqual(sorted(c.title for c in self.scene.roster), ["web01:1", "web01:2"])

    def test_an_old_line_that_closes_while_it_is_asked_gives_way_at_once(self) -> None:
        old, new = self.scene.host(), self.scene.host("10.0.0.2")
        old.register()
        new.register()
        old.lose()
        self.assertEqual(self.console().link.line.address, "10.0.0.2")  # type: ignore[union-attr]

    def test_clones_with_one_uuid_and_two_names_are_two_consoles(self) -> None:
        old, new = self.scene.host(), self.scene.host("10.0.0.2")
        old.register(b"web01")
        new.register(b"web02")
        old.say(VmVcUuid(VC_UUID))
        self.assertEqual(self.count(), 2)

    def test_ports_told_apart_by_uri_need_no_probe(self) -> None:
        self.scene.host().register(uri=b"vspc?port=ttyS0")
        self.scene.host().register(uri=b"vspc?port=ttyS1")
        self.assertEqual(self.count(), 2)

    def test_a_newcomer_that_goes_while_the_old_line_is_asked(self) -> None:
        old, new = self.scene.host(), self.scene.host("10.0.0.2")
        old.register()
        new.register()
        new.lose()
        self.scene.clock.advance(6)
        self.assertEqual(self.console().link.line.address, "10.0.0.1")  # type: ignore[union-attr]


class TheExtensionGoesAndComes(LineServerTest):
    def test_wont_in_mid_session_and_on_again(self) -> None:
        host = self.scene.host()
        host.register()
        alice, _ = self.scene.attach(self.console())
        host.wire.take()
        said = host.say(negotiation(telnet.WONT, VMWARE), b"still here")
        self.assertEqual(said, negotiation(telnet.DONT, VMWARE))
        self.assertEqual(self.console().history.read(0, 99), b"still here")
        # Without the extension nothing can be asked: TCP bounds what is under way.
        host.line.unacknowledged = lambda: 0  # type: ignore[method-assign]
        alice.type(b"p" * 9000)
        said = host.wire.take()
        self.assertEqual(said.count(b"p"), 9000)
        self.assertNotIn(sb(vmware.GetVmVcUuid()), said)
        again = host.say(negotiation(telnet.WILL, VMWARE))
        self.assertTrue(again.startswith(negotiation(telnet.DO, VMWARE)))
        self.assertIn(bytes([telnet.IAC, telnet.SB, VMWARE, 1]), again)
        alice.type(b"q" * 9000)
        self.assertIn(sb(vmware.GetVmVcUuid()), host.wire.take())
        self.assertIn(sb(VMotionGoahead(SEQUENCE + SECRET)), host.say(VMotionBegin(SEQUENCE)))

    def test_wont_while_it_is_asked_counts_as_a_sign_of_life(self) -> None:
        old, new = self.scene.host(), self.scene.host("10.0.0.2")
        old.register()
        new.register()
        old.say(negotiation(telnet.WONT, VMWARE))
        self.scene.clock.advance(6)
        self.assertEqual(self.console().link.last_address, "10.0.0.1")

    def test_dont_and_do_change_nothing(self) -> None:
        host = self.scene.host()
        host.register()
        host.wire.take()
        self.assertEqual(host.say(negotiation(telnet.DONT, VMWARE)), b"")
        self.assertEqual(host.say(negotiation(telnet.DO, VMWARE)), negotiation(telnet.WONT, VMWARE))
        self.assertIn(sb(VMotionGoahead(SEQUENCE + SECRET)), host.say(VMotionBegin(SEQUENCE)))

    def test_only_what_the_vm_knows_is_asked(self) -> None:
        host = self.scene.host().agree()
        host.wire.take()
        host.say(KnownSuboptions1(bytes([70, 71, 73, 84, 85, 86, 87])))
        said = host.say(DoProxy(b"S", b"vspc"))
        self.assertIn(sb(vmware.GetVmBiosUuid()), said)
        self.assertNotIn(sb(vmware.GetVmVcUuid()), said)
        self.assertNotIn(sb(vmware.GetVmName()), said)
        host.say(VmBiosUuid(VC_UUID))
        self.assertEqual(next(iter(self.scene.roster)).vm.identity.kind, "bios")


class Law3(LineServerTest):
    def test_goahead_stands_behind_at_most_4_kib_of_a_paste(self) -> None:
        source = self.scene.host()
        source.register()
        alice, _ = self.scene.attach(self.console())
        paste = bytes(range(256)) * 4096
        taken = alice.type(paste).taken
        on_the_wire = source.wire.take() + source.say(VMotionBegin(SEQUENCE))
        goahead = on_the_wire.index(sb(VMotionGoahead(SEQUENCE + SECRET)))
        self.assertLessEqual(goahead, 4096)
        target = self.scene.host("10.0.0.2").agree()
        target.say(VMotionPeer(SEQUENCE + SECRET))
        rest = target.say(VMotionComplete(SEQUENCE))
        # The guest reads again: each question is answered, until all has arrived.
        for _ in range(10_000):
            taken += alice.type(paste[taken:]).taken
            more = target.say(VmVcUuid(VC_UUID))
            rest += more
            if taken == len(paste) and not more:
                break
        self.assertEqual(data_in(on_the_wire) + data_in(rest), paste)


def data_in(wire: bytes) -> bytes:
    """What is data in a telnet stream."""
    decoder = Decoder()
    decoder.receive(wire)
    data = b""
    while (event := decoder.next_event()) is not None:
        if isinstance(event, telnet.Data):
            data += event.data
        else:
            assert isinstance(event, Subnegotiation)
    return data
