"""Floods and many readers: what a healthy disk can keep is kept, and read once for all."""

import shutil
import tempfile
import zlib
from pathlib import Path
from threading import Barrier, Event, Thread

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeLine
from tests.log.support import SMALL, TemporaryShelf, bytes_of, console_id
from tests.log.test_log import WholeLog
from tests.log.threads import ThreadedLog
from vspc.console.console import Console
from vspc.console.logs import MarkerKind, Output
from vspc.log import cache, recovery, writer
from vspc.log.batches import Batch
from vspc.log.cache import Cache
from vspc.log.entry import REST
from vspc.log.recorder import LogBounds
from vspc.log.recovery import Recovered
from vspc.log.segments import Segment
from vspc.log.view import View
from vspc.log.writer import LogWriter

PIECE = 64 * 1024


class Floods(SynchronousTestCase):
    """With the log's real threads."""

    def setUp(self) -> None:
        root = Path(tempfile.mkdtemp(prefix="vspc-log-"))
        self.addCleanup(shutil.rmtree, root)
        self.logged = ThreadedLog(root, 1)
        self.addCleanup(self.logged.close)
        (self.console,) = self.logged.consoles

    def test_64_followers_and_12_that_stalled_get_every_byte_of_a_flood_and_the_log_has_no_gap(
        self,
    ) -> None:
        logged, console = self.logged, self.console
        readers = [logged.follow(console, number) for number in range(64)]
        stalled = [logged.follow(console, number, stalled=True) for number in range(64, 76)]
        pieces = [b"%07d " % number * (PIECE // 8) for number in range(12 * 16)]
        most = logged.flood(console, pieces)
        self.assertLessEqual(most, LogBounds().each)
        for reader in stalled:
            reader.go_on()
        readers += stalled
        logged.until(lambda: all(reader.got >= len(pieces) * PIECE for reader in readers))
        whole = zlib.crc32(b"".join(pieces))
        for reader in readers:
            self.assertEqual((reader.wrong, reader.lost), (0, []))
            self.assertEqual(reader.checksum, whole)
        answers: list[object] = []
        Deferred.fromCoroutine(
            logged.log.queries.query(console.id, lambda kept: kept.markers((MarkerKind.GAP,)))
        ).addCallback(answers.append)
        logged.until(lambda: bool(answers))
        self.assertEqual(answers, [[]])
        self.assertEqual(logged.events, [])
        # Twelve readers of 12 MiB, 64 KiB at a time, are 2,304 looks at three segments.
        self.assertLess(logged.log.queries.cache.reads, 64)


class Rests(WholeLog):
    """A VM that says more than is written."""

    def setUp(self) -> None:
        super().setUp()
        self.logged.log.recorder.bounds = LogBounds(each=100_000, total=1 << 20)

    def line(self, console: Console) -> FakeLine:
        line = console.link.line
        assert isinstance(line, FakeLine)
        return line

    def rests(self, console: Console) -> bool:
        return self.line(console).resting

    def test_a_flood_rests_at_half_of_its_queue_and_goes_on_when_that_is_written(self) -> None:
        loud, quiet = self.console(1), self.console(2)
        self.logged.writer.held = True
        said = 0
        while not self.rests(loud):
            loud.link.output(b"x" * 5000)
            quiet.link.output(b"y")
            said += 5000
            self.assertLess(said, 60_000)
        self.assertGreaterEqual(said, 50_000)
        self.assertFalse(self.rests(quiet))
        self.logged.writer.held = False
        self.logged.writer.catch_up()
        self.assertFalse(self.rests(loud))
        self.tick()
        self.assertEqual(len(bytes_of(self.items(loud.id))), said)
        self.assertEqual(self.gaps(loud.id), [])

    def test_a_disk_that_stands_still_is_waited_for_once(self) -> None:
        console = self.console()
        self.logged.writer.held = True
        while not self.rests(console):
            console.link.output(b"x" * 5000)
        self.world.clock.advance(REST)
        self.assertFalse(self.rests(console))
        for _ in range(20):
            console.link.output(b"x" * 5000)
        self.assertFalse(self.rests(console))
        self.logged.writer.held = False
        self.logged.writer.catch_up()
        self.tick()
        self.assertEqual(len(self.gaps(console.id)), 1)
        self.logged.writer.held = True
        while not self.rests(console):
            console.link.output(b"x" * 5000)

    def test_in_a_vmotion_a_line_does_not_rest(self) -> None:
        console = self.console()
        console.link.migrate()
        self.logged.writer.held = True
        for _ in range(19):
            console.link.output(b"x" * 5000)
        self.assertFalse(self.rests(console))

    def test_a_line_that_closed_while_it_rested_goes_on_to_its_end(self) -> None:
        console = self.console()
        line = self.line(console)
        self.logged.writer.held = True
        while not line.resting:
            console.link.output(b"x" * 5000)
        console.link.disconnect("gone")
        self.assertFalse(line.resting)

    def test_when_all_together_say_too_much_those_rest_that_say_most(self) -> None:
        self.logged.log.recorder.bounds = LogBounds(each=100_000, total=200_000)
        loud = [self.console(number) for number in range(1, 5)]
        quiet = self.console(5)
        self.logged.writer.held = True
        for _ in range(12):
            for console in loud:
                if not self.rests(console):
                    console.link.output(b"x" * 3000)
            quiet.link.output(b"y")
        self.assertTrue(all(self.rests(console) for console in loud))
        self.assertFalse(self.rests(quiet))
        self.logged.writer.held = False
        self.logged.writer.catch_up()
        for console in (*loud, quiet):
            self.assertFalse(self.rests(console))
            self.assertEqual(self.gaps(console.id), [])


class Reads(SynchronousTestCase):
    """One cache for all readers."""

    def setUp(self) -> None:
        self.shelf = TemporaryShelf(sizes=SMALL)
        self.addCleanup(self.shelf.close)
        self.one = console_id(1)
        self.read: list[tuple[int, int]] = []
        self.recover = recovery.recover
        self.patch(cache, "recover", self._recover)

    def _recover(self, segment: Segment, after: tuple[int, int] = (0, 0)) -> Recovered:
        self.read.append((after[0], segment.size))
        return self.recover(segment, after)

    def _cache(self) -> Cache:
        return Cache(lambda *_: None)

    def test_many_readers_of_a_segment_at_once_read_its_files_once(self) -> None:
        self.shelf.say(self.one, b"x" * 100)
        self.shelf.move_all()
        (segment,) = self.shelf.store.logs[self.one].segments
        kept, barrier, found = self._cache(), Barrier(16), list[bytes]()

        def read() -> None:
            barrier.wait()
            found.append(b"".join(part.data for part in kept.load(segment)))

        threads = [Thread(target=read) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [b"x" * 100] * 16)
        self.assertEqual(self.read, [(0, 100)])

    def test_of_a_segment_that_grew_only_what_is_new_is_read(self) -> None:
        cache = self._cache()
        for number in range(4):
            self.shelf.say(self.one, b"%d" % number * 10)
            self.shelf.move_all()
            (segment,) = self.shelf.store.logs[self.one].segments
            parts = cache.load(segment)
        self.assertEqual(self.read, [(0, 10), (10, 20), (20, 30), (30, 40)])
        self.assertEqual(
            b"".join(part.data for part in parts), b"".join(b"%d" % n * 10 for n in range(4))
        )

    def test_the_cache_is_bounded_in_bytes(self) -> None:
        for _ in range(20):
            self.shelf.say(self.one, b"x" * 300)
            self.shelf.move_all()
        cache = Cache(lambda *_: None, limit=2000)
        found = self.shelf.store.logs[self.one].segments
        for segment in (*found, *found):
            cache.load(segment)
        self.assertEqual(len(self.read), 2 * len(found))
        cache.load(found[-1])
        self.assertEqual(len(self.read), 2 * len(found))

    def test_damaged_segments_are_reported_once_each_up_to_a_limit(self) -> None:
        self.patch(cache, "REPORTED", 2)
        for _ in range(5):
            self.shelf.say(self.one, b"x" * 300)
            self.shelf.move_all()
        found = self.shelf.store.logs[self.one].segments
        for segment in found:
            segment.paths[0].write_bytes(b"y" * segment.size)
        told: list[str] = []
        shared = Cache(lambda _event, what: told.append(what), limit=1)
        for segment in (*found[:2], *found[:2]):
            shared.load(segment)
        self.assertEqual(len(told), 2)
        for path in found[0].paths:
            path.unlink()
        for segment in (*found[2:], *found[2:]):
            shared.load(segment)
        self.assertEqual(len(told), 4)
        self.assertIn(str(found[2].paths[0]), told[2])
        self.assertEqual(told[3], "more than 2 segments are damaged; `vspc verify` names each")
        self.assertEqual(len(shared.damaged), 3)

    def _two_logs(self) -> list[View]:
        """Two consoles, each with four closed segments of 320 bytes, by a cache for one segment."""
        shared, views = Cache(lambda *_: None, limit=500), list[View]()
        for number in (1, 2):
            console = console_id(number)
            for at in range(16):
                self.shelf.say(console, b"%x" % at * 80)
                self.shelf.store.move(self.shelf.store.log(console))
            log = self.shelf.store.log(console)
            for segment in log.segments:
                segment.closed = True
            views.append(View(shared, tuple(log.segments), (), log.end))
        return views

    def test_readers_at_different_places_do_not_read_whole_segments_for_each_piece(self) -> None:
        self.patch(cache, "AHEAD", 160)
        views = self._two_logs()
        whole = b"".join(b"%x" % at * 80 for at in range(16))
        said, at = [bytearray(), bytearray()], 0
        while at < len(whole):
            for view, data in zip(views, said, strict=True):
                for item in view.read(at, 40).items:
                    assert isinstance(item, Output)
                    data += item.data
            at += 40
        self.assertEqual([bytes(data) for data in said], [whole, whole])
        # 64 pieces of 8 segments: each segment is read for its beginning and for its middle.
        self.assertLessEqual(len(self.read), 3 * 8)

    def test_a_piece_that_ends_with_a_segment_does_not_read_the_next(self) -> None:
        view = self._two_logs()[0]
        end = view.pieces[0].end
        page = view.read(0, end)
        self.assertEqual(page.next, end)
        self.assertEqual(len(self.read), 1)

    def test_a_reader_costs_the_log_no_write(self) -> None:
        self.shelf.say(self.one, b"x" * 10)
        self.assertEqual(bytes_of(self.shelf.items(self.one)), b"x" * 10)
        self.assertEqual(self.read, [])
        self.assertEqual(list((self.shelf.root / "consoles").iterdir()), [])


class GivingWay(SynchronousTestCase):
    """Readers and the log's thread."""

    def test_a_reader_waits_until_what_was_said_is_written(self) -> None:
        self.patch(writer, "YIELD", 60.0)
        shelf = TemporaryShelf()
        self.addCleanup(shelf.close)
        made = LogWriter(shelf.store, "never", 1.0, lambda *_: None, lambda: None)
        order: list[str] = []
        came = Event()

        def read() -> None:
            came.set()
            made.yield_to_writer()
            order.append("read")

        made.put(Batch([], writer.BEHIND + 1, lambda _batch: order.append("written")))
        reader = Thread(target=read)
        reader.start()
        came.wait()
        made.work(made.take())
        reader.join()
        self.assertEqual(order, ["written", "read"])

    def test_a_disk_that_fails_is_not_waited_for(self) -> None:
        shelf = TemporaryShelf()
        self.addCleanup(shelf.close)
        made = LogWriter(shelf.store, "never", 1.0, lambda *_: None, lambda: None)
        self.patch(writer, "YIELD", 60.0)
        made.put(Batch([], writer.BEHIND + 1, lambda _batch: None))
        made.failing = True
        made.yield_to_writer()
