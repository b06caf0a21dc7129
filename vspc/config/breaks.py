"""Named sequences of [[break]]: their steps, and what bounds them."""

import re

from attrs import frozen

from vspc.common.values import InvalidValue, written_duration
from vspc.config.mistakes import shown
from vspc.config.values import Duration, duration

MAX_STEPS = 100
"""Steps of one sequence."""

MAX_TEXT = 1024
"""Bytes of text in one sequence."""

MAX_DELAY = 60.0
"""Seconds that one sequence may wait in all: nobody else can type meanwhile."""

MAX_SEQUENCES = 100
"""[[break]] tables."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)

_STEP_ALLOWED = 'a step is "break", { text = "..." } or { delay = "0.5s" }'


@frozen
class BreakStep:
    """`text` to type; without it a wait of `delay` seconds; with neither a BREAK."""

    text: bytes = b""
    delay: float = 0.0

    @property
    def is_break(self) -> bool:
        """Whether it is a BREAK."""
        return not self.text and not self.delay


def break_step(value: object) -> BreakStep:
    """A step as it is written. Raises `InvalidValue`."""
    match value:
        case "break":
            return BreakStep()
        case {"text": text, **others} if not others:
            if not isinstance(text, str) or not text:
                raise InvalidValue(f"{shown(text)} is not text to type", 'expected text = "..."')
            return BreakStep(text=_encoded(text))
        case {"delay": delay, **others} if not others:
            return BreakStep(delay=_delay(delay))
    raise InvalidValue(f"{shown(value)} is not a step", _STEP_ALLOWED)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidValue("half of a surrogate pair is not text", _STEP_ALLOWED) from None


def _delay(value: object) -> Duration:
    seconds = duration(value)
    if not 0 < seconds <= MAX_DELAY:
        problem = f"a delay of {written_duration(seconds)} is out of range"
        raise InvalidValue(problem, f"over 0, at most {written_duration(MAX_DELAY)} is allowed")
    return seconds


def break_steps(value: tuple[BreakStep, ...]) -> None:
    """The steps of one sequence are bounded. Raises `InvalidValue`."""
    if not 0 < len(value) <= MAX_STEPS:
        raise InvalidValue(f"{len(value)} steps", f"1 to {MAX_STEPS} steps are allowed")
    count = sum(len(step.text) for step in value)
    if count > MAX_TEXT:
        raise InvalidValue(f"{count} bytes of text", f"at most {MAX_TEXT} bytes are allowed")
    delay = sum(step.delay for step in value)
    if delay > MAX_DELAY:
        problem = f"the steps wait for {written_duration(delay)} in all"
        raise InvalidValue(problem, f"at most {written_duration(MAX_DELAY)} is allowed")


def break_name(value: str) -> None:
    """The name of a sequence; it does not look like an option. Raises `InvalidValue`."""
    if not _NAME.fullmatch(value):
        allowed = "1 to 32 letters, digits and . _ - are allowed, a letter or digit first"
        raise InvalidValue("invalid name of a sequence", allowed)


def break_sequences(value: tuple[object, ...]) -> None:
    """All sequences. Raises `InvalidValue`."""
    if len(value) > MAX_SEQUENCES:
        raise InvalidValue(f"{len(value)} sequences", f"at most {MAX_SEQUENCES} are allowed")
