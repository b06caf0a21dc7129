"""Answers: to who asks for the pen, and to who asks for approval to type.

A terminal is not asked for approval while its pen is asked for. So where both questions are open
the one for approval was shown first, and is answered first; the other one is then shown again.
"""

from vspc.apps.terminal.command import EscapeCommand, OperatorTerminal
from vspc.console.attachment import Refusal


def _answer(terminal: OperatorTerminal, yes: bool) -> None:
    asker = terminal.console.attachments.approvals.answer(terminal.attachment, yes)
    if asker is None:
        _answer_about_pen(terminal, yes)
        return
    types, asks = ("types", "type"), ("asks for", "ask for")
    what = terminal.call.session.about(asker.session, *(types if yes else asks))
    terminal.screen.line(f"you {'approve' if yes else 'refuse'} what {what}")
    if _is_asked_for_pen(terminal):
        terminal.console.pen.line.show_question(terminal.attachment)


def _answer_about_pen(terminal: OperatorTerminal, yes: bool) -> None:
    outcome = terminal.console.pen.line.answer(terminal.attachment, yes)
    if outcome is None:
        terminal.screen.line("nobody asks you")
    elif isinstance(outcome, Refusal):
        terminal.screen.line(f"the pen cannot be given now ({outcome.value})")
    elif not yes:
        terminal.screen.line("you keep the pen")


def _is_asked_for_pen(terminal: OperatorTerminal) -> bool:
    return terminal.attachment.has_pen and terminal.console.pen.line.asker is not None


def _is_asked(terminal: OperatorTerminal) -> bool:
    approvals = terminal.console.attachments.approvals
    return approvals.question(terminal.attachment) is not None or _is_asked_for_pen(terminal)


COMMANDS = (
    EscapeCommand(
        "y", "yes, to who asks", lambda terminal: _answer(terminal, True), offered=_is_asked
    ),
    EscapeCommand("N", "no", lambda terminal: _answer(terminal, False), offered=_is_asked),
)
