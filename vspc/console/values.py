"""Consoles and migrations as values (law 10): what another process needs to take them up.

Each stands for itself and refers to others by key: a console is its id, a line the name that it is
handed over under. So one that changed can be written without the others. Times are in seconds of
the clock that measures here; another process' clock may have another zero (`shift`). Wall times
are as they are. A reader takes what it does not find as its default, and looks at nothing that it
does not know: the version before and the one after read each other.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from vspc.common.serial import ModemState, PortSettings
from vspc.console.console import Console, Vm
from vspc.console.events import HostChange, Moved
from vspc.console.identity import Identity, Provenance
from vspc.console.input_flow import InputFlowState
from vspc.console.input_queue import InputAccount
from vspc.console.migration import MigrationState
from vspc.console.peers import Migration, Past, PeerTable
from vspc.console.ports import Line
from vspc.console.remote import RemoteSystem
from vspc.console.roster import Roster
from vspc.wire.uri import RemoteUri

RESTARTED = "the server was restarted"
"""Why a console is away whose line is not handed over: it had TLS."""

LineNames = Callable[[Line | None], str | None]
"""The name that a line is handed over under; None: it is not."""


class SavedVm(Struct, frozen=True, omit_defaults=True):
    """One VM; `name` is what it is displayed as."""

    identity: Identity
    uuid: str | None = None
    claimed_name: str = ""
    name: str = ""


class SavedConsole(Struct, frozen=True, omit_defaults=True):
    """One console, with its VM. `about`: the VM that a quarantined line claims to be.

    `line`: the name of its line; `history_end`: the offset behind its last output.
    """

    vm: SavedVm
    port_key: str
    about: Identity | None = None
    label: str | None = None
    ordinal: int = 1
    number: int = 1
    service_uri: str = ""
    remote: RemoteUri | None = None
    history_end: int = 0
    input: InputFlowState = InputFlowState()
    migrating: bool = False
    moves: int = 0
    last_move: Moved | None = None
    host_change: HostChange | None = None
    unseen_change: HostChange | None = None
    last_address: str = ""
    provenance: Provenance = Provenance.PLAIN
    bytes_from_vm: int = 0
    bytes_to_vm: int = 0
    breaks_from_vm: int = 0
    settings: PortSettings | None = None
    modem: ModemState | None = None
    since: float = 0.0
    last_output: float | None = None
    away_reason: str = ""
    line: str | None = None
    dial_uri: str = ""


class SavedHistory(Struct, frozen=True):
    """The output that a console keeps: `data` from offset `start`."""

    start: int
    data: bytes


class SavedMigration(Struct, frozen=True, omit_defaults=True):
    """One open migration, whose key is its credential; `console` is an id."""

    console: str
    sequence: bytes
    source: str | None = None
    source_address: str = ""
    target: str | None = None
    began: float = 0.0
    deadline: float = 0.0
    state: MigrationState = MigrationState.BEGUN
    resumed: bool = False
    orphaned: float | None = None


class SavedPast(Struct, frozen=True, omit_defaults=True):
    """A migration that is over, whose key is its credential."""

    console: str
    source_address: str = ""
    state: MigrationState = MigrationState.EXPIRED


class SavedConsoles(Struct, frozen=True):
    """All of them by their keys, in the order in which they came."""

    consoles: dict[str, SavedConsole] = {}
    histories: dict[str, SavedHistory] = {}
    migrations: dict[bytes, SavedMigration] = {}
    past: dict[bytes, SavedPast] = {}


# Saving


def save(roster: Roster, peers: PeerTable, name: LineNames) -> SavedConsoles:
    """Everything that `roster` and `peers` hold."""
    return SavedConsoles(
        {console.id: save_console(console, roster, name) for console in roster},
        {c.id: history for c in roster if (history := save_history(c)) is not None},
        # One that was given up may be of a console that was forgotten since.
        {
            each.credential: save_migration(each, name)
            for each in peers.open_ones()
            if roster.has(each.console)
        },
        {
            credential: save_past(past)
            for credential, past in peers.past_ones()
            if roster.has(past.console)
        },
    )


def save_console(console: Console, roster: Roster, name: LineNames) -> SavedConsole:
    """One console, without its history."""
    link, vm = console.link, console.vm
    about = roster.about(console)
    return SavedConsole(
        SavedVm(vm.identity, vm.uuid, vm.claimed_name, vm.name),
        console.port_key,
        None if about is None else about.identity,
        console.label,
        console.ordinal,
        console.number,
        console.service_uri,
        None if console.remote is None else console.remote.uri,
        console.history.end,
        console.input.state,
        link.migrating,
        link.moves,
        link.last_move,
        console.attachments.host_change,
        link.unseen_change,
        link.last_address,
        link.provenance,
        link.bytes_from_vm,
        link.bytes_to_vm,
        link.breaks_from_vm,
        link.port.settings,
        link.port.modem,
        link.since,
        link.last_output,
        link.away_reason,
        name(link.line),
        console.dial_uri,
    )


def save_history(console: Console) -> SavedHistory | None:
    """The output that `console` keeps; None: nothing."""
    history = console.history
    count = history.end - history.start
    return SavedHistory(history.start, history.read(history.start, count)) if count else None


def save_migration(migration: Migration, name: LineNames) -> SavedMigration:
    """One open migration."""
    return SavedMigration(
        migration.console.id,
        migration.sequence,
        name(migration.source),
        migration.source_address,
        name(migration.target),
        migration.began,
        migration.deadline,
        migration.state,
        migration.resumed,
        migration.orphaned,
    )


def save_past(past: Past) -> SavedPast:
    """One that is over."""
    return SavedPast(past.console.id, past.source_address, past.state)


# Taking up


def restore(state: SavedConsoles, roster: Roster) -> dict[str, Console]:
    """The consoles of `state` in an empty `roster`, without their lines, by their ids."""
    live = {
        each.vm.identity
        for each in state.consoles.values()
        if each.line is not None or each.migrating
    }
    vms: dict[Identity, Vm] = {}
    for saved in state.consoles.values():
        vm = saved.vm
        if vm.identity not in vms:
            vms[vm.identity] = roster.revive_vm(
                vm.identity, vm.uuid, vm.claimed_name, vm.name, vm.identity in live
            )
    found = dict[str, Console]()
    for saved in state.consoles.values():
        if saved.about is None or saved.about in vms:
            console = _revive(saved, vms, roster)
            history = state.histories.get(console.id)
            if history is not None and history.start + len(history.data) == saved.history_end:
                console.history.restore(history.start, history.data)
            found[console.id] = console
    return found


def _revive(saved: SavedConsole, vms: Mapping[Identity, Vm], roster: Roster) -> Console:
    console = roster.revive_console(
        vms[saved.vm.identity],
        None if saved.about is None else vms[saved.about],
        saved.port_key,
        saved.label,
        saved.ordinal,
        saved.number,
        saved.last_address,
    )
    console.service_uri = saved.service_uri
    console.dial_uri = saved.dial_uri
    console.remote = None if saved.remote is None else RemoteSystem(saved.remote)
    console.history.restore(saved.history_end, b"")
    console.attachments.host_change = saved.host_change
    link = console.link
    link.migrating = saved.migrating
    link.moves = saved.moves
    link.last_move = saved.last_move
    link.unseen_change = saved.unseen_change
    link.provenance = saved.provenance
    link.bytes_from_vm = saved.bytes_from_vm
    link.bytes_to_vm = saved.bytes_to_vm
    link.breaks_from_vm = saved.breaks_from_vm
    link.port.restore(saved.settings, saved.modem)
    link.since = saved.since
    link.last_output = saved.last_output
    link.away_reason = saved.away_reason or RESTARTED
    return console


def adopt(
    state: SavedConsoles,
    consoles: Mapping[str, Console],
    roster: Roster,
    peers: PeerTable,
    lines: Mapping[str, Line],
    shift: float,
    now: float,
) -> list[Console]:
    """Give the consoles that `restore` made their lines, and their migrations to `peers`.

    `shift`: what this process' clock shows more than that of the other one; it shows `now`. The
    consoles whose migration has come to nothing, because its target is not among `lines`.
    """
    for key, console in consoles.items():
        saved = state.consoles[key]
        line = None if saved.line is None else lines.get(saved.line)
        console.link.line = line
        if line is not None:
            console.link.away_reason = ""
        console.input.restore(saved.input, line, InputAccount(console, None))
    for console in consoles.values():
        if not console.live:
            roster.settle(console)
    without_target = list[Console]()
    for credential, each in _by_deadline(state):
        if each.target is not None and each.target not in lines:
            without_target += [consoles[each.console]] if each.console in consoles else []
        elif each.console in consoles:
            orphaned = None if each.orphaned is None else each.orphaned + shift
            if each.source is not None and each.source not in lines:
                orphaned = now
            peers.take_up(
                Migration(
                    consoles[each.console],
                    credential,
                    each.sequence,
                    None if each.source is None else lines.get(each.source),
                    each.source_address,
                    each.began + shift,
                    each.deadline + shift,
                    None if each.target is None else lines.get(each.target),
                    each.state,
                    each.resumed,
                    orphaned,
                )
            )
    for credential, past in state.past.items():
        if past.console in consoles:
            kept = Past(consoles[past.console], past.source_address, past.state)
            peers.remember(credential, kept)
    return without_target


def _by_deadline(state: SavedConsoles) -> list[tuple[bytes, SavedMigration]]:
    """The open migrations in the order that `PeerTable` needs: by deadline."""
    return sorted(state.migrations.items(), key=lambda item: item[1].deadline)
