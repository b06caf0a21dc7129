"""What an operator gets for what he asked: verbs, consoles, the chooser, forwarded channels."""

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import ALICE, BOB, XTERM, Desk, FakeChannel
from tests.fakes import session
from vspc.apps.dispatch import Dispatcher
from vspc.common.text import safe
from vspc.console.access import Access
from vspc.console.logins import ExecRequest, ForwardRequest, Login, Request, ShellRequest
from vspc.console.ports import Terminal
from vspc.console.session import UNLIMITED, SessionLimits


class DispatchTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = Desk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        self.desk.connected("secret", f"{2:032x}")
        self.operators = {"alice": ALICE, "bob": BOB}
        self.dispatcher = Dispatcher(
            evolve(self.desk.context, current=lambda who: self.operators.get(who.name))
        )

    def ask(
        self,
        request: Request,
        operator: str = "alice",
        terminal: Terminal | None = None,
        target: str | None = None,
        options: tuple[str, ...] = (),
        limits: SessionLimits = UNLIMITED,
    ) -> FakeChannel:
        channel = FakeChannel(terminal)
        login = Login(evolve(session(operator), limits=limits), target, options)
        self.dispatcher.start(channel, login, request)
        return channel


class Verbs(DispatchTest):
    def test_a_command_line_is_a_verb(self) -> None:
        self.assertIn("web01", self.ask(ExecRequest(b"list")).text)
        self.assertEqual(self.ask(ExecRequest(b"'open")).status, 2)
        self.assertEqual(self.ask(ExecRequest(b"\xff\xfe")).status, 2)

    def test_the_console_named_in_the_login_is_the_verbs(self) -> None:
        channel = self.ask(ExecRequest(b"info"), target="web01")
        self.assertIn("name: web01", channel.text)
        channel = self.ask(ExecRequest(b"info --json"), target="web01")
        self.assertIn('"name": "web01"', channel.text)

    def test_a_login_that_names_a_console_means_that_one(self) -> None:
        other = self.ask(ExecRequest(b"info secret"), target="web01")
        self.assertEqual((other.status, other.text), (2, ""))
        self.assertIn("the login names web01; --on names another console", other.complaint)
        self.assertIn("name: web01", self.ask(ExecRequest(b"info web01"), target="web01").text)
        for line in (b"info --on secret", b"info --json --on=secret", b"who --on secret"):
            self.assertNotIn("web01", self.ask(ExecRequest(line), target="web01").text)
        self.assertIn(
            "name: secret", self.ask(ExecRequest(b"info --on secret"), target="web01").text
        )
        self.assertIn("name: secret", self.ask(ExecRequest(b"info --on secret")).text)
        self.assertEqual(self.ask(ExecRequest(b"info web01 --on secret")).status, 2)
        absent = self.ask(ExecRequest(b"info --on secret"), "bob", target="web01")
        self.assertEqual((absent.status, absent.text), (3, ""))

    def test_with_a_console_in_the_login_the_first_word_is_text(self) -> None:
        self.assertEqual(self.ask(ExecRequest(b"send ls"), target="web01").status, 0)
        self.assertEqual(self.ask(ExecRequest(b"send --enter ls"), target="web01").status, 0)
        self.assertEqual(bytes(self.line.sent), b"lsls\r")
        self.assertEqual(self.ask(ExecRequest(b"send --on web01 x"), target="secret").status, 0)
        self.assertEqual(bytes(self.line.sent), b"lsls\rx")
        self.assertEqual(self.ask(ExecRequest(b"send secret web01"), target="web01").status, 0)
        self.assertEqual(bytes(self.line.sent), b"lsls\rxsecret web01")
        for line in (b"send", b"send web01", b"send --json web01"):
            channel = self.ask(ExecRequest(line), target="web01")
            self.assertIsNone(channel.status, line)  # standard input
            channel.close()

    def test_the_name_of_the_login_may_be_said_again(self) -> None:
        for line in (b"send web01 ls", b"send web01 --enter ls", b"send --enter web01 ls"):
            self.line.sent.clear()
            self.assertEqual(self.ask(ExecRequest(line), target="web01").status, 0)
            self.assertEqual(bytes(self.line.sent).rstrip(b"\r"), b"ls", line)
        for line in (b"send 'web01'", b"send web01 web01", b"send -- web01", b"send web0"):
            self.line.sent.clear()
            self.assertEqual(self.ask(ExecRequest(line), target="web01").status, 0, line)
            self.assertIn(b"web0", bytes(self.line.sent), line)
        self.assertEqual(self.ask(ExecRequest(b"send 'ls' web01"), target="web01").status, 2)
        self.assertNotEqual(self.ask(ExecRequest(b"record list web01"), target="web01").status, 2)
        self.assertNotEqual(self.ask(ExecRequest(b"record list"), target="web01").status, 2)

    def test_words_around_it(self) -> None:
        why = self.ask(ExecRequest(b"reason=CHG1 info"), target="web01")
        self.assertIn("name: web01", why.text)
        kicked = self.ask(ExecRequest(b"kick bob"), target="web01")
        self.assertNotEqual(kicked.status, 3)
        self.assertEqual(self.ask(ExecRequest(b"list"), target="web01").status, 0)

    def test_options_around_the_text_do_not_make_it_a_name(self) -> None:
        self.desk.connected("ls", f"{9:032x}")
        for line in (b"send ls --enter", b"send --timeout 5 ls --enter", b"send --enter -- ls"):
            self.line.sent.clear()
            self.assertEqual(self.ask(ExecRequest(line), target="web01").status, 0, line)
            self.assertEqual(bytes(self.line.sent), b"ls\r", line)
        self.assertEqual(self.ask(ExecRequest(b"send --bogus ls"), target="web01").status, 2)
        self.assertEqual(bytes(self.line.sent), b"ls\r")
        self.assertEqual(self.ask(ExecRequest(b"send ls --force"), target="web01").status, 0)
        self.assertEqual(bytes(self.line.sent), b"ls\rls")

    def test_what_is_expected_may_stand_before_options(self) -> None:
        for line in (b"expect 'login:' --timeout 1", b"expect --timeout 1 'login:'"):
            channel = self.ask(ExecRequest(line), target="web01")
            self.assertIsNone(channel.status, line)
            self.web.link.output(b"login:")
            self.desk.turn()
            self.desk.clock.advance(0.1)
            self.assertEqual((channel.status, channel.text), (0, "login:\n"), line)

    def test_an_operator_whom_a_reload_took_away(self) -> None:
        del self.operators["alice"]
        self.assertEqual(self.ask(ExecRequest(b"list")).status, 4)


class Forced(DispatchTest):
    """Keys with a command, whose consoles are a glob."""

    def force(self, command: str, request: Request, target: str | None = None) -> FakeChannel:
        channel = FakeChannel(XTERM if isinstance(request, ShellRequest) else None)
        limited = evolve(session("alice"), limits=SessionLimits(command))
        self.dispatcher.start(channel, Login(limited, target, ()), request)
        return channel

    def test_the_login_may_name_the_console(self) -> None:
        for command, request in (
            ("console 'web*'", ShellRequest("web01")),
            ("info web*", ExecRequest(b"info")),
            ("info web*", ExecRequest(b"reason=CHG1 info web01")),
        ):
            channel = self.force(command, request, "web01")
            self.assertIn("web01", channel.text, command)
            self.assertIn(channel.status, (None, 0))

    def test_nothing_else_is_there(self) -> None:
        for command, request in (
            ("console 'web*'", ShellRequest("secret")),
            ("info web*", ExecRequest(b"info")),
            ("info web*", ExecRequest(b"reason=CHG1 info secret")),
        ):
            channel = self.force(command, request, "secret")
            self.assertEqual(channel.status, 3, command)
            self.assertIn("no console secret", channel.text + channel.complaint)


class OnlyReading(DispatchTest):
    """`ro` behind the comma of a login."""

    def reading(self, line: bytes, terminal: Terminal | None = None) -> FakeChannel:
        return self.ask(ExecRequest(line), target="web01", options=("ro",), terminal=terminal)

    def test_it_holds_for_every_verb(self) -> None:
        self.web.link.output(b"login: ")
        for line in (
            b"send x",
            b"send --force x",
            b"expect --from 0 --send x login:",
            b"expect --from 0 --force --send x login:",
            b"break",
            b"note x",
            b"record start",
        ):
            channel = self.reading(line)
            self.assertEqual((channel.status, channel.text), (4, ""), line)
            self.assertIn("web01: this login is read-only (ro)", channel.complaint)
        self.assertEqual(self.reading(b"info").status, 0)
        self.assertEqual((self.line.log, bytes(self.line.sent)), ([], b""))

    def test_the_pen_cannot_be_had_from_a_terminal(self) -> None:
        for line in (b"console", b"console esc=none"):
            channel = self.reading(line, XTERM)
            for keys in (b"x", b"\x05ca", b"y", b"\x05cf", b"z", b"\x05cl0"):
                channel.type(keys)
            self.assertIsNone(self.web.pen.holder)
        self.assertEqual((self.line.log, bytes(self.line.sent)), ([], b""))

    def test_nor_after_a_reload_or_from_the_chooser(self) -> None:
        there = self.ask(ShellRequest(None), terminal=XTERM, options=("ro",))
        there.type(b"web01\r")
        self.web.reassess(self.desk.rights)
        there.type(b"x\x05ca")
        there.type(b"y")
        self.assertIn("web01: this login is read-only (ro)", there.text)
        self.assertEqual(bytes(self.line.sent), b"")
        self.assertEqual(len(self.web.attachments), 1)

    def test_nor_by_a_command_of_the_key(self) -> None:
        for command in ("send web01 x", "send 'web*'", "console web01"):
            limits = SessionLimits(command)
            channel = self.ask(ExecRequest(b"send web01 x"), options=("ro",), limits=limits)
            if channel.program is not None:
                channel.type(b"x")
            self.assertEqual(channel.status, 4, command)
        self.assertEqual(bytes(self.line.sent), b"")

    def test_an_option_of_the_login_that_is_wrong_is_never_passed_over(self) -> None:
        for request in (
            ExecRequest(b"list"),
            ExecRequest(b"send x"),
            ShellRequest(None),
            ForwardRequest("web01"),
        ):
            channel = self.ask(request, target="web01", options=("rO",))
            self.assertEqual(channel.status, 2)
            self.assertIn("login: unknown option 'rO'; did you mean ro?", channel.complaint)


class WithoutATerminal(DispatchTest):
    """`console`, where it is not a terminal that asks for it."""

    def test_it_says_what_to_do_and_ends_with_its_input(self) -> None:
        for request in (ShellRequest("web01"), ExecRequest(b"console")):
            channel = self.ask(request, target="web01")
            self.assertIn("`ssh -t` requests a terminal", channel.complaint)
            self.web.link.output(b"said")
            self.desk.turn()
            channel.type(b"ls\r")
            assert channel.program is not None
            self.web.link.output(b" at last")
            channel.program.ended_input()
            self.assertEqual((channel.status, channel.text), (0, "said at last"))
            self.assertFalse(self.web.attachments)
        self.assertEqual(bytes(self.line.sent), b"ls\rls\r")

    def test_what_the_console_has_not_taken_comes_first(self) -> None:
        channel = self.ask(ExecRequest(b"console"), target="web01")
        self.web.link.migrate()
        channel.type(b"x" * 70_000)
        assert channel.program is not None
        channel.program.ended_input()
        self.assertIsNone(channel.status)
        self.web.link.resume()
        while self.line.questions:
            self.line.questions -= 1
            self.web.link.answered()
        self.desk.turn()
        self.assertEqual((channel.status, len(self.line.sent)), (0, 70_000))

    def test_raw_goes_on(self) -> None:
        channel = self.ask(ExecRequest(b"raw"), target="web01")
        assert channel.program is not None
        channel.program.ended_input()
        self.assertEqual((channel.status, channel.complaint), (None, ""))


class NamesAsVerbs(DispatchTest):
    """`ssh -t HOST NAME`."""

    def test_a_console_where_a_verb_should_stand(self) -> None:
        for line in (b"web01", b"WEB01 ro", b"reason=CHG1 web", b"web01 replay=0"):
            channel = self.ask(ExecRequest(line), terminal=XTERM)
            self.assertIn("[web01 connected", channel.text, line)
        self.assertEqual(self.ask(ExecRequest(b"web01 rw"), terminal=XTERM).status, 2)

    def test_a_verb_is_one_all_the_same(self) -> None:
        self.desk.connected("list", f"{9:032x}")
        self.assertEqual(self.ask(ExecRequest(b"list"), terminal=XTERM).status, 0)

    def test_only_with_a_terminal_and_a_login_that_names_none(self) -> None:
        for channel in (
            self.ask(ExecRequest(b"web01")),
            self.ask(ExecRequest(b"web01"), terminal=XTERM, target="secret"),
            self.ask(ExecRequest(b"web01"), terminal=XTERM, limits=SessionLimits("help web*")),
        ):
            self.assertEqual(channel.status, 2)

    def test_without_a_terminal_it_is_said_how(self) -> None:
        for line, told in ((b"web01", True), (b"wob01", False)):
            complaint = self.ask(ExecRequest(line)).complaint
            self.assertEqual("attaching to one needs a terminal\n" in complaint, told, complaint)
            self.assertEqual(complaint.count("\n"), 1)

    def test_what_may_not_be_read_is_not_there(self) -> None:
        self.desk.connected("secret-1111", f"{9:032x}")
        for terminal in (XTERM, None):
            one = self.ask(ExecRequest(b"secret-1111"), "bob", terminal=terminal)
            two = self.ask(ExecRequest(b"secret-2222"), "bob", terminal=terminal)
            said = (one.text + one.complaint).replace("1111", "2222")
            self.assertEqual((one.status, said), (2, two.text + two.complaint))


class Consoles(DispatchTest):
    def test_the_console_named_in_the_login(self) -> None:
        channel = self.ask(ShellRequest("web01"), terminal=XTERM, target="web01")
        self.assertIn("[web01 connected", channel.text)
        channel.type(b"x")
        self.assertEqual(bytes(self.line.sent), b"x")

    def test_options_behind_the_comma(self) -> None:
        channel = self.ask(ShellRequest("web01"), terminal=XTERM, target="web01", options=("ro",))
        channel.type(b"x")
        self.assertEqual(bytes(self.line.sent), b"")
        wrong = self.ask(ShellRequest("web01"), terminal=XTERM, target="web01", options=("rw",))
        self.assertEqual(wrong.status, 2)

    def test_without_a_terminal_it_is_exact(self) -> None:
        channel = self.ask(ShellRequest("web01"), target="web01")
        self.web.link.output(b"text")
        self.desk.turn()
        self.assertEqual(channel.text, "text")

    def test_without_terminal_and_name_the_verbs_are_told(self) -> None:
        channel = self.ask(ShellRequest(None))
        self.assertEqual(channel.status, 2)
        self.assertRegex(channel.complaint, "\n  list +the consoles that you may read\n")

    def test_options_of_the_login_count_without_a_terminal_too(self) -> None:
        for request in (
            ShellRequest("web01"),
            ExecRequest(b"raw"),
            ExecRequest(b"console"),
            ForwardRequest("web01"),
        ):
            channel = self.ask(request, target="web01", options=("ro",))
            channel.type(b"x")
            self.assertEqual(channel.status, 4, request)
            wrong = self.ask(request, target="web01", options=("rw",))
            self.assertEqual(wrong.status, 2, request)
        self.assertEqual(bytes(self.line.sent), b"")

    def test_options_of_a_verb_do_not_hide_the_console_of_the_login(self) -> None:
        self.web.link.output(b"0123456789")
        self.assertEqual(self.ask(ExecRequest(b"raw --from 4"), target="web01").text, "456789")
        reader = self.ask(ExecRequest(b"console ro"), target="web01")
        reader.type(b"x")
        self.assertEqual(reader.status, 4)

    def test_a_forwarded_channel_is_raw(self) -> None:
        channel = self.ask(ForwardRequest("web01"))
        channel.type(b"\x05c.\xff")
        self.assertEqual(bytes(self.line.sent), b"\x05c.\xff")
        self.assertEqual(self.ask(ForwardRequest("nothing")).status, 3)


class ForOneCommand(DispatchTest):
    """A key with a command, asked for something else."""

    def forced(self, command: str, line: bytes) -> FakeChannel:
        return self.ask(ExecRequest(line), limits=SessionLimits(command))

    def test_it_is_run_whatever_is_asked_and_options_of_the_login_are_not_its(self) -> None:
        for request in (ShellRequest(None), ExecRequest(b"send web01 x"), ExecRequest(b"help")):
            channel = self.ask(
                request, limits=SessionLimits("info web01"), target="secret", options=("ro",)
            )
            self.assertIn("name: web01", channel.text)
        self.assertEqual(bytes(self.line.sent), b"")

    def test_a_glob_leaves_the_rest_of_the_verb_and_no_other_console(self) -> None:
        self.assertEqual(self.forced("send 'web*'", b"send web01 x").status, 0)
        self.assertEqual(bytes(self.line.sent), b"x")
        for line in (b"send secret x", b"send nothing x"):
            channel = self.forced("send 'web*'", line)
            self.assertEqual(channel.status, 3)
            self.assertIn("`list` shows those there are", channel.complaint)
        for line in (b"raw web01", b"send", b"log web01", b"'send ' web01 x"):
            self.assertNotEqual(self.forced("send 'web*'", line).status, 0)
        self.assertEqual(bytes(self.line.sent), b"x")

    def test_who_asks_for_something_else_hears_what_the_key_is_for(self) -> None:
        for request in (
            ExecRequest(b"list"),
            ExecRequest(b"send web01 x"),
            ShellRequest(None),
            ExecRequest(b"help"),
        ):
            channel = self.ask(request, limits=SessionLimits("expect 'web*'"))
            self.assertEqual(channel.status, 4)
            self.assertIn("this key may do nothing but expect NAME ", channel.complaint)
            self.assertIn("REGEX, where NAME is among web*\n", channel.complaint)
        self.assertEqual(bytes(self.line.sent), b"")
        kick = self.ask(ExecRequest(b"list"), limits=SessionLimits("kick 'web*'")).complaint
        self.assertIn("but kick NAME OPERATOR, where", kick)

    def test_a_whole_command_is_run_whatever_nonsense_is_asked(self) -> None:
        for line in (b"'open", b"send ls --force"):
            channel = self.ask(
                ExecRequest(line), limits=SessionLimits("info web01"), target="web01"
            )
            self.assertIn("name: web01", channel.text)

    def test_a_glob_is_not_the_whole_server(self) -> None:
        self.operators["alice"] = evolve(ALICE, roles=frozenset({"admin"}))
        ended = list[str]()
        sessions = self.desk.context.sessions
        sessions.enter(session("bob"), ended.append)
        for line in (b"kick --operator bob", b"kick --session=s-bob", b"kick --all-writers"):
            self.assertNotEqual(self.forced("kick 'web*'", line).status, 0)
        self.assertEqual(ended, [])

    def test_a_console_that_is_renamed_out_of_it_is_not_there_any_more(self) -> None:
        opens = SessionLimits(opens=("web*",))
        channels = [
            self.forced("raw 'web*'", b"raw web01"),
            self.ask(ForwardRequest("web01"), limits=opens),
        ]
        self.desk.roster.rename(self.web.vm, "web02")
        self.web.reassess(self.desk.rights)
        self.assertEqual(len(self.web.attachments), 2)
        self.desk.roster.rename(self.web.vm, "payroll")
        self.web.reassess(self.desk.rights)
        self.assertEqual((len(self.web.attachments), self.line.sent), (0, b""))
        self.assertEqual([channel.status for channel in channels], [1, 1])

    def test_it_does_not_forward_unless_it_says_what(self) -> None:
        self.assertEqual(self.ask(ForwardRequest("web01"), limits=SessionLimits("list")).status, 4)
        opens = SessionLimits("list", opens=("web01",))
        self.assertEqual(self.ask(ForwardRequest("secret"), limits=opens).status, 3)
        self.assertIsNone(self.ask(ForwardRequest("web01"), limits=opens).status)


class Choosing(DispatchTest):
    def choose(self, operator: str = "alice") -> FakeChannel:
        channel = self.ask(ShellRequest(None), operator, XTERM)
        self.desk.clock.advance(0)  # it paints at the end of a turn
        return channel

    def test_enter_attaches_and_leaving_comes_back_to_the_chooser(self) -> None:
        channel = self.choose()
        self.assertIn("web01", channel.text)
        channel.type(b"web")
        channel.type(b"\r")
        self.assertIn("[web01 connected", channel.text)
        channel.type(b"ls\r")
        self.assertEqual(bytes(self.line.sent), b"ls\r")
        channel.output.clear()
        channel.type(b"\x05c.")
        self.assertFalse(self.web.attachments)
        self.assertIsNone(channel.status)
        self.desk.clock.advance(0)
        self.assertIn("web01", channel.text)
        channel.type(b"\x03")
        self.assertEqual(channel.status, 0)

    def test_after_leaving_the_next_enter_goes_to_the_same_console_wherever_it_is_now(self) -> None:
        for number in range(10, 20):
            self.desk.connected(f"web{number}", f"{number:032x}")
        channel = self.choose()
        channel.type(b"web01\r")
        channel.type(b"\x05c.")
        for number in range(20, 30):  # the list has moved, and its name changed
            self.desk.connected(f"aaa{number}", f"{number:032x}")
        self.desk.roster.rename(self.web.vm, "zzz")
        channel.output.clear()
        channel.type(b"\r")
        self.assertIn("[zzz connected", channel.text)
        self.assertEqual(len(self.web.attachments), 1)
        self.web.link.disconnect("off")  # away ones are last
        channel.type(b"\x05c.")
        self.desk.clock.advance(1)
        channel.output.clear()
        channel.type(b"\r")
        self.assertIn("[zzz away", channel.text)

    def test_the_filter_is_kept_over_a_visit(self) -> None:
        for number in range(10, 20):
            self.desk.connected(f"db{number}", f"{number:032x}")
        channel = self.choose()
        channel.type(b"db")
        channel.type(b"\x1b[B\r")
        self.assertIn("[db11 connected", channel.text)
        channel.output.clear()
        channel.type(b"\x05c.")
        self.desk.clock.advance(0)
        self.assertIn("filter: db_", channel.text)
        self.assertNotIn("web01", channel.text)
        channel.output.clear()
        channel.type(b"\x1b[B\r")
        self.assertIn("[db12 connected", channel.text)

    def test_a_name_is_escaped_once(self) -> None:
        self.desk.roster.rename(self.web.vm, safe("web\x1b[2J"))
        self.assertIn("web\\x1b[2J", self.choose().text)
        self.assertNotIn("web\\\\x1b", self.choose().text)

    def test_who_is_sent_off_hears_it_and_attaches_to_nothing_by_what_he_types_on(self) -> None:
        channel = self.choose()
        channel.type(b"web01\r")
        channel.type(b"l")
        channel.output.clear()
        (attachment,) = self.web.attachments
        attachment.expel("removed by dave")
        self.assertIsNone(channel.status)
        self.desk.clock.advance(0)
        self.assertIn("web01: removed by dave; Enter goes on", channel.text)
        for key in b"\r":
            channel.type(bytes([key]))
        self.assertFalse(self.web.attachments)
        self.assertEqual(bytes(self.line.sent), b"l")
        channel.output.clear()
        channel.type(b"web01\r")
        self.assertIn("[web01 connected", channel.text)
        channel.output.clear()
        channel.type(b"\x05c.")
        self.desk.clock.advance(0)
        self.assertNotIn("Enter goes on", channel.text)

    def test_rights_that_a_reload_took_away_count_in_an_open_one(self) -> None:
        channel = self.ask(ShellRequest(None), terminal=XTERM)
        self.desk.rules = Access(())
        channel.type(b"\r")
        self.desk.clock.advance(1)
        channel.type(b"reboot\r")
        self.assertEqual(bytes(self.line.sent), b"")
        self.assertFalse(self.web.attachments)

    def test_what_was_received_and_not_typed_is_dealt_with_when_it_comes_back(self) -> None:
        channel = self.ask(ShellRequest(None), terminal=XTERM)
        channel.type(b"web01\r")
        self.line.answers, self.line.unread = False, 5000
        for _ in range(40):
            channel.type(b"p" * 8192)
        self.assertGreater(channel.under_way, 0)
        for key in b"\x05c.":
            channel.type(bytes([key]))
        self.assertEqual(channel.under_way, 0)

    def test_it_shows_only_what_may_be_read(self) -> None:
        channel = self.choose("bob")
        self.assertIn("web01", channel.text)
        self.assertNotIn("secret", channel.text)

    def test_a_vm_that_connects_appears(self) -> None:
        channel = self.choose()
        self.desk.connected("db01", f"{3:032x}")
        self.desk.clock.advance(1)
        self.assertIn("db01", channel.text)

    def test_one_who_has_gone_is_no_longer_told(self) -> None:
        channel = self.choose()
        channel.close()
        self.desk.connected("db01", f"{3:032x}")
        self.desk.clock.advance(10)
        self.assertEqual(self.desk.failures, 0)
        self.assertNotIn("db01", channel.text)
