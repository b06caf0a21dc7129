"""`raw NAME`: exact bytes both ways, for programs."""

from vspc.text import safe
from vspc.verbs.call import NOT_FOUND, USAGE, Call
from vspc.verbs.exact import ExactBridge

USAGE_LINE = "raw NAME [--from OFFSET]"
SUMMARY = "exact bytes both ways, from now on or from an offset that is still kept"

_DIGITS = 18


def run(call: Call) -> None:
    """Attach without a terminal's manners."""
    words = call.words
    offset: int | None = None
    if len(words) == 3 and words[1] == "--from" and _is_offset(words[2]):
        offset = int(words[2])
    elif len(words) != 1:
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    attach(call, words[0], offset)


def attach(call: Call, typed: str, offset: int | None = None) -> None:
    """`raw` on what `typed` means, from `offset` or from now on; `-W` comes here, too."""
    console = call.find(typed)
    if console is None:
        return
    end = console.history.end
    if offset is not None and offset > end:
        call.fail(NOT_FOUND, f"offset {offset} of {safe(typed)} is not said yet; it ends at {end}")
        return
    ExactBridge(call, console, end if offset is None else offset).begin()


def _is_offset(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= _DIGITS
