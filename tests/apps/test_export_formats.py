"""A console's past as an asciicast."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.apps.verbs.export import Cast
from vspc.console.echo import Recorded
from vspc.console.logs import Item, Marker, MarkerKind, Output

START = 1_700_000_000.0


def events(items: Iterable[Item]) -> list[list[Any]]:
    """What a recording of `items` has after its header."""
    cast = Cast(80, 24, "web01", START)
    found = [line for item in items for line in cast.feed(item)] + list(cast.end())
    lines = [line.decode() for line in found[1:]]
    assert all(line.endswith("]\n") and line.count("\n") == 1 and line.isascii() for line in lines)
    return [json.loads(line) for line in lines]


def said(*chunks: bytes) -> list[Output]:
    """`chunks` one after the other, a second apart."""
    items: list[Output] = []
    for index, chunk in enumerate(chunks):
        items.append(Output(items[-1].end if items else 0, START + index, chunk))
    return items


def marker(kind: MarkerKind, text: str, offset: int = 0, at: float = START) -> Marker:
    """One that is no gap."""
    return Marker(offset, at, kind, text, offset)


def output(found: list[list[Any]]) -> str:
    """All that a player would write."""
    return "".join(text for _, code, text in found if code == "o")


class Recordings(SynchronousTestCase):
    """What players get."""

    def test_the_header(self) -> None:
        [header] = Cast(132, 43, "web01 \x1b]0;\u202e", START + 0.9).end()
        line = header.decode()
        self.assertTrue(line.endswith("}\n") and line.isascii())
        self.assertEqual(
            json.loads(line),
            {
                "version": 2,
                "width": 132,
                "height": 43,
                "timestamp": int(START),
                "title": "web01 \\x1b]0;\\u202e",
            },
        )

    def test_output_with_its_times(self) -> None:
        items = [Output(7, START, b"a\r\n"), Output(10, START + 1.25, b"\x1b[1mb\x00\n\r")]
        self.assertEqual(events(items), [[0.0, "o", "a\r\n"], [1.25, "o", "\x1b[1mb\x00\n\r"]])

    def test_times_have_six_digits(self) -> None:
        cast = Cast(80, 24, "web01", START)
        _header, first = cast.feed(Output(0, START, b"a"))
        self.assertEqual(first, b'[0.000000, "o", "a"]\n')
        later = Output(1, START + 100_000.5, b"b")
        self.assertEqual(list(cast.feed(later)), [b'[100000.500000, "o", "b"]\n'])

    def test_nothing_at_all(self) -> None:
        self.assertEqual(events([]), [])
        self.assertEqual(events(said(b"")), [])

    def test_the_pen_is_a_marker(self) -> None:
        items: list[Item] = [*said(b"ab"), marker(MarkerKind.PEN, "alice types", 2, START + 1)]
        self.assertEqual(events(items)[1:], [[1.0, "m", "pen: alice types"]])

    def test_typed_text_is_input_and_what_was_hidden_is_not(self) -> None:
        words = [Recorded(b"ls\r").words, Recorded(None, 7).words]
        found = events(marker(MarkerKind.INPUT, text) for text in words)
        self.assertEqual(found[0], [0.0, "i", "ls\r"])
        self.assertEqual(found[1], [0.0, "m", "input: bytes that were not echoed: 7"])


class Characters(SynchronousTestCase):
    """Bytes to text."""

    def test_one_that_is_cut_in_two(self) -> None:
        euro = "€".encode()
        found = events(said(b"a" + euro[:1], euro[1:2], euro[2:] + b"b"))
        self.assertEqual(found, [[0.0, "o", "a"], [2.0, "o", "€b"]])

    def test_one_that_is_cut_by_a_marker(self) -> None:
        euro = "€".encode()
        items: list[Item] = [
            Output(0, START, euro[:1]),
            marker(MarkerKind.PEN, "bob types", 1),
            Output(1, START, euro[1:]),
        ]
        self.assertEqual(
            [event[1:] for event in events(items)], [["m", "pen: bob types"], ["o", "€"]]
        )

    def test_one_of_which_the_end_is_missing(self) -> None:
        euro = "€".encode()
        gap = Marker(1, START + 1, MarkerKind.GAP, "the disk is full", 50)
        found = events([Output(0, START, euro[:1]), gap, Output(50, START + 2, euro[1:])])
        self.assertEqual(
            [event[1:] for event in found],
            [["o", "\ufffd"], ["m", "gap: the disk is full"], ["o", "\ufffd\ufffd"]],
        )

    def test_one_of_which_the_end_is_missing_without_a_word(self) -> None:
        found = events([Output(0, START, b"\xe2"), Output(50, START + 2, b"\x82\xac")])
        self.assertEqual(output(found), "\ufffd\ufffd\ufffd")
        self.assertEqual(found[0], [0.0, "o", "\ufffd"])

    def test_one_that_the_end_cuts(self) -> None:
        self.assertEqual(output(events(said(b"a\xe2\x82"))), "a\ufffd")

    def test_bytes_that_are_none(self) -> None:
        self.assertEqual(output(events(said(b"a\xff\x9bb"))), "a\ufffd\ufffdb")


class Times(SynchronousTestCase):
    """Never go back."""

    def times(self, *ats: float) -> list[float]:
        """In the recording, of things that happened at `ats`."""
        return [event[0] for event in events(marker(MarkerKind.NOTE, "", 0, at) for at in ats)]

    def test_a_clock_that_was_set_back_goes_on_from_there(self) -> None:
        ats = (START, START + 10, START - 3600, START - 3590)
        self.assertEqual(self.times(*ats), [0.0, 10.0, 10.0, 20.0])

    def test_things_a_little_out_of_order_add_no_time(self) -> None:
        ats = [START + 1 + shift for shift in (0, 0.5, 0.1, 0.5, 0.2, 0.6)]
        self.assertEqual(self.times(*ats), [0.0, 0.5, 0.5, 0.5, 0.5, 0.6])

    def test_a_gap_of_which_no_time_is_known(self) -> None:
        self.assertEqual(self.times(0.0, START, 0.0, START + 2), [0.0, 0.0, 0.0, 2.0])

    @settings(deadline=None)
    @given(st.lists(st.floats(0, 1e11)))
    def test_whatever_the_clock_does(self, ats: list[float]) -> None:
        times = self.times(*ats)
        self.assertEqual(times, sorted(times))
        self.assertTrue(all(time >= 0 for time in times))


class Always(SynchronousTestCase):
    """Whatever was said, in whatever pieces."""

    @settings(deadline=None)
    @given(st.lists(st.binary()))
    def test_the_text_is_that_of_all_bytes(self, chunks: list[bytes]) -> None:
        whole = b"".join(chunks).decode("utf-8", "replace")
        self.assertEqual(output(events(said(*chunks))), whole)

    @settings(deadline=None)
    @given(st.text(), st.lists(st.integers(0, 200)))
    def test_text_comes_through_however_it_is_cut(self, text: str, cuts: list[int]) -> None:
        data = text.encode("utf-8", "replace")
        places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        chunks = [data[start:end] for start, end in pairwise(places)]
        self.assertEqual(output(events(said(*chunks))), data.decode())
