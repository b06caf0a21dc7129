"""`^Ec` and its kin: what is a command, what is data."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.apps.terminal_input import (
    CONMAN_COMMANDS,
    EscapeCommand,
    Escapes,
    Keys,
    command_keys,
)
from vspc.config.values import CONMAN


class EscapesTest(SynchronousTestCase):
    def feed(self, *packets: bytes) -> list[Keys | EscapeCommand]:
        escapes = Escapes()
        return [thing for packet in packets for thing in escapes.feed(packet)]

    def test_a_command_in_one_packet_or_key_by_key(self) -> None:
        self.assertEqual(self.feed(b"\x05c."), [EscapeCommand(".")])
        self.assertEqual(self.feed(b"\x05", b"c", b"."), [EscapeCommand(".")])

    def test_between_keys_in_order(self) -> None:
        self.assertEqual(self.feed(b"ab\x05c?cd"), [Keys(b"ab"), EscapeCommand("?"), Keys(b"cd")])

    def test_twice_is_one_literal(self) -> None:
        self.assertEqual(self.feed(b"\x05\x05"), [Keys(b"\x05")])
        self.assertEqual(self.feed(b"\x05c\x05c"), [Keys(b"\x05")])

    def test_another_key_behind_it_is_data(self) -> None:
        self.assertEqual(self.feed(b"\x05x"), [Keys(b"\x05x")])
        self.assertEqual(self.feed(b"\x05c\x05x"), [Keys(b"\x05c\x05x")])

    def test_a_command_of_two_characters(self) -> None:
        self.assertEqual(self.feed(b"\x05cl", b"0"), [EscapeCommand("l0")])

    def test_half_typed_it_is_kept_back_until_flushed(self) -> None:
        escapes = Escapes()
        self.assertEqual(escapes.feed(b"\x05c"), [])
        self.assertTrue(escapes.half_typed)
        self.assertEqual(escapes.flush(), b"\x05c")
        self.assertFalse(escapes.half_typed)

    def test_in_a_packet_of_over_64_bytes_it_is_data(self) -> None:
        paste = b"x" * 62 + b"\x05c."
        self.assertEqual(self.feed(paste), [Keys(paste)])
        self.assertEqual(self.feed(paste[1:]), [Keys(b"x" * 61), EscapeCommand(".")])

    def test_what_is_pasted_is_data(self) -> None:
        for half in (b"", b"\x05", b"\x05c"):
            escapes = Escapes()
            self.assertEqual(escapes.feed(half), [])
            self.assertEqual(escapes.feed(b"\x05c.", is_pasted=True), [Keys(half + b"\x05c.")])
            self.assertEqual(escapes.feed(b"\x05c."), [EscapeCommand(".")])

    def test_a_half_typed_escape_before_a_large_packet_is_data(self) -> None:
        self.assertEqual(self.feed(b"\x05", b"c" * 100), [Keys(b"\x05" + b"c" * 100)])

    @given(st.lists(st.binary(max_size=80)))
    def test_without_an_escape_all_is_data(self, packets: list[bytes]) -> None:
        packets = [p.replace(b"\x05", b"") for p in packets]
        things = self.feed(*packets)
        self.assertEqual(b"".join(t.data for t in things if isinstance(t, Keys)), b"".join(packets))

    @given(st.lists(st.sampled_from([b"\x05", b"c", b".", b"\x1b[A", b"q"])))
    def test_nothing_is_lost_or_made_up(self, packets: list[bytes]) -> None:
        escapes = Escapes()
        things = [thing for packet in packets for thing in escapes.feed(packet)]
        data = b"".join(t.data for t in things if isinstance(t, Keys)) + escapes.flush()
        commands = sum(isinstance(t, EscapeCommand) for t in things)
        gone = len(b"".join(packets)) - len(data)
        self.assertGreaterEqual(gone, 3 * commands)


class ConmanTest(SynchronousTestCase):
    """`esc=conman`: `&` and a character."""

    def feed(self, *packets: bytes) -> list[Keys | EscapeCommand]:
        escapes = Escapes(CONMAN)
        return [thing for packet in packets for thing in escapes.feed(packet)]

    def test_its_commands_have_the_names_of_conserver_s(self) -> None:
        things = self.feed(b"&.", b"&", b"?", b"&F&J", b"&M&L&B&I")
        names = [thing.name for thing in things if isinstance(thing, EscapeCommand)]
        self.assertEqual(names, [".", "?", "f", "j", "s", "p", "l0", "i"])

    def test_twice_is_one_literal(self) -> None:
        self.assertEqual(self.feed(b"a&&b"), [Keys(b"a&b")])
        self.assertEqual(self.feed(b"&&&&"), [Keys(b"&&")])

    def test_another_key_behind_it_is_data(self) -> None:
        self.assertEqual(self.feed(b"ls 2>&1 &\r"), [Keys(b"ls 2>&1 &\r")])
        self.assertEqual(self.feed(b"\x05c."), [Keys(b"\x05c.")])

    def test_half_typed_it_is_kept_back_until_flushed(self) -> None:
        escapes = Escapes(CONMAN)
        self.assertEqual(escapes.feed(b"x&"), [Keys(b"x")])
        self.assertEqual(escapes.flush(), b"&")

    def test_what_is_pasted_is_data(self) -> None:
        escapes = Escapes(CONMAN)
        self.assertEqual(escapes.feed(b"a && b &.", is_pasted=True), [Keys(b"a && b &.")])

    def test_what_is_typed_for_a_command(self) -> None:
        self.assertEqual(command_keys(CONMAN, "f"), "&F")
        self.assertEqual(command_keys(CONMAN, "e"), "")
        self.assertEqual(command_keys(b"\x18", "l0"), "^Xcl0")
        self.assertEqual(command_keys(b"", "?"), "")

    @given(st.lists(st.sampled_from([b"&", b"F", b".", b"\x1b[A", b"q&", b"x"])))
    def test_nothing_is_lost_or_made_up(self, packets: list[bytes]) -> None:
        escapes = Escapes(CONMAN)
        things = [thing for packet in packets for thing in escapes.feed(packet)]
        data = b"".join(t.data for t in things if isinstance(t, Keys)) + escapes.flush()
        names = [t.name for t in things if isinstance(t, EscapeCommand)]
        self.assertLessEqual(set(names), set(CONMAN_COMMANDS.values()))
        self.assertGreaterEqual(len(b"".join(packets)), len(data) + 2 * len(names))
