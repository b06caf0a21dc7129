"""Times of day: seconds since 1970, and RFC 3339."""

from datetime import UTC, datetime

LATEST = 253402214400.0
"""Seconds since 1970: the last day whose year has four digits in every time zone."""


def rfc3339(at: float, timespec: str = "milliseconds", local: bool = False) -> str:
    """`at` in UTC with a Z, or in the local time zone with its offset.

    A clock may be set to anything: a time before 1970 or after `LATEST` is written as that bound,
    and NaN as 1970. `timespec` is that of `datetime.isoformat`.
    """
    bounded = min(max(0.0, at), LATEST) if at == at else 0.0
    moment = datetime.fromtimestamp(bounded, UTC)
    if local:
        return moment.astimezone().isoformat(timespec=timespec)
    return moment.isoformat(timespec=timespec).removesuffix("+00:00") + "Z"


def parse_rfc3339(text: str) -> float:
    """Seconds since 1970; a time without an offset is in UTC, and a date alone is its midnight.

    Raises ValueError.
    """
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except OverflowError as error:
        raise ValueError(str(error)) from None
