"""How a door asks who somebody is: requests, answers, and the port between the two.

`ssh/` speaks the protocol and knows no operator; `auth/` knows keys, certificates, passwords and
the administrator's own programs, and no protocol.
"""

from collections.abc import Callable
from typing import Protocol

from attrs import field, frozen

from vspc.common.clock import Cancellable
from vspc.console.access import Operator
from vspc.console.session import UNLIMITED, Proof, SessionLimits


@frozen
class Claimant:
    """Somebody at the door: who he says he is, and his address."""

    name: str
    address: str


@frozen
class ProofRefused:
    """No. `reason` is for our log and the audit file; the client only hears that it failed.

    `strange`: a key that nobody knows, of which a client has many; why another one was not taken
    says more.
    """

    reason: str
    proof: Proof | None = None
    strange: bool = False


@frozen
class Offered:
    """A public key that would do, once a signature proves that the claimant has it.

    `key` is the blob that the signature is checked with: a certificate's own key. `verified`: a
    FIDO key must have asked for a PIN or a finger (the flag user-verified).
    """

    proof: Proof
    key: bytes
    limits: SessionLimits = field(default=UNLIMITED)
    verified: bool = False


@frozen
class Proved:
    """One thing that the claimant has shown. `method` is a word of `require`."""

    method: str
    proof: Proof
    limits: SessionLimits = field(default=UNLIMITED)


def together(proved: tuple[Proved, ...]) -> tuple[Proof, SessionLimits | None]:
    """What all of them (one or more) prove, and what they allow; None where two of them are each
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
class Ask:
    """A question of keyboard-interactive (RFC 4256): answered with one line."""

    text: str
    echo: bool = False


Verdict = Proved | ProofRefused


class Conversation(Protocol):
    """Questions and answers with one claimant. Everything after `cancel` comes to nothing."""

    def answer(self, text: bytes) -> None:
        """What he said to the last question."""

    def cancel(self) -> None:
        """He has gone, or begins something else."""


class Authenticator(Protocol):
    """Who may come in; asked anew for each attempt, so that a reload counts at once.

    An operator that nobody knows is treated like one whose proofs all fail: same methods, same
    questions, same time.
    """

    def methods(self, claimant: Claimant, shown: tuple[str, ...]) -> tuple[str, ...]:
        """SSH's names of what may be tried next, after `shown` (words of `require`); none: enough.

        Never empty before something was shown.
        """

    def key(
        self,
        claimant: Claimant,
        shown: tuple[str, ...],
        blob: bytes,
        answer: Callable[[Offered | ProofRefused], None],
    ) -> Cancellable:
        """Whether a public key or a certificate would do; `answer` may be called at once."""

    def password(
        self,
        claimant: Claimant,
        shown: tuple[str, ...],
        password: bytes,
        answer: Callable[[Verdict], None],
    ) -> Cancellable:
        """Whether that is his password; `answer` is called later."""

    def converse(
        self, claimant: Claimant, shown: tuple[str, ...], heard: Callable[[Ask | Verdict], None]
    ) -> Conversation:
        """Keyboard-interactive: `heard` gets the first question, later and never from within, then
        what follows each answer, and a verdict last.
        """

    def admit(self, claimant: Claimant, proved: tuple[Proved, ...]) -> Operator | ProofRefused:
        """Who comes in with these proofs."""
