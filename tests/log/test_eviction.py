"""What goes when logs take too much."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.log.eviction import RECENT, UNTOUCHED, Holding, Piece, evict

NOW = 1_000_000_000.0
MIB = 1 << 20
YEAR = 365 * 86400.0


def holding(sizes: list[int], age: float = 2 * RECENT, limit: int = 1 << 40) -> Holding:
    """Pieces of `age` seconds."""
    return Holding([Piece(size, NOW - age) for size in sizes], YEAR, limit)


class Situations(SynchronousTestCase):
    """By name."""

    def test_what_is_too_old_goes_even_the_last(self) -> None:
        old = Holding([Piece(1, NOW - 100), Piece(1, NOW - 50)], 60.0, 1 << 40)
        older = Holding([Piece(1, NOW - 100)], 60.0, 1 << 40)
        evict([old, older], 1 << 40, NOW)
        self.assertEqual((old.gone, older.gone), (1, 1))

    def test_a_console_over_its_own_limit_loses_its_oldest(self) -> None:
        one = holding([MIB] * 10, limit=4 * MIB)
        evict([one], 1 << 40, NOW)
        self.assertEqual(one.gone, 6)

    def test_one_flooding_guest_evicts_nobody_else(self) -> None:
        flood = holding([4 * MIB] * 1000, age=0)
        quiet = [holding([MIB, MIB]) for _ in range(50)]
        evict([flood, *quiet], 1000 * MIB, NOW)
        self.assertEqual([h.gone for h in quiet], [0] * 50)
        self.assertLessEqual(flood.size, 900 * MIB)

    def test_the_last_day_of_a_console_within_its_share_is_untouchable(self) -> None:
        recent = holding([MIB] * 80, age=RECENT / 2)
        evict([recent, holding([MIB] * 50), holding([MIB] * 50)], 150 * MIB, NOW)
        self.assertEqual(recent.gone, 30)  # down to its share of 50
        old = holding([MIB] * 80)
        evict([recent := holding([MIB] * 40, age=RECENT / 2), old], 100 * MIB, NOW)
        self.assertEqual((recent.gone, old.gone), (0, 20))

    def test_the_total_wins_over_protection(self) -> None:
        all_of_them = [holding([UNTOUCHED]) for _ in range(10)]
        left = evict(all_of_them, 5 * UNTOUCHED + 1, NOW)
        self.assertEqual(left, 5 * UNTOUCHED)

    def test_unless_nobody_forces_it(self) -> None:
        all_of_them = [holding([MIB] * 8) for _ in range(10)]
        left = evict(all_of_them, 0, NOW, force=False)
        self.assertEqual(left, 0)  # the share of nothing is nothing
        all_of_them = [holding([UNTOUCHED]) for _ in range(10)]
        left = evict(all_of_them, 10 * UNTOUCHED - 1, NOW, force=False)
        self.assertEqual(left, 10 * UNTOUCHED)


_HOLDINGS = st.lists(
    st.builds(
        lambda sizes, ages: Holding(
            [
                Piece(size, NOW - age)
                for size, age in zip(sizes, sorted(ages, reverse=True), strict=False)
            ],
            YEAR,
            1 << 40,
        ),
        st.lists(st.integers(1, 8 * MIB), max_size=12),
        st.lists(st.floats(0, 3 * RECENT), min_size=12, max_size=12),
    ),
    min_size=1,
    max_size=12,
)


class Always(SynchronousTestCase):
    """Whatever there is."""

    @settings(max_examples=200, deadline=None)
    @given(_HOLDINGS, st.integers(0, 200 * MIB))
    def test_the_total_holds_and_nothing_goes_that_did_not_have_to(
        self, holdings: list[Holding], total: int
    ) -> None:
        before = sum(piece.size for h in holdings for piece in h.pieces)
        left = evict(holdings, total, NOW)
        self.assertLessEqual(left, max(0, total))
        self.assertEqual(left, sum(h.size for h in holdings))
        for h in holdings:
            self.assertEqual(h.size, sum(piece.size for piece in h.pieces[h.gone :]))
        if before <= total:
            self.assertEqual(sum(h.gone for h in holdings), 0)
        elif any(h.gone for h in holdings):
            # The smallest of those that went last would have been too much.
            last = [h.pieces[h.gone - 1].size for h in holdings if h.gone]
            self.assertGreater(left + max(last), total)

    @settings(max_examples=200, deadline=None)
    @given(_HOLDINGS, st.integers(1, 200 * MIB))
    def test_a_console_within_its_share_pays_for_nobody(
        self, holdings: list[Holding], total: int
    ) -> None:
        share = total / len(holdings)
        small = [h for h in holdings if h.size <= share and h.size <= UNTOUCHED]
        evict(holdings, total, NOW, force=False)
        self.assertEqual([h.gone for h in small], [0] * len(small))
