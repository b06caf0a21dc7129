"""Every verb as an operator says it: what it prints, what it refuses, its exit status."""

import json

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import ALICE, BOB, ROOT, XTERM, Desk, FakeChannel
from tests.audit.holding import Recorded
from tests.fakes import FakeLine, session
from vspc.apps.verbs.context import Call
from vspc.apps.verbs.forget import BATCH
from vspc.apps.verbs.table import VERBS
from vspc.common.columns import cells
from vspc.console.events import How
from vspc.console.ports import Program, Terminal
from vspc.wire.vmware import VmVcUuid

FIELDS = (
    "id handle name zone uuid port port_certain vm_name state address secure since last_output "
    "away_reason next_try settings bytes_from_vm bytes_to_vm description writers lock readers "
    "remote"
)


class ImpatientChannel(FakeChannel):
    """Control-C is typed before a program is started."""

    def start(self, program: Program) -> None:
        super().start(program)
        self.type(b"\x03")


class VerbTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = Desk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        self.secret, _ = self.desk.connected("secret", f"{2:032x}")


class Listing(VerbTest):
    def test_sorted_by_name_without_what_may_not_be_read(self) -> None:
        channel = self.desk.say("list", BOB)
        self.assertEqual(channel.status, 0)
        self.assertIn("web01", channel.text)
        self.assertNotIn("secret", channel.text)
        names = [row.split()[0] for row in self.desk.say("ls").text.splitlines()[1:]]
        self.assertEqual(names, ["secret", "web01"])

    def test_json_has_every_field_of_the_contract(self) -> None:
        self.web.link.output(b"text")
        self.desk.attach(self.web, "alice")
        (row,) = json.loads(self.desk.say("list --json web*").text)
        self.assertEqual(
            set(row),
            set(FIELDS.split(" ")),
        )
        self.assertEqual(row["handle"], "web01")
        self.assertEqual(row["state"], "connected")
        self.assertEqual(row["bytes_from_vm"], 4)
        self.assertEqual(row["readers"], ["alice"])
        self.assertRegex(row["since"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")

    def test_numbers_count_by_their_value_and_away_ones_are_last(self) -> None:
        for number, name in enumerate(("web-10", "web-2", "Web-3", "web-002"), 10):
            self.desk.connected(name, f"{number:032x}")
        away, _ = self.desk.connected("app", f"{20:032x}")
        away.link.disconnect("off")
        names = [row.split()[0] for row in self.desk.say("list").text.splitlines()[1:]]
        self.assertEqual(names, ["secret", "web01", "web-002", "web-2", "Web-3", "web-10", "app"])

    def test_json_is_sorted_by_name_by_code_points(self) -> None:
        for number, name in enumerate(("web-10", "web-2", "Web-3"), 10):
            self.desk.connected(name, f"{number:032x}")
        names = [row["name"] for row in json.loads(self.desk.say("list --json").text)]
        self.assertEqual(names, sorted(names))

    def test_on_a_terminal_long_names_are_cut_in_the_middle_and_no_row_is_wider(self) -> None:
        long = "prod-eu-west-1-kubernetes-worker-node-pool-b-number-0017"
        self.desk.connected(long, f"{10:032x}")
        self.desk.connected("漢字" * 30, f"{11:032x}")
        self.desk.attach(self.web, "an-operator-with-a-very-long-name-indeed")[0].type(b"x")
        for columns in (80, 100, 200):
            shown = self.desk.say("list", terminal=Terminal("xterm", columns, 24))
            lines = shown.text.split("\r\n")
            self.assertLessEqual(max(map(cells, lines)), columns)
            places = {cells(line.partition(" connected ")[0]) for line in lines[1:-1]}
            self.assertEqual(len(places), 1, columns)
        narrow = self.desk.say("list", terminal=XTERM).text
        self.assertRegex(narrow, r"\nprod-eu-w\S+…\S+-0017 ")
        self.assertIn(long, self.desk.say("list", terminal=Terminal("xterm", 300, 24)).text)
        self.assertIn(f"\n{long}  connected", self.desk.say("list").text)  # for a program

    def test_without_consoles(self) -> None:
        self.assertEqual(self.desk.say("list nothing*").text, "no console matches\n")

    def test_nothing_there_is_an_empty_list(self) -> None:
        self.assertEqual(json.loads(self.desk.say("list --json nothing*").text), [])

    def test_a_long_list_is_printed_as_it_is_read(self) -> None:
        for number in range(10, 500):
            self.desk.connected(f"vm{number}", f"{number:032x}")
        channel = self.desk.say("list --json", window=1000)
        self.assertIsNone(channel.status)
        self.assertEqual(len(channel.output), 1000)
        while channel.status is None:
            channel.read(50_000)
        self.assertEqual(len(json.loads(channel.text)), 492)

    def test_the_operator_leaves_while_it_prints(self) -> None:
        channel = self.desk.say("list --json", window=10)
        channel.close()
        channel.read(1000)
        self.assertEqual(len(channel.output), 10)

    def test_control_c_that_was_typed_before_it_printed(self) -> None:
        channel = ImpatientChannel(XTERM, window=10)
        VERBS.run_line(Call(self.desk.context, session(ALICE), channel), "list --json")
        self.assertEqual(channel.status, 1)

    def test_usage(self) -> None:
        self.assertEqual(self.desk.say("list --frob").status, 2)
        self.assertEqual(self.desk.say("list a b").status, 2)


class Asking(VerbTest):
    def test_info_by_line_and_as_json(self) -> None:
        self.assertIn("state: connected", self.desk.say("info web01").text)
        facts = json.loads(self.desk.say("info web01 --json").text)
        self.assertEqual(facts["history_end"], 0)

    def test_info_of_one_that_moved_and_changed_its_host_and_has_people_on_it(self) -> None:
        self.desk.attach(self.web, "carol")
        self.web.link.migrate()
        self.web.link.move(FakeLine("10.0.0.2"), "10.0.0.1", 1.25)
        self.web.link.replace(FakeLine("10.0.0.9"), "silent", How.TOOK_OVER)
        text = self.desk.say("info web01").text
        self.assertIn("last move: from 10.0.0.1 to 10.0.0.2 in 1.25 s, at 20", text)
        self.assertIn("host change: from 10.0.0.2 to 10.0.0.9 at 20", text)
        self.assertIn("attachments: carol from 192.0.2.1 since 20", text)
        facts = json.loads(self.desk.say("info web01 --json").text)
        self.assertEqual(facts["last_move"]["target"], "10.0.0.2")
        self.assertEqual(facts["host_change"]["old"], "10.0.0.2")

    def test_who(self) -> None:
        attachment, _ = self.desk.attach(self.web, "carol")
        attachment.type(b"x")
        heading, row = self.desk.say("who").text.splitlines()
        self.assertEqual(heading.split(), ["CONSOLE", "OPERATOR", "PEN", "FROM", "SINCE"])
        self.assertEqual(row.split()[:4], ["web01", "carol", "writes", "192.0.2.1"])
        self.assertEqual(json.loads(self.desk.say("who --json web01").text)[0]["writes"], True)

    def test_who_without_operators(self) -> None:
        for line in ("who", "who web01"):
            shown = self.desk.say(line)
            self.assertEqual(shown.status, 0)
            self.assertTrue(shown.text.startswith("no operators are connected"), line)
            self.assertEqual(self.desk.say(f"{line} --json").text, "[]\n")

    def test_what_is_not_there_and_what_may_not_be_read_sound_alike(self) -> None:
        hidden = self.desk.say("info secret", BOB)
        missing = self.desk.say("info absent", BOB)
        self.assertEqual((hidden.status, missing.status), (3, 3))
        self.assertEqual(
            hidden.complaint.replace("secret", "X"), missing.complaint.replace("absent", "X")
        )

    def test_an_ambiguous_name_lists_its_matches(self) -> None:
        self.desk.connected("web02", f"{3:032x}")
        channel = self.desk.say("info we")
        self.assertEqual(channel.status, 3)
        self.assertEqual(channel.complaint, "we is ambiguous; it could be\n  web01\n  web02\n")

    def test_a_port_and_a_vm_of_the_same_name_are_listed_by_handle(self) -> None:
        self.desk.connected("web01:1", f"{3:032x}")
        channel = self.desk.say("info web01:1")
        self.assertEqual(channel.status, 3)
        self.assertTrue(channel.complaint.endswith("\n  web01\n  web01%3A1\n"), channel.complaint)
        for typed in ("web01", "web01%3A1"):
            self.assertEqual(self.desk.say(f"info {typed}").status, 0)

    def test_a_handle_that_means_another_one_too_comes_with_an_id(self) -> None:
        second, _ = self.desk.connected("web01", f"{1:032x}")
        self.assertEqual(second.title, "web01:2")
        self.desk.connected("web01:2", f"{3:032x}")
        channel = self.desk.say("info web01:2")
        self.assertEqual(channel.status, 3)
        self.assertIn(f"\n  web01:2  (id {second.id})\n", channel.complaint)
        self.assertEqual(self.desk.say(f"info {second.id}").status, 0)

    def test_a_name_with_escapes_in_it_is_shown_safely(self) -> None:
        self.assertIn("no console \\x1b[2Jx", self.desk.say("info '\x1b[2Jx'").complaint)

    def test_help_names_every_verb(self) -> None:
        text = self.desk.say("help").text
        for verb in VERBS.values():
            self.assertIn(f"  {verb.grammar.usage.split()[0]} ", text)
            self.assertIn(verb.grammar.summary, text)
        self.assertIn("usage: list [--json] [GLOB]\n", self.desk.say("help list").text)

    def test_help_of_each_verb_by_both_ways(self) -> None:
        for word, verb in VERBS.items():
            told = self.desk.say(f"help {word}")
            self.assertEqual((told.status, told.complaint), (0, ""), word)
            for form in verb.grammar.usage.split(" | "):
                self.assertIn(f"usage: {form} ", " ".join(told.text.split()) + " ")
            for option in verb.grammar.every_option:
                self.assertIn(f"{option.shown} ", told.text)
            self.assertIn(f"\nexample: {verb.grammar.name}", told.text)
            for line in (f"{word} --help", f"reason=x {word} -h"):
                asked = self.desk.say(line, BOB)
                self.assertEqual((asked.status, asked.text), (0, told.text), line)
        self.assertEqual(self.desk.say("help send --bogus").status, 2)

    def test_an_option_that_is_wrong_is_named_and_the_nearest(self) -> None:
        for line in ("who --bogus", "info --bogus", "list --bogus"):
            channel = self.desk.say(line)
            self.assertEqual(channel.status, 2, line)
            self.assertIn("unknown option '--bogus'", channel.complaint)
        near = self.desk.say("expect web01 --timeot 5 x").complaint
        self.assertIn("unknown option '--timeot'; did you mean --timeout?", near)
        self.assertIn("takes a value", self.desk.say("sessions --operator").complaint)
        self.assertIn("--json takes no value", self.desk.say("list --json=1").complaint)

    def test_a_verb_that_is_wrong_is_one_line_and_the_nearest(self) -> None:
        for line, word in (("lst", "list"), ("expct web01 x", "expect"), ("help sennd", "send")):
            channel = self.desk.say(line)
            self.assertEqual(channel.status, 2)
            self.assertEqual(channel.complaint.count("\n"), 1, channel.complaint)
            self.assertIn(f"did you mean {word}?", channel.complaint)
        self.assertIn("unknown verb 'fr\\x1bob'", self.desk.say("'fr\x1bob'").complaint)
        self.assertEqual(self.desk.say("").status, 2)


class Breaking(VerbTest):
    def test_one_break(self) -> None:
        self.assertEqual(self.desk.say("break web01").status, 0)
        self.assertEqual(self.line.log, ["BREAK"])
        self.assertFalse(self.web.attachments)
        self.assertIsNone(self.web.pen.holder)

    def test_without_the_right(self) -> None:
        channel = self.desk.say("break web01", BOB)
        self.assertEqual(channel.status, 4)
        self.assertEqual(self.line.log, [])

    def test_while_another_operator_has_the_pen(self) -> None:
        attachment, _ = self.desk.attach(self.web, "carol")
        attachment.type(b"x")
        channel = self.desk.say("break web01")
        self.assertEqual(channel.status, 4)
        self.assertIn("carol is typing", channel.complaint)

    def test_an_away_console(self) -> None:
        self.web.link.disconnect("off")
        self.assertEqual(self.desk.say("break web01").status, 1)

    def test_during_a_vmotion_it_is_held_and_reported(self) -> None:
        self.web.link.migrate()
        channel = self.desk.say("break web01")
        self.assertEqual(channel.status, 0)
        self.assertIn("the BREAK is waiting for its vMotion", channel.complaint)
        self.assertEqual(self.line.log, [])

    def test_a_vm_that_takes_no_input_gets_it_later(self) -> None:
        self.line.suspended = True
        channel = self.desk.say("break web01")
        why = "the BREAK is waiting for the VM to take input again: web01 has not got it yet"
        self.assertIn(why, channel.complaint)

    def test_one_that_was_held_and_then_dropped_is_reported(self) -> None:
        _, sink = self.desk.attach(self.web, "alice")
        self.web.link.migrate()
        self.desk.say("break web01")
        self.web.link.lose_source()
        self.web.link.end_migration("too late")
        self.desk.turn()
        self.assertIn("web01 is away: 1 BREAK not sent", sink.notices)


class Raw(VerbTest):
    def test_exact_bytes_both_ways_from_now_on(self) -> None:
        self.web.link.output(b"before")
        channel = self.desk.say("raw web01")
        every = bytes(range(256))
        self.web.link.output(every)
        self.desk.turn()
        channel.type(every)
        self.assertEqual(bytes(channel.output), every)
        self.assertEqual(bytes(self.line.sent), every)
        self.assertEqual(channel.under_way, 0)
        self.assertEqual(channel.complaint, "")

    def test_from_an_offset(self) -> None:
        self.web.link.output(b"0123456789")
        channel = self.desk.say("raw web01 --from 4")
        self.assertEqual(bytes(channel.output), b"456789")
        self.assertEqual(self.desk.say("raw web01 --from 11").status, 1)
        for wrong in ("raw web01 --from x", "raw web01 --from", "raw --from 3", "raw web01 rw"):
            self.assertEqual(self.desk.say(wrong).status, 2, wrong)

    def test_from_an_offset_that_is_no_longer_kept(self) -> None:
        for _ in range(3):
            self.web.link.output(b"x" * 40_000)
        channel = self.desk.say("raw web01 --from 0")
        self.assertEqual(channel.status, 1)
        self.assertIn(f"offsets 0 to {120_000 - 65536} of web01 are no longer", channel.complaint)

    def test_read_only_in_every_spelling(self) -> None:
        for command in ("raw web01 ro", "console web01 ro"):
            channel = self.desk.say(command)
            channel.type(b"rm -rf /\r")
            self.assertEqual(channel.status, 4, command)
            self.assertIn("you only read web01: 9 bytes not sent", channel.complaint)
        self.assertEqual(bytes(self.line.sent), b"")
        self.assertIsNone(self.web.pen.holder)

    def test_it_ends_when_the_host_changes_after_all_earlier_output(self) -> None:
        channel = self.desk.say("raw web01", window=4)
        channel.type(b"x")
        self.web.link.output(b"before")
        self.web.link.replace(FakeLine("10.0.0.9"), "silent", How.TOOK_OVER)
        self.web.link.output(b"after")
        channel.type(b"reboot\r")
        self.desk.turn()
        channel.read(100)
        self.assertEqual((channel.text, channel.status), ("before", 1))
        told = "[web01 is on 10.0.0.9 now; it was on 10.0.0.1, and this was not a vMotion]"
        self.assertIn(told, channel.complaint)
        again = self.desk.say("raw web01")
        self.assertIn("it was on 10.0.0.1, and this was not a vMotion", again.complaint)
        again.type(b"y")
        line = self.web.link.line
        assert isinstance(line, FakeLine)
        self.assertEqual(bytes(line.sent), b"y")

    def test_an_uncertain_port_is_a_caution_or_refused(self) -> None:
        self.desk.connected("web01", f"{1:032x}")
        certain = self.desk.say("raw secret --strict")
        self.assertEqual((certain.status, certain.complaint), (None, ""))
        told = self.desk.say("raw web01:2")
        self.assertIn("only by the order in which the VM's ports connected", told.complaint)
        for command in ("raw web01:2 --strict", "console web01:2 strict"):
            self.assertEqual(self.desk.say(command).status, 1)

    def test_bytes_stay_in_order_where_the_line_has_no_question_to_ask(self) -> None:
        self.line.answers, self.line.unread = False, 0
        channel = self.desk.say("raw web01")
        stream = b"".join(b"%06d," % number for number in range(20_000))
        sizes = [4032, 17_000, 17_000, 17_000, 17_000, 100, 100]
        at = 0
        for turn in range(60):
            size = sizes[turn] if turn < len(sizes) else 137
            channel.type(stream[at : at + size])
            at += size
            self.line.unread = (4032, 4002, 0)[turn % 3]
            if turn % 2:
                self.desk.clock.advance(0.05)
        self.line.unread = 0
        for _ in range(200):
            self.desk.clock.advance(0.05)
        self.assertEqual(bytes(self.line.sent), stream[:at])
        self.assertEqual(channel.under_way, 0)

    def test_one_that_falls_behind_ends_with_both_offsets(self) -> None:
        channel = self.desk.say("raw web01", window=10)
        for _ in range(3):
            self.web.link.output(b"x" * 40_000)
            self.desk.turn()
        channel.read(1000)
        self.assertEqual(channel.status, 1)
        self.assertIn(f"offsets 10 to {120_000 - 65536}", channel.complaint)
        self.assertFalse(self.web.attachments)

    def test_typing_without_the_right_or_the_pen_ends_it(self) -> None:
        channel = self.desk.say("raw web01", BOB)
        channel.type(b"x")
        self.assertEqual(channel.status, 4)
        attachment, _ = self.desk.attach(self.web, "carol")
        attachment.type(b"x")
        channel = self.desk.say("raw web01")
        channel.type(b"yz")
        self.assertEqual(channel.status, 4)
        self.assertIn("carol is typing on web01: 2 bytes not sent", channel.complaint)

    def test_a_vm_that_is_away_refuses_input_and_may_come_back(self) -> None:
        channel = self.desk.say("raw web01")
        self.web.link.disconnect("off")
        channel.type(b"twelve bytes")
        self.desk.turn()
        self.assertIn("[web01 is away: 12 bytes not sent]", channel.complaint)
        self.assertIsNone(channel.status)
        self.assertEqual(channel.under_way, 0)

    def test_a_paste_into_a_vm_that_does_not_read_keeps_the_window_closed(self) -> None:
        channel = self.desk.say("raw web01")
        for _ in range(40):
            channel.type(b"p" * 8192)
        self.assertGreater(channel.under_way, 200_000)
        self.assertLessEqual(self.web.input.waiting, 65536)
        while self.line.questions:
            self.line.questions -= 1
            self.web.link.answered()
        self.assertEqual(len(self.line.sent), 40 * 8192)
        self.assertEqual(channel.under_way, 0)

    def test_end_of_input_leaves_output(self) -> None:
        channel = self.desk.say("raw web01")
        assert channel.program is not None
        channel.program.ended_input()
        self.web.link.output(b"still here")
        self.desk.turn()
        self.assertEqual(channel.text, "still here")


class Terminals(VerbTest):
    def test_banner_and_replay_clearly_set_apart(self) -> None:
        self.web.link.output(b"".join(b"line %d\r\n" % n for n in range(30)) + b"\x1b[31mlogin: ")
        channel = self.desk.say("console web01", terminal=XTERM)
        lines = channel.text.split("\r\n")
        self.assertRegex(lines[0], r"\A\[web01 connected, output 0s ago, no writer, 0 others\. ")
        self.assertIn("^Ec? for help", lines[0])
        self.assertEqual(lines[1], "[replay of the last 20 lines]")
        self.assertEqual(lines[2], "line 11")
        self.assertEqual(lines[-2], "\x1b[m[end of replay]")
        self.assertEqual(lines[-1], "\x1b[31mlogin: ")

    def test_a_replay_cannot_make_a_terminal_answer(self) -> None:
        self.web.link.output(b"\x1b[6n\x1b]0;x\x07\x1bP+q\x1b\\\x9b5nok\r\n")
        channel = self.desk.say("console web01", terminal=XTERM)
        self.assertNotIn("\x1b[6n", channel.text)
        self.assertNotIn("\x1b]", channel.text)

    def test_without_a_terminal_it_begins_now_and_has_no_escapes(self) -> None:
        self.web.link.output(b"before")
        channel = self.desk.say("console web01")
        channel.type(b"\x05c.")
        self.assertEqual(bytes(self.line.sent), b"\x05c.")
        self.assertEqual(channel.text, "")

    def test_leaving(self) -> None:
        channel = self.desk.say("console web01", terminal=XTERM)
        channel.type(b"ls\r\x05c.")
        self.assertEqual(bytes(self.line.sent), b"ls\r")
        self.assertEqual(channel.status, 0)
        self.assertFalse(self.web.attachments)

    def test_help_and_an_escape_that_is_none(self) -> None:
        channel = self.desk.say("console web01", terminal=XTERM)
        channel.type(b"\x05c?")
        self.assertIn("^Ec.  leave", channel.text)
        channel.type(b"\x05cZ")
        self.assertIn("[unknown escape command; ^Ec? lists them]", channel.text)
        self.assertEqual(bytes(self.line.sent), b"")
        self.assertEqual(channel.under_way, 0)

    def test_a_half_typed_escape_is_sent_after_a_second(self) -> None:
        channel = self.desk.say("console web01", terminal=XTERM)
        channel.type(b"\x05")
        self.desk.clock.advance(0.9)
        self.assertEqual(bytes(self.line.sent), b"")
        self.desk.clock.advance(0.2)
        self.assertEqual(bytes(self.line.sent), b"\x05")
        self.assertEqual(channel.under_way, 0)

    def test_another_key_within_the_second_starts_it_anew(self) -> None:
        channel = self.desk.say("console web01", terminal=XTERM)
        channel.type(b"\x05")
        self.desk.clock.advance(0.9)
        channel.type(b"c")
        self.desk.clock.advance(0.9)
        channel.type(b".")
        self.assertEqual(channel.status, 0)

    def test_a_second_operator_reads_and_sees_the_writer(self) -> None:
        first = self.desk.say("console web01", terminal=XTERM)
        first.type(b"x")
        second = self.desk.say("console web01", BOB, XTERM)
        self.assertIn("alice writes, 1 other.", second.text)
        second.type(b"y")
        self.assertIn("no right", second.text)
        self.assertEqual(bytes(self.line.sent), b"x")

    def test_refused_keys_are_counted_together(self) -> None:
        channel = self.desk.say("console web01", terminal=XTERM)
        self.web.link.disconnect("off")
        for _ in range(12):
            channel.type(b"k")
        self.desk.clock.advance(1.1)
        self.assertEqual(channel.text.count("not sent"), 2)
        self.assertIn("web01 is away: 1 byte not sent", channel.text)
        self.assertIn("web01 is away: 11 bytes not sent", channel.text)

    def test_spying_and_taking_the_pen_back(self) -> None:
        channel = self.desk.say("console web01 ro", terminal=XTERM)
        channel.type(b"x")
        self.assertEqual(bytes(self.line.sent), b"")
        channel.type(b"\x05ca")
        channel.type(b"x")
        self.assertEqual(bytes(self.line.sent), b"x")
        channel.type(b"\x05cs")
        self.assertIsNone(self.web.pen.holder)

    def test_force(self) -> None:
        other, sink = self.desk.attach(self.web, "carol")
        other.type(b"x")
        channel = self.desk.say("console web01", terminal=XTERM)
        channel.type(b"\x05ca")
        self.assertIn("carol is typing on web01", channel.text)
        channel.type(b"\x05cf")
        self.desk.turn()
        self.assertEqual(sink.notices, ["alice took the pen; you are reading now"])

    def test_a_break_that_is_refused_is_not_reported_as_sent(self) -> None:
        self.web.link.disconnect("off")
        channel = self.desk.say("console web01", terminal=XTERM)
        channel.type(b"\x05cl0")
        self.assertIn("[web01 is away: 1 BREAK not sent]", channel.text)
        self.assertNotIn("[BREAK]", channel.text)
        assert channel.program is not None
        self.assertFalse(channel.program.break_requested())

    def test_a_read_only_operator_sends_no_break_and_takes_no_pen(self) -> None:
        channel = self.desk.say("console web01 ro", terminal=XTERM)
        channel.type(b"\x05cl0")
        assert channel.program is not None
        self.assertFalse(channel.program.break_requested())
        self.assertIsNone(self.web.pen.holder)
        self.assertEqual(self.line.log, [])
        self.assertIn("you only read web01: 1 BREAK not sent; ^Eca", channel.text)

    def test_after_a_change_of_host_the_pen_is_asked_for(self) -> None:
        channel = self.desk.say("console web01", terminal=XTERM)
        channel.type(b"x")
        fresh = FakeLine("10.0.0.9")
        self.web.link.replace(fresh, "silent", How.TOOK_OVER)
        channel.type(b"reboot\r")
        self.desk.turn()
        self.assertIn("[web01 is on 10.0.0.9 now; it was on 10.0.0.1", channel.text)
        self.assertIn("7 bytes not sent; ^Eca asks for the pen", channel.text)
        self.assertEqual(bytes(fresh.sent), b"")
        channel.type(b"\x05caok")
        self.assertEqual(bytes(fresh.sent), b"ok")
        self.assertEqual(channel.under_way, 0)

    def test_an_operator_that_attaches_later_gets_a_caution_first(self) -> None:
        self.web.link.replace(FakeLine("10.0.0.9"), "silent", How.TOOK_OVER)
        channel = self.desk.say("console web01", terminal=XTERM)
        self.assertIn("it was on 10.0.0.1, and this was not a vMotion]", channel.text)

    def test_another_vm_of_the_same_name_is_a_caution(self) -> None:
        self.desk.connected("web01", f"{9:032x}")
        channel = self.desk.say("console web01", terminal=XTERM)
        self.assertIn("[another VM has this name, too; this one is ", channel.text)

    def test_break_by_escape_and_by_the_client(self) -> None:
        channel = self.desk.say("console web01", terminal=XTERM)
        channel.type(b"\x05cl0")
        assert channel.program is not None
        self.assertTrue(channel.program.break_requested())
        self.assertEqual(self.line.log, ["BREAK", "BREAK"])
        reader = self.desk.say("console web01", BOB, XTERM)
        assert reader.program is not None
        self.assertFalse(reader.program.break_requested())

    def test_who_info_and_replay(self) -> None:
        self.web.link.output(b"hello\r\n")
        channel = self.desk.say("console web01 replay=0", terminal=XTERM)
        self.assertNotIn("hello", channel.text)
        channel.type(b"\x05cr")
        self.assertIn("hello", channel.text)
        channel.type(b"\x05cw\x05ci")
        self.assertIn("[web01  alice  reads", channel.text)
        self.assertIn(self.web.id, channel.text)

    def test_a_slow_reader_gets_the_exact_offsets_of_lost_output(self) -> None:
        channel = self.desk.say("console web01 replay=0", terminal=XTERM)
        channel.window = 0
        self.web.link.output(b"x" * 60_000)
        self.web.link.output(b"y" * 20_000)
        self.desk.turn()
        channel.read(1 << 20)
        self.assertIn(f"client too slow (offsets 0 to {80_000 - 65536})", channel.text)
        self.assertIsNone(channel.status)

    def test_a_forgotten_console_ends_it(self) -> None:
        channel = self.desk.say("console web01", terminal=XTERM)
        self.web.link.disconnect("off")
        self.desk.roster.settle(self.web)
        self.desk.roster.forget(self.web)
        self.assertEqual(channel.status, 1)

    def test_options_that_are_none(self) -> None:
        channel = self.desk.say("console web01 rw")
        self.assertEqual(channel.status, 2)
        self.assertIn(
            "unknown option 'rw'; the options are ro, replay=LINES|raw, esc=none|conman|^X",
            channel.complaint,
        )
        self.assertEqual(self.desk.say("console").status, 2)

    def test_escapes_can_be_turned_off(self) -> None:
        channel = self.desk.say("console web01 esc=none", terminal=XTERM)
        channel.type(b"\x05c.")
        self.assertEqual(bytes(self.line.sent), b"\x05c.")


class Recording(VerbTest):
    """What verbs and bridges say of somebody for the audit file."""

    def setUp(self) -> None:
        super().setUp()
        self.recorded = Recorded()
        self.desk.context = evolve(self.desk.context, audit=self.recorded)

    def test_a_denial_on_a_terminal_is_recorded_once(self) -> None:
        channel = self.desk.say("console web01", BOB, XTERM)
        for _ in range(3):
            channel.type(b"rm -rf /\r")
            self.desk.clock.advance(2)
        channel.type(b"\x05cf")
        [denied] = self.recorded.named("denied")
        self.assertEqual(
            (denied["operator"], denied["verb"], denied["detail"]), ("bob", "console", "right")
        )

    def test_verbs_without_an_event_of_their_own(self) -> None:
        for line in ("list", "info web01", "who", "boots web01", "help"):
            self.desk.say(line)
        verbs = [line["verb"] for line in self.recorded.named("command")]
        self.assertEqual(verbs, ["list", "info", "who", "boots"])


class Administering(VerbTest):
    def setUp(self) -> None:
        super().setUp()
        self.vm = self.desk.host("10.1.1.4")
        self.vm.register(b"db", b"cd" * 16)
        self.other = self.desk.host("10.1.1.9")
        self.other.register(b"db", b"cd" * 16)
        self.vm.say(VmVcUuid(b"cd" * 16))

    def test_one_that_is_kept_apart_is_for_administrators(self) -> None:
        self.assertEqual(len(json.loads(self.desk.say("list --json db*").text)), 1)
        rows = json.loads(self.desk.say("list --json db*", ROOT).text)
        self.assertEqual([row["state"] for row in rows], ["connected", "quarantined"])
        self.other.say(b"fake")
        shown = self.desk.say(f"raw {rows[1]['handle']} --from 0", ROOT)
        self.assertEqual(shown.text, "fake")
        self.assertEqual(self.desk.say(f"raw {rows[1]['handle']}").status, 3)

    def test_accept(self) -> None:
        self.assertEqual(self.desk.say("accept db 10.1.1.9").status, 4)
        wrong = self.desk.say("accept db 10.9.9.9", ROOT)
        self.assertEqual(wrong.status, 1)
        self.assertIn("come from: 10.1.1.9", wrong.complaint)
        for line in ("accept", "accept db", "accept db 10.1.1.9 x", "accept --json"):
            self.assertEqual(self.desk.say(line, ROOT).status, 2, line)
        right = self.desk.say("accept db ::ffff:10.1.1.9", ROOT)
        self.assertEqual((right.status, right.text), (0, "db is at 10.1.1.9 now\n"))
        self.assertTrue(self.vm.closed)
        (row,) = json.loads(self.desk.say("list --json db*", ROOT).text)
        self.assertEqual(row["address"], "10.1.1.9")

    def test_forget(self) -> None:
        self.assertEqual(self.desk.say("forget db").status, 4)
        live = self.desk.say("forget db", ROOT)
        self.assertEqual(live.status, 1)
        self.assertIn("db is connected", live.complaint)
        self.assertEqual(self.desk.say("forget nothing", ROOT).status, 3)
        self.assertEqual(self.desk.say("forget", ROOT).status, 2)
        self.web.link.disconnect("off")
        self.desk.roster.settle(self.web)
        self.assertEqual(self.desk.say("forget web01", ROOT).status, 0)
        self.assertEqual(self.desk.say("info web01", ROOT).status, 3)

    def test_one_that_the_server_connects_to_says_why_it_is_away_and_is_not_forgotten(self) -> None:
        console, _ = self.desk.connected("moxa-1", None)
        console.dial_uri = "tcp://10.0.0.9:4001"
        console.link.disconnect("connection refused by 10.0.0.9:4001")
        console.link.next_try = self.desk.clock.wall() + 8
        why = "connection refused by 10.0.0.9:4001, next try in 8 s"
        self.assertTrue(self.desk.say("list moxa-1").text.rstrip().endswith(why))
        (row,) = json.loads(self.desk.say("list --json moxa-1").text)
        self.assertEqual(row["away_reason"], "connection refused by 10.0.0.9:4001")
        self.assertRegex(row["next_try"], r"\A\d{4}-.*Z\Z")
        self.assertIsNone(row["address"])
        told = self.desk.say("info moxa-1").text
        self.assertIn("\ndial uri: tcp://10.0.0.9:4001\n", told)
        self.assertIn("\naway reason: connection refused by 10.0.0.9:4001\n", told)
        wide = Terminal("xterm", 200, 24)
        shown = self.desk.say("console moxa-1", terminal=wide).text
        self.assertIn(f"moxa-1 away ({why}), ", shown)
        refused = self.desk.say("forget moxa-1", ROOT)
        self.assertEqual(refused.status, 1)
        self.assertIn("moxa-1 is in the configuration ([[dial]])", refused.complaint)
        self.assertEqual(self.desk.say("forget moxa* --yes 1", ROOT).status, 3)

    def away(self, *names: str) -> None:
        """Consoles whose VMs have gone, each an hour after the one before."""
        for number, name in enumerate(names, 100):
            console, _ = self.desk.connected(name, f"{number:032x}")
            console.link.disconnect("off")
            self.desk.roster.settle(console)
            self.desk.clock.advance(3600)

    def test_forget_by_a_glob_requires_the_count(self) -> None:
        self.away("test-1", "test-2", "other")
        self.desk.connected("test-live", f"{99:032x}")
        for line in ("forget test-*", "forget test-* --yes 1", "forget test-* --yes=3"):
            channel = self.desk.say(line, ROOT)
            self.assertEqual(channel.status, 2, line)
            rows = [row.split() for row in channel.text.splitlines()]
            self.assertEqual([row[0] for row in rows], ["NAME", "test-1", "test-2"])
            self.assertIn("nothing is forgotten; --yes 2 forgets 2 consoles", channel.complaint)
        self.assertEqual(self.desk.say("forget test-* --yes 2").status, 4)
        done = self.desk.say("forget test-* --yes 2", ROOT)
        self.assertEqual((done.status, done.text), (0, "2 consoles are forgotten\n"))
        self.assertEqual(self.desk.say("forget test-* --yes 2", ROOT).status, 3)
        self.assertEqual(self.desk.say("info test-1", ROOT).status, 3)
        for name in ("other", "test-live"):
            self.assertEqual(self.desk.say(f"info {name}", ROOT).status, 0)

    def test_globs_mean_names_with_or_without_a_port(self) -> None:
        for number in range(2):
            self.desk.connected("box7", f"{50:032x}")
            self.away(f"box8{number}")
        for pattern, count in (("box?", 2), ("BOX?:2", 1), ("box*", 4), ("box7", 2), ("box8", 0)):
            shown = json.loads(self.desk.say(f"list --json {pattern}").text)
            self.assertEqual(len(shown), count, pattern)
        told = self.desk.say("forget 'box8?' --yes 1", ROOT)
        self.assertIn("--yes 2 forgets 2 consoles", told.complaint)
        searched = self.desk.say("log box? --grep x")
        for _ in range(4):
            self.desk.clock.advance(0)
        self.assertEqual(searched.status, 1)  # 3 where no console is meant

    def test_globs_without_a_zone_mean_the_default_one(self) -> None:
        self.desk.connected("web09", f"{51:032x}", zone="lab")
        for pattern, count in (("web09", 0), ("lab/web?9", 1), ("lab/*", 1)):
            shown = json.loads(self.desk.say(f"list --json {pattern}").text)
            self.assertEqual(len(shown), count, pattern)

    def test_forget_those_that_are_away_for_long(self) -> None:
        self.away("test-1", "test-2", "other")
        first = self.desk.say("forget --away 2h", ROOT)
        self.assertEqual(first.status, 2)
        self.assertIn("test-2", first.text)
        self.assertNotIn("other", first.text)
        self.desk.clock.advance(86400)
        one = self.desk.say("forget *-1 --away 1d", ROOT)
        self.assertIn("--yes 1 forgets 1 console\n", one.complaint)
        done = self.desk.say("forget --away 1d --yes 3", ROOT)
        self.assertEqual((done.status, done.text), (0, "3 consoles are forgotten\n"))

    def test_forget_more_than_fit_into_one_turn(self) -> None:
        self.away(*(f"vm-{number}" for number in range(BATCH + 1)))
        channel = self.desk.say(f"forget vm-* --yes {BATCH + 1}", ROOT)
        self.assertIsNone(channel.status)
        self.desk.clock.advance(0)
        self.assertEqual(channel.text, f"{BATCH + 1} consoles are forgotten\n")
        self.assertEqual(self.desk.say("list vm-*", ROOT).text, "no console matches\n")

    def test_forget_without_arguments(self) -> None:
        for line in ("forget web01 --yes 2", "forget --yes 1", "forget --away soon", "forget a b"):
            self.assertEqual(self.desk.say(line, ROOT).status, 2, line)

    def test_forget_closes_one_that_is_kept_apart(self) -> None:
        rows = json.loads(self.desk.say("list --json db*", ROOT).text)
        self.assertEqual(self.desk.say(f"forget {rows[1]['handle']}", ROOT).status, 0)
        self.assertTrue(self.other.closed)
        self.assertFalse(self.vm.closed)
