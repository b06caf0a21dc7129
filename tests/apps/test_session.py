"""`session`: what one session saw and typed on a console, from the audit file and the log."""

import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from tests.apps.opsdesk import DAVE, OpsDesk
from tests.apps.support import ALICE, XTERM, FakeChannel
from tests.apps.test_log import LogTestCase
from tests.audit.holding import assert_holds
from tests.log.inline import Logged
from tests.log.support import SMALL
from tests.vm.support import Host
from vspc.audit.reader import read
from vspc.audit.recorder import event_facts
from vspc.audit.refusals import RecentRefusals
from vspc.audit.schema import EVENTS, moment
from vspc.audit.subscriber import AuditSubscriber
from vspc.config.settings import LogSettings
from vspc.console.access import Operator
from vspc.console.audit import (
    AccessRefusal,
    Audit,
    AuditPage,
    AuditPosition,
    AuditQuery,
    AuditUnavailable,
)
from vspc.console.events import ConsoleRef
from vspc.console.ports import Terminal
from vspc.console.session import Fact, Session
from vspc.log.store import Sizes

ERIN = Operator("erin", roles=frozenset({"audit"}))
CAROL = Operator("carol")


@define(eq=False)
class AuditOnDisk(Audit):
    """The audit file, written and read at once."""

    path: Path
    desk: OpsDesk
    unavailable: bool = False
    seq: int = field(default=0, init=False)

    def record(
        self,
        event: str,
        session: Session | None = None,
        console: ConsoleRef | None = None,
        **facts: Fact,
    ) -> None:
        self.seq += 1
        head = {"time": moment(self.desk.clock.wall()), "seq": self.seq}
        line = head | event_facts(event, session, console, facts)
        assert_holds(line)
        self.write(json.dumps(line))

    def write(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def rotate(self) -> None:
        """The file is moved away, as logrotate does it, and one that was moved before deleted."""
        self.path.rename(f"{self.path}.1")
        self.record("opened", cause="moved")

    async def read(self, query: AuditQuery, position: AuditPosition | None) -> AuditPage:
        if self.unavailable:
            raise AuditUnavailable("too many")
        return read(self.path, query, position)

    async def wait(self, page: AuditPage) -> None:
        raise NotImplementedError

    def refusals(self) -> Sequence[AccessRefusal]:
        return ()

    def events(self) -> Collection[str]:
        return EVENTS

    def named(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [line for line in lines if line["event"] == name]


class SessionCase(LogTestCase):
    """Sessions of alice and carol on web01, for erin, an auditor."""

    desk: OpsDesk
    sizes: Sizes | None = None

    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.desk.clock.advance(1)
        self.audit = AuditOnDisk(Path(self.mktemp()), self.desk)
        clock = self.desk.clock
        subscriber = AuditSubscriber(
            self.audit, RecentRefusals(clock.wall), clock.seconds, clock.wall
        )
        self.desk.events.subscribe(subscriber.handle, *subscriber.EVENTS)
        self.logged = Logged(self.desk, LogSettings(record_input=True), sizes=self.sizes)
        self.addCleanup(self.logged.close)
        self.join()
        self.audit.record("start", version="0", pid=1)

    def join(self) -> None:
        self.desk.context = evolve(
            self.desk.context,
            logs=self.logged.log.queries,
            audit=self.audit,
            audit_reader=self.audit,
        )

    def attach(self, session: Session) -> FakeChannel:
        channel = self.desk.ask("console web01", session, XTERM)
        self.run_on()
        return channel

    def leave(self, channel: FakeChannel) -> None:
        channel.type(b"\x05c.")
        self.run_on()
        self.assertEqual(channel.status, 0)

    def type(self, channel: FakeChannel, host: Host, keys: bytes) -> None:
        """Keys that the VM echoes."""
        for key in keys:
            channel.type(bytes([key]))
            self.output(host, bytes([key]) if key != 13 else b"\r\n")

    def scene(self) -> tuple[Host, Session]:
        """alice works on web01 for a minute, carol types in between."""
        host = self.vm()
        self.output(host, b"before\r\nlogin: ")
        alice, carol = self.desk.login(), self.desk.login(CAROL)
        self.desk.clock.advance(10)
        hers = self.attach(alice)
        self.desk.clock.advance(5)
        self.type(hers, host, b"root\r")
        self.output(host, b"\x1b]0;title\x07\x1b[31m# \x1b[0m")
        self.desk.clock.advance(30)
        hers.type(b"\x05cs")
        carols = self.attach(carol)
        self.type(carols, host, b"id\r")
        self.leave(carols)
        self.desk.clock.advance(5)
        self.leave(hers)
        self.output(host, b"after\r\n")
        return host, alice

    def ask(
        self, line: str, operator: Operator = ERIN, terminal: Terminal | None = None
    ) -> FakeChannel:
        channel = self.desk.ask(line, self.desk.login(operator), terminal)
        self.run_on()
        return channel

    def ids(self, words: str = "") -> list[str]:
        return [row["id"] for row in self.rows(words)]

    def rows(self, words: str = "", operator: Operator = ERIN) -> list[dict[str, Any]]:
        channel = self.ask(f"session list --json {words}", operator)
        self.assertEqual(channel.status, 0, channel.complaint)
        found: list[dict[str, Any]] = json.loads(channel.text)
        return found

    def cast(self, words: str, operator: Operator = ERIN) -> tuple[dict[str, Any], list[Any]]:
        channel = self.ask(f"session play {words}", operator)
        self.assertEqual(channel.status, 0, channel.complaint)
        header, *events = [json.loads(line) for line in channel.text.splitlines()]
        return header, events


def shown(events: list[Any]) -> str:
    return "".join(event[2] for event in events if event[1] == "o")


class Listing(SessionCase):
    def test_who_was_where_how_and_for_how_long(self) -> None:
        _, alice = self.scene()
        first, second = self.rows()
        self.assertEqual(
            (first["session"], first["operator"], first["title"], first["kind"], first["open"]),
            (alice.id, "alice", "web01", "terminal", False),
        )
        self.assertEqual((first["offset"], first["end"]), (15, 46))
        self.assertEqual((first["typed"], second["typed"]), (5, 3))
        table = self.ask("session list").text
        self.assertRegex(table, r"(?m)^ID +OPERATOR +CONSOLE +HOW +BEGAN +FOR +TYPED\n")
        self.assertRegex(table, rf"(?m)^{first['id']} +alice +web01 +terminal +2023\S+Z +4\ds +5\n")
        self.assertEqual([line["follow"] for line in self.audit.named("audit-read")], [False] * 2)

    def test_what_is_asked_for(self) -> None:
        self.scene()
        self.assertEqual([row["operator"] for row in self.rows("--operator carol")], ["carol"])
        self.assertEqual(self.rows("--operator nobody"), [])
        self.assertEqual(len(self.rows("--console 'WEB*'")), 2)
        self.assertEqual(len(self.rows("--console default/web01")), 2)
        self.assertEqual(self.rows("--console db*"), [])
        self.assertEqual(len(self.rows("--since 3s")), 1)  # carol had left before
        self.desk.clock.advance(100_000)
        self.assertEqual(self.rows(), [])
        self.assertEqual(self.ask("session list").text, "no sessions on consoles\n")
        self.assertEqual(len(self.rows("--since 2d")), 2)

    def test_one_that_goes_on_and_one_that_a_kill_has_cut(self) -> None:
        self.vm()
        alice = self.desk.login()
        self.attach(alice)
        self.assertEqual([row["open"] for row in self.rows()], [True])
        self.assertRegex(self.ask("session list").text, r" open +0\n")
        self.desk.sessions.leave(alice)
        self.audit.record("start", version="0", pid=2)
        self.assertEqual([(r["open"], r["ended"]) for r in self.rows()], [(False, None)])
        self.assertRegex(self.ask("session list").text, r" \? +0\n")

    def test_one_that_began_before_the_time_that_is_asked_for(self) -> None:
        self.vm()
        alice = self.desk.login()
        channel = self.attach(alice)
        self.desk.clock.advance(1000)
        [row] = self.rows("--since 10s")
        self.assertEqual((row["id"], row["open"], row["offset"]), (alice.id, True, None))
        self.assertEqual(self.rows("--since 10s --operator carol"), [])
        self.leave(channel)
        [row] = self.rows("--since 10s")
        self.assertEqual((row["open"], row["offset"], row["end"]), (False, None, 0))
        whole = self.rows("--since 1h")[0]
        self.assertEqual((whole["offset"], whole["began"]), (0, row["began"]))
        self.assertEqual(self.cast(whole["id"])[1], self.cast(row["id"])[1])

    def test_who_may(self) -> None:
        self.scene()
        channel = self.ask("session list", ALICE)
        self.assertEqual((channel.status, channel.output), (4, b""))
        self.assertIn('roles = ["admin"] or ["audit"]', channel.complaint)
        [row, _] = self.rows("", DAVE)
        self.assertEqual(self.ask(f"session play {row['id']}", ALICE).status, 4)
        elsewhere = Operator("frank", roles=frozenset({"admin"}))
        self.assertEqual(self.rows("", elsewhere), [])
        hidden = self.ask(f"session play {row['id']}", elsewhere)
        none = self.ask("session play nothing.1", elsewhere)
        self.assertEqual((hidden.status, none.status), (3, 3))
        self.assertEqual(hidden.complaint.replace(row["id"], "nothing.1"), none.complaint)

    def test_damaged_lines_and_no_file(self) -> None:
        self.scene()
        known = self.ids()
        line = '{"time": "2023-11-14T22:13:20.000000Z", "seq": 1, "event": "%s"%s}'
        for event in ("attach", "detach", "input", "start"):
            for more in (
                "",
                ', "session": 1',
                ', "session": "s", "operator": "o", "address": "a", "console": "c", "name": "n"',
                ', "session": "s", "console": "c", "offset": -1, "seconds": NaN',
                ', "session": "s", "console": "c", "offset": true, "seconds": 1e400',
            ):
                self.audit.write(line % (event, more))
        self.audit.write("{" * 1000)
        self.audit.write('{"time": "not a time", "event": "attach"}')
        self.assertEqual(self.ids(), known)
        self.audit.unavailable = True
        channel = self.ask("session list")
        self.assertEqual((channel.status, channel.complaint), (1, "too many\n"))


class Casting(SessionCase):
    """Without a terminal: an asciicast."""

    def test_all_between_attach_and_leave_at_its_time(self) -> None:
        self.scene()
        mine, carols = self.ids()
        header, events = self.cast(mine)
        self.assertEqual((header["version"], header["title"]), (2, "alice on web01"))
        self.assertEqual(shown(events), "root\r\n\x1b]0;title\x07\x1b[31m# \x1b[0mid\r\n")
        self.assertEqual(events[0][:2], [0, "m"])
        self.assertEqual(events[0][2], "attached: alice from 192.0.2.1")
        self.assertEqual(events[-1][1:], ["m", "left: alice"])
        first = next(event for event in events if event[1] == "o")
        self.assertAlmostEqual(first[0], 5, 0)
        self.assertAlmostEqual(events[-1][0], 41, 0)
        marks = [event[2] for event in events if event[1] == "m"]
        for text in ("pen: alice types", "pen: carol types", "attached: carol from 192.0.2.1"):
            self.assertEqual(marks.count(text), 1, marks)
        self.assertEqual(shown(self.cast(carols)[1]), "id\r\n")

    def test_typed_text_is_that_of_the_session(self) -> None:
        self.scene()
        mine, carols = self.ids()
        typed = [event[2] for event in self.cast(mine)[1] if event[1] == "i"]
        self.assertEqual(typed, ["root\r"])
        typed = [event[2] for event in self.cast(carols)[1] if event[1] == "i"]
        self.assertEqual(typed, ["id\r"])

    def test_typed_text_of_another_session_of_the_same_operator_is_not(self) -> None:
        host = self.vm()
        self.output(host, b"$ ")
        one, two = self.desk.login(), self.desk.login()
        first, second = self.attach(one), self.attach(two)
        self.type(first, host, b"a\r")
        self.desk.clock.advance(10)
        first.type(b"\x05cs")
        self.type(second, host, b"b\r")
        self.leave(second)
        self.leave(first)
        for number, text in ((0, "a\r"), (1, "b\r")):
            events = self.cast(self.ids()[number])[1]
            self.assertEqual([event[2] for event in events if event[1] == "i"], [text])

    def test_a_password_is_only_counted(self) -> None:
        host = self.vm()
        self.output(host, b"Password: ")
        channel = self.attach(self.desk.login())
        channel.type(b"canary123\r")
        self.desk.clock.advance(2)
        self.leave(channel)
        events = self.cast(self.ids()[0])[1]
        self.assertNotIn("canary", json.dumps(events))
        self.assertIn("input: bytes that were not echoed: 10", [event[2] for event in events])

    def test_the_session_alone_is_enough_where_it_was_on_one_console_once(self) -> None:
        host, alice = self.scene()
        self.assertEqual(self.cast(alice.id)[1], self.cast(self.ids()[0])[1])
        self.leave(self.attach(alice))
        self.output(host, b"more")
        channel = self.ask(f"session play {alice.id}")
        self.assertEqual((channel.status, channel.output), (3, b""))
        mine = [row["id"] for row in self.rows("--operator alice")]
        for each in mine:
            self.assertIn(f"  {each}  web01\n", channel.complaint)

    def test_one_that_goes_on_is_played_up_to_now(self) -> None:
        host = self.vm()
        channel = self.attach(self.desk.login())
        self.output(host, b"one")
        played = self.ask(f"session play {self.ids()[0]}")
        self.assertIn("[it is still open; shown up to now]", played.complaint)
        self.assertIn('"o", "one"', played.text)
        self.assertNotIn("left:", played.text)
        self.leave(channel)

    def test_one_that_a_kill_has_cut_ends_where_the_server_started_again(self) -> None:
        host = self.vm()
        alice = self.desk.login()
        self.attach(alice)
        self.output(host, b"one")
        self.desk.sessions.leave(alice)
        self.desk.clock.advance(10)
        self.audit.record("start", version="0", pid=2)
        self.desk.clock.advance(10)
        self.output(host, b"two")
        played = self.ask(f"session play {self.ids()[0]}")
        self.assertIn("the server ended without recording its end", played.complaint)
        self.assertIn('"o", "one"', played.text)
        self.assertNotIn("two", played.text)

    def test_one_whose_beginning_is_in_an_older_file(self) -> None:
        host = self.vm()
        self.output(host, b"before")
        channel = self.attach(self.desk.login())
        self.desk.clock.advance(1)
        self.output(host, b"one")
        self.audit.rotate()
        whole = self.ids()
        self.audit.rotate()
        self.leave(channel)
        self.assertIn("are in older files]", self.ask("session list --since 1h").complaint)
        [row] = self.rows()
        self.assertEqual((row["offset"], row["end"]), (None, 9))
        self.assertNotEqual([row["id"]], whole)
        played = self.ask(f"session play {row['id']}")
        self.assertEqual(played.status, 0, played.complaint)
        self.assertIn("its beginning is in an older audit file", played.complaint)
        self.assertIn('"o", "one"', played.text)
        self.assertNotIn("before", played.text)

    def test_what_the_log_does_not_have_is_said_with_offsets(self) -> None:
        host = self.vm()
        self.output(host, b"x")
        channel = self.attach(self.desk.login())
        self.output(host, b"kept")
        self.leave(channel)
        line = self.audit.named("detach")[0]
        text = self.audit.path.read_text()
        self.audit.path.write_text(text.replace(f'"offset": {line["offset"]}', '"offset": 4000'))
        events = self.cast(self.ids()[0])[1]
        self.assertIn("gap: not in the log (offsets 5 to 4000)", [e[2] for e in events])

    def test_a_console_that_was_forgotten_has_its_log(self) -> None:
        host, _ = self.scene()
        host.lose()
        self.run_on()
        self.desk.server.forget(self.console)
        self.run_on()
        self.assertEqual(list(self.desk.roster), [])
        self.assertIn("root", shown(self.cast(self.ids()[0])[1]))

    def test_without_a_log_it_is_what_memory_has(self) -> None:
        self.scene()
        self.desk.context = evolve(self.desk.context, logs=None)
        played = self.ask(f"session play {self.ids()[0]}")
        self.assertEqual(played.status, 0)
        self.assertIn("[not logged: this is what memory has, without its times]", played.complaint)
        self.assertIn("root", played.text)
        self.desk.roster.forget(self.console)
        self.assertEqual(self.ask(f"session play {self.ids()[0]}").status, 1)

    def test_an_administrator_may_look_back_as_far_as_the_rule_says(self) -> None:
        self.scene()
        limits = {"dave": 20.0}
        limit = lambda operator, _subject: limits.get(operator.name)  # noqa: E731
        self.desk.context = evolve(self.desk.context, history_limit=limit)
        played = self.ask(f"session play {self.ids()[0]}", DAVE)
        self.assertRegex(played.complaint, r"\[you may look back to offset \d+ only\]")
        self.assertNotIn("root", played.text)
        self.assertIn("root", shown(self.cast(self.ids()[0])[1]))

    def test_options_of_the_file(self) -> None:
        self.scene()
        header, _ = self.cast(f"{self.ids()[0]} --size 120x40 --idle 2")
        self.assertEqual(
            (header["width"], header["height"], header["idle_time_limit"]), (120, 40, 2)
        )

    def test_it_is_recorded_whose_session_was_played(self) -> None:
        self.scene()
        first = self.ids()[0]
        self.cast(first)
        [line] = self.audit.named("session-play")
        self.assertEqual(
            (line["operator"], line["subject"], line["format"], line["result"], line["name"]),
            ("erin", first, "asciicast", "ok", "web01"),
        )
        self.assertEqual((line["offset"], line["end"]), (15, 46))

    def test_words_that_make_no_sense(self) -> None:
        self.scene()
        first = self.ids()[0]
        for words in (
            *("", "play", "list x", "nonsense", "list --speed 2", f"play {first} --json"),
            *(f"play {first} --speed {n}" for n in ("0", "-1", "nan", "inf", "1e3", "9999", "x")),
            *(f"play {first} --idle {n}" for n in ("0", "-1", "nan")),
            *(f"play {first} --speed 2", f"play {first} --raw", f"play {first} --size 0x1"),
            f"play {first} --operator alice",
        ):
            self.assertEqual(self.ask(f"session {words}").status, 2, words)
        for name in ("nothing", "-- --json", "web01", "..", ".", "\x1b[31m", f"{first}1", "'*'"):
            channel = self.ask(f"session play {name}")
            self.assertEqual((channel.status, channel.output), (3, b""), name)
            self.assertNotIn("\x1b", channel.complaint)


class AcrossSegments(SessionCase):
    """A session during which the log began many files."""

    sizes = SMALL

    def setUp(self) -> None:
        super().setUp()
        self.host = self.vm()
        self.output(self.host, b"before")
        channel = self.attach(self.desk.login())
        self.text = b"".join(b"line %04d\r\n" % number for number in range(400))
        for at in range(0, len(self.text), 50):
            self.output(self.host, self.text[at : at + 50])
        self.leave(channel)
        self.files = sorted(
            path for path in self.logged.root.rglob("*") if path.suffix in (".log", ".zst")
        )

    def test_all_of_it_is_there(self) -> None:
        self.assertGreater(len(self.files), 5)
        self.assertEqual(shown(self.cast(self.ids()[0])[1]), self.text.decode())

    def test_what_was_deleted_is_a_gap(self) -> None:
        for path in self.files[:4]:
            path.unlink()
        events = self.cast(self.ids()[0])[1]
        gaps = [event[2] for event in events if event[2].startswith("gap: ")]
        whole, at, kept = b"before" + self.text, 6, b""
        for begin, end in re.findall(r"offsets (\d+) to (\d+)", " ".join(gaps)):
            kept += whole[at : int(begin)]
            at = int(end)
        self.assertGreater(at, 6)
        self.assertEqual(shown(events), (kept + whole[at:]).decode())


class Playing(SessionCase):
    """On a terminal."""

    def setUp(self) -> None:
        super().setUp()
        self.scene()
        self.first = self.ids()[0]

    def play(self, words: str = "", operator: Operator = ERIN) -> FakeChannel:
        return self.ask(f"session play {self.first} {words}", operator, XTERM)

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds * 20)):
            self.desk.clock.advance(0.05)
            self.desk.turn()

    def test_at_the_pace_at_which_it_happened(self) -> None:
        channel = self.play()
        self.assertIn(f"[session {self.first}: alice on web01]", channel.text)
        self.assertNotIn("root", channel.text)
        self.pass_time(7)
        self.assertIn("root", channel.text.replace("[boot", ""))
        self.assertNotIn("id\r\n", channel.text)
        self.assertIsNone(channel.status)
        self.pass_time(40)
        self.assertIn("id\r\n", channel.text)
        self.assertIn("[left: alice]\r\n[end of the session]\r\n", channel.text)
        self.assertEqual(channel.status, 0)

    def test_text_and_colours_only_unless_exact_bytes_are_asked_for(self) -> None:
        channel = self.play("--speed 100")
        self.pass_time(2)
        self.assertEqual(channel.status, 0)
        self.assertIn("\x1b[31m# ", channel.text)
        self.assertNotIn("title", channel.text)
        exact = self.play("--speed 100 --raw")
        self.pass_time(2)
        self.assertIn("\x1b]0;title\x07", exact.text)

    def test_faster_and_with_shorter_pauses(self) -> None:
        for words, seconds in (("--speed 20", 5), ("--idle 0.1", 6), ("--speed 2 --idle 4s", 15)):
            channel = self.play(words)
            self.pass_time(seconds)
            self.assertEqual(channel.status, 0, words)

    def test_keys(self) -> None:
        channel = self.play()
        channel.type(b" ")
        self.pass_time(60)
        self.assertIn("[paused; space pauses", channel.text)
        self.assertNotIn("root", channel.text)
        channel.type(b" n")
        self.pass_time(1)
        self.assertIn("[goes on]", channel.text)
        self.assertIn("r", channel.text.partition("[goes on]")[2])
        channel.type(b"++++++-+")
        self.pass_time(2)
        self.assertIn("[speed 64]", channel.text)
        self.assertEqual(channel.status, 0)
        for key in (b"q", b"\x03"):
            channel = self.play()
            channel.type(b"-xyz" + key)
            self.run_on()
            self.assertEqual(channel.status, 0)
        self.assertEqual(channel.under_way, 0)
        self.assertEqual(
            [line["result"] for line in self.audit.named("session-play")], ["ok", "ended", "ended"]
        )

    def test_a_client_that_goes_ends_it(self) -> None:
        channel = self.play()
        channel.close()
        self.run_on()
        self.assertEqual([e["result"] for e in self.audit.named("session-play")], ["ended"])

    def test_a_client_that_reads_slowly_loses_nothing(self) -> None:
        session = self.desk.login(ERIN)
        channel = self.desk.ask(f"session play {self.first} --speed 100", session, XTERM, 8)
        for _ in range(400):
            channel.read(8)
            self.desk.clock.advance(0.01)
            self.desk.turn()
        self.assertEqual(channel.status, 0)
        self.assertIn("root\r\n", channel.text.replace("\x1b[m", ""))

    def test_with_cast_it_is_printed_on_a_terminal_too(self) -> None:
        self.assertIn('{"version": 2', self.play("--cast").text)

    def test_it_ends_when_the_role_is_taken_away(self) -> None:
        people = {ERIN.name: ERIN}
        current = lambda operator: people.get(operator.name)  # noqa: E731
        self.desk.context = evolve(self.desk.context, current=current)
        channel = self.play()
        self.assertIsNone(channel.status)
        people[ERIN.name] = Operator(ERIN.name)
        self.assertEqual(self.play().status, 4)
