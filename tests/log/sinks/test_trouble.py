"""Sinks where something is wrong: a log that does not answer, one bad file, a defect, a rename."""

import json
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.log.sinks.test_feeder import Shelf, SinkTestCase
from vspc.console.log_reading import OutputLine
from vspc.console.logs import About, LogView, Marker, MarkerKind
from vspc.log.query import NoLog
from vspc.log.sinks.feeder import IDLE, SAVE, Feeder, FeedSource
from vspc.log.sinks.progress import BadCursors, load
from vspc.log.sinks.text import TextOutlet
from vspc.net.backoff import LONGEST, Backoff


class Stalled:
    """A source whose log does not answer: as it is after its patience, or with an error."""

    def __init__(self, real: FeedSource, raises: bool = False) -> None:
        self.real = real
        self.raises = raises
        self.asked = Event()
        self.woken = Event()

    def wait(self, timeout: float) -> set[str]:
        del timeout
        return set()

    def wake(self) -> None:
        self.woken.set()

    def ends(self) -> dict[str, int]:
        self.asked.set()
        if self.raises:
            raise NoLog("nobody answers")
        return {}

    def about(self, console_id: str) -> About | None:
        if self.raises:
            raise NoLog(console_id)
        return None

    def view(self, console_id: str) -> LogView:
        raise NoLog(console_id)


class Forgetful(Stalled):
    """One that knows whose the logs are, but cannot read them."""

    def about(self, console_id: str) -> About | None:
        return self.real.about(console_id)

    def ends(self) -> dict[str, int]:
        return self.real.ends()


class BrokenFor(Shelf):
    """An outlet with a defect in what it does for one console."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def write(self, about: About, items: Sequence[OutputLine | Marker]) -> None:
        if about.name == self.name:
            raise ValueError("a defect")
        super().write(about, items)


class StalledLogs(SinkTestCase):
    """The log's thread waits for a disk; what a sink knows is worth more than no answer."""

    def stall(self, feeder: Feeder, source: Stalled, rounds: int = 3) -> None:
        """`source` in place of the real one, for some rounds."""
        real, feeder.source = feeder.source, source
        news = real.wait(0)
        for _ in range(rounds):
            self.world.clock.advance(SAVE + 1)
            feeder.step(news)
            news = set()
        feeder.source = real

    def test_cursors_outlive_a_log_that_does_not_answer(self) -> None:
        self.outlive(raises=False)

    def test_cursors_outlive_a_log_that_says_so(self) -> None:
        self.outlive(raises=True)

    def outlive(self, raises: bool) -> None:
        console = self.console()
        feeder = self.feeder()
        self.say(console, b"one\n")
        self.step(feeder)
        self.say(console, b"two\n")
        self.stall(feeder, Stalled(feeder.source, raises))
        self.assertEqual(json.loads(feeder.cursors.read_text())["cursors"], {console.id: 4})
        self.step(feeder, IDLE + 1)
        self.assertEqual([text for _, text in self.shelf.lines], [b"one", b"two"])

    def test_what_could_not_be_read_is_read_later_though_nothing_more_is_said(self) -> None:
        feeder = self.feeder()
        self.say(self.console(), b"Kernel panic\n")
        self.stall(feeder, Forgetful(feeder.source))
        self.assertEqual(self.shelf.lines, [])
        self.step(feeder, IDLE + 1)
        self.assertEqual(self.shelf.lines, [("web01", b"Kernel panic")])
        self.assertEqual(self.events, [])

    def test_consoles_that_are_gone_are_forgotten(self) -> None:
        gone, there = self.console(1), self.console(2)
        feeder = self.feeder()
        self.say(gone, b"one\n")
        self.say(there, b"one\n")
        self.step(feeder)
        self.logged.writer.store.forget(bytes.fromhex(gone.id))
        self.say(there, b"two\n")
        self.step(feeder)
        self.step(feeder, SAVE + 1)
        kept = json.loads(feeder.cursors.read_text())["cursors"]
        self.assertEqual(list(kept), [there.id])

    def test_a_sink_that_cannot_begin_can_be_stopped_and_keeps_its_cursors(self) -> None:
        feeder = self.feeder()
        feeder.cursors.parent.mkdir(mode=0o700, exist_ok=True)
        text = '{"version": 1, "cursors": {"ab": 5}}'
        feeder.cursors.write_text(text)
        source = Stalled(feeder.source, raises=True)
        feeder.source = source
        feeder.start()
        self.assertTrue(source.asked.wait(30))
        feeder.stop()
        self.assertFalse(feeder._worker.active)
        self.assertEqual(feeder.cursors.read_text(), text)


class OneOfMany(SinkTestCase):
    """What is wrong with one console is not wrong with others (law 9)."""

    def setUp(self) -> None:
        super().setUp()
        self.failures: list[None] = []
        self.world.fail = lambda: self.failures.append(None)  # type: ignore[method-assign]

    def test_a_defect_with_one_console_stops_no_other_and_is_not_repeated_at_once(self) -> None:
        shelf = BrokenFor("web01")
        feeder = self.feeder(shelf)
        for number in range(10):
            self.say(self.console(1), b"%d\n" % number)
            self.say(self.console(2), b"%d\n" % number)
            self.step(feeder, 0.1)
        self.assertEqual([text for _, text in shelf.lines], [b"%d" % n for n in range(10)])
        self.assertEqual(len(self.failures), 1)
        self.assertGreater(feeder.delay(), 0)
        shelf.name = ""
        self.step(feeder, LONGEST)
        self.assertEqual(shelf.lines.count(("web01", b"9")), 1)

    def test_a_file_that_cannot_be_written_stops_no_other(self) -> None:
        consoles = [self.console(number) for number in (1, 2, 3)]
        directory = self.logged.root / "text"
        bad = directory / f"{consoles[1].id}.log"
        bad.mkdir(parents=True)
        feeder = self.feeder(TextOutlet(directory, self.world.clock.seconds))
        self.addCleanup(feeder.outlet.close)
        for number in range(20):
            for console in consoles:
                self.say(console, b"%d\n" % number)
            self.step(feeder, 5)
        self.assertEqual(self.events, ["sink-failing"])
        for console in (consoles[0], consoles[2]):
            self.assertEqual(self.numbers(directory / f"{console.id}.log"), list(range(20)))
        bad.rmdir()
        self.step(feeder, LONGEST)
        self.assertEqual(self.events, ["sink-failing", "sink-recovered"])
        self.assertEqual(self.numbers(bad), list(range(20)))

    def numbers(self, path: Path) -> list[int]:
        """Each line's, which come once."""
        lines = [line.split(" ", 1)[1] for line in path.read_text().splitlines()]
        return [int(line) for line in lines if not line.startswith("[")]

    def test_when_nothing_is_owed_any_more_it_does_not_spin(self) -> None:
        feeder = self.feeder()
        self.shelf.broken = True
        console = self.console()
        self.say(console, b"one\n")
        self.step(feeder)
        feeder.wanted = lambda _about: False
        self.step(feeder, 60)
        self.assertGreater(feeder.delay(), 0)
        self.assertEqual(self.events, ["sink-failing", "sink-recovered"])


class Names(SinkTestCase):
    """Consoles that are wanted by their names, which change."""

    def test_what_is_said_under_a_name_that_is_not_wanted_is_never_given(self) -> None:
        console = self.console()
        feeder = self.feeder()
        feeder.wanted = lambda about: about.name != "secret"
        self.say(console, b"one\n")
        self.step(feeder)
        self.world.roster.rename(console.vm, "secret")
        self.say(console, b"hidden\n")
        self.step(feeder)
        self.world.roster.rename(console.vm, "web01")
        self.say(console, b"two\n")
        self.step(feeder)
        self.assertEqual([text for _, text in self.shelf.lines], [b"one", b"two"])


class AtLeastOnce(SinkTestCase):
    """After an error only what may be lost comes again."""

    def test_an_outlet_that_always_has_something_on_its_way_gets_little_again(self) -> None:
        console = self.console()
        feeder = self.feeder()
        self.shelf.is_settled = False
        for number in range(100):
            self.say(console, b"%d\n" % number)
            self.step(feeder)
        self.shelf.broken = True
        self.say(console, b"100\n")
        self.step(feeder)
        self.shelf.broken = False
        self.step(feeder, 60)
        texts = [int(text) for _, text in self.shelf.lines]
        self.assertEqual(texts, [*range(100), 99, 100])

    def test_what_was_on_its_way_when_it_is_opened_anew_comes_again(self) -> None:
        console = self.console()
        feeder = self.feeder()
        self.shelf.is_settled = False
        self.say(console, b"one\n")
        self.step(feeder)
        feeder.reopen()
        self.step(feeder)
        self.assertEqual(self.shelf.reopened, 1)
        self.assertEqual([text for _, text in self.shelf.lines], [b"one", b"one"])

    def test_many_markers_at_one_place_come_once(self) -> None:
        console = self.console()
        feeder = self.feeder()
        self.say(console, b"x\n")
        for number in range(300):
            self.logged.log.queries.mark(console.id, MarkerKind.NOTE, f"note {number}")
            if number % 100 == 99:
                self.tick()
                self.step(feeder)
        self.assertEqual(self.shelf.markers.count(("web01", MarkerKind.NOTE)), 300)


class Files(SinkTestCase):
    """Cursors on disk."""

    def test_what_is_no_file_of_cursors_is_put_aside_and_kept(self) -> None:
        path = self.logged.root / "c.json"
        for text in (
            b"",
            b"\xff",
            b"[1]",
            b"null",
            b"[" * 100_000,
            b'{"version": 2, "cursors": {}}',
            b'{"version": 1, "cursors": [1]}',
            b'{"version": 1, "cursors": {"a": 1e999}}',
            b'{"version": 1, "cursors": {"a": -5}}',
            b'{"version": 1, "cursors": {"a": true}}',
        ):
            path.write_bytes(text)
            self.assertRaises(BadCursors, load, path)
            self.assertEqual((self.logged.root / "c.json.damaged").read_bytes(), text)
            self.assertFalse(path.exists())
        self.assertIsNone(load(path))

    def test_a_file_that_cannot_be_read_stays_where_it_is(self) -> None:
        path = self.logged.root / "c.json"
        path.mkdir()
        self.assertRaises(BadCursors, load, path)
        self.assertTrue(path.is_dir())


class Backoffs(SynchronousTestCase):
    """When it is tried again."""

    def test_pauses_double_up_to_a_limit(self) -> None:
        backoff, now, pauses = Backoff(), 100.0, []
        for _ in range(7):
            backoff.fail(now, moved=False)
            pauses.append(backoff.retry - now)
            now = backoff.retry
        self.assertEqual(pauses, [1, 2, 4, 8, 16, 30, 30])

    def test_what_is_well_for_a_moment_only_is_not_tried_more_often(self) -> None:
        backoff, now = Backoff(), 100.0
        for _ in range(8):
            self.assertTrue(backoff.fail(now, moved=True))
            now = backoff.retry
            backoff.recover(now)
        self.assertEqual(backoff.retry - now, 0)
        backoff.fail(now, moved=True)
        self.assertEqual(backoff.retry - now, LONGEST)
        backoff.recover(now)
        backoff.fail(now + LONGEST, moved=False)
        self.assertEqual(backoff.retry, now + LONGEST + 1)

    @given(st.lists(st.tuples(st.floats(0, 100), st.booleans(), st.booleans())))
    def test_a_pause_is_always_between_its_limits(
        self, steps: list[tuple[float, bool, bool]]
    ) -> None:
        backoff, now = Backoff(), 0.0
        for later, moved, recovers in steps:
            now += later
            backoff.fail(now, moved)
            self.assertTrue(0.99 <= backoff.retry - now <= LONGEST + 0.01)
            if recovers:
                self.assertGreaterEqual(backoff.recover(now), 0)
