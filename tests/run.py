"""Runs the tests and counts them: `python -m tests.run [--unit | --end-to-end]`.

Unit tests run in parallel, on a file system in memory if there is one with room; end-to-end tests
one after the other, on a disk. Both have a temporary directory of their own outside the tree,
without the caller's home, agent or settings. Then follow the total, alone on its line, and what was
skipped for want of a program. Exit status 0: tests ran and none failed.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Timer

from attrs import field, frozen

from tests.environment import private_environment
from tests.programs import MISSING_LOG

TREE = Path(__file__).resolve().parent.parent
CACHE = TREE / ".venv" / "cache"

JOBS = 2
"""Processes that share the unit tests; they are few enough that more would only start slower."""

MEMORY, ROOM = Path("/dev/shm"), 2 << 30
"""A file system in memory, and bytes that have to be free in it: unit tests make and delete
thousands of files, which takes a quarter of their time on a disk.
"""

LIMIT = 3600.0
"""Seconds until a suite that hangs is ended, and has failed."""

_TAIL = 4096
_SLOW = ("end_to_end", "soak")
_NO_TESTS = ("run.py", "programs.py", "environment.py", "__init__.py")
_SUMMARY = re.compile(r"^(?:PASSED|FAILED)(?: \(([^)]*)\))?\s*$", re.MULTILINE)


@frozen
class Suite:
    """What one run of trial is given."""

    name: str
    targets: tuple[str, ...]
    trial: tuple[str, ...]
    python: tuple[str, ...] = ("-m", "twisted.trial")
    on_disk: bool = False


@frozen
class Outcome:
    """How many tests ended how. `whole` is False where trial itself failed or nothing ran."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    whole: bool = field(default=True, kw_only=True)

    @property
    def good(self) -> bool:
        """Whether this run may count as a success."""
        return self.whole and not self.failed

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            whole=self.whole and other.whole,
        )


def unit_suite(coverage: Path | None = None) -> Suite:
    """Everything under tests/ but the end-to-end tests; for `coverage` in one process."""
    packages = {path.parent.name for path in (TREE / "tests").glob("*/__init__.py")}
    modules = {path.stem for path in (TREE / "tests").glob("test_*.py")}
    targets = tuple(f"tests.{name}" for name in sorted((packages | modules) - set(_SLOW)))
    if coverage is None:
        return Suite("unit tests", targets, ("--reporter=text", f"--jobs={JOBS}"))
    measured = ("-m", "coverage", "run", f"--data-file={coverage}", "-m", "twisted.trial")
    return Suite("unit tests", targets, ("--reporter=text",), measured)


def end_to_end_suite() -> Suite:
    """The tests with real programs, and the soak; their names are shown while they run."""
    targets = tuple(f"tests.{name}" for name in _SLOW)
    return Suite("end-to-end tests", targets, ("--reporter=verbose",), on_disk=True)


def read_summary(output: str, status: int) -> Outcome:
    """What trial's last summary in `output` says; `status` is its exit status."""
    found = _SUMMARY.findall(output)
    if not found:
        return Outcome(whole=False)
    numbers = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", found[-1])}
    count = Counter(numbers)
    outcome = Outcome(
        count["successes"] + count["expectedFailures"],
        count["failures"] + count["errors"] + count["unexpectedSuccesses"],
        count["skips"],
    )
    ran = outcome.passed + outcome.failed + outcome.skipped > 0
    return outcome + Outcome(whole=ran and (status == 0) == (outcome.failed == 0))


def summarize(outcome: Outcome, missing: str) -> str:
    """The last words: the total alone on its line, then programs that tests were skipped for."""
    lines = [f"{outcome.passed} passed, {outcome.failed} failed, {outcome.skipped} skipped"]
    tests = Counter(line for line in missing.splitlines() if line)
    if not tests:
        return lines[0] + "\nNo test was skipped for want of a program."
    lines.append("Skipped for want of a program (`make deps` installs what is needed):")
    for line, number in sorted(tests.items()):
        what, remedy = line.split("\t")
        lines.append(f"  {what} (install {remedy}): {number} test{'s' if number > 1 else ''}")
    return "\n".join(lines)


def _environment(directory: Path, missing_log: Path) -> dict[str, str]:
    home, temporary = directory / "home", directory / "tmp"
    home.mkdir(parents=True, mode=0o700)
    temporary.mkdir()
    return private_environment(home) | {
        MISSING_LOG: str(missing_log),
        "TMPDIR": str(temporary),
        "PYTHONPYCACHEPREFIX": str(CACHE / "bytecode"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis"),
        "PIP_CACHE_DIR": str(CACHE / "pip"),
    }


def _copied(process: subprocess.Popen[bytes]) -> str:
    """Show the output of `process` as it comes; its end, where trial's summary is."""
    assert process.stdout is not None
    tail = b""
    while piece := os.read(process.stdout.fileno(), 65536):
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        tail = (tail + piece)[-_TAIL:]
    return tail.decode("utf-8", "replace")


def _run_command(command: Sequence[str], environment: Mapping[str, str]) -> tuple[str, int]:
    """Run `command`, for `LIMIT` seconds at most: the end of its output, and its exit status."""
    process = subprocess.Popen(
        command, cwd=TREE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    # An interrupt lets the test that runs end its processes, which trial's death does not.
    timers = [Timer(LIMIT, process.send_signal, (signal.SIGINT,)), Timer(LIMIT + 60, process.kill)]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        return _copied(process), process.wait()
    except KeyboardInterrupt:
        process.communicate()  # trial had the Ctrl-C as well, and cleans up
        raise
    finally:
        for timer in timers:
            timer.cancel()


def run_suite(suite: Suite, directory: Path, missing_log: Path) -> Outcome:
    """Run `suite` in `directory`, which is new."""
    print(f"== {suite.name}", flush=True)
    environment = _environment(directory, missing_log)
    command = [sys.executable, *suite.python, *suite.trial, "--temp-directory"]
    command += [str(directory / "trial"), *suite.targets]
    outcome = read_summary(*_run_command(command, environment))
    if not outcome.whole:
        print(f"** {suite.name}: trial ran no test, or did not end as it should", flush=True)
    return outcome


def place(on_disk: bool) -> Path | None:
    """Where a suite's temporary directory is; None: where the caller has others."""
    if on_disk or not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM:
        return None
    return MEMORY


def run(suites: Sequence[Suite]) -> int:
    """Run `suites` in order and print the total; the exit status."""
    plugins_cache = TREE / "twisted" / "plugins" / "dropin.cache"  # trial and twistd write it
    had_cache = plugins_cache.exists()
    total = Outcome()
    directories = [
        Path(tempfile.mkdtemp(prefix="vspc-", dir=place(suite.on_disk))) for suite in suites
    ]
    missing_log = directories[0] / "missing"
    missing_log.touch()
    try:
        for suite, directory in zip(suites, directories, strict=True):
            total += run_suite(suite, directory, missing_log)
        print(summarize(total, missing_log.read_text(encoding="utf-8")), flush=True)
    finally:
        for directory in directories:
            shutil.rmtree(directory, ignore_errors=True)
        if not had_cache:
            plugins_cache.unlink(missing_ok=True)
    return 0 if total.good else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.run", description="Run the tests.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--unit", action="store_true", help="only the unit tests")
    which.add_argument("--end-to-end", action="store_true", help="only those with real programs")
    parser.add_argument("--coverage", type=Path, help="measure unit tests, keep the data there")
    options = parser.parse_args()
    suites = (
        [] if options.end_to_end else [unit_suite(options.coverage and options.coverage.resolve())]
    )
    if not options.unit:
        suites.append(end_to_end_suite())
    try:
        return run(suites)
    except KeyboardInterrupt:
        return 130  # as a shell counts a Ctrl-C


if __name__ == "__main__":
    sys.exit(main())
