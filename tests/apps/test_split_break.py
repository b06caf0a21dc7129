"""`raw --split-break`: GDB on a console that a kernel shares with kgdb."""

from tests.apps.support import ROOT, XTERM, FakeChannel
from tests.apps.test_verbs import VerbTest
from vspc.apps.console_input import PENDING_LIMIT
from vspc.apps.terminal.packets import HOLD
from vspc.console.access import Operator
from vspc.wire.gdb import packet


class DebuggerTest(VerbTest):
    def setUp(self) -> None:
        super().setUp()
        self.gdb = self.desk.say("raw web01 --split-break")
        self.reader, self.sink = self.desk.attach(self.web, "carol")

    def says(self, data: bytes, gdb: FakeChannel | None = None) -> bytes:
        """What GDB gets of what the VM prints."""
        channel = gdb or self.gdb
        before = len(channel.output)
        self.web.link.output(data)
        self.desk.turn()
        return bytes(channel.output[before:])


class SplitBreaks(DebuggerTest):
    def test_attaching_stops_nothing_and_the_first_byte_of_gdb_does(self) -> None:
        self.assertEqual(self.line.log, [])
        self.gdb.type(b"+")
        self.gdb.type(packet(b"qSupported"))
        sent = [each for each in self.line.log if each != "?"]
        self.assertEqual(sent, ["BREAK", b"g+", packet(b"qSupported")])

    def test_gdb_gets_packets_and_the_operators_get_all(self) -> None:
        self.gdb.type(packet(b"?"))
        said = b"sysrq: DEBUG\r\n+" + packet(b"S05")
        self.assertEqual(self.says(said), b"+" + packet(b"S05"))
        self.assertEqual(self.says(b"[ 1.0] + a - b $HOME # 5%\r\n"), b"")
        self.assertEqual(self.says(b"$ " + packet(b"S05")), packet(b"S05"))
        self.sink.read()
        self.assertIn(said, bytes(self.sink.output))

    def test_one_acknowledgement_for_each_packet(self) -> None:
        self.gdb.type(packet(b"g") + packet(b"g"))
        self.assertEqual(self.says(b"-"), b"-")
        self.gdb.type(packet(b"g"))
        self.assertEqual(self.says(b"+"), b"+")
        self.assertEqual(self.says(b"1 + 1"), b"")

    def test_a_dash_in_text_does_not_refuse_a_packet(self) -> None:
        self.gdb.type(packet(b"g"))
        self.assertEqual(self.says(b"eth0: link-up\r\n"), b"")
        self.assertEqual(self.says(b"sysrq: DEBUG\r\n-"), b"-")

    def test_an_interrupt_is_a_break_and_g(self) -> None:
        self.gdb.type(packet(b"c"))
        self.line.log.clear()
        self.gdb.type(b"\x03")
        self.assertEqual([each for each in self.line.log if each != "?"], ["BREAK", b"g"])
        self.line.log.clear()
        binary = b"$X0,1:\x03#00"
        for each in binary:
            self.gdb.type(bytes([each]))
        self.assertNotIn("BREAK", self.line.log)

    def test_the_echo_of_a_kernel_that_has_not_stopped_is_no_answer(self) -> None:
        self.gdb.type(packet(b"qSupported"))
        self.assertEqual(self.says(b"g" + packet(b"qSupported")), b"")
        self.assertEqual(self.says(b"+" + packet(b"")), b"+" + packet(b""))

    def test_a_line_without_breaks_ends_it(self) -> None:
        self.line.carries_break = False
        self.gdb.type(packet(b"?"))
        self.assertEqual(self.gdb.status, 1)
        self.assertIn("BREAK", self.gdb.complaint)
        self.assertEqual(bytes(self.line.sent), b"")

    def test_a_vm_that_is_away_ends_it_at_what_gdb_types(self) -> None:
        self.web.link.disconnect("powered off")
        self.assertIsNone(self.gdb.status)
        self.gdb.type(b"+")
        self.assertEqual(self.gdb.status, 1)
        self.assertIn("web01 is away", self.gdb.complaint)

    def test_a_break_that_cannot_wait_ends_it_and_its_g_is_not_typed_alone(self) -> None:
        self.web.link.migrate()
        self.gdb.type(b"p" * 80_000)
        self.gdb.type(b"\x03" * (PENDING_LIMIT + 1))
        self.assertEqual(self.gdb.status, 1)
        self.assertIn("too much input waits for web01", self.gdb.complaint)

    def test_it_is_not_json(self) -> None:
        self.assertEqual(self.desk.say("raw web01 --split-break --json").status, 2)


class OnTerminals(DebuggerTest):
    """Operators on the console do not see what the debugger says."""

    def setUp(self) -> None:
        super().setUp()
        self.carol = self.desk.say("console web01", Operator("carol"), XTERM)

    def seen(self, data: bytes) -> bytes:
        """What the terminal gets of what the VM prints."""
        return self.says(data, self.carol)

    def test_packets_and_their_acknowledgements(self) -> None:
        self.assertEqual(self.seen(b"[ 1.0] a + b\r\n"), b"[ 1.0] a + b\r\n")
        self.assertEqual(self.seen(b"sysrq: DEBUG\r\n+" + packet(b"S05")), b"sysrq: DEBUG\r\n")
        self.assertEqual(self.seen(b"+" + packet(b"O") + b"+" + packet(b"OK") + b"ok"), b"ok")
        self.assertEqual(self.seen(b"$O") + self.seen(b"K#") + self.seen(b"9a!"), b"!")

    def test_a_prompt_is_shown_at_once_or_after_a_moment(self) -> None:
        self.assertEqual(self.seen(b"me@web01:~$ "), b"me@web01:~$ ")
        self.assertEqual(self.seen(b"\r\n$"), b"\r\n")
        before = len(self.carol.output)
        self.desk.clock.advance(HOLD)
        self.assertEqual(bytes(self.carol.output[before:]), b"$")

    def test_an_acknowledgement_that_comes_before_its_packet(self) -> None:
        self.assertEqual(self.seen(b"ok+") + self.seen(packet(b"OK")) + self.seen(b"."), b"ok.")
        self.assertEqual(self.seen(b"+") + self.seen(b"$O") + self.seen(b"K#9a"), b"")
        self.assertEqual(self.seen(b"C++") + self.seen(b"17\r\n"), b"C++17\r\n")
        self.assertEqual(self.seen(b"1 +"), b"1 ")
        before = len(self.carol.output)
        self.desk.clock.advance(HOLD)
        self.assertEqual(bytes(self.carol.output[before:]), b"+")

    def test_a_terminal_that_does_not_read_gets_it_later(self) -> None:
        self.carol.window = 0
        self.assertEqual(self.seen(b"one" + packet(b"OK") + b"two"), b"")
        before = len(self.carol.output)
        self.carol.read(1 << 16)
        self.desk.turn()
        self.assertEqual(bytes(self.carol.output[before:]), b"onetwo")

    def test_all_of_it_once_the_debugger_has_left(self) -> None:
        self.gdb.close()
        self.seen(b"")
        self.assertEqual(self.seen(packet(b"OK") + b"$"), packet(b"OK") + b"$")

    def test_what_came_last_before_its_end(self) -> None:
        self.assertEqual(self.seen(b"$"), b"")
        self.assertEqual(self.desk.say("kick web01 carol", ROOT).status, 0)
        self.assertIn(b"$", self.carol.output[-80:])
