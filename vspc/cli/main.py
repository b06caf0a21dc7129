"""The `vspc` command: what its process begins with, and how it ends."""

import errno
import os
import sys
from collections.abc import Sequence

CLOSED_PIPE = 128 + 13
"""Exit status where the output is not read any more: as a shell has it for SIGPIPE."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. The reader of the output may close it early, and the disk
    be full.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            return _run(words)
        finally:  # what waits in Python's buffer may be what cannot be written
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        _drop_output(1, 2)
        return CLOSED_PIPE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"vspc: {error.filename or 'the output'}: {error.strerror}", file=sys.stderr)
        _drop_output(1)
        return 1


def _drop_output(*descriptors: int) -> None:
    """What waits in Python's buffers is written when it ends: nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)


def _run(words: list[str]) -> int:
    if words[:2] == ["completion", "names"]:
        # Somebody has pressed TAB, and to import all commands and verbs takes a second.
        from vspc.cli.completion.names import run

        return run(words[2:])
    from vspc.cli.commands import run_command

    return run_command(words)
