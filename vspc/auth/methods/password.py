"""`password`: against the hash in the operator's table."""

from vspc.auth.directory import OperatorDirectory
from vspc.auth.method import Attempt, AuthContext, Evidence
from vspc.common.addresses import rate_key
from vspc.config import Config
from vspc.config.proofs import MethodSettings
from vspc.console.authentication import (
    Claimant,
    ProofRefused,
    Proved,
    Question,
    RefusalCause,
    Verdict,
)
from vspc.console.session import Proof, SessionLimits

PROMPT = "Password: "


class PasswordMethod:
    """`vspc.auth.method.AuthMethod`."""

    evidence = Evidence.PASSWORD
    settings = MethodSettings(
        word="password",
        keys=("{}.password_hash", "{}.password_hash_file"),
        needed="password_hash or password_hash_file is needed for it",
        available=lambda operator, config: operator.password is not None,
        own="password_hash",
        unlimited="a password",
    )

    def __init__(self, context: AuthContext, config: Config, directory: OperatorDirectory) -> None:
        self._context = context
        self._directory = directory
        context.passwords.imitate(directory.hashes())

    async def prove(self, attempt: Attempt) -> Verdict:
        """Hashed even if it cannot be right."""
        operator, claimant = attempt.operator, attempt.claimant
        password = await attempt.ask(Question(PROMPT))
        proof = Proof("password", stamp=operator.stamp)
        why = attempt.untimely or self._context.locked(claimant.name, proof)
        cause = RefusalCause.OTHER
        if operator.password is None and not why:
            why = "unknown operator, or one without a password"
            cause = RefusalCause.UNKNOWN_OPERATOR
        hashed = None if why else operator.password
        right = await self._context.passwords.check(hashed, password, rate_key(claimant.address))
        if right and not why:
            return Proved("password", proof)
        return ProofRefused(why or "wrong password", proof, cause=cause)

    def lapsed(self, claimant: Claimant, proof: Proof, limits: SessionLimits) -> str:
        """It lapses with the password."""
        changed = proof.stamp != self._directory.record(claimant.name).stamp
        return "the password was changed" if changed else ""
