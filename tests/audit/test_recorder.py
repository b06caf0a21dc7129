"""Lines of the audit file: whatever the facts are, one line of JSON that holds what was said."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.audit.holding import assert_holds, is_one_line
from tests.fakes import World, session
from vspc.audit.recorder import FIELDS, LIMITS, AuditRecorder
from vspc.audit.schema import EVENTS, TEXT, Unfit, bounded, moment, value
from vspc.console.access import Operator
from vspc.console.session import Fact, Proof, Session


class Kept:
    """In place of `vspc.audit.writer.AuditWriter`: keeps its lines."""

    def __init__(self) -> None:
        self.refuses = False
        self.lines: list[str] = []

    def put(self, head: str, tail: str) -> None:
        self.lines.append(f'{head}, "seq": {len(self.lines) + 1}, {tail}')

    @property
    def events(self) -> list[dict[str, Any]]:
        """What they say."""
        return [json.loads(line) for line in self.lines]


class Recorders(SynchronousTestCase):
    """A recorder over lines that are kept."""

    def setUp(self) -> None:
        self.kept = Kept()
        self.defects: list[object] = []
        self.failures = 0
        self.recorder = AuditRecorder(
            self.kept,  # type: ignore[arg-type]
            lambda: 1_700_000_000.25,
            lambda _event, facts: self.defects.append(facts["what"]),
            self.fail_inside,
        )

    def fail_inside(self) -> None:
        self.failures += 1

    def test_who_and_where_are_fields_of_their_own(self) -> None:
        console = World().console()
        proof = Proof("certificate", "SHA256:k", (1 << 64) - 1, "key of alice", "SHA256:ca")
        who = Session("s1", Operator("alice"), proof, "192.0.2.1", 0.0, reason="CHG123")
        self.recorder.record("attach", who, console.ref, offset=70012, rights="read,write")
        [event] = self.kept.events
        assert_holds(event)
        self.assertEqual(
            event,
            {
                "time": "2023-11-14T22:13:20.250000Z",
                "seq": 1,
                "event": "attach",
                "session": "s1",
                "operator": "alice",
                "via": "certificate",
                "fingerprint": "SHA256:k",
                "serial": (1 << 64) - 1,
                "key_id": "key of alice",
                "ca": "SHA256:ca",
                "address": "192.0.2.1",
                "reason": "CHG123",
                "console": console.id,
                "name": "web01",
                "zone": "default",
                "offset": 70012,
                "rights": "read,write",
            },
        )
        self.assertEqual(list(event)[:3], ["time", "seq", "event"])

    def test_a_port_is_there_where_its_vm_has_several(self) -> None:
        world = World()
        world.console(port_label="com1")
        console = world.console(port_label="com2")
        self.recorder.record("forgotten", None, console.ref)
        self.assertEqual(self.kept.events[0]["port"], "com2")

    def test_what_has_nothing_to_say_is_left_out(self) -> None:
        self.recorder.record("stop", seconds=None)
        self.assertEqual(set(self.kept.events[0]), {"time", "seq", "event"})

    def test_a_defect_is_reported_once_and_the_event_written(self) -> None:
        for _ in range(3):
            self.recorder.record("no-such-event", session(), text="x")
            self.recorder.record("stop", seconds=1, colour="red", time=5, seq=6)
            self.recorder.record("send", session())
        self.assertEqual(len(self.kept.events), 9)
        self.assertEqual(self.kept.events[1]["colour"], "red")
        self.assertEqual(self.kept.events[1]["seq"], 2)
        self.assertEqual(len(self.defects), len(set(self.defects)))
        self.assertIn("stop has no field colour", self.defects)
        self.assertIn("send lacks bytes", self.defects)

    def test_a_value_that_no_field_has_is_not_shown(self) -> None:
        self.recorder.record("stop", seconds=b"hunter2")  # type: ignore[arg-type]
        self.assertNotIn("hunter2", self.kept.lines[0])
        self.assertNotIn("hunter2", str(self.defects))
        self.assertEqual(self.kept.events[0]["seconds"], "<bytes>")

    def test_it_refuses_when_the_file_does(self) -> None:
        self.assertFalse(self.recorder.refuses)
        self.kept.refuses = True
        self.assertTrue(self.recorder.refuses)

    def test_so_many_limits_are_counted_by_name(self) -> None:
        for number in range(LIMITS + 5):
            self.recorder.record("limit", limit=f"limit {number}")
        self.assertEqual(len(self.recorder.limits()), LIMITS)

    def test_recording_never_raises(self) -> None:
        self.recorder.record("attach", object(), object())  # type: ignore[arg-type]
        self.assertEqual((self.failures, self.kept.lines), (1, []))

    @given(
        st.sampled_from(sorted(EVENTS)) | st.text(),
        st.dictionaries(
            st.text(min_size=1).filter(lambda word: word not in ("event", "session", "console")),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
            max_size=60,
        ),
    )
    def test_whatever_the_facts_it_is_one_line_of_json(
        self, event: str, facts: dict[str, Fact]
    ) -> None:
        self.kept.lines.clear()
        self.recorder.record(event, None, None, **facts)
        [line] = self.kept.lines
        self.assertEqual(len(line.encode().splitlines()), 1)
        self.assertTrue(line.isascii() and line.isprintable())
        found = json.loads(line, parse_constant=self.fail)
        self.assertLessEqual(len(found), FIELDS + 2)
        for name, fact in facts.items():
            if isinstance(fact, bool) and name in found and name not in ("time", "seq"):
                self.assertIs(found[name], fact)
        self.assertEqual(self.failures, 0)


class Values(SynchronousTestCase):
    """Each by itself."""

    @given(st.text() | st.text("\x00\\\u202e\U000e0001\x1b", min_size=100))
    def test_text_is_bounded_and_one_line(self, text: str) -> None:
        for shown in (bounded(text), bounded(text * 50)):
            self.assertLessEqual(len(shown), TEXT)
            self.assertLessEqual(len(json.dumps(shown)), 2 * TEXT)
            self.assertTrue(is_one_line(shown))

    @given(st.text("abcdefghij klm:/.-äß", max_size=1000))
    def test_ordinary_text_stays_as_it_is(self, text: str) -> None:
        self.assertEqual(value(text), text)

    @given(st.integers(-(1 << 64), 1 << 64))
    def test_integers_stay_exact(self, number: int) -> None:
        self.assertEqual(json.loads(json.dumps(value(number))), number)

    def test_numbers_that_json_does_not_have_are_text(self) -> None:
        self.assertEqual([value(float("inf")), value(float("nan"))], ["inf", "nan"])
        self.assertEqual([value(1 << 65), value(-(10**5000))], ["too large", "-too large"])

    def test_other_types_are_none(self) -> None:
        for thing in (b"x", [1], {}, object()):
            self.assertRaises(Unfit, value, thing)

    @given(st.floats())
    def test_every_time_can_be_written(self, at: float) -> None:
        self.assertRegex(moment(at), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
