"""Measurements that are made where something happens, and read by who asks for them: integers."""

from bisect import bisect_left

LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds of the ranges by which waits are counted."""


class Distribution:
    """How many values fell into which range. Costs an addition and a search of a dozen bounds."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = LATENCY) -> None:
        """`bounds`: the upper end of each range, which belongs to it; over the last is one more."""
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count `value`."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def cumulative(self) -> list[int]:
        """For each bound how many values were not over it; the last number is that of all."""
        found, sum_so_far = [], 0
        for count in self.counts:
            sum_so_far += count
            found.append(sum_so_far)
        return found
