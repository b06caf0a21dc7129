"""`export`, `record`, `note`, and what is typed in a log."""

import json
from typing import Any

from tests.apps.support import BOB
from tests.apps.test_log import LogTestCase
from tests.log.inline import Logged
from vspc.config.settings import LogSettings
from vspc.console.access import Operator


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

    def test_an_asciicast_begins_with_the_first_event(self) -> None:
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
        self.assertIn("for asciicasts, not for --format raw", channel.complaint)

    def test_what_was_asked_for_wrongly(self) -> None:
        for words in ("--format gif", "--from soon", "--colour", "--recording x", "--to"):
            self.assertEqual(self.say(f"export web01 {words}").status, 2, words)

    def test_recordings(self) -> None:
        none = self.say("record list web01")
        self.assertEqual((none.status, none.text), (0, ""))
        self.assertEqual(none.complaint, "[the log of web01 has no recordings]\n")
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

    def test_a_recording_begins_when_it_was_started_and_ends_when_it_was_stopped(self) -> None:
        self.desk.clock.advance(100)
        started = self.desk.clock.wall()
        self.say("record start web01")
        self.desk.clock.advance(30)
        self.output(self.host, b"recorded\n")
        self.desk.clock.advance(20)
        self.say("record stop web01")
        self.desk.clock.advance(1000)
        self.say("note web01 'long after'")
        header, *events = self.cast("--recording 1")
        self.assertEqual(header["timestamp"], int(started))
        self.assertEqual(
            [event[1:] for event in events],
            [
                ["m", "recording: started by alice"],
                ["o", "recorded\n"],
                ["m", "recording: stopped by alice"],
            ],
        )
        self.assertEqual(events[0][0], 0)
        self.assertAlmostEqual(events[1][0], 30, 0)
        self.assertAlmostEqual(events[2][0], 50, 0)
        text = self.say("export web01 --recording 1 --format text").text
        self.assertEqual(
            text,
            "[recording: started by alice]\nrecorded\n[recording: stopped by alice]\n",
        )

    def test_a_recording_without_output(self) -> None:
        self.say("record start web01")
        self.desk.clock.advance(5)
        self.say("record stop web01")
        _, *events = self.cast("--recording 1")
        self.assertEqual([event[1] for event in events], ["m", "m"])
        self.assertAlmostEqual(events[1][0], 5, 0)

    def test_a_note_is_in_the_log_and_shown(self) -> None:
        watcher = self.desk.say("raw web01")
        self.assertEqual(self.say("note web01 'disk\tis full'").status, 0)
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

    def test_input_of_send_is_logged_when_its_echo_comes_after_the_end(self) -> None:
        host = self.vm()
        self.output(host, b"login: ")
        for line in ("send web01 root --enter", "send web01 id --enter"):
            self.assertEqual(self.say(line).status, 0)
        self.output(host, b"root\r\nid\r\n")
        self.assertEqual(self.inputs(), ["typed: root\\x0d", "typed: id\\x0d"])
        host.say_quietly(b"Password: ")
        self.say("send web01 canary123 --enter")
        self.desk.clock.advance(1)
        self.run_on()
        self.assertEqual(self.inputs()[2:], ["bytes that were not echoed: 10"])

    def test_what_send_typed_and_was_not_sent_back_yet_is_hidden_when_another_types(self) -> None:
        host = self.vm()
        self.output(host, b"login: ")
        self.say("send web01 root --enter")
        self.desk.say("send web01 other --enter", Operator("carol"))
        self.run_on()
        self.output(host, b"root\r\nother\r\n")
        self.desk.clock.advance(1)
        inputs = self.inputs()
        self.assertEqual(inputs[0], "bytes that were not echoed: 5")

    def test_input_of_send_to_a_vm_without_output(self) -> None:
        host = self.vm()
        self.say("send web01 x --enter")
        self.output(host, b"x\r\n")
        self.assertEqual(self.inputs(), ["typed: x\\x0d"])


class BeforeTheFirstByte(LogTestCase):
    """What people do on a console whose VM has said nothing."""

    def markers(self) -> list[tuple[str, str]]:
        lines = [json.loads(line) for line in self.say("log web01 --json").text.splitlines()]
        return [(line["marker"], line["text"]) for line in lines]

    def test_the_log_begins_with_it(self) -> None:
        for line, marker in (
            ("note web01 hello", ("note", "alice: hello")),
            ("record start web01", ("recording", "started by alice")),
            ("raw web01 ro", ("attached", "alice from 192.0.2.1")),
            ("send web01 x", ("pen", "alice types")),
        ):
            self.setUp()
            self.vm()
            self.assertIn(self.say(line).status, (0, None), line)
            found = self.markers()
            self.assertEqual(found[0], ("connected", "web01 at 10.0.0.1"), line)
            self.assertIn(marker, found, line)

    def test_it_is_there_after_a_restart(self) -> None:
        self.vm()
        self.say("note web01 hello")
        for clean in (True, False):
            self.restart(clean)
            self.assertIn(("note", "alice: hello"), self.markers())

    def test_a_recording_that_was_started_then_has_all_of_it(self) -> None:
        host = self.vm()
        self.assertEqual(self.say("record start web01").output, b"1\n")
        self.output(host, b"first\n")
        self.assertEqual(self.say("record stop web01").output, b"1\n")
        self.assertEqual(self.say("export web01 --recording 1 --format raw").output, b"first\n")

    def test_a_line_that_comes_and_goes_makes_no_file(self) -> None:
        host = self.vm()
        host.lose()
        self.desk.clock.advance(1)
        self.vm()
        self.assertEqual(list((self.logged.root / "log" / "consoles").rglob("*")), [])
        self.say("note web01 hello")
        kinds = [kind for kind, _ in self.markers()]
        self.assertEqual(kinds, ["connected", "away", "connected", "note"])
