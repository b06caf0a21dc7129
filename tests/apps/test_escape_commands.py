"""Each escape command on a real terminal: what it shows, what it types, who may use it."""

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, OpsDesk
from tests.apps.support import ALICE, BOB, XTERM, FakeChannel
from vspc.apps.dispatch import Dispatcher
from vspc.apps.terminal.commands.typing import PATIENCE
from vspc.apps.typing.paste import ECHO_PATIENCE, LIMIT, QUIET
from vspc.config.breaks import BreakStep
from vspc.config.settings import BreakSettings
from vspc.console.access import Access, Operator, Rule, Subject
from vspc.console.logins import Login, ShellRequest
from vspc.console.ports import Terminal

KDB = BreakSettings("kdb", (BreakStep(), BreakStep(delay=5.0), BreakStep(b"g")))
BEGINS, ENDS = b"\x1b[200~", b"\x1b[201~"


class EscapeTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        object.__setattr__(self.desk.context, "break_sequences", self.sequences)
        self.alice = self.attach()
        self.alice.output.clear()

    def sequences(self, _subject: Subject) -> Sequence[BreakSettings]:
        return (KDB,)

    def attach(self, operator: Operator = ALICE, terminal: Terminal = XTERM) -> FakeChannel:
        return self.desk.ask("console web01", self.desk.login(operator), terminal)

    def type(self, *packets: bytes) -> str:
        """What alice types; what is shown after it."""
        self.alice.output.clear()
        for packet in packets:
            self.alice.type(packet)
            self.desk.run_on(3)
        return self.alice.text

    def pass_time(self, seconds: float) -> str:
        self.alice.output.clear()
        self.desk.clock.advance(seconds)
        self.desk.run_on(3)
        return self.alice.text

    @property
    def sent(self) -> bytes:
        return bytes(self.line.sent)


class Breaking(EscapeTest):
    def test_a_sequence_by_its_number(self) -> None:
        self.assertIn("^Ecl1 kdb", self.type(b"\x05c?"))
        self.type(b"\x05cl1")
        self.assertEqual(self.line.log, ["BREAK"])
        self.assertIn("[kdb: done]", self.pass_time(5))
        self.assertEqual(self.line.log, ["BREAK", b"g"])
        self.assertEqual(self.alice.under_way, 0)

    def test_the_list_of_them_and_one_that_is_not_there(self) -> None:
        self.assertIn("^Ecl0  BREAK\r\n^Ecl1  kdb\r\n", self.type(b"\x05cl?"))
        self.assertIn("[web01 has no sequence 2; ^Ecl? lists them]", self.type(b"\x05cl2"))

    def test_keys_are_not_sent_meanwhile_and_control_c_stops_it(self) -> None:
        self.type(b"\x05cl1")
        self.assertIn(
            "[2 bytes not sent: kdb is running, Control-C stops it]", self.type(b"ls", b"x")
        )
        self.assertIn("[kdb was stopped]", self.type(b"\x03"))
        self.pass_time(10)
        self.assertEqual(self.line.log, ["BREAK"])
        self.type(b"ls")
        self.assertEqual(self.sent, b"ls")

    def test_who_asks_for_the_pen_meanwhile_is_answered(self) -> None:
        self.type(b"\x05cl1")
        carol = self.attach(CAROL)
        for answer, shown in ((b"N", "you keep the pen"), (b"y", "kdb stopped at step 2 of 3: ")):
            self.alice.output.clear()
            carol.type(b"\x05ck")
            self.desk.run_on(3, 0.5)
            self.assertIn("carol asks for the pen: ^Ecy gives it", self.alice.text)
            self.assertIn(shown, self.type(b"\x05c" + answer))
        self.pass_time(10)
        self.assertEqual(self.line.log, ["BREAK"])

    def test_other_escape_commands_wait(self) -> None:
        self.type(b"\x05cl1")
        self.assertIn("[not while kdb is running]", self.type(b"\x05cP"))
        self.assertIn("[not while kdb is running]", self.type(b"\x05c", b"l", b"1"))
        self.assertIn("web01  alice  writes", self.type(b"\x05cw"))
        self.assertEqual(self.type(b"\x05"), "")
        self.assertIn("[kdb: done]", self.pass_time(5))
        self.assertEqual(self.line.log, ["BREAK", b"g"])
        self.type(b"\x05cl1", b"\x05c.")
        self.assertEqual(self.alice.status, 0)

    def test_it_ends_with_the_pen(self) -> None:
        self.type(b"\x05cl1")
        self.alice.output.clear()
        self.desk.console_attachment(self.web, CAROL).take_pen(force=True)
        self.desk.run_on(3)
        self.assertIn("[kdb stopped at step 2 of 3: carol is typing on web01]", self.alice.text)
        self.pass_time(10)
        self.assertEqual(self.line.log, ["BREAK"])

    def test_it_ends_with_the_terminal(self) -> None:
        self.type(b"\x05cl1")
        self.alice.close()
        self.desk.clock.advance(60)
        self.assertEqual(self.line.log, ["BREAK"])
        (found,) = self.desk.audited("break-sequence")
        self.assertEqual((found["sequence"], found["result"]), ("kdb", "failed"))

    def test_it_ends_with_the_vm(self) -> None:
        self.type(b"\x05cl1")
        self.alice.output.clear()
        self.web.link.disconnect("off")
        self.desk.run_on(3)
        self.assertIn("[kdb stopped at step 2 of 3: web01 is away]", self.alice.text)

    def test_it_ends_when_the_operator_is_removed(self) -> None:
        self.type(b"\x05cl1")
        for attachment in self.web.attachments:
            attachment.expel("removed by dave")
        self.desk.run_on(3)
        self.assertEqual(self.alice.status, 1)
        self.desk.clock.advance(60)
        self.assertEqual(self.line.log, ["BREAK"])

    def test_sysrq_asks_once(self) -> None:
        shown = self.type(b"\x05cS", b"b")
        self.assertIn("[SysRq b on web01: reboot at once, without sync; press y]", shown)
        self.assertEqual(self.line.log, [])
        self.assertIn("[SysRq b]", self.type(b"y"))
        self.assertEqual(self.line.log, ["BREAK", b"b"])

    def test_sysrq_is_not_sent_for_another_answer(self) -> None:
        for keys in (b"n", b"\r", b"\x1b[A", b"\x03"):
            self.assertIn("[nothing was sent]", self.type(b"\x05cS", b"b", keys))
        self.assertIn("[not a SysRq key; nothing was sent]", self.type(b"\x05cS", b"\x1b[A"))
        self.assertEqual((self.line.log, self.sent), ([], b""))

    def test_sysrq_at_once(self) -> None:
        self.type(b"\x05cS!k")
        self.assertEqual(self.line.log, ["BREAK", b"k"])

    def test_sysrq_lists_its_keys(self) -> None:
        shown = self.type(b"\x05cS?", b" ", b" ")
        self.assertIn("b  reboot at once, without sync\r\n", shown)
        self.assertIn("z  dump the trace buffer\r\n", shown)

    def test_whoever_may_not_is_told(self) -> None:
        self.desk.rules = Access(
            (Rule(frozenset({"carol"}), ("*",), frozenset({"read", "write"})),)
        )
        carol = self.attach(CAROL)
        carol.type(b"\x05c?")
        for keys in ("^Ecl0", "^Ecl1", "^EcS", "^Ecl?"):
            self.assertNotIn(keys, carol.text)
        carol.type(b"\x05cl1")
        carol.type(b"\x05cS!b")
        self.desk.run_on(3)
        self.assertEqual(carol.text.count("you have no right to send a BREAK to web01"), 2)
        self.assertEqual(self.line.log, [])
        self.assertEqual(len(self.desk.audited("denied")), 1)


class Telling(EscapeTest):
    def test_a_message_to_the_others(self) -> None:
        carol = self.attach(CAROL)
        self.type(b"\x05cb", b"I reboot it\r")
        self.assertIn("[message from alice: I reboot it]", carol.text)
        self.assertEqual(self.sent, b"")
        self.assertEqual(len(self.desk.audited("msg")), 1)

    def test_an_empty_line_sends_nothing(self) -> None:
        self.assertIn("[cancelled]", self.type(b"\x05cb", b"  \r"))
        self.assertEqual(self.desk.audited("msg"), [])

    def test_control_characters_and_a_long_line(self) -> None:
        carol = self.attach(CAROL)
        self.type(b"\x05cb", b"a\x1b[2Jb\x07\xff\xe2\x80\xaec" + b"x" * 2000 + b"\r")
        shown = carol.text.partition("message from alice: ")[2]
        self.assertNotIn("\x1b[2J", shown.partition("]")[0])
        self.assertNotIn("\u202e", shown)
        self.assertLess(len(shown), 700)
        self.assertEqual(self.sent, b"")

    def test_in_a_narrow_window_the_prompt_is_a_line_of_its_own(self) -> None:
        for columns in (1, 5, 20, 40):
            self.alice.terminal = Terminal("xterm", columns, 12)
            shown = self.type(b"\x05cP")
            self.assertIn("[characters a second (Enter: verify each line by its echo)]", shown)
            shown = self.type(b"1", b"2")
            self.assertNotIn("echo", shown)
            self.assertTrue(shown.endswith("\r\x1b[K: " + "12"[-max(1, columns - 3) :]), shown)
            self.type(b"\x03")

    def test_a_note_that_cannot_be_kept_is_told(self) -> None:
        shown = self.type(b"\x05cn", b"replaced its disk\r")
        self.assertIn("[the log of web01 cannot be written; the note was not added]", shown)

    def test_a_reader_has_no_notes(self) -> None:
        bob = self.attach(BOB)
        bob.type(b"\x05cn")
        bob.type(b"hello\r")
        self.assertIn("[you have no right to write on web01]", bob.text)

    def test_users_of_all_consoles_that_one_may_read(self) -> None:
        secret, _ = self.desk.connected("secret", f"{2:032x}")
        db, _ = self.desk.connected("db01", f"{3:032x}")
        self.desk.console_attachment(secret, CAROL)
        self.desk.console_attachment(db, CAROL)
        bob = self.attach(BOB)
        bob.output.clear()
        bob.type(b"\x05cu")
        self.assertIn("db01  carol  reads", bob.text)
        self.assertIn("web01  alice  reads", bob.text)
        self.assertNotIn("secret", bob.text)

    def test_many_users_are_shown_by_pages(self) -> None:
        for _ in range(50):
            self.desk.console_attachment(self.web, CAROL)
        shown = self.type(b"\x05cu")
        self.assertIn("more lines: any key goes on, q ends]", shown)
        self.assertLess(shown.count("\n"), 24)


class Window(EscapeTest):
    def test_its_size_is_typed(self) -> None:
        self.type(b"\x05cW")
        self.assertEqual(self.sent, b"stty rows 24 cols 80\r")
        self.assertEqual(self.alice.under_way, 0)

    def test_without_the_pen_it_is_refused_as_typing_is(self) -> None:
        self.desk.console_attachment(self.web, CAROL).take_pen()
        self.assertIn("carol is typing on web01: 21 bytes not sent", self.type(b"\x05cW"))


class Choosing(EscapeTest):
    def dispatched(self, target: str = "web01") -> FakeChannel:
        channel = FakeChannel(XTERM)
        login = Login(self.desk.login(), target, ())
        Dispatcher(self.desk.context).start(channel, login, ShellRequest(target))
        self.desk.run_on(3)
        return channel

    def test_to_the_chooser_and_back_to_the_same_place(self) -> None:
        channel = self.dispatched()
        channel.type(b"x\x05c;")
        self.desk.run_on(3, 0.3)
        self.assertEqual([each.operator for each in self.web.attachments], [ALICE])
        self.assertIsNone(self.web.pen.holder)
        self.assertIn("web01", channel.text)
        self.web.link.output(b"meanwhile\r\n")
        channel.output.clear()
        channel.type(b"\r")
        self.desk.run_on(3)
        self.assertIn("meanwhile\r\n", channel.text)
        self.assertNotIn("replay of", channel.text)
        channel.type(b"ls\r")
        self.assertEqual(self.sent, b"xls\r")
        self.assertEqual(channel.under_way, 0)
        channel.type(b"\x05c.")
        self.assertIsNone(channel.status)

    def test_a_console_that_has_gone_meanwhile(self) -> None:
        channel = self.dispatched()
        channel.type(b"\x05c;")
        self.desk.run_on(3, 0.3)
        self.desk.rules = Access(())
        channel.type(b"\r")
        self.desk.run_on(3)
        self.assertNotIn(ALICE, [each.operator for each in self.web.attachments][1:])
        channel.type(b"\x03")

    def test_where_there_is_no_chooser(self) -> None:
        self.assertIn("[this login has no chooser]", self.type(b"\x05c;"))
        self.assertNotIn("^Ec;", self.type(b"\x05c?"))


class Suspending(EscapeTest):
    def test_over_ssh_it_says_how(self) -> None:
        self.assertIn("for the ssh client: Enter ~^Z]", self.type(b"\x05cz"))


class Conman(EscapeTest):
    def test_its_family(self) -> None:
        channel = self.desk.ask("console web01 esc=conman", self.desk.login(), XTERM)
        self.assertIn("Enter &? for help]", channel.text)
        channel.output.clear()
        channel.type(b"&?")
        self.assertIn("&. leave", channel.text)
        self.assertIn("&& one & for the VM", channel.text)
        self.assertNotIn("^E", channel.text)
        channel.type(b"ls&&ls 2>&1\r&B")
        self.assertEqual(self.line.log[-1], "BREAK")
        self.assertEqual(self.sent, b"ls&ls 2>&1\r")
        channel.type(b"&M")
        self.assertIn("[you only read now; &A asks for the pen]", channel.text)
        channel.type(b"&.")
        self.assertEqual(channel.status, 0)


class Pasting(EscapeTest):
    def echo(self, *texts: bytes) -> str:
        for text in texts:
            self.web.link.output(text)
            self.desk.run_on(3)
        return self.alice.text

    def paste(self, pace: bytes, text: bytes) -> str:
        self.type(b"\x05cP", pace + b"\r")
        self.assertIn("\x1b[?2004h", self.alice.text)
        return self.type(BEGINS + text + ENDS)

    def test_who_may_not_type_is_told_before_anything_is_pasted(self) -> None:
        self.desk.console_attachment(self.web, CAROL).take_pen()
        shown = self.type(b"\x05cP")
        self.assertIn("[carol is typing on web01: you do not have the pen; ^Ecf", shown)
        self.type(b"\r")
        self.assertEqual(self.sent, b"")

    def test_at_a_pace(self) -> None:
        self.paste(b"40", b"one\ntwo\r\nthree")
        self.assertEqual(self.sent, b"on")
        self.pass_time(0.05)
        self.assertEqual(self.sent, b"one\r")
        self.desk.run_on(20, 0.05)
        self.assertEqual(self.sent, b"one\rtwo\rthree")
        self.assertIn("[pasted 13 of 13 bytes, line 3 of 3]", self.alice.text)
        self.assertEqual(self.alice.under_way, 0)
        self.type(b"x")
        self.assertEqual(self.sent[-1:], b"x")

    def test_it_says_how_far_it_is_and_control_c_stops_it(self) -> None:
        self.paste(b"20", b"x" * 1000)
        self.alice.output.clear()
        self.desk.run_on(60, 0.1)
        self.assertIn("[paste: ", self.alice.text)
        self.assertIn("of 1000 bytes, line 1 of 1; Control-C stops it]", self.alice.text)
        shown = self.type(b"\x03")
        self.assertIn("[paste was stopped (", shown)
        count = len(self.sent)
        self.pass_time(10)
        self.assertEqual(len(self.sent), count)

    def test_each_line_is_verified(self) -> None:
        self.paste(b"", b"cat >x\nhello\n")
        self.assertEqual(self.sent, b"")
        self.pass_time(QUIET)
        self.assertEqual(self.sent, b"cat >x")
        self.echo(b"cat", b" >x")
        self.assertEqual(self.sent, b"cat >x\r")
        self.echo(b"\r\n> ")
        self.pass_time(QUIET / 2)
        self.echo(b"\x1b[?2004h")
        self.assertEqual(self.sent, b"cat >x\r")
        self.pass_time(QUIET)
        self.pass_time(QUIET)
        self.assertEqual(self.sent, b"cat >x\rhello")
        self.assertIn("[pasted 13 of 13 bytes, line 2 of 2]", self.echo(b"hello", b"\r\n"))

    def test_it_stops_at_the_first_difference_and_says_where(self) -> None:
        self.paste(b"verify", b"one\ntwelve\n")
        self.pass_time(QUIET)
        self.echo(b"one", b"\r\n")
        self.pass_time(QUIET)
        self.alice.output.clear()
        self.echo(b"twe\x07bell")
        shown = self.pass_time(QUIET)
        place = "line 2, column 4: expected 'l', got '\\x07bell'"
        self.assertIn(f"[paste stopped (4 of 11 bytes, line 2 of 2): {place}]", shown)
        self.assertEqual(self.sent, b"one\rtwelve")

    def test_nothing_is_shown_of_what_is_not_echoed(self) -> None:
        self.paste(b"", b"secret\n")
        self.pass_time(QUIET)
        shown = self.pass_time(ECHO_PATIENCE)
        self.assertIn("line 1: nothing came back in 5 s]", shown)
        self.paste(b"", b"secret\n")
        self.pass_time(QUIET)
        self.echo(b"Wrong")
        shown = self.pass_time(QUIET)
        self.assertIn("line 1: it is not echoed, got 'Wrong']", shown)
        self.assertNotIn("secret", self.alice.text)

    def test_escapes_in_a_paste_are_data(self) -> None:
        self.paste(b"1000", b"a\x05c.b&.")
        self.desk.run_on(5, 0.05)
        self.assertEqual(self.sent, b"a\x05c.b&.")
        self.assertIsNone(self.alice.status)

    def test_the_end_mark_in_pieces(self) -> None:
        self.type(b"\x05cP", b"100000\r", BEGINS + b"ab", b"c\x1b[20", b"1~ls\r")
        self.desk.run_on(5, 0.05)
        self.assertTrue(self.sent.startswith(b"abc"), self.sent)
        self.assertIn("3 bytes not sent: paste is running", self.alice.text)

    def test_by_hand_control_d_ends_it(self) -> None:
        self.type(b"\x05cP", b"100000\r", b"ab", b"c\x04")
        self.desk.run_on(5, 0.05)
        self.assertEqual(self.sent, b"abc")

    def test_nothing_is_pasted(self) -> None:
        self.assertIn("[cancelled: nothing is pasted]", self.type(b"\x05cP", b"\r", b"ab\x03"))
        self.assertIn("[empty: nothing is pasted]", self.type(b"\x05cP", b"\r", BEGINS + ENDS))
        self.type(b"\x05cP", b"\r")
        self.assertIn("[nothing came: nothing is pasted]", self.pass_time(PATIENCE))
        for pace in (b"0", b"-5", b"fast", b"1e3", b"9" * 30, b"\xc2\xb2"):
            shown = self.type(b"\x05cP", pace + b"\r")
            self.assertIn("characters a second are allowed; nothing is pasted]", shown)
        self.assertEqual(self.sent, b"")

    def test_one_that_is_too_long(self) -> None:
        self.type(b"\x05cP", b"\r", BEGINS)
        for _ in range(17):
            self.alice.type(b"x" * 65536)
        self.assertIn("[over 1MiB: nothing is pasted]", self.type(b"x" + ENDS))
        self.assertGreater(17 * 65536, LIMIT)
        self.assertEqual((self.sent, self.alice.under_way), (b"", 0))

    def test_the_terminal_is_given_back_as_the_vm_left_it(self) -> None:
        self.assertTrue(self.paste(b"9", b"x").count("\x1b[?2004l"))
        self.web.link.output(b"\x1b[?2004h")
        self.desk.run_on(3)
        self.pass_time(1)
        shown = self.type(b"\x05cP", b"9\r", BEGINS + b"x" + ENDS)
        self.assertNotIn("\x1b[?2004", shown)

    def test_a_vmotion_in_the_middle_puts_the_rest_off(self) -> None:
        self.paste(b"100000", b"x" * 20000)
        self.web.link.migrate()
        self.desk.run_on(50, 1.0)
        before = len(self.sent)
        self.assertLess(before, 20000)
        self.web.link.end_migration("it stays")
        self.desk.run_on(100, 0.05)
        for _ in range(100):
            self.web.link.answered()
            self.desk.run_on(1, 0.05)
        self.assertEqual(self.sent, b"x" * 20000)

    def test_the_vm_goes_in_the_middle(self) -> None:
        self.paste(b"20", b"x" * 1000)
        self.web.link.disconnect("off")
        self.desk.run_on(3)
        self.assertIn("line 1 of 1): web01 is away]", self.alice.text)
        self.assertEqual(self.web.input.waiting, 0)

    def test_the_pen_goes_in_the_middle(self) -> None:
        self.paste(b"20", b"x" * 1000)
        self.desk.console_attachment(self.web, CAROL).take_pen(force=True)
        self.desk.run_on(3)
        self.assertIn("carol is typing on web01]", self.alice.text)
