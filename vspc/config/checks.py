"""Ranges of single values, as metadata of the fields that have them."""

import re
from collections.abc import Callable
from typing import Any

from vspc.common.values import InvalidValue, written_duration, written_size

CHECK = "check"
"""Metadata of a field: called with the value, raises `InvalidValue`."""

COMPUTED = {"computed": True}
"""Metadata of a field that is not a key of the file."""

DEFAULT_ZONE = "default"
"""The zone of the VMs that dial the listeners of [vm] itself."""

_ZONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)

_OPERATOR = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._@-]{0,63}", re.ASCII)

_OPERATOR_GLOB = re.compile(r"[A-Za-z0-9._*?\[][A-Za-z0-9._@*?\[\]!-]{0,63}", re.ASCII)

LOCAL = "@local"
"""The end of names of operators of commands that are run on the machine itself."""

_PLACE = re.compile(r"\{(principal|key_id)\}")

NAME_LIMIT = 80
"""Characters of a name that a configuration gives to a console."""

Metadata = dict[str, Callable[[Any], None]]


def within(low: float, high: float, text: Callable[[float], str] = "{:g}".format) -> Metadata:
    """A number from `low` to `high`; `text` writes it."""

    def check(value: float) -> None:
        if not low <= value <= high:
            raise InvalidValue(
                f"{text(value)} is out of range", f"{text(low)} to {text(high)} is allowed"
            )

    return {CHECK: check}


def within_time(low: float, high: float) -> Metadata:
    """Seconds."""
    return within(low, high, written_duration)


def within_size(low: int, high: int) -> Metadata:
    """Bytes."""
    return within(low, high, written_size)


def checked(check: Callable[[Any], None]) -> Metadata:
    """Any value for which `check` raises nothing."""
    return {CHECK: check}


def unless_none(metadata: Metadata) -> Metadata:
    """The same for a key that may be absent."""
    check = metadata[CHECK]
    return {CHECK: lambda value: None if value is None else check(value)}


def ring(low: int, high: int) -> Metadata:
    """Bytes of a ring: a power of two."""

    def check(value: int) -> None:
        if not low <= value <= high or value & (value - 1):
            allowed = f"a power of two from {written_size(low)} to {written_size(high)} is allowed"
            raise InvalidValue(f"{written_size(value)} is not allowed here", allowed)

    return {CHECK: check}


def zone_name(value: str) -> None:
    """A name that precedes the slash in the name of a console."""
    if not _ZONE.fullmatch(value) or value == DEFAULT_ZONE:
        allowed = "1 to 32 letters, digits and . _ - are allowed; [vm] is the zone default"
        raise InvalidValue("invalid zone name", allowed)


def label(value: str, what: str = "console name") -> None:
    """A name of a console, shown and typed; or another one that is shown."""
    if not value.strip() or len(value) > NAME_LIMIT or not value.isprintable():
        allowed = f"1 to {NAME_LIMIT} printable characters are allowed"
        raise InvalidValue(f"invalid {what}", allowed)


LISTS = ("all", "favourites", "recent")
"""Titles of lists that the chooser has in any case."""


def group_title(value: str) -> None:
    """A title of a list of the chooser."""
    label(value, "title")
    if value != value.strip() or value.casefold() in LISTS:
        allowed = f"a title without spaces at its ends, and not {', '.join(LISTS)}"
        raise InvalidValue("invalid title", allowed)


def is_name(value: str) -> bool:
    """Whether it is a name for an operator, local or not."""
    return bool(_OPERATOR.fullmatch(value))


def operator_name(value: str) -> None:
    """A name of an operator: `+`, `:` and `,` would end it in a login, a first `@` marks groups."""
    if not is_name(value):
        allowed = "1 to 64 letters, digits and . _ @ - are allowed, no - or @ in front"
        raise InvalidValue("invalid operator name", allowed)
    if value.casefold().endswith(LOCAL):
        raise InvalidValue("invalid operator name", f"names that end in {LOCAL} are reserved")


def filled(template: str, principal: str, key_id: str) -> str:
    """`template` with its {principal} and {key_id} replaced, once."""
    values = {"principal": principal, "key_id": key_id}
    return _PLACE.sub(lambda place: values[place[1]], template)


def template(value: str) -> None:
    """A name of an operator with {principal} and {key_id} in it."""
    try:
        operator_name(filled(value, "x", "x"))
    except InvalidValue as wrong:
        allowed = "{principal} and {key_id} may be used"
        raise InvalidValue(wrong.problem, f"{wrong.allowed}; {allowed}") from None


def some(what: str) -> Metadata:
    """A list of `what`, at least one, none of them empty."""

    def check(value: tuple[str, ...]) -> None:
        if not value or not all(word.strip() and word.isprintable() for word in value):
            raise InvalidValue("empty, or an entry is empty", f"expected {what}")
        _examine_blanks(value)

    return {CHECK: check}


def _examine_blanks(value: tuple[str, ...]) -> None:
    """Spaces around an entry would be part of it."""
    if any(word != word.strip() for word in value):
        raise InvalidValue("an entry begins or ends with a space", "remove it")


def group_names(value: tuple[str, ...]) -> None:
    """Names of groups."""
    if not all(word.strip() and word.isprintable() for word in value):
        raise InvalidValue("invalid group name", "expected printable text")
    if any(word.startswith("@") for word in value):
        raise InvalidValue("a group name begins with @", "the @ is written in rules only")
    _examine_blanks(value)


def operator_globs(value: tuple[str, ...]) -> None:
    """Globs of names of operators."""
    for glob in value:
        if not _OPERATOR_GLOB.fullmatch(glob):
            allowed = "letters, digits, . _ @ - and the wildcards *, ?, [abc] are allowed"
            raise InvalidValue("invalid glob of operator names", allowed)


def once(value: tuple[str, ...]) -> None:
    """A list without duplicates."""
    if len(set(value)) < len(value):
        raise InvalidValue("duplicate entry", "list each once")
