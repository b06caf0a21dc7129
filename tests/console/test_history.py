"""The ring, against a plain bytes as the model; and the budget that all rings share."""

from unittest import mock

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.console.history import REST, SMALLEST, Budget, History


def fail(*_: object) -> bytearray:
    """No memory."""
    raise MemoryError


PIECES = st.lists(st.integers(0, 9000), max_size=30)


class Ring(SynchronousTestCase):
    @given(PIECES, st.sampled_from([4096, 16384, 65536]))
    def test_keeps_the_last_bytes_of_whatever_was_appended(
        self, sizes: list[int], limit: int
    ) -> None:
        history = History(Budget(), limit)
        model = b""
        for count, size in enumerate(sizes):
            piece = bytes((count + i) % 251 for i in range(size))
            history.append(piece)
            model += piece
            self.assertEqual(history.end, len(model))
            kept = history.read(history.start, limit)
            self.assertEqual(kept, model[history.start :])
            self.assertGreaterEqual(len(kept), min(len(model), limit))
            self.assertLessEqual(history.capacity, limit)

    def test_one_append_larger_than_the_ring_keeps_its_end(self) -> None:
        history = History(Budget(), 4096)
        history.append(b"x" * 5000 + b"end")
        self.assertEqual((history.start, history.end), (5003 - 4096, 5003))
        self.assertTrue(history.read(history.start, 9999).endswith(b"end"))

    @given(st.lists(st.integers(0, 1500), max_size=9), st.booleans())
    def test_shrunk_it_keeps_the_lines_that_begin_in_its_rest(
        self, sizes: list[int], ends: bool
    ) -> None:
        history = History(Budget(), 65536)
        said = b"\n".join(b"x" * size for size in sizes) + b"\n" * ends
        history.append(said)
        history.shrink()
        cut = max(0, len(said) - REST)
        begins = said.find(b"\n", cut - 1, len(said) - 1) + 1 if cut else 0
        self.assertEqual(history.start, begins or cut)
        self.assertEqual(history.read(history.start, 65536), said[history.start :])
        self.assertLessEqual(history.capacity, REST)

    def test_without_memory_for_a_larger_ring_the_small_one_has_the_last_bytes(self) -> None:
        history = History(Budget(), 65536)
        history.append(b"a" * 4000)
        with mock.patch("vspc.console.history.bytearray", fail, create=True):
            history.append(b"b" * 4000)
        self.assertEqual((history.start, history.end), (8000 - 4096, 8000))
        self.assertEqual(history.read(history.start, 9999), b"a" * 96 + b"b" * 4000)
        history.append(b"c" * 4000)
        self.assertEqual(history.read(8000, 9999), b"c" * 4000)

    def test_without_memory_for_a_ring_offsets_go_on_and_nothing_is_kept(self) -> None:
        history = History(Budget(), 65536)
        with mock.patch("vspc.console.history.bytearray", fail, create=True):
            history.append(b"lost")
        self.assertEqual((history.start, history.end, history.read(4, 10)), (4, 4, b""))
        history.append(b"kept")
        self.assertEqual(history.read(4, 10), b"kept")

    def test_an_offset_that_is_not_kept_is_refused_by_name(self) -> None:
        history = History(Budget(), 4096)
        history.append(b"x" * 5000)
        with self.assertRaisesRegex(ValueError, "offset 3 is not within 904 to 5000"):
            history.read(3, 1)

    def test_grows_from_4_kib_by_doubling_to_its_limit(self) -> None:
        history = History(Budget(), 65536)
        seen = set()
        for _ in range(40):
            history.append(b"x" * 2000)
            seen.add(history.capacity)
        self.assertEqual(seen, {4096, 8192, 16384, 32768, 65536})

    def test_offsets_go_on_after_the_memory_was_given_back(self) -> None:
        history = History(Budget(), 4096)
        history.append(b"monday")
        history.release()
        history.append(b"tuesday")
        self.assertEqual(history.start, 6)
        self.assertEqual(history.read(6, 100), b"tuesday")


class LastLines(SynchronousTestCase):
    def lines(self, text: bytes, count: int, limit: int = 4096) -> bytes:
        history = History(Budget(), 4096)
        history.append(text)
        return history.read(history.last_lines(count, limit), 4096)

    def test_whole_lines(self) -> None:
        self.assertEqual(self.lines(b"a\nb\nc\n", 2), b"b\nc\n")

    def test_an_unfinished_line_counts_as_one(self) -> None:
        self.assertEqual(self.lines(b"a\nb\nlogin: ", 2), b"b\nlogin: ")

    def test_fewer_lines_than_asked_for(self) -> None:
        self.assertEqual(self.lines(b"a\nb", 20), b"a\nb")

    def test_a_line_without_end_is_cut_at_the_limit(self) -> None:
        self.assertEqual(self.lines(b"x" * 4000, 20, limit=100), b"x" * 100)

    def test_without_output(self) -> None:
        self.assertEqual(self.lines(b"", 20), b"")


class TotalBudget(SynchronousTestCase):
    def test_the_longest_silent_give_way_first(self) -> None:
        budget = Budget(3 * SMALLEST)
        histories = [History(budget, SMALLEST) for _ in range(4)]
        for history in histories:
            history.append(b"x")
        histories[1].append(b"y")
        self.assertEqual([h.capacity for h in histories], [0, SMALLEST, SMALLEST, SMALLEST])
        histories[0].append(b"z")
        self.assertEqual(histories[2].capacity, 0)
        self.assertEqual(budget.used, 3 * SMALLEST)

    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 20000)), max_size=60))
    def test_the_total_is_never_exceeded_and_always_adds_up(
        self, talk: list[tuple[int, int]]
    ) -> None:
        budget = Budget(64 * 1024)
        histories = [History(budget, 32 * 1024) for _ in range(6)]
        for speaker, size in talk:
            histories[speaker].append(b"x" * size)
            self.assertEqual(budget.used, sum(h.capacity for h in histories))
            self.assertLessEqual(budget.used, 64 * 1024)
            self.assertGreaterEqual(histories[speaker].capacity, SMALLEST)
