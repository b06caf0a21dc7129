"""All rows, in order."""

from collections.abc import Sequence

from benchmarks.measuring import Row
from benchmarks.rows import beside, capacity, choosers, coming, floods, holding, operators, output

ROWS: tuple[Row, ...] = (
    *coming.ROWS,
    *output.ROWS,
    *operators.ROWS,
    *choosers.ROWS,
    *floods.ROWS,
    *holding.ROWS,
    *beside.ROWS,
    *capacity.ROWS,
)


def chosen(words: Sequence[str], is_long: bool) -> list[Row]:
    """Rows whose names begin with one of `words`; without words all, long ones where asked for.

    Raises ValueError for a word that names none.
    """
    if not words:
        return [row for row in ROWS if is_long or not row.is_long]
    for word in words:
        if not any(row.name.startswith(word) for row in ROWS):
            names = " ".join(row.name for row in ROWS)
            raise ValueError(f"unknown row {word!r}; there are {names}")
    known = {row.name for row in ROWS}
    exact = {word for word in words if word in known}
    return [
        row
        for row in ROWS
        if row.name in exact or any(row.name.startswith(w) for w in words if w not in exact)
    ]
