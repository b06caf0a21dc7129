"""docs/limits.md, made of the constants, their docstrings and the register."""

from collections.abc import Iterator
from itertools import groupby

from tests.limits.constants import Constant, Key, constants, keys
from tests.limits.register import Entry, configuration, full_name, modules
from vspc.config.values import Floor

HEAD = """\
# Limits

Every buffer, queue, table, wait and rate of vspc, with what happens there and the test that shows
it. This page is generated: `make limits` writes it from the constants of `vspc/`, their docstrings
and `tests/limits/*.toml`; a test fails for a limit that is not here, and for one without a test. A
test is named `PACKAGE.MODULE.CLASS.METHOD` below `tests/`.

What a limit protects is in [security.md](security.md). Times are measured by a clock that nobody
sets; when the time of day is set, the log says `clock-set`, and ages that are shown follow it.
"""

CONFIGURATION = """
## In the configuration

[configuration.md](configuration.md) has the ranges. All other limits are fixed.

| Key | Default | What happens there | Test |
| --- | ---: | --- | --- |
"""

ROOMS = {
    "net": "Connections",
    "vm": "Lines of VMs",
    "wire": "Formats of the wire",
    "ssh": "The SSH door",
    "auth": "Logins",
    "console": "Consoles",
    "apps": "Operators and programs",
    "doors": "Other doors, and remote systems",
    "log": "The log of the VMs",
    "audit": "The audit file",
    "server": "The server",
    "alerts": "Alerts",
    "config": "Files of the configuration",
    "common": "Everywhere",
    "cli": "The commands of this machine",
}
"""In this order."""

HEADINGS = """
| Limit | Value | What it is | What happens there | Test |
| --- | ---: | --- | --- | --- |
"""


def page() -> str:
    """The whole of it."""
    return HEAD + CONFIGURATION + "".join(_key_rows()) + "".join(_rooms())


def _key_rows() -> Iterator[str]:
    register = configuration()
    for key in keys():
        entry = register.get(full_name(key), Entry(is_limit=False))
        if entry.is_limit:
            value = _key_value(key, entry)
            yield f"| `{full_name(key)}` | {value} | {entry.happens} | {entry.test} |\n"


def _key_value(key: Key, entry: Entry) -> str:
    match key.value:
        case None:
            return "none"
        case Floor(size, percent):
            return f"{shown(size, 'Bytes')} or {percent:g} %"
        case int(count) if count >= 1024 or key.name in _SIZES:
            return shown(count, "Bytes")
        case float(seconds):
            return shown(seconds, "Seconds")
    return str(key.value)


_SIZES = frozenset({"history"})


def _rooms() -> Iterator[str]:
    register = modules()
    found = list(_with_units(constants()))
    for room, title in ROOMS.items():
        mine = [pair for pair in found if pair[0].module.split(".")[1] == room]
        rows = [
            _row(constant, unit, entry)
            for constant, unit in mine
            if (entry := register.get(full_name(constant), Entry(is_limit=False))).is_limit
        ]
        if rows:
            yield f"\n## {title} ({room}/)\n{HEADINGS}{''.join(rows)}"


def _row(constant: Constant, unit: str, entry: Entry) -> str:
    name = full_name(constant).removeprefix("vspc.")
    text = constant.text.replace("|", "\\|")
    value = shown(constant.value, unit)
    if entry.key:
        return f"| `{name}` | {value} | {text} | the default of `{entry.key}` | |\n"
    return f"| `{name}` | {value} | {text} | {entry.happens} | {entry.test} |\n"


def _with_units(found: list[Constant]) -> Iterator[tuple[Constant, str]]:
    """Each with the first word of its docstring; "the same" is that of the one before it."""
    for _, group in groupby(found, lambda each: each.module):
        unit = ""
        for constant in group:
            first = constant.text.partition(" ")[0].strip(".")
            unit = unit if constant.text.startswith(_AS_BEFORE) else first
            yield constant, unit


_AS_BEFORE = ("The same", "Of these", "Of them")

_BINARY = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_TIMES = (("d", 86400), ("h", 3600), ("min", 60))


def shown(value: float, unit: str) -> str:
    """`value` with its unit, where it has a known one."""
    if unit == "Bytes":
        name, scale = next(((n, s) for n, s in _BINARY if value and value % s == 0), ("B", 1))
        return f"{int(value // scale):,} {name}"
    if unit == "Seconds":
        name, scale = next(((n, s) for n, s in _TIMES if value and value % s == 0), ("s", 1))
        return f"{value / scale:,g} {name}"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
