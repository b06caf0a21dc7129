"""`vspc` with a time of day that a test sets: `python -m tests.end_to_end.set_clock FILE ARG...`.

The bytes of FILE are the seconds by which it is ahead of the machine's, with a sign.
"""

import sys
import time
from pathlib import Path

_file, _time = Path(sys.argv[1]), time.time
time.time = lambda: _time() + float(_file.read_text())

if __name__ == "__main__":
    from vspc.cli.main import main  # only now: Twisted keeps the function that it finds

    sys.argv[0:2] = ["vspc"]
    sys.exit(main())
