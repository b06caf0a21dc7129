"""What the server costs, beside the floor and what people would use instead.

python -m benchmarks [--long] [--repeats N] [--json FILE] [--record | --check] [ROW ...]
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks import recording, report, table
from benchmarks.bench import Bench
from benchmarks.measuring import Result, Row
from benchmarks.processes import BenchmarkError


def measured(rows: Sequence[Row], repeats: int, is_long: bool) -> Iterator[Result]:
    """Those that have figures, printed as they come; rows with the same work share a run."""
    for work, group in groupby(rows, lambda row: row.work):
        same = list(group)
        try:
            found = work(Bench(repeats, is_long))
        except BenchmarkError as wrong:
            print(f"{same[0].title} [{same[0].name}]: no figure: {wrong}", flush=True)
            continue
        for row in same:
            result = Result.of(row, found)
            print(report.shown(result), flush=True)
            yield result


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("rows", nargs="*", metavar="ROW", help="rows, by the beginning of a name")
    add("--list", action="store_true", help="name the rows, and end")
    add("--long", action="store_true", help="more VMs, and curves up to 10,000 of them")
    add("--repeats", type=int, default=3, metavar="N")
    add("--json", type=Path, metavar="FILE", help="write the figures there as well")
    add("--record", action="store_true", help="write recorded.json and docs/performance.md")
    add("--check", action="store_true", help="compare with recorded.json; 1: a row got worse")
    return parser


def main() -> int:
    """The exit status; 1 where a row has no figure, or a check fails."""
    parser = arguments()
    options = parser.parse_args()
    try:
        rows = table.chosen(options.rows, options.long)
    except ValueError as wrong:
        parser.error(str(wrong))
    if options.list:
        for row in rows:
            print(f"{row.name:20} {row.title}")
        return 0
    about = report.machine()
    results = list(measured(rows, options.repeats, options.long))
    status = int(len(results) < len(rows))
    if options.json:
        options.json.write_text(report.encode(results, about), "utf-8")
    if options.record:
        recording.write(recording.merged(recording.read(), about, results))
    if options.check:
        found = recording.worse(recording.read(), results, rows)
        print("\n".join(("worse than recorded:", *found)) if found else "no row got worse")
        status = status or int(bool(found))
    return status


if __name__ == "__main__":
    sys.exit(main())
