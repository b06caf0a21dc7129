"""The black box: what is kept of a panic, whatever becomes of the log, the process and the disk."""

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import UUID, FakeLine, World
from tests.log.inline import Here, Logged
from vspc.config.alert_settings import PanicSettings
from vspc.config.values import Size
from vspc.console.console import Console
from vspc.console.logs import LogView, Marker, MarkerKind, Output
from vspc.console.panics import PanicRecord
from vspc.log import panic_files, panics
from vspc.log.panic_file import LINE
from vspc.log.panic_files import PanicFiles
from vspc.log.panic_reading import READ_TIMEOUT
from vspc.log.panics import (
    AFTER_LIMIT,
    GRACE,
    JOBS,
    LONGEST_LOOP,
    LOOP,
    MARKERS,
    PanicBox,
)

SETTINGS = PanicSettings()


class PanicTest(SynchronousTestCase):
    is_logged = True

    def setUp(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="vspc-panics-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.events: list[tuple[str, dict[str, object]]] = []
        self.settings = SETTINGS
        self.world = World()
        if self.is_logged:
            self.logged = Logged(self.world)
            self.addCleanup(self.logged.close)
        self.begin()

    def begin(self) -> None:
        """A box for the world as it is."""
        self.box = PanicBox(
            self.root,
            self.settings,
            self.world.clock,
            lambda call: call(),
            lambda event, facts: self.events.append((event, facts)),
            Here(),
            self.world.fail,
            self.logged.log.queries if self.is_logged else None,
        )
        self.box.find = self.world.roster.get
        self.box.open()
        self.box.start()

    def connected(self, name: str = "web01", uuid: str = UUID) -> Console:
        console, _ = self.world.connected(name, uuid)
        return console

    def restart(self) -> Console:
        self.box.end()
        waiting = self.world.clock.twisted.getDelayedCalls()
        self.assertFalse([call for call in waiting if "panic" in repr(call).lower()])
        world = World()
        self.logged.restart(world)
        self.world = world
        self.begin()
        console = next(iter(self.world.roster), None)
        if console is None:
            return self.connected()
        console.link.connect(FakeLine())
        return console

    def say(self, console: Console, data: bytes) -> None:
        console.link.output(data)
        self.run_on()

    def run_on(self, seconds: float = 0.03) -> None:
        self.world.clock.advance(seconds)
        self.world.turn()
        self.world.clock.advance(0)

    def panic(
        self, console: Console, line: bytes = b"Kernel panic", pattern: str = "panic"
    ) -> int | None:
        """The VM says it, and it was found."""
        offset = console.history.end
        self.say(console, line + b"\r\n")
        number = self.box.freeze(console, offset, line, pattern)
        self.run_on()
        return number

    def kept(self, record: PanicRecord) -> bytes:
        """All output of one."""

        def whole(view: LogView) -> bytes:
            items = view.read(view.start, 1 << 24).items
            return b"".join(item.data for item in items if isinstance(item, Output))

        store = self.box.reading(record)
        found: Any = self.successResultOf(
            Deferred.fromCoroutine(store.query(record.console_id, whole))
        )
        assert isinstance(found, bytes)
        return found

    def only(self, console: Console) -> PanicRecord:
        (record,) = self.box.of(console.id)
        return record

    def names(self) -> list[str]:
        return [event for event, _ in self.events]


class Freezing(PanicTest):
    def test_what_was_before_and_what_follows(self) -> None:
        console = self.connected()
        self.say(console, b"one\r\n")
        self.assertEqual(self.panic(console), 1)
        record = self.only(console)
        self.assertTrue(record.is_open)
        self.assertEqual((record.line, record.pattern, record.offset), ("Kernel panic", "panic", 5))
        self.assertEqual(self.kept(record), b"one\r\nKernel panic\r\n")
        self.say(console, b"after\r\n")
        self.run_on(SETTINGS.after)
        self.run_on()
        self.say(console, b"too late\r\n")
        record = self.only(console)
        self.assertFalse(record.is_open)
        self.assertEqual(self.kept(record), b"one\r\nKernel panic\r\nafter\r\n")
        self.assertEqual((record.start, record.end), (0, 26))
        self.assertEqual(record.size, (self.root / console.id / "1.panic").stat().st_size)
        ((event, facts),) = self.events
        self.assertEqual((event, facts["console"], facts["number"]), ("panic", "web01", 1))
        self.assertEqual(self.world.failures, 0)

    def test_so_much_of_each(self) -> None:
        self.box.settings = evolve(SETTINGS, before=Size(4096))
        console = self.connected()
        for _ in range(10):
            self.say(console, b"x" * 1023 + b"\n")
        self.panic(console)
        for _ in range(3 * AFTER_LIMIT // (1 << 18)):
            self.say(console, b"y" * (1 << 18))
        self.run_on(SETTINGS.after)
        self.run_on()
        record = self.only(console)
        self.assertEqual(record.end - record.start, 4096 + AFTER_LIMIT)
        self.assertEqual(len(self.kept(record)), 4096 + AFTER_LIMIT)

    def test_an_oops_and_the_panic_after_it_are_one(self) -> None:
        console = self.connected()
        numbers = [self.panic(console, b"BUG: unable to handle x", "oops"), self.panic(console)]
        self.assertEqual(numbers, [1, 1])
        self.assertEqual(self.only(console).pattern, "oops")

    def test_a_loop_of_panics_is_kept_less_and_less_often(self) -> None:
        console, kept, began = self.connected(), list[float](), self.world.clock.seconds()
        while self.world.clock.seconds() - began < 3 * LONGEST_LOOP:
            before = len(self.names())
            self.panic(console)
            if len(self.names()) > before and self.names()[-1] == "panic":
                kept.append(self.world.clock.seconds() - began)
            self.run_on(100)
            self.run_on()
        pauses = [round((b - a) / LOOP) for a, b in pairwise(kept)]
        self.assertEqual(pauses[:7], [1, 2, 4, 8, 16, 32, 64])
        self.assertLessEqual(len(kept), 12)

    def test_after_a_quiet_day_the_next_one_is_kept(self) -> None:
        console = self.connected()
        for number in (1, 2, 3):
            self.assertEqual(self.panic(console), number)
            self.run_on(SETTINGS.after + 2 * LONGEST_LOOP)
            self.run_on()

    def test_off(self) -> None:
        self.box.reload(evolve(SETTINGS, enabled=False))
        self.assertIsNone(self.panic(self.connected()))
        self.assertEqual(list(self.root.iterdir()), [])

    def test_so_many_at_once(self) -> None:
        console = self.connected()
        many = [self.connected(f"vm{n}", f"{n:032x}") for n in range(1, JOBS + 2)]
        numbers = [self.box.freeze(each, 0, b"x", "panic") for each in many]
        self.assertEqual(numbers.count(None), 1)
        self.assertEqual(self.names()[-1], "panic-not-kept")
        self.assertEqual(self.box.of(console.id), [])


class Limits(PanicTest):
    def test_the_oldest_of_a_console_goes(self) -> None:
        self.box.settings = evolve(SETTINGS, max_console=2)
        console = self.connected()
        for _ in range(3):
            self.panic(console)
            self.run_on(SETTINGS.after)
            self.run_on(2 * LONGEST_LOOP)
        self.assertEqual([each.number for each in self.box.of(console.id)], [2, 3])
        self.assertEqual(self.files(console), ["2.panic", "3.panic"])
        facts = next(facts for event, facts in self.events if event == "panic-removed")
        self.assertEqual((facts["console"], facts["number"]), ("web01", 1))

    def test_the_oldest_of_all_goes(self) -> None:
        one, other = self.connected(), self.connected("web02", f"{2:032x}")
        self.say(one, b"x" * 100_000)
        self.panic(one)
        self.run_on(1)
        self.say(other, b"x" * 100_000)
        self.panic(other)
        self.box.reload(evolve(SETTINGS, max_total=Size(150_000)))
        self.assertEqual((len(self.box.of(one.id)), len(self.box.of(other.id))), (0, 1))
        self.run_on(SETTINGS.after)
        self.run_on()
        self.assertEqual((self.files(one), self.files(other)), ([], ["1.panic"]))

    def test_one_that_is_too_old_goes(self) -> None:
        console = self.connected()
        self.panic(console)
        self.run_on(SETTINGS.after)
        self.run_on(SETTINGS.keep + 1)
        self.box.tick()
        self.assertEqual(self.files(console), [])
        self.assertEqual(self.box.of(console.id), [])

    def test_a_clock_that_is_set_to_next_year_takes_none(self) -> None:
        console = self.connected()
        self.panic(console)
        self.run_on(SETTINGS.after)
        self.world.clock.epoch += 365 * 86400
        self.run_on(SETTINGS.after)
        self.box.tick()
        self.assertEqual(self.files(console), ["1.panic"])

    def files(self, console: Console) -> list[str]:
        return sorted(path.name for path in (self.root / console.id).iterdir())


class Surviving(PanicTest):
    def test_the_eviction_of_its_log(self) -> None:
        console = self.connected()
        self.say(console, b"before\n")
        self.panic(console)
        self.run_on(SETTINGS.after)
        self.run_on()
        self.logged.writer.store.forget(bytes.fromhex(console.id))
        self.assertEqual(self.kept(self.only(console)), b"before\nKernel panic\r\n")

    def test_a_restart_in_the_middle(self) -> None:
        console = self.connected()
        self.panic(console)
        self.say(console, b"after\n")
        console = self.restart()
        self.assertTrue(self.only(console).is_open)
        self.run_on(SETTINGS.after)
        self.run_on()
        record = self.only(console)
        self.assertEqual(self.kept(record), b"Kernel panic\r\nafter\n")
        self.assertFalse(record.is_open)
        console = self.restart()
        self.assertEqual(self.only(console), record)
        self.assertIsNone(self.panic(console), "it is within the time of a loop")

    def test_a_damaged_file(self) -> None:
        console = self.connected()
        self.say(console, b"x" * 200_000)
        self.panic(console)
        self.run_on(SETTINGS.after)
        self.run_on()
        path = self.root / console.id / "1.panic"
        data = bytearray(path.read_bytes())
        data[100_000] ^= 1
        path.write_bytes(data)
        console = self.restart()
        size = len(self.kept(self.only(console)))
        self.assertTrue(100_000 < size < 200_000, size)
        self.assertIn("panic-damaged", self.names())

    def test_a_file_of_which_nothing_is_left(self) -> None:
        console = self.connected()
        directory = self.root / console.id
        directory.mkdir()
        (directory / "4.panic").write_bytes(b"vspcpan1 nothing")
        (directory / "notes.txt").write_text("not ours")
        console = self.restart()
        self.assertEqual(self.box.of(console.id), [])
        self.assertEqual([path.name for path in directory.iterdir()], ["notes.txt"])
        self.assertEqual(self.names(), ["panic-damaged"])

    def test_one_that_the_disk_does_not_give_keeps_the_server_from_nothing(self) -> None:
        console = self.connected()
        (self.root / console.id / "3.panic").mkdir(parents=True)
        console = self.restart()
        self.assertEqual(self.names(), ["panic-damaged"])
        self.assertIn("cannot be read", self.only(console).line)
        self.assertEqual(self.panic(console), 4)

    def test_a_defect_with_one_keeps_the_next_one_from_nothing(self) -> None:
        one, two = self.connected(), self.connected("db1", UUID[::-1])
        self.patch(PanicBox, "_limit", lambda _box, _id: 1 // 0)
        self.panic(one)
        self.panic(two)
        self.assertEqual(self.world.failures, 2)
        self.assertEqual(len(self.box.of(two.id)), 1)

    def test_a_disk_that_is_full(self) -> None:
        class Full(PanicFiles):
            def save(self, record: Any, items: Any) -> PanicRecord:
                raise OSError(28, "No space left on device")

        self.box.files = Full(self.root, lambda _event, _facts: None)
        console = self.connected()
        self.panic(console)
        self.assertEqual(self.events[-1][0], "panic-not-kept")
        self.assertEqual(self.events[-1][1]["why"], "No space left on device")
        self.assertEqual(self.box.of(console.id), [])

    def test_a_file_that_cannot_be_completed(self) -> None:
        console = self.connected()
        self.panic(console)
        (self.root / console.id / "1.open").unlink()
        self.run_on(SETTINGS.after)
        self.run_on()
        self.assertEqual(self.names()[-1], "panic-not-kept")
        self.run_on(GRACE + 2 * LONGEST_LOOP)
        self.assertEqual(self.panic(console), 2)


class WithoutLog(PanicTest):
    is_logged = False

    def test_what_memory_has(self) -> None:
        console = self.connected()
        self.say(console, b"x" * 100_000 + b"\n")
        self.panic(console)
        self.say(console, b"after\n")
        self.run_on(SETTINGS.after)
        self.run_on()
        data = self.kept(self.only(console))
        self.assertTrue(data.endswith(b"x\nKernel panic\r\nafter\n"))
        self.assertGreaterEqual(len(data), 65536)


class Bounds(PanicTest):
    def test_so_many_markers(self) -> None:
        console = self.connected()
        self.say(console, b"x")
        for number in range(MARKERS + 50):
            self.logged.log.recorder.note(console.id, MarkerKind.NOTE, f"note {number}")
        self.panic(console)
        found = self.box.files.load(self.only(console)).items
        self.assertLessEqual(sum(isinstance(item, Marker) for item in found), MARKERS)
        self.assertTrue(self.kept(self.only(console)).endswith(b"Kernel panic\r\n"))

    def test_a_long_line_is_cut(self) -> None:
        console = self.connected()
        self.panic(console, b"Kernel panic " + b"x" * 2 * LINE)
        self.assertEqual(len(self.only(console).line), LINE)

    def test_loops_are_remembered_of_so_many_consoles(self) -> None:
        self.patch(panics, "REMEMBERED", 1)
        one, other = self.connected(), self.connected("web02", f"{2:032x}")
        for console, number in ((one, 1), (other, 1), (one, 2)):
            self.assertEqual(self.panic(console), number)
            self.run_on(SETTINGS.after)
            self.run_on()

    def test_a_disk_that_does_not_answer(self) -> None:
        console = self.connected()
        self.panic(console)
        self.patch(self.box.pool, "submit", lambda *_words: None)
        record = self.only(console)
        reading = Deferred.fromCoroutine(
            self.box.reading(record).query(console.id, lambda _view: 1)
        )
        self.run_on(READ_TIMEOUT)
        self.assertIsNone(self.successResultOf(reading))

    def test_a_file_that_is_too_large(self) -> None:
        console = self.connected()
        self.say(console, b"x" * 100_000)
        self.panic(console)
        self.patch(panic_files, "FILE_LIMIT", 80_000)
        self.assertTrue(50_000 < len(self.kept(self.only(console))) < 80_000)
        self.assertIn("panic-damaged", self.names())

    def test_facts_that_are_too_long(self) -> None:
        console = self.connected()
        self.panic(console)
        self.patch(panic_files, "HEAD_LIMIT", 50)
        console = self.restart()
        self.assertEqual(self.only(console).line, "Kernel panic")
