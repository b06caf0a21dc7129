"""Ranges of single values, as metadata of the fields that have them."""

import re
from collections.abc import Callable
from typing import Any

from vspc.config.mistakes import Wrong
from vspc.config.units import size_text, time_text

CHECK = "check"
"""Metadata of a field: called with the value, raises `Wrong`."""

DEFAULT_ZONE = "default"
"""The zone of the VMs that dial the listeners of [vm] itself."""

_ZONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)

NAME_LIMIT = 80
"""Characters of a name that a configuration gives to a console."""

Metadata = dict[str, Callable[[Any], None]]


def within(low: float, high: float, text: Callable[[float], str] = "{:g}".format) -> Metadata:
    """A number from `low` to `high`; `text` writes it."""

    def check(value: float) -> None:
        if not low <= value <= high:
            raise Wrong(f"{text(value)} is out of range", f"{text(low)} to {text(high)} is allowed")

    return {CHECK: check}


def within_time(low: float, high: float) -> Metadata:
    """Seconds."""
    return within(low, high, time_text)


def within_size(low: int, high: int) -> Metadata:
    """Bytes."""
    return within(low, high, size_text)


def unless_none(metadata: Metadata) -> Metadata:
    """The same for a key that may be absent."""
    check = metadata[CHECK]
    return {CHECK: lambda value: None if value is None else check(value)}


def ring(low: int, high: int) -> Metadata:
    """Bytes of a ring: a power of two."""

    def check(value: int) -> None:
        if not low <= value <= high or value & (value - 1):
            allowed = f"a power of two from {size_text(low)} to {size_text(high)} is allowed"
            raise Wrong(f"{size_text(value)} is no size for it", allowed)

    return {CHECK: check}


def zone_name() -> Metadata:
    """A word that stands before the slash of a console's name."""

    def check(value: str) -> None:
        if not _ZONE.fullmatch(value) or value == DEFAULT_ZONE:
            allowed = (
                "1 to 32 letters, digits and . _ - are allowed; [vm] itself is the zone default"
            )
            raise Wrong("it is no name for a zone", f"{allowed}; [vm] itself is default")

    return {CHECK: check}


def label() -> Metadata:
    """A name that people read and type."""

    def check(value: str) -> None:
        if not value.strip() or len(value) > NAME_LIMIT or not value.isprintable():
            allowed = f"1 to {NAME_LIMIT} printable characters are allowed"
            raise Wrong("it is no name for a console", allowed)

    return {CHECK: check}
