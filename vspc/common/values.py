"""Sizes and durations as people write and read them, and values that are refused."""

import re
from collections.abc import Mapping
from types import MappingProxyType

_SIZES: Mapping[str, int] = MappingProxyType(
    {"TiB": 1 << 40, "GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}
)
_DURATIONS: Mapping[str, int] = MappingProxyType({"d": 86400, "h": 3600, "m": 60, "s": 1})

_SIZE = re.compile(r"([0-9]{1,12}) ?([KMG]iB|B)", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?([smhd]?)", re.ASCII)


class InvalidValue(ValueError):
    """A value that is refused: what is wrong with it, and what is allowed instead."""

    def __init__(self, problem: str, allowed: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.allowed = allowed


class InvalidLines(ValueError):
    """More than one line of a file is refused; `wrongs` has each."""

    def __init__(self, wrongs: list[InvalidValue]) -> None:
        super().__init__(f"{len(wrongs)} invalid lines")
        self.wrongs = wrongs


def parse_size(text: str) -> int | None:
    """Bytes, of "64KiB" or "1 GiB"; None for anything else, a number without a unit included."""
    match = _SIZE.fullmatch(text)
    return int(match[1]) * _SIZES[match[2]] if match else None


def parse_duration(text: str) -> float | None:
    """Seconds, of "30", "0.5s", "10m", "12h" or "7d"; None for anything else."""
    match = _DURATION.fullmatch(text)
    return float(match[1]) * _DURATIONS[match[2] or "s"] if match else None


def written_size(count: float) -> str:
    """Bytes as `parse_size` reads them, in the largest unit without a fraction: "64KiB"."""
    for unit, scale in list(_SIZES.items())[1:]:
        if count >= scale and not count % scale:
            return f"{int(count) // scale}{unit}"
    return f"{count:.15g}B"


def written_duration(seconds: float) -> str:
    """A duration as `parse_duration` reads it, in the largest unit without a fraction: "7d"."""
    for unit, scale in _DURATIONS.items():
        if seconds >= scale and not seconds % scale:
            return f"{int(seconds) // scale}{unit}"
    return f"{seconds:.15g}s"


def size_text(count: float) -> str:
    """Bytes for people: "0 B", "12 KiB", "64.4 MiB", "1.5 TiB"."""
    unit, scale = next(((u, s) for u, s in _SIZES.items() if count >= s), ("B", 1))
    shown = f"{count / scale:.1f}" if count < 100 * scale else f"{count / scale:.0f}"
    return f"{shown.removesuffix('.0')} {unit}"


def age_text(seconds: float | None) -> str:
    """A duration for a column: "4s", "12m", "3h", "5d"; "-" for None."""
    if seconds is None:
        return "-"
    count = max(0, int(seconds))
    unit, scale = next(((u, s) for u, s in _DURATIONS.items() if count >= s), ("s", 1))
    return f"{count // scale}{unit}"


def duration_text(seconds: float) -> str:
    """A duration for people, in its two largest units: "17 s", "2 h 5 min", "3 d"."""
    left, parts = max(0, int(seconds)), list[str]()
    for unit, scale in _DURATIONS.items():
        count, left = divmod(left, scale)
        if count or parts:
            parts.append(f"{count} {'min' if unit == 'm' else unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(filter(None, parts)) or "0 s"
