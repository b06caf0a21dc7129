"""Where `expect` begins to look."""

from collections.abc import Callable

from attrs import frozen

from vspc.apps.verbs.context import DENIED, FAILED, Call
from vspc.apps.verbs.expect_options import BOOT, LAST
from vspc.apps.verbs.log_cursor import Answered, ask
from vspc.common.clock import Cancellable
from vspc.console.boots import boots
from vspc.console.console import Console
from vspc.console.logs import LogView


@frozen
class Start:
    """An offset, and perhaps what is to be said about it."""

    offset: int
    notice: str = ""


@frozen
class NoStart:
    """There is none: the exit status, a word for the audit file, and a line for the operator."""

    status: int
    detail: str
    text: str


Told = Callable[[Start | NoStart], None]


def begin_at(call: Call, console: Console, word: int | str, told: Told) -> Cancellable:
    """Say where `word` (`Wanted.start`) is; the log may have to be asked."""
    now = console.history.end
    if word == BOOT:
        return _at_boot(call, console, told)
    if isinstance(word, int):
        return _at(call, console, Start(word), told)
    if word == LAST:
        last = call.world.remembered.last_match(call.operator.name, console.id)
        if last is not None:
            return _at(call, console, Start(last), told)
        told(Start(now, f"you have expected nothing on {console.title} yet: it begins now"))
    else:
        told(Start(now))
    return Answered()


def _at(call: Call, console: Console, start: Start, told: Told) -> Cancellable:
    now, limit = console.history.end, call.history_limit(console)
    if start.offset > now:
        text = f"offset {start.offset} of {console.title} is not said yet; it ends at {now}"
        told(NoStart(FAILED, "not-said", text))
        return Answered()
    if limit is None or start.offset == now:
        told(start)
        return Answered()
    earliest = call.world.clock.wall() - limit

    def found(first: int | None) -> None:
        if first is not None and start.offset >= first:
            told(start)
        else:
            since = "" if first is None else f", offset {first}"
            text = f"you may look back {limit:g} seconds on {console.title}{since}"
            told(NoStart(DENIED, "history", text))

    return ask(call.world, console, lambda kept: kept.since(earliest), found)


def _at_boot(call: Call, console: Console, told: Told) -> Cancellable:
    limit = call.history_limit(console)
    earliest = None if limit is None else call.world.clock.wall() - limit

    def found(boot: tuple[int | None] | None) -> None:
        if boot is None:
            text = f"the log of {console.title} cannot be read now"
            told(NoStart(FAILED, "log", text))
        elif boot[0] is None:
            text = f"no boot of {console.title} is kept: see boots"
            told(NoStart(FAILED, "no-boot", text))
        else:
            told(Start(boot[0]))

    return ask(call.world, console, lambda kept: (_last_boot(kept, earliest),), found)


def _last_boot(kept: LogView, earliest: float | None) -> int | None:
    """The offset of the last boot that is kept, unless it was before `earliest`."""
    found = boots(kept)
    if not found or (earliest is not None and found[-1].at < earliest):
        return None
    return found[-1].offset
