"""The records of a state: what each holds, and how it is written (msgpack).

A field that a record does not have takes its default, and one that is not known is not looked at.
So a record may get fields that have defaults, and nothing else changes in it: the version before
reads it, too. A record that cannot be read costs what it is about, and nothing else.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, TypeVar

from attrs import Factory, frozen
from msgspec import DecodeError, Struct, ValidationError
from msgspec.msgpack import Decoder, Encoder

from vspc.console.interruptions import Interruption
from vspc.console.values import (
    SavedConsole,
    SavedConsoles,
    SavedHistory,
    SavedMigration,
    SavedPast,
)
from vspc.server.handover.state_file import Key
from vspc.vm.values import SavedLine, SavedServer

T = TypeVar("T")


class RecordKind(IntEnum):
    """What a record is about. Numbers are never used for something else."""

    MOMENT = 1
    LINE = 2
    CONSOLE = 3
    HISTORY = 4
    MIGRATION = 5
    PAST = 6
    INTERRUPTION = 7


class Moment(Struct, frozen=True, omit_defaults=True):
    """What is true of the whole state. `zero`: see `SavedServer`; `version` wrote it.

    `is_orderly`: all is in it, because the process has ended in order.
    """

    zero: float = 0.0
    version: str = ""
    is_orderly: bool = False


@frozen
class Assembled:
    """What a state holds; `unread`: how many records of a kind could not be read;
    `interruptions`: see `vspc.console.interruptions`.
    """

    state: SavedServer
    moment: Moment
    unread: Mapping[str, int] = Factory(dict)
    interruptions: tuple[Interruption, ...] = ()


_encode = Encoder().encode

MOMENT: Key = (RecordKind.MOMENT, b"")
"""The key of the only record of its kind."""


def encode(value: Struct) -> bytes:
    """The body of a record."""
    return _encode(value)


def text_key(kind: RecordKind, key: str) -> Key:
    """The key of a record about the line or the console called `key`."""
    return kind, key.encode()


def records(state: SavedServer, moment: Moment) -> dict[Key, bytes]:
    """All records of `state`."""
    consoles = state.consoles
    found = {MOMENT: encode(moment)}
    for kind, texts in (
        (RecordKind.LINE, state.lines),
        (RecordKind.CONSOLE, consoles.consoles),
        (RecordKind.HISTORY, consoles.histories),
    ):
        found |= {text_key(kind, key): encode(each) for key, each in texts.items()}
    for kind, credentials in (
        (RecordKind.MIGRATION, consoles.migrations),
        (RecordKind.PAST, consoles.past),
    ):
        found |= {(kind, key): encode(each) for key, each in credentials.items()}
    return found


def encode_interruption(interruption: Interruption) -> bytes:
    """The body of the record of one."""
    return _encode(interruption)


def assemble(found: Mapping[Key, bytes]) -> Assembled:
    """The state that `found` are the records of."""
    unread: dict[str, int] = {}

    def of(kind: RecordKind, decoder: Decoder[T]) -> dict[bytes, T]:
        read: dict[bytes, T] = {}
        for (code, key), body in found.items():
            if code == kind:
                try:
                    read[key] = decoder.decode(body)
                except (DecodeError, ValidationError, ValueError, TypeError):
                    name = kind.name.lower()
                    unread[name] = unread.get(name, 0) + 1
        return read

    moment = of(RecordKind.MOMENT, _MOMENT).get(b"", Moment())
    consoles = SavedConsoles(
        _by_text(of(RecordKind.CONSOLE, _CONSOLE)),
        _by_text(of(RecordKind.HISTORY, _HISTORY)),
        of(RecordKind.MIGRATION, _MIGRATION),
        of(RecordKind.PAST, _PAST),
    )
    lines = _by_text(of(RecordKind.LINE, _LINE))
    interruptions = tuple(of(RecordKind.INTERRUPTION, _INTERRUPTION).values())
    return Assembled(SavedServer(lines, consoles, moment.zero), moment, unread, interruptions)


def _by_text(read: Mapping[bytes, T]) -> dict[str, T]:
    return {key.decode("ascii", "replace"): each for key, each in read.items()}


_MOMENT: Decoder[Any] = Decoder(Moment)
_LINE: Decoder[Any] = Decoder(SavedLine)
_CONSOLE: Decoder[Any] = Decoder(SavedConsole)
_HISTORY: Decoder[Any] = Decoder(SavedHistory)
_MIGRATION: Decoder[Any] = Decoder(SavedMigration)
_PAST: Decoder[Any] = Decoder(SavedPast)
_INTERRUPTION: Decoder[Any] = Decoder(Interruption)
