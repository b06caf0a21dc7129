"""What a client tries in vain on its way in: counted, and told of."""

from collections.abc import Callable

from attrs import define, field
from twisted.logger import Logger

from vspc.common.text import safe
from vspc.console.logins import LoginFailure, LoginObserver
from vspc.console.session import Proof
from vspc.ssh.limits import PROBES_PER_FAILURE

REASON_SHOWN = 300
"""Characters of a reason in our log."""

log = Logger()


@define(eq=False)
class LoginFailures:
    """Of one connection. `attempts` count as failures, `probes` are table look-ups."""

    address: str
    witness: LoginObserver
    attempts: int = field(default=0, init=False)
    probes: int = field(default=0, init=False)
    _told: int = field(default=0, init=False)  # probes when a failure was last told
    _reason: str = field(default="", init=False)
    _proof: Proof = field(default=Proof(""), init=False)
    _failures: list[LoginFailure] = field(factory=list, init=False)  # told, in this name
    _is_known: bool = field(default=False, init=False)  # whether somebody has the key it is about
    _key: tuple[str, Proof] | None = field(default=None, init=False)
    # Why a key does not do that nobody was told of yet, and the key.
    _shown: str = field(default="", init=False)  # the fingerprint of the last key that did not do

    def probe(self, proof: Proof, reason: str, known: bool) -> bool:
        """One look-up that found nothing; whether it counts as a failure.

        What is said of a key that is known says more than what comes of the client's others.
        """
        self.probes += 1
        if self.probes % PROBES_PER_FAILURE == 0:
            return True
        if reason and (known or not self._is_known):
            self._reason, self._proof, self._is_known = reason, proof, known
            if proof.fingerprint:
                self._key, self._shown = (reason, proof), proof.fingerprint
        return False

    def fail(self, operator: str, proof: Proof, reason: str) -> None:
        """One failure. A key that did not do is told of before it: who is asked for a password
        since then did not mean to come by one.
        """
        if self._key is not None and not proof.fingerprint:
            self._reason, self._proof = self._key
            self._tell(operator, last=False)
        self._key = None
        self.attempts += 1
        self._reason, self._proof = reason or "nothing was shown", proof
        self._tell(operator, last=False)

    def conclude(self, operator: str, tellable: Callable[[str], bool]) -> None:
        """Nothing more is tried in this name; `tellable` says if an address has one more line."""
        if not self._reason:
            return
        if self.probes > self._told:
            self._tell(operator, last=True)
        if tellable(self.address):
            log.warn(
                "login-failed",
                operator=safe(operator),
                address=self.address,
                via=self._proof.via,
                key=self._proof.fingerprint or self._shown,
                reason=safe(self._reason, REASON_SHOWN),
                attempts=self.attempts,
                probes=self.probes,
            )
        self._reason, self._is_known, self._shown, self._key = "", False, "", None
        self._failures.clear()

    def admitted(self) -> None:
        """It was in vain only at first: whose name it was is in."""
        if self._failures:
            self.witness.excused(tuple(self._failures))

    def _tell(self, operator: str, last: bool) -> None:
        self._told = self.probes
        failure = LoginFailure(
            operator,
            self.address,
            self._reason,
            self._proof,
            self.attempts,
            self.probes,
            last,
        )
        self._failures.append(failure)
        self.witness.failed(failure)
