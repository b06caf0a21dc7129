"""What one can say to `expect`, and where it begins to look."""

from attrs import field, frozen

from vspc.text import safe
from vspc.verbs.hunt import Sought
from vspc.verbs.words import BadWord, read, text_bytes, wait

USAGE_LINE = (
    "expect NAME [--timeout S] [--from OFFSET|now|boot|last] [--fail REGEX] [--send TEXT] "
    "[--enter] [--force] [--json] [--] REGEX"
)

TIMEOUT = 60.0
"""Seconds that `expect` waits, unless the operator says something else."""

NOW, BOOT, LAST = "now", "boot", "last"

_FLAGS = ("--enter", "--json", "--force")
_VALUES = ("--timeout", "--from", "--fail", "--send")
_DIGITS = 18


@frozen
class Wanted:
    """What to wait for and from where, what to type meanwhile, and how to print it.

    `sought` is REGEX, behind what `--fail` names; `start` an offset, or one of the words.
    """

    name: str
    sought: tuple[Sought, ...]
    start: int | str = NOW
    timeout: float = TIMEOUT
    text: bytes = field(default=b"", repr=False)
    force: bool = False
    json: bool = False


def positional(words: tuple[str, ...]) -> tuple[str, ...]:
    """NAME and REGEX, whichever of them there are, without the options around them; nothing where
    all that is no option follows a `--`. Raises `BadWord`.
    """
    found = read(words, _FLAGS, _VALUES)
    return () if found.literal == len(found.rest) else found.rest


def parse(words: tuple[str, ...]) -> Wanted:
    """All of the words. Raises `BadWord`."""
    found = read(words, _FLAGS, _VALUES)
    if len(found.rest) < 2:
        raise BadWord("say NAME and REGEX")
    name, *pattern = found.rest
    given = found.values
    text = text_bytes((given["--send"],)) if "--send" in given else b""
    if "--enter" in found.flags:
        text += b"\r"
    if "--force" in found.flags and not text:
        raise BadWord("--force takes the pen for --send, and nothing is to be sent")
    return Wanted(
        name,
        _sought(" ".join(pattern), given.get("--fail")),
        _start(given.get("--from", NOW)),
        wait("--timeout", given["--timeout"]) if "--timeout" in given else TIMEOUT,
        text,
        "--force" in found.flags,
        "--json" in found.flags,
    )


def _sought(pattern: str, fail: str | None) -> tuple[Sought, ...]:
    for option, each in (("REGEX", pattern), ("--fail", fail)):
        if each == "":
            raise BadWord(f"{option} is empty: everything matches it")
    wanted = Sought.of("REGEX", pattern)
    return (wanted,) if fail is None else (Sought.of("--fail", fail), wanted)


def _start(word: str) -> int | str:
    if word in (NOW, BOOT, LAST):
        return word
    if word.isascii() and word.isdigit() and len(word) <= _DIGITS:
        return int(word)
    raise BadWord(f"--from takes an offset in bytes, now, boot or last, not {safe(word)!r}")
