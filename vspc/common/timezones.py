"""Time zones by name, as the IANA has them, and times of day in one for people to read."""

from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from importlib.resources import files
from zoneinfo import ZoneInfo

from vspc.common.clock import LATEST
from vspc.common.text import safe

NAME_LIMIT = 64
"""Characters of a name."""

NAMES: tuple[str, ...] = tuple(files("tzdata").joinpath("zones").read_text("ascii").split())
"""All names: those of the package tzdata, whatever the system has."""

_BY_CASE = {name.casefold(): name for name in NAMES}

_NEAREST = 3


class UnknownZone(ValueError):
    """No time zone has that name; the text says so, and which names are near."""


def time_zone(name: str) -> tzinfo:
    """The zone of that name, written in any case. Raises `UnknownZone`."""
    word = name[:NAME_LIMIT].casefold()
    known = _BY_CASE.get(word) if len(name) <= NAME_LIMIT else None
    if known is not None:
        return ZoneInfo(known)
    near = _near(word)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UnknownZone(f"unknown time zone '{safe(name, NAME_LIMIT)}'{hint or _EXAMPLE}")


_EXAMPLE = "; a name is written Europe/Berlin, or UTC"


def _near(word: str) -> list[str]:
    """Names like `word`: a city alone, or one that is misspelt."""
    cities = [name for folded, name in _BY_CASE.items() if folded.rpartition("/")[2] == word]
    close = get_close_matches(word, _BY_CASE, _NEAREST)
    return cities[:_NEAREST] or [_BY_CASE[folded] for folded in close]


def local_time(at: float, zone: tzinfo | None) -> datetime:
    """`at`, in seconds since 1970, in `zone`, or in that of the server. As `rfc3339`, a time out of
    range is taken for the nearest one in it.
    """
    bounded = min(max(0.0, at), LATEST) if at == at else 0.0
    return datetime.fromtimestamp(bounded, UTC).astimezone(zone)


def zone_text(at: float, zone: tzinfo | None) -> str:
    """What a zone is called, and what it is at the time `at`: `Europe/Berlin, UTC+02:00`."""
    offset = local_time(at, zone).isoformat()[-6:]
    name = getattr(zone, "key", None) or local_time(at, zone).tzname() or "local time"
    return f"{name}, UTC{offset}"
