"""Lines that are slow, many, clumsy or hostile, and what must not happen to the others."""

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from tests.net.ends import Wire
from tests.vm.support import SECRET, SEQUENCE, VC_UUID, Host
from tests.vm.test_server import LineServerTest
from vspc.console.console import ConsoleState
from vspc.vm.lines.plain import RawLine
from vspc.wire.starttls import IS_START, REPLY_ACCEPTED, SEND_TLS
from vspc.wire.telnet import (
    AUTHENTICATION,
    BRK,
    DO,
    DONT,
    WILL,
    command,
    negotiation,
    subnegotiation,
)
from vspc.wire.vmware import (
    DoProxy,
    KnownSuboptions1,
    UnknownSuboption1,
    VmBiosUuid,
    VmName,
    VMotionBegin,
    VMotionComplete,
    VMotionPeer,
    VmVcUuid,
)


class Pasting(LineServerTest):
    def test_the_answers_to_our_own_questions_are_no_storm(self) -> None:
        host = self.scene.host()
        host.register()
        alice, _ = self.scene.attach(self.console())
        left = 4 << 20
        while left:
            left -= alice.type(b"p" * min(left, 60_000)).taken
            host.say(VmVcUuid(VC_UUID))
        self.assertFalse(host.closed)

    def test_unasked_answers_are(self) -> None:
        host = self.scene.host()
        host.register()
        host.say(*[VmVcUuid(VC_UUID)] * 1000)
        self.assertTrue(host.wire.aborted)


class TimeLimits(LineServerTest):
    def test_an_accepted_target_may_take_longer_than_an_unidentified_line(self) -> None:
        source, target = self.scene.host(), self.scene.host("10.0.0.2")
        source.register()
        source.say(VMotionBegin(SEQUENCE))
        target.agree().say(VMotionPeer(SEQUENCE + SECRET))
        self.scene.clock.advance(60)
        self.assertFalse(target.closed)
        target.say(VMotionComplete(SEQUENCE))
        self.assertEqual(self.console().link.line.address, "10.0.0.2")  # type: ignore[union-attr]

    def test_a_vm_that_waits_for_a_migration_to_end_is_not_ended_meanwhile(self) -> None:
        source, again = self.scene.host(), self.scene.host("10.0.0.2")
        source.register()
        source.say(VMotionBegin(SEQUENCE))
        source.lose()
        again.register()
        self.scene.clock.advance(60)
        self.assertFalse(again.closed)
        self.scene.clock.advance(61)
        self.scene.server.tick()
        self.scene.clock.advance(1)
        self.assertEqual(self.console().link.line.address, "10.0.0.2")  # type: ignore[union-attr]

    def test_a_peer_that_does_not_let_itself_be_closed_is_cut_off(self) -> None:
        host = self.scene.host().agree()
        self.scene.clock.advance(31)
        self.assertTrue(host.closed)
        self.assertFalse(host.wire.aborted)
        self.scene.clock.advance(6)
        self.assertTrue(host.wire.aborted)

    def test_one_that_closes_in_order_is_not(self) -> None:
        host = self.scene.host().agree()
        self.scene.clock.advance(31)
        host.lose()
        self.scene.clock.advance(6)
        self.assertFalse(host.wire.aborted)
        self.assertEqual(self.scene.clock.twisted.getDelayedCalls(), [])


class Newcomers(LineServerTest):
    def test_two_behind_one_dead_line_are_both_served(self) -> None:
        old = [self.scene.host() for _ in range(2)]
        for host in old:
            host.register()
        old[0].say(VmVcUuid(VC_UUID))  # both alive: two ports
        self.assertEqual(self.count(), 2)
        new = [self.scene.host("10.0.0.2") for _ in range(2)]
        for host in new:
            host.register()
        for _ in range(4):
            self.scene.clock.advance(5.1)
            for host in new:
                host.say(VmVcUuid(VC_UUID))  # they live: they answer whatever is asked
        lines = {c.link.line.address for c in self.scene.roster if c.link.line is not None}
        self.assertEqual(lines, {"10.0.0.2"})
        self.assertFalse(any(host.closed for host in new))
        self.assertEqual(self.count(), 2)

    def test_lines_that_cannot_be_asked_are_ports_up_to_esxis_32(self) -> None:
        hosts = []
        for _ in range(40):
            host = self.scene.host().agree()
            host.say(KnownSuboptions1(bytes([70, 82, 84])), DoProxy(b"S", b"vspc"))
            host.say(VmBiosUuid(b"ab" * 16), VmName(b"web01"))
            hosts.append(host)
        self.assertEqual(self.count(), 32)
        self.assertEqual(sum(host.closed for host in hosts), 8)

    def test_a_clone_does_not_rename_the_vm_whose_uuid_it_has(self) -> None:
        first, clone = self.scene.host(), self.scene.host("10.0.0.2")
        first.register(b"web01")
        clone.register(b"lab-clone")
        first.say(VmVcUuid(VC_UUID))
        self.assertEqual(sorted(c.title for c in self.scene.roster), ["lab-clone", "web01"])
        clone.lose()
        again = self.scene.host("10.0.0.3")
        again.register(b"lab-clone")
        self.assertIs(self.console("lab-clone").state, ConsoleState.CONNECTED)
        self.assertEqual(self.count(), 2)


class Targets(LineServerTest):
    def test_one_that_has_no_uuid_to_tell_is_accepted_all_the_same(self) -> None:
        source, target = self.scene.host(), self.scene.host("10.0.0.2")
        source.register()
        source.say(VMotionBegin(SEQUENCE))
        target.agree().say(VMotionPeer(SEQUENCE + SECRET))
        target.say(VmVcUuid(b""), *map(UnknownSuboption1, (85, 87)), VmName(b"web01"))
        target.say(VMotionComplete(SEQUENCE))
        self.assertEqual(self.console().link.line.address, "10.0.0.2")  # type: ignore[union-attr]


class Words(LineServerTest):
    def test_a_port_label_is_shown_safely(self) -> None:
        self.scene.host().register(uri=b"vspc?port=%1b]0;owned%07%0d%0a" + b"x" * 900)
        (console,) = self.scene.roster
        self.assertTrue(console.title.isprintable())
        self.assertLess(len(console.title), 120)

    def test_why_a_line_went_is_said_in_words_of_ours(self) -> None:
        said: dict[str, object] = {
            "its host closed the connection": ConnectionDone(),
            "the connection was reset, cut short or timed out": ConnectionLost(),
        }
        for words, error in said.items():
            host = self.scene.host()
            host.register()
            alice, sink = self.scene.attach(self.console("web01"))
            host.transport.connectionLost(Failure(error))
            host.settle()
            self.scene.turn()
            self.assertIn(f"web01 is away ({words})", sink.notices)
            alice.detach()

    def test_an_empty_name_changes_nothing(self) -> None:
        host = self.scene.host()
        host.register()
        host.say(VmName(b""))
        self.assertIs(self.console("web01").state, ConsoleState.CONNECTED)

    def test_ports_labelled_with_numbers_stay_apart(self) -> None:
        for uri in (b"vspc?port=2", b"vspc?port=1", b"vspc"):
            self.scene.host().register(uri=uri)
        titles = sorted(c.title for c in self.scene.roster)
        self.assertEqual(titles, ["web01:1", "web01:2", "web01:3"])
        for title in titles:
            self.assertEqual(self.console(title).title, title)

    def test_a_flood_of_breaks_is_one(self) -> None:
        host = self.scene.host()
        host.register()
        host.say(command(BRK) * 30_000)
        self.assertEqual(self.console().link.breaks_from_vm, 1)
        self.scene.clock.advance(1)
        host.say(command(BRK))
        self.assertEqual(self.console().link.breaks_from_vm, 2)


class PlainListener(LineServerTest):
    def dial(self, address: str = "10.0.0.1") -> Wire:
        wire = Wire(peerAddress=IPv4Address("TCP", address, 40000))
        line = RawLine(self.scene.server.arrive, "qemu", self.scene.server.scheduler.share("local"))
        line.makeConnection(wire)
        self.lines.append(line)
        return wire

    def setUp(self) -> None:
        super().setUp()
        self.lines: list[RawLine] = []

    def test_is_one_console_whoever_dials_it(self) -> None:
        self.dial()
        second = self.dial("10.0.0.2")
        self.assertTrue(second.disconnecting)
        self.assertEqual([c.title for c in self.scene.roster], ["qemu"])
        self.lines[0].connectionLost()
        third = self.dial("10.0.0.3")
        self.assertFalse(third.disconnecting)
        self.assertEqual([c.title for c in self.scene.roster], ["qemu"])
        self.assertEqual(self.console("qemu").link.line.address, "10.0.0.3")  # type: ignore[union-attr]


class Rights(LineServerTest):
    def test_what_a_change_of_rules_takes_away_is_gone_at_once(self) -> None:
        host = self.scene.host()
        host.register()
        console = self.console()
        alice, alices = self.scene.attach(console, "alice")
        bob, bobs = self.scene.attach(console, "bob")
        alice.type(b"x")
        console.reassess(lambda who, _what: frozenset({"read"} if who.name == "alice" else ()))
        self.assertIsNone(console.pen.holder)
        self.assertIsNone(alices.over)
        self.assertEqual(bobs.over, "you may no longer read this console")
        self.assertNotIn(bob, console.attachments)

    def test_who_may_only_break_does_not_take_the_pen(self) -> None:
        host = self.scene.host()
        host.register()
        bob, _ = self.scene.attach(self.console(), "bob", frozenset({"read", "break"}))
        alice, _ = self.scene.attach(self.console(), "alice")
        self.assertEqual(bob.send_break().taken, 1)
        self.assertEqual(alice.type(b"x").taken, 1)
        self.assertEqual(bob.send_break().taken, 0)


class StartTls(LineServerTest):
    """TLS inside a telnet connection; the engine itself is under test in tests.net."""

    def line(self, policy: str) -> Host:
        return self.scene.host(start_tls=policy)

    def test_off_declines_authentication(self) -> None:
        said = self.line("off").say(negotiation(WILL, AUTHENTICATION))
        self.assertTrue(said.endswith(negotiation(DONT, AUTHENTICATION)))

    def test_offered_it_is_asked_for_and_started(self) -> None:
        host = self.line("offer")
        said = host.say(negotiation(WILL, AUTHENTICATION))
        asked = negotiation(DO, AUTHENTICATION) + subnegotiation(AUTHENTICATION, SEND_TLS)
        self.assertTrue(said.endswith(asked))
        host.agree().say(VmName(b"said in clear"), b"output in clear")
        said = host.say(subnegotiation(AUTHENTICATION, IS_START) + b"hello")
        self.assertTrue(said.startswith(subnegotiation(AUTHENTICATION, REPLY_ACCEPTED)))
        self.assertEqual(host.engine.heard, [b"hello"])
        host.agree().say(DoProxy(b"S", b"vspc"), VmVcUuid(VC_UUID))
        self.assertEqual(self.count(), 0)  # the name that was said in clear does not count
        host.say(VmName(b"web01"))
        line = self.console().link.line
        assert line is not None
        self.assertTrue(line.secure)
        self.assertEqual(self.console().history.end, 0)

    def test_required_a_line_in_clear_is_refused(self) -> None:
        host = self.line("require").agree()
        self.assertTrue(host.closed)

    def test_other_messages_of_the_option_are_dropped(self) -> None:
        host = self.line("offer")
        host.say(negotiation(WILL, AUTHENTICATION))
        for body in (b"", b"\x07", b"\x00\x07", IS_START + b"x", b"\x00\x01\x00\x01", SEND_TLS):
            self.assertEqual(host.say(subnegotiation(AUTHENTICATION, body)), b"")
        self.assertFalse(host.closed)
