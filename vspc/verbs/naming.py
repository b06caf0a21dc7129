"""Whether the words of a verb name a console, where the login has named one already.

A word may be the value of an option, and `send` takes options on both sides of its text: each
verb's own table says what its words are.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from vspc.verbs import console, expectwords, kick, raw, sendwords
from vspc.verbs.words import BadWord

_FIRST = frozenset({"console", "info", "break", "log", "boots", "export"})
"""Verbs that begin with a console."""


def names_one(verb: str, words: tuple[str, ...], target: str) -> bool:
    """Whether `words` behind `verb` name a console though the login named `target`, or need none.

    One word alone of a verb that also wants a text is the text, unless it is `target`. Raises
    `BadWord`.
    """
    if words[:1] == (target,):
        return True
    if verb in _FIRST:
        named = [word for word in words if word != "--json"][:1]
        return bool(named) and not console.is_option(named[0])
    rule = _RULES.get(verb)
    return rule is None or rule(words, target)


def _raw(words: tuple[str, ...], _target: str) -> bool:
    rest = raw.without_offset(words)
    return bool(rest) and not console.is_option(rest[0])


def _send(words: tuple[str, ...], target: str) -> bool:
    found = sendwords.positional(words)
    if len(found) < 2 or found[0] == target:
        return found[:1] == (target,)
    if sendwords.are_options(found[1:]):  # is it text, or the name of another console?
        raise BadWord(f"{found[1]} comes before TEXT; or say NAME and TEXT")
    return True


def _expect(words: tuple[str, ...], target: str) -> bool:
    return _two(expectwords.positional(words), target)


def _two(found: tuple[str, ...], target: str) -> bool:
    return len(found) > 1 or found == (target,)


def _says(words: tuple[str, ...], target: str) -> bool:
    return not words[:1] or (not words[0].startswith("-") and _two(words, target))


def _kick(words: tuple[str, ...], target: str) -> bool:
    found = kick.parse(words)
    return kick.is_of_server(found) or _two(found.rest, target)


_RULES: Mapping[str, Callable[[tuple[str, ...], str], bool]] = MappingProxyType(
    {"raw": _raw, "send": _send, "expect": _expect, "msg": _says, "note": _says, "kick": _kick}
)
