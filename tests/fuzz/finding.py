"""One input run: what went wrong, and the smallest input for which that still does."""

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from attrs import frozen
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.fuzz.target import Target

SLOW = 2.0
"""Seconds of the processor after which one input is a finding by itself."""

TRIES = 2000
"""Smaller inputs that are tried for one finding."""


class TooSlow(Exception):
    """An input took longer than `SLOW`."""


@frozen
class Finding:
    """An input for which a target raises. Two with one `place` are the same."""

    data: bytes
    place: str
    trace: str


def examine(target: Target, data: bytes, limit: float | None = SLOW) -> Finding | None:
    """Run `target` on `data`. `limit`: seconds of the processor that it may take, None for any."""
    try:
        with _at_most(limit), _logged() as failures:
            target.run(data)
    except Exception as error:
        return Finding(data, _place(error), traceback.format_exc(limit=-12))
    for failure in failures:
        assert failure.value is not None
        return Finding(data, _place(failure.value), failure.getTraceback())
    return None


def minimised(target: Target, finding: Finding, limit: float | None = SLOW) -> Finding:
    """A finding of the same place whose input is as short as `TRIES` steps make it."""
    smallest, size, left = finding, max(1, len(finding.data) // 2), TRIES
    while size and left > 0:
        at, is_shorter = 0, False
        while at < len(smallest.data) and left > 0:
            left -= 1
            data = smallest.data[:at] + smallest.data[at + size :]
            found = examine(target, data, limit)
            if found is not None and found.place == finding.place:
                smallest, is_shorter = found, True
            else:
                at += size
        if not is_shorter:
            size //= 2
    return smallest


def _place(error: BaseException) -> str:
    """The kind of `error` and the line that raised it: in the program, else in the target."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/vspc/" in frame.filename]
    targets = [frame for frame in frames if not frame.filename.endswith("fuzz/target.py")]
    frame = (ours or targets or frames)[-1]
    if isinstance(error, TooSlow):
        return "TooSlow"
    return f"{type(error).__name__} at {frame.filename.rpartition('/')[2]}:{frame.lineno}"


@contextmanager
def _logged() -> Iterator[list[Failure]]:
    """The failures that were logged: where one connection must not cost another, none is raised."""
    failures = list[Failure]()

    @implementer(ILogObserver)
    def keep(event: LogEvent) -> None:
        if "log_failure" in event:
            failures.append(event["log_failure"])

    globalLogPublisher.addObserver(keep)
    try:
        yield failures
    finally:
        globalLogPublisher.removeObserver(keep)


@contextmanager
def _at_most(limit: float | None) -> Iterator[None]:
    """Raise TooSlow in what takes longer: time of this process alone, whatever else runs."""
    if limit is None:
        yield
        return

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"over {limit:g} s")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
