"""`export`, `record`, `note`, and what is typed in a log."""

import json
from typing import Any

from tests.log.inline import Logged
from tests.verbs.support import BOB
from tests.verbs.test_log import LogTestCase
from vspc.config.classes import LogSettings


class Exporting(LogTestCase):
    """A piece of a log as a file."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.vm()
        self.output(self.host, "grün\r\n".encode())
        self.output(self.host, b"\x1b[31mred\x1b[0m\xff\xff\n")  # 0xFF is doubled in telnet

    def cast(self, words: str = "") -> list[Any]:
        channel = self.say(f"export web01 {words}")
        self.assertEqual(channel.status, 0, channel.complaint)
        return [json.loads(line) for line in channel.text.splitlines()]

    def test_an_asciicast_that_begins_with_the_first_thing_that_happened(self) -> None:
        header, *events = self.cast()
        self.assertEqual((header["version"], header["title"]), (2, "web01"))
        self.assertEqual(header["timestamp"], 1_700_000_001)
        output = [event for event in events if event[1] == "o"]
        self.assertEqual([event[2] for event in output], ["grün\r\n", "\x1b[31mred\x1b[0m\ufffd\n"])
        self.assertAlmostEqual(output[1][0] - output[0][0], 0.1, 3)
        self.assertEqual(events[0][1], "m")

    def test_raw_and_text(self) -> None:
        raw = self.say("export web01 --format raw")
        self.assertEqual(raw.output, "grün\r\n".encode() + b"\x1b[31mred\x1b[0m\xff\n")
        text = self.say("export web01 --format=text").text
        self.assertTrue(text.startswith("[connected: web01 at 10.0.0.1]\ngrün\n\x1b[31mred"))

    def test_from_and_to_are_offsets_or_times(self) -> None:
        self.assertEqual(self.say("export web01 --format raw --from 1 --to 3").output, b"r\xc3")
        self.assertEqual(self.say("export web01 --format raw --to 1h").output, b"")
        self.assertEqual(len(self.say("export web01 --format raw --from 1h").output), 21)

    def test_the_size_of_the_terminal_is_as_asked_for(self) -> None:
        for words, size in (
            ("", (80, 24)),
            ("--size 120x40", (120, 40)),
            ("--size=1x1000", (1, 1000)),
        ):
            header = self.cast(words)[0]
            self.assertEqual((header["width"], header["height"]), size)

    def test_a_size_that_is_none(self) -> None:
        for word in ("120", "x40", "0x40", "120x1001", "120X40", "-1x2", "1x2x3", "\u0661x2"):
            channel = self.say(f"export web01 --size {word}")
            self.assertEqual(channel.status, 2, word)
            self.assertIn(
                "--size takes columns and rows, each from 1 to 1000, as in 120x40",
                channel.complaint,
            )
        channel = self.say("export web01 --format raw --size 120x40")
        self.assertEqual((channel.status, channel.output), (2, b""))
        self.assertIn("does not go with --format raw", channel.complaint)

    def test_what_was_asked_for_wrongly(self) -> None:
        for words in ("--format gif", "--from soon", "--colour", "--recording x", "--to"):
            self.assertEqual(self.say(f"export web01 {words}").status, 2, words)

    def test_recordings(self) -> None:
        self.assertEqual(self.say("record start web01").output, b"1\n")
        self.assertEqual(self.say("record start web01").status, 1)
        self.output(self.host, b"recorded\n")
        self.assertEqual(self.say("record stop web01").output, b"1\n")
        self.output(self.host, b"not recorded\n")
        self.assertEqual(self.say("export web01 --recording 1 --format raw").output, b"recorded\n")
        self.assertEqual(self.say("record stop web01").status, 1)
        self.assertRegex(self.say("record list web01").text, r"^1 2023\S+ 21 30 alice\n$")
        self.assertEqual(self.say("export web01 --recording 2").status, 1)
        self.assertEqual(self.desk.say("record start web01", BOB).status, 4)

    def test_a_note_is_in_the_log_and_told(self) -> None:
        watcher = self.desk.say("raw web01")
        self.assertEqual(self.say("note web01 'disk\tis' full").status, 0)
        self.assertIn("[note by alice: disk\\x09is full]", watcher.complaint)
        lines = [json.loads(line) for line in self.say("log web01 --json").text.splitlines()]
        notes = [line["text"] for line in lines if line.get("marker") == "note"]
        self.assertEqual(notes, ["alice: disk\\x09is full"])
        self.assertEqual(self.desk.say("note web01 hello", BOB).status, 4)


class Typing(LogTestCase):
    """`record_input`."""

    def setUp(self) -> None:
        self.desk = self.new_desk()
        self.logged = Logged(self.desk, LogSettings(record_input=True))
        self.addCleanup(self.logged.close)
        self.join()

    def inputs(self) -> list[str]:
        lines = [json.loads(line) for line in self.say("log web01 --json").text.splitlines()]
        return [line["text"] for line in lines if line.get("marker") == "input"]

    def test_what_the_vm_sends_back_is_in_the_log_and_a_password_is_not(self) -> None:
        host = self.vm()
        self.output(host, b"login: ")
        raw = self.desk.say("raw web01")
        for key in b"root\r":
            raw.type(bytes([key]))
            self.output(host, bytes([key]) if key != 13 else b"\r\n")
        self.output(host, b"Password: ")
        raw.type(b"canary123\r")
        self.desk.clock.advance(1)
        self.output(host, b"\r\nWelcome\r\n")
        inputs = self.inputs()
        self.assertEqual(len(inputs), 2)
        self.assertIn("root", inputs[0])
        self.assertIn("10", inputs[1])
        for path in self.logged.root.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"canary", path.read_bytes())
