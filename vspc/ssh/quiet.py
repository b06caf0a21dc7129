"""A logger to nowhere, for Conch's classes: they would log what operators send (law 7)."""

from twisted.logger import ILogObserver, LogEvent, Logger
from zope.interface import provider


@provider(ILogObserver)
def _nowhere(event: LogEvent) -> None:
    """Forget `event`."""


quiet = Logger(namespace="vspc.ssh.conch", observer=_nowhere)
"""Put in place of `_log` in every subclass of a class of Conch's."""
