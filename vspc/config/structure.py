"""Tables to classes through cattrs: no coercion, no extra keys, each mistake with its key path."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from attrs import NOTHING, Attribute, fields, has
from cattrs import Converter
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)

from vspc.config import units
from vspc.config.classes import Config, OperatorSettings
from vspc.config.mistakes import Wrong

_COMPUTED = {Config: ("path", "warnings"), OperatorSettings: ("keys",)}

LATER = frozenset(
    {
        "start_tls",
        "com_port",
        "takeover",
        "dial_allow",
        "zone",
        "dial",
        "log",
        "audit",
        "listen",
        "certificates",
        "password_hash",
        "password_hash_file",
        "require",
        "totp_secret_file",
    }
)
"""Keys that a later version has: named as such, so that nobody looks for a misspelling."""

_NAMES: dict[type, str] = {str: "text", int: "a whole number", bool: "true or false"}


def converter(base: Path) -> Converter:
    """For one file; relative paths in it are relative to `base`."""
    made = Converter(detailed_validation=True, forbid_extra_keys=True)
    for kind in (str, int, bool):
        made.register_structure_hook(kind, _exactly)
    made.register_structure_hook(Path, lambda value, _type: base / _exactly(value, str))
    made.register_structure_hook_func(_is(units.Size), lambda v, _: units.size(v))
    made.register_structure_hook_func(_is(units.Duration), lambda v, _: units.duration(v))
    made.register_structure_hook_func(_is(units.Endpoint), lambda v, _: units.endpoint(v))
    made.register_structure_hook_func(_is(units.Network), lambda v, _: units.network(v))
    made.register_structure_hook(units.AuthorizedKey, lambda v, _: units.authorized_key(v))
    made.register_structure_hook_func(_made_of(Literal), _choice)
    made.register_structure_hook_func(_made_of(tuple), lambda v, kind: _tuple(made, v, kind))
    made.register_structure_hook_func(_is_table, _table(made))
    return made


def _is(kind: object) -> Any:
    return lambda other: other == kind


def _made_of(origin: Any) -> Any:
    return lambda kind: get_origin(kind) is origin


def _is_table(kind: Any) -> bool:
    return has(kind) and kind is not units.AuthorizedKey


def _exactly(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise Wrong(f"{value!r} is not {_NAMES[kind]}", f"{_NAMES[kind]} is wanted")
    return value


def _choice(value: Any, kind: Any) -> Any:
    if value not in get_args(kind):
        raise Wrong(f"{value!r} is none of them", f"allowed: {', '.join(get_args(kind))}")
    return value


def _tuple(made: Converter, value: Any, kind: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise Wrong(f"{value!r} is no list", "a list is written [a, b]")
    inner = get_args(kind)[0]
    items, errors = [], []
    for index, item in enumerate(value):
        try:
            items.append(made.structure(item, inner))
        except Exception as error:
            error.__notes__ = [IterableValidationNote(f"[{index}]", index, inner)]
            errors.append(error)
    if errors:
        raise IterableValidationError("in a list", errors, kind)
    return tuple(items)


def _table(made: Converter) -> Any:
    """A hook that reads every key before it complains, ranges included."""

    def structure(value: Any, cls: Any) -> Any:
        if not isinstance(value, dict):
            raise Wrong(f"{value!r} is no table", "a table is written [name] and keys below it")
        found: dict[str, Any] = {}
        errors: list[Exception] = []
        keys = [f for f in fields(cls) if f.name not in _COMPUTED.get(cls, ())]
        for key in keys:
            if key.name not in value and key.default is not NOTHING:
                continue
            try:
                found[key.name] = _value(made, key, value)
            except Exception as error:
                error.__notes__ = [AttributeValidationNote("", key.name, key.type)]
                errors.append(error)
        extra = set(value) - {key.name for key in keys}
        if extra:
            errors.append(ForbiddenExtraKeysError("", cls, extra))
        if errors:
            raise ClassValidationError("in a table", errors, cls)
        return cls(**found)

    return structure


def _value(made: Converter, key: "Attribute[Any]", table: dict[str, Any]) -> Any:
    value = made.structure(table[key.name], key.type)  # type: ignore[arg-type]
    if key.validator is not None:
        key.validator(None, key, value)
    return value


def mistakes(error: BaseException, key: str) -> Iterator[tuple[str, str, str]]:
    """Every mistake in what cattrs raised: key path, problem, what is allowed."""
    match error:
        case ClassValidationError():
            noted, others = error.group_exceptions()
            for inner, note in noted:
                yield from mistakes(inner, _join(key, note.name))
            for other in others:
                yield from mistakes(other, key)
        case IterableValidationError():
            for inner, place in error.group_exceptions()[0]:
                yield from mistakes(inner, f"{key}[{place.index}]")
        case ForbiddenExtraKeysError():
            for name in sorted(error.extra_fields):
                yield (_join(key, name), *unknown(name, error.cl))
        case Wrong():
            yield key, error.problem, error.allowed
        case KeyError():
            yield key, "it is missing", "this key has no default"
        case _:
            yield key, str(error), ""


def unknown(name: str, cls: Any) -> tuple[str, str]:
    """What to say of a key that the table does not have."""
    if name in LATER:
        return "not available in this version", ""
    known = [f.name for f in fields(cls) if f.name not in _COMPUTED.get(cls, ())]
    near = get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    return "there is no such key", f"{hint}there are {', '.join(known)}"


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
