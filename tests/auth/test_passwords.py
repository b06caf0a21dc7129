"""Passwords: hashes as other programs write them, threads, turns, and the same time for all."""

import sys
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as any_reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults, inlineCallbacks
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SynchronousTestCase, TestCase

from vspc.auth.passwords import (
    HASHERS,
    LONGEST,
    WAITING,
    Passwords,
    hash_password,
    verify,
)
from vspc.config.credentials import COST, LEAST_MEMORY, Cost, cost_of, password_hash

reactor: Any = any_reactor

CHEAP = Cost(LEAST_MEMORY, 5, 1)

# What `printf password | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 32 -e` prints.
REFERENCE = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"


class Hashes(SynchronousTestCase):
    def test_ours_is_taken_by_our_configuration_and_is_right_for_its_password_only(self) -> None:
        text = hash_password(b"correct horse")
        self.assertEqual(password_hash(text).text, text)
        self.assertEqual(cost_of(text), COST)
        self.assertTrue(verify(b"correct horse", text))
        self.assertFalse(verify(b"Correct horse", text))
        self.assertFalse(verify(b"", text))

    def test_no_two_are_alike(self) -> None:
        self.assertNotEqual(hash_password(b"x", CHEAP), hash_password(b"x", CHEAP))

    def test_one_of_another_program(self) -> None:
        self.assertTrue(verify(b"password", REFERENCE))
        self.assertFalse(verify(b"passwort", REFERENCE))
        self.assertEqual(password_hash(REFERENCE).text, REFERENCE)

    def test_no_password_and_one_that_is_too_long(self) -> None:
        for password in (b"", b"x" * (LONGEST + 1)):
            with self.assertRaises(ValueError) as caught:
                hash_password(password, CHEAP)
            self.assertNotIn("xx", str(caught.exception))
        self.assertTrue(verify(b"\0" * LONGEST, hash_password(b"\0" * LONGEST, CHEAP)))


class RealThreads(TestCase):
    """Hashing as it is in service: the usual cost, both threads at once, others waiting."""

    @inlineCallbacks
    def test_many_at_once_are_all_answered(self) -> Any:
        failures: list[object] = []
        pool = ThreadPool(0, HASHERS)
        pool.start()
        self.addCleanup(pool.stop)
        passwords = Passwords(
            lambda call: deferToThreadPool(reactor, pool, call),
            lambda: failures.append(sys.exc_info()),
        )
        self.addCleanup(passwords.close)
        hashed = hash_password(b"right")
        answers: list[Deferred[bool]] = []
        for number in range(6):
            word = b"right" if number % 2 else b"wrong"
            check = passwords.check(hashed if number < 4 else None, word, str(number))
            answers.append(Deferred.fromCoroutine(check))
        right = yield gatherResults(answers)
        self.assertEqual(right, [False, True, False, True, False, False])
        self.assertEqual(failures, [])


class Hashers:
    """In the place of hashing and its threads: a call is done when the test says so."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, str]] = []
        self.busy: list[tuple[Callable[[], bool], Deferred[bool]]] = []

    def __call__(self, call: Callable[[], bool]) -> Deferred[bool]:
        self.busy.append((call, Deferred()))
        return self.busy[-1][1]

    def verify(self, password: bytes, hashed: str) -> bool:
        self.seen.append((password, hashed))
        if password == b"raise":
            raise RuntimeError("no secret in here")
        return password == hashed.encode()

    def step(self) -> None:
        """One call is done."""
        call, done = self.busy.pop(0)
        try:
            done.callback(call())
        except RuntimeError:
            done.errback()

    def finish(self) -> None:
        while self.busy:
            self.step()


class Checking(SynchronousTestCase):
    def setUp(self) -> None:
        self.failures = 0
        self.hashers = Hashers()
        self.passwords = Passwords(self.hashers, self.fail_once, self.hashers.verify)

    def fail_once(self) -> None:
        self.assertIsNotNone(sys.exc_info()[1])
        self.failures += 1

    def check(self, hashed: str | None, password: bytes, client: str = "a") -> Deferred[bool]:
        return Deferred.fromCoroutine(self.passwords.check(hashed, password, client))

    def answer(self, hashed: str | None, password: bytes) -> bool:
        checking = self.check(hashed, password)
        self.assertNoResult(checking)
        self.hashers.finish()
        return self.successResultOf(checking)

    def test_for_real(self) -> None:
        self.passwords = Passwords(self.hashers, self.fail_once)
        text = hash_password(b"hunter2", CHEAP)
        self.assertTrue(self.answer(text, b"hunter2"))
        self.assertFalse(self.answer(text, b"hunter3"))
        self.assertFalse(self.answer(None, b"hunter2"))

    def test_an_empty_password_is_never_right(self) -> None:
        self.assertFalse(self.answer("", b""))

    def test_at_most_two_at_once(self) -> None:
        waiting = [self.check("x", b"x", str(number)) for number in range(10)]
        while self.hashers.busy:
            self.assertLessEqual(len(self.hashers.busy), HASHERS)
            self.hashers.step()
        self.assertEqual([self.successResultOf(each) for each in waiting], [True] * 10)

    def test_an_unknown_operator_costs_as_much_as_most_of_the_others(self) -> None:
        self.assertFalse(self.answer(None, b"x"))
        dear, cheap = hash_password(b"a", Cost(8192, 6, 2)), hash_password(b"a", CHEAP)
        self.passwords.imitate([cheap, dear, dear, "nonsense"])
        self.assertFalse(self.answer(None, b"x"))
        self.passwords.imitate([])
        self.assertFalse(self.answer(None, b"x"))
        costs = [cost_of(hashed) for _password, hashed in self.hashers.seen]
        self.assertEqual(costs, [COST, Cost(8192, 6, 2), COST])
        for _password, hashed in self.hashers.seen:
            self.assertFalse(verify(b"", hashed))

    def test_a_password_that_is_too_long_is_wrong_after_as_long_a_time(self) -> None:
        long = b"x" * (LONGEST + 1)
        self.assertFalse(self.answer(long.decode(), long))
        self.assertEqual(self.hashers.seen[0][0], b"")

    def test_many_of_one_address_do_not_lock_out_another(self) -> None:
        many = [self.check("x", b"x", "many") for _ in range(HASHERS + WAITING + 50)]
        good = self.check("y", b"y", "good")
        self.hashers.finish()
        self.assertTrue(self.successResultOf(good))
        self.assertLess(self.hashers.seen.index((b"y", "y")), HASHERS + 3)
        self.assertEqual(self.passwords.overflowed, 51)
        self.assertEqual([self.successResultOf(each) for each in many].count(False), 51)

    def test_a_cancelled_check_in_the_queue_is_not_made(self) -> None:
        busy = [self.check("x", b"x") for _ in range(HASHERS)]
        cancelled = self.check("z", b"z")
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        last = self.check("y", b"y")
        self.hashers.finish()
        for each in (*busy, last):
            self.assertTrue(self.successResultOf(each))
        self.assertNotIn((b"z", "z"), self.hashers.seen)

    def test_a_cancelled_check_keeps_its_thread_until_that_is_done(self) -> None:
        for _ in range(3 * HASHERS):
            cancelled = self.check("z", b"z")
            cancelled.cancel()
            self.failureResultOf(cancelled, CancelledError)
        self.assertEqual(len(self.hashers.busy), HASHERS)
        last = self.check("y", b"y")
        self.assertEqual(len(self.hashers.busy), HASHERS)
        self.hashers.finish()
        self.assertTrue(self.successResultOf(last))

    def test_an_exception_is_a_no_and_the_next_one_is_checked(self) -> None:
        for _ in range(HASHERS + 1):
            self.assertFalse(self.answer("raise", b"raise"))
        self.assertTrue(self.answer("x", b"x"))
        self.assertEqual(self.failures, HASHERS + 1)

    def test_without_a_thread_it_is_a_no_and_the_next_one_is_checked(self) -> None:
        def no_thread(_call: Callable[[], bool]) -> Deferred[bool]:
            raise RuntimeError("can't start new thread")

        self.passwords._in_hasher = no_thread
        for _ in range(HASHERS + 1):
            self.assertFalse(self.successResultOf(self.check("x", b"x")))
        self.passwords._in_hasher = self.hashers
        self.assertTrue(self.answer("x", b"x"))
        self.assertEqual(self.failures, HASHERS + 1)

    def test_closed_it_answers_nothing_and_checks_nothing_more(self) -> None:
        waiting = [self.check("x", b"x") for _ in range(5)]
        self.passwords.close()
        late = self.check("x", b"x")
        self.hashers.finish()
        for each in waiting[:HASHERS]:
            self.assertNoResult(each)
        for each in (*waiting[HASHERS:], late):
            self.failureResultOf(each, CancelledError)
        self.assertEqual(len(self.hashers.seen), HASHERS)

    def test_nothing_of_it_is_shown(self) -> None:
        for check in (self.check("the hash", b"the password") for _ in range(HASHERS + 1)):
            self.assertNotIn("the hash", repr(check))
            self.assertNotIn("the password", repr(check))
