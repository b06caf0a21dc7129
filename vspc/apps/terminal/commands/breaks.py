"""BREAK, alone, in named sequences, and with Linux's SysRq keys."""

from vspc.apps.terminal.command import EscapeCommand, OperatorTerminal
from vspc.apps.terminal.pages import show_lines
from vspc.apps.terminal.prompt import ask_key
from vspc.apps.terminal.running import run_typing
from vspc.apps.typing.sequences import ON_KEYS, SYSRQ, play, send_sysrq, sysrq_meaning
from vspc.apps.typing.task import TypingTask
from vspc.common.text import safe
from vspc.config.settings import BreakSettings


def _sequences(terminal: OperatorTerminal) -> list[BreakSettings]:
    """Those with a key."""
    return list(terminal.call.context.break_sequences(terminal.console.subject))[:ON_KEYS]


def _list(terminal: OperatorTerminal) -> None:
    found = enumerate(_sequences(terminal), 1)
    lines = [f"{terminal.keys.keys_of(f'l{number}')}  {each.name}" for number, each in found]
    terminal.screen.lines(f"{terminal.keys.keys_of('l0')}  BREAK", *lines)


def _run(terminal: OperatorTerminal, number: int) -> None:
    found = _sequences(terminal)
    if number > len(found):
        hint = terminal.keys_for("l?", "; {} lists them")
        terminal.screen.line(f"{terminal.console.title} has no sequence {number}{hint}")
        return
    sequence = found[number - 1]
    call, console = terminal.call, terminal.console

    async def work(task: TypingTask) -> str:
        with call.recording("break-sequence", console, lambda: {"sequence": sequence.name}):
            await play(task, sequence)
        return f"{sequence.name}: done"

    run_typing(terminal, sequence.name, work)


def _sequence(number: int) -> EscapeCommand:
    return EscapeCommand(
        f"l{number}",
        f"sequence {number}",
        lambda terminal: _run(terminal, number),
        right="break",
        offered=lambda terminal: number <= len(_sequences(terminal)),
        text=lambda terminal: safe(_sequences(terminal)[number - 1].name),
    )


# SysRq


def _ask_sysrq(terminal: OperatorTerminal) -> None:
    ask_key(
        terminal,
        "SysRq: type its key, ? lists them, ! before it sends it without a question",
        lambda key: _chosen(terminal, key),
    )


def _chosen(terminal: OperatorTerminal, typed: bytes) -> None:
    key = typed.decode("latin-1")
    title = terminal.console.title
    if key == "?":
        show_lines(terminal, [f"{each}  {does}" for each, does in SYSRQ.items()])
    elif key == "!":
        ask_key(terminal, f"SysRq on {title}, at once", lambda each: _send(terminal, each))
    elif not sysrq_meaning(key):
        terminal.screen.line("not a SysRq key; nothing was sent")
    else:
        ask_key(
            terminal,
            f"SysRq {key} on {title}: {sysrq_meaning(key)}; press y",
            lambda answer: _answered(terminal, typed, answer),
        )


def _answered(terminal: OperatorTerminal, key: bytes, answer: bytes) -> None:
    if answer in (b"y", b"Y"):
        _send(terminal, key)
    else:
        terminal.screen.line("nothing was sent")


def _send(terminal: OperatorTerminal, typed: bytes) -> None:
    key = typed.decode("latin-1")
    if not sysrq_meaning(key):
        terminal.screen.line("not a SysRq key; nothing was sent")
        return
    call, console, name = terminal.call, terminal.console, f"sysrq-{key}"

    async def work(task: TypingTask) -> str:
        with call.recording("break-sequence", console, lambda: {"sequence": name}):
            await send_sysrq(task, key)
        return f"SysRq {key}"

    run_typing(terminal, f"SysRq {key}", work)


def _may_sysrq(terminal: OperatorTerminal) -> bool:
    return "write" in terminal.attachment.rights


COMMANDS = (
    EscapeCommand("l0", "send a BREAK", lambda terminal: terminal.send_break(), right="break"),
    *(_sequence(number) for number in range(1, ON_KEYS + 1)),
    EscapeCommand(
        "l?", "list sequences", _list, right="break", offered=lambda each: bool(_sequences(each))
    ),
    EscapeCommand("S", "SysRq and a key", _ask_sysrq, right="break", offered=_may_sysrq),
)
