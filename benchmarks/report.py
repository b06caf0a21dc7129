"""The table: as people read it while it runs, and as JSON."""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attrs import asdict, frozen

from benchmarks.measuring import OURS, REACTOR, Figure, Goal, Result

VERSIONS = ("Twisted", "cryptography", "pyOpenSSL")
"""Packages that a figure depends on."""

MET = {True: "met", False: "MISSED", None: "nothing to compare with"}


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if abs(value) >= 100 or value == 0 else f"{value:.3g}"


def goal_of(result: Result) -> str:
    """Its goal; empty where it has none."""
    if result.goal is None:
        return ""
    goal = result.goal
    if goal.adds:
        return f"{goal.beside} + {goal.most:g} {result.unit}"
    each = " each" if goal.each else ""
    return f"{goal.most:g} {f'x {goal.beside}' if goal.beside else result.unit}{each}"


def shown(result: Result) -> str:
    """A row with all subjects: median, least and most, and how many times theirs ours is."""
    goal = goal_of(result)
    head = f"{result.title} [{result.name}]"
    if goal:
        head += f": goal {goal}: {MET[result.is_met]}"
    lines = [head]
    for subject, figure in result.figures.items():
        line = f"    {subject:18} {number(figure.median):>7} {result.unit}"
        line += f" ({number(figure.least)} to {number(figure.most)}, {figure.repeats} repeats)"
        ratio = result.ratio(subject)
        if subject not in (OURS, REACTOR) and ratio is not None:
            line += f"; {OURS} has {ratio:.2f} times that"
        lines.append(line)
    lines += [f"    {subject:18} not installed" for subject in result.absent]
    bound = ": the figures may be bound by it" if result.is_bound else ""
    lines.append(f"    the load generator used {result.generator:.0%} of a core{bound}")
    return "\n".join(lines)


@frozen
class Recording:
    """Results of a run, with the machine and the versions that they are of."""

    machine: Mapping[str, str]
    results: Mapping[str, Result]


def machine() -> dict[str, str]:
    """What the figures depend on, load included."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    found = {
        "processor": f"{os.cpu_count()} of {model}",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "load": ", ".join(f"{each:.1f}" for each in os.getloadavg()),
    }
    return found | {package: version(package) for package in VERSIONS}


def encode(results: Iterable[Result], about: Mapping[str, str]) -> str:
    """As JSON."""
    rows = [
        {
            "name": each.name,
            "title": each.title,
            "unit": each.unit,
            "figures": {subject: asdict(figure) for subject, figure in each.figures.items()},
            "goal": None if each.goal is None else asdict(each.goal),
            "met": each.is_met,
            "generator": each.generator,
            "absent": list(each.absent),
        }
        for each in results
    ]
    return json.dumps({"machine": dict(about), "rows": rows}, indent=1) + "\n"


def decode(text: str) -> Recording:
    """What `encode` made. Raises ValueError, KeyError or TypeError for anything else."""
    found = json.loads(text)
    return Recording(found["machine"], {row["name"]: _result(row) for row in found["rows"]})


def _result(row: Mapping[str, Any]) -> Result:
    figures = {subject: Figure(**each) for subject, each in row["figures"].items()}
    return Result(
        row["name"],
        row["title"],
        row["unit"],
        MappingProxyType(figures),
        row["generator"],
        None if row["goal"] is None else Goal(**row["goal"]),
        tuple(row["absent"]),
    )
