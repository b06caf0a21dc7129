"""What the server costs, beside the floor and what people would use instead.

python -m benchmarks [--long] [--repeats N] [--against DIR] [--json FILE] [--record | --check]
    [ROW ...]
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from benchmarks import document, recording, report, table
from benchmarks.bench import Bench
from benchmarks.measuring import Result, Row
from benchmarks.processes import BenchmarkError


def measured(rows: Sequence[Row], make: Callable[[], Bench]) -> Iterator[list[Result]]:
    """Those that have figures, printed as they come; rows with the same work share a run.

    What goes wrong in one costs its own figures, is told, and the next begins.
    """
    done = 0
    for work, group in groupby(rows, lambda row: row.work):
        same, begun = list(group), time.monotonic()
        results: list[Result] = []
        try:
            found = work(make())
            results.extend(Result.of(row, found) for row in same)  # as far as there are values
        except Exception as wrong:  # whatever it is, an hour of others must not be lost
            names = " ".join(row.name for row in same[len(results) :])
            print(f"{names}: no figure: {type(wrong).__name__}: {wrong}", flush=True)
            if not isinstance(wrong, BenchmarkError):
                traceback.print_exc()
        for result in results:
            print(report.shown(result))
        done += len(same)
        took = time.monotonic() - begun
        print(f"    {done} of {len(rows)} rows; {took:.1f} s", flush=True)
        yield results


def checkout(text: str) -> Path:
    """A directory with sources of vspc; ArgumentTypeError for another, which would run ours."""
    path = Path(text).absolute()
    if not (path / "vspc" / "__main__.py").is_file():
        raise argparse.ArgumentTypeError(f"{path} has no sources of vspc")
    return path


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("rows", nargs="*", metavar="ROW", help="rows, by the beginning of a name")
    add("--list", action="store_true", help="name the rows, and end")
    add("--long", action="store_true", help="rows of thousands of VMs, and curves as well")
    add("--repeats", type=int, default=3, metavar="N")
    add("--tiny", action="store_true", help="next to nothing to do: rows end, and say nothing")
    add(
        "--against",
        type=checkout,
        metavar="DIR",
        help="another checkout, measured in turn with this",
    )
    add("--json", type=Path, metavar="FILE", help="write the figures there as well")
    add("--record", action="store_true", help="write recorded.json and docs/performance.md")
    add("--check", action="store_true", help="compare with recorded.json; 1: a row got worse")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    """The exit status of `words`, or of the command line; 1 where a row has no figure, or a check
    fails.
    """
    parser = arguments()
    options = parser.parse_args(words)
    try:
        rows = table.chosen(options.rows, options.long)
    except ValueError as wrong:
        parser.error(str(wrong))
    if options.list:
        for row in rows:
            print(f"{row.name:20} {row.title}")
        return 0
    if options.record and options.against:
        parser.error("--record is without --against")
    make = partial(Bench, options.repeats, options.tiny, options.against)
    about, begun = report.machine(), time.monotonic()
    results: list[Result] = []
    for found in measured(rows, make):
        results += found
        if options.record:
            recording.keep(recording.merged(recording.read(), about, found))
    print(f"{len(results)} of {len(rows)} rows have figures; {time.monotonic() - begun:.0f} s")
    status = int(len(results) < len(rows))
    if options.json:
        options.json.write_text(report.encode(results, about), "utf-8")
    if options.record:
        document.show(recording.read())
    if options.check:
        worse = recording.worse(recording.read(), results, rows)
        print("\n".join(("worse than recorded:", *worse)) if worse else "no row got worse")
        status = status or int(bool(worse))
    return status


if __name__ == "__main__":
    sys.exit(main())
