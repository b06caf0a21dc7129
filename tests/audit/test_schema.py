"""docs/audit.md and the schema say the same."""

from twisted.trial.unittest import SynchronousTestCase

from tests.audit.holding import assert_holds, fields, names, rows
from vspc.audit.schema import CONSOLE, EVENTS, EVERY, SESSION, Has

LINE = {"time": "2026-11-21T08:30:00.123456Z", "seq": 7}
WHO = {"session": "s1", "operator": "alice", "via": "publickey", "address": "192.0.2.1"}


class Document(SynchronousTestCase):
    """The tables of docs/audit.md."""

    def test_events(self) -> None:
        said = {
            names(row[0])[0]: (row[2], row[3], names(row[4]), names(row[5]))
            for row in rows("event")
        }
        meant = {
            name: (e.who.value, e.where.value, e.always, e.perhaps) for name, e in EVENTS.items()
        }
        self.assertEqual(said, meant)
        self.assertEqual([row[0] for row in rows("event") if not row[1]], [])

    def test_fields(self) -> None:
        used = {*EVERY, *SESSION, *CONSOLE}
        for event in EVENTS.values():
            used |= {*event.always, *event.perhaps}
        self.assertEqual(used, set(fields()))
        self.assertEqual([row[0] for row in rows("field") if not row[2]], [])


class Schema(SynchronousTestCase):
    """The schema by itself."""

    def test_no_field_is_there_always_and_perhaps(self) -> None:
        for name, event in EVENTS.items():
            self.assertFalse({*event.always} & {*event.perhaps}, name)

    def test_names_are_written_as_agreed(self) -> None:
        for name in EVENTS:
            self.assertRegex(name, "^[a-z]+(-[a-z]+)*$")
        for name in fields():
            self.assertRegex(name, "^[a-z]+(_[a-z]+)*$")


class Holding(SynchronousTestCase):
    """Lines that are not as they should be are found."""

    def wrong(self, **facts: object) -> None:
        self.assertRaises(AssertionError, assert_holds, LINE | facts)

    def test_right(self) -> None:
        assert_holds(LINE | WHO | {"event": "login"})
        assert_holds(LINE | WHO | {"event": "limit", "limit": "ssh.max_sessions"})
        assert_holds(LINE | {"event": "limit", "limit": "x", "address": "192.0.2.1"})
        assert_holds(LINE | {"event": "vm-refused", "address": "192.0.2.1", "reason": "no"})

    def test_an_event_that_is_none(self) -> None:
        self.wrong(event="typed")
        self.wrong()

    def test_a_field_that_is_too_much(self) -> None:
        self.wrong(**WHO, event="login", bytes=3)
        self.wrong(event="stop", session="s1")

    def test_a_field_that_is_missing(self) -> None:
        self.wrong(event="login", session="s1")
        self.wrong(event="opened")
        self.assertRaises(AssertionError, assert_holds, {"event": "start"})

    def test_a_session_by_half(self) -> None:
        self.wrong(event="reload", changed="ssh", operator="alice")

    def test_values_of_another_type(self) -> None:
        self.wrong(event="stop", seconds="3")
        self.wrong(event="start", version=1, pid=2)
        self.wrong(event="start", version="1", pid=True)
        self.wrong(event="start", version="a\nb", pid=1)
        self.assertRaises(
            AssertionError, assert_holds, {"time": "yesterday", "seq": 1, "event": "start"}
        )

    def test_everything_that_is_always_there_is_needed(self) -> None:
        for name, event in EVENTS.items():
            if event.always or event.who is Has.ALWAYS or event.where is Has.ALWAYS:
                self.wrong(event=name)
