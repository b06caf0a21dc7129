"""What stays revoked over a reload."""

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.auth.minting import Workshop, line_of
from tests.auth.test_authenticator import plain
from tests.fakes import FakeClock
from vspc.auth.directory import OperatorDirectory
from vspc.config import Config, load
from vspc.console.authentication import Claimant, ProofRefused
from vspc.server.auth_service import AuthService


class Revoking(SynchronousTestCase):
    """A plain key, and files of what is revoked."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        for number in (1, 2):
            (self.directory / f"revoked{number}").write_text(line_of(plain(number)) + "\n")
        self.start("revoked1")

    def start(self, revoked: str | None) -> None:
        """As a new process."""
        config = self.config(revoked)
        self.service = AuthService(
            config, OperatorDirectory(config), FakeClock(), MemoryReactorClock(), self.fail
        )
        self.service.open(config)

    def config(self, revoked: str | None) -> Config:
        path = self.directory / "vspc.toml"
        keys = [line_of(plain(number)) for number in (1, 2)]
        path.write_text(
            ("" if revoked is None else f"[ssh.certificates]\nrevoked = '{revoked}'\n")
            + f"[operators.alice]\nauthorized_keys = {keys}\n"
        )
        return load(path)

    def take(self, revoked: str) -> None:
        config = self.config(revoked)
        self.service.take(config, OperatorDirectory(config))

    def is_revoked(self, number: int) -> bool:
        alice = Claimant("alice", "192.0.2.1")
        answer = Deferred.fromCoroutine(self.service.authenticator.key(alice, (), plain(number)))
        return isinstance(self.successResultOf(answer), ProofRefused)

    def test_another_file_counts_at_once(self) -> None:
        self.assertEqual((self.is_revoked(1), self.is_revoked(2)), (True, False))
        self.take("revoked2")
        self.assertEqual((self.is_revoked(1), self.is_revoked(2)), (False, True))

    def test_after_a_restart_a_file_that_cannot_be_read_lets_no_key_in(self) -> None:
        keys = f"{line_of(plain(1))}\n"
        shop = Workshop(self.mktemp())
        shop.bring("key", plain(1))
        revoked = shop.revoke((shop.path / "key.pub").read_text())
        for data in (
            None,
            b"",
            b"\xff\xfe" + keys.encode("utf-16-le"),
            keys.encode("utf-16-be"),
            b"\xe4" + keys.encode(),
            keys.encode() + b"\0",
            revoked[:-1],
            revoked[:45] + b"\xff\xff\xff\xff" + revoked[49:],
        ):
            path = self.directory / "broken"
            path.unlink(missing_ok=True)
            if data is not None:
                path.write_bytes(data)
            self.start("broken")
            self.assertEqual((self.is_revoked(1), self.is_revoked(2)), (True, True), data)
            self.assertTrue(self.service.unread(path), data)
        for data in (b"\xef\xbb\xbf" + keys.encode(), revoked):
            path.write_bytes(data)
            self.start("broken")
            self.assertEqual((self.is_revoked(1), self.is_revoked(2)), (True, False), data)
            self.assertEqual(self.service.unread(path), "")

    def test_a_file_that_is_damaged_later_leaves_the_list_in_force(self) -> None:
        (self.directory / "revoked1").write_bytes(b"\xff\xfe")
        self.assertIn("UTF-16", self.service.unread(self.directory / "revoked1"))
        self.assertEqual((self.is_revoked(1), self.is_revoked(2)), (True, False))

    def test_a_first_file_that_cannot_be_read_lets_no_key_in(self) -> None:
        self.start(None)
        self.assertEqual((self.is_revoked(1), self.is_revoked(2)), (False, False))
        self.take("missing")
        self.assertEqual((self.is_revoked(1), self.is_revoked(2)), (True, True))

    def test_a_missing_file_does_not_readmit_revoked_keys(self) -> None:
        self.take("missing")
        self.assertEqual((self.is_revoked(1), self.is_revoked(2)), (True, False))
