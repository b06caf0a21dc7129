"""`twistd vspc`: its options, and the service."""

import sys

from twisted.python import usage

from vspc.common.memory import keep_freed_memory
from vspc.config import ConfigError
from vspc.config.file import HELP, chosen
from vspc.net.name_resolver import look_up_apart
from vspc.net.reactor import keep_waker, time_monotonically
from vspc.server.config_files import load_to_start
from vspc.server.handover.lifecycle import ServiceManager
from vspc.server.own_log import ServerLog
from vspc.server.service import VspcService


class Options(usage.Options):
    """`twistd vspc [--config FILE]`."""

    optParameters = [["config", "c", None, f"{HELP}."]]


def makeService(options: Options) -> VspcService:
    """The service; every mistake of the configuration is printed, with exit status 1."""
    from twisted.internet import reactor

    keep_freed_memory()
    time_monotonically(reactor)
    keep_waker(reactor)
    look_up_apart(reactor)
    try:
        config = load_to_start(chosen(options["config"]))
    except ConfigError as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        raise SystemExit(1) from None
    parent = options.parent
    ours = parent is not None and parent.get("nodaemon") and not parent.get("logfile")
    log_to = ServerLog(sys.stdout) if ours else None
    return VspcService(config, reactor, log_to, ServiceManager.found())
