"""vMotion: who may take over a console's line. Pure: time is an argument, nothing is written here.

The key is sequence + secret as one bytes, because nothing on the wire parts them. An entry is
open from BEGIN until COMPLETE, ABORT, the loss of what it needs, or its deadline: the table of
`vspc.console.migration`. Each method answers with what is to be done; the caller does it.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable

from attrs import define, field, frozen

from vspc.console.changes import StateChanges
from vspc.console.console import Console
from vspc.console.migration import (
    Act,
    Goahead,
    Illegal,
    MigrationEvent,
    MigrationState,
    MoveComplete,
    NotNow,
    PeerFault,
    PeerOk,
    Released,
    Resumed,
    SourceLost,
    Unknown,
    step,
)
from vspc.console.ports import Line

SECRET = 8
"""Bytes of a secret, none of them 0xFF: ESXi ends a secret at one (3 % of migrations fail so)."""

SEQUENCE = 64
"""Bytes of the longest sequence that is answered."""

MIGRATION = 120.0
"""Seconds from BEGIN after which a migration is given up."""

TALKING = 1.0
"""Seconds after GOAHEAD from which output of the source means that it has not moved."""

ORPHANED = 10.0
"""Seconds after which a migration that has lost its source, and that is not claimed, holds the
console no longer. A target comes about a second after BEGIN."""

REMEMBERED = 4096
"""Migrations that are over and still known by their credentials, so that a replay is seen."""


@define(eq=False)
class Migration:
    """One vMotion. `began`, `deadline` and `orphaned` (when the source was lost) are seconds."""

    console: Console
    credential: bytes
    sequence: bytes
    source: Line | None
    source_address: str
    began: float
    deadline: float
    target: Line | None = None
    state: MigrationState = MigrationState.BEGUN
    resumed: bool = False
    orphaned: float | None = None


@frozen
class Past:
    """What is remembered of a migration that is over."""

    console: Console
    source_address: str
    state: MigrationState


def make_secret() -> bytes:
    """8 random bytes without 0xFF."""
    while 0xFF in (secret := secrets.token_bytes(SECRET)):
        pass
    return secret


@define(eq=False)
class PeerTable:
    """All open migrations; at most one for a console, found by credential, console or line."""

    timeout: float = MIGRATION
    secret: Callable[[], bytes] = make_secret
    changes: StateChanges = field(factory=StateChanges)
    # In the order in which they began, so that the one that expires first comes first.
    _by_credential: OrderedDict[bytes, Migration] = field(factory=OrderedDict, init=False)
    _by_console: dict[Console, Migration] = field(factory=dict, init=False)
    _by_line: dict[Line, Migration] = field(factory=dict, init=False)
    _over: OrderedDict[bytes, Past] = field(factory=OrderedDict, init=False)
    # Those without a source that are not claimed, in the order in which they lost it.
    _orphans: OrderedDict[Migration, None] = field(factory=OrderedDict, init=False)

    def __len__(self) -> int:
        return len(self._by_credential)

    @property
    def migrating(self) -> int:
        """How many consoles are held by one; others have resumed, or have been given up."""
        return sum(each.console.link.migrating for each in self._by_credential.values())

    def open_ones(self) -> list[Migration]:
        """Every open migration, in the order of their deadlines."""
        return list(self._by_credential.values())

    def find(self, credential: bytes) -> Migration | None:
        """The open migration with `credential`."""
        return self._by_credential.get(credential)

    def find_past(self, credential: bytes) -> Past | None:
        """What is remembered of one that is over."""
        return self._over.get(credential)

    def past_ones(self) -> list[tuple[bytes, Past]]:
        """What is remembered of others, by credential."""
        return list(self._over.items())

    def take_up(self, migration: Migration) -> None:
        """Go on with a migration that began in another process."""
        self._open(migration)

    def remember(self, credential: bytes, past: Past) -> None:
        """A credential is used up."""
        self._over[credential] = past
        self.changes.migration(credential)
        if len(self._over) > REMEMBERED:
            forgotten, _ = self._over.popitem(last=False)
            self.changes.migration(forgotten)

    def of(self, console: Console) -> Migration | None:
        """The open migration of `console`."""
        return self._by_console.get(console)

    def begin(
        self, console: Console, source: Line, sequence: bytes, now: float
    ) -> Goahead | NotNow:
        """BEGIN from the line of `console`. A second one replaces the first."""
        if len(sequence) > SEQUENCE:
            return NotNow(f"a sequence of {len(sequence)} bytes; at most {SEQUENCE} are answered")
        former = self._by_console.get(console)
        if former is not None:
            self._step(former, MigrationEvent.BEGIN)
        credential = sequence + self.secret()
        while credential in self._by_credential or credential in self._over:
            credential = sequence + self.secret()
        self._open(
            Migration(
                console, credential, sequence, source, source.address, now, now + self.timeout
            )
        )
        return Goahead(credential, former.target if former else None)

    def _open(self, migration: Migration) -> None:
        self._by_credential[migration.credential] = migration
        self._by_console[migration.console] = migration
        self.changes.migration(migration.credential)
        for line in (migration.source, migration.target):
            if line is not None:
                self._by_line[line] = migration
        if migration.orphaned is not None and migration.state is MigrationState.BEGUN:
            self._orphans[migration] = None

    def claim(
        self, credential: bytes, target: Line, may: Callable[[Console], bool]
    ) -> PeerOk | Unknown:
        """PEER on a new line: works once. `may`: whether the line's place may be a target for it.

        A claim from the wrong place does not spend the credential: the right one may still come.
        """
        migration = self._by_credential.get(credential)
        known = migration or self._over.get(credential)
        if known is None:
            return Unknown(PeerFault.UNKNOWN)
        console, source = known.console, known.source_address
        if not may(console):
            return Unknown(PeerFault.PLACE, console, source)
        state, act = step(known.state, MigrationEvent.PEER)
        if migration is None or act is not Act.CLAIM or target in self._by_line:
            return Unknown(PeerFault.BUSY if known.state.open else PeerFault.USED, console, source)
        migration.state, migration.target = state, target
        self.changes.migration(credential)
        self._by_line[target] = migration
        self._orphans.pop(migration, None)
        return PeerOk(console, migration.sequence)

    def complete(self, target: Line, sequence: bytes, now: float) -> MoveComplete | Illegal:
        """COMPLETE: only from the line that claimed, with its sequence."""
        migration = self._by_line.get(target)
        if migration is None or migration.target is not target:
            return Illegal("COMPLETE from a line that claimed no migration")
        if migration.sequence != sequence:
            return Illegal("COMPLETE with another sequence than its migration")
        self._step(migration, MigrationEvent.COMPLETE)
        return MoveComplete(
            migration.console, migration.source, migration.source_address, now - migration.began
        )

    def abort(self, source: Line) -> Released | Illegal:
        """ABORT: only from the line that began."""
        migration = self._by_line.get(source)
        if migration is None or migration.source is not source:
            return Illegal("ABORT from a line that began no migration")
        return self._release(migration, MigrationEvent.ABORT, "the source aborted it")

    def source_sent(self, source: Line, now: float) -> Resumed | None:
        """`source` sent output. None if that means nothing for a migration."""
        migration = self._by_line.get(source)
        if migration is None or migration.source is not source or migration.resumed:
            return None
        if now - migration.began < TALKING or self._step(
            migration, MigrationEvent.SOURCE_SENT
        ) is not (Act.RESUME):
            return None
        migration.resumed = True
        self.changes.migration(migration.credential)
        return Resumed(migration.console)

    def lost(self, line: Line, now: float) -> Released | SourceLost | None:
        """`line` is closed. None if no open migration needs it."""
        migration = self._by_line.get(line)
        if migration is None:
            return None
        if migration.target is line:
            return self._release(migration, MigrationEvent.TARGET_LOST, "the target is gone")
        del self._by_line[line]
        self._step(migration, MigrationEvent.SOURCE_LOST)
        migration.source, migration.orphaned = None, now
        self.changes.migration(migration.credential)
        if migration.state is MigrationState.BEGUN:
            self._orphans[migration] = None
        return SourceLost(migration.console)

    def refute(self, target: Line, reason: str) -> Released | None:
        """The identification of `target` does not fit its claim: the credential is spent."""
        migration = self._by_line.get(target)
        if migration is None or migration.target is not target:
            return None
        return self._release(migration, MigrationEvent.REFUTED, reason)

    def unacknowledged(self, source: Line, credential: bytes) -> Released | None:
        """GOAHEAD with `credential` was not acknowledged in time: withdraw it."""
        migration = self._by_line.get(source)
        if migration is None or migration.credential != credential:
            return None
        if self._step(migration, MigrationEvent.UNACKNOWLEDGED) is not Act.RELEASE:
            return None
        reason = "its host did not acknowledge the go-ahead in time"
        return Released(migration.console, migration.target, reason)

    def supersede(self, console: Console, reason: str) -> Released | None:
        """`console` is about to have another line: its migration is void."""
        migration = self._by_console.get(console)
        if migration is None:
            return None
        released = Released(migration.console, migration.target, reason)
        return released if self._step(migration, MigrationEvent.SUPERSEDED) is Act.RELEASE else None

    def _release(self, migration: Migration, event: MigrationEvent, reason: str) -> Released:
        self._step(migration, event)
        return Released(migration.console, migration.target, reason)

    def expire(self, now: float) -> list[Released]:
        """Give up what is over its deadline, and release consoles for which no target comes."""
        released = []
        while self._by_credential:
            migration = next(iter(self._by_credential.values()))
            if migration.deadline > now:
                break
            reason = f"it took longer than {self.timeout:g} s"
            given_up = Released(migration.console, migration.target, reason)
            if self._step(migration, MigrationEvent.DEADLINE) is Act.RELEASE:
                released.append(given_up)
        return released + self._let_go(now)

    def _let_go(self, now: float) -> list[Released]:
        released = []
        while self._orphans:
            migration = next(iter(self._orphans))
            if migration.orphaned is None or now - migration.orphaned < ORPHANED:
                break
            del self._orphans[migration]
            reason = f"its source was closed, and no target came within {ORPHANED:g} s"
            released.append(self._release(migration, MigrationEvent.ORPHANED, reason))
        return released

    def _step(self, migration: Migration, event: MigrationEvent) -> Act:
        migration.state, act = step(migration.state, event)
        self.changes.migration(migration.credential)
        if not migration.state.open:
            self._close(migration)
        return act

    def _close(self, migration: Migration) -> None:
        if self._by_credential.pop(migration.credential, None) is None:
            return
        self._orphans.pop(migration, None)
        del self._by_console[migration.console]
        for line in (migration.source, migration.target):
            if line is not None:
                self._by_line.pop(line, None)
        past = Past(migration.console, migration.source_address, migration.state)
        self.remember(migration.credential, past)
