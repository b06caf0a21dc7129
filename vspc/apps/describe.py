"""A console as operators read it: one row of `list`, everything of `info`, the banner."""

from vspc.apps.verbs.context import READ_ONLY, VerbContext, handle_of
from vspc.common.clock import timestamp
from vspc.common.serial import PortSettings
from vspc.common.text import safe
from vspc.common.values import age_text
from vspc.console.attachment import Attachment, Refusal
from vspc.console.console import Console, ConsoleState
from vspc.console.descriptions import LENGTH
from vspc.console.session import Session


def writers(console: Console) -> list[str]:
    """Operators who have the pen."""
    return [each.operator.name for each in console.pen.holders]


def typing(session: Session, console: Console) -> str:
    """Who has the pen, from the view of `session`: "bob is typing"."""
    if console.pen.holder is None:  # laid down meanwhile
        return "another operator is typing"
    return told_together(session, console, "is typing", "are typing")


def told_together(session: Session, console: Console, does: str, do: str) -> str:
    """What those who have the pen do, as shown to `session`: "alice and bob are typing"."""
    holders = console.pen.holders
    if len(holders) == 1:
        return session.about(holders[0].session, does, do)
    return f"{' and '.join(each.operator.name for each in holders)} {do}"


def refusal_text(
    session: Session, console: Console, refusal: Refusal, action: str = "type on"
) -> str:
    """Why `session` may not type, or do another `action`, on `console`."""
    title = console.title
    match refusal:
        case Refusal.AWAY:
            return f"{title} is {console.state.value}"
        case Refusal.PEN:
            return f"{typing(session, console)} on {title}"
        case Refusal.RIGHT:
            return f"you have no right to {action} {title}"
        case Refusal.LINE:
            return f"{title} is on raw TCP, which cannot carry a BREAK"
        case Refusal.HOST:
            return f"the host of {title} has changed"
        case Refusal.READ_ONLY:
            return f"{title}: {READ_ONLY}" if session.read_only else f"you only read {title}"
        case Refusal.REASON:
            return (
                f"typing on {title} requires a reason: reason=TEXT before the verb or at the login"
            )
        case Refusal.LOCKED:
            lock = console.pen.lock
            return f"{title} is {lock.long_text}" if lock else f"{title} was locked"
        case Refusal.JOIN:
            return f"{typing(session, console)} on {title}, and no rule lets you join"
        case Refusal.PROGRAM:
            return f"a program has the pen of {title}, and cannot be asked"
        case Refusal.QUEUE:
            return f"too many wait for the pen of {title}"
        case Refusal.LOCKS:
            return "too many pens are locked"
        case Refusal.TOO_MUCH:
            return f"too much input waits for {title}"
        case Refusal.LEASE:
            return f"{title} has no lease of yours with that ID"
        case Refusal.APPROVAL | Refusal.UNANSWERED:
            return f"{title}: {obstacle(session, console)}"
        case Refusal.AUDIT:
            return "typing is not allowed while the audit file cannot be written"


def obstacle(session: Session, console: Console) -> str:
    """What `session` lacks to type where a rule asks for the approval of another operator."""
    approvals = console.attachments.approvals
    for each in console.attachments:
        if each.session.id == session.id and approvals.refusal(each) is not None:
            return approvals.obstacle(each)
    return "typing needs approval"


def readers(console: Console) -> list[str]:
    """Operators on the console without the pen, sorted, one for each attachment."""
    return sorted(a.operator.name for a in console.attachments if not a.has_pen)


def port_certain(console: Console) -> bool:
    """Whether the port is identified by more than the order in which the VM's ports connected."""
    if console.label is not None:
        return True
    alike = (c for c in console.vm.consoles.values() if c.port_key == console.port_key)
    return sum(1 for _ in alike) == 1


def absence(console: Console, now: float) -> str:
    """Why it is away, and when the server connects to it again; empty if that is not known."""
    link = console.link
    if link.line is not None or link.next_try is None:
        return "" if link.line is not None else link.away_reason
    return f"{link.away_reason}, next try in {max(0, round(link.next_try - now))} s"


def place(console: Console, now: float) -> str:
    """What lists have as its address; for one that the server connects to, why it is away."""
    line = console.link.line
    return line.address if line is not None else absence(console, now) if console.dial_uri else ""


def description(console: Console) -> str:
    """What operators say that it is for; empty if none has."""
    return safe(console.text.description, LENGTH)


def summary(console: Console) -> dict[str, object]:
    """One element of `list --json` (contract)."""
    line = console.link.line
    return {
        "id": console.id,
        "handle": handle_of(console),
        "name": console.name,
        "zone": console.vm.zone,
        "uuid": console.vm.uuid,
        "port": console.port,
        "port_certain": port_certain(console),
        "vm_name": console.vm.claimed_name,
        "state": console.state.value,
        "away_reason": console.link.away_reason or None,
        "next_try": timestamp(console.link.next_try),
        "address": line.address if line else None,
        "secure": line.secure if line else False,
        "since": timestamp(console.link.since),
        "last_output": timestamp(console.link.last_output),
        "settings": None if console.link.port.settings is None else str(console.link.port.settings),
        "bytes_from_vm": console.link.bytes_from_vm,
        "bytes_to_vm": console.link.bytes_to_vm,
        "description": description(console) or None,
        "writers": writers(console),
        "lock": lock(console),
        "readers": readers(console),
        "remote": remote(console),
    }


def details(console: Console) -> dict[str, object]:
    """`info --json`: the row of `list` and what else is known."""
    modem = console.link.port.modem
    return {
        **summary(console),
        "service_uri": console.service_uri,
        "dial_uri": console.dial_uri or None,
        "remark": console.link.remark or None,
        "last_note": safe(console.text.note, LENGTH) or None,
        "duplicate": console.vm.identity.duplicate,
        "provenance": console.link.provenance.name.lower(),
        "moves": console.link.moves,
        "last_move": move(console),
        "host_change": change(console),
        "breaks_from_vm": console.link.breaks_from_vm,
        "serial": serial(console.link.port.settings),
        "modem": None if modem is None else [each.name for each in modem],
        "input_waiting": console.input.waiting,
        "input_held": console.input.held,
        "input_suspended": console.input.is_suspended,
        "history_start": console.history.start,
        "history_end": console.history.end,
        "in_line": [each.operator.name for each in console.pen.line],
        "attachments": [presence(console, a) for a in console.attachments],
    }


def lock(console: Console) -> dict[str, object] | None:
    """The lock or lease of its pen."""
    found = console.pen.lock
    if found is None:
        return None
    return {
        "text": found.long_text,
        "operator": found.operator.name,
        "since": timestamp(found.since),
        "until": timestamp(found.until),
        "reason": found.reason or None,
        "lease": found.is_lease,
        "keep": found.keeps,
    }


def serial(settings: PortSettings | None) -> dict[str, object] | None:
    """Port settings, for programs; `dtr` and `rts` are null where they are not known."""
    if settings is None:
        return None
    return {
        "speed": settings.speed,
        "data_bits": settings.data_bits,
        "parity": settings.parity.name.lower(),
        "stop_bits": settings.stop_bits.value,
        "flow": settings.flow.value,
        "dtr": settings.dtr,
        "rts": settings.rts,
    }


def state_word(console: Console) -> str:
    """Its state in a column: the contract's, unless its remote system is missing."""
    asked = console.remote
    if asked is not None and not asked.is_connected and console.state is ConsoleState.CONNECTED:
        return "no remote"
    return console.state.value


def remote(console: Console) -> dict[str, object] | None:
    """The remote system that the VM asked to be connected to."""
    asked = console.remote
    if asked is None:
        return None
    return {
        "uri": str(asked.uri),
        "connected": asked.is_connected,
        "state": asked.state,
        "since": timestamp(asked.since),
        "unsent": asked.unsent,
    }


def move(console: Console) -> dict[str, object] | None:
    """The last vMotion."""
    last = console.link.last_move
    if last is None:
        return None
    return {
        "source": last.source,
        "target": last.target,
        "seconds": round(last.seconds, 3),
        "at": timestamp(last.at),
    }


def change(console: Console) -> dict[str, object] | None:
    """The last change of host without a vMotion, unless an administrator has seen it and the pen
    was asked for since.
    """
    last = console.link.unseen_change or console.attachments.host_change
    if last is None:
        return None
    return {"old": last.old, "new": last.new, "at": timestamp(last.at)}


def cautions(context: VerbContext, console: Console) -> list[str]:
    """What an operator has to be warned of before typing on `console`."""
    title, found = console.title, list[str]()
    if console.attachments.host_change is not None:
        last = console.attachments.host_change
        found.append(
            f"{title} is on {last.new} since {timestamp(last.at)}; it was on {last.old}, "
            "and this was not a vMotion"
        )
    others = context.roster.namesakes(console)
    if others:
        have = "another VM has" if others == 1 else f"{others} other VMs have"
        found.append(f"{have} this name, too; this one is {console.id}")
    if not port_certain(console):
        found.append(
            f"{title} is identified only by the order in which the VM's ports connected: after a "
            "power cycle it may be another port; ?port=LABEL in the service URI makes it certain"
        )
    return found


def presence(console: Console, attachment: Attachment) -> dict[str, object]:
    """An attachment, as `who` has it."""
    approver = console.attachments.approvals.approver(attachment)
    return {
        "console": console.title,
        "handle": handle_of(console),
        "operator": attachment.operator.name,
        "address": attachment.address,
        "since": timestamp(attachment.since),
        "writes": attachment.has_pen,
        "in_line": console.pen.line.place(attachment) or None,
        "approved_by": None if approver is None else approver.operator.name,
    }


def banner(console: Console, now: float, mine: Attachment) -> str:
    """One line: its state, the age of its output, its writer, how many others are attached."""
    silent = None if console.link.last_output is None else now - console.link.last_output
    spoke = "no output yet" if silent is None else f"output {age_text(silent)} ago"
    pen = "no writer"
    if console.pen.holder is not None:
        pen = told_together(mine.session, console, "writes", "write")
    if console.pen.lock is not None:
        pen = f"{pen}, {console.pen.lock.long_text}"
    if {"write", "break"} & mine.rights and console.attachments.approvals.refusal(mine):
        pen = f"{pen}, {console.attachments.approvals.obstacle(mine)}"
    others = sum(a is not mine for a in console.attachments)
    people = f"{others} other{'' if others == 1 else 's'}"
    why = absence(console, now) if console.dial_uri else ""
    state = f"{console.state.value} ({why})" if why else console.state.value
    return f"{console.title} {state}, {spoke}, {pen}, {people}"
