"""Chapters of the document: a table and a picture each, of rows that are points of curves."""

from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen


@frozen
class Chapter:
    """What some curves say at ever more of what is `under` them.

    Without `holds` there is no knee. With it, it is at the last point whose delay is within its
    goal, and where the reactor's thread is full.
    """

    title: str
    under: str
    curves: Mapping[str, str]
    holds: str = ""


_ALWAYS = {
    "delay": "delay of a line, p99, ms",
    "reactor": "reactor's thread, % of a core",
    "generator": "load generator, % of a core",
}


def _holding(curve: str, title: str, under: str, **more: str) -> Chapter:
    curves = {f"{curve}-{kind}": name for kind, name in (more | _ALWAYS).items()}
    return Chapter(title, under, MappingProxyType(curves), curve)


CHAPTERS: Mapping[str, Chapter] = MappingProxyType(
    {
        "vms": Chapter(
            "Beside ever more VMs",
            "VMs",
            MappingProxyType(
                {
                    "registration": "registration, ms",
                    "vmotion": "vMotion, ms",
                    "line": "a line at 1,000 lines/s, us",
                    "memory": "memory of a VM that has just said 8 KiB, KiB",
                }
            ),
        ),
        "lines": _holding(
            "lines",
            "What one process holds: lines",
            "lines a second of 500 VMs",
            cost="a line, us",
        ),
        "output": _holding(
            "output",
            "What one process holds: output",
            "consoles that say text as fast as it is taken",
            carried="MiB/s",
            cost="a MiB, ms",
        ),
        "operators": _holding(
            "operators",
            "What one process holds: operators",
            "operators by ssh, each at a console that says a line a second",
            cost="a line, us",
            memory="memory of an operator, KiB",
        ),
        "logins": Chapter(
            "What one process holds: logins",
            "OpenSSH clients that log in, run `list` and do it again",
            MappingProxyType(
                {
                    "logins-carried": "logins a second",
                    "logins-cost": "a login, ms",
                    "logins-reactor": "reactor's thread, % of a core",
                }
            ),
        ),
    }
)
"""By the name of the picture."""
