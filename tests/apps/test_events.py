"""`events` and `refusals`: who may read them, and what they print."""

import json
import tomllib
from collections.abc import Sequence

from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import ALICE, ROOT, XTERM, Desk
from tests.audit.holding import Recorded
from tests.fakes import session
from vspc.console.access import Operator
from vspc.console.audit import AccessRefusal, AuditPage, AuditPosition, AuditQuery, AuditUnavailable
from vspc.console.sessions import Quota, Sessions

AUDITOR = Operator("erin", roles=frozenset({"audit"}))

EVENT = (
    '{"time": "2023-11-14T22:13:20.000000Z", "seq": 1, "event": "kick", "session": "s1", '
    '"operator": "alice", "via": "publickey", "address": "192.0.2.1", "name": "web01", '
    '"reason": "a ticket", "count": 2, "follow": true}'
)


@define(eq=False)
class FakeReader:
    """`vspc.console.audit.AuditReader` that answers when the test says so."""

    queries: list[AuditQuery] = field(factory=list)
    reading: "list[Deferred[AuditPage]]" = field(factory=list)
    waiting: "list[Deferred[None]]" = field(factory=list)
    refused: Sequence[AccessRefusal] = ()
    full: bool = False

    async def read(self, query: AuditQuery, position: AuditPosition | None) -> AuditPage:
        del position
        if self.full:
            raise AuditUnavailable("too many")
        self.queries.append(query)
        pending: Deferred[AuditPage] = Deferred()
        self.reading.append(pending)
        return await pending

    async def wait(self, page: AuditPage) -> None:
        del page
        if self.full:
            raise AuditUnavailable("too many")
        self.waiting.append(Deferred())
        await self.waiting[-1]

    def refusals(self) -> Sequence[AccessRefusal]:
        return self.refused

    def events(self) -> Sequence[str]:
        return ("login", "kick", "attach")

    def answer(self, *lines: str, ended: bool = True) -> None:
        """Answer the last read."""
        self.reading.pop().callback(AuditPage(lines, AuditPosition(1, 2), ended))

    def wake(self) -> None:
        """There is more."""
        self.waiting.pop().callback(None)


class Reading(SynchronousTestCase):
    """A desk with an audit file."""

    def setUp(self) -> None:
        self.desk = Desk()
        self.reader = FakeReader()
        self.recorded = Recorded()
        self.desk.context = evolve(self.desk.context, audit_reader=self.reader, audit=self.recorded)


class Events(Reading):
    """`events`."""

    def test_only_for_administrators_and_auditors(self) -> None:
        channel = self.desk.say("events")
        self.assertEqual(channel.status, 4)
        self.assertIn('roles = ["admin"] or ["audit"]', channel.complaint)
        self.assertEqual([line["verb"] for line in self.recorded.named("denied")], ["events"])
        self.assertEqual(self.reader.reading, [])

    def test_an_event_that_does_not_exist(self) -> None:
        channel = self.desk.say("events --event 'bo\x1bgus'", ROOT)
        self.assertEqual(channel.status, 2)
        self.assertIn(
            "unknown event 'bo\\x1bgus'; there are attach, kick, login\n", channel.complaint
        )
        self.assertEqual(self.reader.reading, [])
        self.desk.say("events --event kick", ROOT)
        self.assertEqual(self.reader.queries[0].events, {"kick"})

    def test_administrators_and_auditors_read_and_it_is_recorded(self) -> None:
        for operator in (ROOT, AUDITOR):
            channel = self.desk.say("events --json", operator)
            self.reader.answer(EVENT)
            self.assertEqual((channel.status, channel.text), (0, EVENT + "\n"))
        self.assertEqual(len(self.recorded.named("audit-read")), 2)

    def test_without_the_role_audit_only_consoles_that_exist_for_the_operator(self) -> None:
        console, _ = self.desk.connected("web01", f"{1:032x}")
        line = EVENT.replace('"name"', f'"console": "{console.id}", "name"')
        gone = EVENT.replace('"name"', '"console": "no more", "name"')
        elsewhere = Operator("dave", roles=frozenset({"admin"}))
        for operator, shown in ((ROOT, 2), (elsewhere, 1), (AUDITOR, 3)):
            channel = self.desk.say("events", operator)
            self.reader.answer(line, gone, EVENT)
            self.assertEqual(len(channel.text.splitlines()), shown, operator)

    def test_it_ends_when_a_reload_takes_the_role_audit(self) -> None:
        people = {AUDITOR.name: AUDITOR}
        context = self.desk.context
        self.desk.context = evolve(context, current=lambda operator: people.get(operator.name))
        channel = self.desk.say("events -f", AUDITOR)
        self.reader.answer(EVENT)
        people[AUDITOR.name] = Operator(AUDITOR.name)
        self.reader.wake()
        self.reader.answer(EVENT)
        self.assertEqual((channel.status, len(channel.text.splitlines())), (4, 1))

    def test_lines_of_text(self) -> None:
        channel = self.desk.say("events", ROOT)
        self.reader.answer(EVENT)
        self.assertEqual(
            channel.text,
            "2023-11-14T22:13:20.000Z kick alice web01 192.0.2.1 session=s1 "
            'reason="a ticket" count=2 follow=true\n',
        )

    def test_text_of_a_login_has_the_proof_and_of_a_console_its_place(self) -> None:
        channel = self.desk.say("events", ROOT)
        self.reader.answer(
            EVENT.replace("kick", "login"),
            EVENT.replace('"name"', '"zone": "prod", "port": "com1", "name"'),
            '{"time": "2023-11-14T22:13:20.000000Z", "seq": 3, "event": "stop"}',
        )
        login, kick, stop = channel.text.splitlines()
        self.assertIn(" via=publickey ", login)
        self.assertIn(" alice prod/web01:com1 192.0.2.1 ", kick)
        self.assertEqual(stop, "2023-11-14T22:13:20.000Z stop")

    def test_line_ends_of_a_terminal_and_control_c(self) -> None:
        channel = self.desk.say("events -f --json", ROOT, XTERM)
        self.reader.answer(EVENT)
        self.assertTrue(channel.text.endswith("}\r\n"))
        channel.type(b"\x03")
        self.assertEqual(channel.status, 0)
        self.assertTrue(self.reader.waiting[0].called)

    def test_options_say_what_is_sought(self) -> None:
        now = self.desk.clock.wall()
        for line, expected in (
            ("events", AuditQuery(now - 3600)),
            ("events --since 10m", AuditQuery(now - 600)),
            ("events --since=1970-01-02", AuditQuery(86400.0)),
            ("events --since 99999999d", AuditQuery(0.0)),
            ("events --operator bob --console 'web*'", AuditQuery(now - 3600, "bob", "web*")),
            ("events --event=login", AuditQuery(now - 3600, events=frozenset({"login"}))),
        ):
            self.desk.say(line, ROOT)
            self.assertEqual(self.reader.queries[-1], expected, line)

    def test_words_that_make_no_sense_are_usage(self) -> None:
        for line in ("events x", "events --since", "events --since yesterday", "events -f=1"):
            channel = self.desk.say(line, ROOT)
            self.assertEqual(channel.status, 2, line)

    def test_older_files_are_spoken_of_once(self) -> None:
        channel = self.desk.say("events --json", ROOT)
        self.reader.reading.pop().callback(
            AuditPage((EVENT,), AuditPosition(1, 2), False, 0, "2023-01-01T00:00:00.000000Z")
        )
        self.reader.answer(EVENT)
        self.assertEqual(channel.complaint.count("2023-01-01T00:00:00.000000Z"), 1)
        self.assertEqual(channel.text, 2 * (EVENT + "\n"))

    def test_one_operator_follows_so_many_and_no_more(self) -> None:
        who = session(ROOT)
        sessions = Sessions(lambda: Quota(followed=1))
        sessions.enter(who, lambda why: None)
        self.desk.context = evolve(self.desk.context, sessions=sessions)
        first = self.desk.say("events -f", ROOT)
        second = self.desk.say("events -f", ROOT)
        self.assertEqual((first.status, second.status), (None, 1))
        self.assertEqual(self.recorded.named("limit")[0]["limit"], "max_followed")
        first.close()
        self.assertIsNone(self.desk.say("events -f", ROOT).status)

    def test_it_goes_on_until_there_is_no_more(self) -> None:
        channel = self.desk.say("events --json", ROOT)
        self.reader.answer(EVENT, ended=False)
        self.assertIsNone(channel.status)
        self.reader.answer(EVENT)
        self.assertEqual((channel.status, len(channel.text.splitlines())), (0, 2))

    def test_it_follows(self) -> None:
        channel = self.desk.say("events -f --json", ROOT)
        self.reader.answer(EVENT)
        self.reader.wake()
        self.reader.answer(EVENT)
        self.assertEqual(len(channel.text.splitlines()), 2)
        self.assertIsNone(channel.status)
        channel.close()
        self.assertTrue(self.reader.waiting[-1].called)

    def test_it_reads_no_faster_than_the_operator(self) -> None:
        channel = self.desk.say("events --json", ROOT, window=10)
        self.reader.answer(EVENT, ended=False)
        self.assertEqual((len(channel.output), self.reader.reading), (10, []))
        channel.read(1000)
        self.assertEqual(len(self.reader.reading), 1)
        self.reader.answer()
        self.assertEqual((channel.status, channel.text), (0, EVENT + "\n"))

    def test_following_slowly_nothing_is_asked_twice(self) -> None:
        channel = self.desk.say("events -f --json", ROOT, window=10)
        self.reader.answer(EVENT)
        self.assertEqual((self.reader.reading, self.reader.waiting), ([], []))
        channel.read(1000)
        self.reader.wake()
        self.assertEqual(len(self.reader.reading), 1)

    def test_a_file_that_is_not_read_is_a_failure(self) -> None:
        channel = self.desk.say("events", ROOT)
        self.reader.reading.pop().errback(AuditUnavailable("the file is gone"))
        self.assertEqual((channel.status, channel.complaint[:4]), (1, "the "))
        self.reader.full = True
        self.assertEqual(self.desk.say("events", ROOT).status, 1)


class Refusals(Reading):
    """`refusals`."""

    def setUp(self) -> None:
        super().setUp()
        now = self.desk.clock.wall()
        self.reader.refused = (
            AccessRefusal("vm", "10.9.9.9", "default", "no", "[vm] allow = x", now - 60, now, 3),
            AccessRefusal("login", "192.0.2.6", "bob", "publickey: no", "", now - 5, now - 5),
        )

    def test_only_for_administrators(self) -> None:
        for operator in (ALICE, AUDITOR):
            self.assertEqual(self.desk.say("refusals", operator).status, 4)

    def test_lines_of_text(self) -> None:
        channel = self.desk.say("refusals", ROOT)
        self.assertEqual(
            channel.text.splitlines(),
            [
                "0s ago  vm 10.9.9.9 default: no, 3 times in 1 min",
                "    [vm] allow = x",
                "5s ago  login 192.0.2.6 bob: publickey: no",
            ],
        )

    def test_the_name_of_a_vm_that_has_sent_it(self) -> None:
        now = self.desk.clock.wall()
        self.reader.refused = (
            AccessRefusal("vm", "10.9.9.9", "default", "no", "", now, now, vm_name="web01"),
        )
        text = self.desk.say("refusals", ROOT).text
        self.assertEqual(text, "0s ago  vm 10.9.9.9 default/web01: no\n")
        shown = json.loads(self.desk.say("refusals --json", ROOT).text)
        self.assertEqual(shown[0]["vm_name"], "web01")

    def test_how_often_is_counted_to_the_last_refusal_not_to_now(self) -> None:
        self.desk.clock.advance(3 * 86400.0)
        self.assertEqual(
            self.desk.say("refusals", ROOT).text.splitlines()[0],
            "3d ago  vm 10.9.9.9 default: no, 3 times in 1 min",
        )

    def test_without_refusals(self) -> None:
        self.reader.refused = ()
        self.assertEqual(self.desk.say("refusals", ROOT).text, "no refusals\n")
        self.assertEqual(self.desk.say("refusals --json", ROOT).text, "[]\n")

    def test_a_hint_of_two_lines_with_and_without_a_table_of_the_operator(self) -> None:
        now = self.desk.clock.wall()
        self.reader.refused = tuple(
            AccessRefusal("login", "192.0.2.6", name, "no", hint, now, now)
            for name, hint in (
                ("bob", '[operators.bob]\nauthorized_keys = ["ssh-ed25519 AA"]'),
                ("dora", '[operators.dora]\nauthorized_keys = ["ssh-ed25519 AB"]'),
                ("bob", "[operators.bob]"),
                ("bob", "the certificate is for jo"),
            )
        )
        self.desk.context = evolve(self.desk.context, is_operator=lambda name: name == "bob")
        lines = self.desk.say("refusals", ROOT).text.splitlines()
        self.assertEqual(
            [line.strip() for line in lines if line.startswith("  ")],
            [
                "add to authorized_keys of [operators.bob]:",
                '"ssh-ed25519 AA"',
                "[operators.dora]",
                'authorized_keys = ["ssh-ed25519 AB"]',
                "the certificate is for jo",
            ],
        )
        found = json.loads(self.desk.say("refusals --json", ROOT).text)
        self.assertTrue(found[0]["hint"].startswith("add to authorized_keys of"))
        tomllib.loads(found[1]["hint"])

    def test_json(self) -> None:
        found = json.loads(self.desk.say("refusals --json", ROOT).text)
        self.assertEqual(found[0]["hint"], "[vm] allow = x")
        self.assertEqual(found[1]["count"], 1)

    def test_other_words_are_usage(self) -> None:
        self.assertEqual(self.desk.say("refusals x", ROOT).status, 2)
