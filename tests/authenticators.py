"""An authenticator for tests of the SSH door: it accepts keys of a table and nothing else."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from vspc.config.credentials import fingerprint
from vspc.console.access import Operator
from vspc.console.authentication import (
    Asker,
    Claimant,
    Offered,
    ProofRefused,
    Proved,
    Verdict,
)
from vspc.console.session import Proof


class OnlyKeys:
    """`vspc.console.authentication.Authenticator`."""

    refusals: Mapping[bytes, str] = MappingProxyType({})
    """Keys that are known and will not do, and why."""

    def keys(self, operator: str) -> Collection[bytes]:
        """The keys of `operator`."""
        raise NotImplementedError

    def methods(self, claimant: Claimant, shown: tuple[str, ...]) -> tuple[str, ...]:
        return () if shown else ("publickey",)

    async def key(
        self, claimant: Claimant, shown: tuple[str, ...], blob: bytes
    ) -> Offered | ProofRefused:
        proof = Proof("publickey", fingerprint(blob))
        reason = self.refusals.get(blob)
        if reason is not None:
            return ProofRefused(reason, proof)
        if blob in self.keys(claimant.name):
            return Offered(proof, blob)
        return ProofRefused("key not authorised", proof, unknown_key=True)

    async def password(
        self, claimant: Claimant, shown: tuple[str, ...], password: bytes
    ) -> Verdict:
        raise AssertionError("no password was asked for")

    async def converse(self, claimant: Claimant, shown: tuple[str, ...], ask: Asker) -> Verdict:
        raise AssertionError("no method with questions is offered")

    def admit(self, claimant: Claimant, proved: tuple[Proved, ...]) -> Operator | ProofRefused:
        return Operator(claimant.name)
