"""Alerts that wait: bounded, in files, and what is damaged in these is told."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.alerts.queue import ITEM, TOLD, WRITES, AlertQueue, QueuedAlert
from vspc.common.files import Disk


def item(number: int, alert: str = "a", more: str = "") -> QueuedAlert:
    return QueuedAlert.of({"id": f"{number:04}", "alert": alert, "more": more}, float(number))


class Full(Disk):
    """Takes nothing, while it is full."""

    is_full = True

    def replace(self, path: Path, data: bytes, sync: bool = False, exclusive: bool = False) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        super().replace(path, data, sync, exclusive)


class Queueing(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.events: list[tuple[str, dict[str, object]]] = []
        self.calls: list[Callable[[], None]] = []
        self.is_held = False

    def made(self, limit: int = 500, size: int = 1 << 20, disk: Disk | None = None) -> AlertQueue:
        queue = AlertQueue(
            self.directory,
            self.submit,
            lambda call: call(),
            lambda event, facts: self.events.append((event, facts)),
            disk or Disk(),
            limit,
            size,
        )
        queue.load(["a", "b"])
        return queue

    def submit(self, call: Callable[[], None]) -> None:
        self.calls.append(call)
        if not self.is_held:
            self.go()

    def go(self) -> None:
        while self.calls:
            self.calls.pop(0)()

    def ids(self, queue: AlertQueue, alert: str = "a") -> list[str]:
        found = list[str]()
        while (first := queue.first(alert)) is not None:
            found.append(first.id)
            queue.done(first)
        return found

    @property
    def files(self) -> list[str]:
        return sorted(path.stem for path in self.directory.iterdir())

    def test_the_next_process_has_what_was_not_done(self) -> None:
        queue = self.made()
        for each in (item(2), item(1, "b"), item(3)):
            queue.add(each)
        queue.done(item(2))
        self.assertEqual(self.files, ["0001", "0003"])
        again = self.made()
        self.assertEqual(again.first("a"), item(3))
        self.assertEqual((self.ids(again), self.ids(again, "b")), (["0003"], ["0001"]))
        self.assertEqual(self.files, [])

    def test_what_is_done_before_it_is_written_never_is(self) -> None:
        queue = self.made()
        self.is_held = True
        for number in range(3):
            queue.add(item(number))
        queue.done(item(1))
        self.go()
        self.assertEqual(self.files, ["0000", "0002"])
        queue.done(item(2))
        queue.done(item(2))
        self.go()
        self.assertEqual(self.files, ["0000"])

    def test_the_oldest_of_an_alert_goes(self) -> None:
        queue = self.made(limit=2)
        for number in range(4):
            queue.add(item(number))
        queue.add(item(9, "b"))
        self.assertEqual(queue.dropped, {"a": 2})
        queue.tick(0.0)
        self.assertEqual([facts["count"] for _, facts in self.events], [2])
        self.assertEqual((self.ids(queue), self.ids(queue, "b")), (["0002", "0003"], ["0009"]))

    def test_all_together_have_a_size(self) -> None:
        queue = self.made(size=5000)
        for number in range(10):
            queue.add(item(number, more="x" * 1000))
        queue.add(item(20, "b", "x" * 1000))
        self.assertEqual(queue.waiting("a"), 3)
        self.assertEqual(self.ids(queue, "b"), ["0020"])

    def test_a_damaged_file_is_told_and_removed(self) -> None:
        queue = self.made()
        queue.add(item(1))
        queue.add(item(2))
        path = self.directory / "0001.json"
        path.write_bytes(path.read_bytes()[:-3])
        self.assertEqual(self.ids(self.made()), ["0002"])
        self.assertEqual([event for event, _ in self.events], ["alert-queue-damaged"])
        self.assertIn("0001.json", str(self.events[0][1]["what"]))

    def test_a_file_that_is_too_long_is_told_and_removed(self) -> None:
        queue = self.made()
        queue.add(item(1, more="x" * ITEM))
        queue.add(item(2))
        self.assertEqual(self.ids(self.made()), ["0002"])
        self.assertEqual([event for event, _ in self.events], ["alert-queue-damaged"])

    @given(st.binary(max_size=100))
    def test_any_file_is_read_or_told(self, data: bytes) -> None:
        del self.events[:]
        self.directory.mkdir(exist_ok=True)
        (self.directory / "x.json").write_bytes(data)
        self.assertEqual(self.ids(self.made()), [])
        self.assertEqual(len(self.events), 1)

    def test_a_full_disk_is_told_once_and_the_alert_is_there(self) -> None:
        queue = self.made(disk=Full())
        queue.add(item(1))
        queue.add(item(2))
        self.assertEqual([event for event, _ in self.events], ["alert-queue-not-written"])
        self.assertEqual(self.ids(queue), ["0001", "0002"])

    def test_what_a_full_disk_did_not_take_is_written_once_it_does(self) -> None:
        disk = Full()
        queue = self.made(disk=disk)
        for number in range(4):
            queue.add(item(number))
        queue.done(item(1))
        queue.tick(0.0)
        self.assertEqual(self.files, [])
        disk.is_full = False
        queue.tick(1.0)
        self.assertEqual(self.files, ["0000", "0002", "0003"])
        queue.done(item(2))
        self.assertEqual(self.files, ["0000", "0003"])
        names = [event for event, _ in self.events]
        self.assertEqual(names, ["alert-queue-not-written", "alert-queue-written-again"])

    def test_at_the_end_all_of_it_is_handed_over(self) -> None:
        queue = self.made()
        self.is_held = True
        for number in range(3 * WRITES):
            queue.add(item(number))
        queue.end()
        self.assertEqual(len(self.calls), 2)  # nothing is submitted later
        self.go()
        self.assertEqual(len(self.files), 3 * WRITES)

    def test_that_many_are_dropped_is_told_once_a_minute(self) -> None:
        queue = self.made(limit=2)
        for now in range(2 * int(TOLD)):
            for number in range(10):
                queue.add(item(100 * now + number))
            queue.tick(float(now))
        counts = [int(str(facts["count"])) for _, facts in self.events]
        self.assertEqual(counts, [8, 10 * int(TOLD)])
        queue.end()
        last = int(str(self.events[-1][1]["count"]))
        self.assertEqual(sum(counts) + last, queue.dropped["a"])

    def test_a_file_that_cannot_be_read_keeps_no_other_one_from_being(self) -> None:
        self.made().add(item(2))
        (self.directory / "0001.json").mkdir()
        self.assertEqual(self.ids(self.made()), ["0002"])
        self.assertEqual([event for event, _ in self.events], ["alert-queue-damaged"])

    def test_an_alert_that_is_not_configured_any_more(self) -> None:
        queue = self.made()
        queue.add(item(1))
        queue.add(item(2, "b"))
        queue.keep(["b"])
        self.assertEqual(self.files, ["0002"])
        self.assertEqual(self.events[0][1]["count"], 1)
