"""`console NAME`: work on a console, with a terminal or without."""

from collections.abc import Callable

from attrs import frozen

from vspc.config.mistakes import Wrong
from vspc.config.units import EscapeKey, escape_key
from vspc.console.console import Console
from vspc.text import safe
from vspc.verbs.call import FAILED, USAGE, Call
from vspc.verbs.describe import port_certain
from vspc.verbs.exact import ExactBridge
from vspc.verbs.terminal import REPLAY_LINES, TerminalBridge

USAGE_LINE = "console NAME [ro] [replay=LINES] [esc=none|^X] [strict] [reason=TEXT]"
SUMMARY = "work on a console; ^Ec? there shows the escapes"

MAX_REPLAY = 10_000
"""Lines that can be asked for; the history may hold fewer."""


@frozen
class Options:
    """How to attach: the words after a name, on the exec line or behind a login's comma."""

    read_only: bool = False
    replay: int = REPLAY_LINES
    escape: EscapeKey | None = None  # of the configuration
    strict: bool = False
    reason: str = ""


class BadOption(ValueError):
    """A word that is none of the options; its text says which are."""


def options(words: tuple[str, ...]) -> Options:
    """Read option words. BadOption for what is none."""
    read_only, replay, strict, reason = False, REPLAY_LINES, False, ""
    escape: EscapeKey | None = None
    for word in words:
        key, _, value = word.partition("=")
        if word == "ro":
            read_only = True
        elif key == "replay" and value.isascii() and value.isdigit() and len(value) <= 5:
            replay = min(int(value), MAX_REPLAY)
        elif key == "esc" and value:
            escape = _escape(value)
        elif word in ("strict", "--strict"):
            strict = True
        elif key == "reason" and value:
            reason = value
        else:
            raise BadOption(
                f"{safe(word)!r} is no option; there are ro, replay=LINES, esc=none|^X, strict, "
                "reason=TEXT"
            )
    return Options(read_only, replay, escape, strict, reason)


def _escape(word: str) -> EscapeKey:
    try:
        return escape_key(word)
    except Wrong as wrong:
        raise BadOption(f"{wrong.problem}; {wrong.allowed}") from None


def is_option(word: str) -> bool:
    """Whether `word` is one, and so no name of a console."""
    try:
        options((word,))
    except BadOption:
        return word.startswith("-")
    return True


def run(call: Call) -> None:
    """Attach as the words say."""
    if not call.words:
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    try:
        chosen = options(call.words[1:])
    except BadOption as mistake:
        call.fail(USAGE, str(mistake), f"usage: {USAGE_LINE}")
        return
    console = call.find(call.words[0])
    if console is not None:
        attach(call, console, chosen)


def is_refused(call: Call, console: Console, chosen: Options) -> bool:
    """Whether there is no place on `console`, or `strict` forbids it, because it may be another
    port than it was.
    """
    if not call.has_place():
        return True
    if not chosen.strict or port_certain(console):
        return False
    call.fail(
        FAILED,
        f"{console.title} is told from the VM's other ports only by the order in which they came; "
        "?port=LABEL in the service URI makes it certain",
    )
    return True


def attach(
    call: Call, console: Console, chosen: Options, left: Callable[[str], None] | None = None
) -> None:
    """Join the channel of `call` to `console`; `left` is called where a terminal leaves it,
    with why it had to.
    """
    if is_refused(call, console, chosen):
        return
    call = call.because(chosen.reason)
    if call.channel.terminal is None:
        ExactBridge(call, console, console.history.end, chosen.read_only).begin()
    else:
        escape = call.world.escape() if chosen.escape is None else chosen.escape
        TerminalBridge(call, console, chosen.replay, chosen.read_only, escape, left).begin()
