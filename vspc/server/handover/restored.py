"""What another process left behind, as far as it got: its records, and how far each line was."""

from collections.abc import Mapping
from contextlib import suppress

from attrs import evolve
from msgspec.structs import replace

from vspc.console.values import SavedConsole
from vspc.net.ledger import TrafficAccount
from vspc.server.handover.encoding import Assembled, assemble
from vspc.server.handover.progress import NAME, LineProgress, read_table
from vspc.server.handover.state_file import TABLE_START, BadState, read
from vspc.vm.values import SavedLine, SavedServer


def read_state(descriptor: int) -> Assembled:
    """The state in the file `descriptor`, how far each line is included. BadState."""
    found = assemble(read(descriptor))
    try:
        table = read_table(descriptor, TABLE_START)
    except OSError as error:
        raise BadState(f"it cannot be read: {error.strerror}") from None
    return evolve(found, state=with_progress(found.state, table))


def with_progress(state: SavedServer, table: Mapping[bytes, LineProgress]) -> SavedServer:
    """`state`, in which each line is as far as `table` has it."""
    lines, consoles = dict(state.lines), dict(state.consoles.consoles)
    for name, line in state.lines.items():
        at = table.get(name.encode().ljust(NAME, b"\0"))
        if at is None or line.account is None or not at.is_kept or at.number <= line.number:
            continue
        lines[name] = _line_at(line, line.account, at)
        console = None if line.console is None else consoles.get(line.console)
        if line.console is not None and console is not None and console.line == name:
            consoles[line.console] = _console_at(console, at)
    for console_id, saved in state.consoles.consoles.items():
        with suppress(ValueError):
            at = table.get(bytes.fromhex(console_id))
            if at is not None and not at.is_kept:
                consoles[console_id] = _console_at(saved, at)
    return replace(state, lines=lines, consoles=replace(state.consoles, consoles=consoles))


def _line_at(line: SavedLine, account: TrafficAccount, at: LineProgress) -> SavedLine:
    account = evolve(account, read=at.read)
    telnet = line.telnet
    if telnet is None:
        return replace(line, account=account, unread=at.tail)
    transport = evolve(telnet.transport, tail=at.tail)
    telnet = replace(telnet, transport=transport, after_cr=at.after_cr)
    return replace(line, account=account, telnet=telnet)


def _console_at(console: SavedConsole, at: LineProgress) -> SavedConsole:
    new = at.history_end - console.history_end
    if new <= 0:
        return console
    return replace(
        console,
        history_end=at.history_end,
        last_output=at.last_output,
        bytes_from_vm=console.bytes_from_vm + new,
    )
