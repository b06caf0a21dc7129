"""What happened since the server started, counted by event."""

from collections import Counter

from vspc.common.measures import Distribution
from vspc.console import events
from vspc.console.events import Event
from vspc.console.logins import LoginFailure
from vspc.console.session import Proof, Session

DOWNTIME = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
"""Upper bounds in seconds of the ranges by which vMotions are counted."""

COMBINATIONS = 64
"""Values of one label, such as ways to log in; what is over that counts as `OTHER`."""

OTHER = "other"

SSH, SOCKET, CONTROL = "ssh", "socket", "control"
"""The doors, as labels have them."""


def door_of(proof: Proof) -> str:
    """The door by which somebody came who showed `proof`."""
    if proof.socket:
        return SOCKET
    return CONTROL if proof.via == "local" else SSH


class EventCounts:
    """A subscriber of events. `downtime`: seconds for which vMotions held a console's input."""

    def __init__(self) -> None:
        self.downtime = Distribution(DOWNTIME)
        self.moved = 0
        self.not_moved = 0
        self.connected = 0
        self.went_away = 0
        self.stalled = 0
        self.refused = Counter[str]()
        self.security = Counter[str]()

    EVENTS = (
        *(events.Moved, events.MigrationEnded, events.Connected, events.WentAway),
        *(events.Stalled, events.VmRefused, events.Suspicion, events.HostChanged),
    )
    """Those that are counted."""

    def on_event(self, event: Event) -> None:
        """Count it."""
        match event:
            case events.Moved(seconds=seconds):
                self.moved += 1
                self.downtime.observe(seconds)
            case events.MigrationEnded():
                self.not_moved += 1
            case events.Connected(console) if not console.quarantined:
                self.connected += 1
            case events.WentAway(console) if not console.quarantined:
                self.went_away += 1
            case events.Stalled():
                self.stalled += 1
            case events.VmRefused(kind=kind):
                self.refused[kind.value] += 1
            case events.Suspicion(kind=name):
                self.security[bounded(self.security, name)] += 1
            case events.HostChanged(how=how):
                self.security[how.value] += 1


class LoginCounts:
    """Logins by door, method and result: accepted, refused (over a limit), failed, probed."""

    def __init__(self) -> None:
        self.results = Counter[tuple[str, str, str]]()

    def accepted(self, session: Session) -> None:
        """A login."""
        self._count(session.proof, "accepted")

    def refused(self, session: Session) -> None:
        """The operator has authenticated, and has too many sessions."""
        self._count(session.proof, "refused")

    def failed(self, failure: LoginFailure) -> None:
        """One more attempt; or a client has left that asked only which keys are accepted."""
        self._count(failure.proof, "probed" if failure.last else "failed")

    def _count(self, proof: Proof, result: str) -> None:
        door, method = door_of(proof), proof.via or "none"
        if (door, method, result) not in self.results and len(self.results) >= COMBINATIONS:
            method = OTHER
        self.results[door, method, result] += 1


def bounded(counts: Counter[str], name: str) -> str:
    """`name`, or `OTHER` where there are too many others already."""
    return name if name in counts or len(counts) < COMBINATIONS else OTHER
