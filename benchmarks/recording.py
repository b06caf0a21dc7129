"""What was recorded: `recorded.json` beside this file, docs/performance.md made of it, curves.

A check compares a run with it: not seconds, which are a machine's, but how many times what another
subject needed in the same run.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.measuring import FLOOR, OURS, REACTOR, Result, Row
from benchmarks.report import MET, Recording, decode, encode, goal_of, number
from benchmarks.rows.curves import CURVES
from benchmarks.table import ROWS

RECORDED = Path(__file__).parent / "recorded.json"
DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
PICTURES = DOCUMENT.with_suffix("")

BEGIN, END = "<!-- figures: make bench DOC=1 -->\n", "<!-- end of the figures -->\n"

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


def show(recording: Recording) -> None:
    """Write the document and draw the curves. Raises ImportError without matplotlib."""
    DOCUMENT.write_text(document(DOCUMENT.read_text("utf-8"), recording), "utf-8")
    draw(recording, PICTURES)


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


def document(text: str, recording: Recording) -> str:
    """`text` with the figures of the recording between its marks. Raises ValueError without."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCUMENT.name} has no {BEGIN.strip()} and {END.strip()}")
    return before + begin + "\n" + "\n".join(_lines(recording)) + "\n" + end + after


def _lines(recording: Recording) -> Iterable[str]:
    yield "| machine | |"
    yield "| --- | --- |"
    yield from (f"| {what} | {value} |" for what, value in recording.machine.items())
    yield ""
    yield "| row | vspc | of it reactor | floor | others | ratio | goal | |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    curves = {row.name: row.curve for row in ROWS}
    yield from (
        _table_row(each) for each in recording.results.values() if not curves.get(each.name)
    )
    drawn = {curves.get(name) for name in recording.results}
    for curve, (title, _) in CURVES.items():
        if curve in drawn:
            yield ""
            yield f"![{title}](performance/{curve}.png)"
    yield ""


def _table_row(result: Result) -> str:
    figures = result.figures
    others = [each for each in figures if each not in (OURS, REACTOR, FLOOR)]
    told = [f"{each} {number(figures[each].median)}" for each in others]
    told += [f"{each}: not installed" for each in result.absent]
    ours, basis = result.ours, result.basis
    met = "" if result.goal is None else MET[result.is_met]
    bound = ", bound by the generator" if result.is_bound else ""
    ratio = None if basis is None else result.ratio(basis)
    return " | ".join(
        (
            f"| {result.title}, {result.unit}",
            f"{number(ours.median)} ({number(ours.least)} to {number(ours.most)})",
            number(figures[REACTOR].median) if REACTOR in figures else "",
            number(figures[FLOOR].median) if FLOOR in figures else "",
            ", ".join(told),
            "" if ratio is None else f"{ratio:.1f} x {basis}",
            goal_of(result),
            f"{met}{bound} |",
        )
    )


def draw(recording: Recording, directory: Path) -> None:
    """A PNG for each curve of which there are points. Raises ImportError without matplotlib."""
    for curve in CURVES:
        points = [
            (row.at, recording.results[row.name])
            for row in ROWS
            if row.curve == curve and row.name in recording.results
        ]
        if points:
            directory.mkdir(exist_ok=True)
            _draw(curve, points, directory / f"{curve}.png")


def _draw(curve: str, points: Sequence[tuple[int, Result]], path: Path) -> None:
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(7, 4), layout="constrained")
    axes = picture.subplots()
    for subject in points[0][1].figures:
        found = [(at, each.figures[subject]) for at, each in points if subject in each.figures]
        spread = [
            [figure.median - figure.least for _, figure in found],
            [figure.most - figure.median for _, figure in found],
        ]
        places, middle = [at for at, _ in found], [figure.median for _, figure in found]
        axes.errorbar(places, middle, spread, label=subject, marker="o")
    title, under = CURVES[curve]
    axes.set(title=title, xlabel=under, ylabel=points[0][1].unit, xscale="log")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    picture.savefig(path, dpi=100)
