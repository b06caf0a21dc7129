"""What a program says on standard error: to our log, in few lines, and nothing that it was told."""

import base64
import shlex
from collections.abc import Iterator

from twisted.logger import Logger

from vspc.common.clock import Clock
from vspc.common.text import SAFE_LIMIT, safe

log = Logger()

LINES = 20
"""Of one run that are logged."""

MINUTE = 200
"""Lines of all programs in a minute."""

LINE = 4096
"""Bytes of a line that are kept; of those, `vspc.common.text.SAFE_LIMIT` characters are shown."""

BYTES = 64 * 1024
"""That one run may say: who says more is ended."""

WITHHELD = "[left out: it repeats an answer]"


class Secrets:
    """What was answered, in the forms in which programs repeat what they were told."""

    def __init__(self) -> None:
        self._forms: set[bytes] = set()

    def add(self, answer: bytes, sent: bytes) -> None:
        """`sent` is the form in which the program was told."""
        for part in (answer, *answer.splitlines(), sent):
            if part:
                self._forms.update(_forms(part))

    def shown(self, text: bytes, limit: int = SAFE_LIMIT) -> str:
        """`text` for a log; another one if an answer is in it."""
        return WITHHELD if self._has(text) else safe(text, limit)

    def _has(self, text: bytes) -> bool:
        low = text.lower()
        return any(form.lower() in low for form in self._forms)


def _forms(part: bytes) -> Iterator[bytes]:
    yield part
    yield part.hex().encode()
    yield base64.b64encode(part).rstrip(b"=")
    text = part.decode("utf-8", "surrogateescape")
    yield shlex.quote(text).strip("'").encode("utf-8", "surrogateescape")
    yield repr(text)[1:-1].encode("utf-8", "surrogateescape")


class Allowance:
    """What all programs together may have logged; the rest is counted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends = 0.0
        self._logged = 0
        self._dropped = 0

    def take(self) -> bool:
        """Whether one more line may be logged."""
        if self._clock.seconds() >= self._ends:
            self._ends = self._clock.seconds() + 60
            self._logged = 0
        self._logged += 1
        return self._logged <= MINUTE

    def drop(self) -> None:
        """A line was not logged."""
        self._dropped += 1
        if self._dropped == 1:
            self._clock.call_later(60, self._tell)

    def _tell(self) -> None:
        dropped, self._dropped = self._dropped, 0
        log.warn("program-complains-more", lines=dropped, seconds=60)


class StderrLog:
    """Standard error of one run of `program`, its path."""

    def __init__(self, program: str, secrets: Secrets, allowance: Allowance) -> None:
        self._program = program
        self._secrets = secrets
        self._allowance = allowance
        self._line = b""
        self._said = 0
        self._logged = 0

    def receive(self, data: bytes) -> bool:
        """It said `data`; False: it has said too much."""
        self._said += len(data)
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[:LINE]
        for line in lines:
            self._tell(line)
        return self._said <= BYTES

    def finish(self) -> None:
        """It will say nothing more."""
        line, self._line = self._line, b""
        self._tell(line)

    def _tell(self, line: bytes) -> None:
        line = line.strip()
        if not line:
            return
        if self._logged == LINES or not self._allowance.take():
            self._allowance.drop()
            return
        self._logged += 1
        log.warn("program-complains", program=self._program, text=self._secrets.shown(line))
