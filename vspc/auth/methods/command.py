"""`auth_command`: the administrator's program asks the client, and decides.

They exchange lines on the program's standard input and output: docs/auth-command.md has the
protocol, `vspc.auth.dialogue` reads it. The verdict counts, not the exit status. Everything else is
a "no": another line, an end without a verdict, over 64 KiB of output, over 20 questions, or 10 s in
which neither a line comes nor a question is open, unless the program asked for more time (`wait`).
"""

from collections import deque

from twisted.internet.defer import Deferred

from vspc.auth.dialogue import ANSWER, METHOD, ProgramDialogue, refusal
from vspc.auth.directory import UNKNOWN, OperatorDirectory
from vspc.auth.method import Attempt, AuthContext, Evidence
from vspc.auth.programs import NAME, ClientAnswer, ProgramFailed, ProgramRun, Programs, ending
from vspc.common.addresses import rate_key
from vspc.config import Config
from vspc.config.proofs import MethodSettings
from vspc.config.values import ProgramPath
from vspc.console.authentication import (
    Asker,
    Claimant,
    ProofRefused,
    Question,
    RefusalCause,
    Verdict,
)
from vspc.console.session import Proof, SessionLimits

WAIT = 600.0
"""Seconds that a program may wait for its operator, by default."""


async def converse(
    programs: Programs, command: ProgramPath, claimant: Claimant, ask: Asker, wait: float = WAIT
) -> Verdict:
    """Let `command` ask the client, with `ask`, and decide. It may wait for `wait` seconds in all
    for what the operator does elsewhere.
    """
    if len(claimant.name) > NAME:
        return refusal(f"the operator's name has more than {NAME} characters")
    try:
        async with programs.run(command.words, rate_key(claimant.address)) as run:
            return await _Conversation(run, ask, wait).lead(claimant)
    except ProgramFailed as failure:
        return refusal(str(failure))


class _Conversation:
    """The program of `run` leads; one thing at a time is shown to the client. `wait` as above."""

    def __init__(self, run: ProgramRun, ask: Asker, wait: float) -> None:
        self._run = run
        self._ask = ask
        self._dialogue = ProgramDialogue(run.secrets, wait)
        # What the program printed and is not dealt with: bounded, as its output is.
        self._coming = deque[Question | Verdict]()
        self._shown: Question | None = None
        self._asking: Deferred[None] | None = None

    async def lead(self, claimant: Claimant) -> Verdict:
        """To the verdict. Raises `ProgramFailed`."""
        self._run.child.write(self._dialogue.opening(claimant))
        try:
            while True:
                while self._coming and (self._shown is None or self._shown.is_asked):
                    event = self._coming.popleft()
                    if not isinstance(event, Question):
                        return event
                    self._show(event)
                self._take(await self._run.next())
        finally:
            if self._asking is not None:
                self._asking.cancel()

    def _show(self, question: Question) -> None:
        async def put() -> None:
            self._run.answered(await self._ask(question))

        self._run.pause()
        self._shown = question
        self._asking = Deferred.fromCoroutine(put())
        self._asking.addErrback(lambda _: self._run.fail("the client was not asked"))

    def _take(self, event: bytes | int | ClientAnswer | ProgramFailed) -> None:
        match event:
            case bytes(data):
                if self._run.is_waiting and b"\n" in data:
                    self._run.resume()
                self._coming.extend(self._dialogue.receive(data))
            case ClientAnswer(text):
                self._answered(text)
            case ProgramFailed() as failure:
                raise failure
            case int(status):
                if not self._dialogue.is_over:
                    raise ProgramFailed(f"it ended without a verdict ({ending(status)})")

    def _answered(self, text: bytes) -> None:
        question, self._shown, self._asking = self._shown, None, None
        assert question is not None
        if question.seconds and not self._coming:
            self._run.wait(question.seconds)
            return
        if question.is_asked:
            if len(text) > ANSWER:
                raise ProgramFailed(f"the answer has more than {ANSWER:,} bytes")
            self._run.child.write(self._dialogue.answer(text))
        self._run.resume()


class CommandMethod:
    """`vspc.auth.method.AuthMethod`."""

    evidence = Evidence.ANSWERS
    settings = MethodSettings(
        word=METHOD,
        keys=("ssh.auth_command",),
        needed="[ssh] auth_command is needed for it",
        available=lambda operator, config: config.ssh.auth_command is not None,
        unlimited="what auth_command asks for",
    )

    def __init__(self, context: AuthContext, config: Config, directory: OperatorDirectory) -> None:
        self._context = context
        self._command = config.ssh.auth_command
        self._wait = config.ssh.auth_command_wait
        self._directory = directory

    async def prove(self, attempt: Attempt) -> Verdict:
        """The program is run even if its verdict cannot count."""
        claimant = attempt.claimant
        if self._command is None:
            return refusal("it is not configured")
        verdict = await converse(
            self._context.programs, self._command, claimant, attempt.ask, self._wait
        )
        if isinstance(verdict, ProofRefused):
            return verdict
        if attempt.operator is UNKNOWN and not self._directory.admits(claimant.name):
            cause = RefusalCause.UNKNOWN_OPERATOR
            return ProofRefused("unknown operator", verdict.proof, cause=cause)
        why = attempt.untimely or self._context.locked(claimant.name, verdict.proof)
        return ProofRefused(why, verdict.proof) if why else verdict

    def lapsed(self, claimant: Claimant, proof: Proof, limits: SessionLimits) -> str:
        """It lapses with the program."""
        return "auth_command is not configured any more" if self._command is None else ""
