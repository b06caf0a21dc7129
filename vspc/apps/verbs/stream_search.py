"""Searching the output of a VM for regular expressions, as it comes.

A match is found wherever the text is cut into pieces: what was searched is kept, up to `WINDOW`,
and searched again with what follows. Matches of up to three quarters of that are found in any
case. RE2 takes time in proportion to the text times the size of the pattern, whatever the text
is: that product has a bound, too (law 5).
"""

import re
from collections.abc import Callable
from typing import Any

import re2
from attrs import define, field, frozen

from vspc.apps.verbs.context import VerbContext
from vspc.apps.verbs.kinds import UsageError, ValueKind
from vspc.apps.verbs.limits import WorkPoolFull
from vspc.common.text import safe
from vspc.net.waiting import Wakeup

WINDOW = 256 * 1024
"""Bytes that are searched at once, at most."""

INSTRUCTIONS = 4096
"""The size of a pattern, in instructions of RE2."""

STEPS = WINDOW * 1024
"""Bytes times instructions of one search, at most: the window of a large pattern is smaller."""

LONGEST = 1000
"""Characters of a pattern: what takes long to read (classes of Unicode) is bounded by it."""

_MEMORY = 8 << 20
"""Bytes that RE2 may use for a pattern, and while it searches."""

_MEMORY_TO_CHECK = 512 * 1024
"""Bytes that it may use to find out whether a pattern is too large: with 8 MiB that takes 0.4 s."""

_TOO_LARGE = b"pattern too large"

_REPEATS = re.compile(r"[*+{]")
_CHARACTER = 4


def compiled(option: str, pattern: str) -> Any:
    """A pattern for bytes; `^` and `$` are ends of lines, too. Raises `UsageError`."""
    if len(pattern) > LONGEST:
        raise UsageError(f"{option} has {len(pattern)} characters; at most {LONGEST} are allowed")
    try:
        data = pattern.encode("utf-8", "surrogateescape")
        # Alone: the error message must not show what is put before it.
        checked = re2.compile(data, _options(_MEMORY_TO_CHECK))
        if checked.programsize <= INSTRUCTIONS:
            found = re2.compile(b"(?m)" + data, _options(_MEMORY))
            if found.programsize <= INSTRUCTIONS:
                return found
    except (re2.error, UnicodeError) as error:
        if not _is_too_large(error):
            raise UsageError(_complaint(option, pattern, error)) from None
    raise UsageError(
        f"{option} is too large: at most {INSTRUCTIONS} instructions of RE2 are allowed "
        "(repetitions such as {100} and classes such as \\pL count many times)"
    )


def _is_too_large(error: Exception) -> bool:
    message = error.args[0] if error.args else b""
    return isinstance(message, bytes) and _TOO_LARGE in message


def _options(memory: int) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.UTF8
    options.max_mem = memory
    return options


def _complaint(option: str, pattern: str, error: Exception) -> str:
    message = error.args[0] if error.args and isinstance(error.args[0], bytes) else b""
    _, _, part = message.decode("utf-8", "surrogateescape").partition(": ")
    at = pattern.find(part) if part else -1
    where = f", at character {at + 1}" if at >= 0 else ""
    why = safe(message) or "invalid UTF-8"
    return f"{option}: invalid regular expression '{safe(pattern)}' (RE2): {why}{where}"


def reach(pattern: str) -> int:
    """Bytes that a match can have, at most: without repetitions no more than it has letters."""
    return WINDOW if _REPEATS.search(pattern) else _CHARACTER * len(pattern)


@frozen
class SearchPattern:
    """A pattern, and how long its matches may be (`reach`)."""

    pattern: Any
    reach: int = WINDOW

    @classmethod
    def of(cls, option: str, pattern: str) -> "SearchPattern":
        """From text. Raises `UsageError`."""
        return cls(compiled(option, pattern), reach(pattern))

    @property
    def is_empty(self) -> bool:
        """Whether it has no letter: everything matches it."""
        return not self.reach


REGEX = ValueKind("REGEX", lambda label, value, _now: SearchPattern.of(label, value), verbatim=True)
"""The one reader of regular expressions."""


@frozen
class Match:
    """What was found: which of the patterns, where, what, and its groups."""

    which: int
    offset: int
    text: bytes = field(repr=False)
    groups: tuple[bytes | None, ...] = field(repr=False)

    @property
    def end(self) -> int:
        """The offset behind it."""
        return self.offset + len(self.text)


@frozen
class Look:
    """One search, which may run in a thread, for each pattern from its place in `starts`."""

    patterns: tuple[Any, ...]
    starts: tuple[int, ...]
    text: bytes = field(repr=False)
    base: int

    @property
    def length(self) -> int:
        """Bytes that are searched."""
        return sum(len(self.text) - start for start in self.starts)

    @property
    def cost(self) -> int:
        """Bytes times instructions."""
        pairs = zip(self.patterns, self.starts, strict=True)
        return sum((len(self.text) - start) * pattern.programsize for pattern, start in pairs)

    def search(self) -> Match | None:
        """The match that ends first; of two that end together that of the earlier pattern."""
        best: Match | None = None
        for which, (pattern, start) in enumerate(zip(self.patterns, self.starts, strict=True)):
            found = pattern.search(self.text, start)
            if found is None:
                continue
            at = self.base + found.start()
            match = Match(which, at, bytes(found.group()), tuple(found.groups()))
            if best is None or match.end < best.end:
                best = match
        return best


@define(eq=False)
class StreamSearch:
    """One search for several patterns, from where the first `feed` begins."""

    _patterns: tuple[SearchPattern, ...]
    _text: bytearray = field(factory=bytearray, init=False, repr=False)
    _base: int = field(default=0, init=False)  # the offset of the first byte of the text
    _first: int = field(default=0, init=False)  # where in the text a match may begin
    _searched: int = field(default=0, init=False)  # how much of the text was searched
    _under_way: int = field(default=0, init=False)  # how much of it is being searched
    window: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        size = sum(each.pattern.programsize for each in self._patterns)
        self.window = min(WINDOW, STEPS // max(1, size))

    @property
    def room(self) -> int:
        """Bytes that `feed` may bring before the next look."""
        return max(0, self.window // 4 - (len(self._text) - self._searched))

    @property
    def due(self) -> bool:
        """Whether there is something that was not searched."""
        return self._searched < len(self._text)

    @property
    def end(self) -> int:
        """The offset behind the last byte that was fed."""
        return self._base + len(self._text)

    @property
    def searched(self) -> int:
        """The offset behind the last byte that was searched."""
        return self._base + self._searched

    def feed(self, offset: int, data: bytes) -> None:
        """Add output. The search begins anew where it does not join the output before."""
        if not self._text or offset != self.end:
            self._text.clear()
            self._base, self._first, self._searched, self._under_way = offset, 0, 0, 0
        self._text += data

    def look(self) -> Look:
        """What is to be searched now; `missed` follows if nothing was found."""
        self._under_way = len(self._text)
        starts = [max(self._first, self._searched - each.reach) for each in self._patterns]
        cut = max(0, min(starts) - 1)
        with memoryview(self._text) as text:
            copied = bytes(text[cut:])
        patterns = tuple(each.pattern for each in self._patterns)
        return Look(patterns, tuple(at - cut for at in starts), copied, self._base + cut)

    def missed(self) -> None:
        """Nothing was found in the last look. One byte more is kept: `^` and \\b look at it."""
        self._searched = self._under_way
        cut = self._searched - (self.window - self.window // 4) - 1
        if cut > 0:
            del self._text[:cut]
            self._base += cut
            self._searched -= cut
            self._under_way -= cut
            self._first = 1


PAUSE = 0.01
"""Seconds between two searches of a whole window; less for less."""

AGAIN = 1.0
"""Seconds after which it tries again where too many search."""


class BackgroundSearch:
    """Searches `stream` in a `WorkPool`. `more` is called when it takes more after a search."""

    def __init__(
        self,
        context: VerbContext,
        patterns: tuple[SearchPattern, ...],
        more: Callable[[], None],
    ) -> None:
        self._context = context
        self.stream = StreamSearch(patterns)
        self._more = more
        self._fed = Wakeup()
        self._rested = Wakeup(context.clock)

    def feed(self, offset: int, data: bytes) -> None:
        """Add output."""
        self.stream.feed(offset, data)
        if self._fed.is_awaited:
            self._fed.set()

    def hurry(self) -> None:
        """Search now, instead of in a moment."""
        if self._rested.is_awaited:
            self._rested.set()

    async def run(self) -> Match:
        """Wait for a match."""
        stream = self.stream
        while True:
            if not stream.due:
                await self._fed.wait()
            look = stream.look()
            try:
                found = await self._context.work_pool.do(look.cost, look.search)
            except WorkPoolFull:
                await self._rested.wait(AGAIN)
                continue
            if found is not None:
                return found
            stream.missed()
            # Output in drops is searched together: each search may be of a whole window again.
            await self._rested.wait(PAUSE * look.length / WINDOW)
            self._more()
