"""An attachment of a verb that types, and takes its time."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from vspc.apps.describe import refusal_text
from vspc.apps.typing.task import TypingStopped, TypingTask
from vspc.apps.verb_input import refused_status
from vspc.apps.verbs.context import Call, VerbExit
from vspc.apps.verbs.grammar import Option
from vspc.apps.verbs.kinds import WORD
from vspc.console.attachment import Attachment, Sink
from vspc.console.console import Console
from vspc.console.notices import Notice
from vspc.console.output_cursor import Ended
from vspc.console.session import Fact

UNDER = Option("--lease", "type under the lease with this ID", WORD, value="ID")


class TypingSink(Sink):
    """Notices go to stderr, output is skipped; `task` is told of everything."""

    task: TypingTask | None = None
    attachment: Attachment | None = None

    def __init__(self, call: Call) -> None:
        self._call = call

    def ready(self) -> None:
        if self.attachment is not None:
            self.attachment.cursor.skip()
            while isinstance(thing := self.attachment.cursor.next(1), Notice | Ended):
                if isinstance(thing, Ended):
                    self.ended(thing.reason)
                    return
                self._call.remark(thing.text)
        self._changed()

    def writable(self) -> None:
        self._changed()

    def host_changed(self, old: str, new: str) -> None:
        self._changed()

    def ended(self, reason: str) -> None:
        if self.task is not None:
            self.task.ended(reason)

    def _changed(self) -> None:
        if self.task is not None:
            self.task.changed()


@asynccontextmanager
async def attached_task(
    call: Call, console: Console, under: str | None = None, withdraws: bool = True
) -> AsyncIterator[tuple[TypingTask, Attachment]]:
    """What types on `console`, attached as long as the block runs, `under` that lease of the
    operator if one is named. With `withdraws` what still waits then is not sent. Raises `VerbExit`.
    """
    call.require_place()
    sink = TypingSink(call)
    attachment = console.attach(call.session, call.rights(console), sink, console.history.end)
    sink.attachment = attachment
    sink.task = task = TypingTask(call, console, attachment)
    try:
        if under is not None:
            await _use_lease(call, console, task, attachment, under)
        yield task, attachment
    finally:
        task.close()
        if withdraws:
            attachment.withdraw()
        attachment.detach()


async def _use_lease(
    call: Call, console: Console, task: TypingTask, attachment: Attachment, under: str
) -> None:
    refusal = console.pen.locking.use_lease(attachment, under)
    while attachment.waits_for_approval:
        await task.until_approved()
        refusal = console.pen.locking.use_lease(attachment, under)
    if refusal is not None:
        why, status = refusal_text(call.session, console, refusal), refused_status(refusal)
        raise VerbExit(status, why, console=console, detail=refusal.value)


async def recorded(
    call: Call,
    console: Console,
    event: str,
    facts: Callable[[], Mapping[str, Fact]],
    work: Coroutine[Any, Any, None],
) -> None:
    """Do `work` and record `event`. Raises `VerbExit` where it stops."""
    with call.recording(event, console, facts):
        try:
            await work
        except TypingStopped as stopped:
            detail = None if stopped.refusal is None else stopped.refusal.value
            raise VerbExit(stopped.status, stopped.why, console=console, detail=detail) from None
