"""What is right in a configuration that has mistakes: the rest is held against it, so that a
mistake in one place hides none elsewhere. Nothing ever runs by it.

A value that is wrong is as if it were not there. A list lacks its wrong items, a list of tables all
behind the first that cannot be made.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from attrs import has
from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError

from vspc.common.values import InvalidValue
from vspc.config.classes import Config
from vspc.config.people import ConfiguredPeople
from vspc.config.structure import converter, made_of, table_hook


def remains(base: Path, people: ConfiguredPeople, tables: dict[str, Any]) -> Config:
    """A configuration of what is right in `tables`, and of defaults."""
    made = converter(base, people)
    made.register_structure_hook_factory(has, lambda kind: _table(made, kind))
    made.register_structure_hook_func(made_of(tuple), lambda v, kind: _list(made, v, kind))
    made.register_structure_hook_func(made_of(Mapping), lambda v, kind: _tables(made, v, kind))
    return made.structure(tables, Config)


def _table(made: Converter, kind: Any) -> Any:
    strict = table_hook(made, kind)

    def structure(value: Any, cls: Any) -> Any:
        try:
            return strict(value, cls)
        except ClassValidationError as error:
            wrong = _names(error)
            # What has no default is missing now, and the table with it.
            return strict({key: v for key, v in value.items() if key not in wrong}, cls)

    return structure


def _names(error: ClassValidationError) -> set[str]:
    """The keys that are wrong."""
    noted, others = error.group_exceptions()
    extra = (one.extra_fields for one in others if isinstance(one, ForbiddenExtraKeysError))
    return {note.name for _, note in noted}.union(*extra)


_WRONG = (InvalidValue, ValueError, KeyError, ExceptionGroup)


def _list(made: Converter, value: Any, kind: Any) -> tuple[Any, ...]:
    inner = get_args(kind)[0]
    if not isinstance(value, list):
        raise InvalidValue("it is no list", "")
    items = []
    for item in value:
        try:
            items.append(made.structure(item, inner))
        except _WRONG:
            if has(inner):
                break
    return tuple(items)


def _tables(made: Converter, value: Any, kind: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidValue("it is no table", "")
    found = dict[str, Any]()
    for name, table in value.items():
        try:
            found[name] = made.structure(table, get_args(kind)[1])
        except _WRONG:
            continue
    return found
