"""What one can say to `send`."""

from attrs import field, frozen

from vspc.apps.verbs.grammar import Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import CONSOLE, TYPED, WAIT, UsageError
from vspc.apps.verbs.verbatim import examples, rule

TIMEOUT = 60.0
"""Seconds in which the VM must take some of what is to be typed, unless the operator says more."""

CR = b"\r"

NAME = Argument("NAME", "the console", CONSOLE)
TEXT = Argument("TEXT", "what to type; without it standard input is typed", TYPED, required=False)
ENTER = Flag("--enter", "type a CR behind it")
TIME_OUT = Option("--timeout", "give up when the VM takes nothing for so long (60 s)", WAIT)
JSON = Flag("--json", "print where the output stood, and how many bytes were typed")
FORCE = Flag("--force", "take the pen from whoever types (right force)")

GRAMMAR = Grammar(
    "send",
    "type exactly TEXT, or standard input; done when the VM has it",
    arguments=(NAME, TEXT),
    options=(ENTER, JSON, TIME_OUT, FORCE),
    examples=("send web1 --enter reboot",),
    notes=(*rule("TEXT"), "", *examples()),
)


@frozen
class SendOptions:
    """What to type, None for standard input, and how. `timeout` is seconds."""

    text: bytes | None = field(repr=False)
    enter: bool = False
    json: bool = False
    force: bool = False
    timeout: float = TIMEOUT


def wanted_of(parsed: Parsed) -> SendOptions:
    """What was said. Raises `UsageError`."""
    text, enter = parsed.get(TEXT), parsed.has(ENTER)
    if text == b"" and not enter:
        raise UsageError("TEXT is empty; --enter alone types a CR")
    timeout = parsed.get(TIME_OUT, TIMEOUT)
    return SendOptions(text, enter, parsed.has(JSON), parsed.has(FORCE), timeout)
