"""A gatekeeper for tests of the door: a key in a table will do, and nothing else is taken."""

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from vspc.common.clock import Cancellable
from vspc.config.keys import fingerprint
from vspc.console.access import Operator
from vspc.console.authentication import (
    Ask,
    Claimant,
    Conversation,
    Offered,
    ProofRefused,
    Proved,
    Verdict,
)
from vspc.console.session import Proof


class OnlyKeys:
    """`vspc.console.authentication.Gatekeeper`."""

    refusals: Mapping[bytes, str] = MappingProxyType({})
    """Keys that are known and will not do, and why."""

    def keys(self, operator: str) -> Collection[bytes]:
        """The keys of `operator`."""
        raise NotImplementedError

    def methods(self, claimant: Claimant, shown: tuple[str, ...]) -> tuple[str, ...]:
        return () if shown else ("publickey",)

    def key(
        self,
        claimant: Claimant,
        shown: tuple[str, ...],
        blob: bytes,
        answer: Callable[[Offered | ProofRefused], None],
    ) -> Cancellable:
        proof = Proof("publickey", fingerprint(blob))
        reason = self.refusals.get(blob)
        if reason is not None:
            answer(ProofRefused(reason, proof))
        elif blob in self.keys(claimant.name):
            answer(Offered(proof, blob))
        else:
            answer(ProofRefused("key not authorised", proof, strange=True))
        return self

    def cancel(self) -> None:
        """He has answered already."""

    def active(self) -> bool:
        return False

    def password(
        self,
        claimant: Claimant,
        shown: tuple[str, ...],
        password: bytes,
        answer: Callable[[Verdict], None],
    ) -> Cancellable:
        raise AssertionError("no password was asked for")

    def converse(
        self, claimant: Claimant, shown: tuple[str, ...], heard: Callable[[Ask | Verdict], None]
    ) -> Conversation:
        raise AssertionError("nobody wants to talk")

    def admit(self, claimant: Claimant, proved: tuple[Proved, ...]) -> Operator | ProofRefused:
        return Operator(claimant.name)
