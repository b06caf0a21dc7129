"""What another process left behind: its records, how far each line was, and what neither says.

A process that ended in order has written all of it. One that was killed has not: the kernel's count
of each connection tells how much was read and sent since (`vspc.net.ledger`), and that is told.
What may have been sent is never sent again.
"""

from collections.abc import Mapping
from contextlib import suppress

from attrs import define, evolve, field
from msgspec.structs import replace

from vspc.console.values import SavedConsole
from vspc.net.ledger import Difference, TcpCounts, TrafficAccount, compare
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


# What no record says


@define
class Reckoning:
    """`state`, as far as another process can go on from it. `resend`: what lines are sent first, by
    name; `missing`: what is to be told, by the ids of consoles; `missing_elsewhere`: of lines that
    have none.
    """

    state: SavedServer
    resend: dict[str, bytes] = field(factory=dict)
    missing: dict[str, list[str]] = field(factory=dict)
    missing_elsewhere: list[str] = field(factory=list)


def reckon(found: Assembled, counts: Mapping[str, TcpCounts | None]) -> Reckoning:
    """`found`, held against `counts` of the connections that were handed over, by their names."""
    lines, consoles = dict(found.state.lines), dict(found.state.consoles.consoles)
    reckoning = Reckoning(found.state)
    migrations = _consoles_of_migrations(found.state)
    for name, line in found.state.lines.items():
        if name not in counts:
            continue
        difference = _difference(line.account, counts[name], found.moment.is_orderly)
        reckoning.resend[name] = difference.resend
        console = None if line.console is None else consoles.get(line.console)
        if difference.missed != 0:
            lines[name] = _without_tail(line)
        if line.console is not None and console is not None and console.line == name:
            after, told = _reckoned(console, difference)
            consoles[line.console] = after
            if told:
                reckoning.missing.setdefault(line.console, []).extend(told)
        elif difference.missed != 0:
            text = f"{_missed(difference)}, from its other line"
            its = line.console or migrations.get(name)
            if its is not None and its in consoles:
                reckoning.missing.setdefault(its, []).append(text)
            else:
                text = f"{_missed(difference)}, from a line of {line.address} without a console"
                reckoning.missing_elsewhere.append(text)
    kept = replace(found.state.consoles, consoles=consoles)
    reckoning.state = replace(found.state, lines=lines, consoles=kept)
    return reckoning


def _consoles_of_migrations(state: SavedServer) -> dict[str, str]:
    """The ids of the consoles that lines are on their way to, or from, by the lines' names."""
    found = dict[str, str]()
    for each in state.consoles.migrations.values():
        found |= {name: each.console for name in (each.source, each.target) if name is not None}
    return found


def _missed(difference: Difference) -> str:
    count = "it is not known how many" if difference.missed is None else difference.missed
    return f"output may be missing: {count} bytes were read by the server before it was killed"


def _difference(
    account: TrafficAccount | None, now: TcpCounts | None, is_orderly: bool
) -> Difference:
    if is_orderly and account is not None and now is None:
        return Difference(resend=account.unsent)
    return compare(account, now)


def _without_tail(line: SavedLine) -> SavedLine:
    """Nobody knows where in the stream it is: it goes on with data, and without questions."""
    telnet = line.telnet
    if telnet is None:
        return replace(line, unread=b"")
    transport = evolve(telnet.transport, tail=b"")
    telnet = replace(telnet, transport=transport, after_cr=False, questions=())
    return replace(line, telnet=telnet)


def _reckoned(console: SavedConsole, difference: Difference) -> tuple[SavedConsole, list[str]]:
    """`console` after `difference` of its line, and what is to be told of that."""
    told = list[str]()
    flow = console.input
    if difference.missed != 0:
        told.append(_missed(difference))
        flow = evolve(flow, asked=(), since=0)
    if difference.oversent != 0 and flow.queue:
        count = sum(map(len, flow.queue))
        told.append(
            f"{count} bytes of input that waited are dropped: some of them may have been sent "
            "before the server was killed"
        )
        flow = evolve(flow, queue=(), asked=(), since=0)
    return replace(console, input=flow), told
