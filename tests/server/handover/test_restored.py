"""What another process left, held against the kernel's counts: nothing comes twice, and what is not
known is told.
"""

from typing import Any

from attrs import evolve
from msgspec.structs import replace
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from tests.net.ends import Wire
from tests.server.handover.support import WrittenScene
from tests.vm.support import SEQUENCE, Host, Scene
from tests.vm.test_values import Process
from vspc.console.console import Console, ConsoleState
from vspc.net.ledger import TcpCounts
from vspc.server.handover.encoding import Assembled
from vspc.server.handover.restored import Reckoning, read_state, reckon
from vspc.vm.take_up import TakeUp
from vspc.vm.values import SavedLine


class RestoredCase(SynchronousTestCase):
    """A VM is registered, and its server is killed; `heir` is the next one."""

    def setUp(self) -> None:
        self.scene = WrittenScene()
        self.addCleanup(self.scene.close)
        self.host: Host = self.scene.host()
        self.host.register()
        self.host.say(b"boot\n")
        self.scene.clock.advance(0)
        (self.console,) = self.scene.roster

    def type(self, data: bytes) -> None:
        attachment, _ = self.scene.attach(self.console)
        attachment.type(data)
        self.scene.clock.advance(0)

    def found(self) -> Assembled:
        return read_state(self.scene.writer.file.descriptor)

    def line(self) -> SavedLine:
        return self.found().state.lines["l00000"]

    def counts(self, read: int = 0, written: int = 0) -> TcpCounts:
        """Those of the record, and so much more."""
        account = self.line().account
        assert account is not None
        return TcpCounts(account.read + read, account.written + written)

    def reckoned(self, counts: TcpCounts | None) -> Reckoning:
        return reckon(self.found(), {"l00000": counts})

    def taken_up(self, reckoning: Reckoning, connected: bool = True) -> tuple[Scene, Wire]:
        heir = Scene()
        terms = Process().terms()
        take_up = TakeUp(heir.server, reckoning.state, {}, lambda _: terms, resend=reckoning.resend)
        wire = Wire(peerAddress=IPv4Address("TCP", "10.0.0.1", 40000))
        if connected:
            line: Protocol = take_up.lines["l00000"]
            line.makeConnection(wire)
        take_up.finish()
        return heir, wire

    def the_console(self, heir: Scene) -> Console:
        (console,) = heir.roster
        return console


class Reckoned(RestoredCase):
    def test_nothing_is_missing(self) -> None:
        reckoning = self.reckoned(self.counts())
        self.assertEqual((reckoning.missing, reckoning.resend), ({}, {"l00000": b""}))
        heir, wire = self.taken_up(reckoning)
        self.assertEqual(wire.take(), b"")
        self.assertEqual(self.the_console(heir).history.end, 5)

    def test_output_that_was_read_and_is_not_in_the_state_is_told(self) -> None:
        self.host.say(b"\xff\xfa\xe8")
        self.scene.clock.advance(0)
        reckoning = self.reckoned(self.counts(read=12))
        text = "output may be missing: 12 bytes were read by the server before it was killed"
        self.assertEqual(reckoning.missing, {self.console.id: [text]})
        telnet = reckoning.state.lines["l00000"].telnet
        assert telnet is not None
        self.assertEqual(telnet.transport.tail, b"")

    def reckoned_with(self, read: int) -> Reckoning:
        """Of the second line `read` bytes more were read."""
        found = self.found()
        account = found.state.lines["l00001"].account
        assert account is not None
        other = TcpCounts(account.read + read, account.written)
        return reckon(found, {"l00000": self.counts(), "l00001": other})

    def test_output_of_the_target_of_a_migration_is_told_too(self) -> None:
        self.scene.host("10.0.0.2").peer(self.host.begin())
        self.scene.clock.advance(0)
        self.assertEqual(self.reckoned_with(read=0).missing, {})
        text = "output may be missing: 5 bytes were read by the server before it was killed"
        missing = self.reckoned_with(read=5).missing
        self.assertEqual(missing, {self.console.id: [f"{text}, from its other line"]})

    def test_output_of_a_line_whose_console_is_not_decided_is_told_too(self) -> None:
        self.scene.host("10.0.0.2").register()
        self.scene.clock.advance(0)
        self.assertEqual(self.reckoned_with(read=0).missing_elsewhere, [])
        reckoning = self.reckoned_with(read=5)
        text = "output may be missing: 5 bytes were read by the server before it was killed"
        where = "from a line of 10.0.0.2 without a console"
        self.assertEqual(reckoning.missing_elsewhere, [f"{text}, {where}"])
        self.assertEqual(reckoning.missing, {})

    def test_it_is_not_known_how_much(self) -> None:
        reckoning = self.reckoned(None)
        (told,) = reckoning.missing[self.console.id]
        self.assertIn("it is not known how many bytes", told)

    def test_after_an_orderly_stop_nothing_is_unknown(self) -> None:
        self.scene.writer.full()
        self.assertEqual(self.reckoned(None).missing, {})

    def test_what_had_not_left_is_sent_first_and_once(self) -> None:
        self.type(b"date\r")
        account = self.line().account
        assert account is not None
        record = replace(self.line(), account=evolve(account, unsent=b"date\r"))
        found = self.found()
        found = evolve(found, state=replace(found.state, lines={"l00000": record}))
        for sent, rest in ((0, b"date\r"), (2, b"te\r"), (5, b"")):
            counts = TcpCounts(account.read, account.written - 5 + sent)
            reckoning = reckon(found, {"l00000": counts})
            self.assertEqual(self.taken_up(reckoning)[1].take(), rest)
            self.assertEqual(reckoning.missing, {})

    def test_held_input_comes_once(self) -> None:
        self.host.begin()
        self.type(b"held")
        heir, wire = self.taken_up(self.reckoned(self.counts()))
        self.assertEqual(self.the_console(heir).input.waiting, 4)
        self.assertEqual(wire.take(), b"")

    def test_input_that_may_have_been_sent_is_not_sent_again(self) -> None:
        self.host.begin()
        self.type(b"held")
        reckoning = self.reckoned(self.counts(written=3))
        (told,) = reckoning.missing[self.console.id]
        self.assertIn("4 bytes of input that waited are dropped", told)
        heir, wire = self.taken_up(reckoning)
        self.assertEqual((self.the_console(heir).input.waiting, wire.take()), (0, b""))


class WithoutItsConnection(RestoredCase):
    def missing(self) -> Any:
        return reckon(self.found(), {})

    def test_a_source_that_is_gone_may_still_have_a_target(self) -> None:
        credential = self.host.begin()
        self.scene.clock.advance(0)
        heir, _ = self.taken_up(self.missing(), connected=False)
        console = self.the_console(heir)
        self.assertIs(console.state, ConsoleState.MIGRATING)
        target = heir.host("10.0.0.2")
        target.peer(credential)
        target.complete()
        self.assertEqual(console.link.moves, 1)

    def test_a_source_that_is_gone_and_no_target_comes(self) -> None:
        self.host.begin()
        self.scene.clock.advance(0)
        heir, _ = self.taken_up(self.missing(), connected=False)
        heir.clock.advance(11)
        heir.server.tick()
        self.assertIs(self.the_console(heir).state, ConsoleState.AWAY)

    def test_a_target_that_is_gone_leaves_the_source(self) -> None:
        credential = self.host.begin(SEQUENCE)
        self.scene.host("10.0.0.2").peer(credential)
        self.scene.clock.advance(0)
        heir, _ = self.taken_up(self.reckoned(self.counts()))
        console = self.the_console(heir)
        self.assertIs(console.state, ConsoleState.CONNECTED)
        self.assertEqual(len(heir.peers), 0)
