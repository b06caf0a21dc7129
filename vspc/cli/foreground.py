"""`vspc run`: the service without twistd, in the foreground, its log on standard output."""

import os
import sys
from typing import Any

from twisted.logger import Logger, globalLogBeginner

from vspc.config import Config
from vspc.net.name_resolver import look_up_apart
from vspc.net.reactor import time_monotonically
from vspc.server.handover.lifecycle import STOP_TIMEOUT, ServiceManager
from vspc.server.own_log import ServerLog
from vspc.server.service import VspcService


def run(config: Config, verbose: bool) -> int:
    """Run until SIGINT or SIGTERM; the exit status. SystemExit(1) if it cannot start."""
    from twisted.internet import reactor

    time_monotonically(reactor)
    look_up_apart(reactor)
    service = VspcService(config, reactor, manager=ServiceManager.found())
    return _run(reactor, service, verbose)


def _run(reactor: Any, service: VspcService, verbose: bool) -> int:
    log = ServerLog(sys.stdout, verbose)
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    service.privilegedStartService()
    # Once signals are handled: "started" in the log means that it can be stopped, too.
    reactor.callWhenRunning(service.startService)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    overdue: list[None] = []
    reactor.addSystemEventTrigger("before", "shutdown", lambda: _limit(reactor, overdue))
    reactor.run()
    if overdue:
        # The interpreter would wait for the reactor's threads, one of which may never end.
        Logger(namespace="vspc").error("stopping-overdue", seconds=STOP_TIMEOUT)
        log.close()
        os._exit(1)
    return 0


def _limit(reactor: Any, overdue: list[None]) -> None:
    """End the reactor after `STOP_TIMEOUT` seconds, with an entry in `overdue`."""

    def crash() -> None:
        overdue.append(None)
        reactor.crash()

    timer = reactor.callLater(STOP_TIMEOUT, crash)
    reactor.addSystemEventTrigger("during", "shutdown", timer.cancel)
