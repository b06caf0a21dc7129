"""Which segments have to go."""

from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.log.space import PROTECTED, RECENT, Retained, RetainedPiece, RetentionLimits, leaving

NOW = 1_700_000_000.0
MIB = 1 << 20
DAY = 86_400.0
NO_LIMIT = 1 << 50


def piece(size: int, age: float = 2 * RECENT, closed: bool = True) -> RetainedPiece:
    """One whose last byte is `age` seconds old."""
    return RetainedPiece(size, NOW - age - 60, NOW - age, closed)


def pieces(number: int, size: int = MIB, age: float = 2 * RECENT) -> list[RetainedPiece]:
    """`number` of them."""
    return [piece(size, age)] * number


def limits(
    total: int = NO_LIMIT, console: int = NO_LIMIT, keep: float = 90 * DAY
) -> RetentionLimits:
    """Where none is given, there is none."""
    return RetentionLimits(console, total, keep)


class ByItself(SynchronousTestCase):
    """What goes whatever the others have."""

    def test_within_the_limits_nothing_goes(self) -> None:
        logs = {"web01": Retained(pieces(3)), "web02": Retained([])}
        self.assertEqual(leaving(logs, limits(3 * MIB, 3 * MIB), NOW), {})
        self.assertEqual(leaving({}, limits(0), NOW), {})

    def test_what_is_too_old_goes_the_open_one_too(self) -> None:
        logs = {
            "some": Retained([piece(1, 91 * DAY), piece(1, 90 * DAY), piece(1, 0)]),
            "all": Retained([piece(1, 91 * DAY), piece(1, 91 * DAY, closed=False)]),
        }
        self.assertEqual(leaving(logs, limits(), NOW), {"some": 1, "all": 2})

    def test_a_console_over_its_limit_loses_its_oldest(self) -> None:
        self.assertEqual(
            leaving({"web01": Retained(pieces(10))}, limits(console=4 * MIB), NOW), {"web01": 6}
        )

    def test_the_open_one_stays_if_the_others_are_enough(self) -> None:
        kept = Retained([*pieces(2), piece(MIB, 0, closed=False)])
        self.assertEqual(leaving({"web01": kept}, limits(console=MIB), NOW), {"web01": 2})
        self.assertEqual(leaving({"web01": kept}, limits(console=MIB - 1), NOW), {"web01": 3})

    def test_limits_of_its_own(self) -> None:
        logs = {
            "default": Retained(pieces(4)),
            "small": Retained(pieces(4), max_console=MIB),
            "short": Retained(pieces(4), keep=DAY),
            "large": Retained(pieces(4), max_console=4 * MIB, keep=365 * DAY),
        }
        expected = {"default": 2, "small": 3, "short": 4}
        self.assertEqual(leaving(logs, limits(console=2 * MIB), NOW), expected)

    def test_a_clock_that_was_set_back_takes_nothing_newer(self) -> None:
        kept = Retained([piece(1, 0), piece(1, 91 * DAY), piece(1, 0)])
        self.assertEqual(leaving({"web01": kept}, limits(), NOW), {})


class InAll(SynchronousTestCase):
    """Who pays."""

    def test_one_flooding_guest_takes_no_history_of_others(self) -> None:
        logs = {"flood": Retained(pieces(500, 4 * MIB, age=0))}
        logs |= {f"web{n}": Retained(pieces(4)) for n in range(100)}
        gone = leaving(logs, limits(1000 * MIB), NOW)
        self.assertEqual(gone, {"flood": 350})

    def test_two_flooding_guests_pay_alike(self) -> None:
        logs = {
            "one": Retained(pieces(60)),
            "two": Retained(pieces(50)),
            "quiet": Retained(pieces(10)),
        }
        self.assertEqual(leaving(logs, limits(90 * MIB), NOW), {"one": 20, "two": 10})

    def test_the_last_day_is_not_for_others(self) -> None:
        logs = {"busy": Retained(pieces(30, age=60)), "old": Retained(pieces(20))}
        self.assertEqual(leaving(logs, limits(45 * MIB), NOW), {"busy": 5})
        logs = {"busy": Retained(pieces(30, age=60)), "old": Retained(pieces(40))}
        self.assertEqual(leaving(logs, limits(62 * MIB), NOW), {"old": 8})

    def test_the_last_day_is_protected_up_to_the_share(self) -> None:
        logs = {"busy": Retained(pieces(80, age=60)), "old": Retained(pieces(12))}
        self.assertEqual(leaving(logs, limits(60 * MIB), NOW), {"busy": 32})

    def test_the_total_wins_over_protection(self) -> None:
        logs = {n: Retained([piece(PROTECTED, 0)]) for n in range(10)}
        gone = leaving(logs, limits(5 * PROTECTED), NOW)
        self.assertEqual(sum(gone.values()), 5)

    def test_room_on_the_disk_does_not_win_over_protection(self) -> None:
        logs = {"one": Retained(pieces(4)), "two": Retained(pieces(6))}
        self.assertEqual(leaving(logs, limits(100 * MIB), NOW, room=1), {"two": 1})
        self.assertEqual(leaving(logs, limits(100 * MIB), NOW, room=10 * MIB), {"two": 2})

    def test_what_went_anyway_is_room_too(self) -> None:
        logs = {"old": Retained([piece(MIB, 91 * DAY)]), "two": Retained(pieces(9))}
        self.assertEqual(leaving(logs, limits(100 * MIB), NOW, room=MIB), {"old": 1})
        self.assertEqual(leaving(logs, limits(100 * MIB), NOW, room=MIB + 1), {"old": 1, "two": 1})

    def test_open_ones_go_last(self) -> None:
        logs = {
            "open": Retained([*pieces(2), piece(8 * MIB, 0, closed=False)]),
            "closed": Retained(pieces(8)),
        }
        self.assertEqual(leaving(logs, limits(13 * MIB), NOW), {"open": 2, "closed": 3})
        # Its share is 6 MiB, of which the other one has only what is protected.
        self.assertEqual(leaving(logs, limits(12 * MIB - 1), NOW), {"open": 3})

    def test_a_flooder_pays_with_a_piece_that_is_larger_than_its_share(self) -> None:
        logs = {
            "flood": Retained([piece(8 * MIB, 0)]),
            "one": Retained(pieces(2)),
            "two": Retained(pieces(2)),
        }
        self.assertEqual(leaving(logs, limits(11 * MIB), NOW), {"flood": 1})

    def test_a_log_that_is_not_closed_pays_rather_than_who_is_within_his_share(self) -> None:
        logs = {"flood": Retained([piece(8 * MIB, 0, closed=False)]), "quiet": Retained(pieces(2))}
        self.assertEqual(leaving(logs, limits(8 * MIB), NOW), {"flood": 1})

    def test_what_went_for_nothing_is_kept(self) -> None:
        logs = {
            "small": Retained([piece(2), piece(MIB - 1), *pieces(19)]),
            "large": Retained([piece(8 * MIB), *pieces(12)]),
        }
        self.assertEqual(leaving(logs, limits(40 * MIB - 1), NOW), {"small": 1})
        self.assertEqual(leaving(logs, limits(40 * MIB - 2), NOW), {"large": 1})

    def test_twenty_thousand_consoles(self) -> None:
        logs = {n: Retained(pieces(20)) for n in range(20_000)}
        gone = leaving(logs, limits(100_000 * MIB), NOW)
        self.assertEqual(sum(gone.values()), 300_000)
        self.assertEqual(set(gone.values()), {15})


def _kept(sizes: list[int], ages: list[float], opened: bool) -> Retained:
    number = min(len(sizes), len(ages))
    found = [piece(size, age) for size, age in zip(sizes, sorted(ages, reverse=True), strict=False)]
    if opened and number:
        found[-1] = piece(found[-1].size_on_disk, 0.0, closed=False)
    return Retained(found)


SIZES = st.lists(st.integers(1, 3) | st.integers(1, 8 * MIB), max_size=10)
AGES = st.lists(st.floats(0, 3 * RECENT), min_size=10, max_size=10)
LOGS = st.lists(st.builds(_kept, SIZES, AGES, st.booleans()), max_size=10).map(
    lambda logs: dict(enumerate(logs))
)
TOTALS = st.integers(0, 100 * MIB)


def staying(
    logs: Mapping[int, Retained], gone: Mapping[int, int]
) -> dict[int, list[RetainedPiece]]:
    """The pieces that stay."""
    return {key: list(kept.pieces[gone.get(key, 0) :]) for key, kept in logs.items()}


def size(found: Sequence[RetainedPiece]) -> int:
    """Bytes of them."""
    return sum(one.size_on_disk for one in found)


def fair_share(logs: Mapping[int, Retained], total: int) -> float:
    """Bytes for each console that has a log."""
    return total / max(1, sum(1 for kept in logs.values() if kept.pieces))


def protection(kept: Retained, share: float) -> float:
    """Bytes that others cannot take."""
    fresh = sum(one.size_on_disk for one in kept.pieces if one.last >= NOW - RECENT)
    return min(share, max(PROTECTED, fresh))


class Always(SynchronousTestCase):
    """Whatever there is."""

    @settings(deadline=None, max_examples=100)
    @given(LOGS, TOTALS, st.integers(0, 40 * MIB), st.integers(0, 100 * MIB))
    def test_no_limit_is_exceeded_and_only_what_is_there_goes(
        self, logs: dict[int, Retained], total: int, console: int, room: int
    ) -> None:
        gone = leaving(logs, limits(total, console, keep=2 * RECENT), NOW, room)
        left = staying(logs, gone)
        self.assertLessEqual(sum(size(found) for found in left.values()), total)
        for key, number in gone.items():
            self.assertTrue(1 <= number <= len(logs[key].pieces))
        for found in left.values():
            self.assertLessEqual(size(found), console)
            self.assertTrue(not found or found[0].last >= NOW - 2 * RECENT)

    @settings(deadline=None, max_examples=100)
    @given(LOGS, TOTALS, st.integers(0, 100 * MIB))
    def test_within_its_share_a_console_loses_nothing_protected(
        self, logs: dict[int, Retained], total: int, room: int
    ) -> None:
        gone = leaving(logs, limits(total), NOW, room)
        share = fair_share(logs, total)
        for key, found in staying(logs, gone).items():
            if key in gone and size(found) < protection(logs[key], share):
                last = logs[key].pieces[gone[key] - 1]
                self.assertGreater(size(found) + last.size_on_disk, share)

    @settings(deadline=None, max_examples=100)
    @given(LOGS, TOTALS)
    def test_within_its_share_a_console_loses_nothing_while_others_are_over_theirs(
        self, logs: dict[int, Retained], total: int
    ) -> None:
        left = staying(logs, gone := leaving(logs, limits(total), NOW))
        spare = total - sum(size(found) for found in left.values())
        share = fair_share(logs, total)
        lost = [logs[key].pieces[number - 1].size_on_disk for key, number in gone.items()]
        within = [
            one for key, one in zip(gone, lost, strict=True) if size(left[key]) + one <= share
        ]
        for found in left.values():
            if size(found) > share and found[0].closed:
                # It could have gone, but that would have saved none of them.
                self.assertLess(spare + found[0].size_on_disk, min(within, default=NO_LIMIT))

    @settings(deadline=None, max_examples=100)
    @given(LOGS, TOTALS)
    def test_nothing_goes_that_did_not_have_to(self, logs: dict[int, Retained], total: int) -> None:
        left = staying(logs, gone := leaving(logs, limits(total), NOW))
        spare = total - sum(size(found) for found in left.values())
        for key, number in gone.items():
            self.assertGreater(logs[key].pieces[number - 1].size_on_disk, spare)

    @settings(deadline=None, max_examples=100)
    @given(LOGS, st.integers(0, 100), st.integers(1, 16 * MIB))
    def test_a_flooder_takes_nothing_from_who_is_within_his_share(
        self, logs: dict[int, Retained], floods: int, length: int
    ) -> None:
        others = [size(kept.pieces) for kept in logs.values()]
        total = (len(logs) + 1) * max([length, PROTECTED, *others])
        flooded = logs | {-1: Retained(pieces(floods, length, age=0))}
        self.assertLessEqual(set(leaving(flooded, limits(total), NOW)), {-1})
