"""A small file that is replaced as a whole, by a thread."""

import json
import os
from functools import partial
from pathlib import Path

import pyotp
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeClock, FakeThreads
from vspc.auth import statefile, totp
from vspc.auth.lockouts import LIMIT, LockoutStore
from vspc.auth.statefile import StateFile
from vspc.auth.totp import PATIENCE, Codes
from vspc.console.ports import Lockout


class StateTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "state.json"
        self.path.parent.mkdir()
        self.threads = FakeThreads()
        self.file = StateFile(self.path, self.threads)


class Files(StateTest):
    def test_nothing_was_written_yet(self) -> None:
        self.assertIsNone(self.file.load())

    def test_what_was_saved_can_be_read_by_the_next_process_of_this_user_only(self) -> None:
        errors: list[str] = []
        self.file.save(lambda: {"a": 1}).addCallback(errors.append)
        self.assertEqual(errors, [])
        self.threads.run()
        self.assertEqual(errors, [""])
        self.assertEqual(StateFile(self.path, self.threads).load(), {"a": 1})
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        found = sorted(os.listdir(self.path.parent))
        self.assertEqual(found, ["state.json", "state.json.copy"])

    def test_without_a_thread_the_save_fails_and_the_next_one_tries_again(self) -> None:
        errors: list[str] = []
        self.threads.none_left = True
        for _ in range(2):
            self.file.save(lambda: 1).addCallback(errors.append)
        self.assertEqual(errors, ["no thread could be started for it"] * 2)

    def test_one_that_is_longer_than_it_may_be_is_an_error(self) -> None:
        for path in (self.path, self.path.with_suffix(".json.copy")):
            with path.open("wb") as file:
                file.truncate(statefile.LIMIT + 1)
        self.assertRaises(ValueError, self.file.load)

    def test_while_one_is_written_only_the_latest_waits_and_all_saves_finish(self) -> None:
        told: list[int] = []
        for number in range(5):
            self.file.save(partial(int, number)).addCallback(partial(self.tell, told, number))
        self.assertEqual(len(self.threads.waiting), 1)
        self.threads.run()
        self.assertEqual(told, [0, 1, 2, 3, 4])
        self.assertEqual(self.file.load(), 4)

    def tell(self, told: list[int], number: int, _error: str) -> None:
        told.append(number)

    def test_a_failed_write_is_reported_and_the_old_file_stays(self) -> None:
        self.file.save(lambda: 1)
        self.threads.run()
        (self.path.parent / f"state.json.{os.getpid()}.new").mkdir()
        errors: list[str] = []
        self.file.save(lambda: 2).addCallback(errors.append)
        self.threads.run()
        self.assertEqual(len(errors), 1)
        self.assertTrue(errors[0])
        self.assertEqual(self.file.load(), 1)

    def test_a_damaged_file_is_an_error_and_not_an_empty_one(self) -> None:
        self.path.write_text("{")
        self.assertRaises(ValueError, self.file.load)

    def test_one_of_both_copies_may_be_damaged_in_any_way(self) -> None:
        self.file.save(lambda: [{"what": "alice"}])
        self.threads.run()
        copy = self.path.with_name("state.json.copy")
        whole = self.path.read_bytes()
        flips = [bytes([*whole[:n], whole[n] ^ 4, *whole[n + 1 :]]) for n in range(len(whole))]
        for path in (self.path, copy):
            for damaged in (b"", whole[:20], bytes(len(whole)), whole + b"x", b"[" * 9999, *flips):
                path.write_bytes(damaged)
                file = StateFile(self.path, self.threads)
                self.assertEqual(file.load(), [{"what": "alice"}], damaged)
                if path == self.path and file.damage:
                    self.assertRegex(file.damage, r"state.json: .*; it is written anew from")
                    self.assertEqual(path.read_bytes(), whole)
                path.write_bytes(whole)
            path.unlink()
            self.assertEqual(StateFile(self.path, self.threads).load(), [{"what": "alice"}])
            path.write_bytes(whole)

    def test_where_both_are_damaged_that_is_an_error(self) -> None:
        self.file.save(lambda: [1])
        self.threads.run()
        for path in (self.path, self.path.with_name("state.json.copy")):
            path.write_bytes(b"{")
        self.assertRaises(ValueError, StateFile(self.path, self.threads).load)

    def test_a_file_of_a_server_before_there_were_checksums_is_read(self) -> None:
        for value in ([], [{"what": "alice"}], {"alice": 12}):
            self.path.write_text(json.dumps(value))
            self.assertEqual(StateFile(self.path, self.threads).load(), value)


class LockoutTests(StateTest):
    def setUp(self) -> None:
        super().setUp()
        self.clock = FakeClock()
        self.lockouts = LockoutStore(self.file, self.clock.wall)

    def lock(self, what: str, seconds: float | None = None) -> bool:
        now = self.clock.wall()
        until = None if seconds is None else now + seconds
        return self.lockouts.lock(Lockout(what, "root", now, until))

    def test_it_counts_at_once_until_its_time_is_over_or_it_is_lifted(self) -> None:
        self.lock("alice", 60)
        self.lock("SHA256:x")
        self.assertIsNotNone(self.lockouts.find(["bob", "alice"]))
        self.clock.advance(60)
        self.assertIsNone(self.lockouts.find(["alice"]))
        self.assertEqual([each.what for each in self.lockouts.listed()], ["SHA256:x"])
        self.assertFalse(self.lockouts.lift("alice"))
        self.assertTrue(self.lockouts.lift("SHA256:x"))
        self.assertEqual(self.lockouts.listed(), [])

    def test_the_next_process_knows_it(self) -> None:
        self.lock("alice", 60)
        saving = Deferred.fromCoroutine(self.lockouts.save())
        self.threads.run()
        self.assertEqual(self.successResultOf(saving), "")
        again = LockoutStore(self.file, self.clock.wall)
        again.load()
        self.assertEqual(again.listed(), self.lockouts.listed())

    def test_a_file_that_is_no_list_of_them_is_an_error(self) -> None:
        for text in ("[1]", '{"what": 1}', '[{"what": "alice"}]'):
            self.path.write_text(text)
            self.assertRaises(ValueError, LockoutStore(self.file, self.clock.wall).load)

    def test_there_is_an_end_to_them(self) -> None:
        for number in range(LIMIT):
            self.assertTrue(self.lock(f"operator{number}", 60))
        self.assertFalse(self.lock("one more"))
        self.assertTrue(self.lock("operator5"))
        self.clock.advance(61)
        self.assertTrue(self.lock("one more"))


class CodeTests(StateTest):
    def test_a_right_code_counts_when_it_is_written_down_even_if_the_disk_is_full(self) -> None:
        clock = FakeClock()
        codes = Codes(clock, self.file)
        secret = pyotp.random_base32()
        code = pyotp.TOTP(secret).at(int(clock.wall())).encode()
        (self.path.parent / f"state.json.{os.getpid()}.new").mkdir()
        answer = Deferred.fromCoroutine(codes.check("alice", secret, code))
        self.assertNoResult(answer)
        self.threads.run()
        self.assertEqual(self.successResultOf(answer), "")
        again = Deferred.fromCoroutine(codes.check("alice", secret, code))
        self.assertIn("used", self.successResultOf(again))

    def test_a_disk_that_hangs_locks_nobody_out(self) -> None:
        clock = FakeClock()
        codes = Codes(clock, self.file)
        secret = pyotp.random_base32()
        code = pyotp.TOTP(secret).at(int(clock.wall())).encode()
        answer = Deferred.fromCoroutine(codes.check("alice", secret, code))
        clock.advance(PATIENCE)
        self.assertEqual(self.successResultOf(answer), "")
        self.threads.run()
        self.assertEqual(clock.twisted.getDelayedCalls(), [])

    def test_only_so_many_usual_places_and_wrong_codes_are_remembered(self) -> None:
        self.patch(totp, "PLACES", 2)
        self.patch(totp, "GUESSED", 2)
        clock = FakeClock()
        codes = Codes(clock, self.file)
        secret = pyotp.random_base32()
        for name in ("alice", "bob", "carol"):
            code = pyotp.TOTP(secret).at(int(clock.wall())).encode()
            Deferred.fromCoroutine(codes.check(name, secret, code, "192.0.2.1"))
            self.threads.run()
        for name in ("dora", "alice", "emil"):
            for _ in range(totp.WRONG):
                Deferred.fromCoroutine(codes.check(name, secret, b"1", "192.0.2.1"))
        refused = Deferred.fromCoroutine(codes.check("alice", secret, b"1", "198.51.100.1"))
        self.assertIn("none is checked", self.successResultOf(refused))  # her place is forgotten
        counted = Deferred.fromCoroutine(codes.check("dora", secret, b"1", "198.51.100.1"))
        self.assertIn("wrong code", self.successResultOf(counted))  # and so are dora's ten
