"""The chooser over real consoles, as an operator has it on a channel: attach, watch, broadcast, and
back; previews within rights; favourites, groups, and what is refused.
"""

from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import OpsDesk
from tests.apps.screen import Screen
from tests.apps.support import ALICE, BOB, FakeChannel
from tests.fakes import FakeLine
from vspc.apps.chooser import consoles
from vspc.apps.chooser.chooser import PREVIEW_INTERVAL
from vspc.apps.chooser.pace import CHANGE_INTERVAL
from vspc.apps.dispatch import Dispatcher
from vspc.apps.terminal.bridge import TerminalBridge
from vspc.apps.verbs import watch
from vspc.common.columns import cells
from vspc.console.access import Access, Operator, Rule
from vspc.console.bookmarks import Bookmarks
from vspc.console.console import Console
from vspc.console.events import Introduction, RefusalKind, RulesChanged, VmRefused
from vspc.console.groups import ConsoleGroup
from vspc.console.logins import Login, ShellRequest
from vspc.console.ports import Terminal

DOWN, RIGHT, ENTER = b"\x1b[B", b"\x1b[C", b"\r"
FAVOURITE, PREVIEW, REFUSED = b"\x06", b"\x16", b"\x18"
ROOT = Operator("root", roles=frozenset({"admin"}))


class ScreenChannel(FakeChannel):
    """A channel whose output is looked at as a screen while the chooser is on it."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        super().__init__(Terminal("xterm", columns, rows))
        self.columns, self.rows = columns, rows

    @property
    def screen(self) -> Screen:
        screen = Screen(self.columns, self.rows)
        screen.feed(bytes(self.output[self.output.rindex(b"\x1b[?1049h") :]))
        return screen

    def plain(self) -> str:
        """What was printed since the chooser left the screen."""
        return bytes(self.output[self.output.rindex(b"\x1b[?1049l") :]).decode()


class FakeLogs:
    """A `LogStore` that answers one question about each console, when it is told to."""

    def __init__(self) -> None:
        self.asked = set[str]()
        self._waiting: list[Deferred[object]] = []

    def keeps(self, console_id: str) -> bool:
        return bool(console_id)

    async def query(self, console_id: str, question: object) -> object:
        del question
        self.asked.add(console_id)
        self._waiting.append(Deferred())
        return await self._waiting[-1]

    def answer(self, offset: int) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(offset)


class ChooserTestCase(SynchronousTestCase):
    """Operators with terminals, four consoles."""

    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.consoles, self.lines = dict[str, Console](), dict[str, FakeLine]()
        for number, name in enumerate(("db", "web01", "web02", "web03"), 1):
            self.consoles[name], line = self.desk.connected(name, f"{number:032x}")
            self.consoles[name].link.output(f"{name} booted\r\nlogin: ".encode())
            self.lines[name] = line
        self.groups = (ConsoleGroup("racks", ("web*",)), ConsoleGroup("lab", ("lab*",)))
        self.bookmarks = Bookmarks()
        self.desk.context = evolve(
            self.desk.context, groups=lambda _: self.groups, bookmarks=self.bookmarks
        )
        self.dispatcher = Dispatcher(self.desk.context)

    def login(self, operator: Operator = ALICE, columns: int = 80) -> ScreenChannel:
        channel = ScreenChannel(columns)
        session = self.desk.login(operator)
        self.dispatcher.start(channel, Login(session, None, ()), ShellRequest(None))
        self.pause()
        return channel

    def pause(self, seconds: float = 2.0) -> None:
        for _ in range(8):
            self.desk.clock.advance(seconds / 8)
            self.desk.turn()

    def sent(self, *names: str) -> list[bytes]:
        """What was typed at these VMs."""
        return [bytes(self.lines[name].sent) for name in names]

    def type(self, channel: ScreenChannel, *keys: bytes) -> None:
        for key in keys:
            channel.type(key)
            self.pause()


class Choosing(ChooserTestCase):
    def test_marked_ones_are_watched_and_then_the_chooser_is_back(self) -> None:
        channel = self.login()
        self.type(channel, DOWN, b" ", b" ", b"w")
        self.assertIn("watching 2 consoles", channel.plain())
        self.consoles["web02"].link.output(b"\r\npanic\r\n")
        self.consoles["web03"].link.output(b"\r\nunseen\r\n")
        self.pause()
        self.assertIn("web02\x1b[m: panic", channel.plain())
        self.assertNotIn("unseen", channel.plain())
        self.type(channel, b"\x03")
        self.assertIn("2 marked", channel.screen.lines[-1])
        self.assertEqual(channel.screen.selected[0].split()[-6:][0], "web03")
        self.assertIsNone(channel.status)
        (event,) = self.desk.audited("command")
        self.assertEqual(event["verb"], "watch")
        self.type(channel, b"\x03")
        self.assertEqual(channel.status, 0)

    def test_of_more_than_can_be_watched_the_limit_is_told(self) -> None:
        self.patch(watch, "WATCHED", 2)
        self.patch(consoles, "WATCHED", 2)
        channel = self.login()
        self.type(channel, b"\x01", b"w")
        self.assertIn("limit reached: 2 consoles are watched", channel.plain())
        self.type(channel, b"\x03")
        self.assertIn("4 marked", channel.screen.lines[-1])

    def test_broadcast_asks_shows_each_result_and_goes_back(self) -> None:
        channel = self.login()
        self.type(channel, DOWN, b" ", b" ", b"b", b"uptime", ENTER)
        self.assertIn("type 7 bytes on 2 consoles? (yes/no)", channel.plain())
        self.type(channel, b"yes\r")
        self.assertEqual(self.sent("web01", "web02"), [b"uptime\r"] * 2)
        self.assertEqual(self.sent("web03"), [b""])
        self.assertIn("delivered", channel.plain())
        self.assertIn("Enter goes back to the list", channel.plain())
        self.type(channel, b"x", ENTER)
        self.assertIn("2 marked", channel.screen.lines[-1])
        self.assertEqual(len(self.desk.audited("send")), 2)
        self.assertNotIn("uptime", str(self.desk.record.lines))

    def test_what_is_not_confirmed_is_not_typed(self) -> None:
        channel = self.login()
        self.type(channel, b" ", b"b", b"reboot", ENTER, b"no\r")
        self.assertIn("nothing is typed", channel.plain())
        self.assertEqual(self.sent("db"), [b""])
        self.type(channel, ENTER)
        self.assertIn("1 marked", channel.screen.lines[-1])

    def test_a_channel_that_closes_while_a_verb_has_it(self) -> None:
        channel = self.login()
        self.type(channel, b" ", b"w")
        channel.close()
        self.pause()
        self.assertIsNotNone(channel.status)
        self.assertEqual(list(self.consoles["db"].attachments), [])
        other = self.login()
        self.type(other, b" ", b"b", b"x", ENTER, b"yes\r")
        other.close()
        self.pause()

    def test_marked_ones_that_may_not_be_read_any_more_are_left_out(self) -> None:
        channel = self.login()
        self.type(channel, b" ", b" ")
        rule = Rule(frozenset({"alice"}), ("web*",), frozenset({"read", "write"}))
        self.desk.rules = Access((rule,))
        self.type(channel, b"b", b"x", ENTER)
        self.assertIn("type 2 bytes on 1 console?", channel.plain())

    def test_a_console_that_was_visited_is_among_the_recent_ones(self) -> None:
        channel = self.login()
        self.type(channel, b"web02", ENTER)
        self.assertIsInstance(channel.program, TerminalBridge)
        self.type(channel, b"\x05c.", b"\x15", RIGHT)
        self.assertIn("< recent >", channel.screen.lines[0])
        self.assertEqual(self.bookmarks.of("alice").recent, (self.consoles["web02"].id,))

    def test_favourites_and_groups(self) -> None:
        channel = self.login()
        self.type(channel, DOWN, FAVOURITE, RIGHT)
        self.assertIn("< favourites >", channel.screen.lines[0])
        self.assertIn("1 of 1", channel.screen.lines[0])
        self.type(channel, RIGHT)
        self.assertIn("< racks >", channel.screen.lines[0])
        self.assertIn("3 of 3", channel.screen.lines[0])
        self.type(channel, RIGHT)
        self.assertNotIn("<", channel.screen.lines[0])
        again = self.login()
        self.assertEqual(again.screen.lines[4][:9], "  * web01")
        self.assertNotIn("*", self.login(BOB).screen.text)

    def test_a_group_follows_new_consoles(self) -> None:
        channel = self.login()
        self.type(channel, RIGHT)
        self.desk.connected("web09", f"{9:032x}")
        self.pause()
        self.assertIn("4 of 4", channel.screen.lines[0])

    def test_a_preview_is_what_the_console_said_and_the_audit_has_it(self) -> None:
        channel = self.login()
        self.consoles["db"].link.output(b"\x1b[6n\x1b[2J\xe2\x80\xaeroot\r\n# ")
        self.type(channel, PREVIEW)
        lines = channel.screen.lines
        at = lines.index("db: the last lines")
        self.assertEqual(lines[at + 1 : at + 4], ["db booted", "login: root", "#"])
        self.assertNotIn(b"\x1b[6n", channel.output)
        (event,) = self.desk.audited("log-read")
        self.assertEqual((event["verb"], event["follow"]), ("preview", True))
        self.type(channel, DOWN)
        self.assertIn("web01 booted", channel.screen.text)
        self.type(channel, b"\x1b[A")
        self.assertEqual(len(self.desk.audited("log-read")), 2)

    def test_a_preview_goes_back_no_further_than_the_operator_may(self) -> None:
        limits = {"db": 0.0, "web01": 60.0}
        limit = lambda _operator, subject: limits.get(subject.name)  # noqa: E731
        self.dispatcher.context = evolve(self.desk.context, history_limit=limit)
        channel = self.login()
        self.type(channel, PREVIEW)
        self.assertIn("db: no output in memory", channel.screen.text)
        self.type(channel, DOWN)  # there is no log that would know when each byte came
        self.assertIn("web01: no output in memory", channel.screen.text)
        self.type(channel, DOWN)
        self.assertIn("web02 booted", channel.screen.text)

    def test_what_may_not_be_read_any_more_is_not_previewed(self) -> None:
        channel = self.login()
        self.type(channel, PREVIEW)
        self.assertIn("db booted", channel.screen.text)
        self.desk.rules = Access()
        self.desk.events.publish(RulesChanged())
        self.consoles["db"].link.output(b"secret\r\n")
        self.pause(PREVIEW_INTERVAL * 8 + CHANGE_INTERVAL)
        self.assertNotIn("booted", channel.screen.text)
        self.assertNotIn(b"secret", channel.output)
        self.assertIn("no rule lets you read any of 4 consoles", channel.screen.text)

    def test_an_operator_without_consoles_is_told_why(self) -> None:
        nobody = Operator("nobody")
        self.assertIn("no rule lets you read any of 4 consoles", self.login(nobody).screen.text)
        for name in ("web01", "web02", "web03"):
            self.consoles[name].link.disconnect("off")
            self.desk.roster.forget(self.consoles[name])
        self.assertIn("no rule lets you read the only console", self.login(nobody).screen.text)
        self.consoles["db"].link.disconnect("off")
        self.desk.roster.forget(self.consoles["db"])
        self.assertIn("no consoles yet", self.login(nobody).screen.text)

    def test_administrators_are_told_what_is_refused(self) -> None:
        self.desk.events.subscribe(self.desk.context.connections.on_event)
        said = Introduction("evil\x1b[2J")
        refused = VmRefused("10.9.9.9", "default", "too old", "", said, RefusalKind.OTHER)
        self.desk.events.publish(refused)
        channel = self.login(ROOT)
        self.assertIn("1 refused (^X)", channel.screen.lines[0])
        self.type(channel, REFUSED)
        self.assertIn("10.9.9.9 evil\\x1b[2J: too old", channel.screen.lines[0])
        other = self.login()
        self.assertNotIn("refused", other.screen.lines[0])
        self.type(other, REFUSED)
        self.assertNotIn("10.9.9.9", other.screen.text)
        self.desk.clock.advance(4000)
        self.assertNotIn("refused", self.login(ROOT).screen.lines[0])

    def test_notes_are_found_by_those_who_may_look_back(self) -> None:
        console = self.consoles["db"]
        with self.assertRaises(StopIteration):
            console.note("alice: replaced its disk").send(None)
        channel = self.login()
        self.type(channel, b"note:disk")
        self.assertIn("1 of 4", channel.screen.lines[0])
        self.dispatcher.context = evolve(self.desk.context, history_limit=lambda _o, _s: 60.0)
        channel = self.login()
        self.type(channel, b"note:disk")
        self.assertIn("0 of 4", channel.screen.lines[0])

    def test_with_a_log_a_preview_begins_where_the_operator_may_read(self) -> None:
        logs: Any = FakeLogs()
        limit = lambda _operator, _subject: 60.0  # noqa: E731
        self.dispatcher.context = evolve(self.desk.context, history_limit=limit, logs=logs)
        channel = self.login()
        self.type(channel, PREVIEW)
        self.assertIn("reading how far back you may look", channel.screen.text)
        self.desk.turn()
        logs.answer(4)
        self.pause()
        lines = channel.screen.lines
        self.assertEqual(lines[lines.index("db: the last lines") + 1], "ooted")
        self.assertEqual(logs.asked, {self.consoles["db"].id})

    @settings(deadline=None, max_examples=40)
    @given(st.data())
    def test_whatever_comes_and_goes_and_is_typed(self, data: st.DataObject) -> None:
        self.setUp()
        channel = self.login(ROOT, data.draw(st.sampled_from([1, 30, 80, 130])))
        names = ["x\x1b[2J", "漢字" * 20, "a\u202eb", "-rf", "e\u0301", "web9"]
        keys = [b" ", b"w", b"\x01", b"u", RIGHT, DOWN, FAVOURITE, PREVIEW, REFUSED, b"?", b"x"]
        for number in range(100, 100 + data.draw(st.integers(0, 20))):
            match data.draw(st.sampled_from(["key", "appear", "leave", "rename", "say"])):
                case "key":
                    channel.type(data.draw(st.sampled_from(keys)))
                case "appear":
                    self.desk.connected(data.draw(st.sampled_from(names)), f"{number:032x}")
                case "say":
                    for console in self.desk.roster:
                        console.link.output(data.draw(st.binary(max_size=30)))
                case step:
                    console = next(iter(self.desk.roster))
                    if step == "rename":
                        self.desk.roster.rename(console.vm, data.draw(st.sampled_from(names)))
                    elif len(self.desk.roster) > 1:
                        console.link.disconnect("off")
                        self.desk.roster.forget(console)
            self.pause(data.draw(st.sampled_from([0.0, 0.1, 1.0])))
        self.assertEqual(self.desk.failures, 0)
        if channel.output.rindex(b"\x1b[?1049h") > channel.output.rfind(b"\x1b[?1049l"):
            for line in channel.screen.lines:
                self.assertLessEqual(cells(line), channel.columns)
        channel.close()
