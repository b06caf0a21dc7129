"""`vspc access`: the table of who may do what, printed for people or as JSON."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen

from vspc.cli.access_matrix import (
    AccessCell,
    AccessColumn,
    AccessMatrix,
    AccessRow,
    column_of,
    columns_of,
    columns_there,
    picked,
    rows_named,
    rows_of,
    rules_of,
)
from vspc.cli.local import ask
from vspc.common.globs import is_glob
from vspc.common.text import safe
from vspc.common.values import written_duration
from vspc.config import Config
from vspc.console.access import REASON

NOT_FOUND = 3
"""Exit status for an operator or a console that is not there (contract)."""

WIDTH = 40
"""Characters of a list of names, about, before the rest of them is a number."""

_ORDER = ("read", "write", "break", "force", "admin")


@frozen
class AccessOptions:
    """What was asked for; None: all. `offline`: the running server is not asked."""

    operator: str | None = None
    console: str | None = None
    as_json: bool = False
    offline: bool = False


class Missing(Exception):
    """There is no such operator or console; the text says which."""


def show(config: Config, wanted: AccessOptions) -> int:
    """Print it; the exit status."""
    try:
        rows = _rows(config, wanted.operator)
        columns = _columns(config, wanted)
    except Missing as missing:
        print(f"vspc access: {missing}", file=sys.stderr)
        return NOT_FOUND
    matrix = AccessMatrix(rules_of(config), rows, columns)
    if wanted.as_json:
        _say(as_json(matrix, config))
    elif wanted.operator is None and wanted.console is None:
        _say(by_rule(matrix))
    else:
        _say(by_cell(matrix))
    return 0


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _rows(config: Config, name: str | None) -> list[AccessRow]:
    rows = rows_of(config) if name is None else rows_named(config, name)
    if name is not None and not rows:
        raise Missing(f"there is no operator {safe(name)}, and no certificate makes one")
    return rows


def _columns(config: Config, wanted: AccessOptions) -> list[AccessColumn]:
    there = None if wanted.offline else _ask(config)
    if there is not None:
        found = there if wanted.console is None else picked(there, wanted.console)
        if not found and wanted.console is not None:
            hint = "--offline looks only at the rules"
            raise Missing(f"there is no console {safe(wanted.console)} now; {hint}")
        return found
    if wanted.console is not None:
        return _imagined(config, wanted.console)
    print("consoles here are the patterns of the rules, as examples", file=sys.stderr)
    return columns_of(config)


def _imagined(config: Config, text: str) -> list[AccessColumn]:
    """A name that need not be there yet; a pattern picks those of the rules that it covers."""
    zones = [zone.name for zone in config.vm.zones]
    zone, slash, _ = text.partition("/")
    if slash and not text.startswith("uuid:") and zone not in zones and not is_glob(zone):
        raise Missing(f"there is no zone {safe(zone)}")
    if not is_glob(text):
        return [column_of(text, zones)]
    return picked(columns_of(config), text) or [column_of(text, zones)]


def _ask(config: Config) -> list[AccessColumn] | None:
    """The consoles of the running server; None if there is none."""
    try:
        status, said = ask(config.state_dir, ["list", "--json"])
        if status == 0:
            return columns_there(json.loads(said))
        why = f"it ended with status {status}"
    except OSError as error:
        why = error.strerror or str(error)
    except (ValueError, KeyError, TypeError):
        why = "its answer makes no sense"
    print(f"no server says which consoles there are: {why}", file=sys.stderr)
    return None


# What is printed


def rights_text(cell: AccessCell) -> str:
    """`read,write`, and what is asked for or withheld beside it."""
    words = ",".join(word for word in _ORDER if word in cell.rights) or "-"
    notes = ["with a reason"] if REASON in cell.rights else []
    if cell.history is not None and cell.rights:
        notes.append(f"the last {written_duration(cell.history)}")
    return f"{words} ({', '.join(notes)})" if notes else words


def _why(column: AccessColumn, cell: AccessCell) -> str:
    if column.subject.quarantined:
        return f"kept apart: role {cell.role}"
    role = [f"role {cell.role}"] if cell.role else []
    return ", ".join(([cell.rule.where] if cell.rule else []) + role) or "no rule"


def by_cell(matrix: AccessMatrix) -> list[str]:
    """One line for each operator and console."""
    lines = [("OPERATOR", "CONSOLE", "RIGHTS", "RULE")]
    for row in matrix.rows:
        for column in matrix.columns:
            cell = matrix.cell(row, column)
            why = _why(column, cell)
            lines.append((safe(row.label), safe(column.label), rights_text(cell), safe(why)))
    return _aligned(lines)


_Told = tuple[int, str, str]
"""The number of the rule, how it is named, what it gives."""


def by_rule(matrix: AccessMatrix) -> list[str]:
    """One line for each rule and the operators for whom it decides about the same consoles."""
    found: dict[_Told, dict[tuple[AccessColumn, ...], list[AccessRow]]] = {}
    for rows, cells in matrix.alike():
        mine: dict[_Told, list[AccessColumn]] = {}
        for column, cell in cells:
            told = (cell.index, _why(column, cell), rights_text(cell))
            mine.setdefault(told, []).append(column)
        for told, columns in mine.items():
            found.setdefault(told, {}).setdefault(tuple(columns), []).extend(rows)
    for index in set(range(len(matrix.access.rules))) - {told[0] for told in found}:
        rule = matrix.access.rules[index]
        rights = rights_text(AccessCell(rule.rights, rule))
        found[index, rule.where, f"{rights}: decides nothing here"] = {(): []}
    lines = [("RULE", "OPERATORS", "CONSOLES", "RIGHTS")]
    for told in sorted(found, key=lambda told: (told[0] < 0, told)):
        for where, who in found[told].items():
            names = _some(row.label for row in who)
            lines.append((safe(told[1]), names, _some(c.label for c in where), told[2]))
    return _aligned(lines)


def _some(names: Iterable[str]) -> str:
    """As many as fit, and the number of the others."""
    shown, rest = list[str](), list(map(safe, names))
    while rest and (not shown or len(", ".join([*shown, rest[0]])) <= WIDTH):
        shown.append(rest.pop(0))
    return ", ".join([*shown, *([f"+{len(rest)}"] if rest else [])]) or "-"


def _aligned(lines: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def as_json(matrix: AccessMatrix, config: Config) -> Iterator[str]:
    """An array of all cells, one a line: they may be many."""
    cells = (
        _facts(row, column, matrix.cell(row, column), config)
        for row in matrix.rows
        for column in matrix.columns
    )
    yield "["
    before = ""
    for cell in cells:
        if before:
            yield f"{before},"
        before = json.dumps(cell)
    yield from [before] if before else []
    yield "]"


def _facts(
    row: AccessRow, column: AccessColumn, cell: AccessCell, config: Config
) -> dict[str, object]:
    rule, subject = cell.rule, column.subject
    return {
        "operator": row.operator.name,
        "certificate": row.certificate or None,
        "console": column.label,
        "vm_name": subject.name,
        "zone": subject.zone,
        "uuid": subject.uuid,
        "rights": [word for word in _ORDER if word in cell.rights],
        "require_reason": REASON in cell.rights,
        "history": cell.history,
        "file": None if rule is None else str(config.path),
        "role": cell.role or None,
        "line": None if rule is None else config.access[cell.index].line,
    }
