"""Bounds of the log that no other test reaches: what happens there."""

import time
from collections.abc import Callable
from typing import Any

from tests.log.inline import Here
from tests.log.support import SMALL, TemporaryShelf, bytes_of, console_id, markers_of
from tests.log.test_log import WholeLog
from vspc.console.logs import MarkerKind
from vspc.log import records
from vspc.log.log import DAMAGES, STALLED
from vspc.log.recorder import NOTE
from vspc.log.records import MAGIC_SIZE, Damage, Frame, frames_of, pack_frame
from vspc.log.startup import REPORTED
from vspc.log.store import Sizes
from vspc.log.writer import JOURNALS


class DiskThatNeverSyncs(Here):
    """Chores are not done: the files of the journal stay."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> None:
        pass


class Bounds(WholeLog):
    def test_a_record_that_says_it_is_longer_than_any_is_damage(self) -> None:
        self.patch(records, "BODY_LIMIT", 50)
        data = bytes(MAGIC_SIZE) + pack_frame(b"x" * 51) + pack_frame(b"y" * 50)
        long, short = frames_of(data)
        self.assertIsInstance(long, Damage)
        assert isinstance(short, Frame)
        self.assertEqual(short.body, b"y" * 50)

    def test_of_very_much_damage_some_is_remembered(self) -> None:
        shelf = TemporaryShelf(sizes=SMALL)
        self.addCleanup(shelf.close)
        many = REPORTED + 5
        for number in range(1, many + 1):
            shelf.say(console_id(number), b"x" * 300)
        shelf.move_all()
        shelf.checkpoint()
        shelf.stop()
        for path in shelf.root.rglob("*.seg"):
            path.unlink()
        del shelf.problems[:]
        shelf.open()
        said = [what for event, what in shelf.problems if event == "log-damaged"]
        self.assertEqual(len([what for what in said if what.startswith("console ")]), REPORTED)
        self.assertIn("5 more consoles", said)
        for number in range(DAMAGES + 5):
            self.logged.log._report("log-damaged", {"what": f"{number}"})
        self.assertEqual(len(self.logged.log.damage), DAMAGES)

    def test_a_disk_in_one_call_for_long_is_reported_once(self) -> None:
        log, writer = self.logged.log, self.logged.writer
        for busy in (STALLED - 1, STALLED + 1, STALLED + 2, None):
            writer.busy_since = None if busy is None else time.monotonic() - busy
            log.check()
        told = [event for event, _ in self.logged.events if event != "log-chain"]
        self.assertEqual(told, ["log-stalled", "log-goes-on"])

    def test_a_long_marker_is_cut_with_its_length(self) -> None:
        console = self.console(1)
        console.link.output(b"text")
        self.logged.log.recorder.note(console.id, MarkerKind.NOTE, "n" * (NOTE + 1))
        self.tick()
        (text,) = [m.text for m in markers_of(self.items(console.id)) if m.text.startswith("n")]
        self.assertLess(len(text), NOTE + 20)
        self.assertIn("+1", text)

    def test_what_has_not_moved_is_bounded(self) -> None:
        shelf = TemporaryShelf(sizes=Sizes(move=1 << 20, pending=2000, segment=1 << 20))
        self.addCleanup(shelf.close)
        consoles = [console_id(number) for number in range(1, 21)]
        for _ in range(50):
            for console in consoles:
                shelf.say(console, b"x" * 10)
            shelf.settle()
            waiting = sum(len(r.payload) for log in shelf.store.logs.values() for r in log.pending)
            self.assertLessEqual(waiting, 2000)
        self.assertEqual(bytes_of(shelf.items(consoles[0])), b"x" * 500)

    def test_a_disk_that_never_syncs_has_a_bounded_journal(self) -> None:
        sizes = self.logged.log.store.sizes = Sizes(journal=4096)
        writer = self.logged.writer
        writer.chores = writer.syncing.chores = DiskThatNeverSyncs()
        console = self.console(1)
        for _ in range(100):
            console.link.output(b"x" * 1000)
            self.tick(1)
        self.assertLess(self.logged.log.store.journal.size, (JOURNALS + 2) * sizes.journal)
        self.assertIn("log-failing", [event for event, _ in self.logged.events])
        self.assertEqual(console.history.end, 100_000)
