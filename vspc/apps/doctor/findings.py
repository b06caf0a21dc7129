"""What a diagnosis finds, and how moments and counts are written in it."""

from attrs import frozen

from vspc.apps.doctor.other_side import Check
from vspc.common.clock import rfc3339
from vspc.common.values import duration_text


@frozen
class Finding:
    """What is known, what it means, what to do here, and what to check on the other side.

    `code` is for programs and does not change with the words. Without `is_trouble` it is a fact, or
    in order.
    """

    code: str
    known: str
    means: str = ""
    do: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    is_trouble: bool = True


def ago(now: float, at: float) -> str:
    """How long ago `at` was, and when."""
    return f"{duration_text(now - at)} ago ({rfc3339(at, 'seconds')})"


def lasting(now: float, since: float) -> str:
    """For how long, and since when."""
    return f"for {duration_text(now - since)} (since {rfc3339(since, 'seconds')})"


def happened(count: int, first: float, last: float, now: float) -> str:
    """How often, in which time, and when last."""
    if count == 1:
        return ago(now, last)
    return f"{count} times in {duration_text(last - first)}, last {ago(now, last)}"


def counted(count: int, one: str) -> str:
    """`count` of what is called `one`."""
    return f"{count} {one}{'' if count == 1 else 's'}"
