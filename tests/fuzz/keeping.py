"""Which of the inputs of `make fuzz` the repository keeps: `python -m tests.fuzz --keep`.

Smallest first, each that takes a branch which none before it took; in place of what was kept.
"""

import shutil
import sys
from types import CodeType, FrameType
from typing import Any

from tests.fuzz import corpus
from tests.fuzz.finding import examine
from tests.fuzz.target import Target

SHARE = 6 * 1024
"""Bytes that are kept for one target."""

Branch = tuple[CodeType, int, int]
"""From one line of a function to another."""


class Reached:
    """The branches of vspc/ that one execution took."""

    def __init__(self) -> None:
        self.branches: set[Branch] = set()

    def calls(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        """A trace function (sys.settrace): lines of functions of vspc/ only."""
        if "/vspc/" not in frame.f_code.co_filename:
            return None
        last = frame.f_lineno

        def lines(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal last
            if event == "line":
                self.branches.add((frame.f_code, last, frame.f_lineno))
                last = frame.f_lineno
            return lines

        return lines


def branches_of(target: Target, data: bytes) -> set[Branch]:
    """Those that `target` takes with `data`; none if that is a finding."""
    reached = Reached()
    before = sys.gettrace()
    sys.settrace(reached.calls)
    try:
        finding = examine(target, data, limit=None)
    finally:
        sys.settrace(before)
    return set() if finding is not None else reached.branches


def choose(target: Target, inputs: tuple[bytes, ...]) -> list[bytes]:
    """Of `inputs`, up to `SHARE` bytes in all. What the seeds reach needs no other."""
    reached, chosen, size = set[Branch](), list[bytes](), 0
    for data in target.seeds():
        reached |= branches_of(target, data)
    for data in sorted(set(inputs), key=lambda data: (len(data), data)):
        new = branches_of(target, data) - reached
        if new and size + len(data) <= SHARE:
            reached |= new
            chosen.append(data)
            size += len(data)
    return chosen


def keep(targets: tuple[Target, ...]) -> None:
    """Choose anew for `targets`, out of what is kept and what `make fuzz` has met."""
    for target in targets:
        inputs = (*corpus.kept(target.name), *corpus.read(corpus.WORK / target.name))
        chosen = choose(target, inputs)
        shutil.rmtree(corpus.KEPT / target.name, ignore_errors=True)
        for data in chosen:
            corpus.write(corpus.KEPT / target.name, data)
        print(f"{target.name:24}{len(chosen):5} inputs {sum(map(len, chosen)):7} bytes", flush=True)
