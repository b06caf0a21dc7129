"""Consoles without a line: how long they keep their history, and how long and how many are kept."""

from collections.abc import Iterator

from vspc.console.console import Console

RELEASE_AFTER = 600.0
"""Seconds after which the history of an away console is released."""

FORGET_AFTER = 7 * 24 * 3600.0
"""Seconds after which an away console leaves the list."""

LIMIT = 20_000
"""Away consoles that are kept in all; over it the one that went first is forgotten."""

PER_HOST = 4096
"""Away consoles of one host; over it the first of that host goes, and no other: four times as
many VMs as a host can have."""


class AwayConsoles:
    """Away consoles in the order in which they went."""

    def __init__(self, forget_after: float = FORGET_AFTER) -> None:
        self._forget_after = forget_after
        # When they went: those whose history is not released yet, and all; and from which host. Not
        # OrderedDict, which takes 150 bytes for each: what is looked for here is looked for once a
        # second, however many have left from the front.
        self._unreleased: dict[Console, float] = {}
        self._all: dict[Console, float] = {}
        self._host: dict[Console, str] = {}
        self._of_host: dict[str, dict[Console, None]] = {}
        self._full: dict[str, None] = {}  # hosts that have too many
        self._dialled: dict[Console, None] = {}  # those that are not forgotten

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._all) + len(self._dialled)

    def add(self, console: Console, now: float) -> None:
        """`console` has no line any more. One that the server connects to is not forgotten."""
        self._unreleased[console] = now
        if console.dial_uri:
            self._dialled[console] = None
            return
        self._all[console] = now
        host = self._host[console] = console.link.last_address
        consoles = self._of_host.setdefault(host, {})
        consoles[console] = None
        if len(consoles) > PER_HOST:
            self._full[host] = None

    def remove(self, console: Console) -> None:
        """`console` has a line again, or is forgotten; one that is not away does not matter."""
        self._unreleased.pop(console, None)
        self._dialled.pop(console, None)
        if self._all.pop(console, None) is None:
            return
        host = self._host.pop(console)
        consoles = self._of_host[host]
        del consoles[console]
        if not consoles:
            del self._of_host[host]

    def due_to_release(self, now: float) -> list[Console]:
        """Those whose history is to be released; each is named once."""
        due = _due(self._unreleased, now - RELEASE_AFTER)
        for console in due:
            del self._unreleased[console]
        return due

    def due_to_forget(self, now: float) -> list[Console]:
        """Those that are to be forgotten: away for long, or the first of too many."""
        due = _due(self._all, now - self._forget_after)
        if len(self._all) - len(due) > LIMIT:
            due = list(self._all)[: len(self._all) - LIMIT]
        return due

    def over_limit(self) -> Iterator[tuple[str, Console]]:
        """Hosts with too many away consoles, and each of these consoles that is to be forgotten."""
        while self._full:
            host = next(iter(self._full))
            consoles = list(self._of_host.get(host, ()))
            for console in consoles[: max(0, len(consoles) - PER_HOST)]:
                yield host, console
            del self._full[host]


def _due(table: dict[Console, float], before: float) -> list[Console]:
    due = []
    for console, at in table.items():
        if at > before:
            break
        due.append(console)
    return due
