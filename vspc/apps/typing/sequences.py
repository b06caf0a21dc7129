"""Named sequences of BREAKs, text and delays, and Linux's SysRq: what is run, and the running."""

from collections.abc import Mapping
from types import MappingProxyType

from vspc.apps.typing.task import TypingStopped, TypingTask
from vspc.config.breaks import BreakStep
from vspc.config.settings import BreakSettings

ON_KEYS = 9
"""Sequences of a console that have a key: `^Ecl1` to `^Ecl9`."""

SYSRQ: Mapping[str, str] = MappingProxyType(
    {
        **{digit: f"console log level {digit}" for digit in "0123456789"},
        "b": "reboot at once, without sync",
        "c": "crash, with a dump if kexec is set up",
        "d": "show all locks that are held",
        "e": "SIGTERM to all processes but init",
        "f": "run the out-of-memory killer",
        "g": "enter kgdb",
        "h": "help",
        "i": "SIGKILL to all processes but init",
        "j": "thaw frozen file systems",
        "k": "kill all programs on this console",
        "l": "backtrace of all CPUs",
        "m": "memory",
        "n": "make real-time tasks nice-able",
        "o": "power off",
        "p": "registers and flags",
        "q": "armed timers",
        "r": "keyboard out of raw mode",
        "s": "sync all file systems",
        "t": "all tasks",
        "u": "remount file systems read-only",
        "v": "restore the framebuffer console",
        "w": "blocked tasks",
        "x": "xmon, or registers of the TLB",
        "y": "global registers (SPARC)",
        "z": "dump the trace buffer",
    }
)
"""What the kernel does for a key behind a BREAK, within 5 s of it
(Documentation/admin-guide/sysrq.rst).
"""


def sysrq_meaning(key: str) -> str:
    """What a SysRq key does; empty if it cannot be one. Modules can register other letters."""
    if len(key) != 1 or not key.isascii() or not key.isalnum():
        return ""
    return SYSRQ.get(key, "not one of the kernel's own")


async def play(task: TypingTask, sequence: BreakSettings) -> None:
    """Run all steps; without text in them no right `write` is needed. Raises `TypingStopped`, with
    the step that was not done.
    """
    steps, done = sequence.steps, 0
    try:
        if any(step.text for step in steps):
            task.begin()
        for step in steps:
            await _do(task, step)
            done += 1
    except TypingStopped as stopped:
        why = f"{sequence.name} stopped at step {done + 1} of {len(steps)}: {stopped.why}"
        raise TypingStopped(why, stopped.status, stopped.refusal) from None


async def _do(task: TypingTask, step: BreakStep) -> None:
    if step.text:
        await task.type(step.text)
    elif step.delay:
        await task.sleep(step.delay)
    else:
        await task.send_break()


async def send_sysrq(task: TypingTask, key: str) -> None:
    """A BREAK and `key`. Raises `TypingStopped`."""
    task.begin()
    await task.send_break_and(key.encode())
