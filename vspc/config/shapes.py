"""Messages about values of the wrong type: how they are written instead.

`quiet` is for keys whose values may be secret: these are not repeated.
"""

import re
from difflib import get_close_matches
from typing import Any

from vspc.common.values import InvalidValue
from vspc.config.mistakes import SHOWN, shown

_WANTED: dict[type, str] = {str: "text", int: "a whole number", bool: "true or false"}

_KINDS: dict[type, str] = {
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def kind_of(value: object) -> str:
    """The type of a value in the words of TOML."""
    return _KINDS.get(type(value), "a date or time")


def written(value: object, quiet: bool = False) -> str:
    """A single value as TOML writes it; "..." in place of what is long, or `quiet`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value) if len(str(value)) <= SHOWN else "..."
    text = value if isinstance(value, str) else "..."
    if quiet or len(text) > SHOWN or not text.isprintable() or '"' in text or "\\" in text:
        text = "..."
    return f'"{text}"'


def no_list(value: object, quiet: bool = False) -> InvalidValue:
    """`value` is not a list."""
    if isinstance(value, dict):
        return InvalidValue("it is a table, not a list", "a list is written [a, b]")
    return InvalidValue(f"it is {kind_of(value)}, not a list", f"write [{written(value, quiet)}]")


def no_tables(value: object) -> InvalidValue:
    """`value` is not a list of tables."""
    allowed = "write it with two brackets, [[...]], once for each"
    if isinstance(value, dict):
        return InvalidValue("it is one table, not a list of them", allowed)
    return InvalidValue(f"it is {kind_of(value)}, not a list of tables", allowed)


def no_table(value: object) -> InvalidValue:
    """`value` is not a table. `headed` inserts its key path."""
    return InvalidValue(f"it is {kind_of(value)}, not a table", f"write {_HEAD}, and keys below it")


_HEAD = "[NAME]"


def headed(allowed: str, key: str) -> str:
    """`allowed` of a table, with the header of the table at `key`."""
    head = f"[[{_NUMBER.sub('', key)}]]" if _NUMBER.search(key) else f"[{key}]"
    return allowed.replace(_HEAD, head)


_NUMBER = re.compile(r"\[[0-9]+\]$")


def examine_single(value: object, quiet: bool = False) -> None:
    """Raises `InvalidValue` for a list or a table instead of one value."""
    if isinstance(value, dict):
        raise InvalidValue("it is a table, not one value", "write key = value")
    if isinstance(value, list):
        one = value[0] if len(value) == 1 else "..."
        raise InvalidValue("it is a list, not one value", f"write {written(one, quiet)}")


def exactly(value: Any, kind: type) -> Any:
    """`value`, which must be of `kind`: text, a whole number, or true or false."""
    if type(value) is kind:
        return value
    examine_single(value)
    wanted = _WANTED[kind]
    raise InvalidValue(
        f"{shown(value)} is not {wanted}", _rewritten(value, kind) or f"expected {wanted}"
    )


def _rewritten(value: object, kind: type) -> str:
    """How `value` is probably to be written; empty if that is not clear."""
    if kind is str:
        return f'write "{written(value)}"'
    if kind is bool:
        truth = {"true": "true", "yes": "true", "on": "true", "1": "true"}
        truth |= {"false": "false", "no": "false", "off": "false", "0": "false"}
        meant = truth.get(str(value).strip().lower())
        return f"write {meant}, without quotes" if meant else ""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value.strip(), re.ASCII):
        return f"write {int(value)}, without quotes"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"write {int(value)}"
    return ""


def choice(value: Any, words: tuple[Any, ...]) -> Any:
    """`value`, which must be one of `words`."""
    if isinstance(value, str) and value in words:
        return value
    examine_single(value)
    if isinstance(value, bool) and "off" in words:
        near = ["off"] if not value else []
    else:
        near = get_close_matches(str(value).strip().lower(), words, 1)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    raise InvalidValue(f"{shown(value)} is not allowed here", f"{hint}allowed: {', '.join(words)}")
