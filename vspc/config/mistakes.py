"""What is wrong in a configuration, where, and what would be right."""

from pathlib import Path

from attrs import frozen

from vspc.text import safe

SHOWN = 40
"""Characters of a wrong value that are repeated in what is said of it."""


@frozen
class Mistake:
    """One mistake. `key` is a key path such as `operators.alice.authorized_keys[1]`."""

    path: Path
    key: str
    problem: str
    allowed: str

    def __str__(self) -> str:
        path = safe(str(self.path))
        where = f"{path}: {self.key}: " if self.key else f"{path}: "
        return where + self.problem + (f"; {self.allowed}" if self.allowed else "")


class Wrong(ValueError):
    """A value that is not allowed: what is wrong with it, and what is allowed instead."""

    def __init__(self, problem: str, allowed: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.allowed = allowed


class WrongLines(ValueError):
    """More than one thing is wrong in one file; `wrongs` are the single ones."""

    def __init__(self, wrongs: list[Wrong]) -> None:
        super().__init__(f"{len(wrongs)} wrong lines")
        self.wrongs = wrongs


def shown(value: object) -> str:
    """A value as a message repeats it: one line, cut. Not for what may hold a key."""
    if isinstance(value, dict):
        return "a table"
    text = ascii(value).replace("True", "true").replace("False", "false")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
