"""What the log says of a kill: a time, and a number that is true and small."""

import errno
import re

from tests.fakes import FakeLine, World
from tests.log.support import bytes_of
from tests.log.test_log import WholeLog
from tests.log.test_store import ONE, TWO, ShelfTestCase
from vspc.console.logs import Marker
from vspc.log import records
from vspc.log.entry import TROUBLED_RESERVE
from vspc.log.failure_mark import RESTORED, FailureMark
from vspc.log.records import DATA, FORGET, Record, pack_batch, reserve

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def most(gap: Marker) -> int:
    """The number of bytes that it says."""
    found = re.search("at most ([0-9]+) bytes$", gap.text)
    assert found, gap.text
    return int(found[1])


class Killed(WholeLog):
    """A console's log after its server was killed."""

    def kill(self) -> None:
        world = World()
        self.logged.restart(world, clean=False)
        self.world = world

    def test_a_quiet_console_misses_a_few_bytes_at_most_between_two_times(self) -> None:
        console = self.console()
        console.link.output(b"login: ")
        self.tick()
        self.kill()
        (gap,) = self.gaps(console.id)
        self.assertRegex(
            gap.text,
            f"^the server was killed: output between {TIME} and {TIME} may be missing "
            rf"\(offsets go on at {gap.end}\), at most [0-9]+ bytes$",
        )
        self.assertLessEqual(most(gap), 256 * 1024)
        self.assertGreater(most(gap), 0)

    def test_what_is_missing_is_never_more_than_is_said(self) -> None:
        console = self.console()
        said = 0
        for size in (1, 60_000, 60_000, 400_000, 3_000_000):
            console.link.output(b"x" * size)
            said += size
            self.tick(0.01)
        self.tick()
        self.logged.writer.held = True  # the disk is a little late
        console.link.output(b"y" * 50_000)
        console.link.output(b"y" * 50_000)
        self.tick(0.01)
        self.kill()
        (gap,) = self.gaps(console.id)
        self.assertEqual(gap.offset, said)
        self.assertGreaterEqual(most(gap), 100_000)
        self.assertLessEqual(most(gap), 8 << 20)

    def test_who_talked_fast_a_while_ago_misses_little(self) -> None:
        console = self.console()
        for _ in range(100):
            console.link.output(b"x" * 60_000)
            self.tick(0.01)
        self.tick(5)
        self.tick()
        self.kill()
        (gap,) = self.gaps(console.id)
        self.assertLessEqual(most(gap), 256 * 1024)

    def test_a_disk_that_failed_once_is_forgotten(self) -> None:
        console = self.console()
        self.logged.writer.failing = True
        console.link.output(b"x" * 200_000)
        self.logged.writer.failing = False
        self.tick(5)
        self.tick()
        self.kill()
        (gap,) = self.gaps(console.id)
        self.assertLessEqual(most(gap), 256 * 1024)

    def test_a_disk_that_was_failing_is_said_with_all_that_may_be_missing(self) -> None:
        console = self.console()
        self.tick()
        self.logged.writer.failing = True
        console.link.output(b"x" * 200_000)
        self.logged.writer.failing = False  # this is written, and then nothing more
        self.logged.writer.catch_up()
        self.tick(0.02)
        self.kill()
        (gap,) = self.gaps(console.id)
        self.assertGreaterEqual(most(gap), 1 << 29)

    def test_behind_a_backup_offsets_go_on_far_away_also_if_its_server_had_stopped(self) -> None:
        for clean in (True, False):
            console = self.console()
            console.link.output(b"in the backup")
            self.tick()
            world, root = World(), self.logged.log.store.root
            FailureMark(root, RESTORED).set([])
            self.logged.restart(world, clean=clean)
            self.world = world
            gap = self.gaps(console.id)[-1]
            self.assertRegex(
                gap.text,
                f"^a backup was restored: output between {TIME} and {TIME} may be missing "
                rf"\(offsets go on at {gap.end}\)$",
            )
            self.assertGreaterEqual(gap.end - gap.offset, TROUBLED_RESERVE)
            self.assertFalse(FailureMark(root, RESTORED).is_set)

    def test_who_connects_while_the_disk_fails_uses_no_offset_twice(self) -> None:
        console = self.console()
        console.link.output(b"bye")
        console.link.disconnect("gone")
        self.world.roster.settle(console)
        self.tick()
        self.disk.error = errno.ENOSPC
        console.link.connect(FakeLine())
        self.tick()
        console.link.output(b"shown, and never written")
        self.tick()
        shown = console.history.end
        self.disk.error = None  # before it is tried again
        self.kill()
        (gap,) = self.gaps(console.id)
        self.assertEqual(gap.offset, len(b"bye"))
        self.assertGreaterEqual(gap.end, shown)
        self.kill()
        self.assertEqual(self.gaps(console.id), [gap], "it is said once")

    def test_a_console_that_is_away_misses_nothing(self) -> None:
        console = self.console()
        console.link.output(b"bye")
        console.link.disconnect("gone")
        self.world.roster.settle(console)
        self.tick()
        self.kill()
        self.assertEqual(self.gaps(console.id), [])


class Journals(ShelfTestCase):
    """Reserves on disk, and what is torn."""

    def test_what_a_vm_says_is_not_taken_for_a_frame_where_the_one_that_holds_it_is_torn(
        self,
    ) -> None:
        shelf = self.shelf()
        shelf.say(TWO, b"of another console")
        forged = [Record(FORGET, TWO, 0, 0, b""), Record(DATA, TWO, 18, 1, b" that lies")]
        guesses = [records.pack_frame(pack_batch(number, forged)) for number in range(1, 50)]
        shelf.say(ONE, b"".join(guesses) + b"and more")
        (path,) = shelf.store.journal.files()
        path.write_bytes(path.read_bytes()[:-3])
        shelf.open()
        self.assertEqual(bytes_of(shelf.items(TWO)), b"of another console")
        self.assertEqual(shelf.problems, [])

    def test_a_new_journal_file_says_both_numbers_again(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"x")
        shelf.store.append([reserve(ONE, 1000, 50, shelf.at)])
        shelf.checkpoint()
        shelf.open()
        (gap,) = [item for item in shelf.items(ONE) if isinstance(item, Marker)]
        self.assertEqual((gap.offset, gap.end, most(gap)), (1, 1000, 49))

    def test_a_machine_that_stopped_may_have_lost_what_was_in_the_journal(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"x")
        shelf.store.append([reserve(ONE, 1000, 50, shelf.at)])
        shelf.boot = "another"
        shelf.open()
        (gap,) = [item for item in shelf.items(ONE) if isinstance(item, Marker)]
        self.assertRegex(gap.text, "^the machine stopped: ")
        self.assertEqual(most(gap), 999)
        self.assertEqual(bytes_of(shelf.items(ONE)), b"x")
