"""A log whose process is killed at any moment, again and again.

A child says bytes on some consoles as fast as it can, or now and then, and notes in shared memory
how far each console was shown. Every byte is a function of its console and its offset: so a byte
that is kept in a wrong place shows, and so does an offset that was used twice.

    python -m tests.soak.kills [KILLS] [SEED]
"""

import mmap
import os
import random
import re
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

from tests.fakes import FakeLine, World
from tests.log.threads import RealClock
from vspc.common.files import Disk
from vspc.config.settings import LogSettings
from vspc.config.values import Floor, Size
from vspc.console.console import Console
from vspc.console.identity import Claim
from vspc.console.logs import Marker, Output
from vspc.log.cache import Cache
from vspc.log.log import Log, boot_id
from vspc.log.startup import load
from vspc.log.store import Store
from vspc.log.view import View

CONSOLES = 5
SETTINGS = LogSettings(max_console=Size(1 << 20), max_total=Size(1 << 30), free_floor=Floor(0, 0.0))
PERIOD = (4 << 20) + 9
PATTERN = random.Random(1).randbytes(PERIOD)
PATTERN += PATTERN[: 1 << 20]
"""What is said, by offset; it does not compress, so that sizes are what they seem."""
_SHOWN = struct.Struct("d" + "Q" * CONSOLES)
MOMENTS = 4096
"""Notes in shared memory: a ring of times and how far each console was shown then."""


def content(number: int, offset: int, size: int) -> bytes:
    """What console `number` says from `offset`."""
    start = (offset + number * 1009) % PERIOD
    return PATTERN[start : start + size]


def child(root: Path, notes: mmap.mmap, seed: int, ready: int) -> None:
    """Say things until killed."""
    world, clock, rng = World(), RealClock(), random.Random(seed)
    calls: list[Callable[[], None]] = []
    log = Log(root, SETTINGS, clock, calls.append, lambda _event, _facts: None, world.fail)
    log.open()
    log.revive(world.roster)
    log.start()
    world.observer.target = log.recorder
    world.events.subscribe(log.handle, *log.EVENTS)
    consoles = [_console(world, number) for number in range(CONSOLES)]
    os.write(ready, b".")
    moment = 0
    while True:
        for number, console in enumerate(consoles):
            if rng.random() < 0.5:
                size = rng.choice((1, 40, 1000, 30000))
                console.link.output(content(number, console.history.end, size))
        ends = [console.history.end for console in consoles]
        at = 8 + (moment % MOMENTS) * _SHOWN.size
        _SHOWN.pack_into(notes, at, time.monotonic(), *ends)
        moment += 1
        struct.pack_into("Q", notes, 0, moment)
        clock.turn()
        for call in calls[:]:
            call()
        calls.clear()
        time.sleep(rng.choice((0, 0, 0.001, 0.005)))


def _console(world: World, number: int) -> Console:
    claim = Claim("default", f"{number + 1:032x}", "vc", f"vm{number}", "10.0.0.1")
    found = world.roster.ports(claim)
    console = found[0] if found else world.roster.open(claim)
    console.link.connect(FakeLine())
    return console


@define
class Tally:
    """What was seen."""

    kills: int = 0
    kept: int = 0
    most: int = 0  # bytes that the log says may be missing, and that were
    missing: int = 0
    untrue: int = 0  # more were missing: the log's thread had no processor for a while
    oldest: float = 0.0  # seconds before a kill of the oldest byte that is missing
    complaints: list[str] = field(factory=list)


def run(kills: int, seed: int) -> Tally:
    """Kill so often; AssertionError if the log is not what it must be."""
    rng, tally = random.Random(seed), Tally()
    root = Path(tempfile.mkdtemp(prefix="vspc-kills-"))
    try:
        for number in range(kills):
            notes = mmap.mmap(-1, 8 + MOMENTS * _SHOWN.size)
            killed = _life(root, notes, seed * 100_000 + number, rng)
            _examine(root, notes, killed, tally, whole=number % 25 == 24 or number == kills - 1)
            tally.kills += 1
            if tally.kills % 100 == 0:
                print(f"{tally.kills} kills", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(root)
    return tally


def _life(root: Path, notes: mmap.mmap, seed: int, rng: random.Random) -> float:
    """One process, killed; when."""
    ready, begun = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            child(root, notes, seed, begun)
        finally:
            os._exit(3)
    os.close(begun)
    if rng.random() < 0.9:  # else it may be killed while it starts
        select.select([ready], [], [], 30)
    select.select([], [], [], rng.random() * rng.choice((0.005, 0.05, 0.2)))
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    _, status = os.waitpid(pid, 0)
    os.close(ready)
    assert os.WIFSIGNALED(status), "the child ended by itself"
    return killed


def _examine(root: Path, notes: mmap.mmap, killed: float, tally: Tally, whole: bool) -> None:
    """Look at a copy of what is there, as the next start finds it."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "log"
        if root.joinpath("journal").exists():
            shutil.copytree(root, copy, copy_function=_copy)
        store = Store(
            copy,
            Disk(),
            lambda event, what: tally.complaints.append(f"{event} {what}"),
            boot_id=boot_id(),
        )
        load(store)
        store.journal.close()
        moments = _moments(notes)
        for number in range(CONSOLES):
            _examine_one(store, number, moments, killed, tally, whole)


def _copy(source: str, target: str) -> None:
    """What is compressed is never written again: a link will do."""
    if source.endswith(".zst"):
        os.link(source, target)
    else:
        shutil.copyfile(source, target)


def _moments(notes: mmap.mmap) -> list[tuple[float, ...]]:
    (count,) = struct.unpack_from("Q", notes, 0)
    found = [
        _SHOWN.unpack_from(notes, 8 + (n % MOMENTS) * _SHOWN.size)
        for n in range(max(0, count - MOMENTS + 1), count)
    ]
    return sorted(found)


def _examine_one(
    store: Store,
    number: int,
    moments: list[tuple[float, ...]],
    killed: float,
    tally: Tally,
    whole: bool,
) -> None:
    world = World()
    claim = Claim("default", f"{number + 1:032x}", "vc", f"vm{number}", "10.0.0.1")
    console = bytes.fromhex(world.roster.open(claim).id)
    log = store.logs.get(console)
    shown = int(moments[-1][1 + number]) if moments else 0
    if log is None:
        assert not shown, f"console {number} was shown {shown} bytes and has no log"
        return
    assert log.end >= shown, f"offset {log.end} would be used twice (shown {shown})"
    view = View(
        Cache(lambda event, what: tally.complaints.append(f"{event} {what}")),
        tuple(log.segments),
        tuple(log.pending),
        log.end,
    )
    start = view.start if whole else max(view.start, view.last_lines(1, 100_000))
    at, last = start, start
    gap: Marker | None = None
    for item in view.read(start, 1 << 40).items:
        if item.end == item.offset:
            continue
        assert item.offset == at, (item.offset, at)
        at = item.end
        if isinstance(item, Output):
            assert item.data == content(number, item.offset, len(item.data)), item.offset
            tally.kept += len(item.data)
            last = item.end
        else:
            said = re.search(r"server was killed: .*, at most ([0-9]+) bytes$", item.text)
            assert said, item.text
            most, gap = int(said[1]), item
    assert at == log.end
    if gap is not None and gap.end == at:
        tally.untrue += shown > gap.offset + most
        tally.most = max(tally.most, most)
        tally.missing = max(tally.missing, shown - gap.offset)
    missing = [moment[0] for moment in moments if moment[1 + number] > last]
    if missing:
        tally.oldest = max(tally.oldest, killed - missing[0])


def main() -> None:
    """Print what was seen."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    tally = run(kills, seed)
    print(f"{tally.kills} kills, {tally.kept} bytes looked at")
    print(f"the oldest byte that was missing had come {tally.oldest * 1000:.1f} ms before its kill")
    print(f"at most {tally.most} bytes were said to be missing, at most {tally.missing} were")
    print(f"more than was said were missing {tally.untrue} times")
    print(*tally.complaints[:10], sep="\n")


if __name__ == "__main__":
    main()
