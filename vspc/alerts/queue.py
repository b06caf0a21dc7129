"""Alerts that are not delivered yet, in memory and in files: a restart loses none.

One file for each, written by a thread; one that is delivered before that is never written. What
the disk does not take is written once it does. What is over a limit goes, the oldest first, is
counted and told. A damaged file is told and removed.
"""

import json
import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from vspc.common.files import READ, Disk

QUEUE = 500
"""Alerts of one [[alert]] that wait."""

QUEUE_SIZE = 32 * 1024 * 1024
"""Bytes of all alerts that wait."""

ITEM = 256 * 1024
"""Bytes of a file that is read."""

WRITES = 64
"""Files that are written or removed in one go."""

TOLD = 60.0
"""Seconds between two messages that alerts were dropped."""

Report = Callable[[str, dict[str, object]], None]
"""An event for our own log, from any thread."""


@frozen
class QueuedAlert:
    """One of them. `id` is unique, and in the order of time; `at`: seconds since 1970."""

    id: str
    alert: str
    at: float
    facts: Mapping[str, Any]
    body: bytes = field(repr=False, eq=False)

    @classmethod
    def of(cls, facts: Mapping[str, Any], at: float) -> "QueuedAlert":
        """From what is sent, which has "id" and "alert"."""
        return cls(facts["id"], facts["alert"], at, facts, json.dumps(facts).encode())


@define(eq=False)
class AlertQueue:
    """`submit` makes a call in one thread, in order; `in_reactor` makes one in the reactor's."""

    directory: Path
    submit: Callable[[Callable[[], None]], None]
    in_reactor: Callable[[Callable[[], None]], None]
    report: Report
    disk: Disk = field(factory=Disk)
    limit: int = QUEUE
    size_limit: int = QUEUE_SIZE
    dropped: dict[str, int] = field(factory=dict, init=False)  # by the names of alerts
    _items: dict[str, dict[str, QueuedAlert]] = field(factory=dict, init=False)
    _size: int = field(default=0, init=False)
    _changes: dict[str, bytes | None] = field(factory=dict, init=False)  # None: remove it
    _unsaved: dict[str, bytes | None] = field(factory=dict, init=False)  # the disk refused them
    _untold: dict[str, int] = field(factory=dict, init=False)  # dropped, by the names of alerts
    _told: float = field(default=float("-inf"), init=False)
    _written: set[str] = field(factory=set, init=False)
    _is_writing: bool = field(default=False, init=False)
    _is_failing: bool = field(default=False, init=False)

    def load(self, names: Iterable[str]) -> None:
        """Take up what earlier processes left for the alerts of those names. Raises OSError."""
        self.disk.make(self.directory)
        for path in sorted(self.directory.glob("*.json")):
            try:
                found = self._read(path)
                if found is None:
                    self.report("alert-queue-damaged", {"what": f"{path}: it is removed"})
                    path.unlink(missing_ok=True)
            except OSError as error:  # the others, and the server, do without it
                self.report("alert-queue-damaged", {"what": f"{path}: {error.strerror}"})
                continue
            if found is None:
                continue
            self._written.add(found.id)
            self._add(found)
        self.keep(names)

    def _read(self, path: Path) -> QueuedAlert | None:
        descriptor = self.disk.regular(path, READ)
        try:
            data = self.disk.read(descriptor, ITEM, 0)
        finally:
            self.disk.close(descriptor)
        checksum, _, body = data.partition(b"\n")
        if checksum != _checksum(body):
            return None
        try:
            kept = json.loads(body)
            item = QueuedAlert.of(kept["facts"], float(kept["at"]))
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        return item if path.stem == item.id and isinstance(item.alert, str) else None

    def add(self, item: QueuedAlert) -> None:
        """One more; over a limit the oldest goes."""
        self._add(item)
        if item.id in self._items.get(item.alert, {}):
            kept = json.dumps({"at": item.at, "facts": item.facts}).encode()
            self._changes[item.id] = _checksum(kept) + b"\n" + kept
            self._write()

    def _add(self, item: QueuedAlert) -> None:
        items = self._items.setdefault(item.alert, {})
        items[item.id] = item
        self._size += len(item.body)
        if len(items) > self.limit:
            self._drop(items)
        while self._size > self.size_limit:
            self._drop(max(self._items.values(), key=len))

    def _drop(self, items: dict[str, QueuedAlert]) -> None:
        item = next(iter(items.values()))
        self.dropped[item.alert] = self.dropped.get(item.alert, 0) + 1
        self._untold[item.alert] = self._untold.get(item.alert, 0) + 1
        self.done(item)

    def first(self, name: str) -> QueuedAlert | None:
        """The oldest of an alert."""
        return next(iter(self._items.get(name, {}).values()), None)

    def waiting(self, name: str) -> int:
        """How many of an alert wait."""
        return len(self._items.get(name, ()))

    def done(self, item: QueuedAlert) -> None:
        """It is delivered, or given up."""
        if self._items.get(item.alert, {}).pop(item.id, None) is None:
            return
        self._forget(item)
        self._write()

    def _forget(self, item: QueuedAlert) -> None:
        self._size -= len(item.body)
        self._unsaved.pop(item.id, None)
        self._changes.pop(item.id, None)
        if item.id in self._written:
            self._changes[item.id] = None

    def keep(self, names: Iterable[str]) -> None:
        """Only of those; there is no other alert any more."""
        for name in self._items.keys() - set(names):
            items = self._items.pop(name)
            if items:
                facts: dict[str, object] = {"alert": name, "count": len(items)}
                self.report("alert-dropped", {**facts, "why": "it is not configured any more"})
            for item in items.values():
                self._forget(item)
        self._write()

    def tick(self, now: float) -> None:
        """Call it every second or so: what the disk did not take is tried again, and alerts that
        were dropped are told.
        """
        if not self._is_writing:
            self._changes = self._unsaved | self._changes
            self._unsaved = {}
            self._write()
        if self._untold and now >= self._told + TOLD:
            self._told = now
            self._tell()

    def _tell(self) -> None:
        untold, self._untold = self._untold, {}
        for name, count in untold.items():
            self.report("alert-dropped", {"alert": name, "count": count, "why": "too many wait"})

    def end(self) -> None:
        """Nothing more comes: hand over all that is to be written."""
        self._tell()
        changes, self._changes = self._unsaved | self._changes, {}
        self._unsaved = {}
        self._written |= changes.keys()
        self.submit(partial(self._save, changes))

    # Files

    def _write(self) -> None:
        if self._is_writing or not self._changes:
            return
        self._is_writing = True
        changes = {key: self._changes.pop(key) for key in list(self._changes)[:WRITES]}
        self._written |= changes.keys()
        self.submit(partial(self._save, changes))

    def _save(self, changes: dict[str, bytes | None]) -> None:
        """In the thread."""
        error, failed = "", dict[str, bytes | None]()
        for name, data in changes.items():
            path = self.directory / f"{name}.json"
            try:
                if data is None:
                    os.unlink(path)
                else:
                    self.disk.replace(path, data, sync=True)
            except FileNotFoundError:
                continue
            except OSError as problem:
                error = problem.strerror or str(problem)
                failed[name] = data
        self.in_reactor(lambda: self._saved(changes, failed, error))

    def _saved(
        self, changes: dict[str, bytes | None], failed: dict[str, bytes | None], error: str
    ) -> None:
        self._is_writing = False
        self._unsaved |= {key: data for key, data in failed.items() if key not in self._changes}
        self._written -= {
            key for key, data in changes.items() if data is None and key not in failed
        }
        if error and not self._is_failing:
            self.report("alert-queue-not-written", {"what": f"{self.directory}: {error}"})
            self._is_failing = True
        is_taken = any(data is not None and key not in failed for key, data in changes.items())
        if self._is_failing and is_taken and not error:
            self.report("alert-queue-written-again", {"what": str(self.directory)})
            self._is_failing = False
        self._write()


def _checksum(data: bytes) -> bytes:
    return f"{zlib.crc32(data):08x}".encode()
