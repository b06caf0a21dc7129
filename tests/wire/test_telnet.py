"""The decoder against the encoder, against itself cut elsewhere, and against a plain reading."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import vspc.wire.telnet
from vspc.wire.telnet import (
    BRK,
    DO,
    GA,
    IAC,
    IDLE,
    MAX_SUBNEGOTIATION,
    NOP,
    PIECE,
    RUN,
    SB,
    SE,
    VMWARE,
    WILL,
    WONT,
    Command,
    Data,
    Decoder,
    Event,
    Malformed,
    Negotiation,
    Overlong,
    Subnegotiation,
    command,
    escape,
    negotiation,
    subnegotiation,
)

# Bytes in which something happens far more often than in noise.
LIVELY = st.lists(
    st.sampled_from([IAC, IAC, IAC, SB, SE, WILL, DO, BRK, 0, 10, 13, 65, VMWARE]), max_size=60
).map(bytes)
WIRE = LIVELY | st.binary(max_size=60)
DOUBLED = st.lists(
    st.sampled_from([b"\xff\xff", b"\xff\xff", b"\xff\xff", b"a", b"bcdefg", b"\xff\xf3", b"\xff"]),
    max_size=20,
).map(b"".join)
BYTE = st.integers(0, 255)
CUTS = st.lists(st.integers(0, 80), max_size=8)

MESSAGES = st.lists(
    st.builds(Data, st.binary(min_size=1, max_size=20) | LIVELY.filter(bool))
    | st.builds(Command, st.integers(0, 249))
    | st.builds(Negotiation, st.integers(251, 254), BYTE)
    | st.builds(Subnegotiation, BYTE, st.binary(max_size=20) | LIVELY),
    max_size=12,
)


def events_of(decoder: Decoder) -> list[Event]:
    """All events that are there."""
    events = []
    while (event := decoder.next_event()) is not None:
        events.append(event)
    return events


def merged(events: list[Event]) -> list[Event]:
    """`events` with neighbouring Data joined: where it is parted depends on the chunks."""
    result: list[Event] = []
    for event in events:
        last = result[-1] if result else None
        if isinstance(event, Data) and isinstance(last, Data):
            result[-1] = Data(last.data + event.data)
        else:
            result.append(event)
    return result


def decode(*chunks: bytes) -> list[Event]:
    """The events of `chunks`, which arrive one after the other."""
    decoder = Decoder()
    events = []
    for chunk in chunks:
        decoder.receive(chunk)
        events += events_of(decoder)
    return events


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` cut at `places`, some of which may be the same."""
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def encode(event: Event) -> bytes:
    match event:
        case Data(data):
            return escape(data)
        case Command(code):
            return command(code)
        case Negotiation(verb, option):
            return negotiation(verb, option)
        case Subnegotiation(option, body):
            return subnegotiation(option, body)
    raise AssertionError(event)


def plainly(data: bytes) -> list[Event]:
    """The rules again, a byte at a time, for whole sequences only."""
    events: list[Event] = []
    rest = list(data)
    while rest:
        if rest[0] != IAC:
            events.append(Data(bytes([rest.pop(0)])))
        elif len(rest) < 2:
            break
        elif rest[1] == IAC:
            events.append(Data(b"\xff"))
            del rest[:2]
        elif rest[1] == SB:
            body, length = plain_body(rest[2:])
            if length < 0:
                break
            del rest[: length + 2]
            events.append(Subnegotiation(body[0], body[1:]) if body else Malformed(""))
        elif rest[1] > SB:
            if len(rest) < 3:
                break
            events.append(Negotiation(rest[1], rest[2]))
            del rest[:3]
        else:
            events.append(Command(rest[1]))
            del rest[:2]
    return merged(events)


def plain_body(rest: list[int]) -> tuple[bytes, int]:
    """What stands before IAC SE, and how long it is with that; a length of -1 if it is not all."""
    body, at = bytearray(), 0
    while at < len(rest) - 1:
        if rest[at] != IAC:
            body.append(rest[at])
            at += 1
            continue
        if rest[at + 1] == SE:
            return bytes(body), at + 2
        body += b"\xff" if rest[at + 1] == IAC else bytes([IAC])
        at += 2 if rest[at + 1] == IAC else 1
    return b"", -1


PIECES = [b"x", b"\xff\xff", command(NOP), command(GA), command(BRK), negotiation(WILL, 1)]


class Runs(SynchronousTestCase):
    """`Decoder.run` says what events say, in fewer words."""

    @given(st.lists(st.sampled_from(PIECES)))
    def test_they_are_the_events_of_the_same_bytes(self, pieces: list[bytes]) -> None:
        for cut_off in range(2):
            data = b"".join(pieces)
            data = data[: len(data) - cut_off]
            decoder, found = Decoder(data), list[Event]()
            while True:
                run = decoder.run()
                if run is not None:
                    self.assertLessEqual(run.commands, RUN)
                    found += [Data(run.data)] if run.data else []
                    found += [Command(NOP)] * run.commands
                elif (event := decoder.next_event()) is not None:
                    found.append(event)
                else:
                    break
            self.assertEqual(self.told(found), self.told(decode(data)))
            self.assertEqual(decoder.tail, data[len(data) - len(decoder.tail) :])

    def told(self, events: list[Event]) -> list[object]:
        """Data between other events, joined, and how many idle commands were before those."""
        stretches: list[object] = []
        said, commands = b"", 0
        for event in [*events, None]:
            match event:
                case Data(data):
                    said += data
                case Command(code) if code in IDLE:
                    commands += 1
                case _:
                    stretches.append((said, commands, event))
                    said, commands = b"", 0
        return stretches


class Encoding(SynchronousTestCase):
    def test_data_without_ff_is_not_copied(self) -> None:
        data = b"login: "
        self.assertIs(escape(data), data)

    def test_each_ff_is_doubled(self) -> None:
        self.assertEqual(escape(b"\xff\xffa\xff"), b"\xff\xff\xff\xffa\xff\xff")

    def test_a_subnegotiation_is_escaped_its_option_included(self) -> None:
        self.assertEqual(subnegotiation(VMWARE, b"\x28\xff"), b"\xff\xfa\xe8\x28\xff\xff\xff\xf0")
        self.assertEqual(subnegotiation(255, b""), b"\xff\xfa\xff\xff\xff\xf0")

    @given(MESSAGES, CUTS)
    @settings(deadline=None)
    def test_what_is_encoded_is_decoded_however_it_is_cut(
        self, messages: list[Event], places: list[int]
    ) -> None:
        wire = b"".join(map(encode, messages))
        self.assertEqual(merged(decode(*cut(wire, places))), merged(messages))


class Decoding(SynchronousTestCase):
    @given(WIRE, CUTS)
    @settings(deadline=None, max_examples=300)
    def test_any_bytes_give_the_same_events_however_they_are_cut(
        self, wire: bytes, places: list[int]
    ) -> None:
        self.assertEqual(merged(decode(*cut(wire, places))), merged(decode(wire)))

    @given(WIRE)
    @settings(deadline=None, max_examples=300)
    def test_agrees_with_a_plain_reading_of_the_rules(self, wire: bytes) -> None:
        events = merged(decode(wire))
        wanted = [Malformed("") if isinstance(e, Malformed) else e for e in events]
        self.assertEqual(wanted, plainly(wire))

    @given(WIRE, st.integers(0, 60))
    @settings(deadline=None)
    def test_another_decoder_goes_on_from_the_tail_at_every_cut(
        self, wire: bytes, place: int
    ) -> None:
        first = Decoder()
        first.receive(wire[:place])
        events = events_of(first)
        second = Decoder(first.tail)
        second.receive(wire[place:])
        self.assertEqual(merged(events + events_of(second)), merged(decode(wire)))

    def test_a_tail_that_is_handed_over_in_mid_subnegotiation(self) -> None:
        decoder = Decoder()
        decoder.receive(b"x\xff\xfa\xe8\x50half")
        self.assertEqual(events_of(decoder), [Data(b"x")])
        self.assertEqual(decoder.tail, b"\xff\xfa\xe8\x50half")

    def test_cr_nul_and_control_characters_are_data(self) -> None:
        self.assertEqual(decode(b"a\r\0b\r\n\x1b[0m\0"), [Data(b"a\r\0b\r\n\x1b[0m\0")])

    def test_a_chunk_with_doubled_ffs_is_one_event(self) -> None:
        self.assertEqual(decode(b"a\xff\xffb\xff\xff\xff\xffc"), [Data(b"a\xffb\xff\xffc")])

    def test_many_doubled_ffs_are_decoded_a_piece_at_a_time_and_no_pair_is_cut(self) -> None:
        for before in range(4):
            data = b"a" * before + b"\xff\xff" * PIECE + b"b"
            pieces = decode(data + b"\xff\xf3")
            self.assertEqual(pieces.pop(), Command(BRK))
            said = [piece.data for piece in pieces if isinstance(piece, Data)]
            self.assertEqual(len(said), len(pieces))
            self.assertEqual(b"".join(said), b"a" * before + b"\xff" * PIECE + b"b")
            self.assertGreaterEqual(len(said), 2)
            self.assertLessEqual(max(len(piece) + piece.count(0xFF) for piece in said), PIECE)

    @given(DOUBLED, CUTS)
    @settings(deadline=None, max_examples=300)
    def test_wherever_a_piece_ends_it_agrees_with_a_plain_reading(
        self, wire: bytes, places: list[int]
    ) -> None:
        patched = self.patch(vspc.wire.telnet, "PIECE", 8)
        events = merged(decode(*cut(wire, places)))
        patched.restore()
        wanted = [Malformed("") if isinstance(e, Malformed) else e for e in events]
        self.assertEqual(wanted, plainly(wire))

    def test_data_comes_before_the_command_that_follows_it(self) -> None:
        self.assertEqual(decode(b"a\xff\xf3b"), [Data(b"a"), Command(BRK), Data(b"b")])

    def test_data_does_not_wait_for_a_command_that_is_not_complete(self) -> None:
        self.assertEqual(decode(b"# \xff"), [Data(b"# ")])

    def test_codes_below_240_and_a_stray_se_are_commands(self) -> None:
        self.assertEqual(
            decode(b"\xff\x00\xff\xef\xff\xf0"), [Command(0), Command(239), Command(SE)]
        )

    def test_negotiations_back_to_back(self) -> None:
        self.assertEqual(
            decode(b"\xff\xfb\xe8\xff\xfc\xff"), [Negotiation(WILL, 232), Negotiation(WONT, 255)]
        )

    def test_an_empty_subnegotiation_is_dropped_and_the_rest_goes_on(self) -> None:
        events = decode(b"\xff\xfa\xff\xf0after")
        self.assertIsInstance(events[0], Malformed)
        self.assertEqual(events[1:], [Data(b"after")])

    def test_an_ff_that_was_not_doubled_in_a_subnegotiation_is_kept(self) -> None:
        # As a proxy would read GOAHEAD from one that forgets to double.
        self.assertEqual(
            decode(b"\xff\xfa\xe8\x29\xff\x41\xff\xfb\xff\xf0"),
            [Subnegotiation(VMWARE, b"\x29\xff\x41\xff\xfb")],
        )

    def test_a_sequence_with_two_ffs_as_it_was_seen_on_a_wire(self) -> None:
        self.assertEqual(
            decode(bytes.fromhex("fffae828 7619ffffffffe9 fff0")),
            [Subnegotiation(VMWARE, bytes.fromhex("28 7619ffffe9"))],
        )

    def test_what_follows_in_the_same_chunk_can_be_taken_out_for_tls(self) -> None:
        decoder = Decoder()
        decoder.receive(b"\xff\xfa\x25\x00\x07\x00\x01\xff\xf0\x16\x03\x01\xff")
        self.assertEqual(decoder.next_event(), Subnegotiation(37, b"\x00\x07\x00\x01"))
        self.assertEqual(decoder.take_rest(), b"\x16\x03\x01\xff")
        self.assertTrue(decoder.idle)
        self.assertIsNone(decoder.next_event())

    def test_idle_is_whether_a_chunk_is_data_as_it_stands(self) -> None:
        decoder = Decoder()
        self.assertTrue(decoder.idle)
        for chunk, idle in ((b"a", True), (b"\xff", False), (b"\xfb", False), (b"\x00", True)):
            decoder.receive(chunk)
            events_of(decoder)
            self.assertEqual(decoder.idle, idle, chunk)


class Bounds(SynchronousTestCase):
    WHOLE = b"\xff\xfa" + bytes(MAX_SUBNEGOTIATION) + b"\xff\xf0"

    def test_the_longest_subnegotiation_cut_anywhere_near_its_end(self) -> None:
        wanted = [Subnegotiation(0, bytes(MAX_SUBNEGOTIATION - 1))]
        for place in range(len(self.WHOLE) - 4, len(self.WHOLE) + 1):
            self.assertEqual(decode(self.WHOLE[:place], self.WHOLE[place:]), wanted, place)

    def test_one_byte_more_is_overlong_whether_it_ends_or_not(self) -> None:
        over = b"\xff\xfa" + bytes(MAX_SUBNEGOTIATION + 1)
        for chunks in ((over,), (over + b"\xff\xf0",), (over[:9], over[9:] + b"\xff\xf0")):
            self.assertEqual(decode(*chunks), [Overlong(0)])

    def test_doubled_ffs_count_twice_towards_the_limit(self) -> None:
        wire = subnegotiation(VMWARE, b"\xff" * (MAX_SUBNEGOTIATION // 2))
        self.assertEqual(decode(wire), [Overlong(VMWARE)])

    def test_nothing_is_decoded_or_held_after_an_overlong_one(self) -> None:
        decoder = Decoder()
        decoder.receive(b"before\xff\xfa" + bytes(MAX_SUBNEGOTIATION + 1) + b"\xff\xf0after")
        self.assertEqual(events_of(decoder), [Data(b"before"), Overlong(0)])
        decoder.receive(b"more" * 1000)
        self.assertEqual(events_of(decoder), [])
        self.assertEqual((decoder.tail, decoder.take_rest(), decoder.idle), (b"", b"", False))

    def test_a_subnegotiation_that_arrives_a_byte_at_a_time_is_scanned_once(self) -> None:
        decoder = Decoder()
        decoder.receive(b"\xff\xfa\x00")
        for scanned in range(3, 300):
            self.assertIsNone(decoder.next_event())
            self.assertEqual(decoder._scanned, scanned)
            decoder.receive(b"x")

    def test_a_short_tail_does_not_keep_its_chunk_alive(self) -> None:
        decoder = Decoder()
        decoder.receive(b"x" * 65536 + b"\xff")
        events_of(decoder)
        self.assertEqual(len(decoder._buffer), 1)
