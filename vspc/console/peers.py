"""vMotion: who may take over a console's line. Pure: time is an argument, nothing is written here.

The key is sequence + secret as one bytes, because nothing on the wire parts them. An entry is
open from BEGIN until COMPLETE, ABORT, the loss of what it needs, or its deadline. Each method
answers with what is to be done; the door does it.
"""

import secrets
from collections.abc import Callable

from attrs import define, field, frozen

from vspc.console.console import Console
from vspc.console.ports import Line

SECRET = 8
"""Bytes of a secret, none of them 0xFF: ESXi ends a secret at one (3 % of migrations fail so)."""

SEQUENCE = 64
"""Bytes of the longest sequence that is answered."""

MIGRATION = 120.0
"""Seconds from BEGIN after which a migration is given up."""


@frozen
class Goahead:
    """Write VMOTION-GOAHEAD with `credential`; close `replaced`, an earlier attempt's target."""

    credential: bytes
    replaced: Line | None


@frozen
class NotNow:
    """Write VMOTION-NOTNOW: the VM stays where it is and may try again later."""

    reason: str


@frozen
class PeerOk:
    """Write VMOTION-PEER-OK with `sequence`: this line is the target for `console`."""

    console: Console
    sequence: bytes


@frozen
class Unknown:
    """Say nothing: the credential is wrong, used, or too old."""

    reason: str


@frozen
class Moved:
    """`target` is the line of `console` now; close `source` if it is still there."""

    console: Console
    source: Line | None
    source_address: str
    seconds: float


@frozen
class Released:
    """The migration of `console` is over without a move; close `target` if there is one."""

    console: Console
    target: Line | None
    reason: str


@frozen
class SourceLost:
    """The source of an open migration is gone: go on holding input, the target may still come."""

    console: Console


@frozen
class Illegal:
    """Drop the message: it makes no sense here."""

    reason: str


@define(eq=False)
class _Entry:
    console: Console
    credential: bytes
    sequence: bytes
    source: Line | None
    source_address: str
    began: float
    deadline: float
    target: Line | None = None


def make_secret() -> bytes:
    """8 random bytes without 0xFF."""
    return bytes(secrets.randbelow(255) for _ in range(SECRET))


@define(eq=False)
class PeerTable:
    """All open migrations; at most one for a console, found by credential, console or line."""

    timeout: float = MIGRATION
    secret: Callable[[], bytes] = make_secret
    _by_credential: dict[bytes, _Entry] = field(factory=dict, init=False)
    _by_console: dict[Console, _Entry] = field(factory=dict, init=False)
    _by_line: dict[Line, _Entry] = field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._by_credential)

    def begin(
        self, console: Console, source: Line, sequence: bytes, now: float
    ) -> Goahead | NotNow:
        """BEGIN from the line of `console`. A second one replaces the first."""
        if len(sequence) > SEQUENCE:
            return NotNow(f"a sequence of {len(sequence)} bytes; at most {SEQUENCE} are answered")
        former = self._by_console.get(console)
        if former is not None:
            self._close(former)
        credential = sequence + self.secret()
        while credential in self._by_credential:
            credential = sequence + self.secret()
        entry = _Entry(
            console, credential, sequence, source, source.address, now, now + self.timeout
        )
        self._by_credential[credential] = entry
        self._by_console[console] = entry
        self._by_line[source] = entry
        return Goahead(credential, former.target if former else None)

    def claim(self, credential: bytes, target: Line) -> PeerOk | Unknown:
        """PEER on a new line: works once."""
        entry = self._by_credential.get(credential)
        if entry is None:
            return Unknown("no open migration has this credential")
        if entry.target is not None or target in self._by_line:
            return Unknown("this credential is in use")
        entry.target = target
        self._by_line[target] = entry
        return PeerOk(entry.console, entry.sequence)

    def complete(self, target: Line, sequence: bytes, now: float) -> Moved | Illegal:
        """COMPLETE: only from the line that claimed, with its sequence."""
        entry = self._by_line.get(target)
        if entry is None or entry.target is not target:
            return Illegal("COMPLETE from a line that claimed no migration")
        if entry.sequence != sequence:
            return Illegal("COMPLETE with another sequence than its migration")
        self._close(entry)
        return Moved(entry.console, entry.source, entry.source_address, now - entry.began)

    def abort(self, source: Line) -> Released | Illegal:
        """ABORT: only from the line that began."""
        entry = self._by_line.get(source)
        if entry is None or entry.source is not source:
            return Illegal("ABORT from a line that began no migration")
        self._close(entry)
        return Released(entry.console, entry.target, "the source aborted it")

    def lost(self, line: Line) -> Released | SourceLost | None:
        """`line` is closed. None if no open migration needs it."""
        entry = self._by_line.get(line)
        if entry is None:
            return None
        if entry.source is line:
            del self._by_line[line]
            entry.source = None
            return SourceLost(entry.console)
        return self._withdraw(entry, "the target is gone")

    def refute(self, target: Line, reason: str) -> Released | None:
        """What `target` said of itself does not fit its claim: the credential is spent."""
        entry = self._by_line.get(target)
        if entry is None or entry.target is not target:
            return None
        return self._withdraw(entry, reason)

    def _withdraw(self, entry: _Entry, reason: str) -> Released:
        self._close(entry)
        return Released(entry.console, entry.target, reason)

    def console_of(self, target: Line) -> Console | None:
        """The console that `target` has claimed."""
        entry = self._by_line.get(target)
        return entry.console if entry is not None and entry.target is target else None

    def expire(self, now: float) -> list[Released]:
        """Give up what is over its deadline."""
        late = [e for e in self._by_credential.values() if e.deadline <= now]
        return [self._withdraw(e, f"it took longer than {self.timeout:g} s") for e in late]

    def _close(self, entry: _Entry) -> None:
        del self._by_credential[entry.credential]
        del self._by_console[entry.console]
        for line in (entry.source, entry.target):
            if line is not None:
                self._by_line.pop(line, None)
