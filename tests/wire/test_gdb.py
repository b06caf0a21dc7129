"""Packets of GDB's remote protocol among the text of a console, however both are cut."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.wire.gdb import (
    PACKET_LIMIT,
    DebuggerInput,
    Packet,
    PacketSplitter,
    checksum,
    packet,
)

STOPPED = b"$T05thread:01;#07"


def split(*pieces: bytes) -> tuple[bytes, list[bytes], bytes]:
    """The text, the packets, and what is held at the end."""
    splitter = PacketSplitter()
    found = [each for piece in pieces for each in splitter.feed(piece)]
    text = b"".join(each for each in found if isinstance(each, bytes))
    return text, [each.data for each in found if isinstance(each, Packet)], splitter.flush()


class FromTheVm(SynchronousTestCase):
    def test_packets_among_text(self) -> None:
        said = b"web01 login: " + STOPPED + b"\r\nroot\r\n" + packet(b"OK") + b"\r\n"
        self.assertEqual(
            split(said), (b"web01 login: \r\nroot\r\n\r\n", [STOPPED, packet(b"OK")], b"")
        )

    def test_a_packet_that_is_empty(self) -> None:
        self.assertEqual(split(b"+$#00"), (b"+", [b"$#00"], b""))

    def test_one_in_pieces(self) -> None:
        pieces = [bytes([each]) for each in b"a" + STOPPED + b"b"]
        self.assertEqual(split(*pieces), (b"ab", [STOPPED], b""))

    def test_the_prompt_of_a_shell_begins_none(self) -> None:
        self.assertEqual(split(b"me@web01:~$ "), (b"me@web01:~", [], b"$ "))
        self.assertEqual(
            split(b"me@web01:~$ ", b"echo # $HOME\r\n$ " + STOPPED),
            (b"me@web01:~$ echo # $HOME\r\n$ ", [STOPPED], b""),
        )

    def test_a_checksum_that_is_not_right(self) -> None:
        for wrong in (b"$OK#9b", b"$OK#", b"$OK#9", b"$OK#zz", b"$OK##9a", b"$$$", b"$O$K#9a"):
            text, packets, held = split(b"<" + wrong + b"\r\n>")
            self.assertEqual((text + held, packets), (b"<" + wrong + b"\r\n>", []), wrong)
        self.assertEqual(split(b"$O#$OK#9a"), (b"$O#", [b"$OK#9a"], b""))

    def test_a_notification_behind_a_prompt(self) -> None:
        told = b"%%%b#%02x" % (b"Stop:T05", checksum(b"Stop:T05"))
        self.assertEqual(split(b"$ " + told + b"."), (b"$ .", [told], b""))
        self.assertEqual(split(b"50% " + STOPPED), (b"50% ", [STOPPED], b""))

    def test_text_between_packets_is_one_piece_however_many_begin_there(self) -> None:
        text = b"$ 5% $HOME # $$$ $OK#zz % " * 2000 + b"\r\n"
        pieces = list(PacketSplitter().feed(text + STOPPED))
        self.assertEqual(pieces, [text, Packet(STOPPED)])

    def test_text_from_a_dollar_on_is_held_up_to_a_limit(self) -> None:
        splitter = PacketSplitter()
        self.assertEqual(list(splitter.feed(b"$" + b"x" * (PACKET_LIMIT - 1))), [])
        self.assertEqual(splitter.held, PACKET_LIMIT)
        self.assertEqual(list(splitter.feed(b"y")), [b"$" + b"x" * (PACKET_LIMIT - 1), b"y"])
        self.assertEqual(splitter.held, 0)
        long = packet(b"x" * PACKET_LIMIT)
        self.assertEqual(split(long), (long, [], b""))

    @given(
        st.lists(
            st.sampled_from([b"$", b"%", b"#", b"9a", b"OK", b"+", b"x", STOPPED, packet(b"OK")]),
            max_size=30,
        ),
        st.data(),
    )
    def test_however_it_is_cut_it_is_the_same_and_nothing_is_lost(
        self, pieces: list[bytes], data: st.DataObject
    ) -> None:
        whole, cut = b"".join(pieces), PacketSplitter()
        once, found, at = list(PacketSplitter().feed(whole)), list[bytes | Packet](), 0
        while at < len(whole):
            size = data.draw(st.integers(1, len(whole) - at))
            found += cut.feed(whole[at : at + size])
            at += size
        packets = [each for each in found if isinstance(each, Packet)]
        self.assertEqual(packets, [each for each in once if isinstance(each, Packet)])
        said = [each.data if isinstance(each, Packet) else each for each in found]
        self.assertEqual(b"".join(said) + cut.flush(), whole)


class Printable(SynchronousTestCase):
    def test_text_is_known_at_its_next_blank(self) -> None:
        splitter = PacketSplitter(is_printable=True)
        found = list(
            splitter.feed(b"me@web01:~$ 5% " + STOPPED + b"$\r\n" + packet(b"O K") + b"$O")
        )
        self.assertEqual([each for each in found if isinstance(each, Packet)], [Packet(STOPPED)])
        text = b"".join(each for each in found if isinstance(each, bytes))
        self.assertEqual(text, b"me@web01:~$ 5% $\r\n" + packet(b"O K"))
        self.assertEqual(splitter.flush(), b"$O")


class FromGdb(SynchronousTestCase):
    def test_interrupts_outside_of_packets(self) -> None:
        binary = b"$X0,2:\x03}\x03#00"
        found = list(DebuggerInput().feed(b"+\x03" + binary + b"\x03+"))
        self.assertEqual(found.count(None), 2)
        self.assertEqual(b"".join(each or b"" for each in found), b"+" + binary + b"+")

    def test_the_last_packet_is_known(self) -> None:
        heard = DebuggerInput()
        for each in b"+$g#67$m0,4#fd+$c":
            list(heard.feed(bytes([each])))
        self.assertEqual((heard.packet, heard.count), (b"$m0,4#fd", 2))
        list(heard.feed(b"x" * (2 * PACKET_LIMIT) + b"#00"))
        self.assertEqual((heard.packet, heard.count), (b"", 3))

    @given(st.lists(st.binary(max_size=20), max_size=10))
    def test_nothing_is_lost(self, pieces: list[bytes]) -> None:
        heard, found = DebuggerInput(), list[bytes | None]()
        for piece in pieces:
            found += heard.feed(piece)
        self.assertEqual(
            b"".join(b"\x03" if each is None else each for each in found), b"".join(pieces)
        )
