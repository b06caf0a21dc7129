"""The lines between the server and an `auth_command`: docs/auth-command.md has the protocol.

One question at a time: it may not be followed by another one or by "ok" before its answer; "no" may
come at any time. What is only shown is not answered, and anything may follow it.
"""

import re
import unicodedata
from collections.abc import Iterator

from vspc.auth.programs import Secrets
from vspc.common.text import safe
from vspc.console.authentication import Claimant, ProofRefused, Proved, Question, Verdict
from vspc.console.session import Proof

VERSION = 1

OUTPUT = 64 * 1024
"""Bytes that a program may print."""

QUESTIONS = 20
"""Questions of one run."""

TEXT = 1024
"""Characters of a question or a reason that are shown."""

ANSWER = 1024
"""Bytes of an answer."""

GROUPS = 500
GROUP = 64
"""Groups that a program may give, and characters of a name; longer ones are not kept."""

METHOD = "auth_command"
"""As a word of `require`, and in `Proof.via`."""

_SECONDS = re.compile(r"[0-9]{1,5}", re.ASCII)

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


def refusal(reason: str) -> ProofRefused:
    """A login that the program, or its failure, refuses."""
    return ProofRefused(f"{METHOD}: {reason}", Proof(METHOD))


class ProgramDialogue:
    """One conversation with a program: bytes to questions and a verdict, answers to bytes.

    Nothing follows the verdict, and no bytes raise an exception. Answers go to `secrets`, so that
    they are not logged. `wait`: seconds in all for which the program may say that it waits.
    """

    def __init__(self, secrets: Secrets | None = None, wait: float = 0.0) -> None:
        self._secrets = Secrets() if secrets is None else secrets
        self._wait_left = wait
        self._groups = set[str]()
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
            event = self._parse(line)
            if event is not None:
                yield event
            if self.is_over:
                return
        if self._received > OUTPUT:
            yield self.refuse(f"it printed more than {OUTPUT // 1024} KiB")

    def refuse(self, reason: str) -> ProofRefused:
        """The end, for a reason of our own."""
        self.is_over, self.is_asking, self._line = True, False, b""
        return refusal(reason)

    def _parse(self, line: bytes) -> Question | Verdict | None:
        word, _space, rest = line.removesuffix(b"\r").partition(b" ")
        try:
            text = decoded(rest)
        except ValueError as error:
            return self.refuse(f"invalid line: {error}")
        if word in (b"ask", b"ask-visible"):
            return self._ask(Question(safe(text, TEXT), word == b"ask-visible"))
        if word == b"tell":
            return self._ask(Question(safe(text, TEXT), is_asked=False))
        if word == b"wait":
            return self._wait(text)
        if word == b"group":
            return self._add_group(text)
        if word == b"no":
            shown = self._secrets.shown(text, TEXT)
            return self.refuse(f"refused: {shown}" if text else "refused")
        if word != b"ok" or rest:
            return self.refuse("invalid line: not in the protocol")
        if self.is_asking:
            return self.refuse("it printed ok before its question was answered")
        self.is_over = True
        return Proved(METHOD, Proof(METHOD, granted=frozenset(self._groups)))

    def _wait(self, text: bytes) -> Question | ProofRefused:
        """For a number of seconds, with what is shown meanwhile behind it."""
        number, _space, rest = text.decode("utf-8", "surrogateescape").partition(" ")
        if not _SECONDS.fullmatch(number):
            return self.refuse("invalid line: wait without a number of seconds")
        seconds = min(float(number), self._wait_left)
        self._wait_left -= seconds
        return self._ask(Question(safe(rest, TEXT), is_asked=False, seconds=seconds))

    def _add_group(self, text: bytes) -> ProofRefused | None:
        name = text.decode("utf-8", "surrogateescape")
        if name.isprintable() and 0 < len(name) <= GROUP:
            self._groups.add(name)
        return self.refuse(f"it gave over {GROUPS} groups") if len(self._groups) > GROUPS else None

    def _ask(self, question: Question) -> Question | ProofRefused:
        if self.is_asking:
            return self.refuse("it asked again before its question was answered")
        self._questions += 1
        if self._questions > QUESTIONS:
            return self.refuse(f"it asked more than {QUESTIONS} questions")
        self.is_asking = question.is_asked
        return question
