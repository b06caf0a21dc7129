"""Globs as Python's fnmatch reads them, and whether one covers another.

"Covers" is never wrong, "does not cover" may be: `vspc check` calls a rule without effect only
where that is certain. No library compares globs.
"""

import re
from fnmatch import fnmatchcase

from attrs import field, frozen

LONGEST = 200
"""Characters of a glob that is compared with others; a longer one covers only itself."""

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
    """A glob and its tokens: stars, question marks, sets, characters; none if it is too long."""

    text: str
    tokens: tuple[str, ...] = field(init=False, eq=False)

    @tokens.default
    def _of_text(self) -> tuple[str, ...]:
        return tuple(_TOKEN.findall(self.text)) if len(self.text) <= LONGEST else ()

    @property
    def is_wild(self) -> bool:
        """Whether it has wildcards."""
        return is_glob(self.text)

    def covers(self, other: "Glob") -> bool:
        """Whether it matches all that `other` does."""
        if self.text in ("*", other.text):
            return True
        return bool(self.tokens and other.tokens) and _covers(self.tokens, other.tokens)

    def may_meet(self, other: "Glob") -> bool:
        """Whether something may match both; False only where that is certain."""
        if not self.is_wild:
            return fnmatchcase(self.text, other.text)
        if not other.is_wild:
            return fnmatchcase(other.text, self.text)
        one, two = literal_start(self.text), literal_start(other.text)
        return one.startswith(two) or two.startswith(one)


ANY = Glob("*")


@frozen
class ConsolePattern:
    """A pattern of consoles: of zone and name, without case, or of the digits of a UUID."""

    zone: Glob
    name: Glob
    uuid: Glob | None = None

    @property
    def is_wild(self) -> bool:
        """Whether it has wildcards."""
        return self.zone.is_wild or (self.uuid or self.name).is_wild

    def covers(self, other: "ConsolePattern") -> bool:
        """Whether it matches every console that `other` matches."""
        if not self.zone.covers(other.zone) or not self.name.covers(other.name):
            return False
        return self.uuid is None or (other.uuid is not None and self.uuid.covers(other.uuid))

    def may_meet(self, other: "ConsolePattern") -> bool:
        """Whether a console may match both; False only where that is certain."""
        if not (self.zone.may_meet(other.zone) and self.name.may_meet(other.name)):
            return False
        return self.uuid is None or other.uuid is None or self.uuid.may_meet(other.uuid)


def parse_pattern(text: str) -> ConsolePattern:
    """A pattern as it is written in a rule (`vspc.console.access.matches`)."""
    if text.startswith("uuid:"):
        digits = text[5:].replace("-", "").replace(" ", "").lower()
        return ConsolePattern(ANY, ANY, Glob(digits))
    zone, slash, name = text.partition("/")
    return ConsolePattern(Glob(zone) if slash else ANY, Glob((name if slash else text).casefold()))


def _covers(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    """Token by token: a star covers any number of tokens, everything else one."""
    # before[j]: whether the tokens of `wide` so far cover the first j of `narrow`.
    before = [True] + [False] * len(narrow)
    for word in wide:
        if word == "*":
            first = before.index(True) if True in before else len(before)
            before = [j >= first for j in range(len(before))]
        else:
            steps = zip(before, narrow, strict=False)
            before = [False, *(ok and _covers_token(word, other) for ok, other in steps)]
    return before[-1]


def _covers_token(token: str, other: str) -> bool:
    if other == "*":
        return False
    if token in ("?", other):
        return True
    return len(other) == 1 and other != "?" and len(token) > 1 and fnmatchcase(other, token)
