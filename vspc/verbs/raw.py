"""`raw NAME`: exact bytes both ways, for programs."""

from vspc.text import safe
from vspc.verbs.call import FAILED, USAGE, Call
from vspc.verbs.console import BadOption, Options, is_refused, options
from vspc.verbs.exact import ExactBridge

USAGE_LINE = "raw NAME [ro] [--from OFFSET] [--strict]"
SUMMARY = "exact bytes both ways, from now on or from an offset that is still kept"

_DIGITS = 18


def run(call: Call) -> None:
    """Attach without a terminal's manners."""
    words, offset = list(call.words), None
    if "--from" in words:
        at = words.index("--from")
        word = words[at + 1] if at + 1 < len(words) else ""
        if not _is_offset(word):
            call.fail(USAGE, f"--from takes an offset in bytes, not {safe(word)!r}")
            return
        offset = int(word)
        del words[at : at + 2]
    if not words or words[0].startswith("-"):
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    try:
        chosen = options(tuple(words[1:]))
    except BadOption as mistake:
        call.fail(USAGE, str(mistake), f"usage: {USAGE_LINE}")
        return
    attach(call, words[0], chosen, offset)


def attach(call: Call, typed: str, chosen: Options, offset: int | None = None) -> None:
    """`raw` on what `typed` means, from `offset` or from now on; `-W` comes here, too."""
    console = call.find(typed)
    if console is None or is_refused(call, console, chosen):
        return
    end = console.history.end
    if offset is not None and offset > end:
        call.fail(FAILED, f"offset {offset} of {safe(typed)} is not said yet; it ends at {end}")
        return
    ExactBridge(call, console, end if offset is None else offset, chosen.read_only).begin()


def _is_offset(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= _DIGITS
