"""What one can say to `send`."""

from attrs import field, frozen

from vspc.verbs.words import BadWord, take, text_bytes, wait

USAGE_LINE = "send NAME [--enter] [--json] [--timeout S] [--force] [--] [TEXT]"

TIMEOUT = 60.0
"""Seconds in which the VM must take some of what is to be typed, unless the operator says more."""

ENTER = b"\r"

_FLAGS = ("--enter", "--json", "--force")
_VALUES = ("--timeout",)
_BEHIND = ("--enter", "--json")
"""Those that are options behind TEXT, too; TEXT that ends in one of them comes after `--`."""


@frozen
class Wanted:
    """What to type, None for standard input, and how. `timeout` is seconds."""

    text: bytes | None = field(repr=False)
    enter: bool = False
    json: bool = False
    force: bool = False
    timeout: float = TIMEOUT


def named(words: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """NAME, and the words without it; options may come before. Raises `BadWord`."""
    left = list(words)
    if _options(left, set(), {}) or not left:
        raise BadWord("say NAME, before TEXT and before --")
    return left[0], (*words[: len(words) - len(left)], *left[1:])


def positional(words: tuple[str, ...]) -> tuple[str, ...]:
    """NAME and TEXT, whichever of them there are, without the options around them; nothing where
    all that is no option follows a `--`. Raises `BadWord`.
    """
    found, given = set[str](), dict[str, str]()
    left = list(words)
    if _options(left, found, given):
        return ()
    while left and "--" not in left and _take_last(left, found, given):
        pass
    return tuple(left)


def are_options(words: tuple[str, ...]) -> bool:
    """Whether all of them are options."""
    left = list(words)
    try:
        return not _options(left, set(), {}) and not left
    except BadWord:
        return False


def parse(words: tuple[str, ...]) -> Wanted:
    """The words after the name. Raises `BadWord`."""
    found, given = set[str](), dict[str, str]()
    left = list(words)
    literal = _options(left, found, given)
    while left and not literal and _take_last(left, found, given):
        pass
    text = text_bytes(tuple(left)) if left else None
    if text == b"" and "--enter" not in found:
        raise BadWord("TEXT is empty; --enter alone types a CR")
    timeout = wait("--timeout", given["--timeout"]) if "--timeout" in given else TIMEOUT
    return Wanted(text, "--enter" in found, "--json" in found, "--force" in found, timeout)


def _options(left: list[str], found: set[str], given: dict[str, str]) -> bool:
    """Take options from the front, and the `--` behind them; whether there was one. Raises
    `BadWord`.
    """
    while left and left[0].startswith("-") and left[0] != "-":
        word = left.pop(0)
        if word == "--":
            return True
        take(word, left, _FLAGS, _VALUES, found, given)
    return False


def _take_last(left: list[str], found: set[str], given: dict[str, str]) -> bool:
    """Take an option from the end; whether there was one."""
    if left[-1] in _BEHIND:
        found.add(left.pop())
    elif left[-1].startswith("--timeout="):
        given.setdefault("--timeout", left.pop().partition("=")[2])
    elif len(left) > 1 and left[-2] == "--timeout":
        given.setdefault("--timeout", left.pop())
        left.pop()
    else:
        return False
    return True
