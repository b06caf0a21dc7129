"""`auth_command`: the administrator's program asks the client, and decides.

They exchange lines on the program's standard input and output: docs/auth-command.md has the
protocol. One question at a time: it may not be followed by another one or by "ok" before its
answer; "no" may come at any time. The verdict counts, not the exit status. Everything else is a
"no": another line, an end without a verdict, over 64 KiB of output, over 20 questions, or 10 s in
which neither a line comes nor a question is open.
"""

import re
import unicodedata
from collections.abc import Iterator

from twisted.internet.defer import Deferred

from vspc.auth.directory import UNKNOWN, OperatorDirectory
from vspc.auth.method import Attempt, AuthContext, Evidence
from vspc.auth.programs import (
    NAME,
    ClientAnswer,
    ProgramFailed,
    ProgramRun,
    Programs,
    Secrets,
    ending,
)
from vspc.common.addresses import rate_key
from vspc.common.text import safe
from vspc.config import Config
from vspc.config.proofs import MethodSettings
from vspc.config.values import ProgramPath
from vspc.console.authentication import (
    Asker,
    Claimant,
    ProofRefused,
    Proved,
    Question,
    RefusalCause,
    Verdict,
)
from vspc.console.session import Proof, SessionLimits

VERSION = 1

OUTPUT = 64 * 1024
"""Bytes that a program may print."""

QUESTIONS = 20

TEXT = 1024
"""Characters of a question or a reason that are shown."""

ANSWER = 1024
"""Bytes of an answer."""

METHOD = "auth_command"
"""As a word of `require`, and in `Proof.via`."""

_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})?")


def encoded(text: str | bytes) -> bytes:
    """`text` as a line carries it."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return "".join(map(_escaped, data.decode("utf-8", "surrogateescape"))).encode()


def _escaped(character: str) -> str:
    if character != "%" and unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}:
        return character
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def decoded(text: bytes) -> bytes:
    """The bytes that `text` of a line stands for. Raises ValueError if it is not encoded."""

    def byte(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise ValueError("a percent sign without two hexadecimal digits")
        return bytes.fromhex(match[1].decode())

    return _ENCODED.sub(byte, text)


def _refusal(reason: str) -> ProofRefused:
    return ProofRefused(f"{METHOD}: {reason}", Proof(METHOD))


class ProgramDialogue:
    """One conversation with a program: bytes to questions and a verdict, answers to bytes.

    Nothing follows the verdict, and no bytes raise an exception. Answers go to `secrets`, so that
    they are not logged.
    """

    def __init__(self, secrets: Secrets | None = None) -> None:
        self._secrets = Secrets() if secrets is None else secrets
        self._line = b""
        self._received = 0
        self._questions = 0
        self.is_asking = False
        self.is_over = False

    def opening(self, claimant: Claimant) -> bytes:
        """The first lines to the program."""
        return (
            b"version %d\n" % VERSION
            + b"operator %s\n" % encoded(claimant.name)
            + b"address %s\n" % encoded(claimant.address)
        )

    def answer(self, text: bytes) -> bytes:
        """The line that answers the program's question; empty if there is no question."""
        if not self.is_asking or self.is_over:
            return b""
        self.is_asking = False
        sent = encoded(text)
        self._secrets.add(text, sent)
        return b"answer %s\n" % sent

    def receive(self, data: bytes) -> Iterator[Question | Verdict]:
        """What `data`, from the program, asks or decides."""
        if self.is_over:
            return
        self._received += len(data)
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            yield self._parse(line)
            if self.is_over:
                return
        if self._received > OUTPUT:
            yield self.refuse(f"it printed more than {OUTPUT // 1024} KiB")

    def refuse(self, reason: str) -> ProofRefused:
        """The end, for a reason of our own."""
        self.is_over, self.is_asking, self._line = True, False, b""
        return _refusal(reason)

    def _parse(self, line: bytes) -> Question | Verdict:
        word, _space, rest = line.removesuffix(b"\r").partition(b" ")
        try:
            text = decoded(rest)
        except ValueError as error:
            return self.refuse(f"invalid line: {error}")
        if word in (b"ask", b"ask-visible"):
            return self._ask(safe(text, TEXT), word == b"ask-visible")
        if word == b"no":
            shown = self._secrets.shown(text, TEXT)
            return self.refuse(f"refused: {shown}" if text else "refused")
        if word != b"ok" or rest:
            return self.refuse("invalid line: not in the protocol")
        if self.is_asking:
            return self.refuse("it printed ok before its question was answered")
        self.is_over = True
        return Proved(METHOD, Proof(METHOD))

    def _ask(self, text: str, echo: bool) -> Question | ProofRefused:
        if self.is_asking:
            return self.refuse("it asked again before its question was answered")
        self._questions += 1
        if self._questions > QUESTIONS:
            return self.refuse(f"it asked more than {QUESTIONS} questions")
        self.is_asking = True
        return Question(text, echo)


async def converse(
    programs: Programs, command: ProgramPath, claimant: Claimant, ask: Asker
) -> Verdict:
    """Let `command` ask the client, with `ask`, and decide."""
    if len(claimant.name) > NAME:
        return _refusal(f"the operator's name has more than {NAME} characters")
    try:
        async with programs.run(command.words, rate_key(claimant.address)) as run:
            return await _led(run, claimant, ask)
    except ProgramFailed as failure:
        return _refusal(str(failure))


async def _led(run: ProgramRun, claimant: Claimant, ask: Asker) -> Verdict:
    """The conversation that the program of `run` leads. Raises `ProgramFailed`."""
    dialogue = ProgramDialogue(run.secrets)
    run.child.write(dialogue.opening(claimant))
    asking: Deferred[None] | None = None

    async def put(question: Question) -> None:
        run.answered(await ask(question))

    try:
        while True:
            match await run.next():
                case bytes(data):
                    for event in dialogue.receive(data):
                        if not isinstance(event, Question):
                            return event
                        run.pause()
                        asking = Deferred.fromCoroutine(put(event))
                        asking.addErrback(lambda _: run.fail("the client was not asked"))
                case ClientAnswer(text):
                    asking = None
                    if len(text) > ANSWER:
                        raise ProgramFailed(f"the answer has more than {ANSWER:,} bytes")
                    run.child.write(dialogue.answer(text))
                    run.resume()
                case ProgramFailed() as failure:
                    raise failure
                case int(status):
                    raise ProgramFailed(f"it ended without a verdict ({ending(status)})")
    finally:
        if asking is not None:
            asking.cancel()


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

    async def prove(self, attempt: Attempt) -> Verdict:
        """The program is run even if its verdict cannot count; it makes no operators."""
        claimant = attempt.claimant
        if self._command is None:
            return _refusal("it is not configured")
        verdict = await converse(self._context.programs, self._command, claimant, attempt.ask)
        if isinstance(verdict, ProofRefused):
            return verdict
        if attempt.operator is UNKNOWN:
            cause = RefusalCause.UNKNOWN_OPERATOR
            return ProofRefused("unknown operator", verdict.proof, cause=cause)
        why = attempt.untimely or self._context.locked(claimant.name, verdict.proof)
        return ProofRefused(why, verdict.proof) if why else verdict

    def lapsed(self, claimant: Claimant, proof: Proof, limits: SessionLimits) -> str:
        """It lapses with the program."""
        return "auth_command is not configured any more" if self._command is None else ""
