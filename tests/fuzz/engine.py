"""One target for some seconds, in a process of its own: `python -m tests.fuzz.engine MODULE NAME`.

With Atheris inputs are made of those that reached code for the first time; without it at random,
out of the seeds and the corpus.
"""

import argparse
import importlib
import os
import sys
import time
from importlib.util import find_spec
from random import Random
from typing import Any

from attrs import define, field
from twisted.logger import globalLogBeginner

from tests.fuzz import corpus
from tests.fuzz.finding import examine, minimised
from tests.fuzz.mutation import Mutator
from tests.fuzz.target import Target

FINDINGS = corpus.WORK / "findings"
"""Inputs of findings, a directory for each target."""

FOUND = 3
"""Exit status of a run that found something."""

MOST_FINDINGS = 5
"""Different findings after which a target is left alone: they have to be mended first."""

STALLED = 60
"""Seconds after which libFuzzer ends the process for an input during which Python does not run."""

MEMORY = 2048
"""MiB of the process above which libFuzzer ends it."""


@define(eq=False)
class Run:
    """One target at work until `until` (time.monotonic)."""

    target: Target
    until: float
    began: float = field(factory=time.monotonic)
    executions: int = 0
    slowest: tuple[float, int] = (0.0, 0)
    places: set[str] = field(factory=set)

    @property
    def is_over(self) -> bool:
        """Whether its time is over, or enough was found."""
        return time.monotonic() >= self.until or len(self.places) >= MOST_FINDINGS

    def one(self, data: bytes) -> None:
        """Run `data`; a finding that is new is made small and kept."""
        began = time.process_time()
        finding = examine(self.target, data)
        self.executions += 1
        self.slowest = max(self.slowest, (time.process_time() - began, len(data)))
        if finding is not None and finding.place not in self.places:
            self.places.add(finding.place)
            self._report(data)

    def _report(self, data: bytes) -> None:
        """Say what was found, with a file that shows it."""
        name = self.target.name
        finding = examine(self.target, data)
        if finding is None:
            path = corpus.write(FINDINGS / name, data)
            print(f"** {name}: a finding that is not repeated, with {path}", flush=True)
            return
        smallest = minimised(self.target, finding)
        self.places.add(smallest.place)
        path = corpus.write(FINDINGS / name, smallest.data)
        print(f"** {name}: {smallest.place}\n{smallest.trace.rstrip()}")
        print(f"   {len(smallest.data)} bytes: {smallest.data!r}"[:2000])
        print(f"   again: python -m tests.fuzz --target {name} --input {path}", flush=True)

    def finish(self) -> None:
        """Say what was done and end the process: 0, or `FOUND`."""
        seconds = max(time.monotonic() - self.began, 0.001)
        each, size = self.slowest
        print(
            f"{self.target.name:24}{self.executions:9} inputs {self.executions / seconds:8.0f}/s"
            f"   slowest {each * 1000:6.1f} ms ({size} bytes)   {len(self.places)} findings",
            flush=True,
        )
        os._exit(FOUND if self.places else 0)  # libFuzzer has no other end


def at_random(run: Run, seed: int) -> None:
    """Mutate the seeds and the corpus."""
    target = run.target
    known = (*target.seeds(), *corpus.kept(target.name), *corpus.read(corpus.WORK / target.name))
    mutator = Mutator(Random(seed), known, target.tokens, target.longest)
    for data in known:
        run.one(data)
    while not run.is_over:
        run.one(mutator.next())
    run.finish()


def with_coverage(run: Run, seed: int, atheris: Any) -> None:
    """Hand over to libFuzzer, which keeps the inputs that reach more."""
    target = run.target
    directories = corpus.directories(target)

    def one(data: bytes) -> None:
        run.one(data)
        if run.is_over:
            run.finish()

    options = [f"-max_len={target.longest}", f"-seed={seed}", "-verbosity=0"]
    options += [f"-timeout={STALLED}", f"-rss_limit_mb={MEMORY}", "-handle_segv=0"]
    options += [f"-artifact_prefix={FINDINGS}/{target.name}-"]
    if target.tokens:
        words = corpus.WORK / f"{target.name}.dict"
        words.write_text("".join(f'"{_escaped(token)}"\n' for token in target.tokens))
        options.append(f"-dict={words}")
    atheris.Setup([sys.argv[0], *options, *map(str, directories)], one)
    atheris.Fuzz()


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def load_atheris(is_wanted: bool = True) -> Any:
    """Atheris, or None where it is not installed or not wanted."""
    return importlib.import_module("atheris") if is_wanted and find_spec("atheris") else None


def load(room: str, name: str, atheris: Any) -> Target:
    """The target of that name in the module `room`; the code below it, and no other, is prepared
    for `atheris` if that is there, which takes longer than importing it.
    """
    if atheris is None:
        module = importlib.import_module(room)
    else:
        with atheris.instrument_imports(include=["vspc"]):
            module = importlib.import_module(room)
    targets: tuple[Target, ...] = module.TARGETS
    return {each.name: each for each in targets}[name]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.engine", description=__doc__)
    parser.add_argument("module")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--random", action="store_true", help="without Atheris")
    options = parser.parse_args()
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
    atheris = load_atheris(not options.random)
    (FINDINGS / options.target).mkdir(parents=True, exist_ok=True)
    run = Run(load(options.module, options.target, atheris), time.monotonic() + options.seconds)
    if atheris is None:
        at_random(run, options.seed)
    else:
        with_coverage(run, options.seed, atheris)


if __name__ == "__main__":
    main()
