"""`vspc run`: the service without twistd, in the foreground, its log on standard output."""

import os
import sys
from threading import Timer
from typing import Any

from twisted.logger import Logger, globalLogBeginner

from vspc.common.memory import keep_freed_memory
from vspc.config import Config
from vspc.net.name_resolver import look_up_apart
from vspc.net.reactor import keep_waker, time_monotonically
from vspc.server.handover.lifecycle import STOP_TIMEOUT, ServiceManager
from vspc.server.own_log import ServerLog
from vspc.server.service import VspcService


def run(config: Config, verbose: bool) -> int:
    """Run until SIGINT or SIGTERM; the exit status. SystemExit(1) if it cannot start."""
    from twisted.internet import reactor

    keep_freed_memory()
    time_monotonically(reactor)
    keep_waker(reactor)
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
    limit = Timer(STOP_TIMEOUT, _end_now, (log,))
    limit.daemon = True
    reactor.addSystemEventTrigger("before", "shutdown", limit.start)
    reactor.run()
    limit.cancel()
    return 0


def _end_now(log: ServerLog) -> None:
    """End the process, in a thread: one that the reactor waits for at its end may never return."""
    Logger(namespace="vspc").error("stopping-overdue", seconds=STOP_TIMEOUT)
    log.close()
    os._exit(1)
