"""Reading the audit file for people: since some time, over a rotation, with what is no line."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.audit import reader
from vspc.audit.file import former
from vspc.audit.reader import read
from vspc.audit.schema import moment
from vspc.console.audit import AuditPage, AuditPosition, AuditQuery

EPOCH = 1_700_000_000.0


def event(number: int, at: float | None = None, **facts: object) -> bytes:
    """The line with that number."""
    time = moment(EPOCH + number if at is None else at)
    return json.dumps({"time": time, "seq": number, "event": "login", **facts}).encode() + b"\n"


class Reading(SynchronousTestCase):
    """Files in a directory of their own, read page by page."""

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        self.path = directory / "audit.jsonl"

    def read_all(self, sought: AuditQuery) -> list[int]:
        """The numbers of all that is found."""
        found: list[int] = []
        place, ended = None, False
        while not ended:
            page = read(self.path, sought, place)
            found += [json.loads(line)["seq"] for line in page.lines]
            place, ended = page.position, page.ended
        return found

    def test_without_a_file_there_is_nothing(self) -> None:
        self.assertEqual(
            read(self.path, AuditQuery(0.0), None), AuditPage((), AuditPosition(0, 0), True)
        )

    def test_since_a_time(self) -> None:
        self.path.write_bytes(b"".join(event(number) for number in range(1, 100)))
        self.assertEqual(self.read_all(AuditQuery(EPOCH + 90)), list(range(90, 100)))
        self.assertEqual(self.read_all(AuditQuery(0.0)), list(range(1, 100)))
        self.assertEqual(self.read_all(AuditQuery(EPOCH + 1000)), [])

    def test_the_file_before_comes_first(self) -> None:
        former(self.path).write_bytes(b"".join(map(event, range(1, 50))))
        self.path.write_bytes(b"".join(map(event, range(50, 100))))
        self.assertEqual(self.read_all(AuditQuery(EPOCH + 40)), list(range(40, 100)))

    def test_it_says_if_older_ones_are_in_other_files(self) -> None:
        self.path.write_bytes(event(7) + event(8))
        for since, begins in ((6.0, moment(EPOCH + 7)), (7.0, ""), (100.0, "")):
            self.assertEqual(read(self.path, AuditQuery(EPOCH + since), None).begins, begins)
        former(self.path).write_bytes(event(1))
        self.assertEqual(read(self.path, AuditQuery(0.0), None).begins, "")

    def test_a_file_before_that_is_none_does_not_matter(self) -> None:
        former(self.path).mkdir()
        self.path.write_bytes(event(1))
        self.assertEqual(self.read_all(AuditQuery(0.0)), [1])

    def test_a_line_that_is_nested_too_deeply_is_passed_over(self) -> None:
        self.path.write_bytes(event(1) + b'{"a":' * 5000 + b"\n" + event(2))
        self.assertEqual(self.read_all(AuditQuery(0.0)), [1, 2])

    def test_only_what_is_sought(self) -> None:
        self.path.write_bytes(
            event(1, operator="alice", name="web01", zone="prod", console="c1")
            + event(2, operator="bob", name="db", zone="default", console="c2")
            + event(3, operator="alice")
            + event(4, operator="alice", name="Web02", zone="default", console="c3")
        )
        for sought, numbers in (
            (AuditQuery(0.0, operator="alice"), [1, 3, 4]),
            (AuditQuery(0.0, console="web*"), [1, 4]),
            (AuditQuery(0.0, console="prod/*"), [1]),
            (AuditQuery(0.0, operator="alice", console="web02"), [4]),
            (AuditQuery(0.0, events=frozenset({"logout"})), []),
            (AuditQuery(0.0, operator="al*"), []),
        ):
            self.assertEqual(self.read_all(sought), numbers, sought)

    def test_only_events_of_these_names_and_of_one_session(self) -> None:
        self.path.write_bytes(
            event(1, event="attach", session='s"1\u00e9')
            + event(2, event="detach", session='s"1\u00e9')
            + event(3, event="note", detail="attach", session="s2")
        )
        for sought, numbers in (
            (AuditQuery(0.0, events=frozenset({"attach", "detach"})), [1, 2]),
            (AuditQuery(0.0, session='s"1\u00e9'), [1, 2]),
            (AuditQuery(0.0, session="s2", events=frozenset({"attach"})), []),
            (AuditQuery(0.0, session="s"), []),
            (AuditQuery(0.0, session=".*"), []),
        ):
            self.assertEqual(self.read_all(sought), numbers, sought)

    def test_what_is_no_line_is_passed_over(self) -> None:
        self.path.write_bytes(
            event(1)
            + b'xyz\n[]\n{"time": 7}\n{"time": "2099", "event": 1}\n\n\xff\xfe\n'
            + event(2)[:30]
            + b"\n"
            + event(3)
            + event(4)[:40]
        )
        self.assertEqual(self.read_all(AuditQuery(0.0)), [1, 3])

    def test_a_file_without_any_line_is_read_to_its_end(self) -> None:
        self.path.write_bytes(bytes(3 * reader.PIECE))
        self.assertEqual(self.read_all(AuditQuery(0.0)), [])

    def test_it_goes_on_where_it_was_over_a_rotation(self) -> None:
        self.path.write_bytes(event(1) + event(2))
        page = read(self.path, AuditQuery(0.0), None)
        with self.path.open("ab") as file:
            file.write(event(3))
        self.path.rename(former(self.path))
        self.path.write_bytes(event(4))
        page = read(self.path, AuditQuery(0.0), page.position)
        self.assertEqual([json.loads(line)["seq"] for line in page.lines], [3, 4])

    def test_after_two_rotations_it_goes_on_with_what_is_there(self) -> None:
        self.path.write_bytes(event(1) + event(2))
        page = read(self.path, AuditQuery(0.0), None)
        kept = self.path.with_name("kept")
        self.path.rename(kept)
        former(self.path).write_bytes(event(3))
        self.path.write_bytes(event(4))
        page = read(self.path, AuditQuery(0.0), page.position)
        self.assertEqual([json.loads(line)["seq"] for line in page.lines], [3, 4])

    def test_a_half_written_line_is_read_once_it_is_whole(self) -> None:
        whole = event(1)
        self.path.write_bytes(whole[:20])
        page = read(self.path, AuditQuery(0.0), None)
        self.assertEqual((page.lines, page.ended), ([], True))
        self.path.write_bytes(whole)
        page = read(self.path, AuditQuery(0.0), page.position)
        self.assertEqual(len(page.lines), 1)

    def test_a_page_is_bounded(self) -> None:
        self.path.write_bytes(b"".join(event(n, detail="x" * 900) for n in range(1, 3000)))
        page = read(self.path, AuditQuery(0.0), None)
        self.assertLess(sum(map(len, page.lines)), reader.ANSWER + 2000)
        self.assertFalse(page.ended)
        self.assertEqual(self.read_all(AuditQuery(0.0)), list(range(1, 3000)))
        self.patch(reader, "SCANNED", 1 << 20)
        scanned = read(self.path, AuditQuery(0.0, operator="nobody"), None)
        self.assertEqual((scanned.lines, scanned.ended), ([], False))

    @given(
        st.lists(st.floats(-300, 300), min_size=1, max_size=60),
        st.integers(0, 60),
        st.integers(0, 4000),
    )
    @settings(max_examples=60, deadline=None)
    def test_a_clock_that_is_set_costs_no_event(
        self, steps: list[float], cut: int, since: float
    ) -> None:
        self.patch(reader, "PIECE", 512)
        at, times = EPOCH, []
        for step in steps:  # it goes forward, and back by less than an hour in all
            at = max(at + 60 + step, EPOCH - 1800)
            times.append(at)
        lines = [event(number, at) for number, at in enumerate(times)]
        former(self.path).write_bytes(b"".join(lines[:cut]))
        self.path.write_bytes(b"".join(lines[cut:]))
        wanted = EPOCH + since
        expected = [n for n, at in enumerate(times) if moment(at) >= moment(wanted)]
        self.assertEqual(self.read_all(AuditQuery(wanted)), expected)
