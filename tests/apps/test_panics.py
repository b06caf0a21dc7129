"""`panics`, and `log NAME --panic N`: by rights and history as the log."""

import json
from pathlib import Path

from attrs import evolve

from tests.apps.support import BOB, FakeChannel
from tests.apps.test_log import LogTestCase
from tests.log.inline import Here
from vspc.config.alert_settings import PanicSettings
from vspc.console.access import Access
from vspc.log.panics import PanicBox


class PanicVerbs(LogTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.desk.context = evolve(self.desk.context, panics=self.box(Path(self.mktemp())))
        self.host = self.vm()
        self.output(self.host, b"boot\r\nlast words\r\n\x1b[31mKernel panic\x1b[0m: oh\r\n")
        self.panics.freeze(self.console, 18, b"Kernel panic: oh", "panic")
        self.run_on()
        self.output(self.host, b"after\r\n")
        self.desk.clock.advance(PanicSettings().after)
        self.run_on()
        self.output(self.host, b"another boot\r\n")

    def box(self, root: Path) -> PanicBox:
        self.panics = PanicBox(
            root,
            PanicSettings(),
            self.desk.clock,
            lambda call: call(),
            lambda _event, _facts: None,
            Here(),
            lambda: None,
            self.logged.log.queries,
        )
        self.panics.find = self.desk.roster.get
        self.panics.open()
        self.panics.start()
        return self.panics

    def bob(self, line: str) -> FakeChannel:
        channel = self.desk.say(line, BOB)
        self.run_on()
        return channel


class Listing(PanicVerbs):
    def test_a_table(self) -> None:
        for line in ("panics", "panics 'web*'"):
            text = self.say(line).text.splitlines()
            self.assertEqual(text[1].split()[:2], ["web01", "1"])
            self.assertTrue(text[1].endswith("Kernel panic: oh"), text)

    def test_json(self) -> None:
        (facts,) = json.loads(self.say("panics --json").text)
        self.assertEqual((facts["panic"], facts["pattern"], facts["offset"]), (1, "panic", 18))
        self.assertEqual((facts["from"], facts["to"], facts["open"]), (0, 52, False))
        self.assertEqual(facts["line"], "Kernel panic: oh")

    def test_none(self) -> None:
        self.assertEqual(self.say("panics 'db*'").status, 3)
        self.panics.reload(PanicSettings(max_console=0))
        channel = self.say("panics")
        self.assertEqual(
            (channel.status, channel.text, channel.complaint), (0, "", "[no panics]\n")
        )

    def test_of_a_console_that_one_may_not_read(self) -> None:
        self.desk.rules = Access(())
        channel = self.bob("panics --json")
        self.assertEqual((channel.status, channel.text), (0, "[]\n"))
        self.assertEqual(self.bob("panics web01").status, 3)
        self.assertEqual(self.bob("log web01 --panic 1").status, 3)

    def test_of_all_others(self) -> None:
        self.assertEqual(len(json.loads(self.bob("panics --json").text)), 1)


class Reading(PanicVerbs):
    def test_all_of_it_and_no_more(self) -> None:
        channel = self.say("log web01 --panic 1")
        expected = "boot\nlast words\n\x1b[31mKernel panic\x1b[0m: oh\nafter\n"
        self.assertEqual((channel.status, channel.text), (0, expected))
        self.assertEqual(channel.complaint, "")

    def test_exact_bytes_after_the_log_is_gone(self) -> None:
        self.logged.writer.store.forget(bytes.fromhex(self.console.id))
        channel = self.say("log web01 --panic 1 --raw")
        self.assertTrue(channel.text.endswith("\x1b[31mKernel panic\x1b[0m: oh\r\nafter\r\n"))

    def test_options_of_log(self) -> None:
        for options, text in (
            ("-n 2", "\x1b[31mKernel panic\x1b[0m: oh\nafter\n"),
            ("--grep words", "last words\n"),
            ("--from 6 --bytes 4", "last"),
        ):
            self.assertEqual(self.say(f"log web01 --panic 1 {options}").text, text, options)
        self.assertRegex(self.say("log web01 --panic 1 -t").text, r"\A20\S+Z boot\n")
        lines = self.say("log web01 --panic 1 --json").text.splitlines()
        texts = [json.loads(line).get("text") for line in lines]
        self.assertIn("last words", texts)
        self.assertEqual(self.say("log web01 --panic 1 --grep nothing").status, 1)

    def test_one_that_is_not_there(self) -> None:
        channel = self.say("log web01 --panic 2")
        self.assertEqual(channel.status, 1)
        self.assertEqual(channel.complaint, "no panic 2 of web01; `panics` lists them\n")

    def test_one_whose_file_cannot_be_read_is_not_what_memory_has(self) -> None:
        (path,) = self.panics.root.glob("*/1.panic")
        path.write_bytes(b"nothing")
        for options in ("", "--raw", "-n 2", "--grep boot", "--json"):
            channel = self.say(f"log web01 --panic 1 {options}")
            self.assertEqual((channel.status, channel.text), (1, ""), options)
            self.assertIn("cannot be read", channel.complaint)

    def test_what_makes_no_sense(self) -> None:
        for options in ("-f", "--boot 1"):
            self.assertEqual(self.say(f"log web01 --panic 1 {options}").status, 2, options)
        self.assertEqual(self.say("log 'web*' --panic 1 --grep x").status, 2)

    def test_how_far_one_may_look_back(self) -> None:
        def limited(seconds: float) -> None:
            self.desk.context = evolve(
                self.desk.context, history_limit=lambda _operator, _subject: seconds
            )

        limited(5.0)
        self.assertEqual(self.bob("log web01 --panic 1").status, 1)
        self.assertEqual(json.loads(self.bob("panics --json").text), [])
        limited(3600.0)
        self.assertEqual(self.bob("log web01 --panic 1").status, 0)
