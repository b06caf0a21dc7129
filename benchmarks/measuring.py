"""What a row is, what it finds, and the arithmetic of both: pure.

A *subject* is what is measured: `vspc`, `floor` (a bare Twisted or Conch that answers and forgets),
`conserver`, `conman` and so on. A row finds some values of each, one for each repeat.
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from types import MappingProxyType
from typing import Any

from attrs import field, frozen

MS = 1000.0
"""ms in a second."""

OURS = "vspc"
OTHER = "the other vspc"
"""Of another checkout (`--against`)."""

FLOOR = "floor"
REACTOR = "of it reactor"
"""Ours without the log's and other threads, which run beside it."""

BUSY = 0.8
"""Share of a core of the load generator above which a figure may be bound by it."""


@frozen
class Figure:
    """The values of one subject: median, smallest and largest."""

    median: float
    least: float
    most: float
    repeats: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """Raises ValueError for no values."""
        if not values:
            raise ValueError("a row found no values")
        return cls(median(values), min(values), max(values), len(values))


@frozen
class Goal:
    """At most `most`; with `beside`, times the median of that subject, or more than it.

    It is for the median of the values, or for `each`.
    """

    most: float
    beside: str = ""
    adds: bool = False
    each: bool = False

    def limit(self, figures: Mapping[str, Figure]) -> float | None:
        """In the unit of the row; None where `beside` was not measured."""
        if not self.beside:
            return self.most
        other = figures.get(self.beside)
        if other is None:
            return None
        return other.median + self.most if self.adds else other.median * self.most


@frozen
class Found:
    """What one run found, by the `pick` of its rows: values of each subject; and what the load
    generator used.
    """

    values: Mapping[str, Mapping[str, Sequence[float]]]
    generator: float = 0.0
    absent: tuple[str, ...] = ()


@frozen
class Row:
    """One row of the table. `work` gets a `benchmarks.bench.Bench` and measures, for all rows that
    have the same; each takes its `pick`.

    `spread` is how many times worse than recorded it may be in a check. A point of a curve is at
    a number, `at`, of what `curve` says.
    """

    name: str
    title: str
    unit: str
    work: Callable[[Any], Found] = field(eq=False, repr=False)
    goal: Goal | None = None
    is_long: bool = False
    spread: float = 1.6
    pick: str = ""
    curve: str = ""
    at: int = 0


@frozen
class Result:
    """A row that was measured."""

    name: str
    title: str
    unit: str
    figures: Mapping[str, Figure]
    generator: float
    goal: Goal | None = None
    absent: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Row, found: Found) -> "Result":
        """Raises ValueError where a subject has no values, KeyError where the row has none."""
        picked = found.values[row.pick]
        figures = {subject: Figure.of(values) for subject, values in picked.items()}
        return cls(
            row.name,
            row.title,
            row.unit,
            MappingProxyType(figures),
            found.generator,
            row.goal,
            found.absent,
        )

    @property
    def ours(self) -> Figure:
        """Of vspc."""
        return self.figures[OURS]

    def ratio(self, subject: str = FLOOR) -> float | None:
        """Ours to that of `subject`, by medians; None where it was not measured, or is 0."""
        other = self.figures.get(subject)
        return None if other is None or not other.median else self.ours.median / other.median

    @property
    def basis(self) -> str | None:
        """The subject that ours is best compared with; None where it stands alone."""
        wanted = (self.goal.beside if self.goal else "", FLOOR)
        others = [each for each in self.figures if each not in (OURS, REACTOR)]
        return next((each for each in (*wanted, *others) if each in others), None)

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is; None where there is none, or nothing to compare with."""
        if self.goal is None or (limit := self.goal.limit(self.figures)) is None:
            return None
        return (self.ours.most if self.goal.each else self.ours.median) <= limit

    @property
    def is_bound(self) -> bool:
        """Whether the load generator was busy, so that it may be what was measured."""
        return self.generator > BUSY


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which `part` (0 to 1) of all are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
