"""`make fuzz`: every target in turn, each in a process of its own, for its part of the time.

Exit status 0: nothing was found. Says for each target how many inputs were run and how fast, and of
each finding where it is, with a file that shows it again.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.engine import FOUND, load_atheris
from tests.fuzz.finding import examine
from tests.fuzz.keeping import keep
from tests.fuzz.table import TARGETS
from tests.fuzz.target import Target

NICE = 10
"""How far below other work it runs."""


def fuzz(targets: tuple[Target, ...], seconds: float, seed: int, is_random: bool) -> int:
    """Run `targets` one after the other for `seconds` in all; the exit status."""
    engine = "at random" if is_random or load_atheris() is None else "with Atheris"
    each = seconds / len(targets)
    print(f"{len(targets)} targets {engine}, {each:.1f} s each, seed {seed}", flush=True)
    bad = []
    for target in targets:
        command = [sys.executable, "-B", "-m", "tests.fuzz.engine", target.room, target.name]
        command += ["--seconds", f"{each:.2f}", "--seed", str(seed), *["--random"] * is_random]
        ended = subprocess.run(command, check=False, stderr=subprocess.PIPE)
        if ended.returncode:
            bad.append(target.name)
        if ended.returncode not in (0, FOUND):  # it says nothing else of what became of it
            sys.stderr.write(ended.stderr.decode("utf-8", "replace")[-8192:])
    print(f"findings in {', '.join(bad)}" if bad else "nothing was found")
    return 1 if bad else 0


def show(target: Target, path: Path) -> int:
    """Run `target` on the input in `path` once more; the exit status."""
    finding = examine(target, path.read_bytes())
    print("nothing was found" if finding is None else finding.trace)
    return 0 if finding is None else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    names = [target.name for target in TARGETS]
    parser.add_argument("--target", choices=names, action="append", help="only this one")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all of them together")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="to repeat a run")
    parser.add_argument("--random", action="store_true", help="without Atheris")
    parser.add_argument("--input", type=Path, help="run this file only")
    parser.add_argument("--keep", action="store_true", help="renew the repository's corpus")
    options = parser.parse_args()
    chosen = tuple(each for each in TARGETS if each.name in (options.target or names))
    if options.input is not None:
        return show(chosen[0], options.input)
    if options.keep:
        keep(chosen)
        return 0
    os.nice(NICE)
    return fuzz(chosen, options.seconds, options.seed % (1 << 31), options.random)


if __name__ == "__main__":
    sys.exit(main())
