"""One-time codes: the standard's own, clocks that are wrong, and codes that are used twice."""

import base64

import pyotp
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.auth.totp import FAR, STEP, Totp

SECRET = base64.b32encode(b"12345678901234567890").decode()
NOW = 1_700_000_010.0  # a step begins here


def code(now: float, secret: str = SECRET) -> bytes:
    return pyotp.TOTP(secret).at(int(now)).encode()


class Codes(SynchronousTestCase):
    def setUp(self) -> None:
        self.totp = Totp()

    def check(self, text: bytes, now: float = NOW, who: str = "alice") -> bool:
        return self.totp.check(who, SECRET, text, now)

    def test_the_codes_of_rfc_6238(self) -> None:
        """Appendix B has eight digits: the last six are the shorter code."""
        for now, eight in (
            (59, b"94287082"),
            (1111111109, b"07081804"),
            (1111111111, b"14050471"),
            (1234567890, b"89005924"),
            (2000000000, b"69279037"),
            (20000000000, b"65353130"),
        ):
            self.assertTrue(Totp().check("alice", SECRET, eight[2:], now), now)

    def test_no_code_is_used_twice(self) -> None:
        self.assertTrue(self.check(code(NOW)))
        for later in (0, 1, STEP, 2 * STEP):
            self.assertFalse(self.check(code(NOW), NOW + later))
        self.assertTrue(self.check(code(NOW), NOW + 1, "bob"))

    def test_nor_is_an_older_one(self) -> None:
        self.assertTrue(self.check(code(NOW)))
        self.assertFalse(self.check(code(NOW - STEP), NOW))
        self.assertTrue(self.check(code(NOW + STEP), NOW))

    def test_a_wrong_code_uses_up_nothing(self) -> None:
        self.assertFalse(self.check(b"000000"))
        self.assertTrue(self.check(code(NOW)))

    def test_clocks_may_be_wrong_by_one_step(self) -> None:
        for steps, right in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
            totp = Totp()
            self.assertEqual(totp.check("alice", SECRET, code(NOW + steps * STEP), NOW), right)

    def test_spaces_do_not_count_and_nothing_else_is_forgiven(self) -> None:
        right = code(NOW)
        for wrong in (b"", right[:5], right + b"0", b"+" + right, right + b"\n", b"\xd9\xa1" * 6):
            self.assertFalse(self.check(wrong), wrong)
        self.assertTrue(self.check(b" " + right[:3] + b" " + right[3:]))

    def test_who_has_no_secret_is_refused(self) -> None:
        self.assertFalse(self.totp.check("eve", None, code(NOW), NOW))
        self.assertEqual(self.totp.state, {})

    def test_before_1970_nothing_breaks(self) -> None:
        self.assertFalse(self.check(b"123456", -1e9))
        self.assertTrue(self.check(code(0), 0.0))


class Remembering(SynchronousTestCase):
    def test_a_restart_forgets_nothing(self) -> None:
        first, second = Totp(), Totp()
        self.assertTrue(first.check("alice", SECRET, code(NOW), NOW))
        second.restore(first.state)
        self.assertFalse(second.check("alice", SECRET, code(NOW), NOW))
        self.assertTrue(second.check("alice", SECRET, code(NOW + STEP), NOW + STEP))

    def test_restoring_loses_nothing_that_is_known(self) -> None:
        totp = Totp()
        self.assertTrue(totp.check("alice", SECRET, code(NOW), NOW))
        totp.restore({"alice": 1, "bob": 7})
        self.assertFalse(totp.check("alice", SECRET, code(NOW), NOW))
        self.assertEqual(totp.state["bob"], 7)

    def test_what_is_no_state_changes_nothing(self) -> None:
        totp = Totp(limit=2)
        many = dict.fromkeys("abc", 1)
        wrong: tuple[object, ...] = (None, [], {"a": "1"}, {"a": -1}, {"a": True}, {1: 1}, many)
        for state in wrong:
            with self.assertRaises(ValueError):
                totp.restore(state)
        with self.assertRaises(ValueError):
            totp.restore({"a": 1, "b": None})
        self.assertEqual(totp.state, {})

    def test_a_clock_that_was_far_ahead_does_not_lock_out(self) -> None:
        totp = Totp()
        ahead = NOW + (FAR + 3) * STEP
        self.assertTrue(totp.check("alice", SECRET, code(ahead), ahead))
        self.assertTrue(totp.check("alice", SECRET, code(NOW), NOW))
        self.assertFalse(totp.check("alice", SECRET, code(NOW), NOW))

    def test_the_table_is_bounded_and_makes_room_when_codes_are_old(self) -> None:
        totp = Totp(limit=2)
        self.assertTrue(totp.check("a", SECRET, code(NOW), NOW))
        self.assertTrue(totp.check("b", SECRET, code(NOW), NOW))
        self.assertFalse(totp.check("c", SECRET, code(NOW), NOW))
        later = NOW + 3 * STEP
        self.assertTrue(totp.check("c", SECRET, code(later), later))
        self.assertEqual(set(totp.state), {"c"})

    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 1)), max_size=20))
    def test_each_step_is_used_once_and_in_order(self, tries: list[tuple[int, int]]) -> None:
        totp, used = Totp(), []
        now = NOW
        for later, skew in tries:
            now += later * STEP
            if totp.check("alice", SECRET, code(now + skew * STEP), now):
                used.append(now + skew * STEP)
        self.assertEqual(used, sorted(set(used)))
