"""Consoles and migrations as values (law 10): what another process needs to take them up.

Lines are numbers here: `save` is given them, and `adopt` the lines that they stand for. Times are
ages and what is left of waits, in seconds, because another process' clock has another zero; wall
times are as they are.
"""

from collections.abc import Callable, Mapping

from attrs import frozen

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


@frozen
class SavedVm:
    """One VM; `name` is what it is displayed as."""

    identity: Identity
    uuid: str | None
    claimed_name: str
    name: str
    live: bool


@frozen
class SavedConsole:
    """One console. `vm` and `about` (the VM that a quarantined line claims to be) are indexes."""

    vm: int
    about: int | None
    port_key: str
    label: str | None
    ordinal: int
    number: int
    service_uri: str
    remote: RemoteUri | None
    history_start: int
    history: bytes
    input: InputFlowState
    migrating: bool
    moves: int
    last_move: Moved | None
    host_change: HostChange | None
    unseen_change: HostChange | None
    last_address: str
    provenance: Provenance
    bytes_from_vm: int
    bytes_to_vm: int
    breaks_from_vm: int
    settings: PortSettings | None
    modem: ModemState | None
    since: float
    last_output: float | None
    line: int | None


@frozen
class SavedMigration:
    """One open migration; `console` is an index."""

    console: int
    credential: bytes
    sequence: bytes
    source: int | None
    source_address: str
    target: int | None
    age: float
    left: float
    state: MigrationState
    resumed: bool
    orphaned: float | None


@frozen
class SavedPastMigration:
    """A credential that is used up."""

    credential: bytes
    console: int
    source_address: str
    state: MigrationState


@frozen
class SavedConsoles:
    """All of them."""

    vms: tuple[SavedVm, ...]
    consoles: tuple[SavedConsole, ...]
    migrations: tuple[SavedMigration, ...]
    past: tuple[SavedPastMigration, ...]


def save(
    roster: Roster, peers: PeerTable, number: Callable[[Line | None], int | None], now: float
) -> SavedConsoles:
    """Everything that `roster` and `peers` hold; `number` names lines."""
    consoles = list(roster)
    vms = {vm: at for at, vm in enumerate(dict.fromkeys(console.vm for console in consoles))}
    index = {console: at for at, console in enumerate(consoles)}
    return SavedConsoles(
        tuple(SavedVm(v.identity, v.uuid, v.claimed_name, v.name, v.live) for v in vms),
        tuple(_console(console, roster, vms, number) for console in consoles),
        # One that was given up may be of a console that was forgotten since.
        tuple(_migration(m, index, number, now) for m in peers.open_ones() if m.console in index),
        tuple(
            SavedPastMigration(credential, index[past.console], past.source_address, past.state)
            for credential, past in peers.past_ones()
            if past.console in index
        ),
    )


def _console(
    console: Console,
    roster: Roster,
    vms: Mapping[Vm, int],
    number: Callable[[Line | None], int | None],
) -> SavedConsole:
    history = console.history
    about = roster.about(console)
    return SavedConsole(
        vms[console.vm],
        None if about is None else vms[about],
        console.port_key,
        console.label,
        console.ordinal,
        console.number,
        console.service_uri,
        None if console.remote is None else console.remote.uri,
        history.start,
        history.read(history.start, history.end - history.start),
        console.input.state,
        console.link.migrating,
        console.link.moves,
        console.link.last_move,
        console.attachments.host_change,
        console.link.unseen_change,
        console.link.last_address,
        console.link.provenance,
        console.link.bytes_from_vm,
        console.link.bytes_to_vm,
        console.link.breaks_from_vm,
        console.link.port.settings,
        console.link.port.modem,
        console.link.since,
        console.link.last_output,
        number(console.link.line),
    )


def _migration(
    migration: Migration,
    index: Mapping[Console, int],
    number: Callable[[Line | None], int | None],
    now: float,
) -> SavedMigration:
    orphaned = migration.orphaned
    return SavedMigration(
        index[migration.console],
        migration.credential,
        migration.sequence,
        number(migration.source),
        migration.source_address,
        number(migration.target),
        now - migration.began,
        migration.deadline - now,
        migration.state,
        migration.resumed,
        None if orphaned is None else now - orphaned,
    )


def restore(state: SavedConsoles, roster: Roster) -> list[Console]:
    """The consoles of `state` in an empty `roster`, without their lines; in their order."""
    vms = [
        roster.revive_vm(each.identity, each.uuid, each.claimed_name, each.name, each.live)
        for each in state.vms
    ]
    return [_revive(console, vms, roster) for console in state.consoles]


def _revive(saved: SavedConsole, vms: list[Vm], roster: Roster) -> Console:
    about = None if saved.about is None else vms[saved.about]
    console = roster.revive_console(
        vms[saved.vm],
        about,
        saved.port_key,
        saved.label,
        saved.ordinal,
        saved.number,
        saved.last_address,
    )
    console.service_uri = saved.service_uri
    console.remote = None if saved.remote is None else RemoteSystem(saved.remote)
    console.history.restore(saved.history_start, saved.history)
    console.link.migrating = saved.migrating
    console.link.moves = saved.moves
    console.link.last_move = saved.last_move
    console.attachments.host_change = saved.host_change
    console.link.unseen_change = saved.unseen_change
    console.link.provenance = saved.provenance
    console.link.bytes_from_vm = saved.bytes_from_vm
    console.link.bytes_to_vm = saved.bytes_to_vm
    console.link.breaks_from_vm = saved.breaks_from_vm
    console.link.port.restore(saved.settings, saved.modem)
    console.link.since = saved.since
    console.link.last_output = saved.last_output
    return console


def adopt(
    state: SavedConsoles,
    consoles: list[Console],
    roster: Roster,
    peers: PeerTable,
    lines: Mapping[int, Line],
    now: float,
) -> None:
    """Give the consoles that `restore` made their lines, and their migrations to `peers`."""
    for console, saved in zip(consoles, state.consoles, strict=True):
        line = None if saved.line is None else lines.get(saved.line)
        console.link.line = line
        console.input.restore(saved.input, line, InputAccount(console, None))
    for console in consoles:
        if not console.live:
            roster.settle(console)
    for open_one in state.migrations:
        orphaned = None if open_one.orphaned is None else now - open_one.orphaned
        peers.take_up(
            Migration(
                consoles[open_one.console],
                open_one.credential,
                open_one.sequence,
                None if open_one.source is None else lines.get(open_one.source),
                open_one.source_address,
                now - open_one.age,
                now + open_one.left,
                None if open_one.target is None else lines.get(open_one.target),
                open_one.state,
                open_one.resumed,
                orphaned,
            )
        )
    for past in state.past:
        peers.remember(
            past.credential, Past(consoles[past.console], past.source_address, past.state)
        )
