"""The state directory: private, and of one server at a time."""

import os
import stat
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from vspc.common.state_dir import StateError, claim, make


class StateDirectory(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "state"

    def test_it_is_made_for_its_owner_alone(self) -> None:
        make(self.path)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o700)

    def test_one_that_is_there_keeps_its_rights(self) -> None:
        self.path.mkdir(parents=True)
        self.path.chmod(0o755)
        make(self.path)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o755)

    def test_it_is_claimed_once_and_again_after_the_claim_is_over(self) -> None:
        first = claim(self.path)
        with self.assertRaisesRegex(StateError, f"in use by the server with pid {os.getpid()}"):
            claim(self.path)
        first.close()
        claim(self.path).close()

    def test_what_cannot_be_made_is_named(self) -> None:
        self.path.parent.mkdir()
        self.path.write_text("a file")
        with self.assertRaisesRegex(StateError, "state"):
            claim(self.path)

    def test_it_is_closed_to_others_when_it_is_claimed(self) -> None:
        self.path.mkdir(parents=True)
        self.path.chmod(0o755)
        claim(self.path).close()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o700)

    def test_a_symbolic_link_in_it_is_named_with_the_command_to_type(self) -> None:
        (self.path / "log" / "consoles").mkdir(parents=True)
        (self.path / "log" / "consoles" / "ab").symlink_to("/etc")
        with self.assertRaisesRegex(
            StateError, r"symbolic link; remove it: rm \S*/log/consoles/ab$"
        ):
            claim(self.path)
        (self.path / "log" / "consoles" / "ab").unlink()
        claim(self.path).close()

    def test_drafts_of_killed_processes_are_deleted_and_nothing_else(self) -> None:
        killed = 2**22 + 1  # larger than the number of any process
        sinks = self.path / "sinks"
        sinks.mkdir(parents=True)
        kept = [f"a.json.{os.getppid()}.new", "a.json.new", f"{killed}.new", "a.json.99x.new"]
        for name in (*kept, f"a.json.{killed}.new", f"b.{os.getpid()}.new"):
            (sinks / name).write_text("x")
        (self.path / f"lockouts.json.{killed}.new").write_text("x")
        claim(self.path).close()
        self.assertEqual(sorted(os.listdir(sinks)), sorted(kept))
        self.assertEqual(sorted(os.listdir(self.path)), ["lock", "sinks"])

    def test_a_lock_that_is_a_link_is_not_followed(self) -> None:
        self.path.mkdir(parents=True)
        target = self.path.parent / "precious"
        target.write_text("mine")
        (self.path / "lock").symlink_to(target)
        with self.assertRaises(StateError):
            claim(self.path)
        self.assertEqual(target.read_text(), "mine")

    def test_a_file_of_another_user_is_named_with_the_command_to_type(self) -> None:
        if os.geteuid() != 0:
            raise SkipTest("only root can give a file away")
        (self.path / "log").mkdir(parents=True)
        os.chown(self.path / "log", 12345, 12345)
        with self.assertRaisesRegex(StateError, "another user; .* intended: chown -R root "):
            claim(self.path)

    def test_root_may_serve_from_a_directory_that_belongs_to_the_service(self) -> None:
        if os.geteuid() != 0:
            raise SkipTest("only root can give a file away")
        (self.path / "log").mkdir(parents=True)
        for path in (self.path, self.path / "log"):
            os.chown(path, 12345, 12345)
        claim(self.path).close()
