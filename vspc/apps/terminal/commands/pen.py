"""The pen: wait for it, ask for it, take it, share it, lock it, lay it down."""

from collections.abc import Callable

from vspc.apps.describe import typing
from vspc.apps.terminal.command import EscapeCommand, OperatorTerminal
from vspc.apps.terminal.prompt import ask_line
from vspc.common.values import duration_text
from vspc.console.attachment import Attachment, Refusal
from vspc.console.pen_line import Waits
from vspc.console.pen_locking import is_admin


def _take(terminal: OperatorTerminal) -> None:
    terminal.attachment.reads_only = False
    terminal.report_pen(terminal.attachment.take_pen(force=True))


def _join(terminal: OperatorTerminal) -> None:
    terminal.attachment.reads_only = False
    terminal.report_pen(terminal.console.pen.join(terminal.attachment))


def _queue(terminal: OperatorTerminal) -> None:
    found = _wait(terminal, terminal.console.pen.line.queue)
    if found is not None:
        ask = terminal.keys_for("k", "; {} asks for it")
        may_force = "force" in terminal.attachment.rights
        force = terminal.keys_for("f", ", {} takes it") if may_force else ""
        terminal.screen.line(f"{_typing(terminal)}: you are number {found} in line{ask}{force}")


def _ask(terminal: OperatorTerminal) -> None:
    line = terminal.console.pen.line
    found = _wait(terminal, line.ask)
    if found is not None:
        seconds = line.answer_time
        rest = f": no answer in {duration_text(seconds)} is a yes" if seconds else ""
        who = terminal.call.session.about(line.asked.session, "was asked", "were asked")
        terminal.screen.line(f"{who} for the pen{rest}; you are number {found} in line")


def _wait(
    terminal: OperatorTerminal, want: Callable[[Attachment], Refusal | Waits | None]
) -> int | None:
    """Its place in line; None where it does not wait, which was said."""
    terminal.attachment.reads_only = False
    outcome = want(terminal.attachment)
    if isinstance(outcome, Waits):
        return outcome.place
    terminal.report_pen(outcome)
    return None


def _typing(terminal: OperatorTerminal) -> str:
    return f"{typing(terminal.call.session, terminal.console)} on {terminal.console.title}"


def _lock(terminal: OperatorTerminal) -> None:
    refusal = terminal.console.pen.request(terminal.attachment)
    if refusal is not None:
        terminal.report_pen(refusal)
        return
    ask_line(terminal, "reason of the lock (Enter: none)", lambda text: _locked(terminal, text))


def _locked(terminal: OperatorTerminal, reason: str) -> None:
    terminal.attachment.reads_only = False
    refusal = terminal.console.pen.locking.take_and_lock(terminal.attachment, reason=reason)
    if refusal is not None:
        terminal.report_pen(refusal)


def _unlock(terminal: OperatorTerminal) -> None:
    pen, attachment = terminal.console.pen, terminal.attachment
    if pen.lock is None:
        terminal.screen.line(f"{terminal.console.title} is not locked")
        return
    refusal = pen.locking.unlock(attachment.session, attachment.rights)
    if refusal is not None:
        terminal.record_refusal(refusal)
        terminal.screen.line(f"{terminal.console.title} is {pen.lock.long_text}")


def _may_unlock(terminal: OperatorTerminal) -> bool:
    lock, attachment = terminal.console.pen.lock, terminal.attachment
    if lock is None:
        return False
    own = lock.operator.name == attachment.operator.name
    return own or is_admin(attachment.session, attachment.rights)


def _may_take(terminal: OperatorTerminal) -> bool:
    attachment, lock = terminal.attachment, terminal.console.pen.lock
    ends_lock = lock is not None and is_admin(attachment.session, attachment.rights)
    return "force" in attachment.rights or ends_lock


def _only_read(terminal: OperatorTerminal) -> None:
    pen, attachment = terminal.console.pen, terminal.attachment
    attachment.reads_only = True
    waited = pen.line.leave(attachment)
    if attachment.has_pen:
        pen.lay_down(attachment=attachment)
    rest = ", and are no longer in line" if waited else ""
    terminal.screen.line(
        f"you only read now{rest}" + terminal.keys_for("a", "; {} asks for the pen")
    )


COMMANDS = (
    EscapeCommand("a", "the pen, when free", _queue, right="write"),
    EscapeCommand("k", "ask its holder", _ask, right="write"),
    EscapeCommand("f", "take the pen", _take, right="write", offered=_may_take),
    EscapeCommand("j", "type, too", _join, right="join"),
    EscapeCommand("L", "lock the pen", _lock, right="write"),
    EscapeCommand("U", "unlock it", _unlock, offered=_may_unlock),
    EscapeCommand("s", "only read", _only_read, right="write"),
)
