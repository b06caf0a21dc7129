"""A whole log in one thread: what the log's thread and its readers do happens at once, or later."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.fakes import World
from vspc.common.files import Disk
from vspc.common.worker import WorkerPool
from vspc.config.settings import LogSettings
from vspc.log.batches import Batch
from vspc.log.log import Log
from vspc.log.store import Sizes
from vspc.log.writer import LogWriter


class InlineWriter(LogWriter):
    """Works as soon as it is given something, unless it is `held`: a disk that stands still."""

    held = False

    def put(self, item: Batch | Callable[[], None]) -> None:
        super().put(item)
        self.catch_up()

    def catch_up(self) -> None:
        """Do what is waiting."""
        while self._items and not self.held:
            self.work(self.take())

    def begin(self) -> None:
        """In place of `start`."""
        self.chores = self.syncing.chores = Here()


class Here(WorkerPool):
    """A pool without threads."""

    def __init__(self) -> None:
        super().__init__("here", lambda: None)

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> None:
        call(*arguments)


class Logged:
    """A log for the consoles of `world`, in a directory that `close` deletes."""

    def __init__(
        self,
        world: World,
        settings: LogSettings | None = None,
        disk: Disk | None = None,
        sizes: Sizes | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        self.world = world
        self.settings = settings or LogSettings()
        self.root = Path(tempfile.mkdtemp(prefix="vspc-log-"))
        self.disk = disk or Disk()
        self.sizes = sizes
        for name, data in (files or {}).items():
            path = self.root / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(data)
        self.events: list[tuple[str, dict[str, object]]] = []
        self.log = self._begin(world)

    def _begin(self, world: World) -> Log:
        log = Log(
            self.root / "log",
            self.settings,
            world.clock,
            lambda call: call(),
            lambda event, facts: self.events.append((event, facts)),
            world.fail,
            self.disk,
            InlineWriter,
            Here(),
        )
        writer = log.writer
        assert isinstance(writer, InlineWriter)
        self.writer = writer
        writer.now = writer.syncing.now = world.clock.seconds
        log.space.now = world.clock.seconds
        log.space.wall = world.clock.wall
        log.store.sizes = self.sizes or log.store.sizes
        writer.begin()
        log.open()
        log.revive(world.roster)
        world.observer.target = log.recorder
        world.events.subscribe(log.handle, *log.EVENTS)
        return log

    def restart(self, world: World, clean: bool = True) -> None:
        """Another process with other consoles; with `clean` False the first one was killed."""
        if clean:
            self.log.end()
            self.writer.store.stop(self.world.clock.wall())
        self.log.store.journal.close()  # as the kernel does
        world.clock.twisted.advance(self.world.clock.seconds() + 10)
        self.world = world
        self.log = self._begin(world)

    def close(self) -> None:
        """Delete it."""
        self.log.store.journal.close()
        self.disk.release()
        shutil.rmtree(self.root)

    @property
    def event_names(self) -> list[str]:
        """The events of our own log."""
        return [event for event, _ in self.events]
