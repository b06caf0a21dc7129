"""How an SSH door asks who an operator is: requests, answers, and the port between the two.

`ssh/` speaks the protocol and has no list of operators; `auth/` checks keys, certificates,
passwords and what the administrator's programs say, and has no protocol.
"""

from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Protocol

from attrs import field, frozen

from vspc.console.access import Operator
from vspc.console.session import UNLIMITED, Proof, SessionLimits


@frozen
class Claimant:
    """A client that wants to log in: the operator's name that it gives, and its address."""

    name: str
    address: str


class RefusalCause(Enum):
    """What in the configuration a login was refused for, where that can be told."""

    OTHER = auto()
    KEY_NOT_AUTHORISED = auto()
    UNKNOWN_OPERATOR = auto()
    UNTRUSTED_AUTHORITY = auto()
    OTHER_PRINCIPALS = auto()


@frozen
class ProofRefused:
    """A proof that is not accepted. `reason` is for the server's log and the audit file; the client
    only hears that the attempt failed.

    `unknown_key`: a key that stands in no table. A client offers many of these, so the reason for
    another key says more.
    """

    reason: str
    proof: Proof = field(default=Proof(""))
    unknown_key: bool = False
    cause: RefusalCause = RefusalCause.OTHER


@frozen
class Offered:
    """A public key that is accepted once a signature proves that the client has it.

    `key` is the blob that the signature is checked with: a certificate's own key. `verified`: a
    FIDO token must have asked for a PIN or a fingerprint (the flag user-verified).
    """

    proof: Proof
    key: bytes
    limits: SessionLimits = field(default=UNLIMITED)
    verified: bool = False


@frozen
class Proved:
    """One proof that is accepted. `method` is a word of `require`."""

    method: str
    proof: Proof
    limits: SessionLimits = field(default=UNLIMITED)


def together(proved: tuple[Proved, ...]) -> tuple[Proof, SessionLimits | None]:
    """What one or more proofs prove, and what all of them allow; None where two of them are each
    for a command of its own.
    """
    proof, limits = proved[0].proof, proved[0].limits
    for one in proved[1:]:
        both = limits.also(one.limits)
        proof = proof.joined(one.proof)
        if both is None:
            return proof, None
        limits = both
    return proof, limits


@frozen
class Question:
    """A question of keyboard-interactive (RFC 4256): answered with one line.

    Not `is_asked`: the text is only shown, and the answer is empty and comes at once (an
    information request without prompts, section 3.2). `seconds`: what the operator does elsewhere
    may take so long from now on, which does not count as time to log in.
    """

    text: str
    echo: bool = False
    is_asked: bool = True
    seconds: float = 0.0


Verdict = Proved | ProofRefused

Asker = Callable[[Question], Awaitable[bytes]]
"""Puts one question to the client and waits for its answer; one question at a time."""


class Authenticator(Protocol):
    """Decides which clients may log in; asked for each attempt, so that a reload counts at once.

    An unknown operator is treated like one whose proofs all fail: same methods, same questions,
    same time. Each wait has a time limit, but for answers of the client; all can be cancelled.
    """

    def methods(self, claimant: Claimant, shown: tuple[str, ...]) -> tuple[str, ...]:
        """SSH's names of what may be tried next, after `shown` (words of `require`); none: enough.

        Never empty before something was shown.
        """

    async def key(
        self, claimant: Claimant, shown: tuple[str, ...], blob: bytes
    ) -> Offered | ProofRefused:
        """Whether a public key or a certificate would be accepted."""

    async def password(
        self, claimant: Claimant, shown: tuple[str, ...], password: bytes
    ) -> Verdict:
        """Whether that is the operator's password."""

    async def converse(self, claimant: Claimant, shown: tuple[str, ...], ask: Asker) -> Verdict:
        """Keyboard-interactive: puts questions to the client, any number of them."""

    def admit(self, claimant: Claimant, proved: tuple[Proved, ...]) -> Operator | ProofRefused:
        """The operator who logs in with these proofs."""
