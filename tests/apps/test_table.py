"""The table of verbs: a verb costs one module."""

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.apps import verb_example
from tests.apps.opsdesk import OpsDesk
from tests.apps.support import XTERM, FakeChannel
from vspc.apps.verbs.context import FAILED, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import Grammar, Parsed
from vspc.apps.verbs.table import VerbTable
from vspc.console.ports import Terminal


class TableCase(SynchronousTestCase):
    """A desk, and a table with one verb."""

    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.desk.connected("web01", f"{1:032x}")

    def run_line(
        self, table: VerbTable, line: str, terminal: Terminal | None = None, window: int = 1 << 20
    ) -> FakeChannel:
        channel = FakeChannel(terminal, window)
        table.run_line(Call(self.desk.context, self.desk.login(), channel), line)
        return channel


class OneModule(TableCase):
    """`tests.apps.verb_example` is all that a verb needs."""

    def setUp(self) -> None:
        super().setUp()
        self.table = VerbTable([verb_example.VERB])

    def test_it_runs_with_its_options(self) -> None:
        for line, text in (
            ("spell web01", "web01\n"),
            ("spell --case=upper web01", "WEB01\n"),
            ("spell web01 --json", '{\n "name": "web01"\n}\n'),
        ):
            channel = self.run_line(self.table, line)
            self.assertEqual((channel.status, channel.text), (0, text), line)

    def test_its_mistakes_are_usage_and_its_console_must_exist(self) -> None:
        channel = self.run_line(self.table, "spell web01 --case title")
        self.assertEqual(channel.status, 2)
        self.assertIn("--case is one of lower, upper", channel.complaint)
        self.assertIn("usage: spell NAME", channel.complaint)
        self.assertEqual(self.run_line(self.table, "spell db01").status, 3)

    def test_it_is_in_help_and_is_recorded(self) -> None:
        self.assertIn("  spell  print the name", self.run_line(self.table, "help").text)
        self.assertIn("example: spell web1", self.run_line(self.table, "help spell").text)
        self.run_line(self.table, "spell web01")
        self.assertEqual([e["verb"] for e in self.desk.audited("command")], ["spell"])


class Waiting(TableCase):
    """A verb that waits is cancelled with its channel, and by Control-C from a terminal."""

    def setUp(self) -> None:
        super().setUp()
        self.waited: Deferred[None] = Deferred()
        self.ended: list[str] = []
        self.table = VerbTable([Verb(Grammar("wait", "wait"), self.wait)])

    async def wait(self, call: Call, parsed: Parsed) -> None:
        try:
            await self.waited
        except CancelledError:
            self.ended.append("cancelled")
            raise
        if self.ended:
            raise VerbExit(FAILED, "failed later")
        await call.print("x" * 10 + "\n")

    def test_it_is_cancelled_when_the_channel_closes(self) -> None:
        self.run_line(self.table, "wait").close()
        self.assertEqual(self.ended, ["cancelled"])

    def test_control_c_cancels_it_only_on_a_terminal(self) -> None:
        program = self.run_line(self.table, "wait")
        program.type(b"\x03")
        self.assertEqual((self.ended, program.under_way), ([], 0))
        terminal = self.run_line(self.table, "wait", XTERM)
        terminal.type(b"\x03")
        self.assertEqual((self.ended, terminal.status), (["cancelled"], 1))

    def test_it_ends_when_all_is_taken(self) -> None:
        channel = self.run_line(self.table, "wait", window=4)
        self.waited.callback(None)
        self.assertEqual((channel.text, channel.status), ("xxxx", None))
        channel.read(100)
        self.assertEqual((channel.text, channel.status), ("x" * 10 + "\n", 0))

    def test_it_fails_after_a_wait_as_before_one(self) -> None:
        channel = self.run_line(self.table, "wait")
        self.ended.append("no")
        self.waited.callback(None)
        self.assertEqual((channel.status, channel.complaint), (1, "failed later\n"))

    def test_a_defect_is_logged_and_ends_this_channel_only(self) -> None:
        channel = self.run_line(self.table, "wait")
        self.waited.errback(ZeroDivisionError())
        self.assertEqual(channel.status, 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
