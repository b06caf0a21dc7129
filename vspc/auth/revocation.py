"""The file of what is revoked: read, and read again when it changes.

Binary as `ssh-keygen -k` makes it, or text as it takes it, and as sshd(8) takes it for RevokedKeys.
"""

import base64
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from attrs import frozen
from twisted.logger import Logger

from vspc.auth.certkeys import parse
from vspc.auth.krl import MAGIC, read_krl
from vspc.auth.revoked import ANY, Draft, Revoked
from vspc.common.text import safe
from vspc.common.textfile import examine, lines, text_of
from vspc.console.ports import InThread
from vspc.wire.ssh import is_certificate, key_type

FILE_LIMIT = 16 * 1024 * 1024
"""Bytes of a file."""

LOOK_EVERY = 1.0
"""Seconds between two looks at whether it has changed."""

AT_ONCE = 64 * 1024
"""Bytes of a file that is read where it is looked at, without a thread: a few milliseconds. Thus
what is revoked in a file of that size counts for the very next login.
"""

PATIENCE = 60.0
"""Seconds that reading it may take before what it said last counts for nothing."""

_EMPTY = "it is empty; a line with # is enough if nothing is revoked"

_SERIAL = re.compile(r"(0x[0-9a-f]{1,16}|[0-9]{1,20})(?:-(0x[0-9a-f]{1,16}|[0-9]{1,20}))?", re.I)
_DIGEST = re.compile(r"SHA256:([A-Za-z0-9+/]{43})=?")
_COMMENT = re.compile(r"\s#")
_QUOTED = re.compile(r"([\"'])(.+)\1")

log = Logger()


def read_revoked(data: bytes) -> Revoked:
    """What a file revokes, binary or text. Raises ValueError, which names the line and shows
    nothing of it.

    An empty file is refused: a writer may just have begun, or the disk be full.
    """
    if len(data) > FILE_LIMIT:
        raise ValueError(f"it is longer than {FILE_LIMIT} bytes")
    if not data:
        raise ValueError(_EMPTY)
    return read_krl(data) if data.startswith(MAGIC) else _read_text(data)


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
    """`serial: 7`, `id: TEXT`, `hash: SHA256:...` and so on, or a key by itself."""
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
        raise ValueError("it is a private key, which nobody but its owner should have")
    words = text.split(None, 2)
    try:
        blob = base64.b64decode(words[1] if len(words) > 1 else "", validate=True)
    except ValueError:
        blob = b""
    if not blob or key_type(blob) != words[0].encode("utf-8", "surrogateescape"):
        raise ValueError(f"it is not a public key, and begins with none of {', '.join(_WORDS)}")
    return parse(blob).key if is_certificate(blob) else blob


def _serial(text: str, draft: Draft) -> None:
    """Of every authority: a text does not say of which."""
    match = _SERIAL.fullmatch(_uncommented(text))
    if match is None:
        raise ValueError("a serial number, or two with a - between them, is wanted")
    first = int(match[1], 0)
    draft.range(ANY, first, int(match[2], 0) if match[2] else first)


def _key_id(text: str, draft: Draft) -> None:
    """ssh-keygen takes a # for a comment wherever it stands, and quotes for a part of the ID.
    Whoever did not know that means another word: all are revoked.
    """
    if not text.isprintable():
        raise ValueError("the key ID holds a character that is not printable")
    words = [text.partition("#")[0].rstrip(), _uncommented(text)]
    words += [found[2] for word in words if (found := _QUOTED.fullmatch(word))]
    for key_id in words:
        if not key_id:
            raise ValueError("a key ID is wanted")
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
"""By what a changed file is known."""


@frozen
class _Read:
    """What came of reading the file, and what it was like then."""

    stamp: Stamp | None
    found: Revoked | str


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # nobody may ever write to a pipe


def _read(path: Path) -> _Read:
    """Read all of it; never raises. What is written meanwhile is seen at the next look."""
    stamp = None
    try:
        with open(path, "rb", opener=_open) as file:
            status = os.fstat(file.fileno())
            stamp = _stamp(status)
            if not stat.S_ISREG(status.st_mode):
                return _Read(stamp, f"{safe(str(path))}: it is not a file")
            return _Read(stamp, read_revoked(file.read(FILE_LIMIT + 1)))
    except OSError as error:
        return _Read(stamp, f"{safe(str(path))}: {error.strerror}")
    except ValueError as error:
        return _Read(stamp, f"{safe(str(path))}: {error}")
    except MemoryError:
        return _Read(stamp, f"{safe(str(path))}: there is no memory for it")


class Revocations(Protocol):
    """What is revoked, as it is asked for at each login."""

    @property
    def known(self) -> Revoked | str:
        """What was when that was last known, or why it never was."""

    def current(self) -> Revoked | str:
        """What is, or why that is not known."""


class NothingRevoked:
    """No file says that anything is."""

    @property
    def known(self) -> Revoked | str:
        """Nothing."""
        return _NOTHING

    def current(self) -> Revoked | str:
        """Nothing."""
        return _NOTHING


_NOTHING = Revoked()


class RevocationFile:
    """What is revoked at this moment, by a file that may change at any time.

    `seconds` is a clock for measuring; `in_thread(call, then)` runs `call`, which never raises, in
    a thread and hands its result to `then` in this one. A file of more than `at_once` bytes is
    read there. It is noticed by calls of `current` only: have one every second, or so.
    """

    def __init__(
        self,
        path: Path,
        seconds: Callable[[], float],
        in_thread: InThread,
        at_once: int = AT_ONCE,
        known: Revoked | None = None,
    ) -> None:
        """`known`: what another file said, which counts for plain keys until this one has been
        read.
        """
        self._at_once = at_once
        self._path = path
        self._seconds = seconds
        self._in_thread = in_thread
        self._looked: float | None = None
        self._reading: float | None = None
        self._last = _Read(None, f"{safe(str(path))}: it has not been read yet")
        self._gone = ""
        self._known = known

    @property
    def known(self) -> Revoked | str:
        """What the file revoked when it could last be read: for plain keys, which are not refused
        when it is damaged later. Why it cannot be read, if this process has never read it.
        """
        if self._known is not None:
            return self._known
        return self._gone or self._last.found

    def load(self) -> Revoked | str:
        """Read it now, in this thread: before the first login. Returns what `current` will."""
        self._took(_read(self._path))
        self._looked = self._seconds()
        return self._last.found

    def look(self) -> Revoked | str:
        """As `current`, however short ago the file was looked at."""
        self._looked = None
        return self.current()

    def current(self) -> Revoked | str:
        """What is revoked, or why that is not known. Looks at the file once a second at most;
        while a thread reads a new one the old one counts.
        """
        now = self._seconds()
        if self._looked is None or now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._look(now)
        if self._reading is not None and now - self._reading > PATIENCE:
            return f"{safe(str(self._path))}: reading it takes longer than {PATIENCE:g} seconds"
        return self._gone or self._last.found

    def _look(self, now: float) -> None:
        try:
            status = self._path.stat()
        except OSError as error:
            self._miss(f"{safe(str(self._path))}: {error.strerror}")
            return
        self._gone = ""
        if _stamp(status) == self._last.stamp or self._reading is not None:
            return
        if status.st_size <= self._at_once:
            self._took(_read(self._path))
        else:
            self._reading = now
            self._in_thread(lambda: _read(self._path), self._heard)

    def _miss(self, why: str) -> None:
        if why not in (self._gone, self._last.found):
            self._complain(why)
        self._gone = why

    def _heard(self, read: _Read) -> None:
        self._reading = None
        self._took(read)

    def _took(self, read: _Read) -> None:
        if isinstance(read.found, str):
            if read.found != self._last.found:
                self._complain(read.found)
        else:
            log.info("revocations-read", path=safe(str(self._path)))
            self._known = read.found
        self._last = read

    def _complain(self, why: str) -> None:
        refused = "no certificate is accepted; of public keys, those it revoked before are refused"
        if self._known is None:
            refused = "no public key and no certificate is accepted"
        log.error("revocations-unknown", why=why, effect=f"{refused} until it can be read")


def unread(path: Path) -> str:
    """Why a server that started now could not read the file; empty if it could. Reads all of it."""
    found = _read(path).found
    return found if isinstance(found, str) else ""
