"""The filter of a chooser: words, of which a row matches all. Pure.

A word is looked for in all rows with each key, and there may be ten thousand: the tests are loops
without calls as far as they can be.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from vspc.apps.chooser.row import NO_WRITER, USUAL_STATE, Row

FILTER_LIMIT = 64
"""Characters of a filter; more are not taken."""

Narrowing = Callable[[Sequence[Row], str], list[Row]]
"""The rows that a word leaves of others."""


def matching(rows: Sequence[Row], text: str, pinned: object = None) -> Sequence[Row]:
    """The rows that match every word of `text`, whatever the case, and the one of the key `pinned`.

    A word is a part of the name, or the beginning of the state or of the writer's name; with a dot
    or colon it may be a part of the address: a bare number would be in them all. One of `FIELDS`
    before it restricts it to that; `writer:-` is no writer.
    """
    words = list(dict.fromkeys(text.casefold().split()))
    if not words:
        return rows
    found = rows
    for word in words:
        found = _narrowed(found, word)
    if pinned is None or any(row.key == pinned for row in found):
        return found
    kept = set(map(id, found))
    return [row for row in rows if id(row) in kept or row.key == pinned]


def _narrowed(rows: Sequence[Row], word: str) -> list[Row]:
    name, colon, value = word.partition(":")
    of_field = FIELDS.get(name) if colon else None
    if of_field is not None:
        return of_field(rows, value)
    if "." in word or colon:
        return [row for row in rows if word in row.folded or word in row.address.casefold()]
    if word in (USUAL_STATE, NO_WRITER):  # what usual rows have
        return [row for row in rows if word in row.folded or _is_about(row, word)]
    return [
        row for row in rows if word in row.folded or (not row.is_usual and _is_about(row, word))
    ]


def _is_about(row: Row, word: str) -> bool:
    """Whether the state or the writer begins with `word`."""
    state = row.state.casefold()
    # Nearly all are connected: the first letters of that would narrow nothing.
    has_state = state.startswith(word) and (state != USUAL_STATE or word == USUAL_STATE)
    return has_state or _writes(row, word)


def _writes(row: Row, word: str) -> bool:
    """Whether the name of one who writes begins with `word`; several may."""
    return any(name.startswith(word) for name in row.writer.casefold().split(","))


def _state(rows: Sequence[Row], word: str) -> list[Row]:
    states = {row.state for row in rows}
    wanted = {state for state in states if state.casefold().startswith(word)}
    return [row for row in rows if row.state in wanted]


def _writer(rows: Sequence[Row], word: str) -> list[Row]:
    return [row for row in rows if _writes(row, word)]


def _name(rows: Sequence[Row], word: str) -> list[Row]:
    return [row for row in rows if word in row.folded]


def _address(rows: Sequence[Row], word: str) -> list[Row]:
    return [row for row in rows if word in row.address.casefold()]


def _zone(rows: Sequence[Row], word: str) -> list[Row]:
    zones = {row.zone for row in rows}
    wanted = {zone for zone in zones if zone.casefold().startswith(word)}
    return [row for row in rows if row.zone in wanted]


def _port(rows: Sequence[Row], word: str) -> list[Row]:
    return [row for row in rows if row.port and row.port.casefold().startswith(word)]


def _note(rows: Sequence[Row], word: str) -> list[Row]:
    written = [row for row in rows if row.description or row.note]
    return [
        row for row in written if word in row.description.casefold() or word in row.note.casefold()
    ]


FIELDS: Mapping[str, Narrowing] = MappingProxyType(
    {
        "name": _name,
        "state": _state,
        "writer": _writer,
        "address": _address,
        "zone": _zone,
        "port": _port,
        "note": _note,
    }
)
"""Words before a colon: name, address and note are looked into, the others begin with the value.
A note is the description of a console, or the last note on it.
"""
