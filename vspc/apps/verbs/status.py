"""`status`: the state of the server."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from attrs import frozen

from vspc.apps.verbs.context import Call, Verb
from vspc.apps.verbs.grammar import JSON, Grammar, Parsed
from vspc.common.columns import cells
from vspc.common.text import ensure_safe
from vspc.common.values import duration_text, size_text
from vspc.console.console import ConsoleState

_UNITS: Mapping[str, tuple[float, Callable[[float], str]]] = MappingProxyType(
    {"bytes": (1, size_text), "kib": (1024, size_text), "seconds": (1, duration_text)}
)
"""Units at the end of names: a factor, and how the number is shown."""


@frozen
class StatusSubject:
    """One line: its label, the facts that it takes, all of which must be there, and its text."""

    label: str
    takes: tuple[str, ...]
    show: Callable[..., str]


def lines(facts: Mapping[str, object]) -> list[str]:
    """Those of `SUBJECTS` first; facts that none of them takes get a line of their own."""
    left = dict(facts)
    rows = list[tuple[str, str]]()
    for subject in _SUBJECTS:
        if all(name in left for name in subject.takes):
            rows.append((subject.label, subject.show(*(left[name] for name in subject.takes))))
            for name in subject.takes:
                del left[name]
    rows += [row for name, value in left.items() for row in _rows(name, value)]
    width = max((cells(label) for label, _ in rows), default=0) + len(": ")
    return [f"{label}:".ljust(width) + text for label, text in rows]


def _rows(name: str, value: object) -> Iterator[tuple[str, str]]:
    """A fact that no subject takes; those of a table with its name before them."""
    if isinstance(value, Mapping) and value:
        for inner, each in value.items():
            yield from _rows(f"{name} {inner}", each)
    else:
        label, shown = _measured(name, value)
        yield label, shown


def _measured(name: str, value: object) -> tuple[str, str]:
    """Its label, without the unit if it has one, and its value."""
    words = name.replace("_", " ").split(" ")
    unit = _UNITS.get(words[-1])
    if unit is not None and isinstance(value, int | float) and len(words) > 1:
        factor, show = unit
        return ensure_safe(" ".join(words[:-1])), show(value * factor)
    return ensure_safe(" ".join(words)), _shown(value)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value)) or "none"
    return "none" if value is None or value == "" or value == {} else ensure_safe(str(value))


def _counts(table: Mapping[str, object]) -> str:
    """Of consoles by their states, of limits by their names."""
    return ", ".join(f"{_shown(count)} {ensure_safe(what)}" for what, count in table.items())


def _others(table: Mapping[str, Any], *known: str) -> str:
    """What else is in a table, named."""
    rows = (row for name in table if name not in known for row in _rows(name, table[name]))
    return "".join(f", {label} {text}" for label, text in rows)


def _certificate(table: Mapping[str, Any] | None) -> str:
    if table is None:
        return "none"
    days = table["days_left"]
    until = str(table["not_after"])[:10]
    left = f"{days} day{'' if days == 1 else 's'} left"
    return f"{ensure_safe(table['problem'])} ({left})" if table["problem"] else f"{until}, {left}"


def _sessions(sessions: int, operators: int) -> str:
    return f"{sessions} of {operators} operator{'' if operators == 1 else 's'}"


def _connections(whole: str, some: str, what: str) -> Callable[[Mapping[str, Any]], str]:
    """Connections, how many of them are `what`, and what else is in the table."""
    return lambda table: f"{table[whole]}, {table[some]} {what}{_others(table, whole, some)}"


def _audit(table: Mapping[str, Any], refuses: bool) -> str:
    state = str(table["state"])
    if "waiting" in table:
        state += f", {table['waiting']} waiting, {table['lost']} lost"
    more = _others(table, "state", "waiting", "lost", "refuses", "copies")
    copies = _others(table.get("copies") or {})
    stopped = "; typing is refused until it is written" if refuses else ""
    return ensure_safe(f"{state}{more}{copies}{stopped}")


_SUBJECTS = (
    StatusSubject("version", ("version", "pid"), lambda version, pid: f"{version}, process {pid}"),
    StatusSubject(
        "running",
        ("uptime_seconds", "since"),
        lambda seconds, since: f"{duration_text(seconds)}, since {since}",
    ),
    StatusSubject(
        "memory", ("largest_memory_kib",), lambda kib: f"{size_text(kib * 1024)} at the most so far"
    ),
    StatusSubject("certificate until", ("certificate",), _certificate),
    StatusSubject("consoles", ("consoles",), _counts),
    StatusSubject(
        "VM connections", ("lines",), _connections("all", "unidentified", "not identified")
    ),
    StatusSubject("dialled", ("dialled",), _connections("all", "connected", "connected")),
    StatusSubject(
        "SSH connections", ("ssh",), _connections("connections", "not_logged_in", "not logged in")
    ),
    StatusSubject("sessions", ("sessions", "operators"), _sessions),
    StatusSubject(
        "attachments", ("attachments", "writers"), lambda on, pens: f"{on}, {pens} with the pen"
    ),
    StatusSubject("input waiting", ("input_waiting",), size_text),
    StatusSubject(
        "history",
        ("history",),
        lambda table: (
            f"{size_text(table['used'])} of {size_text(table['total'])}"
            + _others(table, "used", "total")
        ),
    ),
    StatusSubject("audit", ("audit", "audit_refuses"), _audit),
    StatusSubject("limits hit", ("limits_hit",), lambda table: _counts(table) or "none"),
)


GRAMMAR = Grammar(
    "status",
    "state of the server: VMs, sessions, log, audit (administrators)",
    options=(JSON,),
    examples=("status",),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Print it."""
    call.require_administrator()
    found = facts(call)
    if parsed.has(JSON):
        await call.print_json(found)
    else:
        await call.print("".join(f"{line}\n" for line in lines(found)))


def facts(call: Call) -> dict[str, object]:
    """Counts from the context, then what `VerbContext.status` gives, which may override them.

    Numbers are exact: bytes, seconds.
    """
    context = call.context
    states = Counter(console.state for console in context.roster)
    there = list(context.sessions)
    on = [each for console in context.roster for each in console.attachments]
    return {
        "consoles": {state.value: states[state] for state in ConsoleState},
        "sessions": len(there),
        "operators": len({each.session.operator.name for each in there}),
        "attachments": len(on),
        "writers": sum(each.has_pen for each in on),
        "input_waiting": sum(console.input.waiting for console in context.roster),
        "lockouts": len(context.lockouts.listed()) if context.lockouts is not None else None,
        "audit_refuses": context.audit.refuses,
        **context.status(),
    }


VERB = Verb(GRAMMAR, run)
