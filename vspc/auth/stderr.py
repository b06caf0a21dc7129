"""Standard error of programs, logged: a bounded number of lines, without clients' answers."""

import base64
import shlex
from collections.abc import Iterator

from twisted.logger import Logger

from vspc.common.clock import Clock
from vspc.common.text import SAFE_LIMIT, safe

log = Logger()

LINES = 20
"""Lines of one run that are logged."""

MINUTE = 200
"""Lines of all programs that are logged in a minute."""

LINE = 4096
"""Bytes of a line that are kept; of those, `vspc.common.text.SAFE_LIMIT` characters are shown."""

BYTES = 64 * 1024
"""Bytes of one run, over which it is ended."""

WITHHELD = "[left out: it repeats an answer]"


class Secrets:
    """Answers of a client, in the forms in which a program may repeat them."""

    def __init__(self) -> None:
        self._forms: set[bytes] = set()

    def add(self, answer: bytes, sent: bytes) -> None:
        """`sent` is the answer as it was sent to the program."""
        for part in (answer, *answer.splitlines(), sent):
            if part:
                self._forms.update(_forms(part))

    def shown(self, text: bytes, limit: int = SAFE_LIMIT) -> str:
        """`text` for the log; `WITHHELD` if an answer is in it."""
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


class LineLimit:
    """How many lines of all programs are logged; the others are counted."""

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
        """Count a line that is not logged."""
        self._dropped += 1
        if self._dropped == 1:
            self._clock.call_later(60, self._report)

    def _report(self) -> None:
        dropped, self._dropped = self._dropped, 0
        log.warn("program-complains-more", lines=dropped, seconds=60)


class StderrLog:
    """Standard error of one run of `program`, its path."""

    def __init__(self, program: str, secrets: Secrets, limit: LineLimit) -> None:
        self._program = program
        self._secrets = secrets
        self._limit = limit
        self._line = b""
        self._received = 0
        self._logged = 0

    def receive(self, data: bytes) -> bool:
        """Take `data`; False: over `BYTES`."""
        self._received += len(data)
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[:LINE]
        for line in lines:
            self._log(line)
        return self._received <= BYTES

    def finish(self) -> None:
        """Nothing follows."""
        line, self._line = self._line, b""
        self._log(line)

    def _log(self, line: bytes) -> None:
        line = line.strip()
        if not line:
            return
        if self._logged == LINES or not self._limit.take():
            self._limit.drop()
            return
        self._logged += 1
        log.warn("program-complains", program=self._program, text=self._secrets.shown(line))
