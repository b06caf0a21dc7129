"""What the server costs, beside the floor and what people would use instead.

python -m benchmarks [--long] [--repeats N] [--json FILE] [ROW ...]
"""

import argparse
import sys
from pathlib import Path

from benchmarks import report, table
from benchmarks.bench import Bench
from benchmarks.measuring import Result
from benchmarks.processes import BenchmarkError


def main() -> int:
    """The command line; 1 where a row has no figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows, by the beginning of a name")
    parser.add_argument("--list", action="store_true", help="name the rows, and end")
    parser.add_argument("--long", action="store_true", help="more VMs, and rows that take minutes")
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    try:
        rows = table.chosen(options.rows, options.long)
    except ValueError as wrong:
        parser.error(str(wrong))
    if options.list:
        for row in rows:
            print(f"{row.name:20} {row.title}")
        return 0
    about, results = report.machine(), list[Result]()
    for row in rows:
        try:
            results.append(Result.of(row, row.work(Bench(options.repeats, options.long))))
        except BenchmarkError as wrong:
            print(f"{row.title} [{row.name}]: no figure: {wrong}", flush=True)
            continue
        print(report.shown(results[-1]), flush=True)
    if options.json:
        options.json.write_text(report.encode(results, about), "utf-8")
    return int(len(results) < len(rows))


if __name__ == "__main__":
    sys.exit(main())
