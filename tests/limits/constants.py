"""The named numbers of `vspc` with their docstrings, and the numbers of its configuration.

A number counts where a module or a class has it in capitals; a private one only with a docstring.
"""

import ast
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from attrs import Attribute, fields, frozen, has, resolve_types

from vspc.config.checks import COMPUTED
from vspc.config.settings import Config, key_of
from vspc.config.structure import _TABLES
from vspc.config.values import Duration, Floor, Size

PACKAGE = Path(__file__).resolve().parents[2] / "vspc"

APART = frozenset({"simulator", "__main__"})
"""What does not serve: the simulator is a program for tests and demonstrations."""

CODES = frozenset({"CODE"})
"""Numbers of protocols, in classes of messages."""


@frozen
class Constant:
    """A number with a name; `text` is its docstring, on one line."""

    module: str
    name: str
    value: float
    text: str


@frozen
class Key:
    """A key of the configuration whose value is a size, a time or a number; None: no limit."""

    table: str
    name: str
    value: object


def constants() -> list[Constant]:
    """All of them, in the order of their modules."""
    found = list[Constant]()
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in APART:
            name = ".".join(("vspc", *(part for part in parts if part != "__init__")))
            found += of_module(import_module(name), path.read_text(encoding="utf-8"))
    return found


def of_module(module: ModuleType, text: str) -> Iterator[Constant]:
    """Those that `text`, the source of `module`, defines."""
    yield from _of_body(module.__name__, module, ast.parse(text).body, "")


def _of_body(module: str, owner: Any, body: list[ast.stmt], prefix: str) -> Iterator[Constant]:
    group = list[str]()
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.ClassDef):
            yield from _of_class(module, getattr(owner, statement.name, None), statement, prefix)
        group += _named(statement)
        if group and not _goes_on(statement, following):
            # A docstring behind several is about all of them.
            yield from _described(module, owner, group, _docstring(following), prefix)
            group = []


def _goes_on(statement: ast.stmt, following: ast.stmt | None) -> bool:
    if following is None or not _named(following):
        return False
    return following.lineno == (statement.end_lineno or 0) + 1


def _of_class(module: str, owner: Any, node: ast.ClassDef, prefix: str) -> Iterator[Constant]:
    if isinstance(owner, type) and not issubclass(owner, Enum):
        yield from _of_body(module, owner, node.body, f"{prefix}{node.name}.")


def _described(
    module: str, owner: Any, names: list[str], text: str, prefix: str
) -> Iterator[Constant]:
    for name in names:
        value = getattr(owner, name, None)
        counts = (text or not name.startswith("_")) and name not in CODES
        if counts and isinstance(value, int | float) and not isinstance(value, bool):
            yield Constant(module, prefix + name, value, text)


def _named(statement: ast.stmt) -> list[str]:
    targets = list[ast.expr]()
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    elif isinstance(statement, ast.Assign):
        first = statement.targets[0]
        targets = first.elts if isinstance(first, ast.Tuple) else [first]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return [name for name in names if name.lstrip("_").isupper()]


def _docstring(statement: ast.stmt | None) -> str:
    match statement:
        case ast.Expr(ast.Constant(str() as text)):
            return " ".join(text.split())
    return ""


def keys() -> list[Key]:
    """All of them, in the order of the configuration's classes."""
    return list(_keys_of(Config, ""))


def _keys_of(table: type[Any], path: str) -> Iterator[Key]:
    resolve_types(table)
    for each in fields(table):
        if each.metadata == COMPUTED:
            continue
        inner = next((kind for kind in _kinds(each.type) if _is_table(kind)), None)
        if inner is not None:
            yield from _keys_of(inner, f"{path}{key_of(each.name)}.")
        elif _is_number(each):
            yield Key(path.removesuffix("."), key_of(each.name), each.default)


def _kinds(kind: Any) -> Iterator[Any]:
    yield kind
    for inner in get_args(kind):
        yield from _kinds(inner)


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and has(kind) and kind.__module__ in _TABLES


def _is_number(field: "Attribute[Any]") -> bool:
    return any(kind in _NUMBERS for kind in _kinds(field.type))


_NUMBERS = (int, float, Size, Duration, Floor)
