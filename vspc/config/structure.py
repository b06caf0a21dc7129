"""Tables to classes through cattrs: no coercion, no extra keys, each mistake with its key path."""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from attrs import fields, has
from cattrs import Converter
from cattrs.errors import (
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, override

from vspc.common.addresses import Network
from vspc.common.values import InvalidLines, InvalidValue
from vspc.config import disk, patterns, shapes, units
from vspc.config.checks import CHECK, operator_name
from vspc.config.classes import LATER, Config
from vspc.config.entry import OperatorSettings
from vspc.config.errors import join, shown
from vspc.config.keys import (
    AuthoritiesFile,
    Authority,
    AuthorizedKey,
    KeysFile,
    authorities_file,
    authority,
    authorized_key,
    keys_file,
)
from vspc.config.people import ConfiguredPeople
from vspc.config.secrets import (
    HashFile,
    PasswordHash,
    TotpFile,
    hash_file,
    password_hash,
    totp_file,
)

_QUIET: tuple[Any, ...] = (AuthorizedKey, Authority, PasswordHash)
"""Kinds of values that may hold a secret, put there by mistake."""


def converter(base: Path, people: ConfiguredPeople) -> Converter:
    """For one file in `base`, in which rules may speak of `people`."""
    made = Converter(detailed_validation=True, forbid_extra_keys=True)
    for kind in (str, int, bool):
        made.register_structure_hook(kind, shapes.exactly)
    values: dict[Any, Callable[[Any], Any]] = {
        Path: lambda v: units.place(v, base),
        units.StateFile: units.state_file,
        units.Readable: lambda v: disk.readable(v, base),
        KeysFile: lambda v: keys_file(units.place(v, base)),
        AuthoritiesFile: lambda v: authorities_file(units.place(v, base)),
        Authority: authority,
        HashFile: lambda v: hash_file(units.place(v, base)),
        TotpFile: lambda v: totp_file(units.place(v, base)),
        PasswordHash: password_hash,
        units.Consoles: lambda v: patterns.consoles_file(units.place(v, base)),
        units.ProgramPath: disk.program,
        units.Endpoint: lambda v: units.endpoint(v, base),
        units.Size: units.size,
        units.Duration: units.duration,
        units.EscapeKey: units.escape_key,
        units.Floor: units.floor,
        units.Expression: units.expression,
        units.Target: lambda v: units.target(v, base),
        Network: units.network,
        units.Pattern: patterns.pattern,
        units.Who: lambda v: _who(v, people),
        AuthorizedKey: authorized_key,
    }
    made.register_structure_hook_factory(has, lambda kind: table_hook(made, kind))
    made.register_structure_hook_func(made_of(Literal), _choice)
    made.register_structure_hook_func(made_of(tuple), lambda v, kind: _list(made, v, kind))
    made.register_structure_hook_func(made_of(Mapping), lambda v, kind: _tables(made, v, kind))
    for kind, structure in values.items():
        _register(made, kind, structure if kind is units.ProgramPath else _single(kind, structure))
    return made


def _single(kind: Any, structure: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`structure` of values that are neither lists nor tables."""

    def checked(value: Any) -> Any:
        shapes.examine_single(value, kind in _QUIET)
        return structure(value)

    return checked


def _register(made: Converter, kind: Any, structure: Callable[[Any], Any]) -> None:
    if isinstance(kind, type):
        made.register_structure_hook(kind, lambda v, _: structure(v))
    else:  # a NewType or a union
        made.register_structure_hook_func(lambda other: other == kind, lambda v, _: structure(v))


def made_of(origin: Any) -> Callable[[Any], bool]:
    """Whether a type is a `tuple[...]`, `Mapping[...]` and so on."""
    return lambda kind: get_origin(kind) is origin


def _choice(value: Any, kind: Any) -> Any:
    return shapes.choice(value, get_args(kind))


def _who(value: Any, people: ConfiguredPeople) -> units.Who:
    if not isinstance(value, str) or not (value == "*" or people.has(value)):
        near = get_close_matches(value, people.names, 1) if isinstance(value, str) else []
        hint = f"did you mean {near[0]}? " if near else ""
        allowed = 'an operator of [operators], "@group" of one of them, or "*" is allowed'
        what = "group" if isinstance(value, str) and value.startswith("@") else "operator"
        raise InvalidValue(f"unknown {what} {shown(value)}", hint + allowed)
    return units.Who(value)


def _list(made: Converter, value: Any, kind: Any) -> tuple[Any, ...]:
    inner = get_args(kind)[0]
    if not isinstance(value, list):
        is_quiet = inner in _QUIET
        raise shapes.no_tables(value) if _is_table(inner) else shapes.no_list(value, is_quiet)
    items, errors = [], list[Exception]()
    for index, item in enumerate(value):
        with _noting(errors, index, inner):
            items.append(made.structure(item, inner))
    return tuple(_unless(errors, items, kind))


def _tables(made: Converter, value: Any, kind: Any) -> dict[str, Any]:
    """Tables by name; the names are operators'."""
    inner = get_args(kind)[1]
    if not isinstance(value, dict):
        raise InvalidValue(
            shapes.no_table(value).problem, "write [operators.NAME], and keys below it"
        )
    found, errors = dict[str, Any](), list[Exception]()
    for name, table in value.items():
        with _noting(errors, name, inner):
            operator_name(name)
        with _noting(errors, name, inner):
            found[name] = made.structure(table, inner)
    return dict(_unless(errors, found, kind))


class _noting:
    """Collects what is raised, with a note of where in the list or table it was."""

    def __init__(self, errors: list[Exception], index: int | str, kind: Any) -> None:
        self._errors = errors
        self._note = IterableValidationNote(f"[{index}]", index, kind)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: Any, error: BaseException | None, _traceback: Any) -> bool:
        if not isinstance(error, Exception):
            return False
        error.__notes__ = [self._note]
        self._errors.append(error)
        return True


def _unless(errors: list[Exception], found: Any, kind: Any) -> Any:
    if errors:
        raise IterableValidationError("in a list", errors, kind)
    return found


def table_hook(made: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    """Makes a table of `kind` of what TOML has. Raises what `mistakes` understands."""
    special: dict[str, Any] = {}
    for key in fields(kind):
        if key.metadata.get("computed"):
            special[key.name] = override(omit=True)
        elif CHECK in key.metadata:
            special[key.name] = override(struct_hook=_checked(made, key.metadata[CHECK]))
    inner = make_dict_structure_fn(kind, made, **special)

    def structure(value: Any, cls: Any) -> Any:
        if not isinstance(value, dict):
            raise shapes.no_table(value)
        return inner(value, cls)

    return structure


def _checked(made: Converter, check: Callable[[Any], None]) -> Callable[[Any, Any], Any]:
    def structure(value: Any, kind: Any) -> Any:
        found = made.structure(value, kind)
        check(found)
        return found

    return structure


def mistakes(error: BaseException, key: str = "") -> Iterator[tuple[str, str, str]]:
    """Every mistake in what cattrs raised: key path, problem, what is allowed."""
    match error:
        case ClassValidationError():
            noted, others = error.group_exceptions()
            for inner, note in noted:
                yield from mistakes(inner, join(key, note.name))
            for other in others:
                yield from mistakes(other, key)
        case IterableValidationError():
            for inner, place in error.group_exceptions()[0]:
                yield from mistakes(inner, join(key, place.index))
        case ForbiddenExtraKeysError():
            for name in sorted(error.extra_fields):
                yield (join(key, name), *_unknown(name, error.cl))
        case InvalidLines():
            for wrong in error.wrongs:
                yield key, wrong.problem, wrong.allowed
        case InvalidValue():
            yield key, error.problem, shapes.headed(error.allowed, key)
        case KeyError():
            yield key, "it is missing", "this key has no default"
        case _:
            raise error


def _unknown(name: str, cls: Any) -> tuple[str, str]:
    """What to say of a key that the table does not have."""
    if name in LATER.get(cls, ()):
        return "not available in this version", ""
    known = _keys(cls)
    near = get_close_matches(name.lower().replace("-", "_"), known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    elsewhere = [] if near else sorted(_tables_with(name, Config))
    hint += f"it belongs into {' or '.join(elsewhere)}; " if elsewhere else ""
    return "there is no such key", f"{hint}there are {', '.join(known)}"


def _keys(cls: Any) -> list[str]:
    return [f.name for f in fields(cls) if not f.metadata.get("computed")]


def _tables_with(name: str, cls: Any, path: str = "") -> Iterator[str]:
    """The tables that have a key `name`, as they are written: "[vm]", "[[vm.zone]]"."""
    for key in fields(cls):
        if key.metadata.get("computed"):
            continue
        inner, brackets = key.type, "[{}]"
        where = f"{path}.{key.name}" if path else key.name
        if get_origin(inner) is tuple:
            inner, brackets = get_args(inner)[0], "[[{}]]"
        elif get_origin(inner) is Mapping:
            inner, where = get_args(inner)[1], f"{where}.NAME"
        if _is_table(inner):
            if name in _keys(inner):
                yield brackets.format(where)
            yield from _tables_with(name, inner, where)


def _is_table(kind: Any) -> bool:
    """Whether it is a class of tables, not one of values."""
    return has(kind) and kind.__module__ in (Config.__module__, OperatorSettings.__module__)
