"""`log`, `boots`, replays and `raw`, from the logs of consoles that VMs are on."""

import json

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import ALICE, BOB, XTERM, Desk, FakeChannel
from tests.console import screens
from tests.log.inline import InlineWriter, Logged
from tests.vm.support import Host
from vspc.apps.terminal.replay import REPLAY_BYTES
from vspc.apps.verbs.context import VerbContext
from vspc.console.access import Access
from vspc.console.console import Console
from vspc.console.logs import MarkerKind
from vspc.log.log import PRIMED
from vspc.vm.early_output import BUFFER, TOO_EARLY


class LogTestCase(SynchronousTestCase):
    """alice at a desk whose consoles are logged."""

    def setUp(self) -> None:
        self.desk = self.new_desk()
        self.logged = Logged(self.desk)
        self.addCleanup(self.logged.close)
        self.join()

    def new_desk(self) -> Desk:
        desk = Desk()
        desk.clock.advance(1)
        return desk

    def join(self) -> None:
        desk, logs = self.desk, self.logged.log.queries
        desk.context = VerbContext(desk.roster, desk.rights, desk.clock, desk.server, logs)

    def restart(self, clean: bool = True) -> None:
        self.desk = self.new_desk()
        self.logged.restart(self.desk, clean)
        self.join()

    def vm(self, name: bytes = b"web01", address: str = "10.0.0.1", **about: bytes) -> Host:
        host = self.desk.host(address)
        host.register(name, **about)
        return host

    @property
    def console(self) -> Console:
        """The only one."""
        (console,) = self.desk.roster
        return console

    def say(self, line: str, window: int = 1 << 22, rounds: int = 50) -> FakeChannel:
        """A command that has the time that it needs."""
        channel = self.desk.say(line, window=window)
        self.run_on(rounds)
        return channel

    def run_on(self, rounds: int = 50) -> None:
        for _ in range(rounds):
            self.desk.clock.advance(0.001)
            self.desk.turn()

    def output(self, host: Host, data: bytes) -> None:
        host.say_quietly(data)
        self.desk.clock.advance(0.1)
        self.desk.turn()


class Printing(LogTestCase):
    """What of a log, and how."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.vm()
        for line in (b"one\r\n", b"two \x1b[31mred\x1b]0;title\x07\r\n", b"three\r\n", b"login: "):
            self.output(self.host, line)

    def test_all_of_it_as_text_and_colours_with_the_prompt_last(self) -> None:
        channel = self.say("log web01")
        self.assertEqual(channel.output, b"one\ntwo \x1b[31mred\nthree\nlogin: ")
        self.assertEqual(channel.status, 0)

    def test_exact_bytes(self) -> None:
        channel = self.say("log web01 --raw")
        self.assertEqual(
            channel.output, b"one\r\ntwo \x1b[31mred\x1b]0;title\x07\r\nthree\r\nlogin: "
        )

    def test_the_last_lines(self) -> None:
        self.assertEqual(self.say("log web01 -n 2").output, b"three\nlogin: ")

    def test_from_an_offset_and_so_many_bytes(self) -> None:
        self.assertEqual(self.say("log web01 --raw --from 5 --bytes 3").output, b"two")

    def test_from_an_offset_that_does_not_exist_yet(self) -> None:
        channel = self.say("log web01 --from 1000")
        self.assertEqual(channel.status, 1)
        self.assertIn("offset 1000 does not exist yet", channel.complaint)

    def test_times_are_of_the_first_byte_of_a_line(self) -> None:
        self.output(self.host, b"x")
        self.output(self.host, b"y\n")
        lines = self.say("log web01 --timestamps").text.splitlines()
        times = [line.split(" ", 1)[0] for line in lines]
        self.assertEqual(lines[3].split(" ", 1)[1], "login: xy")
        self.assertEqual(times, sorted(times))
        self.assertRegex(times[0], r"^2023-11-14T22:13:21\.\d\d\dZ$")

    def test_json_has_offsets_times_and_markers(self) -> None:
        lines = [json.loads(line) for line in self.say("log web01 --json").text.splitlines()]
        self.assertEqual(lines[0]["marker"], "connected")
        said = [line for line in lines if "marker" not in line]
        self.assertEqual([line["offset"] for line in said], [0, 5, 29, 36])
        self.assertEqual(said[1]["text"], "two \x1b[31mred")
        self.assertTrue(said[3]["unfinished"])

    def test_since_and_until(self) -> None:
        times = [line.split(" ")[0] for line in self.say("log web01 --timestamps").text.split("\n")]
        self.assertEqual(self.say(f"log web01 --since {times[2]}").output, b"three\nlogin: ")
        self.assertEqual(self.say(f"log web01 --until {times[1]}").output, b"one\n")
        self.assertEqual(self.say("log web01 --since 1h -t").text.count("\n"), 4)

    def test_lines_that_match(self) -> None:
        channel = self.say("log web01 --grep 'o[n]e|thr'")
        self.assertEqual((channel.output, channel.status), (b"one\nthree\n", 0))

    def test_no_line_that_matches_is_status_1(self) -> None:
        channel = self.say("log web01 --grep nowhere")
        self.assertEqual((channel.output, channel.status), (b"", 1))

    def test_what_was_asked_for_wrongly(self) -> None:
        for words, why in (
            ("--grep '('", "invalid regular expression"),
            ("--since yesterday", "not a time"),
            ("-n many", "takes a number"),
            ("--raw --json", "exclude each other"),
            ("-n 1 --from 1", "exclude each other"),
            ("-f --until 1h", "-f excludes"),
            ("--colour", "unknown option '--colour'"),
            ("--from", "takes a value"),
        ):
            channel = self.say(f"log web01 {words}")
            self.assertEqual(channel.status, 2, words)
            self.assertIn(why, channel.complaint, words)
            self.assertIn("usage: log NAME", channel.complaint)

    def test_without_the_right_to_read(self) -> None:
        self.vm(b"secret1", uuid=b"99" * 16)
        channel = self.desk.say("log secret1", BOB)
        self.assertEqual(channel.status, 3)

    def test_a_slow_reader_gets_everything(self) -> None:
        self.output(self.host, b"".join(b"line %05d\n" % n for n in range(2000)))
        channel = self.say("log web01 --raw", window=1000)
        while channel.status is None:
            channel.read(1000)
            self.run_on(3)
        self.assertEqual(channel.output[-22:], b"line 01998\nline 01999\n")
        self.assertEqual(channel.output.count(b"line"), 2000)

    def test_output_stops_when_the_right_to_read_is_lost(self) -> None:
        self.output(self.host, b"".join(b"line %05d\n" % n for n in range(20_000)))
        rules = self.desk.rules
        for line in ("log web01 --raw", "log web01 --raw -f", "export web01 --format raw"):
            self.desk.rules = rules
            channel = self.say(line, window=1000)
            self.desk.rules = Access(())
            while channel.status is None:
                channel.read(1000)
                self.run_on(3)
            self.assertEqual(channel.status, 1, line)
            self.assertIn("web01: you may no longer read this console", channel.complaint)
            self.assertNotIn(b"line 19999", channel.output, line)


class Following(LogTestCase):
    """`log -f`."""

    def test_what_was_and_what_comes_over_moves_and_restarts_of_the_vm(self) -> None:
        host = self.vm()
        self.output(host, b"before\n")
        channel = self.say("log web01 -f")
        self.output(host, b"during\n")
        host.lose()
        self.run_on()
        self.output(self.vm(), b"after\n")
        self.assertEqual(channel.output, b"before\nduring\nafter\n")
        self.assertIn("is away", channel.complaint)
        self.assertIsNone(channel.status)

    def test_a_prompt_is_shown_before_its_line_ends(self) -> None:
        host = self.vm()
        channel = self.say("log web01 -f")
        for piece in (b"log", b"in: ", b"root\r\n", b"# "):
            self.output(host, piece)
        self.assertEqual(channel.output, b"login: root\n# ")

    def test_only_lines_that_match(self) -> None:
        host = self.vm()
        self.output(host, b"a panic\nfine\n")
        channel = self.say("log web01 -f --grep panic")
        self.output(host, b"fine, too\nkernel pa")
        self.output(host, b"nic\n")
        self.assertEqual(channel.output, b"a panic\nkernel panic\n")

    def test_a_reader_that_is_too_slow_continues_from_the_log(self) -> None:
        host = self.vm()
        self.output(host, b"start\n")
        channel = self.say("log web01 -f --raw", window=6)
        said = b"start\n"
        for number in range(300):
            data = b"%06d " % number * 150 + b"\n"
            self.output(host, data)
            said += data
        while len(channel.output) < len(said):
            before = len(channel.output)
            channel.read(65536)
            self.run_on(5)
            self.assertGreater(len(channel.output), before)
        self.assertEqual(bytes(channel.output), said)
        self.assertEqual(channel.complaint, "")

    def test_when_it_is_ended_it_says_from_where_the_client_has_nothing_yet(self) -> None:
        for number, (options, window, reached) in enumerate(
            (
                ("--raw", 1 << 20, 3006),
                ("--raw", 10, 10),
                ("", 1 << 20, 3006),
                ("-t", 1 << 20, 3001),
            ),
            1,
        ):
            host = self.vm(b"vm%d" % number, uuid=b"%032x" % number)
            channel = self.say(f"log vm{number} -f {options}", window=window)
            self.output(host, b"first\n")
            self.output(host, b"second" * 499 + b"\nthird")
            host.lose()
            self.run_on()
            self.assertTrue(self.desk.server.forget(self.console))
            self.run_on()
            self.assertIn(f"--from {reached} continues", channel.complaint, (options, window))


class Lossless(LogTestCase):
    """`raw` (law 1)."""

    def test_it_continues_from_the_log_where_the_history_has_lost_output(self) -> None:
        host = self.vm()
        self.output(host, b"x")
        channel = self.say("raw web01", window=10)
        said = b"".join(b"%07d\n" % number for number in range(30_000))
        for at in range(0, len(said), 16_000):
            self.output(host, said[at : at + 16_000])
        for _ in range(100):
            channel.read(65536)
            self.run_on(5)
        self.assertEqual(bytes(channel.output), said)
        self.assertEqual(channel.complaint, "")
        self.output(host, b"live again")
        self.assertTrue(channel.output.endswith(b"live again"))

    def test_from_an_offset_that_only_the_log_has(self) -> None:
        host = self.vm()
        for _ in range(20):
            self.output(host, b"0123456789abcdef" * 1000)
        channel = self.say("raw web01 --from 16", window=1 << 22, rounds=100)
        self.assertEqual(bytes(channel.output), (b"0123456789abcdef" * 20_000)[16:])

    def test_where_the_log_has_it_neither_it_ends_with_both_offsets(self) -> None:
        host = self.vm()
        self.output(host, b"before ")
        self.restart(clean=False)
        self.output(self.vm(), b"after")
        channel = self.say("raw web01 --from 2")
        self.assertEqual(channel.status, 1)
        self.assertEqual(channel.output, b"fore ")
        self.assertRegex(channel.complaint, r"output lost: offsets 7 to 1048576 .* killed")

    def test_a_change_of_host_ends_it_at_its_place_even_while_it_reads_the_log(self) -> None:
        host = self.vm()
        self.output(host, b"x")
        channel = self.say("raw web01", window=10)
        said = b"y" * 200_000
        for at in range(0, len(said), 16_000):
            self.output(host, said[at : at + 16_000])
        host.lose()
        other = self.vm(address="10.0.0.99")
        self.output(other, b"z" * 100_000)
        for _ in range(100):
            channel.read(65536)
            self.run_on(5)
        self.assertEqual(bytes(channel.output), said)
        self.assertEqual(channel.status, 1)


class Restarts(LogTestCase):
    """The server ends and begins."""

    def test_a_console_is_there_before_its_vm_comes_back_and_goes_on(self) -> None:
        self.output(self.vm(), b"yesterday\n")
        before = self.say("list --json").text
        self.restart()
        listed = json.loads(self.say("list --json").text)
        self.assertEqual([c["state"] for c in listed], ["away"])
        self.assertEqual(listed[0]["id"], json.loads(before)[0]["id"])
        self.assertEqual(self.say("log web01").output, b"yesterday\n")
        self.output(self.vm(), b"today\n")
        self.assertEqual(self.say("log web01").output, b"yesterday\ntoday\n")
        self.assertEqual(self.console.history.end, 16)

    def test_its_ring_is_primed_from_the_log_when_its_vm_connects(self) -> None:
        self.output(self.vm(), b"yesterday\n")
        self.restart()
        self.vm()
        history = self.console.history
        self.assertEqual(history.read(history.start, 100), b"yesterday\n")

    def test_a_terminal_is_replayed_what_was_before_the_restart(self) -> None:
        self.output(self.vm(), b"yesterday\nprompt# ")
        self.restart()
        channel = self.desk.say("console web01", terminal=XTERM)
        self.run_on()
        self.assertIn("yesterday", channel.text)
        self.assertTrue(channel.text.endswith("prompt# "))

    def test_a_terminal_is_replayed_what_was_before_a_kill(self) -> None:
        self.output(self.vm(), b"one\ntwo\nprompt# ")
        self.restart(clean=False)
        self.vm()
        channel = self.desk.say("console web01 replay=2", terminal=XTERM)
        self.run_on()
        self.assertIn("two", channel.text)
        self.assertNotIn("one\r", channel.text)
        self.assertTrue(channel.text.endswith("prompt# "))
        self.assertEqual(self.say("log web01 -n 2").output, b"two\nprompt# ")

    def test_its_ring_is_primed_with_64_kib_at_most(self) -> None:
        said = b"".join(b"%063d\n" % n for n in range(2048))
        host = self.vm()
        for at in range(0, len(said), 8192):
            self.output(host, said[at : at + 8192])
        self.restart()
        self.console.history._limit = 1 << 20
        self.vm()
        history = self.console.history
        self.assertEqual(history.read(history.start, 1 << 20), said[-PRIMED:])

    def test_a_short_replay_goes_back_16_kib_at_most(self) -> None:
        self.output(self.vm(), b"".join(b"%d" % n + b"x" * 2000 + b"\n" for n in range(20)))
        channel = self.desk.say("console web01", terminal=XTERM)
        self.run_on()
        self.assertTrue(REPLAY_BYTES - 2001 < channel.text.count("x") <= REPLAY_BYTES)
        self.assertIn("12xx", channel.text)
        self.assertNotIn("11xx", channel.text)

    def test_a_gap_in_a_replay_is_told_in_its_place(self) -> None:
        host = self.vm()
        self.output(host, b"one\ntwo")
        self.console.link.output_lost(1000, "too much")
        self.output(host, b"three\nprompt# ")
        channel = self.desk.say("console web01 replay=20", terminal=XTERM)
        self.run_on()
        told = r"two\s*\[output lost: too much[^]]*\(offsets 7 to 1007\)\]\s*three"
        self.assertRegex(channel.text, told)
        self.assertTrue(channel.text.endswith("prompt# "))

    def test_no_screen_is_made_of_what_is_before_a_gap(self) -> None:
        host = self.vm()
        self.output(host, screens.VI)
        self.console.link.output_lost(1000, "too much")
        self.output(host, b"$ prompt")
        channel = self.desk.say("console web01", terminal=XTERM)
        self.run_on()
        self.assertNotIn(b"\x1b[?1049h", channel.output)
        self.assertRegex(channel.text, r"\[output lost: too much[^]]*\]")
        self.assertTrue(channel.text.endswith("$ prompt"))

    def test_a_forgotten_console_does_not_come_back_but_its_log_does(self) -> None:
        host = self.vm()
        self.output(host, b"secret of monday\n")
        host.lose()
        self.run_on()
        self.assertTrue(self.desk.server.forget(self.console))
        self.restart()
        self.assertEqual(self.say("list").text.count("\n"), 1)
        self.output(self.vm(), b"tuesday\n")
        self.assertEqual(self.say("log web01").output, b"secret of monday\ntuesday\n")

    def test_two_ports_come_back_as_they_were(self) -> None:
        for uri in (b"vspc?port=com1", b"vspc?port=com2"):
            self.output(self.vm(uri=uri), uri)
        ids = {c.port: c.id for c in self.desk.roster}
        self.restart()
        self.assertEqual({c.port: c.id for c in self.desk.roster}, ids)
        self.assertEqual(self.say("log web01:com2").output, b"vspc?port=com2")


class Boots(LogTestCase):
    """When a VM booted."""

    def test_lines_and_their_text(self) -> None:
        host = self.vm()
        self.output(host, b"SeaBIOS (version 1.16)\n")
        self.output(host, b"[ 0.0] Linux version 6.1.0 (gcc)\nlogin: ")
        self.output(host, b"\nSeaBIOS (version 1.16)\nagain\n")
        host.lose()
        self.run_on()
        self.output(self.vm(), b"third\n")
        found = json.loads(self.say("boots web01 --json").text)
        self.assertEqual(
            [boot["signs"] for boot in found],
            [
                ["new line", "SeaBIOS (version 1.16)", "Linux version 6.1.0 (gcc)"],
                ["SeaBIOS (version 1.16)"],
            ],
        )
        second = b"SeaBIOS (version 1.16)\nagain\nthird\n"
        self.assertEqual(self.say("log web01 --boot 2").output, second)
        self.assertEqual(self.say("log web01 --boot 0").output, second)
        self.assertEqual(self.say("log web01 --boot -1").output.count(b"login: "), 1)
        self.assertEqual(self.say("log web01 --boot 3").status, 1)

    def test_a_sign_that_is_cut_in_two(self) -> None:
        host = self.vm()
        self.output(host, b"rubbish\nSeaB")
        self.say("log web01")
        self.output(host, b"IOS (version 1)\n")
        (boot,) = json.loads(self.say("boots web01 --json").text)
        self.assertEqual(boot["signs"], ["new line", "SeaBIOS (version 1)"])


class Markers(LogTestCase):
    """What happens on a console stands in its log."""

    def test_each_in_its_place(self) -> None:
        host = self.vm()
        self.output(host, b"a")
        channel = self.desk.say("console web01", terminal=XTERM)
        channel.type(b"x")
        channel.close()
        host.lose()
        self.run_on()
        lines = [json.loads(line) for line in self.say("log web01 --json").text.splitlines()]
        kinds = [line["marker"] for line in lines if "marker" in line]
        self.assertEqual(kinds, ["connected", "attached", "pen", "left", "pen", "away"])
        self.assertIn(MarkerKind.PEN.value, kinds)
        self.assertNotIn("x", [line["text"] for line in lines])


class LookingBack(LogTestCase):
    """`[[access]] history`."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.vm()
        self.output(self.host, b"long ago\n")
        self.desk.clock.advance(3600)
        self.output(self.host, b"just now\n")
        context = self.desk.context
        limit = lambda operator, _subject: 600.0 if operator == BOB else None  # noqa: E731
        self.desk.context = evolve(context, history_limit=limit)

    def bob(self, line: str, terminal: bool = False) -> FakeChannel:
        channel = self.desk.say(line, BOB, XTERM if terminal else None)
        self.run_on()
        return channel

    def test_a_log_begins_there(self) -> None:
        self.assertEqual(self.bob("log web01").output, b"just now\n")
        self.assertEqual(self.bob("log web01 --from 0").output, b"just now\n")
        self.assertEqual(self.bob("log web01 --since 2h").output, b"just now\n")
        self.assertEqual(self.bob("log web01 --grep long").status, 1)
        self.assertEqual(self.bob("log web01 -n 5").output, b"just now\n")

    def test_a_replay_begins_there(self) -> None:
        text = self.bob("console web01", terminal=True).text
        self.assertIn("just now", text)
        self.assertNotIn("long ago", text)

    def test_raw_is_refused(self) -> None:
        channel = self.bob("raw web01 --from 0 ro")
        self.assertEqual((channel.status, channel.output), (4, b""))
        self.assertIn("offset 9", channel.complaint)
        self.assertEqual(self.bob("raw web01 --from 9 ro").output, b"just now\n")

    def test_the_boots_before_are_not_listed(self) -> None:
        self.assertEqual(json.loads(self.bob("boots web01 --json").text), [])

    def test_others_see_it_all(self) -> None:
        self.assertEqual(self.desk.say("log web01", ALICE).output, b"long ago\njust now\n")

    def test_nothing_is_shown_if_a_reload_takes_the_right_while_the_log_is_asked(self) -> None:
        rules = self.desk.rules
        for line in ("boots web01", "record list web01", "raw web01 --from 0 ro"):
            writer = self.logged.log.writer
            assert isinstance(writer, InlineWriter)
            writer.held = True
            channel = self.desk.say(line, BOB)
            self.assertIsNone(channel.status, line)
            self.desk.rules = Access(())
            writer.held = False
            writer.catch_up()
            self.run_on()
            self.desk.rules = rules
            self.assertEqual((channel.status, channel.output), (3, b""), line)
            self.assertIn("web01: you may no longer read", channel.complaint)


class TooMuchBeforeAConsole(LogTestCase):
    """Of what a line sent before it had a console the oldest was not kept."""

    EARLY = b"0123456789" + b"x" * BUFFER
    """10 bytes too many."""

    def setUp(self) -> None:
        super().setUp()
        self.old = self.vm()
        self.output(self.old, b"before\r\n")

    def come_again(self) -> None:
        """The VM has another line, on which it says `EARLY` and then who it is."""
        self.old.lose()
        host = self.desk.host("10.0.0.1").agree()
        host.say_quietly(self.EARLY)
        host.register()
        self.output(host, b"after")

    def test_the_log_has_a_gap_with_its_offsets(self) -> None:
        self.come_again()
        lines = self.say("log web01 --json").output.decode().splitlines()
        (gap,) = [found for found in map(json.loads, lines) if found.get("marker") == "gap"]
        self.assertEqual((gap["offset"], gap["end"]), (8, 18))
        self.assertIn(f"{TOO_EARLY}: 10 bytes", gap["text"])

    def test_so_has_one_that_begins_with_it(self) -> None:
        host = self.desk.host("10.0.0.2").agree()
        host.say_quietly(self.EARLY)
        host.register(b"web02")
        self.output(host, b"after")
        printed = self.say("log web02 --raw")
        self.assertEqual(bytes(printed.output), b"x" * BUFFER + b"after")
        self.assertIn("output lost: offsets 0 to 10 of web02", printed.errors.decode())

    def test_it_is_there_after_a_restart(self) -> None:
        self.come_again()
        self.restart()
        printed = self.say("log web01 --raw")
        self.assertEqual(bytes(printed.output), b"before\r\n" + b"x" * BUFFER + b"after")
        self.assertIn("output lost: offsets 8 to 18 of web01", printed.errors.decode())

    def test_raw_ends_there_and_says_so_and_goes_on_behind_it(self) -> None:
        reader = self.say("raw web01 --from 0 ro")
        self.come_again()
        self.run_on()
        self.assertEqual(bytes(reader.output), b"before\r\n")
        self.assertIn("output lost: offsets 8 to 18 of web01", reader.errors.decode())
        self.assertIn(TOO_EARLY, reader.errors.decode())
        self.assertEqual(reader.status, 1)
        rest = self.say("raw web01 --from 18 ro")
        self.assertEqual(bytes(rest.output), b"x" * BUFFER + b"after")

    def test_a_terminal_shows_why_and_goes_on(self) -> None:
        shown = self.desk.say("console web01", terminal=XTERM)
        self.run_on()
        self.come_again()
        self.run_on()
        self.assertIn(f"output lost: {TOO_EARLY} (offsets 8 to 18)", shown.output.decode())
        self.assertIn("xxxafter", shown.output.decode())

    def test_log_f_shows_it_in_its_place(self) -> None:
        shown = self.say("log web01 -f --raw --from 0")
        self.come_again()
        self.run_on()
        self.assertEqual(bytes(shown.output), b"before\r\n" + b"x" * BUFFER + b"after")
        self.assertIn("output lost: offsets 8 to 18 of web01", shown.errors.decode())

    def test_watch_says_why(self) -> None:
        shown = self.say("watch web01")
        self.come_again()
        self.desk.clock.advance(5)
        self.run_on()
        self.assertIn(f"{TOO_EARLY} (offsets 8 to 18)", shown.errors.decode())
