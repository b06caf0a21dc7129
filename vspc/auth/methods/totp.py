"""`totp`: a one-time code, after another proof."""

from vspc.auth.directory import OperatorDirectory
from vspc.auth.method import Attempt, AuthContext, Evidence
from vspc.common.addresses import rate_key
from vspc.config import Config
from vspc.config.proofs import MethodSettings
from vspc.console.authentication import Claimant, ProofRefused, Proved, Question, Verdict
from vspc.console.session import Proof, SessionLimits

PROMPT = "One-time code: "


class TotpMethod:
    """`vspc.auth.method.AuthMethod`."""

    evidence = Evidence.ANSWERS
    settings = MethodSettings(
        word="totp",
        keys=("{}.totp_secret_file",),
        needed="totp_secret_file is needed for it",
        available=lambda operator, config: operator.totp_secret_file is not None,
        # Guesses would use up the limit, which shows that the operator exists.
        first=False,
        own="totp_secret_file",
    )

    def __init__(self, context: AuthContext, config: Config, directory: OperatorDirectory) -> None:
        self._context = context

    async def prove(self, attempt: Attempt) -> Verdict:
        """A code of the operator's secret, which is used up."""
        claimant, secret, proof = attempt.claimant, attempt.operator.code_secret, Proof("totp")
        code = await attempt.ask(Question(PROMPT))
        place = rate_key(claimant.address)
        why = await self._context.codes.check(claimant.name, secret, code, place)
        why = why or attempt.untimely or self._context.locked(claimant.name, proof)
        return ProofRefused(why, proof) if why else Proved("totp", proof)

    def lapsed(self, claimant: Claimant, proof: Proof, limits: SessionLimits) -> str:
        """Never: it was right when it was shown."""
        return ""
