"""The state directory: private, and of one server at a time."""

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from vspc.statedir import StateError, claim, make


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
