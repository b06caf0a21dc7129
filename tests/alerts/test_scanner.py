"""Output on its way to the matcher: bounded, in a thread, and nothing else waits for it."""

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeClock
from vspc.alerts.matching import PatternSet
from vspc.alerts.scanner import (
    BATCH_SIZE,
    BATCH_TIME,
    LATE,
    TURN,
    OutputScanner,
    PatternMatch,
    Search,
)
from vspc.console.context import OutputObserver


class Inner(OutputObserver):
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def output(self, console_id: str, offset: int, data: bytes, at: float) -> None:
        self.got.append(data)


class Defective(PatternSet):
    """Has a defect."""

    def of_block(self, text: bytes) -> list[int]:
        raise ZeroDivisionError(text)


class ScannerTest(SynchronousTestCase):
    """The thread makes its calls when the test says so."""

    def setUp(self) -> None:
        self.clock = FakeClock()
        self.inner = Inner()
        self.calls: list[Callable[[], None]] = []
        self.failures: list[str] = []
        self.found: list[PatternMatch] = []
        self.scanner = self.make()
        self.search("panic", "oops")

    def make(self, each: int = 1000, total: int = 2000) -> OutputScanner:
        return OutputScanner(
            self.inner,
            self.clock,
            self.calls.append,
            lambda call: call(),
            lambda: self.failures.append("failed"),
            each,
            total,
        )

    def search(self, *patterns: str) -> None:
        def select(console_id: str) -> frozenset[int]:
            return frozenset(range(len(patterns))) if console_id != "none" else frozenset()

        self.scanner.use(Search(PatternSet(patterns), select, self.found.extend))
        self.go()

    def go(self) -> None:
        calls, self.calls[:] = list(self.calls), []
        for call in calls:
            call()

    def later(self, seconds: float = BATCH_TIME) -> None:
        self.clock.advance(seconds)
        self.go()

    def lines(self) -> list[tuple[str, str, int]]:
        return [(m.line.console_id, m.line.text.decode(), m.more) for m in self.found]

    def say(self, *data: bytes, console: str = "a", at: int = 0) -> None:
        for piece in data:
            self.scanner.output(console, at, piece, 0.0)
            at += len(piece)


class Batches(ScannerTest):
    def test_the_log_has_it_before(self) -> None:
        self.say(b"panic\n")
        self.assertEqual(self.inner.got, [b"panic\n"])
        self.assertEqual(self.calls, [])
        self.later()
        self.assertEqual(self.lines(), [("a", "panic", 0)])

    def test_lines_of_one_batch_are_counted(self) -> None:
        self.say(b"pan", b"ic 1\npanic 2\noops\n", b"panic 3\n")
        self.say(b"panic\n", console="b")
        self.later()
        self.assertEqual(self.lines(), [("a", "panic 1", 2), ("a", "oops", 0), ("b", "panic", 0)])

    def test_output_goes_its_way_where_there_is_no_thread_to_look_at_it(self) -> None:
        has_thread = True

        def submit(call: Callable[[], None]) -> None:
            if not has_thread:
                raise RuntimeError("can't start new thread")
            self.calls.append(call)

        report = lambda: self.failures.append("failed")  # noqa: E731
        self.scanner = OutputScanner(self.inner, self.clock, submit, lambda call: call(), report)
        self.search("panic", "oops")
        has_thread = False
        self.say(bytes(BATCH_SIZE), b"\n")
        self.assertEqual([len(data) for data in self.inner.got], [BATCH_SIZE, 1])
        self.assertEqual(self.failures, ["failed"])
        has_thread = True
        self.say(b"panic\n", at=BATCH_SIZE + 1)
        self.later()
        self.assertEqual(self.lines(), [("a", "panic", 0)])

    def test_an_unfinished_line_is_looked_at_late_and_once(self) -> None:
        self.say(b"panic")
        self.later()
        self.assertEqual(self.found, [])
        self.later(LATE)
        self.assertEqual(self.lines(), [("a", "panic", 0)])
        self.say(b"!\n", at=5)
        self.later()
        self.later(10 * LATE)
        self.assertEqual(len(self.found), 1)
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])

    def test_output_that_comes_while_a_batch_is_looked_at_waits(self) -> None:
        self.say(b"panic 1\n")
        self.clock.advance(BATCH_TIME)
        self.say(b"panic 2\n", at=8)
        self.clock.advance(10.0)
        self.assertEqual(len(self.calls), 1)
        self.go()
        self.later(1.0)
        self.assertEqual([text for _, text, _ in self.lines()], ["panic 1", "panic 2"])

    def test_much_output_is_looked_at_at_once_and_what_comes_meanwhile_waits(self) -> None:
        self.scanner = self.make(4 * BATCH_SIZE, 8 * BATCH_SIZE)
        self.search("panic")
        line = b"panic\n".rjust(BATCH_SIZE)
        self.say(line[:-1])
        self.assertEqual(self.calls, [])
        self.say(line[-1:], at=BATCH_SIZE - 1)
        self.say(line, at=BATCH_SIZE)
        self.assertEqual(len(self.calls), 1)
        self.go()
        self.assertEqual(len(self.found), 1)
        self.later(10.0)
        self.assertEqual(len(self.found), 2)
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])

    def test_a_console_without_patterns_costs_nothing(self) -> None:
        self.say(b"panic\n", console="none")
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])

    def test_a_defect_ends_nothing(self) -> None:
        self.scanner.use(Search(Defective(["x"]), lambda _id: frozenset({0}), self.found.extend))
        self.say(b"x\n")
        self.later()
        self.assertEqual(self.failures, ["failed"])
        self.search("panic")
        self.say(b"panic\n", at=2)
        self.later()
        self.assertEqual(len(self.found), 1)

    def test_the_last_line_of_a_vm_that_went_away(self) -> None:
        self.say(b"oops")
        self.later()
        self.say(b" panic", at=4)
        self.scanner.gone("a")
        self.later()
        self.assertEqual([text for _, text, _ in self.lines()], ["oops panic"] * 2)
        self.assertEqual(self.scanner._matcher._unfinished, {})
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])
        self.scanner.gone("a")
        self.scanner.gone("none")
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])

    def test_so_many_in_each_turn(self) -> None:
        told = list[int]()

        def found(matches: list[PatternMatch]) -> None:
            told.append(len(matches))

        self.scanner.use(Search(PatternSet(["x"]), lambda _id: frozenset({0}), found))
        for number in range(2 * TURN + 1):
            self.scanner.output(str(number), 0, b"x\n", 0.0)
        self.later()
        self.say(b"x\n", console="last")
        self.assertEqual(told, [TURN])
        self.later(0)
        self.later(0)
        self.assertEqual(told, [TURN, TURN, 1])
        self.later(1.0)
        self.assertEqual(told, [TURN, TURN, 1, 1])


class Floods(ScannerTest):
    def test_the_latest_of_a_console_is_looked_at_and_the_rest_counted(self) -> None:
        self.say(b"oops\n" + b"x" * 900 + b"\n", b"y" * 500, b"\nKernel panic\n")
        self.say(b"oops\n", console="b")
        self.later()
        self.assertEqual(self.lines(), [("a", "Kernel panic", 0), ("b", "oops", 0)])
        self.assertEqual(self.scanner.take_skipped(), {"a": 906})
        self.assertEqual(self.scanner.take_skipped(), {})
        self.assertEqual(self.scanner.skipped, 906)

    def test_all_consoles_together_have_a_bound(self) -> None:
        for console in ("a", "b", "c"):
            self.say(b"x" * 899 + b"\n", console=console)
        self.assertEqual(self.scanner.take_skipped(), {"c": 900})


class Reloads(ScannerTest):
    def test_other_patterns_count_for_what_is_looked_at_then(self) -> None:
        self.say(b"panic\nother\n")
        self.search("other")
        self.later()
        self.assertEqual(self.lines(), [("a", "other", 0)])

    def test_another_name_of_a_console(self) -> None:
        chosen = frozenset[int]()
        self.scanner.use(Search(PatternSet(["x"]), lambda _id: chosen, self.found.extend))
        self.say(b"x\n")
        chosen = frozenset({0})
        self.say(b"x\n", at=2)
        self.scanner.changed("a")
        self.say(b"x\n", at=4)
        self.later()
        self.assertEqual([m.line.offset for m in self.found], [4])

    def test_nothing_runs_after_the_end(self) -> None:
        self.say(b"panic\n")
        self.scanner.stop()
        self.say(b"panic\n")
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])
