"""An attachment of a verb that types, and takes its time."""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vspc.apps.typing.task import TypingStopped, TypingTask
from vspc.apps.verbs.context import Call, VerbExit
from vspc.console.attachment import Attachment, Ended, Sink
from vspc.console.console import Console
from vspc.console.notices import Notice
from vspc.console.session import Fact


class TypingSink(Sink):
    """Notices go to stderr, output is skipped; `task` is told of everything."""

    task: TypingTask | None = None
    attachment: Attachment | None = None

    def __init__(self, call: Call, console: Console) -> None:
        self._call = call
        self._console = console

    def ready(self) -> None:
        if self.attachment is not None:
            self.attachment.offset = self._console.history.end
            while isinstance(thing := self.attachment.next(1), Notice | Ended):
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


@contextmanager
def attached_task(call: Call, console: Console) -> Iterator[tuple[TypingTask, Attachment]]:
    """What types on `console`, attached as long as the block runs. Raises `VerbExit` where there is
    no place for one more attachment.
    """
    call.require_place()
    sink = TypingSink(call, console)
    attachment = console.attach(call.session, call.rights(console), sink, console.history.end)
    sink.attachment = attachment
    sink.task = task = TypingTask(call, console, attachment)
    try:
        yield task, attachment
    finally:
        task.close()
        attachment.withdraw()
        attachment.detach()


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
