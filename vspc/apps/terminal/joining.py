"""The screen as it is, for a terminal that joins late: a program that uses the whole screen does
not paint it again for that. What it shows is emulated, in a thread.
"""

from functools import partial

from vspc.apps.terminal.replay import last_output
from vspc.apps.verbs.context import Call
from vspc.apps.verbs.limits import WorkPoolFull
from vspc.console.console import Console
from vspc.console.emulated_screen import STEPS
from vspc.console.full_screen import OUTPUT, Painted, Size, may_be_full_screen, painted
from vspc.net.waiting import within

PATIENCE = 3.0
"""Seconds after which it does without: the threads are busy."""


async def current_screen(call: Call, console: Console, end: int) -> Painted | None:
    """What shows the screen after the output up to the offset `end` on the terminal of `call`.

    None: no program uses the whole screen, or too much is going on.
    """
    terminal = call.channel.terminal
    if terminal is None or not terminal.has_cursor:
        return None
    output, is_cut = await last_output(call, console, OUTPUT, end)
    if not may_be_full_screen(output):
        return None
    profile = call.context.profile(console.subject).size
    size = None if profile is None else Size(profile.columns, profile.rows)
    window = Size(terminal.columns, terminal.rows)
    work = partial(painted, output, is_cut, size, window)
    try:
        doing = call.context.work_pool.do(STEPS, work)
        return await within(call.context.clock, PATIENCE, doing)
    except (TimeoutError, WorkPoolFull):
        return None
