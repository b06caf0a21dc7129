"""What was recorded: `recorded.json` beside this file.

A check compares a run with it: not seconds, which are a machine's, but how many times what another
subject needed in the same run.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.measuring import Result, Row
from benchmarks.report import Recording, decode, encode, number
from benchmarks.table import ROWS

RECORDED = Path(__file__).parent / "recorded.json"
MEMORY = "KiB"
"""The unit that is the same on each machine."""

CHANGES = "load"
"""What of a machine may differ between parts of a recording."""


def read() -> Recording:
    """What is recorded; nothing, where there is no file."""
    if not RECORDED.exists():
        return Recording({}, {})
    return decode(RECORDED.read_text("utf-8"))


def merged(old: Recording, machine: Mapping[str, str], results: Iterable[Result]) -> Recording:
    """With `results` in it. Those of another machine, or of other versions, are dropped."""
    same = all(old.machine.get(what) == value for what, value in machine.items() if what != CHANGES)
    kept = dict(old.results) if same else {}
    found = kept | {each.name: each for each in results}
    order = [row.name for row in ROWS]
    return Recording(dict(machine), {name: found[name] for name in order if name in found})


def keep(recording: Recording) -> None:
    """Write the file."""
    RECORDED.write_text(encode(recording.results.values(), recording.machine), "utf-8")


def worse(recording: Recording, results: Iterable[Result], rows: Sequence[Row]) -> list[str]:
    """A line for each row that has become worse than its spread allows, or has no record."""
    spreads = {row.name: row.spread for row in rows}
    found = []
    for result in results:
        before = recording.results.get(result.name)
        if before is None:
            found.append(f"{result.name}: not recorded")
            continue
        now, then, what = _compared(result, before)
        if now is not None and then is not None and now > then * spreads[result.name]:
            found.append(
                f"{result.name}: {number(now)} {what}, recorded {number(then)}, "
                f"at most {spreads[result.name]:g} times that"
            )
    return found


def _compared(result: Result, before: Result) -> tuple[float | None, float | None, str]:
    """What is compared, now and then, and what it is."""
    if result.unit == MEMORY:
        return result.ours.median, before.ours.median, MEMORY
    basis = result.basis
    if basis is None:
        return None, None, ""
    return result.ratio(basis), before.ratio(basis), f"times {basis}"
