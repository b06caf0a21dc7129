"""The audit file: whole lines with numbers that have no gap, whatever the disk does."""

import errno
import gc
import json
import os
import resource
import threading
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.audit.support import Bench, FailingDisk, lines_of
from vspc.audit import writer
from vspc.audit.file import AuditFile, beside, former
from vspc.common import worker


class WithFile(SynchronousTestCase):
    """A file in a directory of its own."""

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        self.path = directory / "audit.jsonl"
        self.bench = Bench(self.path)

    def opened(self, index: int = 0) -> dict[str, object]:
        """One of the events that say that a file was opened."""
        found: dict[str, object] = [e for e in lines_of(self.path) if e["event"] == "opened"][index]
        return found


class Numbers(WithFile):
    """`seq`, over everything."""

    def run_once(self, count: int) -> None:
        """A process that records so many events, and is killed."""
        made = self.bench.writer()
        self.bench.put(made, count)
        made.round()

    def test_they_begin_at_1_and_go_on_after_restarts(self) -> None:
        self.run_once(2)
        self.run_once(0)
        self.run_once(1)
        self.assertEqual([e["seq"] for e in lines_of(self.path)], [1, 2, 3, 4, 5, 6])
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(beside(self.path).stat().st_mode & 0o777, 0o600)

    def test_a_file_that_was_taken_away_between_two_processes_does_not_begin_again(self) -> None:
        self.run_once(2)
        self.path.unlink()
        self.run_once(1)
        self.assertEqual([e["seq"] for e in lines_of(self.path)], [4, 5])

    def test_without_the_small_file_too_the_one_before_says_it(self) -> None:
        self.run_once(2)
        self.path.rename(former(self.path))
        beside(self.path).unlink()
        self.run_once(1)
        self.assertEqual(len(lines_of(former(self.path), self.path)), 5)

    def test_a_small_file_that_is_nonsense_or_stale_does_not_count(self) -> None:
        self.run_once(2)
        for text in (b"1\n", b"x" * 100, b""):
            beside(self.path).write_bytes(text)
            self.run_once(0)
        self.assertEqual(len(lines_of(self.path)), 6)

    def test_a_small_file_that_was_nonsense_is_mended(self) -> None:
        beside(self.path).write_bytes(b"x" * 100)
        self.run_once(2)
        self.path.unlink()
        self.run_once(0)
        self.assertEqual([e["seq"] for e in lines_of(self.path)], [4])

    def test_a_small_file_that_cannot_be_written_is_reported_and_the_rest_goes_on(self) -> None:
        self.bench.disk.broken = {"overwrite"}
        self.run_once(2)
        self.assertEqual(len(lines_of(self.path)), 3)
        self.assertIn("audit-seq-failing", self.bench.names())

    def test_lines_that_are_none_of_ours_do_not_matter(self) -> None:
        self.run_once(2)
        with self.path.open("ab") as file:
            file.write(b'{"seq": true}\n[1]\nxyz\n\n' + b"[" * 5000 + b"\n")
        beside(self.path).unlink()
        self.run_once(0)
        last = json.loads(self.path.read_bytes().splitlines()[-1])
        self.assertEqual((last["event"], last["seq"]), ("opened", 4))

    def test_the_small_file_is_beside_whatever_the_name(self) -> None:
        self.assertEqual(beside(Path("/a/audit.jsonl")), Path("/a/audit.seq"))
        self.assertEqual(beside(Path("/a/audit")), Path("/a/audit.seq"))
        self.assertEqual(beside(Path("/a/b.seq")), Path("/a/b.seq.seq"))


class Torn(WithFile):
    """What a crash has left of a last line."""

    def start_with(self, data: bytes) -> list[bytes]:
        """A start after which the file has these lines."""
        self.path.write_bytes(data)
        self.bench.writer().round()
        return self.path.read_bytes().splitlines()

    WHOLE = b'{"time": "2023-11-14T22:13:20.000000Z", "seq": 7, "event": "vm-refused"}\n'

    def test_it_is_cut_off_and_its_size_recorded(self) -> None:
        lines = self.start_with(self.WHOLE + self.WHOLE[:20])
        self.assertEqual(lines[0] + b"\n", self.WHOLE)
        self.assertEqual(self.opened()["torn"], 20)
        self.assertEqual(self.opened()["seq"], 8)

    def test_one_that_lacks_only_its_end_counts(self) -> None:
        lines = self.start_with(self.WHOLE[:-1])
        self.assertEqual([json.loads(line)["seq"] for line in lines], [7, 8])
        self.assertNotIn("torn", self.opened())

    def test_zeros_after_a_power_cut_are_cut_off(self) -> None:
        lines = self.start_with(self.WHOLE + bytes(3000))
        self.assertEqual(len(lines), 2)
        self.assertEqual(self.opened()["torn"], 3000)

    def test_what_is_not_ours_is_not_cut(self) -> None:
        lines = self.start_with(b"somebody's words")
        self.assertEqual(lines[0], b"somebody's words")
        self.assertEqual(json.loads(lines[1])["torn"], 16)

    def test_where_nothing_can_be_cut_it_becomes_a_line_of_its_own(self) -> None:
        self.bench.disk.broken = {"truncate"}
        lines = self.start_with(self.WHOLE + self.WHOLE[:20])
        self.assertEqual(lines[1], self.WHOLE[:20])
        self.assertEqual(json.loads(lines[2])["seq"], 8)

    @given(st.integers(0, 400), st.booleans())
    @settings(max_examples=60, deadline=None)
    def test_wherever_it_was_cut_numbers_go_on(self, size: int, can_cut: bool) -> None:
        for path in (self.path, beside(self.path)):
            path.unlink(missing_ok=True)
        first = self.bench.writer()
        self.bench.put(first, 3)
        first.round()
        data = self.path.read_bytes()[:size]
        self.path.write_bytes(data)
        beside(self.path).unlink()
        self.bench.disk.broken = set() if can_cut else {"truncate"}
        second = self.bench.writer()
        self.bench.put(second, 2)
        second.round()
        found = []
        for line in self.path.read_bytes().splitlines():
            try:
                found.append(json.loads(line)["seq"])
            except ValueError:
                self.assertFalse(can_cut)
        self.assertEqual(found, list(range(1, len(found) + 1)))
        self.assertGreaterEqual(len(found), 3)


class Descriptors(WithFile):
    """None is free."""

    def setUp(self) -> None:
        gc.collect()  # what tests before this one left open must not be closed within it
        super().setUp()

    def test_it_needs_no_descriptor_more_than_it_has(self) -> None:
        writer = self.bench.writer()
        self.bench.put(writer)
        writer.round()
        self.path.rename(former(self.path))
        writer.reopen()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        spare = os.open(os.devnull, os.O_RDONLY)
        os.close(spare)  # the lowest that is free
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
        try:
            self.bench.later(writer, 0.1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.assertEqual(self.bench.told, [])
        self.assertEqual(len(lines_of(former(self.path), self.path)), 3)
        self.assertEqual(beside(self.path).read_bytes(), b"%020d\n" % 3)


class Rotation(WithFile):
    """The file is moved away while it is written."""

    def setUp(self) -> None:
        super().setUp()
        self.writer = self.bench.writer()
        self.bench.put(self.writer)
        self.writer.round()

    def test_a_second_later_there_is_a_new_one(self) -> None:
        self.path.rename(former(self.path))
        self.bench.put(self.writer)
        self.bench.later(self.writer, 0.5)
        self.assertFalse(self.path.exists())
        self.bench.put(self.writer)
        self.bench.later(self.writer, 0.5)
        events = lines_of(former(self.path), self.path)
        self.assertEqual(
            [e["event"] for e in events], ["opened", *["vm-refused"] * 2, "opened", "vm-refused"]
        )
        self.assertEqual(events[3]["cause"], "moved")

    def test_with_nothing_to_write_its_place_is_looked_at_seldom(self) -> None:
        self.bench.put(self.writer)
        self.bench.later(self.writer, 0.1)
        self.assertEqual(self.writer.delay(), writer.RETRY)  # then it is synced
        self.bench.later(self.writer, writer.RETRY)
        self.assertEqual(self.writer.delay(), writer.LOOK)
        self.path.rename(former(self.path))
        self.bench.later(self.writer, writer.LOOK)
        self.assertEqual([e["event"] for e in lines_of(self.path)], ["opened"])

    def test_on_reopen_at_once(self) -> None:
        self.path.rename(former(self.path))
        self.writer.reopen()
        self.bench.later(self.writer, 0.1)
        self.assertEqual(len(lines_of(former(self.path), self.path)), 3)

    def test_on_reopen_a_file_that_was_not_moved_stays(self) -> None:
        self.writer.reopen()
        self.bench.later(self.writer, 0.1)
        self.assertEqual(len(lines_of(self.path)), 2)

    def test_a_file_that_cannot_be_closed_in_order_is_closed_all_the_same(self) -> None:
        self.path.rename(former(self.path))
        self.bench.disk.broken = {"close"}
        self.bench.put(self.writer)
        self.bench.later(self.writer)
        self.assertEqual(len(lines_of(former(self.path), self.path)), 4)
        self.bench.disk.broken = {"close", "overwrite"}
        self.bench.put(self.writer)
        self.bench.later(self.writer)
        self.bench.later(self.writer)
        self.assertEqual(len(lines_of(former(self.path), self.path)), 5)
        self.assertEqual(self.bench.names(), ["audit-seq-failing"])

    def test_a_directory_that_is_gone_is_a_failure_until_it_is_back(self) -> None:
        away = self.path.parent.with_name("away")
        self.path.parent.rename(away)
        self.bench.put(self.writer)
        self.bench.later(self.writer)
        self.assertEqual(self.bench.names(), ["audit-failing"])
        away.rename(self.path.parent)
        self.bench.later(self.writer)
        self.assertEqual(self.bench.names(), ["audit-failing", "audit-recovered"])
        self.assertEqual(len(lines_of(self.path)), 3)

    def test_what_is_no_ordinary_file_is_not_written(self) -> None:
        self.path.unlink()
        os.mkfifo(self.path)
        self.bench.later(self.writer)
        self.assertEqual(self.bench.names(), ["audit-failing"])
        self.path.unlink()
        self.path.symlink_to("/dev/null")
        self.bench.later(self.writer)
        self.assertTrue(self.writer.failing)


class Trouble(WithFile):
    """Disks that are full, broken or slow."""

    def test_a_slow_disk_takes_all_and_no_input_is_refused(self) -> None:
        made = self.bench.writer(refuse=True)
        refused = []

        def took_long(_lines: object) -> None:
            self.bench.now += 0.6 * writer.STALLED
            refused.append(made.refuses)

        made.subscribers.append(took_long)
        self.bench.put(made, 4 * writer.WRITE_COUNT)
        made.round()
        self.assertEqual(refused, [False] * 5)

    def test_a_full_disk_leaves_whole_lines_and_the_rest_waits(self) -> None:
        made = self.bench.writer(refuse=True)
        self.bench.put(made, 5)
        self.bench.disk.room = 250
        made.round()
        kept = lines_of(self.path)
        self.assertTrue(0 < len(kept) < 6)
        self.assertTrue(made.refuses)
        self.bench.later(made, 0.5)
        self.assertEqual(lines_of(self.path), kept)
        self.bench.disk.room = None
        self.bench.later(made)
        self.assertEqual(len(lines_of(self.path)), 6)
        self.assertFalse(made.refuses)
        self.assertEqual(self.bench.names(), ["audit-failing", "audit-recovered"])
        self.assertEqual(self.bench.told[0][1]["error"], "No space left on device")
        self.assertEqual(
            b"".join(line + b"\n" for line in self.bench.written), self.path.read_bytes()
        )

    def test_who_is_to_go_on_goes_on(self) -> None:
        made = self.bench.writer(refuse=False)
        self.bench.disk.room = 0
        made.round()
        self.assertTrue(made.failing)
        self.assertFalse(made.refuses)

    def test_over_the_limit_the_newest_are_counted_and_the_count_written(self) -> None:
        made = self.bench.writer(refuse=True)
        made.waiting.count = 4
        self.bench.disk.broken = {"write"}
        self.bench.put(made, 7)
        made.round()
        self.bench.disk.broken = set()
        self.assertTrue(made.refuses)
        self.bench.later(made)
        self.bench.put(made)
        self.bench.later(made)
        events = lines_of(self.path)
        names = [e["event"] for e in events]
        self.assertEqual(names, ["opened", *["vm-refused"] * 4, "lost", "vm-refused"])
        self.assertEqual(events[5]["count"], 3)
        self.assertFalse(made.refuses)

    def test_where_there_is_room_for_one_again_it_is_written_behind_the_count(self) -> None:
        made = self.bench.writer()
        made.round()
        made.waiting.count = 4
        self.bench.disk.broken = {"write"}
        self.bench.put(made, 7)
        self.bench.later(made)
        self.bench.disk.broken, self.bench.disk.room = set(), 100
        self.bench.later(made)
        self.bench.put(made)
        self.bench.disk.room = None
        self.bench.later(made)
        events = lines_of(self.path)
        names = [e["event"] for e in events]
        self.assertEqual(names, ["opened", *["vm-refused"] * 4, "lost", "vm-refused"])
        self.assertEqual(events[5]["count"], 3)

    def test_bytes_are_bounded_too(self) -> None:
        made = self.bench.writer()
        made.waiting.size = 100
        for _ in range(3):
            made.put('{"time": "2023-11-14T22:13:20.000000Z"', '"event": "stop"}' + " " * 20)
        self.assertEqual((len(made.waiting), made.waiting.lost), (1, 2))

    def test_a_disk_that_does_not_sync_fails_until_it_does(self) -> None:
        made = self.bench.writer(refuse=True)
        self.bench.disk.broken = {"sync"}
        made.round()
        self.assertTrue(made.refuses)
        self.bench.later(made)
        self.assertTrue(made.refuses)
        self.bench.disk.broken = set()
        self.bench.later(made)
        self.assertFalse(made.refuses)

    def test_it_syncs_once_a_second_and_only_if_there_is_something(self) -> None:
        made = self.bench.writer()
        for _ in range(40):
            self.bench.put(made)
            self.bench.later(made, 0.1)
        syncs = self.bench.disk.calls.count("sync")
        self.assertTrue(2 * 3 <= syncs <= 2 * 5, syncs)  # two files
        self.bench.later(made, 5)
        syncs = self.bench.disk.calls.count("sync")
        self.bench.later(made, 5)
        self.assertEqual(self.bench.disk.calls.count("sync"), syncs)

    def test_a_disk_that_stands_still_is_one_that_fails(self) -> None:
        made = self.bench.writer(refuse=True)
        made.round()
        made.busy_since = self.bench.now
        self.bench.now += writer.STALLED - 0.1
        self.assertFalse(made.refuses)
        made.check()
        self.bench.now += 0.1
        self.assertTrue(made.refuses)
        made.check()
        made.check()
        made.busy_since = None
        made.check()
        self.assertEqual(self.bench.names(), ["audit-stalled", "audit-goes-on"])

    def test_a_disk_that_fails_and_recovers_all_the_time_is_reported_a_few_times(self) -> None:
        made = self.bench.writer()
        for _ in range(100):
            self.bench.disk.broken = {"write"}
            self.bench.put(made)
            self.bench.later(made)
            self.bench.disk.broken = set()
            self.bench.later(made)
        self.assertLess(len(self.bench.told), 40)
        self.assertEqual(len(lines_of(self.path)), 101)

    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def test_whatever_fails_when_nothing_is_lost_doubled_or_torn(self, data: st.DataObject) -> None:
        for path in (self.path, former(self.path), beside(self.path)):
            path.unlink(missing_ok=True)
        self.bench.disk = disk = FailingDisk()
        made, count = self.bench.writer(), 0
        for _ in range(data.draw(st.integers(1, 12))):
            disk.room = data.draw(st.sampled_from([None, None, 0, 10, 100, 300]))
            disk.broken = data.draw(
                st.sets(st.sampled_from(["sync", "overwrite", "write", "append"]))
            )
            number = data.draw(st.integers(0, 4))
            count += number
            self.bench.put(made, number)
            self.bench.later(made, data.draw(st.sampled_from([0.3, 1.0])))
            if not former(self.path).exists() and data.draw(st.booleans()) and self.path.exists():
                self.path.rename(former(self.path))
        disk.room, disk.broken = None, set()
        self.bench.later(made)
        files = [path for path in (former(self.path), self.path) if path.exists()]
        events = lines_of(*files)
        self.assertEqual(sum(e["event"] == "vm-refused" for e in events), count)
        self.assertEqual(events[0]["seq"], 1)

    def test_where_nothing_can_be_cut_no_event_is_doubled(self) -> None:
        for room in range(1, 400, 7):
            self.path.unlink(missing_ok=True)
            beside(self.path).unlink(missing_ok=True)
            self.bench.disk = FailingDisk()
            made = self.bench.writer()
            made.round()
            self.bench.disk.room, self.bench.disk.broken = room, {"truncate"}
            self.bench.put(made, 4)
            self.bench.later(made)
            self.bench.disk.room = None
            self.bench.later(made)
            found = []
            for line in self.path.read_bytes().splitlines():
                try:
                    found.append(json.loads(line)["seq"])
                except ValueError:
                    continue
            self.assertEqual(found, [1, 2, 3, 4, 5])

    def test_memory_that_runs_out_is_a_disk_that_fails(self) -> None:
        class Short(FailingDisk):
            is_short = False

            def _write(self, descriptor: int, parts: tuple[bytes, ...]) -> None:  # type: ignore[override]
                if self.is_short:
                    os.write(descriptor, b"".join(parts)[:150])
                    raise MemoryError
                super()._write(descriptor, parts)

        self.bench.disk = disk = Short()
        made = self.bench.writer()
        self.bench.put(made, 2)
        made.round()
        disk.is_short = True
        self.bench.put(made, 4)
        self.bench.later(made)
        self.assertEqual(len(self.path.read_bytes().splitlines()), len(lines_of(self.path)))
        disk.is_short = False
        self.bench.later(made)
        self.assertEqual([e["seq"] for e in lines_of(self.path)], list(range(1, 8)))
        told = [event for event, _ in self.bench.told]
        self.assertEqual(told, ["audit-failing", "audit-recovered"])
        self.assertEqual(self.bench.told[0][1]["error"], os.strerror(errno.ENOMEM))

    def test_a_real_full_device(self) -> None:
        if not Path("/dev/full").exists():
            self.skipTest("there is no /dev/full")
        made = AuditFile(self.path, lambda *_: None)
        made.open()
        made.disk.close(made._open or 0)
        made._open = os.open("/dev/full", os.O_WRONLY)
        self.addCleanup(made.close)
        written = made.append([('{"time": "x"', '"event": "stop"}')])
        assert written.error is not None
        self.assertEqual((written.lines, written.error.errno), ((), errno.ENOSPC))


class Threads(WithFile):
    """With a thread, as in service."""

    def test_what_waits_at_the_end_is_written(self) -> None:
        made = writer.AuditWriter(self.path, lambda *_: None, self.bench.fail)
        self.bench.put(made, 3)
        made.start()
        self.bench.put(made, 2000)
        made.stop()
        self.assertEqual(len(lines_of(self.path)), 2004)
        self.assertFalse(made._worker.active)

    def test_recording_does_not_wait_for_the_disk(self) -> None:
        release, begun = threading.Event(), threading.Event()

        class Slow(FailingDisk):
            def write(self, descriptor: int, *parts: bytes) -> None:
                begun.set()
                release.wait(30)
                super().write(descriptor, *parts)

        made = writer.AuditWriter(self.path, lambda *_: None, self.bench.fail, disk=Slow())
        made.start()
        self.assertTrue(begun.wait(30))
        self.bench.put(made, 1000)  # comes back at once, or the test stands still
        release.set()
        made.stop()
        self.assertEqual(len(lines_of(self.path)), 1001)

    def test_from_many_threads_each_line_is_whole(self) -> None:
        made = writer.AuditWriter(self.path, lambda *_: None, self.bench.fail)
        made.start()
        threads = [threading.Thread(target=self.bench.put, args=(made, 200)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        made.stop()
        self.assertEqual(len(lines_of(self.path)), 801)

    def test_a_disk_that_fails_to_the_end_costs_a_line_that_says_how_many(self) -> None:
        self.patch(writer, "STOP_TIMEOUT", 0.05)
        self.bench.disk.broken = {"append"}
        told: list[tuple[str, dict[str, object]]] = []
        made = writer.AuditWriter(
            self.path, lambda *each: told.append(each), self.bench.fail, disk=self.bench.disk
        )
        self.bench.put(made, 3)
        made.start()
        made.stop()
        self.assertIn(("audit-not-written", {"count": 3}), told)

    def test_a_subscriber_that_fails_stops_neither_the_file_nor_others(self) -> None:
        self.patch(worker, "PAUSE", 0.01)
        failed = threading.Event()
        made = writer.AuditWriter(self.path, lambda *_: None, failed.set)
        made.subscribers.append(lambda _lines: 1 / 0)  # type: ignore[arg-type]
        made.start()
        made.subscribers.append(self.bench.written.extend)
        self.assertTrue(failed.wait(30))
        self.bench.put(made, 2000)
        made.stop()
        self.assertEqual(len(lines_of(self.path)), 2001)
        self.assertGreaterEqual(len(self.bench.written), 2000)


class Measures(WithFile):
    """What it counts for metrics."""

    def test_events_errors_and_how_long_the_disk_has_not_had_them(self) -> None:
        made = self.bench.writer()
        self.bench.put(made, 3)
        made.round()
        self.assertEqual((made.written, made.failures), (4, 0))  # and that it was opened
        self.assertIsNone(made.unsynced_since)
        self.bench.put(made)
        self.bench.later(made, 0.5)
        self.assertEqual(made.unsynced_since, self.bench.now)
        self.bench.disk.broken.add("sync")
        since = self.bench.now
        for _ in range(5):
            self.bench.put(made)
            self.bench.later(made, 2)
        self.assertEqual(made.unsynced_since, since)
        self.assertEqual(made.failures, 5)
        self.bench.disk.broken.clear()
        self.bench.later(made, 2)
        self.assertIsNone(made.unsynced_since)

    def test_what_is_lost_is_counted_for_good(self) -> None:
        made = self.bench.writer()
        made.waiting = worker.BoundedQueue(3, 10_000)
        self.bench.put(made, 5)
        self.assertEqual((made.lost, made.waiting.most), (2, 3))
        made.round()
        self.assertEqual(made.lost, 2)
