"""Whom rules can speak of: operators and groups of the tables, and those that certificates make.

Made from the tables as they stand in the file, so that a mistake in one of them makes no others.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from attrs import frozen

from vspc.common.globs import is_glob
from vspc.config.checks import is_name
from vspc.config.tables import dicts, table, words

_PLACE = re.compile(r"\{(principal|key_id)\}")


@frozen
class ConfiguredPeople:
    """Operators, and groups with an @ in front. `globs` match names that certificates can make."""

    names: frozenset[str]
    globs: tuple[str, ...] = ()

    def has(self, who: str) -> bool:
        """Whether `who`, a name or "@group", is one of them or could be."""
        if who in self.names:
            return True
        return is_name(who) and any(fnmatchcase(who, glob) for glob in self.globs)


def people(tables: dict[str, Any]) -> ConfiguredPeople:
    """Everybody in a configuration file."""
    operators = table(tables, "operators")
    maps = dicts(table(table(tables, "ssh"), "certificates"), "map")
    owners = [owner for owner in operators.values() if isinstance(owner, dict)]
    groups = (f"@{group}" for owner in [*owners, *maps] for group in words(owner, "groups"))
    made = list(_made(maps))
    fixed = frozenset(name for name in made if not is_glob(name))
    return ConfiguredPeople(frozenset(operators) | frozenset(groups) | fixed, tuple(made))


def _made(maps: list[dict[str, Any]]) -> Iterator[str]:
    """Globs of the names that certificates can make: more perhaps, never fewer."""
    for each in maps:
        name = each.get("operator", "{principal}")
        if not isinstance(name, str):
            continue
        for glob in words(each, "principals"):
            yield filled(name, glob)


def filled(name: str, glob: str) -> str:
    """A glob of the names that `name`, a template, makes of principals that `glob` matches."""
    return _PLACE.sub(lambda found: glob if found[1] == "principal" else "*", name)
