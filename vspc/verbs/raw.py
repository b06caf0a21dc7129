"""`raw NAME`: exact bytes both ways, for programs."""

from collections.abc import Callable

from vspc.console.console import Console
from vspc.text import safe
from vspc.verbs.call import DENIED, FAILED, USAGE, Call
from vspc.verbs.console import BadOption, Options, is_refused, options
from vspc.verbs.exact import ExactBridge
from vspc.verbs.reading import ask

USAGE_LINE = "raw NAME [ro] [--from OFFSET] [--strict] [reason=TEXT]"
SUMMARY = "exact bytes both ways, from now on or from an offset that the log has"

FORWARD = "forward"
"""What `-W` and `-L` are called where verbs have names."""

_DIGITS = 18


def without_offset(words: tuple[str, ...]) -> tuple[str, ...]:
    """`words` without `--from OFFSET`, wherever it stands."""
    if "--from" not in words:
        return words
    at = words.index("--from")
    return words[:at] + words[at + 2 :]


def run(call: Call) -> None:
    """Attach without a terminal's manners."""
    words, offset = without_offset(call.words), None
    if "--from" in call.words:
        word = "".join(call.words[call.words.index("--from") + 1 :][:1])
        if not _is_offset(word):
            call.fail(USAGE, f"--from takes an offset in bytes, not {safe(word)!r}")
            return
        offset = int(word)
    if not words or words[0].startswith("-"):
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    try:
        chosen = options(words[1:])
    except BadOption as mistake:
        call.fail(USAGE, str(mistake), f"usage: {USAGE_LINE}")
        return
    attach(call, words[0], chosen, offset)


def attach(call: Call, typed: str, chosen: Options, offset: int | None = None) -> None:
    """`raw` on what `typed` means, from `offset` or from now on; `-W` comes here, too."""
    console = call.find(typed)
    if console is None and call.verb == FORWARD:
        call.record(FORWARD, result="failed", target=typed)
    if console is None or is_refused(call, console, chosen):
        return
    call = call.because(chosen.reason)
    end = console.history.end
    if offset is None:
        _begin(call, console, end, chosen)
    elif offset > end:
        call.fail(FAILED, f"offset {offset} of {safe(typed)} is not said yet; it ends at {end}")
    else:
        within_history(
            call,
            console,
            offset,
            lambda: _begin(call, console, offset, chosen),
        )


def _begin(call: Call, console: Console, offset: int, chosen: Options) -> None:
    if call.verb == FORWARD:
        call.record(FORWARD, console, result="ok", offset=offset)
    else:
        call.record("raw", console, offset=offset)
    ExactBridge(call, console, offset, chosen.read_only).begin()


def within_history(call: Call, console: Console, offset: int, then: Callable[[], None]) -> None:
    """Do `then` if the operator may look back as far as `offset`; else end with status 4."""
    limit = call.history_limit(console)
    if limit is None or offset >= console.history.end:
        then()
        return
    earliest, title = call.world.clock.wall() - limit, console.title

    def found(first: int | None) -> None:
        if not call.still_reads(console, title):
            return
        if first is not None and offset >= first:
            then()
        else:
            since = "" if first is None else f", offset {first}"
            text = f"you may look back {limit:g} seconds on {title}{since}"
            call.fail(DENIED, text, console=console)

    ask(call.world, console, lambda kept: kept.since(earliest), found)


def _is_offset(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= _DIGITS
