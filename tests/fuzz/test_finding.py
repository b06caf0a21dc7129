"""A target with mistakes of every kind: each is found, made small, and told from the others."""

from random import Random

from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from tests.fuzz.finding import Finding, TooSlow, examine, minimised
from tests.fuzz.keeping import choose
from tests.fuzz.mutation import Mutator
from tests.fuzz.target import Choices, Target, chunks
from vspc.wire.opening import recognise

LOG = Logger()


def run(data: bytes) -> None:
    if b"x" in data:
        raise ValueError("x")
    if data.count(b"y") > 1:
        raise KeyError("y")
    if b"slow" in data:
        while True:
            pass
    if b"logged" in data:
        try:
            raise OSError("logged")
        except OSError:
            LOG.failure("defect")


MISTAKEN = Target("mistaken", run, tuple)


def found(data: bytes, limit: float | None = None) -> Finding:
    finding = examine(MISTAKEN, data, limit)
    assert finding is not None
    return finding


class Found(SynchronousTestCase):
    def test_what_is_right_is_none(self) -> None:
        self.assertIsNone(examine(MISTAKEN, b"abc"))

    def test_two_mistakes_are_two_places(self) -> None:
        self.assertEqual(found(b"x").place, found(b"axb").place)
        self.assertNotEqual(found(b"x").place, found(b"yy").place)
        self.assertIn("KeyError", found(b"yy").trace)

    def test_a_failure_that_is_only_logged(self) -> None:
        self.assertIn("OSError", found(b"it is logged").trace)
        self.flushLoggedErrors(OSError)

    def test_an_input_that_never_ends(self) -> None:
        self.assertEqual(found(b"slow", limit=0.05).place, TooSlow.__name__)

    def test_the_smallest_input_is_shown(self) -> None:
        self.assertEqual(minimised(MISTAKEN, found(b"a" * 300 + b"yby" + b"c" * 99)).data, b"yy")
        self.assertEqual(minimised(MISTAKEN, found(b"x")).data, b"x")


class Inputs(SynchronousTestCase):
    def test_the_same_seed_gives_the_same_mutations(self) -> None:
        def some(seed: int) -> list[bytes]:
            mutator = Mutator(Random(seed), (b"abc", b"def"), (b"TOKEN",), 20)
            return [mutator.next() for _ in range(200)]

        self.assertEqual(some(1), some(1))
        self.assertNotEqual(some(1), some(2))
        self.assertLessEqual(max(map(len, some(1))), 20)
        self.assertTrue(any(b"TOKEN" in data for data in some(1)))

    def test_an_empty_corpus_is_mutated_too(self) -> None:
        mutator = Mutator(Random(1), (), (), 20)
        self.assertGreater(len({mutator.next() for _ in range(99)}), 9)

    def test_chunks_are_the_whole(self) -> None:
        for seed in range(9):
            self.assertEqual(b"".join(chunks(b"a long text" * 99, seed)), b"a long text" * 99)
        self.assertEqual(list(chunks(b"abc", 0)), [b"a", b"b", b"c"])

    def test_decisions_end_with_the_bytes(self) -> None:
        choices = Choices(b"\2ab\3c")
        self.assertEqual((choices.piece(), choices.below(2), choices.piece()), (b"ab", 1, b""))
        self.assertEqual((choices.byte(), choices.take(2), bool(choices)), (0, b"", False))


class Keeping(SynchronousTestCase):
    def test_what_reaches_nothing_new_is_not_kept(self) -> None:
        target = Target("opening", recognise, lambda: (b"a",))
        self.assertEqual(choose(target, (b"SSH-2", b"SSH-", b"b", b"SSH-1.99")), [b"SSH-"])
