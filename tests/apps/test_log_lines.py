"""`log` line by line: unfinished lines, lines that a CR ends, whole lines that are searched; and
many logs that are searched at once.
"""

import json
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import BOB, XTERM, FakeChannel
from tests.apps.test_log import LogTestCase
from tests.log.inline import InlineWriter
from vspc.apps.verbs import log
from vspc.apps.verbs.log import IDLE
from vspc.console.access import Access
from vspc.console.log_reading import LONGEST, OutputLine, OutputLines
from vspc.console.logs import Output


def put_together(data: bytes, cuts: Sequence[int] = (), returns: bool = True) -> list[OutputLine]:
    """The lines of `data`, which came in pieces at one time."""
    lines, found, at = OutputLines(returns), list[OutputLine](), 0
    for cut in [*sorted(cuts), len(data)]:
        found += lines.feed(Output(at, 1.0, data[at:cut]))
        at = cut
    return [*found, *lines.flush()]


class Ends(SynchronousTestCase):
    """Where lines end."""

    def test_a_cr_alone_is_an_end_and_cr_lf_is_one(self) -> None:
        for data, texts in (
            (b"10%\r20%\r30%\r\n", [b"10%", b"20%", b"30%"]),
            (b"\r10%\r20%\n\rdone\n", [b"10%", b"20%", b"done"]),
            (b"a\r\r\n\r\n\nb", [b"a", b"", b"", b"b"]),
            (b"a\r", [b"a"]),
            (b"\r\r", []),
        ):
            self.assertEqual([line.text for line in put_together(data)], texts, data)
        self.assertEqual([line.whole for line in put_together(b"a\rb")], [True, False])
        self.assertEqual([line.whole for line in put_together(b"a\r")], [True])

    def test_without_it_a_cr_is_text(self) -> None:
        found = [line.text for line in put_together(b"10%\r20%\r\r\nx\r", returns=False)]
        self.assertEqual(found, [b"10%\r20%", b"x\r"])

    @settings(deadline=None)
    @given(st.data(), st.booleans())
    def test_it_does_not_matter_where_the_pieces_are_cut(
        self, data: st.DataObject, returns: bool
    ) -> None:
        text = data.draw(st.text(st.sampled_from("ab\r\n"), max_size=30)).encode()
        cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=8))
        whole = put_together(text, (), returns)
        self.assertEqual(put_together(text, cuts, returns), whole)
        for line in whole:
            self.assertIn(line.text, text[line.offset : line.end])


class Unfinished(LogTestCase):
    """`log -f` line by line shows a line that does not end after a while."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.vm()

    def wait(self, seconds: float) -> None:
        self.desk.clock.advance(seconds)
        self.desk.turn()

    def test_with_times_it_is_a_line_of_its_own_and_so_is_the_rest(self) -> None:
        channel = self.say("log web01 -f -t")
        self.output(self.host, b"\r\nlogin: ")
        self.wait(IDLE - 0.2)
        self.assertNotIn("login", channel.text)
        self.wait(0.2)
        self.assertRegex(channel.text, r"\n20\S+Z login: \n\Z")
        self.output(self.host, b"root\r\n")
        self.assertRegex(channel.text, r"\n20\S+Z login: \n20\S+Z root\n\Z")

    def test_what_still_comes_is_waited_for(self) -> None:
        channel = self.say("log web01 -f -t")
        for letter in b"Kernel panic":
            self.output(self.host, bytes([letter]))
            self.wait(IDLE - 0.2)
        self.assertEqual(channel.text, "")
        self.wait(IDLE)
        self.assertRegex(channel.text, r"\A20\S+Z Kernel panic\n\Z")
        self.output(self.host, b"\r\nnext\r\n")  # the end of it is no line of its own
        self.assertEqual(channel.text.count("\n"), 2)

    def test_in_json_it_is_marked_and_so_is_what_goes_on_with_it(self) -> None:
        channel = self.say("log web01 -f --json")
        self.output(self.host, b"one\nlogin: ")
        self.wait(IDLE)
        self.output(self.host, b"root\r\nlast\r\n")
        lines = map(json.loads, channel.text.splitlines())
        said = [line for line in lines if "marker" not in line]
        self.assertEqual(
            [(line["offset"], line["text"]) for line in said],
            [(0, "one"), (4, "login: "), (11, "root"), (17, "last")],
        )
        marks = [(line.get("unfinished"), line.get("continued")) for line in said]
        self.assertEqual(marks, [(None, None), (True, None), (None, True), (None, None)])

    def test_a_search_shows_it_if_it_matches_and_again_as_a_whole(self) -> None:
        channel = self.say("log web01 -f --grep panic")
        self.output(self.host, b"login: ")
        self.wait(IDLE)
        self.output(self.host, b"\nKernel panic")
        self.wait(IDLE)
        self.assertEqual(channel.text, "Kernel panic\n")
        self.wait(IDLE * 3)
        self.output(self.host, b" - not syncing\n")
        self.assertEqual(channel.text, "Kernel panic\nKernel panic - not syncing\n")
        self.output(self.host, b"panic")
        self.wait(IDLE)
        self.output(self.host, b"\n")  # nothing was added: it was shown
        self.assertEqual(channel.text.count("\n"), 3)

    def test_one_that_does_not_match_yet_is_shown_when_it_does(self) -> None:
        channel = self.say("log web01 -f --grep panic")
        self.output(self.host, b"Kernel pa")
        self.wait(IDLE * 5)
        self.output(self.host, b"nic\r\n")
        self.assertEqual(channel.text, "Kernel panic\n")

    def test_nothing_is_left_when_the_operator_leaves(self) -> None:
        channel = self.say("log web01 -f -t")
        self.output(self.host, b"login: ")
        channel.close()
        self.wait(IDLE)
        self.assertEqual(channel.text, "")


class Searched(LogTestCase):
    """`--grep` looks at whole lines, and shows nothing else."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.vm()

    def test_a_line_that_begins_before_the_start(self) -> None:
        self.output(self.host, b"other\nKernel pa")
        self.desk.clock.advance(100)
        self.output(self.host, b"nic in web01\nlater\n")
        for line in (
            "log web01 --since 60s --grep Kernel.panic",
            "log web01 --from 17 --grep Kernel.panic",
            "log web01 --from 17 --bytes 30 --grep Kernel.panic",
        ):
            self.assertEqual(self.say(line).text, "Kernel panic in web01\n", line)
        self.assertEqual(self.say("log web01 --since 60s --grep other").status, 1)
        self.assertEqual(self.say("log web01 --from 28 --grep Kernel").text, "")
        self.desk.clock.advance(100)
        self.assertEqual(self.say("log web01 --since 10s --grep Kernel").status, 1)

    def test_one_that_began_before_it_was_followed(self) -> None:
        self.output(self.host, b"x\nKernel pa")
        channels = [self.say(f"log web01 -f {start} --grep ^K.*panic") for start in ("", "-n 0")]
        self.desk.clock.advance(IDLE)
        self.output(self.host, b"nic\n")
        for channel in channels:
            self.assertEqual(channel.text, "Kernel panic\n")

    def test_not_beyond_the_limit_of_history(self) -> None:
        self.output(self.host, b"secret ")
        self.desk.clock.advance(3600)
        self.output(self.host, b"now\n")
        context = self.desk.context
        object.__setattr__(context, "history_limit", lambda _operator, _subject: 600.0)
        self.assertEqual(self.say("log web01 --grep now").text, "now\n")
        self.assertEqual(self.say("log web01 --grep secret").status, 1)

    def test_a_line_of_any_length_is_looked_back_for_at_most_so_far(self) -> None:
        self.output(self.host, b"x" * (3 * LONGEST) + b" end\n")
        channel = self.say(f"log web01 --from {3 * LONGEST} --grep end")
        self.assertEqual(channel.status, 0)
        self.assertLessEqual(len(channel.output), LONGEST + 10)

    def test_markers_and_notices_do_not_pass(self) -> None:
        self.output(self.host, b"connected and away\n")
        for how in ("", "--json"):
            channel = self.say(f"log web01 -f {how} --grep away")
            self.host.lose()
            self.run_on()
            self.host = self.vm()
            self.run_on()
            self.assertEqual(channel.text.count("\n"), 1, how)
            self.assertIn("connected and away", channel.text)
            self.assertEqual(channel.complaint, "")

    def test_a_gap_is_reported(self) -> None:
        self.output(self.host, b"before\n")
        self.restart(clean=False)
        self.output(self.vm(), b"after\n")
        channel = self.say("log web01 --grep before|after")
        self.assertEqual(channel.text, "before\nafter\n")
        self.assertRegex(channel.complaint, r"\A\[output lost: offsets 7 to \d+ of web01: ")

    def test_progress_bars_are_lines(self) -> None:
        self.output(self.host, b"start\r\n")
        for percent in range(0, 101, 10):
            self.output(self.host, b"\r%3d%%" % percent)
        self.output(self.host, b"\r\ndone\r\n")
        self.assertEqual(self.say("log web01 --grep '[5]0%'").text, " 50%\n")
        lines = self.say("log web01 --json").text.splitlines()
        texts = [line["text"] for line in map(json.loads, lines) if "marker" not in line]
        self.assertEqual(texts[:3] + texts[-2:], ["start", "  0%", " 10%", "100%", "done"])
        self.assertEqual(self.say("log web01 -n 3 -t").text.count("\n"), 3)
        self.assertEqual(self.say("log web01 -n 2 --raw").output, b"100%\r\ndone\r\n")
        self.assertEqual(self.say("log web01 -n 5 --raw").output.count(b"%"), 4)
        self.assertEqual(self.say("log web01 -n 13").output, self.say("log web01").output)
        self.assertEqual(self.say("log web01 -n 99").output, self.say("log web01").output)

    def test_the_last_lines_of_a_console_without_a_log(self) -> None:
        console, _ = self.desk.connected("memory", f"{99:032x}")
        console.link.output(b"1\r2\r3\r\n4")
        self.desk.context = self.desk.context.__class__(
            self.desk.roster, self.desk.rights, self.desk.clock, self.desk.server
        )
        self.assertEqual(self.say("log memory -n 2 -t").text.count("\n"), 2)
        self.assertEqual(self.say("log memory --grep [23]").text, "2\n3\n")


class Many(LogTestCase):
    """`log 'web*' --grep`."""

    def setUp(self) -> None:
        super().setUp()
        for number, name in enumerate((b"web-10", b"web-2", b"db", b"secret-web"), 1):
            host = self.vm(name, uuid=f"{number:02x}".encode() * 16)
            self.output(host, b"old panic\nfine\n")
        self.desk.clock.advance(7200)
        self.hosts = {c.name: c for c in self.desk.roster}
        self.hosts["web-10"].link.output(b"a panic\r\nfine\r\n")
        self.hosts["web-2"].link.output(b"panic in web-2\nlogin: ")
        self.desk.clock.advance(0.1)

    def test_each_line_has_the_name_of_its_console_before_it(self) -> None:
        channel = self.say("log 'web*' --grep panic --since 1h")
        self.assertEqual(channel.text, "web-2: panic in web-2\nweb-10: a panic\n")
        self.assertEqual((channel.status, channel.complaint), (0, ""))

    def test_in_json_it_has_name_and_handle(self) -> None:
        lines = map(json.loads, self.say("log 'w*' --grep panic --json").text.splitlines())
        found = [(line["console"], line["handle"], line["text"]) for line in lines]
        self.assertEqual(found[0], ("web-2", "web-2", "old panic"))
        self.assertEqual(len(found), 4)

    def test_with_times_the_name_comes_first(self) -> None:
        text = self.say("log web-1? --grep a.panic -t").text
        self.assertRegex(text, r"\Aweb-10: 20\S+Z a panic\n\Z")

    def test_what_may_not_be_read_is_not_searched(self) -> None:
        channel = self.desk.say("log '*' --grep panic", BOB)
        self.run_on()
        self.assertNotIn("secret", channel.text)
        self.assertEqual(channel.text.count("panic"), 5)
        self.assertEqual(self.desk.say("log 'secret*' --grep panic", BOB).status, 3)

    def test_consoles_that_become_unreadable_are_skipped(self) -> None:
        channel = self.desk.say("log '*' --grep panic")
        self.desk.rules = Access(())
        self.run_on()
        self.assertEqual((channel.text, channel.status), ("", 1))

    def test_no_match_is_status_1_and_no_console_is_3(self) -> None:
        self.assertEqual(self.say("log 'w*' --grep nowhere").status, 1)
        channel = self.say("log 'x*' --grep nowhere")
        self.assertEqual(channel.status, 3)
        self.assertIn("no console x*", channel.complaint)

    def test_what_is_for_one_console(self) -> None:
        for words in ("-f", "--from 0"):
            channel = self.say(f"log 'w*' --grep panic {words}")
            self.assertEqual(channel.status, 2)
            self.assertIn("for one console", channel.complaint)

    def test_the_very_name_of_a_console_is_no_pattern(self) -> None:
        host = self.vm(b"w*", uuid=b"77" * 16)
        self.output(host, b"panic here\n")
        self.assertEqual(self.say("log 'w*' --grep panic").text, "panic here\n")

    def test_a_log_that_cannot_be_read_is_reported_and_the_others_are_searched(self) -> None:
        logs = self.logged.log.queries
        broken = self.hosts["web-2"].id
        real = logs.query

        async def query(_self, console_id, question):  # type: ignore[no-untyped-def]
            return None if console_id == broken else await real(console_id, question)

        self.patch(type(logs), "query", query)
        channel = self.say("log 'w*' --grep panic --since 2h")
        self.assertNotIn("web-2: ", channel.text)
        self.assertIn("web-10: a panic\n", channel.text)
        self.assertEqual(channel.status, 1)
        self.assertIn("[the log of web-2 cannot be read now]", channel.complaint)
        channel = self.say("log 'w*' --grep panic")
        self.assertIn("web-2: panic in web-2\n", channel.text)
        self.assertTrue(channel.text.endswith("web-10: old panic\nweb-10: a panic\n"))
        self.assertEqual(channel.status, 1)
        remark = "[the log of web-2 cannot be read now: this is from memory]"
        self.assertIn(remark, channel.complaint)

    def test_so_many_bytes_are_searched_and_no_more(self) -> None:
        self.patch(log, "SEARCHED", 10)
        channel = self.say("log 'web*' --grep panic")
        self.assertEqual(channel.status, 1)
        self.assertIn("bytes searched; 1 console not searched", channel.complaint)

    def test_a_slow_reader_gets_everything_and_leaving_ends_it(self) -> None:
        channel = self.say("log '*' --grep panic", window=5)
        self.assertEqual(len(channel.output), 5)
        self.assertIsNone(channel.status)
        while channel.status is None:
            channel.read(7)
            self.run_on(3)
        self.assertEqual(channel.text, self.say("log '*' --grep panic").text)
        gone = self.say("log '*' --grep panic", window=5)
        gone.close()
        gone.read(1000)
        self.run_on()
        self.assertEqual(len(gone.output), 5)

    def test_control_c_ends_it(self) -> None:
        writer = self.logged.log.writer
        assert isinstance(writer, InlineWriter)
        writer.held = True
        channel: FakeChannel = self.desk.say("log '*' --grep panic", terminal=XTERM)
        channel.type(b"\x03")
        self.assertEqual(channel.status, 0)
        writer.held = False
        writer.catch_up()
        self.run_on()
