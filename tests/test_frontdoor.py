"""What the front door remembers over a reload."""

from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.auth.minting import line_of
from tests.auth.test_gate import plain
from tests.fakes import FakeClock
from vspc.auth.people import People
from vspc.config import Config, load
from vspc.console.proving import Claimant, Offered, Refused
from vspc.frontdoor import FrontDoor


class Revoking(SynchronousTestCase):
    """A plain key, and files of what is revoked."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        for number in (1, 2):
            (self.directory / f"revoked{number}").write_text(line_of(plain(number)) + "\n")
        config = self.config("revoked1")
        self.door = FrontDoor(config, People(config), FakeClock(), MemoryReactorClock(), self.fail)
        self.door.open(config)

    def config(self, revoked: str) -> Config:
        path = self.directory / "vspc.toml"
        keys = [line_of(plain(number)) for number in (1, 2)]
        path.write_text(
            f"[ssh.certificates]\nrevoked = '{revoked}'\n"
            f"[operators.alice]\nauthorized_keys = {keys}\n"
        )
        return load(path)

    def take(self, revoked: str) -> None:
        config = self.config(revoked)
        self.door.take(config, People(config))

    def is_revoked(self, number: int) -> bool:
        said: list[Offered | Refused] = []
        self.door.gate.key(Claimant("alice", "192.0.2.1"), (), plain(number), said.append)
        return isinstance(said[0], Refused)

    def test_another_file_counts_at_once(self) -> None:
        self.assertEqual((self.is_revoked(1), self.is_revoked(2)), (True, False))
        self.take("revoked2")
        self.assertEqual((self.is_revoked(1), self.is_revoked(2)), (False, True))

    def test_a_file_that_is_not_there_lets_nobody_in_who_was_out(self) -> None:
        self.take("missing")
        self.assertEqual((self.is_revoked(1), self.is_revoked(2)), (True, False))
