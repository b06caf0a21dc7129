"""docs/performance.md and its pictures, made of what is recorded."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from benchmarks.measuring import FLOOR, OURS, REACTOR, Result
from benchmarks.report import MET, Recording, goal_of, number
from benchmarks.rows.curves import CHAPTERS, Chapter
from benchmarks.table import ROWS

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
PICTURES = DOCUMENT.with_suffix("")

BEGIN, END = "<!-- figures: make bench DOC=1 -->\n", "<!-- end of the figures -->\n"

FULL = 95.0
"""% of a core from which on the reactor's thread has no time left."""

COLOURS = 32
"""Of a picture, which has few lines."""


def show(recording: Recording) -> None:
    """Write the document and draw the curves. Raises ImportError without matplotlib."""
    DOCUMENT.write_text(document(DOCUMENT.read_text("utf-8"), recording), "utf-8")
    draw(recording, PICTURES)


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
    for name, chapter in CHAPTERS.items():
        points = _points(chapter, recording)
        if points:
            yield from ("", f"### {chapter.title}", "")
            yield from _chapter(chapter, points)
            yield from ("", f"![{chapter.title}](performance/{name}.png)")
    yield ""


Points = dict[int, dict[str, Result]]


def _points(chapter: Chapter, recording: Recording) -> Points:
    """Those of a chapter that were measured: by number, by curve."""
    found: Points = {}
    for row in ROWS:
        if row.curve in chapter.curves and row.name in recording.results:
            found.setdefault(row.at, {})[row.curve] = recording.results[row.name]
    return found


def _chapter(chapter: Chapter, points: Points) -> Iterable[str]:
    yield f"| {chapter.under} | {' | '.join(chapter.curves.values())} |"
    yield "|" + " --- |" * (1 + len(chapter.curves))
    for at, found in points.items():
        cells = (_cell(found.get(curve)) for curve in chapter.curves)
        yield f"| {at:,} | {' | '.join(cells)} |"
    if chapter.holds:
        yield from _knee(chapter, points)


def _cell(result: Result | None) -> str:
    if result is None:
        return ""
    ratio = result.ratio()
    floor = "" if ratio is None else f" ({ratio:.1f} x floor)"
    return number(result.ours.median) + floor


def _knee(chapter: Chapter, points: Points) -> Iterable[str]:
    """Where lines come late, and where the reactor's thread has no time left; nothing, unless both
    were measured.
    """
    delays = _curve(points, f"{chapter.holds}-delay")
    shares = _curve(points, f"{chapter.holds}-reactor")
    if not delays or not shares:
        return
    late = [at for at, each in delays.items() if not each.is_met]
    full = [at for at, each in shares.items() if each.ours.median >= FULL]
    goal = goal_of(next(iter(delays.values())))
    yield ""
    yield (
        f"Lines come later than {goal} "
        + (f"from {late[0]:,} on" if late else f"at none of these, up to {max(delays):,}")
        + "; the reactor's thread "
        + (f"is full from {full[0]:,} on." if full else f"is full at none, up to {max(shares):,}.")
    )


def _curve(points: Points, curve: str) -> dict[int, Result]:
    """What was measured of it, by number."""
    return {at: found[curve] for at, found in points.items() if curve in found}


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
    """A PNG for each chapter of which there are points. Raises ImportError without matplotlib."""
    for name, chapter in CHAPTERS.items():
        points = _points(chapter, recording)
        if points:
            directory.mkdir(exist_ok=True)
            _draw(chapter, points, directory / f"{name}.png")


def _draw(chapter: Chapter, points: Points, path: Path) -> None:
    from matplotlib.figure import Figure as Picture
    from PIL import Image

    rows = -(-len(chapter.curves) // 2)
    picture = Picture(figsize=(9, 2.8 * rows), layout="constrained")
    places = iter(picture.subplots(rows, 2, squeeze=False).flat)
    for (curve, title), axes in zip(chapter.curves.items(), places, strict=False):
        found = _curve(points, curve)
        for subject in next(iter(found.values())).figures if found else ():
            spread = {at: each.figures[subject] for at, each in found.items()}
            middle = [each.median for each in spread.values()]
            below = [each.median - each.least for each in spread.values()]
            above = [each.most - each.median for each in spread.values()]
            axes.errorbar(list(spread), middle, [below, above], label=subject, marker="o")
        axes.set(title=title, xlabel=chapter.under, xscale="log")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend()
    for axes in places:
        axes.axis("off")
    drawn = BytesIO()
    picture.savefig(drawn, dpi=80)
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(path, optimize=True)
