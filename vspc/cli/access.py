"""`vspc access`: the rights of operators on consoles, as tables or as JSON."""

import json
import sys
from collections.abc import Iterator, Sequence

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
from vspc.common.columns import listed
from vspc.common.globs import is_glob
from vspc.common.text import safe
from vspc.common.values import written_duration
from vspc.config import Config
from vspc.console.access import REASON, approvers

NOT_FOUND = 3
"""Exit status for an unknown operator or console (contract)."""

WIDTH = 40
"""Characters of a list of names, about; the rest of them is shown as a number."""

_ORDER = ("read", "write", "break", "force", "join", "admin")


class Missing(Exception):
    """An unknown operator, zone or console; the text says which."""


def show(
    config: Config, operator: str | None, console: str | None, as_json: bool, offline: bool
) -> int:
    """Print it; the exit status. `operator` and `console`, None for all, restrict it; with
    `offline` the running server is not asked.
    """
    try:
        rows = _rows(config, operator)
        columns = _columns(config, console, offline)
    except Missing as missing:
        print(f"vspc access: {missing}", file=sys.stderr)
        return NOT_FOUND
    matrix = AccessMatrix(rules_of(config), rows, columns)
    if as_json:
        lines = all_cells(matrix, config)
    else:
        lines = iter(by_rule(matrix) if operator is None and console is None else by_cell(matrix))
    for line in lines:
        print(line)
    return 0


def _rows(config: Config, name: str | None) -> list[AccessRow]:
    rows = rows_of(config) if name is None else rows_named(config, name)
    if name is not None and not rows:
        raise Missing(
            f"unknown operator {safe(name)}: neither a table, a certificate map nor "
            "ssh.auth_command_operators has it"
        )
    return rows


def _columns(config: Config, console: str | None, offline: bool) -> list[AccessColumn]:
    present = None if offline else _ask(config)
    if present is not None:
        found = present if console is None else picked(present, console)
        if not found and console is not None:
            hint = "--offline uses only the rules"
            raise Missing(f"no console matches {safe(console)} now; {hint}")
        return found
    if console is not None:
        return _imagined(config, console)
    print("the patterns of the rules are shown in place of consoles", file=sys.stderr)
    return columns_of(config)


def _imagined(config: Config, text: str) -> list[AccessColumn]:
    """A name that need not exist yet; a pattern picks those of the rules that it covers."""
    zones = [zone.name for zone in config.vm.zones]
    zone, slash, _ = text.partition("/")
    if slash and not text.startswith("uuid:") and zone not in zones and not is_glob(zone):
        raise Missing(f"unknown zone {safe(zone)}")
    if not is_glob(text):
        return [column_of(text, zones)]
    return picked(columns_of(config), text) or [column_of(text, zones)]


def _ask(config: Config) -> list[AccessColumn] | None:
    """The consoles of the running server; None if it does not answer."""
    try:
        status, output = ask(config.state_dir, ["list", "--json"])
        if status == 0:
            return columns_there(json.loads(output))
        why = f"list ended with status {status}"
    except OSError as error:
        why = error.strerror or str(error)
    except (ValueError, KeyError, TypeError):
        why = "malformed answer"
    print(f"cannot get the consoles from the server: {why}", file=sys.stderr)
    return None


# Output


def rights_text(cell: AccessCell) -> str:
    """`read,write`, with what is required or withheld in brackets."""
    words = ",".join(word for word in _ORDER if word in cell.rights) or "-"
    notes = ["with a reason"] if REASON in cell.rights else []
    if names := approvers(cell.rights):
        notes.append(f"approved by {listed(names, WIDTH)}")
    if cell.history is not None and cell.rights:
        notes.append(f"the last {written_duration(cell.history)}")
    return f"{words} ({', '.join(notes)})" if notes else words


def _why(column: AccessColumn, cell: AccessCell) -> str:
    if column.subject.quarantined:
        return f"quarantined: role {cell.role}"
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


_Decision = tuple[int, str, str]
"""The number of a rule, how it is named, the rights it gives."""


def by_rule(matrix: AccessMatrix) -> list[str]:
    """One line for each rule and the operators for whom it decides about the same consoles."""
    found: dict[_Decision, dict[tuple[AccessColumn, ...], list[AccessRow]]] = {}
    for rows, cells in matrix.alike():
        mine: dict[_Decision, list[AccessColumn]] = {}
        for column, cell in cells:
            decision = (cell.index, _why(column, cell), rights_text(cell))
            mine.setdefault(decision, []).append(column)
        for decision, columns in mine.items():
            found.setdefault(decision, {}).setdefault(tuple(columns), []).extend(rows)
    for index in set(range(len(matrix.access.rules))) - {decision[0] for decision in found}:
        rule = matrix.access.rules[index]
        rights = rights_text(AccessCell(rule.rights, rule))
        found[index, rule.where, f"{rights}: decides nothing here"] = {(): []}
    lines = [("RULE", "OPERATORS", "CONSOLES", "RIGHTS")]
    for decision in sorted(found, key=lambda decision: (decision[0] < 0, decision)):
        for where, who in found[decision].items():
            names = listed((safe(row.label) for row in who), WIDTH)
            lines.append(
                (
                    safe(decision[1]),
                    names,
                    listed((safe(c.label) for c in where), WIDTH),
                    decision[2],
                )
            )
    return _aligned(lines)


def _aligned(lines: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def all_cells(matrix: AccessMatrix, config: Config) -> Iterator[str]:
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
        "granted": None if row.operator.granted is None else sorted(row.operator.granted),
        "console": column.label,
        "vm_name": subject.name,
        "zone": subject.zone,
        "uuid": subject.uuid,
        "rights": [word for word in _ORDER if word in cell.rights],
        "require_reason": REASON in cell.rights,
        "approve": list(approvers(cell.rights)),
        "history": cell.history,
        "file": None if rule is None else str(config.path),
        "role": cell.role or None,
        "line": None if rule is None else config.access[cell.index].line,
    }
