"""`vspc run`: the service without twistd, in the foreground, its log on standard output."""

import sys
from typing import Any

from twisted.logger import globalLogBeginner

from vspc.config import Config
from vspc.serverlog import ServerLog
from vspc.service import VspcService

GRACE = 5.0
"""Seconds that stopping may take before the process ends all the same."""


def run(config: Config, verbose: bool) -> int:
    """Run until SIGINT or SIGTERM; the exit status. SystemExit(1) if it cannot start."""
    from twisted.internet import reactor

    return _run(reactor, VspcService(config, reactor), verbose)


def _run(reactor: Any, service: VspcService, verbose: bool) -> int:
    log = ServerLog(sys.stdout, verbose)
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    service.privilegedStartService()
    # Once signals are handled: "started" in the log means that it can be stopped, too.
    reactor.callWhenRunning(service.startService)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    # A peer that will not close must not keep the process: this thread-less timer ends it.
    reactor.addSystemEventTrigger("before", "shutdown", lambda: _limit(reactor))
    reactor.run()
    return 0


def _limit(reactor: Any) -> None:
    timer = reactor.callLater(GRACE, reactor.crash)
    reactor.addSystemEventTrigger("during", "shutdown", timer.cancel)
