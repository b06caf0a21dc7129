"""What happens, in the server's own log: lines that nobody can flood it with."""

from twisted.logger import Logger

from vspc.common.clock import Clock
from vspc.console.events import Event
from vspc.net.descriptors import Watch
from vspc.net.limits import Refusals
from vspc.server.event_lines import record, record_suspicion, suspicion


class EventLog:
    """`refusals` counts who was turned away: each address has a few lines a minute."""

    def __init__(self, log: Logger, clock: Clock, refusals: Refusals) -> None:
        self._log = log
        self._clock = clock
        self._refusals = refusals
        self._suspicions = Refusals()
        self._descriptors = Watch()

    def heard(self, happening: Event) -> None:
        """One line, or none; a security event has a few a minute for each claimant."""
        record(self._log, happening)
        event = suspicion(happening)
        if event is None:
            return
        if self._suspicions.worth_a_line(event.claimant, self._clock.seconds()):
            record_suspicion(self._log, event)

    def tick(self) -> None:
        """Call it every second or so: what had no line of its own is summed up."""
        now = self._clock.seconds()
        for host, count in self._refusals.over(now):
            self._log.warn("refused-more", address=host, count=count, seconds=60)
        for host, count in self._suspicions.over(now):
            self._log.error("security-more", claimant=host, count=count, seconds=60)
        if self._descriptors.ran_out(now):
            self._log.error("out-of-descriptors", what="newcomers are closed; see LimitNOFILE")
