"""What operators wrote, on disk: there after a restart, and damage is told and stops nothing."""

import json
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeThreads
from vspc.server.kept import BOOKMARKS, DESCRIPTIONS, KeptTexts


class Keeping(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.mkdir()
        self.threads = FakeThreads()

    def begin(self) -> KeptTexts:
        kept = KeptTexts(self.path, self.threads)
        kept.load()
        return kept

    def fill(self) -> None:
        kept = self.begin()
        kept.descriptions.describe("a", "billing")
        Deferred.fromCoroutine(kept.descriptions.keep())
        kept.bookmarks.favour("alice", "a")
        kept.bookmarks.visited("../alice", "b")
        self.threads.run()

    def test_it_is_there_again_after_a_restart(self) -> None:
        self.fill()
        again = self.begin()
        self.assertEqual(again.descriptions.of("a").description, "billing")
        self.assertEqual(again.bookmarks.of("alice").favourites, ("a",))
        self.assertEqual(again.bookmarks.of("../alice").recent, ("b",))
        names = {path.name for path in self.path.iterdir()}
        both = {DESCRIPTIONS, BOOKMARKS}
        self.assertEqual(names, both | {f"{name}.copy" for name in both})
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_one_damaged_copy_is_replaced_and_told(self) -> None:
        self.fill()
        (self.path / BOOKMARKS).write_bytes(b"\0" * 99)
        self.assertEqual(self.begin().bookmarks.of("alice").favourites, ("a",))

    def test_two_damaged_copies_lose_what_was_in_them_and_no_more(self) -> None:
        self.fill()
        for name in (BOOKMARKS, f"{BOOKMARKS}.copy"):
            (self.path / name).write_bytes(b"{]")
        again = self.begin()
        self.assertEqual(again.bookmarks.of("alice").favourites, ())
        self.assertEqual(again.descriptions.of("a").description, "billing")
        again.bookmarks.favour("alice", "c")
        self.threads.run()
        self.assertEqual(self.begin().bookmarks.of("alice").favourites, ("c",))

    def test_what_does_not_belong_in_it_is_left_out(self) -> None:
        (self.path / DESCRIPTIONS).write_text(json.dumps({"a": ["x", ""], "b": 7, "c": ["y", ""]}))
        again = self.begin()
        self.assertEqual(list(again.descriptions.as_value()), ["a", "c"])

    def test_a_disk_that_fails_is_told_and_the_next_change_tries_again(self) -> None:
        kept = self.begin()
        self.path.chmod(0)
        self.threads.none_left = True
        kept.bookmarks.favour("alice", "a")
        self.path.chmod(0o700)
        self.threads.none_left = False
        kept.bookmarks.favour("alice", "b")
        self.threads.run()
        self.assertEqual(self.begin().bookmarks.of("alice").favourites, ("a", "b"))
