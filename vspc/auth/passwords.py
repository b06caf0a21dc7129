"""Passwords: argon2id (RFC 9106), hashed in at most two threads, as long for unknown operators.

A hash is a PHC string, `$argon2id$v=19$m=65536,t=3,p=4$SALT$HASH`, as other programs write it too.
"""

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

# Not OpenSSL's by way of cryptography: there two hashings at once, of several lanes each, wait for
# each other's threads for ever (OpenSSL 4.0.3).
from argon2.exceptions import Argon2Error, VerifyMismatchError
from argon2.low_level import Type, hash_secret, verify_secret
from twisted.internet.defer import CancelledError, Deferred

from vspc.config.credentials import COST, Cost, cost_of
from vspc.net.limits import FairQueue
from vspc.net.waiting import RunningCoroutine

LONGEST = 1024
"""Bytes of a password; a longer one is never right."""

HASHERS = 2
"""Threads that hash at once: with the default cost 128 MiB in all."""

WAITING = 32
"""Passwords that wait for a thread; over it one of the address that has most is refused."""

_SALT, _HASH = 16, 32  # bytes of ours


def hash_password(password: bytes, cost: Cost = COST) -> str:
    """The PHC string for `password`. Raises ValueError if it is empty or over `LONGEST`.

    Takes a tenth of a second and 64 MiB: never in the reactor's thread.
    """
    if not password:
        raise ValueError("the password is empty")
    if len(password) > LONGEST:
        raise ValueError(f"the password has more than {LONGEST:,} bytes")
    hashed = hash_secret(
        password,
        os.urandom(_SALT),
        time_cost=cost.passes,
        memory_cost=cost.memory,
        parallelism=cost.lanes,
        hash_len=_HASH,
        type=Type.ID,
    )
    return hashed.decode("ascii")


def verify(password: bytes, hashed: str) -> bool:
    """Whether `hashed` is of `password`; as slow as hashing. Raises ValueError: not a hash."""
    try:
        return verify_secret(hashed.encode("ascii"), password, Type.ID)
    except VerifyMismatchError:
        return False
    except Argon2Error as error:
        raise ValueError(f"it is not an argon2id hash that can be checked: {error}") from None


def _dummy(cost: Cost) -> str:
    """A hash that no password has."""
    salt, digest = (b64encode(os.urandom(n)).decode().rstrip("=") for n in (_SALT, _HASH))
    return f"$argon2id$v=19${cost}${salt}${digest}"


InHasher = Callable[[Callable[[], bool]], Deferred[bool]]
"""Runs a call in one of `HASHERS` threads."""


class Passwords:
    """Checks passwords in threads, at most `HASHERS` at once; addresses take turns.

    `failed` is called inside the except block of an exception that should not have been raised.
    """

    def __init__(
        self,
        in_hasher: InHasher,
        failed: Callable[[], None],
        verify: Callable[[bytes, str], bool] = verify,
    ) -> None:
        self._in_hasher = in_hasher
        self._failed = failed
        self._verify = verify
        self._dummy = _dummy(COST)
        self._queue = FairQueue[Deferred[bool]](WAITING)
        self._running = 0
        self._closed = False
        self.overflowed = 0
        """Passwords that were refused unchecked, as too many waited."""

    def imitate(self, hashes: Iterable[str]) -> None:
        """Take as long over unknown operators as over most of those who have `hashes`."""
        costs = Counter(cost for each in hashes if (cost := cost_of(each)) is not None)
        [(cost, _count)] = costs.most_common(1) or [(COST, 0)]
        self._dummy = _dummy(cost)

    async def check(self, hashed: str | None, password: bytes, client: str = "") -> bool:
        """Whether `password` is the one that was hashed; `client` is whose turn it takes.

        `hashed` is None where the operator is unknown or has no password: takes as long, and is
        False. So is an empty password, and one over `LONGEST`.
        """
        if self._closed:
            raise CancelledError
        if self._running >= HASHERS and not await self._turn(client):
            return False
        return await self._hash(hashed, password)

    def close(self) -> None:
        """Check nothing more, and cancel what waits for its turn."""
        self._closed = True
        for turn in list(self._queue):
            turn.cancel()

    def _turn(self, client: str) -> Deferred[bool]:
        """Fires with True when a thread is free, with False if too many wait."""
        turn = Deferred[bool](lambda turn: self._queue.remove(client, turn))
        dropped = self._queue.add(client, turn)
        if dropped is not None:
            self.overflowed += 1
            dropped.callback(False)
        return turn

    def _hash(self, hashed: str | None, password: bytes) -> Deferred[bool]:
        """The thread goes on if this is cancelled, and is taken until it is done."""
        answer = Deferred[bool]()
        RunningCoroutine(self._in_thread(partial(self._is_right, hashed, password), answer))
        return answer

    async def _in_thread(self, call: Callable[[], bool], answer: Deferred[bool]) -> None:
        self._running += 1
        try:
            right = await self._in_hasher(call)
        except Exception:  # above all where the system has no thread for it
            self._failed()
            right = False
        self._running -= 1
        if self._closed:
            return
        turn = self._queue.next()
        if turn is not None:
            turn.callback(True)
        answer.callback(right)

    def _is_right(self, hashed: str | None, password: bytes) -> bool:
        """In a thread."""
        if hashed is None or not 0 < len(password) <= LONGEST:
            self._verify(b"", self._dummy)
            return False
        return self._verify(password, hashed)
