"""Damage to files between two lives of the server."""

import random
from pathlib import Path

KINDS = {
    "journal": "log/journal/*.journal",
    "segment": "log/consoles/*/*/*.seg",
    "index": "log/consoles/*/*/*.idx",
    "compressed": "log/consoles/*/*/*.zst",
    "description": "log/consoles/*/*/console.json",
    "chain": "log/chain",
    "audit": "audit.jsonl",
    "kept": "*.json",
}
"""What may be damaged, and where in the state_dir it is."""


def damage(state: Path, chance: random.Random) -> str:
    """Damage one file: what was done, for people; empty if there is none."""
    kinds = list(KINDS)
    chance.shuffle(kinds)
    for kind in kinds:
        files = sorted(path for path in state.glob(KINDS[kind]) if path.is_file())
        files = [path for path in files if path.stat().st_size > 0]
        if files:
            path = chance.choice(files)
            return f"{kind} {path.relative_to(state)}: {_harm(path, chance)}"
    return ""


def _harm(path: Path, chance: random.Random) -> str:
    data = bytearray(path.read_bytes())
    match chance.choice(("truncate", "flip", "flip", "zero")):
        case "truncate":
            size = chance.randrange(len(data))
            path.write_bytes(data[:size])
            return f"cut to {size} of {len(data)} bytes"
        case "flip":
            at = chance.randrange(len(data))
            data[at] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
            return f"a bit of byte {at} of {len(data)} changed"
        case _:
            at = chance.randrange(len(data))
            size = min(512, len(data) - at)
            data[at : at + size] = bytes(size)
            path.write_bytes(data)
            return f"{size} bytes from {at} of {len(data)} set to zero"
