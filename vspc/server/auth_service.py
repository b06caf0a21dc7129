"""The authenticator, all that it needs, and its state on disk."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from vspc.auth.authenticator import OperatorAuthenticator
from vspc.auth.directory import OperatorDirectory
from vspc.auth.lockouts import LockoutStore
from vspc.auth.method import AuthContext
from vspc.auth.passwords import HASHERS, Passwords
from vspc.auth.programs import Programs
from vspc.auth.revocation import RevocationFile, unread
from vspc.auth.statefile import StateFile
from vspc.auth.totp import Codes
from vspc.common.clock import Clock
from vspc.common.state_dir import StateError
from vspc.config import Config
from vspc.net.reactor import ThreadRunner

LOCKOUTS, CODES = "lockouts.json", "one-time-codes.json"
"""Files in state_dir."""


class AuthService:
    """Builds the authenticator, loads and saves its state, and follows reloads."""

    _log = Logger(namespace="vspc.auth")

    def __init__(
        self,
        config: Config,
        directory: OperatorDirectory,
        clock: Clock,
        reactor: Any,
        failed: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._threads = ThreadRunner(reactor)
        self._lockouts_path = config.state_dir / LOCKOUTS
        self._codes_path = config.state_dir / CODES
        self._files = [
            StateFile(path, self._threads) for path in (self._lockouts_path, self._codes_path)
        ]
        self.lockouts = LockoutStore(self._files[0], clock.wall)
        self._codes = Codes(clock, self._files[1])
        self._hashers = ThreadPool(0, HASHERS, "password-hasher")
        # What is hashed does not keep the process from ending.
        self._hashers.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]
        self._hashers.start()
        self._passwords = Passwords(
            lambda call: deferToThreadPool(reactor, self._hashers, call), failed
        )
        self._programs = Programs(reactor, clock)
        self._revocations = RevocationFile(None, clock.seconds, self._threads)
        self._seen: object = self._revocations.known
        context = AuthContext(
            clock,
            self._passwords,
            self._codes,
            self._programs,
            self.lockouts,
            lambda: self._revocations,
        )
        self.authenticator = OperatorAuthenticator(context, config, directory)

    def open(self, config: Config) -> None:
        """Load the state of earlier processes. Raises `StateError`."""
        for path, load in (
            (self._lockouts_path, self.lockouts.load),
            (self._codes_path, self._codes.load),
        ):
            try:
                load()
            except (OSError, ValueError) as error:
                # Going on without it would let in an operator who was locked out.
                what = "restore one of them, or remove both"
                raise StateError(f"{path} and its copy: {error}; {what}") from None
        for file in self._files:
            if file.damage:
                self._log.error("state-file-damaged", what=file.damage)
        self._revoke(config.ssh.certificates.revoked)
        self._revocations.load()

    def take(self, config: Config, directory: OperatorDirectory) -> None:
        """A reload: `config` is in force from now on."""
        self.authenticator.take(config, directory)
        self._revoke(config.ssh.certificates.revoked)
        self._revocations.look()

    def close(self) -> None:
        """End what runs; no more logins."""
        self._passwords.close()
        self._hashers.adjustPoolsize(0, 0)  # without waiting for what is hashed
        self._programs.close()

    @property
    def passwords_turned_away(self) -> int:
        """Passwords that were refused unchecked, as too many waited."""
        return self._passwords.overflowed

    def revoked_more(self) -> bool:
        """Whether the revocation list has changed since this was last called."""
        before, self._seen = self._seen, self._revocations.current() and self._revocations.known
        return self._seen is not before

    def unread(self, path: Path) -> str:
        """Why the revocation list of a new configuration cannot be read; empty if it can.

        A large one that is in use is read in a thread: the result of its last reading is returned.
        """
        if path != self._revocations.path:
            return unread(path)
        found = self._revocations.look()
        return found if isinstance(found, str) else ""

    def _revoke(self, path: Path | None) -> None:
        before = self._revocations
        if path == before.path:
            return
        # What was revoked stays revoked until the other file has been read.
        known = None if before.path is None or isinstance(before.known, str) else before.known
        self._revocations = RevocationFile(
            path, self._clock.seconds, self._threads, known=None if path is None else known
        )
