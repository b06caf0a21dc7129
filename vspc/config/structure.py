"""Tables to classes through cattrs: no coercion, no extra keys, each mistake with its key path.

With `partial` it makes what is right in a file that has mistakes, so that the rest can be checked
against it; nothing may run by that. A wrong value is as if it were missing; a list lacks its wrong
items, a list of tables all from the first wrong one on.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
from vspc.common.serial import StopBits
from vspc.common.values import InvalidLines, InvalidValue
from vspc.config import alert_settings, alerting, dialling, profiles, rules, sockets, values
from vspc.config.breaks import BreakStep, break_step
from vspc.config.checks import CHECK, operator_name
from vspc.config.credentials import (
    AuthoritiesFile,
    Authority,
    AuthorizedKey,
    HashFile,
    KeysFile,
    PasswordHash,
    TotpFile,
    authorities_file,
    authority,
    authorized_key,
    hash_file,
    keys_file,
    password_hash,
    totp_file,
)
from vspc.config.dial_allow import DialEntry
from vspc.config.mistakes import (
    Finding,
    choice,
    exactly,
    examine_single,
    headed,
    join,
    no_list,
    no_table,
    no_tables,
    shown,
)
from vspc.config.settings import Config, key_of
from vspc.config.vm_settings import VmSettings

_TABLES = frozenset(
    {Config.__module__, VmSettings.__module__, profiles.__name__, alert_settings.__name__}
)
"""Modules whose classes are tables of the file; other classes are values in it."""

_QUIET: tuple[Any, ...] = (AuthorizedKey, Authority, PasswordHash, alerting.WebhookUrl)
"""Types whose values may be secret, put there by mistake."""

_COMPOUND: tuple[Any, ...] = (values.ProgramPath, BreakStep)
"""Types whose values may be lists or tables."""


def structured(
    tables: dict[str, Any], base: Path, people: rules.ConfiguredPeople, partial: bool = False
) -> Config:
    """The configuration in `tables`, of a file in `base`, in which rules may name `people`. Raises
    what `mistakes` understands, unless `partial`.
    """
    return _converter(base, people, partial).structure(tables, Config)


def _converter(base: Path, people: rules.ConfiguredPeople, partial: bool) -> Converter:
    made = Converter(detailed_validation=True, forbid_extra_keys=True)
    for kind in (str, int, bool):
        made.register_structure_hook(kind, exactly)
    readers: dict[Any, Callable[[Any], Any]] = {
        Path: lambda v: values.place(v, base),
        values.StateFile: values.state_file,
        values.Readable: lambda v: values.readable(v, base),
        KeysFile: lambda v: keys_file(values.file_place(v, base)),
        AuthoritiesFile: lambda v: authorities_file(values.file_place(v, base)),
        Authority: authority,
        HashFile: lambda v: hash_file(values.file_place(v, base)),
        TotpFile: lambda v: totp_file(values.file_place(v, base)),
        PasswordHash: password_hash,
        values.Consoles: lambda v: rules.consoles_file(values.file_place(v, base)),
        values.ProgramPath: values.program,
        BreakStep: break_step,
        profiles.Keys: profiles.keys,
        profiles.TerminalSize: profiles.size,
        values.Endpoint: lambda v: values.endpoint(v, base),
        values.Size: values.size,
        values.Duration: values.duration,
        values.EscapeKey: values.escape_key,
        values.Floor: values.floor,
        values.Expression: values.expression,
        DialEntry: DialEntry.parse,
        values.Target: lambda v: values.target(v, base),
        dialling.Connect: lambda v: dialling.connect(v, base),
        dialling.Thumbprint: dialling.thumbprint,
        StopBits: dialling.stop_bits,
        Network: values.network,
        sockets.SocketAddress: lambda v: sockets.socket_address(v, base),
        sockets.PortRange: sockets.port_range,
        sockets.Interface: sockets.interface,
        alerting.AlertPattern: alerting.alert_pattern,
        alerting.WebhookUrl: alerting.webhook,
        alerting.WebhookFile: lambda v: alerting.webhook_file(values.file_place(v, base)),
        alerting.HeadersFile: lambda v: alerting.headers_file(values.file_place(v, base)),
        values.Pattern: rules.pattern,
        values.Who: lambda v: _who(v, people),
        AuthorizedKey: authorized_key,
    }
    made.register_structure_hook_factory(has, lambda kind: _table_hook(made, kind, partial))
    made.register_structure_hook_func(_is(Literal), _choice)
    made.register_structure_hook_func(_is(tuple), lambda v, kind: _list(made, v, kind, partial))
    made.register_structure_hook_func(_is(Mapping), lambda v, kind: _tables(made, v, kind, partial))
    for kind, read in readers.items():
        _register(made, kind, read if kind in _COMPOUND else _single(kind, read))
    return made


def _single(kind: Any, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`read` for values that are neither lists nor tables."""

    def checked(value: Any) -> Any:
        examine_single(value, kind in _QUIET)
        return read(value)

    return checked


def _register(made: Converter, kind: Any, read: Callable[[Any], Any]) -> None:
    if isinstance(kind, type):
        made.register_structure_hook(kind, lambda v, _: read(v))
    else:  # a NewType or a union
        made.register_structure_hook_func(lambda other: other == kind, lambda v, _: read(v))


def _is(origin: Any) -> Callable[[Any], bool]:
    """Whether a type is a `tuple[...]`, `Mapping[...]` and so on."""
    return lambda kind: get_origin(kind) is origin


def _choice(value: Any, kind: Any) -> Any:
    return choice(value, get_args(kind))


def _who(value: Any, people: rules.ConfiguredPeople) -> values.Who:
    if not isinstance(value, str) or not (value == "*" or people.has(value)):
        near = get_close_matches(value, people.names, 1) if isinstance(value, str) else []
        hint = f"did you mean {near[0]}? " if near else ""
        allowed = 'an operator of [operators], "@group" of one of them, or "*" is allowed'
        what = "group" if isinstance(value, str) and value.startswith("@") else "operator"
        raise InvalidValue(f"unknown {what} {shown(value)}", hint + allowed)
    return values.Who(value)


def _list(made: Converter, value: Any, kind: Any, partial: bool) -> tuple[Any, ...]:
    inner = get_args(kind)[0]
    if not isinstance(value, list):
        is_quiet = inner in _QUIET
        raise no_tables(value) if _is_table(inner) else no_list(value, is_quiet)
    items, errors = [], list[Exception]()
    for index, item in enumerate(value):
        with _noting(errors, index, inner):
            items.append(made.structure(item, inner))
        if errors and partial and has(inner):
            break
    if errors and not partial:
        raise IterableValidationError("in a list", errors, kind)
    return tuple(items)


def _tables(made: Converter, value: Any, kind: Any, partial: bool) -> dict[str, Any]:
    """Tables by name; the names are operators'."""
    inner = get_args(kind)[1]
    if not isinstance(value, dict):
        raise InvalidValue(no_table(value).problem, "write [operators.NAME], and keys below it")
    found, errors = dict[str, Any](), list[Exception]()
    for name, table in value.items():
        with _noting(errors, name, inner):
            operator_name(name)
        with _noting(errors, name, inner):
            found[name] = made.structure(table, inner)
    if errors and not partial:
        raise IterableValidationError("in a table", errors, kind)
    return found


@contextmanager
def _noting(errors: list[Exception], index: int | str, kind: Any) -> Iterator[None]:
    """Collects what is raised, with a note of where in the list or table it was."""
    try:
        yield
    except Exception as error:
        error.__notes__ = [IterableValidationNote(f"[{index}]", index, kind)]
        errors.append(error)


def _table_hook(made: Converter, kind: Any, partial: bool) -> Callable[[Any, Any], Any]:
    """Makes a `kind` of a table."""
    special: dict[str, Any] = {}
    for key in fields(kind):
        if key.metadata.get("computed"):
            special[key.name] = override(omit=True)
        elif CHECK in key.metadata:
            hook = _checked(made, key.metadata[CHECK])
            special[key.name] = override(rename=key_of(key.name), struct_hook=hook)
        elif key_of(key.name) != key.name:
            special[key.name] = override(rename=key_of(key.name))
    inner = make_dict_structure_fn(kind, made, **special)

    def structure(value: Any, cls: Any) -> Any:
        if not isinstance(value, dict):
            raise no_table(value)
        try:
            return inner(value, cls)
        except ClassValidationError as error:
            if not partial:
                raise
            wrong = _names(error)
            # A key without a default is missing now: then the whole table is wrong.
            return inner({key: v for key, v in value.items() if key not in wrong}, cls)

    return structure


def _names(error: ClassValidationError) -> set[str]:
    """The keys that are wrong."""
    noted, others = error.group_exceptions()
    extra = (one.extra_fields for one in others if isinstance(one, ForbiddenExtraKeysError))
    return {key_of(note.name) for _, note in noted}.union(*extra)


def _checked(made: Converter, check: Callable[[Any], None]) -> Callable[[Any, Any], Any]:
    def structure(value: Any, kind: Any) -> Any:
        found = made.structure(value, kind)
        check(found)
        return found

    return structure


def mistakes(error: BaseException, key: str = "") -> Iterator[Finding]:
    """Every mistake in what cattrs raised: key path, problem, what is allowed."""
    match error:
        case ClassValidationError():
            noted, others = error.group_exceptions()
            for inner, note in noted:
                yield from mistakes(inner, join(key, key_of(note.name)))
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
            yield key, error.problem, headed(error.allowed, key)
        case KeyError():
            yield key, "missing", "this key is required"
        case _:
            raise error


def _unknown(name: str, cls: Any) -> tuple[str, str]:
    """The problem with a key that the table does not have, and what is allowed."""
    known = _keys(cls)
    near = get_close_matches(name.lower().replace("-", "_"), known, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    elsewhere = [] if near else sorted(_tables_with(name, Config))
    hint += f"it belongs in {' or '.join(elsewhere)}; " if elsewhere else ""
    return "unknown key", f"{hint}allowed: {', '.join(known)}"


def _keys(cls: Any) -> list[str]:
    return [key_of(f.name) for f in fields(cls) if not f.metadata.get("computed")]


def _tables_with(name: str, cls: Any, path: str = "") -> Iterator[str]:
    """The headers of the tables that have a key `name`: "[vm]", "[[vm.zone]]"."""
    for key in fields(cls):
        if key.metadata.get("computed"):
            continue
        inner, brackets = key.type, "[{}]"
        where = f"{path}.{key_of(key.name)}" if path else key_of(key.name)
        if get_origin(inner) is tuple:
            inner, brackets = get_args(inner)[0], "[[{}]]"
        elif get_origin(inner) is Mapping:
            inner, where = get_args(inner)[1], f"{where}.NAME"
        if _is_table(inner):
            if name in _keys(inner):
                yield brackets.format(where)
            yield from _tables_with(name, inner, where)


def _is_table(kind: Any) -> bool:
    """Whether it is a table of the file, not a value in it."""
    return has(kind) and kind.__module__ in _TABLES
