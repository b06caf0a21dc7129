"""Who may come in: the gatekeeper with all that it needs, and what it remembers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from vspc.auth.authenticator import OperatorAuthenticator
from vspc.auth.context import AuthContext
from vspc.auth.directory import OperatorDirectory
from vspc.auth.lockouts import LockoutStore
from vspc.auth.passwords import Passwords
from vspc.auth.programs import Programs
from vspc.auth.revocation import NothingRevoked, RevocationFile, Revocations, unread
from vspc.auth.statefile import StateFile
from vspc.auth.totp import Codes
from vspc.common.clock import Clock
from vspc.common.state_dir import StateError
from vspc.config import Config
from vspc.net.reactor import ThreadRunner

LOCKOUTS, CODES = "lockouts.json", "one-time-codes.json"
"""Files in state_dir."""


class AuthService:
    """The gatekeeper, and what it remembers."""

    _log = Logger(namespace="vspc.auth")

    def __init__(
        self,
        config: Config,
        people: OperatorDirectory,
        clock: Clock,
        reactor: Any,
        failed: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._threads = ThreadRunner(reactor, failed)
        self._lockouts_path = config.state_dir / LOCKOUTS
        self._codes_path = config.state_dir / CODES
        self._files = [
            StateFile(path, self._threads.run) for path in (self._lockouts_path, self._codes_path)
        ]
        self.lockouts = LockoutStore(self._files[0], clock.wall)
        self._codes = Codes(clock, self._files[1])
        self._passwords = Passwords(
            clock,
            lambda call: reactor.callFromThread(call),  # noqa: PLW0108  tests give one without it
            failed,
        )
        self._programs = Programs(reactor, clock)
        self._revocations: Revocations = NothingRevoked()
        self._revoked_path: Path | None = None
        self._seen: object = self._revocations.known
        means = AuthContext(
            clock,
            self._passwords,
            self._codes,
            self._programs,
            self.lockouts,
            lambda: self._revocations,
        )
        self.gate = OperatorAuthenticator(means, config, people)

    def open(self, config: Config) -> None:
        """Take up what an earlier process knew. Raises `StateError`."""
        for path, load in (
            (self._lockouts_path, self.lockouts.load),
            (self._codes_path, self._codes.load),
        ):
            try:
                load()
            except (OSError, ValueError) as error:
                # Going on without it would let somebody in who was locked out.
                what = "and so is its copy; mend it, or remove both"
                raise StateError(f"{path}: {error}, {what}") from None
        for file in self._files:
            if file.damage:
                self._log.error("state-file-damaged", what=file.damage)
        self._revoke(config.ssh.certificates.revoked)
        if isinstance(self._revocations, RevocationFile):
            self._revocations.load()

    def take(self, config: Config, people: OperatorDirectory) -> None:
        """A reload: `config` counts from now on."""
        self.gate.take(config, people)
        self._revoke(config.ssh.certificates.revoked)
        self._revocations.current()  # it has looked at the file, a small one, before anybody else

    def close(self) -> None:
        """Nobody comes in any more."""
        self._passwords.close()
        self._programs.close()

    @property
    def passwords_turned_away(self) -> int:
        """Passwords that were refused without a look, as too many waited."""
        return self._passwords.overflowed

    def revoked_more(self) -> bool:
        """Whether another list of what is revoked counts since this was last asked."""
        before, self._seen = self._seen, self._revocations.current() and self._revocations.known
        return self._seen is not before

    def unread(self, path: Path) -> str:
        """Why the file of what is revoked, of a new configuration, cannot be read; empty if it
        can. One that is in use and large is read in a thread: what came of that last is said.
        """
        if path != self._revoked_path or not isinstance(self._revocations, RevocationFile):
            return unread(path)
        found = self._revocations.look()
        return found if isinstance(found, str) else ""

    def _revoke(self, path: Path | None) -> None:
        if path == self._revoked_path:
            return
        self._revoked_path = path
        if path is None:
            self._revocations = NothingRevoked()
        else:
            # What was revoked stays so until the other file has been read.
            before = self._revocations
            known = before.known if isinstance(before, RevocationFile) else None
            self._revocations = RevocationFile(
                path,
                self._clock.seconds,
                self._threads.run,
                known=None if isinstance(known, str) else known,
            )
