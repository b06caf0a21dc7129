"""Limits of SSH connections (laws 4 and 5). Times are seconds, sizes bytes."""

from attrs import frozen

KEEPALIVE_INTERVAL = 5.0
KEEPALIVE_AFTER = 2
SILENCE_LIMIT = 8
"""Each interval the server checks whether a packet arrived. After every second interval without
one it sends a keepalive, and after the eighth, 40 to 45 s, it ends the connection. Intervals are
counted, not clocks compared: setting a clock ends no connection."""

REKEY_BYTES = 1 << 30
REKEY_INTERVAL = 3600.0
REKEY_TIMEOUT = 60.0
"""When the server asks for new keys, and how long a key exchange may take."""

REKEY_BURST = 256
REKEY_RATE = 25.0
REKEY_PAUSE = 0.04
"""Key exchanges that a client may begin at once, and more of them each second; for one over that
nothing is read from it for the pause: at most 50 a second. OpenSSH begins one for each packet of
32 KiB where its RekeyLimit is under 512K."""

LINGER = 5.0
"""How long a client may take to read why its connection ends."""

DISCONNECT_DELAY = 0.2
"""Between the last output of terminals and the message that the connection ends: a client that
reads both at once ends without showing the first."""

BACKLOG_LIMIT = 256 * 1024
"""Replies to a client that does not read: beyond this nothing is read from it either."""

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

END_RESERVE = 1024
"""Bytes of the window of a terminal that output leaves free, of a window under `WINDOW` less: what
restores the terminal at the end, and the reason, can be sent though the client reads nothing."""

FINISH_TIMEOUT = 10.0
"""How long the last output of a finished channel may wait for the client."""

OPEN_TIMEOUT = 30.0
"""How long a forwarded channel may wait to be started."""

GRACE_PERIOD = 0.25
GRACE_PER_ADDRESS = 32
GRACE_IN_ALL = 200
"""A connection is new, and not counted, for so long, unless more connections come than so many."""

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
