"""`vspc` whose disk stands still: `python -m tests.end_to_end.stalled_disk DIRECTORY ARG...`.

While DIRECTORY has a file `stalled`, calls about its other files do not return, in any thread but
the main one. That the main thread makes such a call is the mistake that is looked for: it is told
in `touched`, with the stack, and the call is made.
"""

import builtins
import io
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

_directory = Path(sys.argv[1]).absolute()
_mark, _touched = _directory / "stalled", _directory / "touched"
_real_open = builtins.open
_MARKS = {str(_mark), str(_touched)}


def _is_stalled() -> bool:
    return os.access(_mark, os.F_OK)


def _is_there(what: object) -> bool:
    """Whether `what`, a path or a descriptor, is about a file of the directory."""
    if isinstance(what, int):
        try:
            what = os.readlink(f"/proc/self/fd/{what}")
        except OSError:
            return False
    if not isinstance(what, str | bytes | os.PathLike):
        return False
    path = os.path.abspath(os.fsdecode(what))
    return path.startswith(f"{_directory}/") and path not in _MARKS


def _stalling(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    def stalled(*arguments: Any, **named: Any) -> Any:
        if _is_stalled() and any(_is_there(each) for each in arguments[:2]):
            if threading.current_thread() is threading.main_thread():
                with _real_open(_touched, "a") as file:
                    file.write(
                        f"{name} {arguments[:2]}\n{''.join(traceback.format_stack(limit=9))}\n"
                    )
            else:
                while _is_stalled():
                    time.sleep(0.05)
        return call(*arguments, **named)

    return stalled


for _name in ("open", "write", "writev", "read", "pread", "preadv", "fsync", "fdatasync", "stat"):
    setattr(os, _name, _stalling(getattr(os, _name), _name))
for _name in ("replace", "rename", "unlink", "mkdir", "listdir", "scandir", "statvfs", "ftruncate"):
    setattr(os, _name, _stalling(getattr(os, _name), _name))
builtins.open = io.open = _stalling(_real_open, "open")

if __name__ == "__main__":
    from vspc.cli.main import main

    sys.argv[0:2] = ["vspc"]
    sys.exit(main())
