"""`paste NAME`: type standard input at a pace, or line by line as the VM echoes it."""

import json

from vspc.apps.typing.attached import UNDER, attached_task, recorded
from vspc.apps.typing.paste import LIMIT, MAX_CPS, Paste, pasted
from vspc.apps.typing.task import TypingStopped, TypingTask
from vspc.apps.verb_input import FORCE
from vspc.apps.verbs.context import FAILED, USAGE, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import JSON, NAME, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import NUMBER, UsageError
from vspc.common.values import written_size
from vspc.net.waiting import Wakeup

CPS = Option("--cps", "type at this rate, in characters a second, and verify nothing", NUMBER)

GRAMMAR = Grammar(
    "paste",
    "type standard input; each line is verified by its echo, or --cps",
    arguments=(NAME,),
    options=(CPS, FORCE, UNDER, JSON),
    examples=("paste web1", "paste switch1 --cps 100"),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Read all of it, then type it; the first difference ends it."""
    cps = parsed.get(CPS)
    if cps is not None and not 0 < cps <= MAX_CPS:
        raise UsageError(f"--cps takes 1 to {MAX_CPS}, not {cps}")
    if call.channel.terminal is not None:
        raise VerbExit(USAGE, "standard input is pasted only where it is not a terminal")
    console = call.find(parsed[NAME])
    call.require_right("write", console, "type on")
    text = pasted(await _Input(call).read())
    if not text:
        raise VerbExit(USAGE, "standard input is empty; nothing was pasted")
    paste = Paste(console.history, text)
    async with attached_task(call, console, parsed.get(UNDER)) as (task, attachment):
        if parsed.has(FORCE) and "force" in attachment.rights:
            attachment.take_pen(force=True)
            if attachment.waits_for_approval:
                await task.until_approved()
                attachment.take_pen(force=True)
        facts = lambda: {"bytes": task.delivered, "offset": console.history.end}  # noqa: E731
        await recorded(call, console, "send", facts, _type(paste, task, cps))
    if parsed.has(JSON):
        await call.print(json.dumps({"offset": console.history.end, "bytes": len(text)}) + "\n")


async def _type(paste: Paste, task: TypingTask, cps: int | None) -> None:
    try:
        await paste.type(task, cps)
    except TypingStopped as stopped:
        why = f"stopped ({paste.progress}): {stopped.why}"
        raise TypingStopped(why, stopped.status, stopped.refusal) from None


class _Input:
    """Reads the standard input of a call to its end."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._data = bytearray()
        self._is_whole = False
        self._changed = Wakeup()
        call.output.reader = self._take

    async def read(self) -> bytes:
        """All of it, at most `LIMIT` bytes. Raises `VerbExit`."""
        self._call.output.listen()
        while not self._is_whole:
            await self._changed.wait()
            if len(self._data) > LIMIT:
                raise VerbExit(FAILED, f"over {written_size(LIMIT)}; nothing was pasted")
        return bytes(self._data)

    def _take(self, data: bytes | None) -> None:
        if data is None:
            self._is_whole = True
        else:
            self._call.channel.consumed(len(data))
            self._data += data
        self._changed.set()


VERB = Verb(GRAMMAR, run, audits_itself=True)
