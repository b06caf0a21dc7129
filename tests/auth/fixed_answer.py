"""An authentication method that the package does not have: all that one costs is this file."""

from vspc.auth.directory import OperatorDirectory
from vspc.auth.method import Attempt, AuthContext, Evidence
from vspc.config import Config
from vspc.config.proofs import MethodSettings
from vspc.console.authentication import Claimant, ProofRefused, Proved, Question, Verdict
from vspc.console.session import Proof, SessionLimits
from vspc.net.waiting import sleep

THINKING = 0.5
"""Seconds before the question."""


class FixedAnswer:
    """`vspc.auth.method.AuthMethod`: one question, and the same answer for all operators."""

    evidence = Evidence.ANSWERS
    settings = MethodSettings(
        word="fixed_answer",
        keys=(),
        needed="nothing is needed for it",
        available=lambda operator, config: True,
    )

    def __init__(self, context: AuthContext, config: Config, directory: OperatorDirectory) -> None:
        self._clock = context.clock

    async def prove(self, attempt: Attempt) -> Verdict:
        proof = Proof("fixed_answer")
        await sleep(self._clock, THINKING)
        answer = await attempt.ask(Question("Answer: ", echo=True))
        why = attempt.untimely or ("" if answer == b"42" else "wrong answer")
        return ProofRefused(why, proof) if why else Proved("fixed_answer", proof)

    def lapsed(self, claimant: Claimant, proof: Proof, limits: SessionLimits) -> str:
        return ""
