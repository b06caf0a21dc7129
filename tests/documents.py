"""Blocks of code in README.md, CONTRIBUTING.md and docs/: what each of them is, and where.

Each block is fenced, and its first word says how a test holds it to the truth:

- `sh`: commands, run as printed by tests/end_to_end/test_docs.py, with status 0 unless a comment
  behind one says `status N`; `sh host` is not run: it needs an ESXi host, root or another machine;
- `console`: a command behind `$ `, which is run, and what it may print;
- `toml`: part of a configuration, which the real loader takes;
- `ssh-config`: taken by ssh; `json`: parsed;
- `python`, `bash`, `program`: a program as it would stand in a file; `logrotate`, `pam`: files of
  other programs;
- `text`: output, pictures, formats.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

TREE = Path(__file__).resolve().parents[1]

PAGES = (TREE / "README.md", TREE / "CONTRIBUTING.md", *sorted((TREE / "docs").rglob("*.md")))

KINDS = frozenset(
    {"sh", "console", "toml", "ssh-config", "json", "text"}
    | {"python", "bash", "program", "logrotate", "pam"}
)

NOT_RUN = ("sh", "host")

_FENCE = re.compile(r"( *)(`{3,}|~{3,}) *(.*)")


@frozen
class Block:
    """One block of code; `words` is what stands behind its fence, nothing if it has none."""

    page: Path
    line: int
    words: tuple[str, ...]
    text: str

    @property
    def kind(self) -> str:
        return self.words[0] if self.words else ""

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, text: str | None = None) -> Iterator[Block]:
    """All blocks of a page, fenced and indented ones."""
    lines = (page.read_text() if text is None else text).split("\n")
    at, blank = 0, True
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence:
            end = _fence_end(lines, at, fence[2])
            body = [line.removeprefix(fence[1]) for line in lines[at + 1 : end]]
            yield Block(page, at + 1, tuple(fence[3].split()), "\n".join(body) + "\n")
            at, blank = end + 1, True
        elif blank and lines[at].startswith(("    ", "\t")) and lines[at].strip():
            end = at
            while end < len(lines) and lines[end].startswith(("    ", "\t")):
                end += 1
            yield Block(page, at + 1, (), "\n".join(lines[at:end]) + "\n")
            at, blank = end, False
        else:
            blank = not lines[at].strip()
            at += 1


def _fence_end(lines: list[str], at: int, mark: str) -> int:
    for end in range(at + 1, len(lines)):
        if lines[end].strip() == mark:
            return end
    raise AssertionError(f"line {at + 1}: a fence without an end")


def commands(block: Block) -> Iterator[tuple[int, str]]:
    """The commands of a `sh` or `console` block, each with its line; continued ones as one."""
    pending, start = "", 0
    for number, line in enumerate(block.text.split("\n"), block.line + 1):
        if block.kind == "console":
            if not line.startswith("$ "):
                continue
            line = line.removeprefix("$ ")
        if not pending:
            start = number
        pending += line
        if line.endswith(("\\", "|")):
            pending += "\n"
            continue
        if pending.strip() and not pending.lstrip().startswith("#"):
            yield start, pending
        pending = ""


def wanted_status(command: str) -> int:
    """The exit status that a command has as its comment says, else 0."""
    found = re.search(r"#.*\bstatus ([0-9]+)\b", command)
    return int(found[1]) if found else 0
