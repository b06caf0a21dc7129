"""Byte dumps of real dialogues, written by hand from the description of the wire."""

import re
from pathlib import Path

from attrs import frozen

_TOKEN = re.compile(r'"([^"]*)"|([0-9a-f]{2})(?= |$)')


@frozen
class Turn:
    """What one side says: `from_vm`, or from us."""

    from_vm: bool
    data: bytes


def _bytes(text: str) -> bytes:
    data, at = b"", 0
    while match := _TOKEN.match(text, at):
        data += match[1].encode() if match[1] is not None else bytes.fromhex(match[2])
        at = match.end()
        while text[at : at + 1] == " ":
            at += 1
    return data


def read(name: str) -> list[Turn]:
    """The turns of `name`.txt; what follows the bytes on a line is a comment."""
    lines = (Path(__file__).parent / f"{name}.txt").read_text().splitlines()
    return [Turn(line[0] == ">", _bytes(line[2:])) for line in lines if line[:1] in (">", "<")]
