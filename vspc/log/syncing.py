"""When the disk is to have what was written to the log, by `[log] fsync`."""

import os
from collections.abc import Callable
from functools import partial

from attrs import define, field

from vspc.common.worker import WorkerPool
from vspc.config.settings import Fsync
from vspc.log.segments import Segment, sync_segments
from vspc.log.store import Store


@define(eq=False)
class Syncing:
    """Syncs the journal of `store`, and segments with what that does not have, in a thread of
    `chores`: after each round, one sync at a time, every `interval` seconds, or never. The log's
    thread calls; `put` makes a call there. `synced` is told how many calls each took, `failed` of
    each that fails.
    """

    store: Store
    mode: Fsync
    interval: float
    now: Callable[[], float]
    chores: WorkerPool
    put: Callable[[Callable[[], None]], None]
    synced: Callable[[int], None]
    failed: Callable[[OSError], None]
    _is_due: bool = field(default=False, init=False)  # something was written
    _since: float | None = field(default=None, init=False)  # when the oldest of that was
    _is_running: bool = field(default=False, init=False)
    _running_since: float | None = field(default=None, init=False)  # as `_since`, of what it syncs
    _at: float = field(default=0.0, init=False)  # when the last one began

    @property
    def unsynced_since(self) -> float | None:
        """When the oldest bytes were written that are not known to be on the disk; None: all are,
        or `mode` is "never".
        """
        since = self._running_since
        return self._since if since is None else since

    @property
    def due(self) -> float | None:
        """When the next one is to begin; None: when something is written, or one ends."""
        waits = self._is_due and not self._is_running and self.mode == "interval"
        return self._at + self.interval if waits else None

    def written(self) -> None:
        """Something was."""
        if self.mode == "never":
            self.store.unsynced.clear()
            return
        self._is_due = True
        if self._since is None:
            self._since = self.now()

    def begin(self) -> None:
        """Begin one, if it is time for that."""
        is_time = self.mode == "always" or self.now() >= self._at + self.interval
        if not self._is_due or self._is_running or not is_time:
            return
        self._at = self.now()
        try:
            descriptor = self.store.journal.duplicate()
        except OSError as error:  # no descriptors: an interval later, then
            self.failed(error)
            return
        self._is_due = False
        if descriptor is None:
            self._since = None
            return
        segments = list(self.store.unsynced)
        self.store.unsynced.clear()
        self._is_running = True
        if self._running_since is None:  # else the last one failed
            self._running_since = self._since
        self._since = None
        self.chores.submit(partial(self._sync, descriptor, segments))

    def _sync(self, descriptor: int, segments: list[Segment]) -> None:
        try:
            # First: the journal says how far they reach.
            self.synced(sync_segments(self.store.disk, segments))
            self.store.disk.sync(descriptor)
            self.synced(1)
            self._running_since, segments = None, []
        except OSError as error:
            self.failed(error)
        finally:
            os.close(descriptor)
            self.put(partial(self._ended, segments))

    def _ended(self, failed: list[Segment]) -> None:
        self._is_running = False
        self.store.unsynced.update(dict.fromkeys(failed))
