"""What is going on here: those on the console, the console itself, its earlier output."""

from vspc.apps.describe import banner, details
from vspc.apps.terminal.command import EscapeCommand, OperatorTerminal
from vspc.apps.terminal.pages import show_lines
from vspc.apps.terminal.replay import REPLAY_LINES
from vspc.apps.terminal.search.view import search
from vspc.apps.verbs.who import presences
from vspc.console.names import reading_order

REPLAY_LONG = 60
"""Lines that `^Ecp` shows."""

REPLAY_MOST = 1000
"""Lines that `^EcR` shows."""


def _who(terminal: OperatorTerminal) -> None:
    for line in presences(terminal.console):
        terminal.screen.line(line)


def _users(terminal: OperatorTerminal) -> None:
    """Everybody on the consoles that this operator may read."""
    call = terminal.call
    used = [each for each in call.context.roster if each.attachments and call.may_read(each)]
    consoles = sorted(used, key=reading_order)
    show_lines(terminal, [line for console in consoles for line in presences(console)])


def _info(terminal: OperatorTerminal) -> None:
    console, now = terminal.console, terminal.call.context.clock.wall()
    facts = details(console)
    terminal.screen.line(banner(console, now, terminal.attachment))
    terminal.screen.line(f"address {facts['address']}, uuid {facts['uuid']}, id {facts['id']}")


def _toggle_times(terminal: OperatorTerminal) -> None:
    times, window = terminal.times, terminal.call.channel.terminal
    if times.are_shown:
        times.hide()
        terminal.screen.line("times of lines are not shown any more")
        return
    hint = terminal.keys_for("t", "; {} hides them")
    terminal.screen.line(f"times of lines are shown: {times.zone_name}{hint}")
    rows = 24 if window is None else window.rows
    times.show(terminal.attachment.cursor.offset, rows, terminal.screen.is_at_margin)


def _repaint(terminal: OperatorTerminal) -> None:
    terminal.type(terminal.call.context.profile(terminal.console.subject).repaint.data)


COMMANDS = (
    EscapeCommand("w", "who is here", _who),
    EscapeCommand("u", "users of all consoles", _users),
    EscapeCommand("i", "about the console", _info),
    EscapeCommand("r", f"replay {REPLAY_LINES} lines", lambda each: each.replay(REPLAY_LINES)),
    EscapeCommand("p", f"replay {REPLAY_LONG} lines", lambda each: each.replay(REPLAY_LONG)),
    EscapeCommand("R", f"replay {REPLAY_MOST} lines", lambda each: each.replay(REPLAY_MOST)),
    EscapeCommand("/", "search the log", search),
    EscapeCommand("t", "times of lines, or none", _toggle_times),
    EscapeCommand("v", "repaint the screen", _repaint, right="write"),
)
