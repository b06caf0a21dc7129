"""A console that says a lot: its output is written once, to its segment, and nothing is lost."""

import contextlib
import errno
import itertools
from pathlib import Path
from typing import Any

from attrs import evolve
from hypothesis import given, settings

from tests.fakes import World
from tests.log.inline import Logged
from tests.log.support import SMALL, TemporaryShelf, bytes_of, markers_of
from tests.log.test_log import NO_FLOOR, WholeLog
from tests.log.test_store import ONE, TWO, AnythingCase, ShelfTestCase, steps
from vspc.common.files import Disk
from vspc.console.logs import MarkerKind
from vspc.log.markers import BootDetector
from vspc.log.records import DATA, Record, marker
from vspc.log.store import Sizes

SIZES = evolve(SMALL, long=200, segment=2000)
LONG = bytes(range(250)) * 2


class Cut(BaseException):
    """The process was killed here."""


class CutDisk(Disk):
    """Writes only `part` of what is written after `left` other writes, and is killed."""

    left = 1 << 30
    part = 0.0

    def write(self, descriptor: int, *parts: bytes) -> None:
        self.left -= 1
        if self.left >= 0:
            return super().write(descriptor, *parts)
        whole = b"".join(parts)
        super().write(descriptor, whole[: round(len(whole) * self.part)])
        raise Cut


class RefusingDisk(Disk):
    """Writes half of what is written to files of the kinds `refused`, after `spared` writes to
    these, and says that it failed.
    """

    refused: tuple[str, ...] = ()
    spared = 0

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[str, bytes]] = []  # the kind of file, and what

    def write(self, descriptor: int, *parts: bytes) -> None:
        kind, whole = Path(f"/proc/self/fd/{descriptor}").readlink().suffix, b"".join(parts)
        self.written.append((kind, whole))
        if kind in self.refused:
            self.spared -= 1
            if self.spared < 0:
                super().write(descriptor, whole[: len(whole) // 2])
                raise OSError(errno.EIO, "injected")
        super().write(descriptor, whole)


class LongCase(ShelfTestCase):
    def begun(self, **options: Any) -> TemporaryShelf:
        """A shelf with a console that has a log."""
        shelf = self.shelf(sizes=SIZES, **options)
        shelf.say(ONE, b"begun ", reserve=10_000)
        return shelf

    def journal(self, shelf: TemporaryShelf) -> bytes:
        return b"".join(path.read_bytes() for path in shelf.store.journal.files())

    def segments(self, shelf: TemporaryShelf) -> bytes:
        paths = sorted((shelf.root / "consoles").rglob("*.seg"))
        return b"".join(path.read_bytes() for path in paths)


class Once(LongCase):
    def test_the_segment_has_it_and_the_journal_does_not(self) -> None:
        shelf = self.begun()
        shelf.say(ONE, LONG)
        self.assertEqual(self.segments(shelf), b"begun " + LONG)
        self.assertNotIn(LONG[:100], self.journal(shelf))
        self.assertEqual(bytes_of(shelf.items(ONE)), b"begun " + LONG)

    def test_a_little_of_others_beside_it_goes_to_the_journal(self) -> None:
        shelf = self.begun()
        batch = [
            Record(DATA, TWO, 0, shelf.at, b"two"),
            Record(DATA, ONE, 6, shelf.at, LONG),
            Record(DATA, TWO, 3, shelf.at, b" and more"),
        ]
        shelf.append(batch)
        self.assertEqual(bytes_of(shelf.items(TWO)), b"two and more")
        self.assertNotIn(b"two", self.segments(shelf))
        shelf.open()
        self.assertEqual(bytes_of(shelf.items(TWO)), b"two and more")
        self.assertEqual(bytes_of(shelf.items(ONE)), b"begun " + LONG)

    def test_the_first_output_of_a_console_and_what_has_markers_in_it_does_too(self) -> None:
        shelf = self.shelf(sizes=SIZES)
        shelf.say(ONE, LONG)
        end = len(LONG)
        note = marker(MarkerKind.NOTE, ONE, end, shelf.at, "here")
        shelf.append([note, Record(DATA, ONE, end, shelf.at, LONG)])
        self.assertEqual(self.segments(shelf), b"")
        (found,) = markers_of(shelf.items(ONE))
        self.assertEqual(found.text, "here")

    def test_boots_are_found_in_it(self) -> None:
        shelf = self.begun(boot_detector=lambda: BootDetector(("Linux version",)))
        shelf.say(ONE, LONG + b"\nLinux version 6\n")
        (found,) = markers_of(shelf.items(ONE))
        self.assertEqual((found.kind, found.offset), (MarkerKind.BOOT, 6 + len(LONG) + 1))

    def test_segments_are_closed_at_their_size(self) -> None:
        shelf = self.begun()
        for _ in range(12):
            shelf.say(ONE, LONG)
        self.assertEqual(len(shelf.store.closed), 2)
        self.assertEqual(bytes_of(shelf.items(ONE)), b"begun " + LONG * 12)


class Troubles(LongCase):
    def test_a_kill_at_any_write_loses_nothing_of_before_and_uses_no_offset_twice(self) -> None:
        for left in range(8):
            for part in (0.0, 0.3, 0.9, 1.0):
                disk = CutDisk()
                shelf = self.begun(disk=disk)
                shelf.say(ONE, LONG)
                disk.left, disk.part = left, part
                before, said = shelf.ends[ONE], LONG + b"second" * 50
                with contextlib.suppress(Cut):
                    shelf.say(ONE, said, reserve=10_000)
                disk.left = 1 << 30
                shelf.open()
                with self.subTest(left=left, part=part):
                    found = bytes_of(shelf.items(ONE))
                    whole = b"begun " + LONG + said
                    self.assertTrue(whole.startswith(found))
                    self.assertGreaterEqual(len(found), before)
                    self.assertGreaterEqual(shelf.ends[ONE], before + 10_000 - len(LONG))
                    (gap,) = markers_of(shelf.items(ONE))
                    self.assertEqual((gap.offset, gap.end), (len(found), shelf.ends[ONE]))

    def test_a_kill_after_the_first_write_loses_nothing_of_others(self) -> None:
        for left in range(1, 5):
            disk = CutDisk()
            shelf = self.begun(disk=disk)
            disk.left, disk.part = left, 0.5
            said = [Record(DATA, ONE, 6, shelf.at, LONG), Record(DATA, TWO, 0, shelf.at, b"two")]
            with contextlib.suppress(Cut):
                shelf.append(said)
            disk.left = 1 << 30
            shelf.open()
            self.assertEqual(bytes_of(shelf.items(TWO)), b"two")

    def test_what_a_power_cut_took_of_the_segment_is_a_gap_also_after_a_stop(self) -> None:
        for clean in (True, False):
            for suffix in (".seg", ".idx"):
                shelf = self.begun()
                shelf.say(ONE, LONG)
                shelf.say(ONE, LONG)
                end = shelf.ends[ONE]
                if clean:
                    shelf.stop()
                (path,) = (shelf.root / "consoles").rglob(f"*{suffix}")
                path.write_bytes(path.read_bytes()[:-60])
                shelf.open()
                with self.subTest(clean=clean, suffix=suffix):
                    self.assertGreaterEqual(shelf.ends[ONE], end)
                    items = shelf.items(ONE)
                    self.assertEqual(items[-1].end, shelf.ends[ONE])
                    self.assertTrue((b"begun " + LONG * 2).startswith(bytes_of(items)))
                    if suffix == ".seg" or not clean:
                        self.assertNotEqual(markers_of(items), [])

    def test_what_the_segment_does_not_take_goes_to_the_journal(self) -> None:
        for refused in (".seg", ".idx"):
            disk = RefusingDisk()
            shelf = self.begun(disk=disk)
            disk.refused = (refused,)
            shelf.say(ONE, LONG)
            self.assertIn(LONG, self.journal(shelf))
            disk.refused = ()
            shelf.move_all()
            self.assertEqual(bytes_of(shelf.items(ONE)), b"begun " + LONG)
            shelf.stop()
            shelf.open()
            self.assertEqual(bytes_of(shelf.items(ONE)), b"begun " + LONG)

    def test_what_is_tried_again_as_the_journal_failed_is_not_there_twice(self) -> None:
        disk = RefusingDisk()
        shelf = self.begun(disk=disk)
        batch = [Record(DATA, ONE, 6, shelf.at, LONG), Record(DATA, TWO, 0, shelf.at, b"two")]
        disk.refused = (".journal",)
        for _ in range(3):
            self.assertRaises(OSError, shelf.append, batch)
        disk.refused = ()
        shelf.append(batch)
        for _ in range(2):
            self.assertEqual(bytes_of(shelf.items(ONE)), b"begun " + LONG)
            self.assertEqual(bytes_of(shelf.items(TWO)), b"two")
            self.assertEqual(self.segments(shelf), b"begun " + LONG)
            shelf.stop()
            shelf.open()


class TriedAgain(WholeLog):
    """Two say a lot, a third one a little, and people attach to that: all in one batch."""

    tags = (b"<the first>", b"<the second>", b"<the third>")

    def start(self) -> None:
        """All of them have a log, and a disk that refuses nothing yet."""
        self.world = World()
        self.world.clock.advance(1)
        self.refusing = RefusingDisk()
        self.logged = Logged(self.world, self.settings, self.refusing, Sizes(long=1000))
        self.addCleanup(self.logged.close)
        self.consoles = [self.console(number) for number in (1, 2, 3)]
        for console in self.consoles:
            console.link.output(b"begun ")
        self.tick(2)
        self.refusing.written.clear()

    def say(self) -> None:
        """The batch."""
        *loud, third = self.consoles
        for console, tag in zip(loud, self.tags, strict=False):
            console.link.output(LONG * 4 + tag)
        third.link.output(self.tags[2])
        self.world.attach(third)
        self.tick()

    def verify(self) -> None:
        """For readers all of it is there once."""
        for console, tag in zip(self.consoles, self.tags, strict=True):
            said = b"" if tag == self.tags[2] else LONG * 4
            self.assertEqual(bytes_of(self.items(console.id)), b"begun " + said + tag)
        kinds = [found.kind for found in markers_of(self.items(self.consoles[2].id))]
        self.assertEqual(kinds.count(MarkerKind.ATTACHED), 1)

    def times_on_disk(self, tag: bytes) -> int:
        """How often it is there, without what a write left that failed later."""
        store = self.logged.writer.store
        segments = [segment for log in store.logs.values() for segment in log.segments]
        found = [path.read_bytes() for path in store.journal.files()]
        found += [segment.paths[0].read_bytes()[: segment.size] for segment in segments]
        return sum(data.count(tag) for data in found)

    def test_nothing_is_lost_or_there_twice_whichever_write_fails(self) -> None:
        kinds = ((".journal",), (".seg",), (".idx",), (".seg", ".journal"), (".idx", ".journal"))
        for kind, spared, clean in itertools.product(kinds, range(4), (True, False)):
            with self.subTest(kind=kind, spared=spared, clean=clean):
                self.start()
                self.refusing.refused, self.refusing.spared = kind, spared
                self.say()
                for _ in range(4):
                    self.verify()
                    self.tick(0.5)
                self.refusing.refused = ()
                self.tick(1.5)
                self.verify()
                self.assertEqual([self.times_on_disk(tag) for tag in self.tags], [1, 1, 1])
                self.assertEqual(self.logged.writer.waiting, 0)
                self.logged.restart(World(), clean)
                self.verify()

    def test_others_are_in_the_journal_before_a_segment_is_written(self) -> None:
        self.start()
        self.say()
        kinds = [kind for kind, _ in self.refusing.written]
        self.assertEqual((kinds[0], kinds[-1]), (".journal", ".journal"))
        self.assertEqual((kinds.count(".journal"), ".seg" in kinds), (2, True))
        first, last = self.refusing.written[0][1], self.refusing.written[-1][1]
        self.assertEqual([tag in first for tag in self.tags], [False, False, True])
        self.assertEqual([tag in last for tag in self.tags], [False, False, False])

    def test_who_follows_others_is_told_though_a_segment_and_the_journal_fail(self) -> None:
        self.start()
        told = set[bytes]()
        self.logged.writer.subscribers.append(told.update)
        self.refusing.refused, self.refusing.spared = (".seg", ".journal"), 1
        self.say()
        first, second, third = (bytes.fromhex(console.id) for console in self.consoles)
        self.assertEqual(told, {third})
        self.refusing.refused = ()
        self.tick(1.5)
        self.assertEqual(told, {first, second, third})


class Synced(WholeLog):
    def test_its_segment_is_synced_before_the_journal_that_says_how_far_it_reaches(self) -> None:
        synced = list[str]()
        sync = self.disk.sync

        def recorded(descriptor: int) -> None:
            synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().suffix)
            sync(descriptor)

        self.disk.sync = recorded  # type: ignore[method-assign]
        console = self.console()
        console.link.output(b"begun")
        self.tick(2)
        synced.clear()
        self.logged.log.store.sizes = evolve(self.logged.log.store.sizes, long=1000)
        console.link.output(b"x" * 2000)
        self.tick(2)
        self.assertEqual(set(synced), {".seg", ".idx", "", ".journal"})
        self.assertEqual(synced[-1], ".journal")
        synced.clear()
        console.link.output(b"little")
        self.tick(2)
        self.assertEqual(synced, [".journal"])


class NeverSynced(WholeLog):
    settings = evolve(NO_FLOOR, fsync="never")

    def test_nothing_is_kept_in_mind_for_a_sync_that_does_not_come(self) -> None:
        store, console = self.logged.log.store, self.console()
        store.sizes = evolve(store.sizes, long=1000)
        console.link.output(b"begun")
        self.tick(2)
        console.link.output(b"x" * 2000)
        self.tick(2)
        self.assertEqual(store.unsynced, {})
        self.assertIsNone(self.logged.writer.unsynced_since)
        self.assertEqual(bytes_of(self.items(console.id)), b"begun" + b"x" * 2000)


class AnyLife(AnythingCase):
    @settings(max_examples=100, deadline=None)
    @given(steps())
    def test_whatever_happens_nothing_is_lost_twice_or_elsewhere(
        self, life: list[tuple[Any, ...]]
    ) -> None:
        self.live(life, evolve(SMALL, long=60))
