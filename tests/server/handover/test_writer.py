"""What is written when."""

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.server.handover.support import WrittenScene
from tests.vm.support import SEQUENCE, Host
from vspc.common.files import out_of_memory
from vspc.console.values import SavedConsole
from vspc.server.handover import writer
from vspc.server.handover.encoding import RecordKind
from vspc.server.handover.state_file import read
from vspc.vm.values import SavedLine
from vspc.wire.telnet import VMWARE, subnegotiation
from vspc.wire.vmware import VmName, VMotionBegin, encode


class Written(SynchronousTestCase):
    def setUp(self) -> None:
        self.scene = WrittenScene()
        self.addCleanup(self.scene.close)

    def turn(self) -> None:
        self.scene.clock.advance(0)

    def line(self) -> SavedLine:
        (line,) = self.scene.written().lines.values()
        return line

    def console(self) -> SavedConsole:
        (console,) = self.scene.written().consoles.consoles.values()
        return console

    def registered(self) -> Host:
        host = self.scene.host()
        host.register()
        self.turn()
        return host

    def test_a_line_that_is_not_identified_is_not_kept(self) -> None:
        self.scene.host().agree()
        self.turn()
        self.assertEqual((self.scene.store.kept, self.scene.written().lines), ({}, {}))
        self.scene.writer.full()
        self.assertEqual(len(self.scene.written().lines), 1)

    def test_an_identified_line_is_kept_and_written_in_the_same_turn(self) -> None:
        self.registered()
        self.assertEqual(list(self.scene.store.kept), ["l00000"])
        self.assertEqual(self.console().line, "l00000")
        assert self.line().telnet is not None

    def test_what_a_claim_has_worked_out_is_not_written(self) -> None:
        host = self.registered()
        (session,) = self.scene.server.sessions.values()
        assert session.claim is not None
        host.say(VmName(b"other"))
        self.turn()
        self.assertEqual(session.claim.port_key, "uri:vspc")
        host.say(VmName(b"web01"))
        self.assertEqual(session.claim.port_key, "uri:vspc")
        host.say(b"output", VMotionBegin(SEQUENCE))
        lines = [
            value
            for (kind, _), value in read(self.scene.writer.file.descriptor).items()
            if kind == RecordKind.LINE
        ]
        self.assertEqual([b"port_key" in each for each in lines], [False])

    def test_a_line_with_tls_is_not_kept_and_where_its_console_stands_is_known(self) -> None:
        host = self.scene.host(secure=True)
        host.register()
        host.say(b"output")
        self.turn()
        self.assertEqual(self.scene.store.kept, {})
        host.say(b" and more")
        self.assertEqual((self.console().line, self.console().history_end), (None, 15))

    def test_output_is_there_at_once_and_writes_no_record(self) -> None:
        host = self.registered()
        size = self.scene.writer.file.size
        for count in range(1, 101):
            host.say(b"0123456789")
            self.assertEqual(self.console().history_end, 10 * count)
        account = self.line().account
        assert account is not None
        self.assertEqual(account.read, host.transport.received)
        self.turn()
        self.assertEqual(self.scene.writer.file.size, size)
        self.assertEqual(self.scene.clock.twisted.getDelayedCalls(), [])

    def test_an_incomplete_command_is_there_at_once(self) -> None:
        host = self.registered()
        for data, tail in ((b"x\xff", b"\xff"), (b"\xff", b""), (b"\xff\xfa" + b"a" * 40, b"")):
            host.say(data)
            telnet = self.line().telnet
            assert telnet is not None
            if tail:
                self.assertEqual(telnet.transport.tail, tail)
        self.turn()
        telnet = self.line().telnet
        assert telnet is not None
        self.assertEqual(telnet.transport.tail, b"\xff\xfa" + b"a" * 40)

    def test_a_go_ahead_that_does_not_wait_for_the_end_of_the_turn(self) -> None:
        host, seen = self.registered(), list[tuple[int, bool]]()

        def hasten() -> None:
            is_whole = self.scene.written() == self.scene.expected()
            seen.append((len(self.scene.written().consoles.migrations), is_whole))

        host.wire.hasten = hasten
        # What follows in the same read is not worked on yet: it is read, and the line's tail.
        begin = subnegotiation(VMWARE, encode(VMotionBegin(SEQUENCE)))
        host.transport.dataReceived(begin + subnegotiation(VMWARE, encode(VmName(b"other"))))
        self.assertEqual(seen, [(1, True)])
        self.assertEqual(self.scene.written(), self.scene.expected())

    def test_a_new_name(self) -> None:
        host = self.registered()
        host.say(VmName(b"other"))
        self.turn()
        self.assertEqual(self.console().vm.name, "other")

    def test_typing_is_written_with_what_is_not_sent_yet(self) -> None:
        host = self.registered()
        (console,) = self.scene.roster
        before = self.line().account
        attachment, _ = self.scene.attach(console)
        attachment.type(b"ls\r")
        self.turn()
        after = self.line().account
        assert before is not None
        assert after is not None
        self.assertEqual(after.written - before.written, 3)
        self.assertEqual(host.wire.take(), b"ls\r")

    def test_a_lost_line_is_gone_and_its_console_away(self) -> None:
        self.registered().lose()
        self.turn()
        self.assertEqual((self.scene.written().lines, self.console().line), ({}, None))
        self.assertEqual(self.scene.store.kept, {})

    def test_a_forgotten_console_is_gone(self) -> None:
        self.registered().lose()
        (console,) = self.scene.roster
        self.scene.server.forget(console)
        self.turn()
        self.assertEqual(self.scene.written().consoles.consoles, {})

    def test_a_full_store_costs_the_line_its_place_and_nothing_else(self) -> None:
        self.scene.store.is_full = True
        host = self.registered()
        host.say(b"output")
        self.turn()
        self.assertEqual((self.scene.written().lines, self.console().line), ({}, None))
        self.assertEqual(self.console().history_end, 6)

    def test_in_order_the_output_that_is_kept_is_in_it(self) -> None:
        self.registered().say(b"some output\n")
        self.scene.writer.full()
        histories = self.scene.written().consoles.histories
        self.assertEqual([each.data for each in histories.values()], [b"some output\n"])
        self.assertIsNone(self.scene.roster.changes.watcher)

    def test_histories_larger_than_what_is_written_at_once(self) -> None:
        self.patch(writer, "HISTORIES", 10)
        for number in range(5):
            host = self.scene.host(f"10.0.0.{number}")
            host.register(b"vm%d" % number, b"%032x" % (number + 1))
            host.say(b"output of %d" % number)
        self.scene.writer.full()
        histories = self.scene.written().consoles.histories.values()
        found = sorted(each.data for each in histories)
        self.assertEqual(found, [b"output of %d" % number for number in range(5)])

    def test_what_is_outdated_is_left_behind(self) -> None:
        host = self.registered()
        for number in range(2500):
            self.scene.clock.advance(1)
            host.say(VmName(b"name%d" % number))
            self.turn()
        self.assertEqual(self.console().vm.claimed_name, "name2499")
        self.assertLess(self.scene.writer.file.size, 1_200_000)


class NotWritten(SynchronousTestCase):
    """A state that cannot be written is no state: the next process begins anew."""

    def setUp(self) -> None:
        self.scene = WrittenScene()
        self.addCleanup(self.scene.close)
        self.is_failing = True
        self.error: Exception = OSError(28, "No space left on device")
        real = os.pwrite

        def pwrite(*arguments: Any) -> int:
            if self.is_failing:
                raise self.error
            return real(*arguments)

        self.host = self.scene.host()
        self.host.register()
        self.patch(os, "pwrite", pwrite)

    def test_it_is_told_and_written_anew_when_there_is_room_again(self) -> None:
        self.host.say(VmName(b"other"))
        self.scene.clock.advance(0)
        self.assertEqual(self.scene.problems, ["[Errno 28] No space left on device"])
        self.assertEqual(read(self.scene.writer.file.descriptor), {})
        self.is_failing = False
        self.scene.clock.advance(writer.RETRY)
        self.assertEqual(len(self.scene.written().lines), 1)

    def test_without_memory_likewise(self) -> None:
        self.error = MemoryError()
        self.host.say(VmName(b"other"))
        self.scene.clock.advance(0)
        self.assertEqual(self.scene.problems, [str(out_of_memory())])
        self.assertEqual(read(self.scene.writer.file.descriptor), {})
        self.is_failing = False
        self.scene.clock.advance(writer.RETRY)
        self.assertEqual(self.scene.written(), self.scene.expected())

    def test_without_memory_for_the_end_of_a_turn_it_is_that_of_the_next(self) -> None:
        self.is_failing = False
        self.scene.clock.advance(0)

        def fail(*_: object) -> None:
            raise MemoryError

        (console,) = self.scene.roster
        failing = self.patch(self.scene.clock, "call_later", fail)
        self.assertRaises(MemoryError, self.scene.writer.console_changed, console.id)
        failing.restore()
        self.scene.writer.console_changed(console.id)
        self.assertEqual(len(self.scene.clock.twisted.getDelayedCalls()), 1)

    def test_without_an_observer_nothing_is_marked(self) -> None:
        self.scene.writer.detach()
        (console,) = self.scene.roster
        attachment, _ = self.scene.attach(console)
        attachment.type(b"x")
        self.assertEqual(self.scene.problems, [])
