"""The door's limits, each with its default (laws 4 and 5). Times are seconds, sizes bytes."""

from collections.abc import Callable
from typing import Protocol

from attrs import frozen

LIFE_INTERVAL = 5.0
SILENCE_ASKED = 2
SILENCE_LIMIT = 8
"""So often the door looks whether something came from a client; it asks after every second time
that nothing did, and after the eighth, 40 to 45 s, the client is gone. Times are counted, not
clocks compared: a clock that is set ends nobody."""

REKEY_BYTES = 1 << 30
REKEY_INTERVAL = 3600.0
REKEY_PATIENCE = 60.0
"""The door asks for new keys after so much, and gives the client so long to agree on them."""

REKEY_BURST = 256
REKEY_RATE = 25.0
REKEY_PAUSE = 0.04
"""Key exchanges that a client may begin at once, and more of them each second; for one over that
the door reads nothing from it for the pause: at most 50 a second. OpenSSH begins one for each
packet of 32 KiB where its RekeyLimit is under 512K."""

LINGER = 5.0
"""How long a connection that has been told to end may take to read it."""

FAREWELL = 0.2
"""Between the last output of terminals and the word that the connection ends: a client that reads
both at once ends without showing the first."""

BACKLOG_LIMIT = 256 * 1024
"""Replies to a client that does not read: beyond this the door no longer reads from it either."""

WINDOW = 64 * 1024
"""What a client may send on one channel before the program has dealt with it."""

STARTS = 16
"""So many programs and resizes are a whole share of a turn (`vspc.net.scheduler`)."""

CHANNEL_PACKET = 32768
"""Data in one packet, either way (RFC 4253 section 6.1)."""

ROOM = 64 * 1024
"""What a program may have under way on one channel."""

OUTBOX_LIMIT = 256 * 1024
"""Output kept for a client that does not take it; a program that writes on ends its channel."""

LAST_WORDS = 1024
"""Bytes of the window of a terminal that output leaves free, of a window under `WINDOW` less: what
gives it back at the end, and says why, is under way though the client reads nothing."""

FINISH_PATIENCE = 10.0
"""How long the last output of a finished channel may wait for the client."""

OPENING_PATIENCE = 30.0
"""How long a forwarded channel may wait to be started."""

NEW_FOR = 0.25
NEW_PER_ADDRESS = 32
NEW_IN_ALL = 200
"""A connection is new for so long, unless more come than so many: till then it does not count."""

ANSWER_LIMIT = 1024
"""Bytes of an answer, and of a password."""

PROBES_PER_FAILURE = 32
"""Unknown keys are table look-ups: so many count as one failed attempt."""


@frozen
class SshLimits:
    """What the configuration may change.

    `login_timeout` runs from connect to authenticated, key exchange included; after `attempts`
    failed attempts the connection ends.
    """

    login_timeout: float = 60.0
    attempts: int = 6
    channels: int = 64


Tellable = Callable[[str, float], bool]
"""Whether one more line about an address may be logged now (address, seconds)."""


class Displaceable(Protocol):
    """A connection that may have to give way to a newcomer."""

    def displace(self) -> None: ...
    def __hash__(self) -> int: ...


class Admission(Protocol):
    """Who may be at the door without having logged in; `vspc.net.limits` has one.

    Connections are keys, compared by identity.
    """

    def admit(self, connection: Displaceable, address: str, now: float) -> Displaceable | None:
        """Let a newcomer in; returns who has to go for it."""

    def touched(self, connection: Displaceable, now: float) -> None:
        """Something came from `connection`."""

    def failed(self, connection: Displaceable) -> None:
        """An attempt to log in failed."""

    def leave(self, connection: Displaceable) -> None:
        """It has logged in, or is gone; unknown ones do not matter."""
