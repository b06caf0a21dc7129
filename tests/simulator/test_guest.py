"""The toy guest: what it prints, what it reads, and when it does not."""

import hashlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from vspc.simulator.guest import SILENCE, TYPE_AHEAD, ToyGuest
from vspc.simulator.guest_terminal import BEHIND, LINE, LineEditor

PROMPT = b"web1:~# "

ALPHABET = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Desk:
    """A guest with a serial port of its own: what it says, and how much may be said."""

    def __init__(self, pace: float = 0.0) -> None:
        self.clock = Clock()
        self.said = b""
        self.left: int | None = None
        self.off = False
        self.asked = 0
        self.guest = ToyGuest(self.clock, "web1", pace)

    def start(self) -> "Desk":
        self.guest.boot(self)
        self.run()
        self.said = b""
        return self

    def room(self) -> int:
        return 65536 if self.left is None else max(0, self.left)

    def transmit(self, data: bytes) -> None:
        self.said += data
        if self.left is not None:
            self.left -= len(data)

    def readable(self) -> None:
        self.asked += 1

    def powered_off(self) -> None:
        self.off = True
        self.guest.stop()

    def run(self, seconds: float = 0.0) -> None:
        self.clock.advance(0)
        for _ in range(round(seconds * 100)):
            self.clock.advance(0.01)

    def type(self, data: bytes) -> bytes:
        """What it says to that; typed as fast as it reads."""
        before = len(self.said)
        while data and (count := self.guest.wants()):
            self.guest.read(data[:count])
            data = data[count:]
            self.run()
        return self.said[before:]


class ShellTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = Desk().start()

    def test_it_boots_to_a_prompt(self) -> None:
        desk = Desk()
        desk.guest.boot(desk)
        self.assertTrue(desk.said.startswith(b"SeaBIOS (simulated)\r\n"))
        self.assertTrue(desk.said.endswith(b"web1 ttyS0. Type help.\r\n\r\n" + PROMPT))

    def test_the_boot_log_takes_its_time(self) -> None:
        desk = Desk(pace=0.1)
        desk.guest.boot(desk)
        self.assertEqual(desk.said.count(b"\n"), 1)
        desk.run(0.35)
        self.assertEqual(desk.said.count(b"\n"), 4)
        desk.run(2)
        self.assertTrue(desk.said.endswith(PROMPT))

    def test_what_is_typed_while_it_boots_is_run_afterwards(self) -> None:
        desk = Desk(pace=0.1)
        desk.guest.boot(desk)
        desk.guest.read(b"echo early\r")
        desk.run(2)
        self.assertTrue(desk.said.endswith(PROMPT + b"echo early\r\nearly\r\n" + PROMPT))

    def test_commands_answer(self) -> None:
        for typed, answer in (
            (b"echo hello  world", b"hello world\r\n"),
            (b"uname -a", b"Linux web1 6.1.0-sim #1 SMP x86_64 GNU/Linux\r\n"),
            (b"uname", b"Linux\r\n"),
            (b"hostname", b"web1\r\n"),
            (b"count 3", b"1\r\n2\r\n3\r\n"),
            (b"count 0", b""),
            (b"stream 2", b"00000000\r\n00000001\r\n"),
            (b"flood 70", ALPHABET + b"\r\n012345\r\n"),
            (b"", b""),
            (b"nonsense", b"nonsense: command not found\r\n"),
        ):  # fmt: skip
            self.assertEqual(self.desk.type(typed + b"\r"), typed + b"\r\n" + answer + PROMPT)

    def test_words_that_make_no_sense_are_answered_with_the_usage(self) -> None:
        for typed in (
            *("count", "count x", "count -1", "stream 5 0", "stream", "flood", "sum 0"),
            *("expect 0", "sum", "sleep-reading", "count 9999999999999"),
        ):
            self.assertIn(b"usage: ", self.desk.type(typed.encode() + b"\r"), typed)
            self.assertTrue(self.desk.said.endswith(PROMPT))

    def test_help_lists_every_command(self) -> None:
        said = self.desk.type(b"help\r")
        for word in (b"sum N", b"sleep-reading SECONDS", b"poweroff", b"expect N"):
            self.assertIn(word, said)

    def test_a_flood_is_printed_as_far_as_there_is_room(self) -> None:
        self.desk.left = 5000
        self.desk.type(b"flood 1000000\r")
        self.assertLess(len(self.desk.said), 8000)
        self.desk.left = None
        self.desk.guest.writable()
        self.desk.run()
        self.assertEqual(len(self.desk.said), len(b"flood 1000000\r\n\r\n" + PROMPT) + 1_000_000)

    def test_control_c_ends_a_command_and_drops_what_was_typed_before(self) -> None:
        self.desk.left = 5000
        self.desk.type(b"flood 1000000\r")
        self.desk.guest.read(b"echo no\r\x03echo yes\r")
        self.desk.left = None
        self.desk.guest.writable()
        self.desk.run()
        self.assertTrue(
            self.desk.said.endswith(b"^C\r\n" + PROMPT + b"echo yes\r\nyes\r\n" + PROMPT)
        )
        self.assertLess(len(self.desk.said), 10_000)

    def test_a_stream_at_a_rate(self) -> None:
        self.desk.type(b"stream 100 200\r")
        self.desk.run(0.25)
        self.assertIn(b"00000040\r\n", self.desk.said)
        self.assertNotIn(b"00000060\r\n", self.desk.said)
        self.desk.run(0.3)
        self.assertTrue(self.desk.said.endswith(b"00000099\r\n" + PROMPT))

    def test_a_stream_behind_the_shell_takes_turns_with_it(self) -> None:
        self.desk.type(b"stream 100 100 &\r")
        self.assertIn(PROMPT, self.desk.said)
        self.assertIn(b"hi\r\n", self.desk.type(b"echo hi\r"))
        self.desk.run(1.1)
        lines = [line for line in self.desk.said.split(b"\r\n") if line.startswith(b"0000")]
        self.assertEqual(lines[-1], b"00000099")

    def test_only_so_many_commands_run_behind(self) -> None:
        for _ in range(BEHIND + 3):
            self.desk.type(b"stream 10 1 &\r")
        self.assertEqual(self.desk.said.count(b"00000000"), BEHIND)

    def test_a_break_is_told_with_its_number(self) -> None:
        self.desk.guest.break_received()
        self.desk.guest.break_received()
        self.assertIn(b"[sysrq] break 1\r\n", self.desk.said)
        self.assertTrue(self.desk.said.endswith(b"[sysrq] break 2\r\n"))


class RawReaderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = Desk().start()

    def test_a_sum_takes_every_byte_as_it_is(self) -> None:
        data = bytes(range(256)) * 100
        said = self.desk.type(b"sum %d\r" % len(data) + data + b"echo after\r")
        digest = hashlib.sha256(data).hexdigest().encode()
        self.assertEqual(
            said,
            b"sum 25600\r\nreading 25600 bytes\r\n"
            + digest
            + b"\r\n"
            + PROMPT
            + b"echo after\r\nafter\r\n"
            + PROMPT,
        )

    def test_hash_is_another_word_for_it(self) -> None:
        self.assertIn(hashlib.sha256(b"\nx").hexdigest().encode(), self.desk.type(b"hash 2\r\nx"))

    def test_numbered_lines_are_expected(self) -> None:
        for newline in (b"\r", b"\n", b"\r\n"):
            lines = b"".join(b"%08d" % number + newline for number in range(500))
            said = self.desk.type(b"expect 500\r" + lines)
            self.assertTrue(said.endswith(b"ok 500\r\n" + PROMPT), newline)
            self.assertEqual(said.count(PROMPT), 1, newline)

    def test_the_first_difference_is_told_and_the_rest_is_not_run(self) -> None:
        said = self.desk.type(b"expect 9\r00000000\r0000001\r00000002\recho no\r")
        self.assertIn(b"differs at line 1: b'0000001'\r\n", said)
        self.desk.run(SILENCE / 2)
        self.desk.type(b"reboot\r")
        self.desk.run(SILENCE + 0.1)
        self.assertTrue(self.desk.said.endswith(b"differs at line 1: b'0000001'\r\n" + PROMPT))
        self.assertIn(b"yes\r\n", self.desk.type(b"echo yes\r"))

    @settings(deadline=None, max_examples=40)
    @given(st.integers(1, 40), st.data())
    def test_a_lost_a_doubled_or_a_changed_byte_is_seen(
        self, count: int, data: st.DataObject
    ) -> None:
        stream = b"".join(b"%08d\r" % number for number in range(count))
        at = data.draw(st.integers(0, len(stream) - 1))
        wrong = data.draw(
            st.sampled_from(
                [
                    stream[:at] + stream[at + 1 :] + b"x",
                    stream[:at] + b"y" + stream[at:],
                    stream[:at] + b"z" + stream[at + 1 :],
                ]
            )
        )
        self.assertIn(b"differs at", Desk().start().type(b"expect %d\r" % count + wrong))


class PowerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = Desk().start()

    def test_not_reading_means_not_reading(self) -> None:
        self.desk.type(b"sleep-reading 3\r")
        self.assertEqual(self.desk.guest.wants(), 0)
        asked = self.desk.asked
        self.desk.run(2.9)
        self.assertEqual(self.desk.guest.wants(), 0)
        self.desk.run(0.2)
        self.assertEqual(self.desk.guest.wants(), TYPE_AHEAD)
        self.assertGreater(self.desk.asked, asked)
        self.assertTrue(self.desk.said.endswith(b"reading again\r\n" + PROMPT))

    def test_a_slow_line_stops_the_reading(self) -> None:
        self.desk.left = 0
        self.desk.type(b"x" * (2 * TYPE_AHEAD))
        self.assertEqual(self.desk.guest.wants(), 0)
        self.desk.left = None
        self.desk.guest.writable()
        self.assertEqual(self.desk.guest.wants(), TYPE_AHEAD)

    def test_a_reboot_begins_again(self) -> None:
        said = self.desk.type(b"reboot\r")
        self.assertIn(b"The system will reboot now\r\nSeaBIOS (simulated)\r\n", said)
        self.assertEqual(said.count(PROMPT), 1)
        self.assertIn(b"\r\nhi\r\n", self.desk.type(b"echo hi\r"))

    def test_a_shut_down_guest_switches_its_vm_off(self) -> None:
        said = self.desk.type(b"poweroff\r")
        self.assertTrue(self.desk.off)
        self.assertTrue(said.endswith(b"reboot: Power down\r\n"))
        self.assertEqual(self.desk.guest.wants(), 0)

    def test_a_panic_is_for_good_until_the_reset_button(self) -> None:
        self.assertIn(b"end Kernel panic", self.desk.type(b"panic\r"))
        self.assertEqual(self.desk.type(b"echo hi\r"), b"")
        self.desk.guest.reboot()
        self.assertTrue(self.desk.said.endswith(PROMPT))
        self.assertIn(b"\r\nhi\r\n", self.desk.type(b"echo hi\r"))

    def test_nothing_is_left_to_do_after_power_off(self) -> None:
        self.desk.type(b"stream 10 1 &\rexpect 1\rwrong\r")
        self.desk.guest.stop()
        self.assertEqual(self.desk.clock.getDelayedCalls(), [])

    @settings(deadline=None, max_examples=50)
    @given(st.lists(st.binary(max_size=60), max_size=10))
    def test_noise_never_raises(self, pieces: list[bytes]) -> None:
        desk = Desk().start()
        for piece in pieces:
            desk.type(piece)


class EditorTests(SynchronousTestCase):
    def taken(self, keys: bytes) -> tuple[bytes, list[str]]:
        editor, rest, echo, lines = LineEditor(), bytearray(keys), b"", []
        while rest:
            piece, line = editor.take(rest)
            echo += piece
            if line is not None:
                lines.append(line)
        return echo, lines

    def test_every_newline_is_one_enter(self) -> None:
        self.assertEqual(self.taken(b"a\rb\nc\r\nd\n")[1], ["a", "b", "c", "d"])

    def test_keys_that_erase(self) -> None:
        self.assertEqual(self.taken(b"ab\x7fc\x08\x08\x08x\r"), (
            b"ab\b \bc\b \b\b \bx\r\n", ["x"]))  # fmt: skip
        self.assertEqual(self.taken(b"a\xc3\xa4\x7f\r"), (b"a\xc3\xa4\b \b\r\n", ["a"]))
        self.assertEqual(self.taken("aä\x15b\r".encode()), (
            b"a\xc3\xa4\b \b\b \bb\r\n", ["b"]))  # fmt: skip
        self.assertEqual(self.taken(b"ab\x03c\r"), (b"ab^C\r\nc\r\n", ["", "c"]))

    def test_a_line_has_an_end(self) -> None:
        echo, [line] = self.taken(b"x" * (LINE + 2) + b"\r")
        self.assertEqual((len(line), echo.count(b"\a")), (LINE, 2))
