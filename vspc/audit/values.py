"""Values as the audit file has them: flat, one line, bounded, and always JSON (law 6)."""

import json
import math
from datetime import UTC, datetime

from vspc.common.text import safe

TEXT = 1024
"""Characters of a text, and twice as many bytes of its JSON."""

_WIDEST = 1 << 64
"""Integers reach to here on both sides of 0: a certificate's serial is one."""

LATEST = 253402214400.0
"""Seconds since 1970: the last day that has four digits for its year."""

Value = str | int | float | bool


def moment(at: float) -> str:
    """RFC 3339 in UTC, with microseconds and a Z; a clock may have been anywhere."""
    at = min(max(0.0, at), LATEST) if at == at else 0.0
    shown = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
    return shown.replace("+00:00", "Z")


def bounded(text: str) -> str:
    """`text` as one safe line that is no longer than `TEXT` allows; what is cut is counted."""
    limit = TEXT - 24  # for the count of what was cut
    shown = safe(text, limit)
    while len(shown) > TEXT or len(json.dumps(shown)) > 2 * TEXT:
        limit //= 2
        shown = safe(text, limit)
    return shown


class Unfit(TypeError):
    """A value that no field has; the text says of what type it is."""


def value(found: object) -> Value | None:
    """`found` as it is written; None is left out. Raises `Unfit`."""
    if found is None or isinstance(found, bool):
        return found
    if isinstance(found, int):
        return (
            int(found) if -_WIDEST <= found <= _WIDEST else f"{'-' if found < 0 else ''}too large"
        )
    if isinstance(found, float):
        # JSON knows no infinity.
        return float(found) if math.isfinite(found) else str(found)
    if isinstance(found, str):
        return bounded(found)
    raise Unfit(type(found).__name__)
