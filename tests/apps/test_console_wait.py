"""`console wait`, `raw --wait`: a VM that is not there yet, from its first byte; and `catch`."""

from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, OpsDesk
from tests.apps.support import ALICE, BOB, XTERM, FakeChannel
from tests.fakes import FakeLine
from vspc.apps.dispatch import Dispatcher
from vspc.apps.verbs.limits import WAITING
from vspc.console.access import Operator
from vspc.console.console import Console
from vspc.console.logins import Login, ShellRequest
from vspc.console.ports import Terminal
from vspc.wire.vmware import DoProxy, VmName, VmVcUuid

UUID = bytes(range(16)).hex(" ").encode()
FIRST = b"\x1b[2JGRUB loading\x00\x80"


class Desk(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()

    def ask(
        self, line: str, operator: Operator = ALICE, terminal: Terminal | None = None
    ) -> FakeChannel:
        return self.desk.ask(line, self.desk.login(operator), terminal)

    def turn(self) -> None:
        self.desk.clock.advance(0)
        self.desk.turn()

    def boot(self, name: str = "web01") -> Console:
        """A VM connects and sends output before it has said who it is, and after that."""
        host = self.desk.host().agree()
        host.say(FIRST, DoProxy(b"S", b"vspc"), VmVcUuid(UUID), VmName(name.encode()), b"menu\r\n")
        return next(each for each in self.desk.roster if each.name == name)

    def returned(self, web: Console, address: str = "10.0.0.1") -> FakeLine:
        """The VM of `web` is switched off and on again."""
        web.link.disconnect("switched off")
        self.desk.roster.settle(web)
        line = FakeLine(address)
        web.link.connect(line)
        self.desk.roster.settle(web)
        return line


class FromTheFirstByte(Desk):
    def test_at_a_terminal(self) -> None:
        channel = self.ask("console web01 --wait", terminal=XTERM)
        self.assertEqual(channel.text, "[waiting for web01; ^C ends]\r\n")
        self.boot()
        self.turn()
        self.assertIn("web01 connected", channel.text)
        self.assertTrue(bytes(channel.output).endswith(FIRST + b"menu\r\n"))
        self.assertNotIn("replay", channel.text)
        channel.type(b"\x05c.")
        self.assertEqual(channel.status, 0)

    def test_exactly_for_a_program(self) -> None:
        for line in ("raw web01 --wait", "raw 'web*' wait"):
            channel = self.ask(line)
            self.boot()
            self.turn()
            self.assertEqual(bytes(channel.output), FIRST + b"menu\r\n", line)
            self.setUp()

    def test_after_an_absence_only_what_is_new(self) -> None:
        web, _ = self.desk.connected("web01", f"{1:032x}")
        web.link.output(b"Power down.\r\n")
        web.link.disconnect("switched off")
        self.desk.roster.settle(web)
        channel = self.ask("raw web01 --wait")
        self.turn()
        self.assertEqual(bytes(channel.output), b"")
        web.link.connect(FakeLine())
        web.link.output(b"BIOS\r\n")
        self.turn()
        self.assertEqual(bytes(channel.output), b"BIOS\r\n")

    def test_one_that_is_connected_already_is_shown_as_ever(self) -> None:
        web, _ = self.desk.connected("web01", f"{1:032x}")
        web.link.output(b"login: ")
        self.assertIn("login: ", self.ask("console web01 wait", terminal=XTERM).text)
        self.assertEqual(bytes(self.ask("raw web01 wait").output), b"")

    def test_a_rename_brings_it_from_then_on(self) -> None:
        web, _ = self.desk.connected("new-vm", f"{1:032x}")
        web.link.output(FIRST)
        program, terminal = self.ask("raw web01 wait"), self.ask("console web01 wait", CAROL, XTERM)
        self.desk.roster.rename(web.vm, "web01")
        self.turn()
        web.link.output(b"more")
        self.turn()
        self.assertEqual(bytes(program.output), b"more")
        self.assertIn("GRUB loading", terminal.text)
        self.assertNotIn(FIRST, bytes(terminal.output), "a replay has nothing but text and colours")

    def test_the_first_of_a_pattern_and_no_guess_among_those_that_are_there(self) -> None:
        waiting = self.ask("raw 'web*' wait")
        for number in (1, 2):
            console, _ = self.desk.connected(f"web0{number}", f"{number:032x}")
            console.link.output(b"%d" % number)
        self.turn()
        self.assertEqual(bytes(waiting.output), b"1")
        ambiguous = self.ask("raw 'web*' wait")
        self.assertEqual(ambiguous.status, 3)
        self.assertIn("is ambiguous; it could be\n  web01\n  web02\n", ambiguous.complaint)

    def test_the_console_of_a_login(self) -> None:
        channel = FakeChannel(XTERM)
        login = Login(self.desk.login(), "web01", ("wait", "catch"))
        Dispatcher(self.desk.context).start(channel, login, ShellRequest(None))
        web = self.boot()
        self.turn()
        self.assertIn("you type on web01", channel.text)
        self.assertIsNotNone(web.pen.holder)


class Meanwhile(Desk):
    def test_control_c_ends_it_and_other_keys_are_for_no_vm(self) -> None:
        session = self.desk.login()
        waits = [self.desk.ask("console web01 wait", session, XTERM) for _ in range(WAITING)]
        stays, ended = waits[:2]
        stays.type(b"rm -r /\r")
        self.assertEqual(stays.under_way, 0)
        ended.type(b"x\x03")
        self.assertEqual(ended.status, 1)
        self.assertIsNone(self.desk.ask("console web01 wait", session, XTERM).status)
        web, line = self.desk.connected("web01", f"{1:032x}")
        self.turn()
        self.assertEqual(bytes(line.sent), b"")
        self.assertEqual(len(web.attachments), WAITING)

    def test_the_input_of_a_program_is_typed_when_the_console_is_connected(self) -> None:
        channel = self.ask("console web01 wait")
        channel.type(b"boot\r")
        self.assertEqual(channel.under_way, 5)
        _, line = self.desk.connected("web01", f"{1:032x}")
        self.turn()
        self.assertEqual((bytes(line.sent), channel.under_way), (b"boot\r", 0))
        assert channel.program is not None
        channel.program.ended_input()
        self.assertEqual(channel.status, 0)

    def test_a_client_that_leaves_waits_no_longer(self) -> None:
        channel = self.ask("raw web01 wait")
        channel.close()
        web, _ = self.desk.connected("web01", f"{1:032x}")
        self.turn()
        self.assertEqual(len(web.attachments), 0)
        self.assertEqual(self.desk.audited("wait")[0]["result"], "failed")

    def test_a_name_that_one_may_not_read_never_comes(self) -> None:
        waits = [self.ask(f"raw {word} wait", BOB) for word in ("secret", "'s*'")]
        secret = self.boot("secret")
        self.turn()
        self.assertEqual([each.status for each in waits], [None, None])
        self.assertEqual(waits[0].complaint, "[waiting for secret]\n")
        self.assertEqual(len(secret.attachments), 0)


class Catching(Desk):
    def test_the_pen_is_held_before_a_key_is_typed_and_nothing_is_sent(self) -> None:
        channel = self.ask("console web01 wait catch", terminal=XTERM)
        web, line = self.desk.connected("web01", f"{1:032x}")
        self.turn()
        self.assertIn("you type on web01", channel.text)
        assert web.pen.holder is not None
        self.assertEqual(web.pen.holder.operator, ALICE)
        self.assertEqual(self.ask("send web01 x", CAROL).status, 4)
        self.assertEqual(bytes(line.sent), b"")
        channel.type(b"e")
        self.assertEqual(bytes(line.sent), b"e")

    def test_on_an_away_console_it_is_held_when_the_vm_comes(self) -> None:
        web, _ = self.desk.connected("web01", f"{1:032x}")
        web.link.disconnect("switched off")
        channel = self.ask("raw web01 catch")
        line = FakeLine()
        web.link.connect(line)
        self.assertEqual(self.ask("send web01 x", CAROL).status, 4)
        channel.type(b"e")
        self.assertEqual(bytes(line.sent), b"e")

    def test_another_operator_has_it(self) -> None:
        web, line = self.desk.connected("web01", f"{1:032x}")
        self.ask("raw web01 catch", CAROL)
        terminal, program = (
            self.ask("console web01 catch", terminal=XTERM),
            self.ask("raw web01 catch"),
        )
        self.assertIn("carol is typing on web01: you do not have the pen", terminal.text)
        self.assertIsNone(terminal.status)
        self.assertEqual(program.status, 4)
        self.assertIn("carol is typing on web01", program.complaint)
        self.assertEqual(len(web.attachments), 2)
        self.assertEqual(bytes(line.sent), b"")

    def test_after_a_change_of_host_it_has_to_be_asked_for(self) -> None:
        web, _ = self.desk.connected("web01", f"{1:032x}")
        self.returned(web, "10.0.0.66")
        terminal, program = (
            self.ask("console web01 catch", terminal=XTERM),
            self.ask("raw web01 catch"),
        )
        self.assertIn("the host of web01 has changed: you do not have the pen; ^Eca", terminal.text)
        self.assertEqual(program.status, 1)
        self.assertIsNone(web.pen.holder)
        self.assertIsNotNone(web.attachments.host_change)
        terminal.type(b"\x05ca")
        self.assertIsNotNone(web.pen.holder)

    def test_it_needs_the_right_to_type(self) -> None:
        self.desk.connected("web01", f"{1:032x}")
        for line in ("console web01 catch", "raw web01 wait catch"):
            channel = self.ask(line, BOB)
            self.assertEqual(channel.status, 4, line)
            self.assertIn("no right to type on web01", channel.complaint)
        self.assertEqual(self.ask("console web01 catch ro").status, 2)
