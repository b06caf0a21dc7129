"""Whether a pattern of consoles takes in everything that another one does (fnmatch).

"No" may be wrong, "yes" never is: what is said to count for nothing does count for nothing.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from attrs import field, frozen

LONGEST = 200
"""Characters of a pattern that is compared with others, but for being the same."""

MANY = 200
"""Patterns with wildcards among which one is looked for that takes in another."""

UUID_DIGITS = 32

_WILDCARD = re.compile(r"[*?[]")

_TOKEN = re.compile(r"\*|\?|\[!?+\]?+[^\]]*+\]|.", re.DOTALL)


def is_glob(text: str) -> bool:
    """Whether `text` has a wildcard in it, so that it may match more than itself."""
    return _WILDCARD.search(text) is not None


def literal_start(glob: str) -> str:
    """What stands before the first wildcard of `glob`: all that it matches begins so."""
    return _WILDCARD.split(glob, maxsplit=1)[0]


@frozen
class Glob:
    """A text, and its tokens: stars, question marks, sets, letters. No tokens: it is too long."""

    text: str
    tokens: tuple[str, ...] = field(init=False, eq=False)

    @tokens.default
    def _of_text(self) -> tuple[str, ...]:
        return tuple(_TOKEN.findall(self.text)) if len(self.text) <= LONGEST else ()

    @property
    def is_wild(self) -> bool:
        """Whether it may match more than itself."""
        return is_glob(self.text)

    def covers(self, other: "Glob") -> bool:
        """Whether it matches all that `other` does."""
        if self.text in ("*", other.text):
            return True
        return bool(self.tokens and other.tokens) and _swallows(self.tokens, other.tokens)


ANY = Glob("*")


@frozen
class Pattern:
    """Consoles as rules see them: by zone and name without case, or by the digits of a UUID."""

    zone: Glob
    name: Glob
    uuid: Glob | None = None

    @property
    def is_wild(self) -> bool:
        """Whether it may match more than one name."""
        return self.zone.is_wild or (self.uuid or self.name).is_wild

    def covers(self, other: "Pattern") -> bool:
        """Whether every console that `other` matches is one that it matches."""
        if not self.zone.covers(other.zone) or not self.name.covers(other.name):
            return False
        return self.uuid is None or (other.uuid is not None and self.uuid.covers(other.uuid))


def parsed(text: str) -> Pattern:
    """A pattern as a rule has it (`vspc.console.access.matches`)."""
    if text.startswith("uuid:"):
        digits = text[5:].replace("-", "").replace(" ", "").lower()
        return Pattern(ANY, ANY, Glob(digits))
    zone, slash, name = text.partition("/")
    return Pattern(Glob(zone) if slash else ANY, Glob((name if slash else text).casefold()))


def _swallows(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    """Token by token: a star takes any tokens, everything else one that is no more than it."""
    # before[j]: whether the tokens of `wide` up to now take in the first j of `narrow`.
    before = [True] + [False] * len(narrow)
    for word in wide:
        if word == "*":
            first = before.index(True) if True in before else len(before)
            before = [j >= first for j in range(len(before))]
        else:
            steps = zip(before, narrow, strict=False)
            before = [False, *(ok and _one(word, other) for ok, other in steps)]
    return before[-1]


def _one(token: str, other: str) -> bool:
    if other == "*":
        return False
    if token in ("?", other):
        return True
    return len(other) == 1 and other != "?" and len(token) > 1 and fnmatchcase(other, token)


def impossible(pattern: Pattern) -> str:
    """Why no console can match it; empty where one might."""
    if pattern.uuid is None:
        return "a slash in a VM's name is matched as %2F" if "/" in pattern.name.tokens else ""
    tokens = pattern.uuid.tokens
    least = sum(word != "*" for word in tokens)
    if least > UUID_DIGITS or (tokens and "*" not in tokens and least < UUID_DIGITS):
        return f"a UUID has {UUID_DIGITS} digits"
    if pattern.uuid.text in ("0" * UUID_DIGITS, "f" * UUID_DIGITS):
        return "a VM with that UUID is known by its address and name"
    return ""


class Seen:
    """Patterns of earlier rules, all for the same people."""

    def __init__(self) -> None:
        self._all: dict[Pattern, int] = {}
        self._wild: list[tuple[Pattern, int]] = []

    def add(self, patterns: Iterable[Pattern], rule: int) -> None:
        """`rule`, the number of a later rule than all before, is about these."""
        for pattern in patterns:
            self._all.setdefault(pattern, rule)
            if pattern.is_wild and len(self._wild) < MANY:
                self._wild.append((pattern, rule))

    def rule(self, pattern: Pattern) -> int | None:
        """A rule known to take in all of `pattern`; None: none is known."""
        same = self._all.get(pattern)
        if same is not None:
            return same
        return next((rule for wild, rule in self._wild if wild.covers(pattern)), None)
