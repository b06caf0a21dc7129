"""`^Ec` and its kin: what is a command, what is data; what a command asks for, and help."""

import re
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import OpsDesk
from tests.apps.support import ALICE, BOB, FakeChannel
from tests.documents import TREE
from vspc.apps.keyboard import PACKET
from vspc.apps.terminal import bridge
from vspc.apps.terminal.command import EscapeCommand, OperatorTerminal
from vspc.apps.terminal.commands import table
from vspc.apps.terminal.input import CONMAN_COMMANDS, Escapes, command_keys
from vspc.apps.terminal.prompt import LINE_LIMIT, PATIENCE, ask_key, ask_line
from vspc.common.columns import cells
from vspc.config.values import CONMAN
from vspc.console.access import Operator
from vspc.console.ports import Terminal


def parsed(escapes: Escapes, packet: bytes, is_pasted: bool = False) -> list[bytes | str]:
    """Data and commands of one packet, in order."""
    found = list[bytes | str]()
    while packet:
        part = escapes.feed(packet, is_pasted=is_pasted)
        found += [each for each in (part.data, part.command) if each]
        packet = part.rest
    return found


class EscapesTest(SynchronousTestCase):
    def feed(self, *packets: bytes) -> list[bytes | str]:
        """Data and commands, what belongs together joined."""
        escapes = Escapes(prefixes=b"l")
        return [each for packet in packets for each in parsed(escapes, packet)]

    def test_a_command_in_one_packet_or_key_by_key(self) -> None:
        self.assertEqual(self.feed(b"\x05c."), ["."])
        self.assertEqual(self.feed(b"\x05", b"c", b"."), ["."])

    def test_between_keys_in_order(self) -> None:
        self.assertEqual(self.feed(b"ab\x05c?cd"), [b"ab", "?", b"cd"])

    def test_twice_is_one_literal(self) -> None:
        self.assertEqual(self.feed(b"\x05\x05"), [b"\x05"])
        self.assertEqual(self.feed(b"\x05c\x05c"), [b"\x05"])

    def test_another_key_behind_it_is_data(self) -> None:
        self.assertEqual(self.feed(b"\x05x"), [b"\x05x"])
        self.assertEqual(self.feed(b"\x05c\x05x"), [b"\x05c\x05x"])

    def test_a_command_of_two_characters(self) -> None:
        self.assertEqual(self.feed(b"\x05cl", b"0"), ["l0"])

    def test_half_typed_it_is_kept_back_until_flushed(self) -> None:
        escapes = Escapes()
        self.assertEqual(parsed(escapes, b"\x05c"), [])
        self.assertTrue(escapes.half_typed)
        self.assertEqual(escapes.flush(), b"\x05c")
        self.assertFalse(escapes.half_typed)

    def test_in_a_packet_of_over_64_bytes_it_is_data(self) -> None:
        paste = b"x" * 62 + b"\x05c."
        self.assertEqual(self.feed(paste), [paste])
        self.assertEqual(self.feed(paste[1:]), [b"x" * 61, "."])

    def test_what_is_pasted_is_data(self) -> None:
        for half in (b"", b"\x05", b"\x05c"):
            escapes = Escapes()
            self.assertEqual(parsed(escapes, half), [])
            self.assertEqual(parsed(escapes, b"\x05c.", is_pasted=True), [half + b"\x05c."])
            self.assertEqual(parsed(escapes, b"\x05c."), ["."])

    def test_a_half_typed_escape_before_a_large_packet_is_data(self) -> None:
        self.assertEqual(self.feed(b"\x05", b"c" * 100), [b"\x05" + b"c" * 100])

    @given(st.lists(st.binary(max_size=80)))
    def test_without_an_escape_all_is_data(self, packets: list[bytes]) -> None:
        packets = [p.replace(b"\x05", b"") for p in packets]
        things = self.feed(*packets)
        self.assertEqual(
            b"".join(each for each in things if isinstance(each, bytes)), b"".join(packets)
        )

    @given(st.lists(st.sampled_from([b"\x05", b"c", b".", b"\x1b[A", b"q"])))
    def test_nothing_is_lost_or_made_up(self, packets: list[bytes]) -> None:
        escapes = Escapes()
        things = [each for packet in packets for each in parsed(escapes, packet)]
        data = b"".join(each for each in things if isinstance(each, bytes)) + escapes.flush()
        commands = sum(isinstance(each, str) for each in things)
        gone = len(b"".join(packets)) - len(data)
        self.assertGreaterEqual(gone, 3 * commands)


class ConmanTest(SynchronousTestCase):
    """`esc=conman`: `&` and a character."""

    def feed(self, *packets: bytes) -> list[bytes | str]:
        escapes = Escapes(CONMAN)
        return [each for packet in packets for each in parsed(escapes, packet)]

    def test_its_commands_have_the_names_of_conserver_s(self) -> None:
        things = self.feed(b"&.", b"&", b"?", b"&F&J", b"&M&L&B&I")
        names = [each for each in things if isinstance(each, str)]
        self.assertEqual(names, [".", "?", "f", "j", "s", "p", "l0", "i"])

    def test_twice_is_one_literal(self) -> None:
        self.assertEqual(self.feed(b"a&&b"), [b"a&b"])
        self.assertEqual(self.feed(b"&&&&"), [b"&&"])

    def test_another_key_behind_it_is_data(self) -> None:
        self.assertEqual(self.feed(b"ls 2>&1 &\r"), [b"ls 2>&1 &\r"])
        self.assertEqual(self.feed(b"\x05c."), [b"\x05c."])

    def test_half_typed_it_is_kept_back_until_flushed(self) -> None:
        escapes = Escapes(CONMAN)
        self.assertEqual(parsed(escapes, b"x&"), [b"x"])
        self.assertEqual(escapes.flush(), b"&")

    def test_what_is_pasted_is_data(self) -> None:
        escapes = Escapes(CONMAN)
        self.assertEqual(parsed(escapes, b"a && b &.", is_pasted=True), [b"a && b &."])

    def test_what_is_typed_for_a_command(self) -> None:
        self.assertEqual(command_keys(CONMAN, "f"), "&F")
        self.assertEqual(command_keys(CONMAN, "e"), "")
        self.assertEqual(command_keys(b"\x18", "l0"), "^Xcl0")
        self.assertEqual(command_keys(b"", "?"), "")

    @given(st.lists(st.sampled_from([b"&", b"F", b".", b"\x1b[A", b"q&", b"x"])))
    def test_nothing_is_lost_or_made_up(self, packets: list[bytes]) -> None:
        escapes = Escapes(CONMAN)
        things = [each for packet in packets for each in parsed(escapes, packet)]
        data = b"".join(each for each in things if isinstance(each, bytes)) + escapes.flush()
        names = [each for each in things if isinstance(each, str)]
        self.assertLessEqual(set(names), set(CONMAN_COMMANDS.values()))
        self.assertGreaterEqual(len(b"".join(packets)), len(data) + 2 * len(names))


class CommandsTest(SynchronousTestCase):
    """Commands on a real terminal."""

    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        self.got: list[str | bytes] = []

    def command(self, run: Callable[[OperatorTerminal], None]) -> None:
        """`^EcZ` is `run` during this test."""
        extended = {**table.COMMANDS, "Z": EscapeCommand("Z", "test", run)}
        self.patch(bridge, "COMMANDS", extended)

    def attach(
        self, operator: Operator = ALICE, kind: str = "xterm", columns: int = 80, rows: int = 24
    ) -> FakeChannel:
        terminal = Terminal(kind, columns, rows)
        return self.desk.ask("console web01", self.desk.login(operator), terminal)

    def asking_a_line(self) -> FakeChannel:
        self.command(lambda terminal: ask_line(terminal, "reason", self.got.append))
        alice = self.attach()
        alice.type(b"\x05cZ")
        alice.output.clear()
        return alice


class Prompts(CommandsTest):
    def test_a_line_is_edited_and_nothing_of_it_is_typed_at_the_vm(self) -> None:
        alice = self.asking_a_line()
        for keys in (b"two wrods", b"\x17", b"woords", b"\x7f" * 4, b"rds \xc3\xa4\r"):
            alice.type(keys)
        self.assertEqual(self.got, ["two words \xe4"])
        self.assertIn("\x1b[Kreason: two words \xe4\r\n", alice.text)
        self.assertEqual(bytes(self.line.sent), b"")
        alice.type(b"ls\r")
        self.assertEqual(bytes(self.line.sent), b"ls\r")

    def test_what_follows_enter_in_the_same_packet_is_for_the_vm(self) -> None:
        self.command(lambda terminal: ask_line(terminal, "reason", self.got.append))
        self.attach().type(b"a\x05cZupdate\rls\r")
        self.assertEqual(self.got, ["update"])
        self.assertEqual(bytes(self.line.sent), b"als\r")

    def test_output_and_notices_wait_until_it_is_answered(self) -> None:
        alice = self.asking_a_line()
        self.web.link.output(b"panic\r\n")
        self.web.attachments.tell("told")
        self.desk.turn()
        self.assertNotIn("panic", alice.text)
        alice.type(b"\r")
        self.desk.turn()
        self.assertIn("panic\r\n[told]\r\n", alice.text)

    def test_given_up_by_key_or_by_time(self) -> None:
        for give_up in (b"\x03", b"\x04"):
            alice = self.asking_a_line()
            alice.type(b"abc" + give_up)
            self.assertIn("[cancelled]", alice.text)
            alice.type(b"\x05c.")
        alice = self.asking_a_line()
        self.desk.clock.advance(PATIENCE)
        self.assertIn("[cancelled]", alice.text)
        alice.type(b"x")
        self.assertEqual((self.got, bytes(self.line.sent)), ([], b"x"))

    def test_a_line_is_bounded_and_its_end_is_shown_in_a_narrow_window(self) -> None:
        self.command(lambda terminal: ask_line(terminal, "reason", self.got.append))
        alice = self.attach(columns=20)
        alice.type(b"\x05cZ")
        for _ in range(100):
            alice.type(b"0123456789")
        shown = alice.text.rpartition("\x1b[K")[2]
        self.assertLess(cells(shown), 20)
        alice.type(b"\r")
        self.assertEqual(self.got, ["0123456789" * (LINE_LIMIT // 10)])

    def test_of_a_packet_that_nobody_types_only_the_beginning_counts(self) -> None:
        alice = self.asking_a_line()
        alice.type(b"\x7f" * PACKET + b"x\r")
        alice.type(b"y\r")
        self.assertEqual(self.got, ["y"])

    def test_leaving_in_the_middle(self) -> None:
        alice = self.asking_a_line()
        alice.close()
        self.desk.turn()
        self.assertEqual(self.desk.clock.twisted.getDelayedCalls(), [])

    def test_without_a_cursor_the_line_is_shown_as_it_is_typed(self) -> None:
        self.command(lambda terminal: ask_line(terminal, "reason", self.got.append))
        alice = self.attach(kind="dumb")
        alice.type(b"\x05cZ")
        alice.output.clear()
        alice.type(b"ab")
        alice.type(b"c\r")
        self.assertTrue(alice.text.startswith("abc\r\n"), alice.text)

    def test_a_key_and_what_follows_it(self) -> None:
        self.command(lambda terminal: ask_key(terminal, "which", self.got.append))
        alice = self.attach()
        alice.type(b"\x05cZkls\r")
        alice.type(b"\x05cZ\x1b[A")
        self.assertEqual(self.got, [b"k", b"\x1b[A"])
        self.assertEqual(bytes(self.line.sent), b"ls\r")


class Help(CommandsTest):
    def test_it_fits_the_window(self) -> None:
        for columns in (30, 40, 80, 200):
            alice = self.attach(columns=columns, rows=100)
            alice.output.clear()
            alice.type(b"\x05c?")
            lines = alice.text.splitlines()
            terminal = alice.program
            assert isinstance(terminal, bridge.TerminalBridge)
            for command in table.ALL:
                shown = command.is_offered(terminal)
                (self.assertIn if shown else self.assertNotIn)(f"^Ec{command.keys} ", alice.text)
            self.assertTrue(all(cells(line) < columns for line in lines if "  " in line), lines)

    def test_with_too_few_rows_it_waits_for_a_key(self) -> None:
        alice = self.attach(columns=40, rows=10)
        alice.output.clear()
        alice.type(b"\x05c?")
        self.assertLess(alice.text.count("\n"), 10)
        self.assertIn("more lines: any key goes on, q ends]", alice.text)
        while "more lines" in alice.text:
            alice.output.clear()
            alice.type(b" ")
        self.assertIn("one ^E for the VM", alice.text)
        alice.type(b"\x05c?")
        alice.type(b"qls\r")
        self.assertEqual(bytes(self.line.sent), b"ls\r")

    def test_it_shows_only_what_one_may_do(self) -> None:
        bob = self.attach(BOB)
        bob.type(b"\x05c?")
        self.assertIn("^Ecw", bob.text)
        for keys in ("^Eca", "^Ecf", "^Ecl0"):
            self.assertNotIn(keys, bob.text)

    def test_the_page_for_operators_has_each_of_them(self) -> None:
        rows = re.findall(
            r"^\| (`\^E.*?) \|", (TREE / "docs" / "operators.md").read_text(), re.MULTILINE
        )
        documented = {keys for row in rows for keys in re.findall(r"`\^Ec(.+?)`", row)}
        self.assertEqual(documented, set(table.COMMANDS))
