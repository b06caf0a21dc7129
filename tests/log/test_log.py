"""A whole log under bad disks, small limits, kills and churn; in one thread, without waiting."""

import errno
import os
from itertools import count
from pathlib import Path

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeLine, World
from tests.log.inline import Logged
from tests.log.support import bytes_of, markers_of
from vspc.common.clock import DOUBT
from vspc.common.files import Disk
from vspc.config.settings import LogPolicy, LogSettings
from vspc.config.values import Duration, Floor, Pattern, Size
from vspc.console.console import Console
from vspc.console.identity import Claim
from vspc.console.logs import Item, LogView, Marker, MarkerKind, Output
from vspc.log.console_log import BEFORE
from vspc.log.recorder import LogBounds
from vspc.log.writer import RETRY, TIDY_INTERVAL

NO_FLOOR = LogSettings(free_floor=Floor(0, 0.0))


class FailingDisk(Disk):
    """Fails while it is told to."""

    error: int | None = None
    syncs = 0
    writes = 0
    free_bytes = 1 << 50

    def write(self, descriptor: int, *parts: bytes) -> None:
        self.writes += 1
        if self.error is not None:
            data = b"".join(parts)
            os.write(descriptor, data[: len(data) // 2])
            raise OSError(self.error, os.strerror(self.error))
        super().write(descriptor, *parts)

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        super().sync(descriptor)

    def free(self, path: Path) -> tuple[int, int]:
        return self.free_bytes, 1 << 40


class WholeLog(SynchronousTestCase):
    """Consoles, their log, and a disk."""

    settings = NO_FLOOR

    def setUp(self) -> None:
        self.world = World()
        self.world.clock.advance(1)
        self.disk = FailingDisk()
        self.logged = Logged(self.world, self.settings, self.disk)
        self.addCleanup(self.logged.close)

    def console(self, number: int = 1) -> Console:
        claim = Claim("default", f"{number:032x}", "vc", f"web{number:02}", "10.0.0.1")
        (console,) = self.world.roster.ports(claim) or [self.world.roster.open(claim)]
        console.link.connect(FakeLine())
        self.world.roster.settle(console)
        return console

    def tick(self, seconds: float = 0.05) -> None:
        self.world.clock.advance(seconds)
        self.logged.writer.work([])

    def items(self, console_id: str) -> list[Item]:
        """All that the log has."""

        def everything(kept: LogView) -> list[Item]:
            found: list[Item] = []
            at, ended = kept.start, False
            while not ended:
                page = kept.read(at, 1 << 20)
                found += page.items
                at, ended = page.next, page.ended
            return found

        return self.successResultOf(self.logged.log.queries.query(console_id, everything)) or []

    def gaps(self, console_id: str) -> list[Marker]:
        return [m for m in markers_of(self.items(console_id)) if m.kind is MarkerKind.GAP]


class Disks(WholeLog):
    """Full, broken, slow."""

    def test_a_full_disk_is_one_event_and_nothing_is_lost_while_the_queue_lasts(self) -> None:
        console = self.console()
        console.link.output(b"before ")
        self.tick()
        self.disk.error = errno.ENOSPC
        for _ in range(20):
            console.link.output(b"during ")
            self.tick(0.5)
        self.assertEqual(self.logged.event_names, ["log-failing"])
        self.disk.error = None
        self.tick(1.5)
        console.link.output(b"after")
        self.tick()
        self.assertEqual(self.logged.event_names, ["log-failing", "log-recovered"])
        self.assertEqual(bytes_of(self.items(console.id)), b"before " + b"during " * 20 + b"after")
        self.assertEqual(self.gaps(console.id), [])

    def test_a_disk_that_fails_is_tried_again_after_a_pause_though_nothing_is_said(self) -> None:
        # As one whose directory was removed: what makes room fails, and nothing waits.
        writer, tidy = self.logged.writer, self.logged.writer.tidy
        self.tick()
        writer.tidy = self.failing
        self.tick(TIDY_INTERVAL)
        console = self.console()
        for _ in range(3):
            self.assertAlmostEqual(writer.delay(), RETRY)
            self.tick(RETRY)
            console.link.output(b"x")
            self.tick()
            self.tick(RETRY)
        self.assertEqual(self.logged.event_names, ["log-failing"])
        writer.tidy = tidy
        self.tick(RETRY)
        self.assertEqual(self.logged.event_names, ["log-failing", "log-recovered"])
        self.assertGreater(writer.delay(), RETRY)

    def test_a_full_disk_is_tried_again_after_a_pause_though_making_room_is_due(self) -> None:
        console = self.console()
        self.disk.error = errno.ENOSPC
        console.link.output(b"kept in memory")
        self.tick()
        self.tick(2 * TIDY_INTERVAL)
        self.assertAlmostEqual(self.logged.writer.delay(), RETRY)

    @staticmethod
    def failing(_store: object) -> None:
        """A look at sizes, in a directory that is not there."""
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "consoles")

    def test_over_the_queue_a_console_has_a_gap_from_offset_to_offset(self) -> None:
        self.logged.log.recorder.bounds = LogBounds(each=10_000, total=1 << 20)
        loud, quiet = self.console(1), self.console(2)
        self.logged.writer.held = True
        for _ in range(20):
            loud.link.output(b"x" * 1000)
            quiet.link.output(b"y")
            self.tick()
        self.logged.writer.held = False
        self.logged.writer.catch_up()
        loud.link.output(b"end")
        self.tick()
        items = self.items(loud.id)
        (gap,) = self.gaps(loud.id)
        self.assertEqual(len(bytes_of(items)), 20_003 - (gap.end - gap.offset))
        self.assertEqual(gap.end, 20_000)
        self.assertTrue(bytes_of(items).endswith(b"end"))
        self.assertEqual(bytes_of(self.items(quiet.id)), b"y" * 20)

    def test_a_gap_is_marked_without_further_output(self) -> None:
        self.logged.log.recorder.bounds = LogBounds(each=1000, total=1 << 20)
        console = self.console()
        console.link.output(b"a")
        self.tick()
        self.logged.writer.held = True
        console.link.output(b"b" * 500)
        console.link.output(b"c" * 5000)
        self.tick()
        self.logged.writer.held = False
        self.logged.writer.catch_up()
        self.tick()
        self.tick()
        (gap,) = self.gaps(console.id)
        self.assertEqual((gap.offset, gap.end), (501, 5501))

    def test_the_queue_of_all_is_bounded(self) -> None:
        self.logged.log.recorder.bounds = LogBounds(each=1 << 20, total=50_000)
        consoles = [self.console(n) for n in range(1, 101)]
        self.logged.writer.held = True
        for _ in range(10):
            for console in consoles:
                console.link.output(b"z" * 1000)
            self.tick()
        self.assertLessEqual(self.logged.log.recorder.batches.queued, 50_000 + 100 * 100)
        self.logged.writer.held = False
        self.logged.writer.catch_up()
        self.tick()
        self.tick()
        for console in consoles:
            kept = len(bytes_of(self.items(console.id)))
            missing = sum(gap.end - gap.offset for gap in self.gaps(console.id))
            self.assertEqual(kept + missing, 10_000)

    def test_read_only_is_like_full_and_others_do_not_notice(self) -> None:
        console = self.console()
        self.disk.error = errno.EROFS
        console.link.output(b"heard anyway")
        self.tick()
        self.assertEqual(console.history.read(0, 100), b"heard anyway")
        self.assertEqual(self.world.failures, 0)

    def test_below_the_floor_nothing_is_written_and_then_it_goes_on(self) -> None:
        self.logged.log.reload(LogSettings(free_floor=Floor(1 << 30, 0.0)))
        console = self.console()
        self.tick()
        self.disk.free_bytes = 1 << 20
        self.tick(2)
        console.link.output(b"kept in memory ")
        self.tick()
        self.assertEqual(self.logged.event_names, ["log-failing"])
        self.assertIn("free_floor (1GiB", str(self.logged.events[0][1]["error"]))
        self.disk.free_bytes = 1 << 40
        self.tick(2)
        self.tick(2)
        self.assertEqual(bytes_of(self.items(console.id)), b"kept in memory ")

    def test_one_console_whose_directory_is_spoilt_harms_no_other(self) -> None:
        spoilt, fine = self.console(1), self.console(2)
        path = self.logged.root / "log" / "consoles" / spoilt.id[:2]
        path.mkdir(mode=0o700)
        (path / spoilt.id).write_text("no directory")
        for console in (spoilt, fine):
            console.link.output(b"x" * 300_000)
        self.tick()
        self.tick()
        self.assertEqual(bytes_of(self.items(fine.id)), b"x" * 300_000)
        self.assertEqual(self.logged.event_names, ["log-console-failing"])

    def test_syncs_are_one_an_interval_however_many_talk(self) -> None:
        consoles = [self.console(n) for n in range(1, 51)]
        self.tick(1)
        before = self.disk.syncs
        for _ in range(100):
            for console in consoles:
                console.link.output(b"x")
            self.tick(0.1)
        self.assertLessEqual(self.disk.syncs - before, 11)
        self.assertGreaterEqual(self.disk.syncs - before, 9)


class Limits(WholeLog):
    """Small ones."""

    settings = LogSettings(
        max_console=Size(1 << 20),
        max_total=Size(4 << 20),
        keep=Duration(3600.0),
        free_floor=Floor(0, 0.0),
        policy=(
            LogPolicy((Pattern("web09"),), log=False),
            LogPolicy((Pattern("web08"),), keep=Duration(60.0)),
        ),
    )

    def noise(self, size: int) -> bytes:
        return os.urandom(size)  # does not compress

    def size(self) -> int:
        return sum(p.stat().st_size for p in self.logged.root.rglob("*") if p.is_file())

    def test_a_console_keeps_its_newest(self) -> None:
        console = self.console()
        said = b""
        for _ in range(60):
            data = self.noise(60_000)
            said += data
            console.link.output(data)
            self.tick(1)
        self.tick(40)
        kept = bytes_of(self.items(console.id))
        self.assertTrue(said.endswith(kept))
        self.assertLess(len(kept), 2 << 20)
        self.assertGreater(len(kept), 512 << 10)
        self.assertTrue(self.logged.log.queries.keeps(console.id))

    def test_the_total_is_kept_and_a_flood_evicts_no_other(self) -> None:
        quiet = self.console(2)
        quiet.link.output(b"the only line\n")
        self.tick()
        for number in (3, 4, 5, 6):
            console = self.console(number)
            for _ in range(30):
                console.link.output(self.noise(60_000))
                self.tick(1)
        self.tick(40)
        self.assertLess(self.size(), 6 << 20)
        self.assertEqual(bytes_of(self.items(quiet.id)), b"the only line\n")

    def test_what_is_too_old_goes_and_offsets_go_on(self) -> None:
        console = self.console(1)
        console.link.output(b"old")
        self.tick()
        self.items(console.id)
        self.tick(4000)
        self.tick(40)
        self.assertEqual(bytes_of(self.items(console.id)), b"")
        console.link.output(b"new")
        self.tick()
        self.assertEqual([(i.offset, i.end) for i in self.items(console.id)], [(3, 6)])

    def test_a_clock_that_is_set_to_next_year_deletes_nothing_for_a_day(self) -> None:
        console = self.console(1)
        console.link.output(b"kept")
        self.tick()
        self.items(console.id)
        self.tick(40)  # the clock is looked at
        self.world.clock.epoch += 365 * 86400
        for _ in range(3):
            self.tick(40)
        self.assertEqual(bytes_of(self.items(console.id)), b"kept")
        self.assertEqual(self.logged.event_names, ["log-age-doubted"])
        self.assertIn("8760 h", str(self.logged.events[0][1]["what"]))
        self.tick(DOUBT)
        self.tick(40)
        self.assertEqual(bytes_of(self.items(console.id)), b"")

    def test_nor_does_one_that_begins_wrong(self) -> None:
        console = self.console(1)
        console.link.output(b"kept")
        self.tick()
        self.world = World()
        self.world.clock.epoch += 365 * 86400
        self.logged.restart(self.world)
        for _ in range(3):
            self.tick(40)
        self.assertEqual(bytes_of(self.items(console.id)), b"kept")
        self.assertIn("log-age-doubted", self.logged.event_names)

    def test_policies(self) -> None:
        short, unlogged = self.console(8), self.console(9)
        for console in (short, unlogged):
            console.link.output(b"something")
        self.tick()
        self.assertFalse(self.logged.log.queries.keeps(unlogged.id))
        self.assertEqual(bytes_of(self.items(short.id)), b"something")
        self.tick(120)
        self.tick(40)
        self.assertEqual(bytes_of(self.items(short.id)), b"")

    def test_closed_segments_are_compressed(self) -> None:
        console = self.console()
        for number in range(40):
            console.link.output(b"%08d\n" % number * 5000)
            self.tick(1)
        self.tick(5)
        suffixes = {path.suffix for path in self.logged.root.rglob("consoles/*/*/*")}
        self.assertIn(".zst", suffixes)
        self.assertEqual(
            bytes_of(self.items(console.id)), b"".join(b"%08d\n" % n * 5000 for n in range(40))
        )
        self.assertLess(self.size(), 1 << 20)

    def test_away_consoles_over_the_limit_are_deleted_the_oldest_first(self) -> None:
        self.logged.log.space.away = 3
        for number in range(1, 8):
            console = self.console(number)
            console.link.output(b"x" * 10)
            console.link.disconnect("gone")
            self.world.roster.settle(console)
            self.tick(1)
        self.tick(40)
        kept = [c for c in self.world.roster if self.logged.log.queries.keeps(c.id)]
        self.assertEqual([c.name for c in kept], ["web05", "web06", "web07"])


class Churn(WholeLog):
    """Many that come and go."""

    def test_short_lived_vms_leave_nothing_behind_but_their_logs(self) -> None:
        recorder = self.logged.log.recorder
        self.logged.log.space.away = 50
        for number in range(1, 301):
            console = self.console(number)
            console.link.output(b"hello\n")
            console.link.disconnect("gone")
            self.world.roster.settle(console)
            self.world.roster.forget(console)
            if number % 10 == 0:
                self.tick(31)
        self.tick(31)
        self.assertLessEqual(len(self.logged.log.store.logs), 50)
        self.assertLessEqual(len(recorder._entries) + len(recorder._remembered), 60)
        directories = list((self.logged.root / "log" / "consoles").glob("*/*"))
        self.assertLessEqual(len(directories), 50)

    def test_quarantined_lines_leave_nothing_behind(self) -> None:
        vm = self.console().vm
        claim = Claim("default", f"{1:032x}", "vc", "web01", "10.0.0.2")
        for _ in range(5):
            console = self.world.roster.quarantine(claim, vm)
            assert console is not None
            console.link.connect(FakeLine())
            console.link.output(b"hello\n")
            self.world.roster.end_quarantine(console)
        self.assertEqual(len(self.logged.log.space._live), 1)

    def test_a_registration_makes_no_file(self) -> None:
        before = sorted(self.logged.root.rglob("*"))
        for number in range(1, 50):
            self.console(number)
        self.tick()
        self.assertEqual(sorted(self.logged.root.rglob("*")), before)

    def test_lines_of_a_console_that_never_said_anything_leave_a_few_markers(self) -> None:
        console = self.console()
        for _ in range(BEFORE):
            console.link.disconnect("gone")
            console.link.connect(FakeLine())
            self.tick()
        console.link.output(b"at last")
        self.tick()
        markers = markers_of(self.items(console.id))
        self.assertEqual(len(markers), BEFORE)
        self.assertEqual(markers[-1].kind, MarkerKind.RECONNECTED)


class Kills(WholeLog):
    """The process is gone at any moment."""

    def test_more_often_than_any_bound_counts(self) -> None:
        said = bytearray()
        at = 0
        for round_ in range(50):
            world = World()
            self.logged.restart(world, clean=False)
            self.world = world
            console = self.console()
            self.assertGreaterEqual(console.history.end, at)
            offset = console.history.end
            self.assertEqual(offset > at, round_ > 0)
            data = b"%06d\n" % round_
            console.link.output(data)
            self.tick()
            said += data
            at = console.history.end
        items = self.items(console.id)
        self.assertEqual(bytes_of(items), bytes(said))
        covered = 0
        for item in items:
            if item.end > item.offset:
                self.assertEqual(item.offset, covered)
                covered = item.end
        self.assertEqual(self.logged.event_names, [])

    def test_what_had_not_been_written_is_missing_and_marked(self) -> None:
        console = self.console()
        console.link.output(b"written")
        self.tick()
        self.logged.writer.held = True
        console.link.output(b"not written")
        self.tick()
        shown = console.history.end
        world = World()
        self.logged.restart(world, clean=False)
        self.world = world
        console = self.console()
        self.assertGreater(console.history.end, shown)
        (gap,) = self.gaps(console.id)
        self.assertEqual((gap.offset, gap.end), (7, console.history.end))


class CancelledQueries(WholeLog):
    """What a cancelled coroutine has asked for."""

    def setUp(self) -> None:
        super().setUp()
        self.web = self.console()
        self.web.link.output(b"one")
        self.tick()
        self.seen: list[bool] = []
        self.logged.writer.held = True
        self.pending = Deferred.fromCoroutine(
            self.logged.log.queries.query(self.web.id, self.question)
        )

    def question(self, view: LogView) -> None:
        self.seen.append(view.cancelled)
        self.pending.cancel()
        self.seen.append(view.cancelled)

    def go_on(self) -> None:
        self.logged.writer.held = False
        self.logged.writer.catch_up()
        self.world.clock.advance(60)
        self.failureResultOf(self.pending, CancelledError)
        self.assertEqual(self.logged.event_names, [])

    def test_before_a_thread_has_it_no_thread_reads(self) -> None:
        self.pending.cancel()
        self.go_on()
        self.assertEqual(self.seen, [])

    def test_a_thread_that_reads_gives_up_and_its_answer_is_dropped(self) -> None:
        self.go_on()
        self.assertEqual(self.seen, [False, True])


class Times(WholeLog):
    """Output has one time, in the console and in its log."""

    def test_the_clock_goes_on_between_the_console_and_its_log(self) -> None:
        console = self.console()
        ticks = count(1_700_000_000.0, 0.0004)
        self.patch(self.world.clock, "wall", lambda: next(ticks))
        console.link.output(b"one")
        self.tick()
        (output,) = (item for item in self.items(console.id) if isinstance(item, Output))
        self.assertEqual(output.at, console.link.last_output)
