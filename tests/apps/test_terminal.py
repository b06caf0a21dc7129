"""A console on a terminal: what it answers, how it is given back, its escape key."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, OpsDesk
from tests.apps.support import ALICE, BOB, XTERM, FakeChannel
from tests.fakes import FakeLine
from vspc.apps.terminal.bridge import TerminalBridge
from vspc.apps.terminal.input import TYPED, Escapes, TypedPart
from vspc.apps.terminal.screen import COLOURS, SHOWN
from vspc.apps.verbs.context import Call
from vspc.audit.refusals import RecentRefusals
from vspc.audit.subscriber import AuditSubscriber
from vspc.console.access import Operator
from vspc.console.answers import KEY_PATIENCE
from vspc.console.events import How
from vspc.console.ports import Terminal

POSITION = b"\x1b[24;80R"
ANSWERS = (
    *(POSITION, b"\x1b[?62;22c", b"\x1b[0n", b"\x1b[8;24;80t", b"\x1b[?2004;1$y", b"\x1b[I"),
    *(b"\x1b[O", b"\x1b[<0;1;1M", b"\x1b[<0;1;1m", b"\x1b]11;rgb:0/0/0\x07", b"\x1bP>|x\x1b\\"),
    b"\x1b_Gi=1;OK\x1b\\",
)
DUMB = Terminal("dumb", 80, 24)


class TerminalTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        clock = self.desk.clock
        subscriber = AuditSubscriber(
            self.desk.record, RecentRefusals(clock.wall), clock.seconds, clock.wall
        )
        self.desk.events.subscribe(subscriber.handle, *subscriber.EVENTS)

    def attach(
        self, operator: Operator = ALICE, words: str = "", terminal: Terminal = XTERM
    ) -> FakeChannel:
        return self.desk.ask(f"console web01 {words}", self.desk.login(operator), terminal)

    def says(self, data: bytes) -> None:
        self.web.link.output(data)
        self.desk.turn()

    def sent(self) -> bytes:
        return bytes(self.line.sent)

    def sums(self) -> tuple[int, int, int]:
        """What the audit file has of typed bytes, answers and those that were dropped."""
        self.desk.console_context.accounting.close()
        found = self.desk.audited("input")
        typed, dropped = (sum(each[name] for each in found) for name in ("bytes", "dropped"))
        return typed, sum(each.get("answers") or 0 for each in found), dropped


class Answering(TerminalTest):
    """Law 13: what a terminal sends by itself is not typing."""

    def test_the_terminal_that_came_first_answers_and_takes_no_pen(self) -> None:
        alice, carol = self.attach(), self.attach(CAROL)
        for answer in ANSWERS:
            carol.type(answer)
            alice.type(answer)
        self.assertEqual(self.sent(), b"".join(ANSWERS))
        self.assertIsNone(self.web.pen.holder)
        self.assertNotIn("not sent", alice.text + carol.text)
        self.assertEqual((alice.under_way, carol.under_way), (0, 0))

    def test_with_a_pen_its_holder_answers(self) -> None:
        alice, carol = self.attach(), self.attach(CAROL)
        carol.type(b"ls\r")
        alice.type(POSITION)
        carol.type(POSITION)
        self.assertEqual(self.sent(), b"ls\r" + POSITION)
        self.assertNotIn("not sent", alice.text)

    def test_a_program_that_holds_the_pen_is_disturbed_by_no_terminal(self) -> None:
        alice = self.attach()
        raw = self.desk.ask("raw web01", self.desk.login(CAROL))
        raw.type(b"\x1b[24;80R")
        alice.type(POSITION)
        self.assertEqual(self.sent(), b"\x1b[24;80R")
        self.assertEqual(self.web.pen.holder and self.web.pen.holder.operator, CAROL)

    def test_who_only_reads_answers_nothing_and_is_refused_nothing(self) -> None:
        reader, carol = self.attach(BOB), self.attach(CAROL, "ro")
        for answer in ANSWERS:
            reader.type(answer)
            carol.type(answer)
        self.assertEqual(self.sent(), b"")
        self.assertNotIn("not sent", reader.text + carol.text)
        self.assertEqual(self.desk.audited("denied"), [])
        alice = self.attach()
        alice.type(POSITION)
        self.assertEqual(self.sent(), POSITION)
        alice.type(b"\x05cs" + POSITION)
        self.assertEqual(self.sent(), POSITION)

    def test_an_answer_in_pieces(self) -> None:
        alice, carol = self.attach(), self.attach(CAROL)
        for channel in (carol, alice):
            for byte in POSITION:
                channel.type(bytes((byte,)))
        self.assertEqual(self.sent(), POSITION)
        self.assertIsNone(self.web.pen.holder)
        self.assertEqual((alice.under_way, carol.under_way), (0, 0))

    def test_escape_alone_is_typed_as_soon_as_nobody_can_notice(self) -> None:
        alice = self.attach()
        alice.type(b"\x1b")
        self.desk.clock.advance(KEY_PATIENCE)
        self.assertEqual(self.sent(), b"\x1b")
        self.assertIsNotNone(self.web.pen.holder)
        self.assertEqual(alice.under_way, 0)
        alice.type(b"\x1bx\x1b[A")
        self.assertEqual(self.sent(), b"\x1b\x1bx\x1b[A")

    def test_what_begins_like_an_answer_and_goes_on_as_none_is_typed_at_last(self) -> None:
        alice = self.attach()
        alice.type(b"\x1b[")
        alice.type(b"24")
        self.desk.clock.advance(KEY_PATIENCE)
        self.assertEqual(self.sent(), b"")
        self.desk.clock.advance(1)
        self.assertEqual(self.sent(), b"\x1b[24")

    def test_a_function_key_is_typed_unless_the_vm_has_asked_for_the_position(self) -> None:
        carol = self.attach(CAROL)
        alice = self.attach()
        alice.type(b"\x1b[1;5R")
        self.assertEqual(self.sent(), b"\x1b[1;5R")
        self.assertEqual(self.sums()[:2], (6, 0))
        self.says(b"\x1b[6n")
        alice.type(b"\x1b[1;5R")
        self.assertEqual(self.sums()[:2], (6, 6))
        alice.type(b"\x1b[1;5R")
        self.assertEqual(self.sums()[:2], (12, 6))
        self.says(b"\x1b[6n")
        self.desk.clock.advance(60)
        alice.type(b"\x1b[1;5R")
        self.assertEqual(self.sums()[:2], (18, 6))
        self.assertNotIn("not sent", carol.text)

    def test_the_audit_counts_them_apart_and_its_sums_are_what_the_vm_got(self) -> None:
        alice, carol = self.attach(), self.attach(CAROL)
        alice.type(POSITION + b"reboot\r" + POSITION)
        carol.type(POSITION)
        alice.type(b"\x05c.")
        self.assertEqual(self.sums(), (7, 2 * len(POSITION), 0))
        self.assertEqual(sum(self.sums()[:2]), len(self.sent()))

    def test_answers_are_held_and_dropped_as_what_is_typed(self) -> None:
        alice = self.attach()
        self.web.link.migrate()
        alice.type(POSITION + b"x" + POSITION)
        self.assertEqual(self.sent(), b"")
        target = FakeLine("10.0.0.2")
        self.web.link.move(target, "10.0.0.1", 0.1)
        self.assertEqual(bytes(target.sent), POSITION + b"x" + POSITION)
        self.web.link.migrate()
        alice.type(POSITION + b"y")
        self.web.link.disconnect("off")
        self.assertEqual(self.sums(), (1, 16, 9))
        alice.type(POSITION)
        self.assertNotIn("8 bytes not sent", alice.text)
        self.desk.turn()
        self.assertIn("away: 1 byte not sent", alice.text)

    def test_answers_alone_that_waited_are_dropped_without_a_word(self) -> None:
        alice = self.attach()
        self.web.link.migrate()
        alice.type(POSITION)
        self.web.link.disconnect("off")
        self.desk.turn()
        self.assertIn("is away", alice.text)
        self.assertNotIn("not sent", alice.text)
        self.assertEqual(self.sums(), (0, 0, 8))

    def test_a_vm_that_does_not_read_closes_the_window_for_answers_too(self) -> None:
        alice = self.attach()
        for _ in range(20_000):
            alice.type(POSITION)
        self.desk.run_on(100, 0.01)
        self.assertLessEqual(self.web.input.waiting, 65536)
        self.assertGreater(alice.under_way, 0)
        for _ in range(100):
            while self.line.questions:
                self.line.questions -= 1
                self.web.link.answered()
            self.desk.run_on(1, 0.01)
        self.assertEqual((self.sent(), alice.under_way), (POSITION * 20_000, 0))

    def test_after_a_change_of_host_nothing_answers_before_somebody_has_looked(self) -> None:
        alice = self.attach()
        fresh = FakeLine("10.0.0.9")
        self.web.link.replace(fresh, "silent", How.TOOK_OVER)
        alice.type(POSITION)
        self.assertEqual(bytes(fresh.sent), b"")
        alice.type(b"\x05ca" + POSITION)
        self.assertEqual(bytes(fresh.sent), POSITION)

    def test_while_nothing_can_be_recorded_nobody_answers_but_the_holder(self) -> None:
        alice = self.attach()
        self.desk.record.refuses = True
        alice.type(POSITION)
        self.assertEqual(self.sent(), b"")
        self.desk.record.refuses = False
        alice.type(b"x")
        self.desk.record.refuses = True
        alice.type(POSITION)
        self.assertEqual(self.sent(), b"x" + POSITION)

    def test_an_answer_between_the_keys_of_an_escape_command(self) -> None:
        alice = self.attach()
        alice.type(b"\x05")
        alice.type(POSITION)
        alice.type(b"c" + POSITION + b".")
        self.assertEqual((self.sent(), alice.status), (POSITION * 2, 0))

    def test_what_is_pasted_is_typed(self) -> None:
        alice = self.attach()
        alice.type(b"\x1b[200~" + POSITION + b"\x1b[201~")
        self.assertEqual(self.sums()[:2], (20, 0))

    def test_escape_commands_in_a_paste_are_typed_wherever_it_is_cut(self) -> None:
        paste = b"\x1b[200~\x05c.\x1b[201~"
        for cut in range(len(paste)):
            alice = self.attach()
            alice.type(paste[:cut])
            alice.type(paste[cut:])
            self.assertIsNone(alice.status, cut)
            self.assertTrue(self.sent().endswith(paste), cut)
            alice.type(b"\x05c.")
            self.assertEqual(alice.status, 0)

    def test_without_a_terminal_bytes_are_exact_and_typed(self) -> None:
        raw = self.desk.ask("raw web01")
        raw.type(b"\x1b")
        raw.type(b"[24;80R")
        self.assertEqual(self.sent(), POSITION)
        self.assertEqual(self.sums()[:2], (8, 0))

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.sampled_from((*ANSWERS, b"a", b"\x1b", b"\x1b[A", b"\x05", b"c")), max_size=20)
    )
    def test_every_byte_is_somewhere(self, packets: list[bytes]) -> None:
        self.setUp()
        alice = self.attach()
        for packet in packets:
            alice.type(packet)
        self.desk.run_on(10, 1.0)
        self.assertEqual(alice.under_way, 0)
        self.assertEqual(sum(self.sums()[:2]), len(self.sent()))
        if b"\x05" not in b"".join(packets):
            self.assertEqual(self.sent(), b"".join(packets))


class Fair(TerminalTest):
    """Law 11: sequences are cheap to send and dear to parse."""

    TURN = 2.0**-10

    def setUp(self) -> None:
        super().setUp()
        clock = self.desk.clock
        later = clock.call_later
        # As in a reactor: what is called as soon as may be is called in another turn.
        clock.call_later = lambda delay, call: later(delay or self.TURN, call)  # type: ignore[method-assign]

    def turns(self, count: int = 1) -> None:
        self.desk.run_on(count, self.TURN)

    def test_a_turn_parses_so_many_sequences_of_a_vm_and_all_are_shown(self) -> None:
        alice = self.attach()
        begin, said = len(alice.output), b"\x1b7\x1b8" * 15_000 + b"end"
        self.says(said)
        for turn in range(1, 150):
            shown = bytes(alice.output[begin:])
            self.assertLessEqual(shown.count(b"\x1b"), SHOWN * turn)
            self.assertTrue(said.startswith(shown))
            self.turns(1)
        self.assertEqual(bytes(alice.output[begin:]), said)

    def test_text_and_some_colours_are_shown_at_once(self) -> None:
        alice = self.attach()
        begin, said = len(alice.output), (b"\x1b[31m" + b"x" * 500 + b"\x1b[m\r\n") * 100
        self.says(said)
        self.assertEqual(bytes(alice.output[begin:]), said)

    def test_a_listing_in_colours_is_shown_at_once(self) -> None:
        channels = [self.attach() for _ in range(8)]
        self.turns()
        begun = [len(each.output) for each in channels]
        said = b"\x1b[0m\x1b[01;34mdir\x1b[0m  \x1b[01;32mexec\x1b[0m\r\n" * 1500
        self.says(said)
        for each, at in zip(channels, begun, strict=True):
            self.assertEqual(bytes(each.output[at:]), said)

    def test_terminals_on_one_console_share_what_a_turn_parses(self) -> None:
        channels = [self.attach() for _ in range(8)]
        self.desk.run_on(1, 1.0)
        begun = [len(each.output) for each in channels]
        self.says(b"\x0e\x0f" * 15_000)
        shown = sum(len(each.output) - at for each, at in zip(channels, begun, strict=True))
        self.assertLessEqual(shown, SHOWN)
        self.turns(1000)
        for each, at in zip(channels, begun, strict=True):
            self.assertEqual(bytes(each.output[at:]), b"\x0e\x0f" * 15_000)

    def test_a_notice_stays_in_its_place_among_them(self) -> None:
        alice = self.attach()
        begin = len(alice.output)
        self.web.link.output(b"\x1b7" * 6000)
        self.web.attachments.tell("here")
        self.says(b"\x1b8" * 6000)
        self.turns(100)
        before, _, after = bytes(alice.output[begin:]).partition(b"[here]")
        self.assertEqual((before.count(b"\x1b7"), after.count(b"\x1b8")), (6000, 6000))

    def test_what_was_not_shown_yet_when_it_ends_is_not_shown_later(self) -> None:
        alice = self.attach()
        self.says(b"\x1b[?1000h\x1b[?1000l" * 3000)
        alice.type(b"\x05c.")
        ended = bytes(alice.output)
        self.desk.run_on(10, 1.0)
        self.assertEqual((bytes(alice.output), alice.status), (ended, 0))

    def test_a_turn_parses_so_many_sequences_of_a_client_and_all_go_to_the_vm(self) -> None:
        alice = self.attach()
        packet = b"\x1b[A" * 10_000
        alice.type(packet)
        for turn in range(1, 150):
            self.assertLessEqual(len(packet) - alice.under_way, 3 * TYPED * turn)
            while self.line.questions:
                self.line.questions -= 1
                self.web.link.answered()
            self.turns(1)
        self.assertEqual((self.sent(), alice.under_way), (packet, 0))

    def test_a_packet_of_many_sequences_is_data_throughout(self) -> None:
        alice = self.attach()
        packet = b"\x1b[A" * 1000 + b"\x05c."
        alice.type(packet)
        self.desk.run_on(10, 1.0)
        while self.line.questions:
            self.line.questions -= 1
            self.web.link.answered()
        self.assertEqual((self.sent(), alice.status), (packet, None))

    def test_reports_of_the_mouse_do_not_make_a_paste_of_a_key(self) -> None:
        alice = self.attach()
        moves = b"".join(b"\x1b[<35;%d;10M" % column for column in range(10, 30))
        alice.type(moves + b"\x05" + moves + b"c." + moves)
        self.assertEqual(alice.status, 0)

    def test_a_break_is_refused_where_it_would_overtake_what_was_typed(self) -> None:
        alice = self.attach()
        alice.type(b"\x1b[A" * 1000)
        assert alice.program is not None
        self.assertFalse(alice.program.break_requested())
        self.turns(10)
        self.assertTrue(alice.program.break_requested())


VIM = b"\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?25l\x1b[31m"
UNDONE = b"\x1b[?1049l\x1b[?1l\x1b[?25h\x1b[?2004l\x1b[m\x1b>"


class GivenBack(TerminalTest):
    """A terminal is given back as it was."""

    def in_vim(self, terminal: Terminal = XTERM) -> FakeChannel:
        channel = self.attach(terminal=terminal)
        self.says(VIM)
        channel.output.clear()
        return channel

    def test_who_leaves(self) -> None:
        channel = self.in_vim()
        channel.type(b"\x05c.")
        self.assertEqual(bytes(channel.output), UNDONE + b"\r\n[left web01]\r\n")

    def test_who_is_sent_off(self) -> None:
        channel = self.in_vim()
        self.desk.ask("kick web01 alice", self.desk.login(CAROL))
        for attachment in list(self.web.attachments):
            attachment.expel("carol sent you off")
        self.assertEqual(bytes(channel.output), UNDONE + b"\r\n[web01: carol sent you off]\r\n")
        self.assertEqual(channel.status, 1)

    def test_who_is_sent_off_as_the_last_while_output_waits(self) -> None:
        channel = self.in_vim()
        self.web.link.output(b"bye")
        for attachment in list(self.web.attachments):
            attachment.expel("the server is shutting down")
        wanted = b"bye" + UNDONE + b"\r\n[web01: the server is shutting down]\r\n"
        self.assertEqual(bytes(channel.output), wanted)
        self.assertEqual(channel.status, 1)

    def test_whose_console_ends_behind_what_was_said(self) -> None:
        channel = self.in_vim()
        for attachment in list(self.web.attachments):
            attachment.end("web01: over")
        self.desk.turn()
        self.assertEqual(bytes(channel.output), UNDONE + b"\r\n[web01: over]\r\n")

    def test_whose_vm_is_forgotten(self) -> None:
        channel = self.in_vim()
        self.web.link.disconnect("off")
        self.desk.roster.settle(self.web)
        self.desk.roster.forget(self.web)
        self.assertIn(UNDONE.decode() + "\r\n[web01: ", channel.text)

    def test_whose_rights_end(self) -> None:
        channel = self.in_vim()
        self.web.reassess(lambda _operator, _subject: frozenset())
        self.assertIn(UNDONE.decode() + "\r\n[web01: you may no longer read", channel.text)

    def test_who_goes_back_to_the_chooser(self) -> None:
        channel, left = FakeChannel(XTERM), list[str]()
        call = Call(self.desk.context, self.desk.login(), channel)
        TerminalBridge(call, self.web, left=left.append).begin()
        self.says(VIM)
        channel.output.clear()
        channel.type(b"\x05c.")
        self.assertEqual(bytes(channel.output), UNDONE + b"\r\n[left web01]\r\n")
        self.assertEqual((left, channel.status), ([""], None))

    def test_whose_connection_is_ended_by_us(self) -> None:
        channel = self.in_vim()
        assert channel.program is not None
        self.assertTrue(channel.program.give_back())
        self.assertEqual(bytes(channel.output), UNDONE)
        self.assertFalse(channel.program.give_back())

    def test_where_nothing_was_turned_on_nothing_is_undone(self) -> None:
        channel = self.attach()
        self.says(b"\x1b[31mred\x1b[m\r\n")
        channel.output.clear()
        channel.type(b"\x05c.")
        self.assertEqual(bytes(channel.output), b"[left web01]\r\n")

    def test_a_dumb_terminal_gets_none_of_it(self) -> None:
        for kind in ("dumb", ""):
            channel = self.in_vim(Terminal(kind, 80, 24))
            self.web.attachments.tell("a notice")
            self.desk.turn()
            channel.type(b"\x05cr\x05c.")
            self.assertNotIn(b"\x1b", bytes(channel.output).replace(b"\x1b[31m", b""))

    def test_only_what_this_terminal_was_shown(self) -> None:
        self.says(b"\x1b[?1049h\x1b[?25l$ ")
        channel = self.attach(words="replay=raw")
        channel.output.clear()
        channel.type(b"\x05c.")
        self.assertEqual(bytes(channel.output), b"\r\n[left web01]\r\n")

    def test_a_replay_sets_no_modes(self) -> None:
        self.says(VIM + b"\x0e\x1b(0text\r\n\x1b[2;5r\x1b[4h$ ")
        channel = self.attach(words="replay=raw")
        for never in (b"\x1b[?", b"\x0e", b"\x1b(", b"\x1b=", b"\x1b[2;5r", b"\x1b[4h"):
            self.assertNotIn(never, bytes(channel.output))


class Readable(TerminalTest):
    """Lines of ours are readable whatever the VM has made of the terminal."""

    def test_charset_and_colours_are_neutral_before_a_notice_and_as_they_were_behind(self) -> None:
        channel = self.attach()
        self.says(b"\x1b[1;32m\x1b(0lqqqk\x0e")
        channel.output.clear()
        self.web.attachments.tell("hello")
        self.desk.turn()
        self.assertEqual(
            bytes(channel.output), b"\x0f\x1b(B\x1b[m\r\n[hello]\r\n\x1b[1;32m\x1b(0\x0e"
        )

    def test_a_notice_in_the_middle_of_a_sequence(self) -> None:
        channel = self.attach()
        channel.output.clear()
        self.says(b"text\x1b[3")
        self.web.attachments.tell("hello")
        self.says(b"2m")
        self.assertEqual(bytes(channel.output), b"text\x1b[3\x18\r\n[hello]\r\n\x1b[32m")

    def test_a_sequence_whose_end_was_lost_is_not_begun_again(self) -> None:
        channel = self.attach()
        channel.output.clear()
        self.says(b"text\x1b]0;a title")
        channel.window = 0
        self.says(b"x" * 200_000)
        self.says(b"\x07prompt$ ")
        channel.read(1 << 20)
        shown = bytes(channel.output)
        self.assertTrue(shown.startswith(b"text\x1b]0;a title\x18\r\n[output lost: "), shown[:80])
        self.assertEqual(shown.count(b"\x1b]"), 1)
        self.assertTrue(shown.endswith(b"xx\x07prompt$ "))

    def test_help_too(self) -> None:
        channel = self.attach()
        self.says(b"\x0e")
        channel.output.clear()
        channel.type(b"\x05c?")
        self.assertTrue(channel.output.startswith(b"\x0f\r\n^Ec.  leave"))
        self.assertTrue(channel.output.endswith(b"\x0e"))

    def test_a_replay_is_plain_and_the_vm_goes_on_as_it_was(self) -> None:
        channel = self.attach()
        self.says(b"one\r\n\x0e\x1b[32mtwo\r\n$ ")
        channel.output.clear()
        channel.type(b"\x05cr")
        self.assertEqual(
            channel.text,
            "\x0f\x1b[m\r\n[replay of the last 20 lines]\r\none\r\n\x1b[32mtwo\r\n\x1b[m"
            "\x1b[m[end of replay]\r\n\x1b[32m$ \x0e",
        )
        self.says(b"\x0f\x1b[0m")
        channel.output.clear()
        self.web.attachments.tell("hello")
        self.desk.turn()
        self.assertEqual(bytes(channel.output), b"\r\n[hello]\r\n")

    def test_of_very_many_colours_in_a_replay_the_last_count(self) -> None:
        said = b"\x1b[41mred\r\n" + b"\x1b[1mx\x1b[4my" * 1500 + b"\r\n\x1b[32m$ "
        self.web.link.output(said)
        channel = self.attach()
        title, _, shown = bytes(channel.output).partition(b"lines]\r\n")
        lines, _, prompt = shown.partition(b"[end of replay]\r\n")
        self.assertIn(b"[replay of the last 20", title)
        self.assertTrue(lines.startswith(b"\x1b[41mred"))
        self.assertEqual(lines.count(b"\x1b[m"), 3)
        plain = lines.replace(b"\x1b[m", b"").rstrip(b"\r\n")
        self.assertIn(plain, said)
        followed = lines.split(b"\x1b[m")[1]
        self.assertTrue(followed.startswith(b"\x1b["))
        self.assertLessEqual(followed.count(b"\x1b"), COLOURS)
        self.assertEqual(prompt, b"\x1b[1;4m\x1b[32m$ ")
        channel.output.clear()
        self.web.attachments.tell("hello")
        self.desk.turn()
        self.assertTrue(channel.output.startswith(b"\x1b[m\r\n[hello]"))


class EscapeKeys(TerminalTest):
    """`^E` is taken on some machines: another control key does as well."""

    def test_another_one_at_the_login(self) -> None:
        channel = self.attach(words="esc=^]")
        self.assertIn("Enter ^]c? for help]", channel.text)
        channel.type(b"\x05c.\x1dc?\x1d\x1d")
        self.assertEqual(self.sent(), b"\x05c.\x1d")
        self.assertIn("^]c.  leave", channel.text)
        self.assertNotIn("^E", channel.text)
        channel.type(b"\x1dc.")
        self.assertEqual(channel.status, 0)

    def test_any_control_key(self) -> None:
        for byte in set(range(32)) - {10, 13, 27}:
            channel = self.attach(words=f"esc=^{chr(byte + 64).lower()}".replace("\\", "\\\\"))
            channel.type(bytes((byte,)) + b"c.")
            self.assertEqual(channel.status, 0, byte)

    def test_none(self) -> None:
        channel = self.attach(words="esc=none")
        channel.type(b"\x05c.")
        self.assertEqual(self.sent(), b"\x05c.")
        self.assertNotIn("^", channel.text)

    def test_what_can_be_none(self) -> None:
        for word in ("^M", "^J", "^[", "^", "x", "^1", "E", "^EE"):
            channel = self.desk.ask(f"console web01 esc={word}", terminal=XTERM)
            self.assertEqual(channel.status, 2, word)
            self.assertIn("is not an escape key; a control key is allowed, written", channel.text)

    def test_the_configuration_s_for_all(self) -> None:
        object.__setattr__(self.desk.context, "escape", lambda: b"\x18")
        channel = self.attach()
        channel.type(b"\x18c?")
        self.assertIn("^Xc.  leave", channel.text)
        other = self.attach(words="esc=^A")
        other.type(b"\x01c?")
        self.assertIn("^Ac.  leave", other.text)

    def test_it_is_changed_inside(self) -> None:
        channel = self.attach()
        channel.type(b"\x05ce")
        self.assertIn("[type the new escape key, a control key]", channel.text)
        self.desk.clock.advance(30)
        channel.type(b"\x18")
        self.assertIn("[escape key changed: ^Xc? for help]", channel.text)
        channel.type(b"\x05\x18c?")
        self.assertIn("^Xce  another escape key", channel.text)
        self.assertEqual(self.sent(), b"\x05")

    def test_it_is_changed_in_one_packet(self) -> None:
        channel = self.attach()
        channel.type(b"a\x05ce\x18b\x18c.")
        self.assertEqual((self.sent(), channel.status), (b"ab", 0))

    def test_a_key_that_cannot_be_it_changes_nothing(self) -> None:
        channel = self.attach()
        for key in (b"x", b"\r", b"\x1b[A", b"\x7f"):
            channel.type(b"\x05ce")
            channel.type(key)
            self.assertIn(
                "[escape key not changed, as in ^Ec?: it must be a control key", channel.text
            )
            channel.output.clear()
        self.assertEqual(self.sent(), b"")
        channel.type(b"\x05c.")
        self.assertEqual(channel.status, 0)

    def test_hints_name_it(self) -> None:
        channel = self.attach(words="ro esc=^X")
        channel.type(b"a\x18cs\x18cZ")
        for hint in ("; ^Xca asks for the pen]", "[unknown escape command; ^Xc? lists them]"):
            self.assertIn(hint, channel.text)

    def test_large_packets_are_data_with_any_key(self) -> None:
        escapes = Escapes(b"\x18")
        self.assertEqual(escapes.feed(b"\x18c.", size=100), TypedPart(b"\x18c."))


class IdlePens(TerminalTest):
    """`[console] pen_idle`: who has gone to lunch keeps nobody from typing."""

    def setUp(self) -> None:
        super().setUp()
        self.limit = 900.0
        object.__setattr__(self.desk.console_context, "pen_idle", lambda: self.limit)

    def test_it_is_laid_down_and_all_are_told(self) -> None:
        alice, carol = self.attach(), self.attach(CAROL)
        alice.type(b"a")
        self.desk.clock.advance(899)
        self.assertIsNotNone(self.web.pen.holder)
        self.desk.clock.advance(1)
        self.desk.turn()
        self.assertIsNone(self.web.pen.holder)
        self.assertIn("the pen is free: you have typed nothing for 15 min]", alice.text)
        self.assertIn("the pen is free: alice has typed nothing for 15 min]", carol.text)
        carol.type(b"c")
        self.assertEqual(self.sent(), b"ac")

    def test_each_key_counts_and_no_answer_does(self) -> None:
        alice = self.attach()
        alice.type(b"a")
        for _ in range(3):
            self.desk.clock.advance(600)
            alice.type(b"a")
        self.desk.clock.advance(600)
        alice.type(POSITION)
        self.assertIsNotNone(self.web.pen.holder)
        self.desk.clock.advance(300)
        self.assertIsNone(self.web.pen.holder)

    def test_never(self) -> None:
        self.limit = 0
        self.attach().type(b"a")
        self.desk.clock.advance(1e6)
        self.assertIsNotNone(self.web.pen.holder)

    def test_a_reload_counts_for_those_who_have_it(self) -> None:
        alice = self.attach()
        alice.type(b"a")
        self.limit = 60
        self.desk.clock.advance(900)
        self.assertIsNone(self.web.pen.holder)
        self.limit = 0
        alice.type(b"a")
        self.desk.clock.advance(900)
        self.limit = 60
        alice.type(b"a")
        self.desk.clock.advance(60)
        self.assertIsNone(self.web.pen.holder)

    def test_a_program_keeps_it(self) -> None:
        raw = self.desk.ask("raw web01")
        raw.type(b"a")
        self.desk.clock.advance(1e6)
        self.assertIsNotNone(self.web.pen.holder)

    def test_nothing_is_left_of_it_when_its_holder_has_gone(self) -> None:
        alice = self.attach()
        alice.type(b"a\x05c.")
        self.assertEqual(self.desk.clock.twisted.getDelayedCalls(), [])


class Told(TerminalTest):
    """The end is told like the beginning."""

    def test_a_delayed_is_away_never_comes_after_the_end(self) -> None:
        alice = self.attach()
        self.web.link.disconnect("off")
        self.desk.turn()
        for _ in range(5):
            alice.type(b"x")
        self.desk.clock.advance(0.5)
        self.web.link.connect(FakeLine())
        self.desk.turn()
        self.desk.clock.advance(5)
        self.desk.turn()
        lines = [line for line in alice.text.split("\r\n") if "[web01 is" in line]
        self.assertEqual(
            [line.strip("[]") for line in lines],
            [
                "web01 is away (off)",
                "web01 is away: 1 byte not sent",
                "web01 is away: 4 bytes not sent",
                "web01 is connected again, from 10.0.0.1, after 0 s",
            ],
        )

    def test_what_was_refused_is_told_as_it_was_then(self) -> None:
        alice, carol = self.attach(), self.attach(CAROL)
        carol.type(b"c")
        alice.type(b"x")
        alice.type(b"yy")
        carol.type(b"\x05c.")
        self.desk.clock.advance(1)
        self.assertIn("[carol is typing on web01: 2 bytes not sent", alice.text)
        self.assertNotIn("somebody", alice.text)

    def test_who_leaves_is_told_what_was_not_told_yet(self) -> None:
        alice = self.attach()
        self.web.link.disconnect("off")
        alice.type(b"x")
        alice.type(b"yy\x05c.")
        self.assertTrue(alice.text.endswith("is away: 2 bytes not sent]\r\n[left web01]\r\n"))

    def test_the_other_window_of_the_same_operator_is_you(self) -> None:
        first, second = self.attach(), self.attach()
        first.type(b"x")
        second.type(b"y")
        self.assertIn("[you, from session session1, are typing on web01: 1 byte not", second.text)
        third = self.attach(words="ro")
        self.assertIn("you, from session session1, write, 2 others.", third.text)
        self.desk.turn()
        self.assertIn("[you, from session session3, attached]", first.text)
        send = self.desk.ask("send web01 x")
        self.assertIn("you, from session session1, are typing on web01; nothing", send.complaint)
        broken = self.desk.ask("break web01")
        self.assertIn("you, from session session1, are typing on web01; the", broken.complaint)

    def test_who_asks_for_the_pen_is_told_to_its_holder_with_what_to_do(self) -> None:
        alice, carol = self.attach(words="esc=^X"), self.attach(CAROL)
        alice.type(b"x")
        carol.type(b"\x05ca")
        self.desk.turn()
        self.assertIn("[carol waits for the pen; ^Xcs lays it down]", alice.text)
        alice.type(b"\x18cs")
        self.desk.turn()
        given = "[you have the pen now: you were first in line: alice laid it down]"
        self.assertIn(given, carol.text)
        self.assertIn("[carol has the pen as the first in line: alice laid it down]", alice.text)

    def test_a_break_that_waits_is_told_when_it_goes(self) -> None:
        alice = self.attach()
        alice.type(b"p" * 9000)
        alice.type(b"\x05cl0")
        self.assertTrue(alice.text.endswith("[BREAK waits for earlier input]\r\n"))
        while self.line.questions:
            self.line.questions -= 1
            self.web.link.answered()
        self.desk.turn()
        self.assertTrue(alice.text.endswith("[BREAK]\r\n"))
        self.assertEqual(alice.text.count("[BREAK]"), 1)

    def test_each_break_that_waits_is_told_once_and_none_that_was_dropped(self) -> None:
        alice = self.attach()
        alice.type(b"p" * 9000)
        alice.type(b"\x05cl0\x05cl0")
        while self.line.questions:
            self.line.questions -= 1
            self.web.link.answered()
        self.desk.turn()
        self.assertEqual(alice.text.count("[BREAK]"), 2)
        alice.type(b"p" * 9000)
        alice.type(b"\x05cl0")
        self.web.link.disconnect("off")
        self.web.link.connect(FakeLine())
        alice.type(b"\x05cl0")
        self.desk.turn()
        self.assertEqual(alice.text.count("[BREAK]"), 3)

    def test_that_what_is_done_can_be_recorded_again(self) -> None:
        alice = self.attach()
        self.desk.record.refuses = True
        alice.type(b"x")
        self.assertIn("while the audit file cannot be written: 1 byte not sent", alice.text)
        self.desk.clock.advance(5)
        self.assertNotIn("again", alice.text)
        self.desk.record.refuses = False
        self.desk.clock.advance(1)
        self.assertTrue(
            alice.text.endswith("[the audit file can be written again: typing is allowed]\r\n")
        )
        self.desk.clock.advance(5)
        alice.type(b"\x05c.")
        self.assertEqual(alice.text.count("again"), 1)
        self.assertEqual(self.desk.clock.twisted.getDelayedCalls(), [])

    def test_a_right_to_type_that_comes_back(self) -> None:
        alice, follower = self.attach(), self.desk.ask("log -f web01")
        for rights in (frozenset({"read"}), frozenset({"read", "write"})):
            self.web.reassess(lambda _operator, _subject, rights=rights: rights)  # type: ignore[misc]
        self.desk.turn()
        self.assertIn("[you may no longer type here]\r\n[you may type here now]", alice.text)
        self.assertNotIn("you may", follower.text + follower.complaint)
