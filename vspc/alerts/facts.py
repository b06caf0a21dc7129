"""What an alert says: facts for JSON, safe text only, bounded."""

import secrets
import socket
from typing import Any

from vspc.alerts.matching import FoundLine
from vspc.common.clock import rfc3339
from vspc.common.text import plain_lines
from vspc.console.console import Console
from vspc.console.names import handle

LINES = 20
"""Lines that an alert carries, the one that matches included."""

CONTEXT = 4096
"""Bytes of output before the end of that line in which they are."""

LINE = 1000
"""Characters of a line."""


def identity(at: float) -> str:
    """A new one: they are in the order of time, and nobody else has the same."""
    return f"{int(at * 1e6):016x}{secrets.token_hex(4)}"


def alert_facts(
    name: str, label: str, at: float, console: Console, line: FoundLine
) -> dict[str, Any]:
    """What is sent: safe text, bounded, without what the operator typed unless the VM echoed it."""
    history = console.history
    start = min(max(history.start, line.end - CONTEXT), line.offset)
    lines = [line.text]
    if history.start <= start < line.offset <= history.end:
        data = history.read(start, line.offset - start)
        whole = start == 0 or start == history.start
        before = plain_lines(data).split(b"\n")[0 if whole else 1 :]
        lines = [each for each in before if each.strip()][1 - LINES :] + lines
    else:
        start = line.offset
    shown = [_shown(each) for each in lines]
    ref = console.ref
    return {
        "id": identity(at),
        "alert": name,
        "pattern": label,
        "time": rfc3339(at),
        "server": socket.gethostname(),
        "text": f"{console.title}: {shown[-1]}",
        "console": {
            "id": ref.id,
            "handle": handle(ref.zone, ref.name, ref.port),
            "name": ref.name,
            "zone": ref.zone,
            "uuid": ref.uuid,
            "port": ref.port,
            "address": ref.address,
        },
        "line": shown[-1],
        "lines": shown,
        "offset": line.offset,
        "from": start,
        "to": line.end,
    }


def trial_facts(name: str, at: float) -> dict[str, Any]:
    """A test: of no console."""
    line = "this is a test of the alert; no VM is concerned"
    console = dict.fromkeys(("id", "handle", "name", "zone", "uuid", "port", "address"), "")
    return {
        "id": identity(at),
        "alert": name,
        "pattern": "test",
        "time": rfc3339(at),
        "server": socket.gethostname(),
        "text": f"{name}: {line}",
        "console": console | {"handle": "test", "name": "test"},
        "line": line,
        "lines": [line],
        "offset": 0,
        "from": 0,
        "to": 0,
        "suppressed": 0,
        "panic": None,
        "test": True,
    }


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return text if len(text) <= LINE else f"{text[:LINE]}...(+{len(text) - LINE})"
