"""What other tests need of the audit file: a line is held against the schema, and a record."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import category

from attrs import define, field

from vspc.audit.recorder import event_facts
from vspc.audit.schema import CONSOLE, EVENTS, EVERY, SESSION, Has
from vspc.console.audit import Audit
from vspc.console.events import ConsoleRef
from vspc.console.session import Fact, Session

DOC = Path(__file__).resolve().parents[2] / "docs" / "audit.md"

_TIME = re.compile(r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\.\d{3}(\d{3})?Z", re.ASCII)
_WHO = frozenset({"session", "operator", "via", "address"})
_WHERE = frozenset({"console", "name", "zone"})


def rows(heading: str) -> list[list[str]]:
    """The table of docs/audit.md under the row that begins with `heading`, its cells."""
    lines = DOC.read_text(encoding="utf-8").splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    found = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip().strip("|").split(" |")])
    return found


def names(cell: str) -> tuple[str, ...]:
    """The words in backquotes."""
    return tuple(re.findall("`([^`]*)`", cell))


@cache
def fields() -> Mapping[str, str]:
    """The type of each field, as docs/audit.md names it."""
    return {names(row[0])[0]: row[1] for row in rows("field")}


def assert_holds(line: Mapping[str, Any]) -> None:
    """Raise AssertionError unless `line`, an object of the audit file, is as docs/audit.md says."""
    assert line.get("event") in EVENTS, f"no such event: {line}"
    event = EVENTS[line["event"]]
    missing = set(EVERY) | set(event.always)
    allowed = missing | set(event.perhaps)
    for has, parts, all_of_it in ((event.who, _WHO, SESSION), (event.where, _WHERE, CONSOLE)):
        if has is Has.ALWAYS or (has is Has.PERHAPS and set(line) & (parts - allowed)):
            missing |= parts
        if has is not Has.NEVER:
            allowed |= set(all_of_it)
    assert missing <= set(line), f"it lacks {sorted(missing - set(line))}: {line}"
    assert set(line) <= allowed, f"it should not have {sorted(set(line) - allowed)}: {line}"
    for name, value in line.items():
        assert _is(fields()[name], value), f"{name} is no {fields()[name]}: {line}"


def is_one_line(text: str) -> bool:
    """Whether nothing in `text` moves a cursor, ends a line or turns it about."""
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return not any(category(character) in hidden for character in text)


def _is(kind: str, value: object) -> bool:
    match kind:
        case "text":
            return isinstance(value, str) and is_one_line(value)
        case "time":
            return isinstance(value, str) and _TIME.fullmatch(value) is not None
        case "true or false":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            raise AssertionError(f"docs/audit.md: unknown type {kind}")


@define(eq=False)
class Recorded(Audit):
    """`vspc.console.audit.Audit` that keeps its events, each held against the schema at once."""

    refuses: bool = False
    lines: list[dict[str, Any]] = field(factory=list)

    def record(
        self,
        event: str,
        session: Session | None = None,
        console: ConsoleRef | None = None,
        **facts: Fact,
    ) -> None:
        """Keep it, or fail."""
        made = event_facts(event, session, console, facts)
        line = {"time": "2023-11-14T22:13:20.000000Z", "seq": len(self.lines) + 1, **made}
        assert_holds(line)
        self.lines.append(line)

    def named(self, event: str) -> list[dict[str, Any]]:
        """Those of one name."""
        return [line for line in self.lines if line["event"] == event]
