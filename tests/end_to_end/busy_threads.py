"""`vspc` whose reactor has no thread left: `python -m tests.end_to_end.busy_threads FILE ARG...`.

When FILE is there, as many calls as the reactor has threads begin and do not return until it is
gone.
"""

import os
import sys
import threading
import time

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorCore, IReactorThreads

_file = sys.argv[1]

POLL = 0.02
"""Seconds between two looks at the file."""


def _wait(there: bool) -> None:
    while os.access(_file, os.F_OK) != there:
        time.sleep(POLL)


def _occupy() -> None:
    _wait(True)
    threads = IReactorThreads(reactor)
    pool = threads.getThreadPool()
    for _ in range(2 * pool.max):
        pool.callInThread(_wait, False)
    while len(pool.working) < pool.max:
        time.sleep(POLL)
    print("all threads are busy", flush=True)


if __name__ == "__main__":
    from vspc.cli.main import main

    begin = threading.Thread(target=_occupy, daemon=True).start
    IReactorCore(reactor).callWhenRunning(begin)
    sys.argv[0:2] = ["vspc"]
    sys.exit(main())
