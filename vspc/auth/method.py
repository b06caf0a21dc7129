"""The shape of an authentication method, and what methods work with.

Each method is a class in a file of its own in `vspc.auth.methods`, whose registry lists them. The
configuration's `require`, the authenticator and the SSH door use nothing else of a method.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Protocol

from attrs import frozen

from vspc.auth.directory import OperatorDirectory, OperatorRecord
from vspc.auth.passwords import Passwords
from vspc.auth.programs import Programs
from vspc.auth.revocation import RevocationFile
from vspc.auth.totp import Codes
from vspc.common.clock import Clock
from vspc.config import Config
from vspc.config.proofs import MethodSettings
from vspc.console.authentication import Asker, Claimant, Offered, Question, Verdict
from vspc.console.ports import Lockouts
from vspc.console.session import Proof, SessionLimits


class Evidence(Enum):
    """What a method asks of the client."""

    KEY = auto()
    CERTIFICATE = auto()
    PASSWORD = auto()
    ANSWERS = auto()


WIRE: Mapping[Evidence, tuple[str, ...]] = MappingProxyType(
    {
        Evidence.KEY: ("publickey",),
        Evidence.CERTIFICATE: ("publickey",),
        Evidence.PASSWORD: ("password", "keyboard-interactive"),
        Evidence.ANSWERS: ("keyboard-interactive",),
    }
)
"""SSH's names of the methods with which a client can show it, the preferred one first."""


@frozen
class AuthContext:
    """What methods work with. The same for every configuration, but `revocations`, which may return
    others after a reload.
    """

    clock: Clock
    passwords: Passwords
    codes: Codes
    programs: Programs
    lockouts: Lockouts
    revocations: Callable[[], RevocationFile]

    def locked(self, name: str, proof: Proof) -> str:
        """Empty, or which of the operator, the key and its authority is locked out."""
        names = [each for each in (name, proof.fingerprint, proof.ca) if each]
        lockout = self.lockouts.find(names)
        return "" if lockout is None else f"{lockout.what} is locked out"


async def no_questions(_question: Question) -> bytes:
    """For methods that a client is not asked anything for."""
    raise AssertionError("only methods with answers may ask the client")


@frozen
class Attempt:
    """One attempt to log in. `operator` is `UNKNOWN` where there is no such operator.

    `untimely`: why this method is of no use now, or empty. What is shown is checked all the same,
    so that this takes as long, and is then refused. `key` is the public key or certificate that
    the client offers, `ask` puts a question to it.
    """

    claimant: Claimant
    operator: OperatorRecord
    untimely: str
    key: bytes = b""
    ask: Asker = no_questions


class AuthMethod(Protocol):
    """One way to prove an operator's identity, under one configuration."""

    evidence: Evidence
    settings: MethodSettings

    def __init__(
        self, context: AuthContext, config: Config, directory: OperatorDirectory
    ) -> None: ...

    async def prove(self, attempt: Attempt) -> Offered | Verdict:
        """Check what the client shows: a key that is accepted is `Offered`, anything else `Proved`.

        Takes as long for an unknown operator, and for one who has nothing for this method.
        """

    def lapsed(self, claimant: Claimant, proof: Proof, limits: SessionLimits) -> str:
        """Why `proof`, which was accepted with `limits`, would not be accepted any more; empty if
        it would. Decided at once, without the client or a program.
        """
