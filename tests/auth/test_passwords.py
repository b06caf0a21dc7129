"""Passwords: hashes as other programs know them, threads, turns, and nobody told apart by time."""

import sys
from collections.abc import Callable
from threading import Event, get_ident
from typing import Any

from twisted.internet import reactor as any_reactor
from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.auth.scripts import until
from tests.fakes import FakeClock
from vspc.auth.passwords import (
    HASHERS,
    LONGEST,
    WAITING,
    Passwords,
    hash_password,
    verify,
)
from vspc.config.secrets import COST, LEAST_MEMORY, Cost, cost_of, password_hash

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
        passwords = Passwords(
            FakeClock(), reactor.callFromThread, lambda: failures.append(sys.exc_info())
        )
        self.addCleanup(passwords.close)
        hashed = hash_password(b"right")
        answers: list[Deferred[bool]] = []
        for number in range(6):
            answer: Deferred[bool] = Deferred()
            word = b"right" if number % 2 else b"wrong"
            passwords.check(hashed if number < 4 else None, word, answer.callback, str(number))
            answers.append(answer)
        right = yield gatherResults(answers)
        self.assertEqual(right, [False, True, False, True, False, False])
        self.assertEqual(failures, [])


class Slow:
    """In the place of hashing: remembers what is checked, and takes as long as it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, str]] = []
        self.threads: set[int] = set()
        self.go = Event()

    def __call__(self, password: bytes, hashed: str) -> bool:
        self.threads.add(get_ident())
        self.seen.append((password, hashed))
        assert self.go.wait(30)
        if password == b"raise":
            raise RuntimeError("no secret in here")
        return password == hashed.encode()


class Checking(TestCase):
    timeout = 20

    def setUp(self) -> None:
        self.failures = 0
        self.slow = Slow()
        self.passwords = self.make(self.slow)
        self.addCleanup(self.slow.go.set)

    def make(self, check: Callable[[bytes, str], bool]) -> Passwords:
        passwords = Passwords(FakeClock(), reactor.callFromThread, self.fail_once, check)
        self.addCleanup(passwords.close)
        return passwords

    def fail_once(self) -> None:
        self.failures += 1

    def check(self, hashed: str | None, password: bytes, asker: str = "a") -> Deferred[bool]:
        done: Deferred[bool] = Deferred()
        self.passwords.check(hashed, password, done.callback, asker)
        return done

    @inlineCallbacks
    def test_for_real(self) -> Any:
        self.passwords = self.make(verify)
        text = hash_password(b"hunter2", CHEAP)
        self.assertTrue((yield self.check(text, b"hunter2")))
        self.assertFalse((yield self.check(text, b"hunter3")))
        self.assertFalse((yield self.check(None, b"hunter2")))

    @inlineCallbacks
    def test_an_empty_password_is_never_right(self) -> Any:
        self.slow.go.set()
        self.assertFalse((yield self.check("", b"")))

    @inlineCallbacks
    def test_nothing_is_answered_from_within(self) -> Any:
        self.slow.go.set()
        done = self.check("x", b"x")
        self.assertNoResult(done)
        self.assertTrue((yield done))

    @inlineCallbacks
    def test_at_most_two_at_once_and_none_in_the_reactors_thread(self) -> Any:
        waiting = [self.check("x", b"x", str(number)) for number in range(10)]
        yield until(reactor, lambda: len(self.slow.seen) == HASHERS)
        self.slow.go.set()
        self.assertEqual((yield gatherResults(waiting)), [True] * 10)
        self.assertLessEqual(len(self.slow.threads), HASHERS)
        self.assertNotIn(get_ident(), self.slow.threads)

    @inlineCallbacks
    def test_who_is_unknown_costs_as_much_as_most_of_the_others(self) -> Any:
        self.slow.go.set()
        self.assertFalse((yield self.check(None, b"x")))
        dear, cheap = hash_password(b"a", Cost(8192, 6, 2)), hash_password(b"a", CHEAP)
        self.passwords.imitate([cheap, dear, dear, "nonsense"])
        self.assertFalse((yield self.check(None, b"x")))
        self.passwords.imitate([])
        self.assertFalse((yield self.check(None, b"x")))
        costs = [cost_of(hashed) for _password, hashed in self.slow.seen]
        self.assertEqual(costs, [COST, Cost(8192, 6, 2), COST])
        for _password, hashed in self.slow.seen:
            self.assertFalse(verify(b"", hashed))

    @inlineCallbacks
    def test_a_password_that_is_too_long_is_wrong_after_as_long_a_time(self) -> Any:
        self.slow.go.set()
        long = b"x" * (LONGEST + 1)
        self.assertFalse((yield self.check(long.decode(), long)))
        self.assertEqual(self.slow.seen[0][0], b"")

    @inlineCallbacks
    def test_a_crowd_of_one_address_keeps_nobody_out(self) -> Any:
        crowd = [self.check("x", b"x", "crowd") for _ in range(HASHERS + WAITING + 50)]
        yield until(reactor, lambda: len(self.slow.seen) == HASHERS)
        good = self.check("y", b"y", "good")
        self.slow.go.set()
        self.assertTrue((yield good))
        self.assertLess(self.slow.seen.index((b"y", "y")), HASHERS + 3)
        self.assertGreaterEqual(self.passwords.overflowed, 50)
        for each in crowd:
            each.addErrback(lambda _: None)

    @inlineCallbacks
    def test_who_has_gone_is_passed_over_and_hears_nothing(self) -> Any:
        busy = [self.check("x", b"x") for _ in range(HASHERS)]
        yield until(reactor, lambda: len(self.slow.seen) == HASHERS)
        heard: list[bool] = []
        call = self.passwords.check("z", b"z", heard.append)
        self.assertTrue(call.active())
        call.cancel()
        call.cancel()
        self.assertFalse(call.active())
        last = self.check("y", b"y")
        self.slow.go.set()
        yield gatherResults([*busy, last])
        self.assertEqual(heard, [])
        self.assertNotIn((b"z", "z"), self.slow.seen)

    @inlineCallbacks
    def test_an_exception_is_a_no_and_the_thread_goes_on(self) -> Any:
        self.slow.go.set()
        for _ in range(HASHERS + 1):
            self.assertFalse((yield self.check("raise", b"raise")))
        self.assertTrue((yield self.check("x", b"x")))
        self.assertEqual(self.failures, HASHERS + 1)

    @inlineCallbacks
    def test_closed_it_answers_nobody(self) -> Any:
        waiting = [self.check("x", b"x") for _ in range(5)]
        yield until(reactor, lambda: len(self.slow.seen) == HASHERS)
        self.passwords.close()
        self.slow.go.set()
        late = self.check("x", b"x")
        yield until(reactor, lambda: not any(t.is_alive() for t in self.passwords.threads))
        for each in (*waiting, late):
            self.assertNoResult(each)

    def test_nothing_of_it_is_shown(self) -> None:
        call = self.passwords.check("the hash", b"the password", lambda right: None)
        self.assertNotIn("the hash", repr(call))
        self.assertNotIn("the password", repr(call))
