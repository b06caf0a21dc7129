"""What we say to an `auth_command`, and it to us: lines on its standard input and output.

We begin with three lines, and send one more for each answer:

    version 1
    operator NAME
    address ADDRESS
    answer TEXT

The program says, as often as it needs:

    ask TEXT              a question; what is typed is not shown
    ask-visible TEXT      a question; what is typed is shown

and then, once:

    ok                    he is who he says he is
    no REASON             he is not; the reason, which may be missing, is for our log only

A word, one space, and the rest up to the line feed is its text. In a text `%XX` is one byte:
control characters, line and paragraph separators, the percent sign and bytes that are no UTF-8 are
always written so by us; the program must do it with percent signs and line feeds and may do it with
any byte. NAME is what the client says: it may be nobody's.

One question at a time: it may not be followed by another one or by "ok" before its answer;
"no" may come at any time. The verdict counts, not the exit status; after it standard input is
closed and the program has 2 s to end. Everything else is a "no": another line, an end without a
verdict, over 64 KiB of output, over 20 questions, or 10 s in which neither a line comes nor a
question is open.
"""

import re
import unicodedata
from collections.abc import Iterator

from vspc.auth.stderr import Secrets
from vspc.common.text import safe
from vspc.console.authentication import Claimant, ProofRefused, Proved, Question, Verdict
from vspc.console.session import Proof

VERSION = 1

OUTPUT = 64 * 1024
"""Bytes that a program may say."""

QUESTIONS = 20

TEXT = 1024
"""Characters of a question or a reason that are shown."""

ANSWER = 1024
"""Bytes of an answer."""

METHOD = "auth_command"
"""As a word of `require`, and in `Proof.via`."""

_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})?")


def encoded(text: str | bytes) -> bytes:
    """`text` as it stands in a line."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return "".join(map(_escaped, data.decode("utf-8", "surrogateescape"))).encode()


def _escaped(character: str) -> str:
    if character != "%" and unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}:
        return character
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def decoded(text: bytes) -> bytes:
    """What `text` in a line stands for. Raises ValueError: a percent sign without two digits."""

    def byte(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise ValueError("a percent sign without two hexadecimal digits")
        return bytes.fromhex(match[1].decode())

    return _ENCODED.sub(byte, text)


class ProgramDialogue:
    """One conversation with a program: bytes to questions and a verdict, answers to bytes.

    After the verdict everything comes to nothing. Whatever is said, no exception is raised. What
    is answered goes to `secrets`, and is not repeated.
    """

    def __init__(self, secrets: Secrets | None = None) -> None:
        self._secrets = Secrets() if secrets is None else secrets
        self._line = b""
        self._said = 0
        self._questions = 0
        self.is_asking = False
        self.is_over = False

    def opening(self, claimant: Claimant) -> bytes:
        """What the program is told first."""
        return (
            b"version %d\n" % VERSION
            + b"operator %s\n" % encoded(claimant.name)
            + b"address %s\n" % encoded(claimant.address)
        )

    def answer(self, text: bytes) -> bytes:
        """What the program is told when its question was answered; nothing, if it asks none."""
        if not self.is_asking or self.is_over:
            return b""
        self.is_asking = False
        sent = encoded(text)
        self._secrets.add(text, sent)
        return b"answer %s\n" % sent

    def receive(self, data: bytes) -> Iterator[Question | Verdict]:
        """The program said `data`: what that means."""
        if self.is_over:
            return
        self._said += len(data)
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            yield self._hear(line)
            if self.is_over:
                return
        if self._said > OUTPUT:
            yield self.refuse(f"it said more than {OUTPUT // 1024} KiB")

    def refuse(self, reason: str) -> ProofRefused:
        """The end, for a reason of ours."""
        self.is_over, self.is_asking, self._line = True, False, b""
        return ProofRefused(f"{METHOD}: {reason}", Proof(METHOD))

    def _hear(self, line: bytes) -> Question | Verdict:
        word, _space, rest = line.removesuffix(b"\r").partition(b" ")
        try:
            text = decoded(rest)
        except ValueError as error:
            return self.refuse(f"it said {error}")
        if word in (b"ask", b"ask-visible"):
            return self._ask(safe(text, TEXT), word == b"ask-visible")
        if word == b"no":
            shown = self._secrets.shown(text, TEXT)
            return self.refuse(f"it said no: {shown}" if text else "it said no")
        if word != b"ok" or rest:
            return self.refuse("it said something that is no line of its protocol")
        if self.is_asking:
            return self.refuse("it said ok before its question was answered")
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
