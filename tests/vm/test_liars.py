"""A host inside `allow` that knows every UUID and name, and lies: it gets nothing.

Each lie is one security event with both addresses; the VM's operators lose nothing by it, and not
a key goes to the liar that was not typed after they were told, and had asked for the pen again.
"""

from tests.fakes import FakeSink
from tests.vm.support import SEQUENCE, VC_UUID, Host
from tests.vm.test_server import LineServerTest
from vspc.console import away
from vspc.console.access import Access, Operator
from vspc.console.attachment import Attachment, Refusal, Typed
from vspc.console.console import Console, ConsoleState
from vspc.console.names import Ambiguous, Found
from vspc.vm.context import Zone
from vspc.wire.telnet import IAC
from vspc.wire.vmware import VmName, VMotionComplete, VmVcUuid

VM, LIAR = "10.1.1.4", "10.6.6.6"

PER_HOST = 300
"""Instead of thousands of away consoles of one host."""


class Lies(LineServerTest):
    def setUp(self) -> None:
        super().setUp()
        self.vm = self.scene.host(VM)
        self.vm.register()
        self.vm.say(b"secret of web01\n")
        self.victim = self.console()
        self.alice, self.sink = self.attach()
        self.vm.wire.take()

    def attach(self) -> tuple[Attachment, FakeSink]:
        attachment, sink = self.scene.attach(self.victim)
        attachment.type(b"k")
        return attachment, sink

    def lie(self, **more: bytes) -> Host:
        liar = self.scene.host(LIAR)
        liar.register(**more)
        liar.wire.take()
        return liar

    def answer(self) -> None:
        """The VM's host answers what it was asked."""
        self.vm.say(VmVcUuid(VC_UUID))

    def gets_no_key(self, liar: Host) -> None:
        self.alice.type(b"password\r")
        self.assertNotIn(b"password", liar.wire.take())

    def is_victims(self) -> None:
        """The console is the VM's, nobody was told anything, and it works."""
        self.assertEqual(self.victim.link.last_address, VM)
        self.assertIs(self.victim.state, ConsoleState.CONNECTED)
        self.scene.turn()
        self.assertEqual(self.sink.notices, [])
        self.vm.wire.take()
        self.alice.type(b"x")
        self.assertEqual(self.vm.wire.take(), b"x")

    def one_event(self, kind: str) -> None:
        self.assertEqual(self.scene.suspicions(), [(kind, LIAR, VM)])

    def held(self) -> Console:
        (console,) = [c for c in self.scene.roster if c.state is ConsoleState.QUARANTINED]
        return console

    # 1

    def test_the_uuid_of_a_live_vm(self) -> None:
        liar = self.lie()
        self.answer()
        self.one_event("claimed-while-there")
        self.gets_no_key(liar)
        self.is_victims()
        liar.say(b"fake prompt> ")
        self.assertEqual(self.victim.history.read(0, 99), b"secret of web01\n")
        self.assertEqual(self.held().history.read(0, 99), b"fake prompt> ")

    def test_only_administrators_see_the_one_that_is_kept_apart_and_nobody_types(self) -> None:
        self.lie()
        self.answer()
        rules = Access.of([(["*"], ["*"], ["read", "write", "admin"])])
        apart = self.held().subject
        self.assertEqual(rules.rights(Operator("alice"), apart), frozenset())
        root = Operator("root", roles=frozenset({"admin"}))
        self.assertEqual(rules.rights(root, apart), {"read"})
        typist, _ = self.scene.attach(self.held())
        self.assertEqual(typist.type(b"x"), Typed(0, Refusal.AWAY))
        found = self.scene.roster.resolve("web01", lambda _console: True)
        self.assertEqual(found, Found(self.victim))
        by_its_name = self.scene.roster.resolve(self.held().name, lambda _console: True)
        self.assertEqual(by_its_name, Found(self.held()))

    def test_a_quarantine_has_an_end(self) -> None:
        liars = [self.lie() for _ in range(10)]
        self.answer()
        self.assertEqual([liar.closed for liar in liars], [False] * 4 + [True] * 6)
        for liar in liars:
            liar.lose()
        self.assertEqual(self.count(), 1)

    # 2: while it is stunned for 3, 6 and 60 s

    def test_while_it_is_stunned_for_3_seconds(self) -> None:
        liar = self.lie()
        self.scene.clock.advance(3)
        self.answer()
        self.one_event("claimed-while-there")
        self.gets_no_key(liar)
        self.is_victims()

    def stunned(self, seconds: float) -> None:
        liar = self.lie()
        self.scene.clock.advance(5.1)
        self.assertEqual(self.victim.link.last_address, LIAR)
        self.gets_no_key(liar)
        liar.say(b"fake prompt> ")
        self.scene.clock.advance(seconds - 5.1)
        self.gets_no_key(liar)
        self.answer()
        self.assertEqual(self.victim.link.last_address, VM)
        events = [("taken-over", LIAR, VM), ("came-back", VM, LIAR)]
        self.assertEqual(self.scene.suspicions(), events)
        self.scene.turn()
        self.assertEqual(
            self.sink.notices,
            [
                f"web01 is on {LIAR} now; it was on {VM}, and this was not a vMotion",
                f"web01 is on {VM} now; it was on {LIAR}, and this was not a vMotion",
            ],
        )
        self.gets_no_key(liar)
        self.assertIsNone(self.alice.take_pen())
        self.alice.type(b"ls")
        self.assertEqual(self.vm.wire.take()[-2:], b"ls")
        self.assertEqual(self.held().link.last_address, LIAR)

    def test_while_it_is_stunned_for_6_seconds(self) -> None:
        self.stunned(6)

    def test_while_it_is_stunned_for_60_seconds(self) -> None:
        self.stunned(60)

    def test_after_he_was_told_and_asked_for_the_pen_what_he_types_is_his_own_doing(self) -> None:
        liar = self.lie()
        self.scene.clock.advance(6)
        self.assertIsNone(self.alice.take_pen())
        self.alice.type(b"who are you?")
        self.assertEqual(liar.wire.take(), b"who are you?")

    def test_what_waited_is_dropped_with_its_size(self) -> None:
        self.vm.line.unacknowledged = lambda: 5000  # type: ignore[method-assign]
        self.alice.type(b"p" * 9000)
        waiting = self.victim.input.waiting
        self.assertGreater(waiting, 0)
        liar = self.lie()
        self.scene.clock.advance(5.1)
        self.assertNotIn(b"p", liar.wire.take())
        self.scene.turn()
        self.assertIn(
            f"the previous line does not answer: {waiting} bytes not sent", self.sink.notices
        )

    # 3

    def test_while_it_is_powered_off(self) -> None:
        self.vm.lose()
        liar = self.lie()
        self.one_event("host-changed")
        self.gets_no_key(liar)
        self.scene.turn()
        told = f"web01 is on {LIAR} now; it was on {VM}, and this was not a vMotion"
        self.assertIn(told, self.sink.notices)

    # 4

    def test_a_second_port_of_it(self) -> None:
        liar = self.lie(uri=b"vspc?port=debug")
        self.answer()
        self.one_event("claimed-while-there")
        self.gets_no_key(liar)
        self.is_victims()
        found = self.scene.roster.resolve("web01", lambda _console: True)
        self.assertEqual(found, Found(self.victim))

    # 5, 6

    def test_its_name_with_another_uuid(self) -> None:
        liar = self.lie(uuid=b"ab" * 16)
        self.one_event("name-of-another")
        self.gets_no_key(liar)
        self.is_victims()
        found = self.scene.roster.resolve("web01", lambda _console: True)
        self.assertEqual(found, Found(self.victim))

    def test_its_name_changes_nobodys_rights_even_while_it_is_away(self) -> None:
        self.vm.lose()
        before = self.victim.subject
        self.lie(uuid=b"ab" * 16)
        self.assertEqual(self.victim.subject, before)

    def test_its_uuid_with_another_name(self) -> None:
        liar = self.lie(name=b"lab-7")
        self.one_event("duplicate-uuid")
        self.gets_no_key(liar)
        self.is_victims()
        self.assertEqual(self.victim.name, "web01")
        found = self.scene.roster.resolve("uuid:" + self.victim.vm.uuid, lambda _console: True)  # type: ignore[operator]
        self.assertEqual(found, Found(self.victim))

    def test_its_uuid_with_another_name_while_it_is_off_renames_nothing(self) -> None:
        self.vm.lose()
        self.lie(name=b"lab-7")
        self.one_event("duplicate-uuid")
        self.assertEqual(self.victim.name, "web01")
        self.assertIs(self.victim.state, ConsoleState.AWAY)

    def test_its_uuid_with_another_name_and_more_lines_of_that(self) -> None:
        """However many ports the other VM has, they are not the victim's."""
        liars: list[Host] = []
        for uri in (b"vspc", b"vspc", b"vspc?port=debug"):
            liars.append(self.lie(name=b"lab-7", uri=uri))
            for liar in liars:
                liar.say(VmVcUuid(VC_UUID))
        names = sorted(console.vm.name for console in self.scene.roster)
        self.assertEqual(names, ["lab-7"] * 3 + ["web01"])
        self.assertEqual(self.victim.name, "web01")
        self.assertEqual(len(self.victim.vm.consoles), 1)
        self.one_event("duplicate-uuid")
        self.is_victims()

    def test_another_port_label_and_another_name_first_of_all(self) -> None:
        self.lie(name=b"lab-7", uri=b"vspc?port=debug")
        self.assertEqual(self.victim.name, "web01")
        self.one_event("duplicate-uuid")
        self.is_victims()

    def test_a_name_that_is_its_uuid_or_its_id(self) -> None:
        uuid = self.victim.vm.uuid or ""
        for number, name in enumerate((uuid, f"uuid:{uuid}", self.victim.id, "web01:1")):
            self.lie(name=name.encode(), uuid=b"%032x" % (number + 1))
        for typed in ("uuid:" + uuid, self.victim.id, "web01"):
            found = self.scene.roster.resolve(typed, lambda _console: True)
            self.assertEqual(found, Found(self.victim), typed)
        # It gets nothing by the name of a port, either: who types that is asked which he means.
        both = self.scene.roster.resolve("web01:1", lambda _console: True)
        assert isinstance(both, Ambiguous)
        self.assertEqual([console.name for console in both.consoles], ["web01", "web01:1"])
        self.assertIs(both.consoles[0], self.victim)
        self.assertIn(("name-like-an-identity", LIAR, VM), self.scene.suspicions())
        self.is_victims()

    # 7

    def test_its_own_peer_and_then_the_uuid_of_another(self) -> None:
        own = self.scene.host(LIAR)
        own.register(b"mine", b"ab" * 16)
        target = self.scene.host(LIAR)
        target.peer(own.begin())
        target.say(VmVcUuid(VC_UUID), VmName(b"web01"), VMotionComplete(SEQUENCE), b"fake")
        self.assertEqual(self.scene.suspicions(), [("peer-of-another", LIAR, LIAR)])
        self.assertTrue(target.closed)
        self.gets_no_key(target)
        self.is_victims()

    def test_its_own_peer_complete_and_then_the_uuid_of_another(self) -> None:
        own = self.scene.host(LIAR)
        own.register(b"mine", b"ab" * 16)
        target = self.scene.host(LIAR)
        target.peer(own.begin())
        target.complete(uuid=b"ab" * 16)
        target.say(VmVcUuid(VC_UUID), VmName(b"web01"))
        self.assertTrue(target.transport.transport.aborted)
        self.is_victims()

    # 8

    def test_over_plain_where_the_vm_used_tls_live_and_powered_off(self) -> None:
        secure = self.scene.host(VM, secure=True)
        secure.register(b"vault", b"ee" * 16)
        secure.say(b"TLS")
        vault = self.console("vault")
        live = self.lie(name=b"vault", uuid=b"ee" * 16)
        secure.say(VmVcUuid(b"ee" * 16))
        self.assertEqual(vault.link.last_address, VM)
        live.lose()
        secure.lose()
        self.lie(name=b"vault", uuid=b"ee" * 16)
        self.lie(name=b"vault", uuid=b"ee" * 16, uri=b"vspc?port=debug")
        self.assertIs(vault.state, ConsoleState.AWAY)
        kinds = {kind for kind, _, _ in self.scene.suspicions()}
        self.assertEqual(kinds, {"weaker-provenance"})
        again = self.scene.host("10.1.1.9", secure=True)
        again.register(b"vault", b"ee" * 16)
        self.assertEqual(vault.link.last_address, "10.1.1.9")

    # 9

    def test_from_another_zone(self) -> None:
        liar = self.scene.host(LIAR, zone=Zone("lab"))
        liar.register()
        self.one_event("uuid-of-another-zone")
        self.gets_no_key(liar)
        self.is_victims()
        for typed in ("web01", "uuid:" + (self.victim.vm.uuid or "")):
            found = self.scene.roster.resolve(typed, lambda _console: True)
            self.assertEqual(found, Found(self.victim), typed)

    # 10: tests.vm.test_vmotion.Peer has the replays.  11

    def test_another_identity_in_mid_line(self) -> None:
        own = self.scene.host(LIAR)
        own.register(b"mine", b"ab" * 16)
        own.say(VmVcUuid(VC_UUID))
        self.assertEqual(self.scene.suspicions(), [("identity-changed", LIAR, LIAR)])
        self.assertTrue(own.wire.aborted)
        self.is_victims()

    def test_another_name_in_mid_line(self) -> None:
        own = self.scene.host(LIAR)
        own.register(b"mine", b"ab" * 16)
        own.say(VmName(b"web01"))
        self.one_event("name-of-another")
        found = self.scene.roster.resolve("web01", lambda _console: True)
        self.assertEqual(found, Found(self.victim))
        self.is_victims()

    # 12

    def test_more_identities_than_it_may_leave_behind_cost_only_its_own(self) -> None:
        self.patch(away, "PER_HOST", PER_HOST)
        for number in range(PER_HOST + 10):
            liar = self.scene.host(LIAR)
            liar.register(b"x%d" % number, b"%032x" % (number + 1))
            liar.lose()
            if number % 200 == 0:
                self.scene.server.tick()
        self.scene.server.tick()
        self.assertEqual(self.count(), PER_HOST + 1)
        self.assertEqual(self.scene.suspicions(), [("too-many-identities", LIAR, "")])
        self.is_victims()

    # And at any time

    def test_it_sends_every_message_there_is_and_gets_no_byte_of_the_victims(self) -> None:
        liar = self.lie()
        self.answer()
        said = b"".join(
            liar.say(bytes([IAC, 250, 232, code, *body, IAC, 240]))
            for code in range(256)
            if code != IAC
            for body in (b"", b"\x44\xda\x87\xf1", VC_UUID)
        )
        self.assertNotIn(b"secret", said)
        self.is_victims()
