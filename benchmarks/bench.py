"""What a row works with: directories, servers, load generators, how often and how much."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from attrs import define, field

from benchmarks.load.client import Load, generator
from benchmarks.measuring import MS, OTHER, OURS, REACTOR, Found, percentile
from benchmarks.processes import TOP, Server
from benchmarks.servers.others import RAW
from benchmarks.servers.ours import Floor, Vspc, floor, vspc

Values = dict[str, dict[str, list[float]]]


@define(eq=False)
class Bench:
    """One row's. `tiny` is for a test that wants an end and no figure. `against`: another checkout
    of vspc, whose server does the same in turn.
    """

    repeats: int = 3
    tiny: bool = False
    against: Path | None = None
    values: Values = field(factory=dict)
    busiest: float = 0.0

    def amount(self, count: int) -> int:
        """How much of something."""
        return max(1, count // 100) if self.tiny else count

    def add(self, subject: str, value: float, pick: str = "") -> None:
        """A value of that subject, for rows with that pick."""
        self.values.setdefault(pick, {}).setdefault(subject, []).append(value)

    def add_times(self, subject: str, took: Sequence[float]) -> None:
        """Seconds that answers took, as ms, for rows that pick p50 or p99."""
        self.add(subject, percentile(took, 0.5) * MS, "p50")
        self.add(subject, percentile(took, 0.99) * MS, "p99")

    def found(self, absent: Sequence[str] = ()) -> Found:
        """All of them."""
        return Found(self.values, self.busiest, tuple(absent))

    @contextmanager
    def directory(self) -> Iterator[Path]:
        """A new one, gone at the end."""
        path = Path(tempfile.mkdtemp(prefix="vspc-bench-"))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def load(self, subject: str = OURS) -> Iterator[Load]:
        """A load generator; what the one of vspc uses is told with the row."""
        with self.directory() as directory, generator(directory) as load:
            yield load
            if subject == OURS:
                self.busiest = max(self.busiest, load.busiest)

    @contextmanager
    def vspc(self, more: str = "", name: str = OURS, top: Path = TOP) -> Iterator[Vspc]:
        """A server."""
        with self.directory() as directory, vspc(directory, more, name, top) as server:
            yield server

    def ours(self) -> "list[AbstractContextManager[Vspc]]":
        """Our server, and that of `against`."""
        other = [] if self.against is None else [self.vspc(name=OTHER, top=self.against)]
        return [self.vspc(), *other]

    @contextmanager
    def floor(self) -> Iterator[Floor]:
        """Bare Twisted."""
        with self.directory() as directory, floor(directory) as server:
            yield server

    @contextmanager
    def both(self) -> "Iterator[Mapping[str, tuple[Server, Load]]]":
        """vspc and the floor side by side, with a load generator of its own for each."""
        with ExitStack() as stack:
            enter = stack.enter_context
            servers: list[Server] = [*map(enter, self.ours()), enter(self.floor())]
            yield {each.name: (each, enter(self.load(each.name))) for each in servers}

    @contextmanager
    def raw(self, name: str, count: int) -> Iterator[tuple[Server, Load]]:
        """A server of that name with `count` raw consoles, and the generator behind them."""
        with ExitStack() as stack:
            sockets, directory = (stack.enter_context(self.directory()) for _ in range(2))
            load = stack.enter_context(self.load(name))
            load.prepare("listen", count=count, directory=str(sockets))
            server = stack.enter_context(RAW[name](directory, sockets, count))
            load.prepare("accept")
            server.begin()
            yield server, load

    def cost(
        self, server: Server, work: Callable[[], object], count: float, pick: str = ""
    ) -> None:
        """Add what `work` costs the server: seconds of CPU divided by `count`."""
        before, reactor = server.settled_cpu(), server.reactor_cpu
        work()
        self.add(server.name, (server.settled_cpu() - before) / count, pick)
        if server.name == OURS:
            self.add(REACTOR, (server.reactor_cpu - reactor) / count, pick)
