"""The file of what is revoked, read again when it changes.

Binary as `ssh-keygen -k` makes it, or text as it takes it, and as sshd(8) does for RevokedKeys.
"""

import base64
import os
import re
import stat
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from vspc.auth.certkeys import parse
from vspc.auth.revoked import ANY, KRL_MAGIC, Draft, Revoked, read_krl
from vspc.common.clock import Clock
from vspc.common.text import safe
from vspc.common.textfile import examine, lines, text_of
from vspc.console.ports import InThread
from vspc.net.waiting import RunningCoroutine, within
from vspc.wire.ssh import is_certificate, key_type

FILE_LIMIT = 16 * 1024 * 1024
"""Bytes of a file."""

LOOK_EVERY = 1.0
"""Seconds between two looks at whether it has changed."""

AT_ONCE = 64 * 1024
"""Bytes of a file that a reload reads without a thread, in a few milliseconds."""

FRESH = 2.0
"""Seconds that a login waits for a look at the file: what it revokes counts for the very next one,
unless the disk takes longer.
"""

PATIENCE = 60.0
"""Seconds that reading it may take, after which nothing is accepted by the reading before."""

_EMPTY = "it is empty; a line with # is enough if nothing is revoked"

_SERIAL = re.compile(r"(0x[0-9a-f]{1,16}|[0-9]{1,20})(?:-(0x[0-9a-f]{1,16}|[0-9]{1,20}))?", re.I)
_DIGEST = re.compile(r"SHA256:([A-Za-z0-9+/]{43})=?")
_COMMENT = re.compile(r"\s#")
_QUOTED = re.compile(r"([\"'])(.+)\1")

log = Logger()


def read_revoked(data: bytes) -> Revoked:
    """What a file revokes, binary or text. Raises ValueError, which names the line without showing
    it.

    An empty file is refused: its writer may just have begun, or the disk be full.
    """
    if len(data) > FILE_LIMIT:
        raise ValueError(f"it is longer than {FILE_LIMIT} bytes")
    if not data:
        raise ValueError(_EMPTY)
    return read_krl(data) if data.startswith(KRL_MAGIC) else _read_text(data)


def _read_text(data: bytes) -> Revoked:
    text = text_of(data)
    if not text.strip():
        raise ValueError(_EMPTY)
    draft = Draft()
    for number, line in lines(text):
        try:
            examine(line)
            _line(line, draft)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return draft.done()


def _line(text: str, draft: Draft) -> None:
    """`serial: 7`, `id: TEXT`, `hash: SHA256:...` and so on, or just a key."""
    word, colon, rest = text.partition(":")
    if colon and word.lower() in _WORDS:
        _WORDS[word.lower()](rest.strip(), draft)
    else:
        _key(text, draft)


def _key(text: str, draft: Draft) -> None:
    """A key as a `.pub` file has it. A certificate stands for its key, as for sshd."""
    draft.key(_blob(text))


def _blob(text: str) -> bytes:
    if "PRIVATE KEY" in text:
        raise ValueError(
            "it is a private key: revoke its public key, and keep the private one to its owner"
        )
    words = text.split(None, 2)
    try:
        blob = base64.b64decode(words[1] if len(words) > 1 else "", validate=True)
    except ValueError:
        blob = b""
    if not blob or key_type(blob) != words[0].encode("utf-8", "surrogateescape"):
        raise ValueError(f"it is not a public key, and begins with none of {', '.join(_WORDS)}")
    return parse(blob).key if is_certificate(blob) else blob


def _serial(text: str, draft: Draft) -> None:
    """Of every authority: a text has no place for one."""
    match = _SERIAL.fullmatch(_uncommented(text))
    if match is None:
        raise ValueError("expected a serial number, or two with a - between them")
    first = int(match[1], 0)
    draft.range(ANY, first, int(match[2], 0) if match[2] else first)


def _key_id(text: str, draft: Draft) -> None:
    """ssh-keygen takes any # for a comment, and quotes for a part of the ID. A line whose author
    meant otherwise revokes both readings.
    """
    if not text.isprintable():
        raise ValueError("the key ID holds a character that is not printable")
    words = [text.partition("#")[0].rstrip(), _uncommented(text)]
    words += [found[2] for word in words if (found := _QUOTED.fullmatch(word))]
    for key_id in words:
        if not key_id:
            raise ValueError("expected a key ID")
        draft.key_id(ANY, key_id)


def _digest(text: str, draft: Draft) -> None:
    """A fingerprint as `ssh-keygen -l` prints it."""
    match = _DIGEST.fullmatch(_uncommented(text))
    if match is None:
        raise ValueError("a fingerprint is written SHA256:... as ssh-keygen -l prints it")
    draft.digest(base64.b64decode(match[1] + "="))


def _hashed(text: str, draft: Draft) -> None:
    """`sha1: KEY` and `sha256: KEY`, which differ only in how ssh-keygen writes them down."""
    if text.startswith("SHA256:"):
        _digest(text, draft)
    else:
        _key(text, draft)


def _uncommented(text: str) -> str:
    return _COMMENT.split(text, maxsplit=1)[0].rstrip()


_WORDS: Mapping[str, Callable[[str, Draft], None]] = MappingProxyType(
    {
        "serial": _serial,
        "id": _key_id,
        "key": _key,
        "sha1": _hashed,
        "sha256": _hashed,
        "hash": _digest,
    }
)
"""What a line can begin with (ssh-keygen(1), KEY REVOCATION LISTS)."""

Stamp = tuple[int, int, int, int, int]
"""Differs if a file has changed."""


@frozen
class _Reading:
    """The result of reading the file, and its stamp then."""

    stamp: Stamp | None
    found: Revoked | str


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _shown(path: Path | None) -> str:
    return safe(str(path))


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe may never have a writer


def _read(path: Path) -> _Reading:
    """Read all of it; never raises. What is written meanwhile is found at the next look."""
    stamp = None
    try:
        with open(path, "rb", opener=_open) as file:
            status = os.fstat(file.fileno())
            stamp = _stamp(status)
            if not stat.S_ISREG(status.st_mode):
                return _Reading(stamp, f"{_shown(path)}: it is not a file")
            return _Reading(stamp, read_revoked(file.read(FILE_LIMIT + 1)))
    except OSError as error:
        return _Reading(stamp, f"{_shown(path)}: {error.strerror}")
    except ValueError as error:
        return _Reading(stamp, f"{_shown(path)}: {error}")
    except MemoryError:
        return _Reading(stamp, f"{_shown(path)}: out of memory")


def _examined(path: Path, before: Stamp | None) -> _Reading | str | None:
    """The file if it differs from what it was at `before`, None if it does not, or why it is not
    there. Never raises.
    """
    try:
        status = path.stat()
    except OSError as error:
        return f"{_shown(path)}: {error.strerror}"
    return None if _stamp(status) == before else _read(path)


class RevocationFile:
    """What the file `path`, which may change at any time, revokes at this moment; None: nothing.

    `seconds` is a clock for measuring; `in_thread` looks at the file: the disk may not answer.
    Changes are noticed by calls of `current` and `refreshed` only: call one every second, or so.
    `known`: what another file revoked, which counts for plain keys until this one has been read.
    """

    def __init__(
        self,
        path: Path | None,
        seconds: Callable[[], float],
        in_thread: InThread,
        known: Revoked | None = None,
    ) -> None:
        self.path = path
        self._seconds = seconds
        self._in_thread = in_thread
        self._looked: float | None = None
        self._looking: float | None = None
        self._waiting: list[Deferred[None]] = []
        self._last = _Reading(None, f"{_shown(path)}: it has not been read yet")
        self._missing = ""
        self._known = known
        if path is None:
            self._last = _Reading(None, Revoked())

    @property
    def known(self) -> Revoked | str:
        """What the file revoked when it could last be read: for plain keys, which are not refused
        when it is damaged later. Why it cannot be read, if this process has never read it.
        """
        if self._known is not None:
            return self._known
        return self._missing or self._last.found

    def load(self) -> Revoked | str:
        """Read it now, in this thread: before the first login. Returns what `current` will."""
        if self.path is not None:
            self._take(_read(self.path))
            self._missing, self._looked = "", self._seconds()
        return self._last.found

    def look(self) -> Revoked | str:
        """For a reload: as `current`, but a file of at most `AT_ONCE` bytes is read now."""
        try:
            is_small = self.path is not None and self.path.stat().st_size <= AT_ONCE
        except OSError as error:
            self._looked = self._seconds()
            self._miss(f"{_shown(self.path)}: {error.strerror}")
            return self._missing
        if is_small:
            return self.load()
        self._looked = None
        return self.current()

    async def refreshed(self, clock: Clock) -> None:
        """Wait for a look that is due or under way, until it has taken `FRESH` seconds."""
        self.current()
        if self._looking is None or self._seconds() - self._looking >= FRESH:
            return
        over = Deferred[None]()
        self._waiting.append(over)
        with suppress(TimeoutError):
            await within(clock, FRESH - (self._seconds() - self._looking), over)

    def current(self) -> Revoked | str:
        """What is revoked by the last look, or why that is not known. Begins a look in a thread,
        once a second at most.
        """
        now = self._seconds()
        if self.path is not None and (self._looked is None or now - self._looked >= LOOK_EVERY):
            self._looked = now
            self._look(self.path, now)
        if self._looking is not None and now - self._looking > PATIENCE:
            return f"{_shown(self.path)}: reading it takes longer than {PATIENCE:g} seconds"
        return self._missing or self._last.found

    def _look(self, path: Path, now: float) -> None:
        if self._looking is not None:
            return
        try:
            looking = self._in_thread(partial(_examined, path, self._last.stamp))
        except RuntimeError:  # out of threads; the next look tries again
            self._miss(f"{_shown(path)}: no thread could be started to read it")
        else:
            self._looking = now
            RunningCoroutine(self._take_later(looking))

    async def _take_later(self, looking: "Awaitable[_Reading | str | None]") -> None:
        found = await looking
        self._looking = None
        self._miss(found if isinstance(found, str) else "")
        if isinstance(found, _Reading):
            self._take(found)
        waiting, self._waiting = self._waiting, []
        for over in waiting:
            if not over.called:  # else nobody waits any more
                over.callback(None)

    def _miss(self, why: str) -> None:
        if why and why not in (self._missing, self._last.found):
            self._report(why)
        self._missing = why

    def _take(self, reading: _Reading) -> None:
        if not isinstance(reading.found, str):
            log.info("revocations-read", path=_shown(self.path))
            self._known = reading.found
        elif reading.found != self._last.found:
            self._report(reading.found)
        self._last = reading

    def _report(self, why: str) -> None:
        refused = "no certificate is accepted; of public keys, those it revoked before are refused"
        if self._known is None:
            refused = "no public key and no certificate is accepted"
        log.error("revocations-unknown", why=why, effect=f"{refused} until it can be read")


def unread(path: Path) -> str:
    """Why a server that started now could not read the file; empty if it could. Reads all of it."""
    found = _read(path).found
    return found if isinstance(found, str) else ""
