"""Recordings of ours in the real `asciinema`, which plays them on a terminal."""

from collections.abc import Iterable
from pathlib import Path

from tests.end_to_end.processes import ProcessTestCase, Size
from tests.programs import require
from vspc.apps.verbs.export import Cast
from vspc.console.echo import Recorded
from vspc.console.logs import Item, Marker, MarkerKind, Output

START = 1_700_000_000.0

BOOT = (
    b"\x1b[2J\x1b[H\x1b[1;32mSeaBIOS\x1b[0m (version 1.16)\r\n\nlogin: \x07ro\x08 \rdone\n\x00\x7f"
)
"""Line ends of each kind, colours and control characters: all of it goes through."""


class Player(ProcessTestCase):
    """`asciinema` as people start it."""

    def setUp(self) -> None:
        super().setUp()
        [self.asciinema] = require("asciinema")

    def write(self, items: Iterable[Item]) -> Path:
        """A recording of `items`."""
        path = self.directory / "web01.cast"
        cast = Cast(80, 24, "web01 é", START)
        with path.open("wb") as file:
            for item in items:
                file.writelines(cast.feed(item))
            file.writelines(cast.end())
        return path

    def shown(self, *words: str | Path) -> bytes:
        """All that the terminal gets, as it stands in the player's raw mode."""
        child = self.start(self.asciinema, *words, terminal=Size())
        self.assertEqual(child.wait(), 0)
        return child.out.data

    def both(self, path: Path) -> list[bytes]:
        """At once, and at a pace that nobody could follow."""
        return [
            self.shown("cat", path),
            self.shown("play", "-s", "1000", "-i", "0.01", path),
        ]

    def test_output_is_shown_to_the_byte(self) -> None:
        text = BOOT + "zażółć gęślą jaźń, 日本語, 🙂\r\n".encode()
        pieces = [text[at : at + 7] for at in range(0, len(text), 7)]  # through characters, too
        items = [Output(7 * at, START + at, piece) for at, piece in enumerate(pieces)]
        self.assertEqual(self.both(self.write(items)), [text, text])

    def test_bytes_that_are_no_text_are_replaced(self) -> None:
        path = self.write([Output(0, START, b"a\xff\x9b31mb\xe2\x82")])
        expected = "a\ufffd\ufffd31mb\ufffd".encode()
        self.assertEqual(self.both(path), [expected, expected])

    def test_markers_and_input_are_not_output(self) -> None:
        typed = Recorded(b"ls\r").words
        items: list[Item] = [
            Output(0, START, b"$ "),
            Marker(2, START + 1, MarkerKind.PEN, "alice types", 2),
            Marker(2, START + 2, MarkerKind.INPUT, typed, 2),
            Output(2, START + 2, b"ls\r\n"),
            Marker(6, START + 3, MarkerKind.GAP, "the disk was full", 100),
            Output(100, START - 3600, b"$ "),
            Marker(102, START - 3600, MarkerKind.LEFT, "alice", 102),
        ]
        self.assertEqual(self.both(self.write(items)), [b"$ ls\r\n$ ", b"$ ls\r\n$ "])

    def test_a_recording_of_nothing(self) -> None:
        self.assertEqual(self.both(self.write([])), [b"", b""])
