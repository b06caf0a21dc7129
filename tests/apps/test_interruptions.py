"""An operator whose terminal was on a console when the server was restarted is back on it."""

from tests.apps.support import ALICE, BOB
from tests.apps.test_console_chooser import ChooserTestCase, ScreenChannel
from vspc.apps.dispatch import Dispatcher
from vspc.console.interruptions import (
    INTERRUPTED,
    REMEMBERED,
    Interruption,
    Interruptions,
    interrupted,
)
from vspc.console.logins import ExecRequest, Login


class Returning(ChooserTestCase):
    """One process: what it remembers is given to another desk, as to another process."""

    def restart(self) -> None:
        """Every session ends; where terminals were is remembered."""
        found = interrupted(self.desk.sessions)
        for each in self.desk.sessions:
            for attachment in list(each.attachments):
                attachment.dismiss("restarting, back in a moment")
            self.desk.sessions.leave(each.session)
        self.desk.context.interruptions.restore(found)
        self.dispatcher = Dispatcher(self.desk.context)

    def attach(self, name: str) -> ScreenChannel:
        """Alice on that console, with `login: ` on her screen."""
        channel = ScreenChannel()
        session = self.desk.login()
        line = f"console {name}".encode()
        self.dispatcher.start(channel, Login(session, None, ()), ExecRequest(line))
        self.pause()
        return channel

    def test_back_on_the_console_with_what_came_meanwhile(self) -> None:
        before = self.attach("web01")
        self.restart()
        self.assertIn("restarting, back in a moment", before.text)
        self.consoles["web01"].link.output(b"meanwhile\r\n")
        again = self.login()
        self.assertIn("[web01: you were here when the server restarted]", again.text)
        self.assertIn("web01 connected", again.text)
        self.assertIn("meanwhile", again.text)
        self.assertNotIn("booted", again.text)
        again.type(b"x")
        self.pause()
        self.assertEqual(self.sent("web01"), [b"x"])
        self.type(again, b"\x05c.")
        self.assertIn("web02", "\n".join(again.screen.lines))

    def test_only_once_and_another_operator_gets_the_chooser(self) -> None:
        self.attach("web01")
        self.restart()
        self.assertIn("type to filter", self.login(BOB).text)
        self.assertIn("web01 connected", self.login().text)
        self.assertIn("type to filter", self.login().text)

    def test_each_of_two_terminals(self) -> None:
        for name in ("web01", "db"):
            self.attach(name)
        self.restart()
        self.assertIn("web01 connected", self.login().text)
        self.assertIn("db connected", self.login().text)

    def test_after_a_minute_it_is_the_chooser(self) -> None:
        self.attach("web01")
        self.restart()
        self.desk.clock.advance(REMEMBERED)
        self.assertIn("type to filter", self.login().text)

    def test_a_console_that_is_gone_or_may_not_be_read(self) -> None:
        for console in ("0" * 16, self.consoles["web01"].id):
            self.desk.context.interruptions.restore([Interruption("mallory", console, 0)])
            self.assertIn("type to filter", self.login(ALICE).text)
        self.desk.context.interruptions.restore([Interruption("alice", "0" * 16, 0)])
        self.assertIn("type to filter", self.login().text)

    def test_verbs_do_not_come_back(self) -> None:
        channel = ScreenChannel()
        line = b"expect web01 --timeout 60 never"
        self.dispatcher.start(channel, Login(self.desk.login(), None, ()), ExecRequest(line))
        self.pause()
        self.assertEqual(interrupted(self.desk.sessions), [])

    def test_more_than_can_be_remembered(self) -> None:
        kept = Interruptions(self.desk.clock)
        kept.restore([Interruption("alice", "0" * 16, n) for n in range(INTERRUPTED + 1)])
        taken = 0
        while kept.take("alice") is not None:
            taken += 1
        self.assertEqual(taken, INTERRUPTED)
