"""Passwords: argon2id (RFC 9106), hashed in at most two threads, alike for whoever is unknown.

A hash is a PHC string, `$argon2id$v=19$m=65536,t=3,p=4$SALT$HASH`, as other programs write it too.
"""

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from threading import Condition, Thread

# Not OpenSSL's by way of cryptography: there two hashings at once, of several lanes each, wait for
# each other's threads for ever (OpenSSL 4.0.3).
from argon2.exceptions import Argon2Error, VerifyMismatchError
from argon2.low_level import Type, hash_secret, verify_secret
from attrs import define, field

from vspc.auth.fair_queue import FairQueue
from vspc.common.clock import Cancellable, Clock
from vspc.config.secrets import COST, Cost, cost_of

LONGEST = 1024
"""Bytes of a password; a longer one is never right."""

HASHERS = 2
"""Threads that hash at once: with the default cost 128 MiB in all."""

WAITING = 32
"""Passwords that wait for a thread; over it the address that has most of them is refused."""

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
    """Whether that is the password. Takes as long as hashing. Raises ValueError: no such hash."""
    try:
        return verify_secret(hashed.encode("ascii"), password, Type.ID)
    except VerifyMismatchError:
        return False
    except Argon2Error as error:
        raise ValueError(f"it is not an argon2id hash that can be checked: {error}") from None


def _nobodys(cost: Cost) -> str:
    """A hash of no password at all."""
    salt, digest = (b64encode(os.urandom(n)).decode().rstrip("=") for n in (_SALT, _HASH))
    return f"$argon2id$v=19${cost}${salt}${digest}"


@define(eq=False)
class _Check:
    """One password on its way; empties itself when it was used or nobody wants to know."""

    asker: str
    hashed: str | None = field(repr=False)
    _password: bytes = field(repr=False)
    _answer: Callable[[bool], None] | None
    _gone: Callable[["_Check"], None]

    def cancel(self) -> None:
        self._answer, self._password = None, b""
        self._gone(self)

    def active(self) -> bool:
        return self._answer is not None

    def take(self) -> bytes:
        """The password, once."""
        password, self._password = self._password, b""
        return password

    def conclude(self, right: bool) -> None:
        answer, self._answer, self._password = self._answer, None, b""
        if answer is not None:
            answer(right)


class Passwords:
    """Checks passwords in threads, at most `HASHERS` at once; addresses have their turns.

    `call_from_thread` runs a call in the reactor's thread; `failed` is called, in any thread, while
    an exception is being handled that should not have been raised.
    """

    def __init__(
        self,
        clock: Clock,
        call_from_thread: Callable[[Callable[[], None]], None],
        failed: Callable[[], None],
        verify: Callable[[bytes, str], bool] = verify,
    ) -> None:
        self._clock = clock
        self._call_from_thread = call_from_thread
        self._failed = failed
        self._verify = verify
        self._nobodys = _nobodys(COST)
        self._changed = Condition()
        self._turns = FairQueue[_Check](WAITING)
        self.threads: list[Thread] = []
        self._idle = 0
        self._closed = False
        self.overflowed = 0
        """Passwords that were refused without a look, as too many waited."""

    def imitate(self, hashes: Iterable[str]) -> None:
        """Take as long over unknown operators as over most of those who have `hashes`."""
        costs = Counter(cost for each in hashes if (cost := cost_of(each)) is not None)
        [(cost, _count)] = costs.most_common(1) or [(COST, 0)]
        self._nobodys = _nobodys(cost)

    def check(
        self,
        hashed: str | None,
        password: bytes,
        answer: Callable[[bool], None],
        asker: str = "",
    ) -> Cancellable:
        """`answer` is called later with whether that is his password; never after `cancel`.

        `hashed` is None for whoever is unknown or has no password: takes as long, and is False.
        So is an empty password, and one over `LONGEST`. `asker` is whom he counts as, for turns.
        """
        check = _Check(asker, hashed, password, answer, self._forget)
        with self._changed:
            if self._closed:
                check.cancel()
                return check
            over = self._turns.add(asker, check)
            if over is not check:
                self._rouse()
        if over is not None:
            self.overflowed += 1
            self._clock.call_later(0, partial(over.conclude, False))
        return check

    def _rouse(self) -> None:
        if self._idle >= len(self._turns):
            self._changed.notify()
        elif len(self.threads) < HASHERS:
            name = f"password-hasher-{len(self.threads) + 1}"
            thread = Thread(target=self._run, name=name, daemon=True)
            thread.start()  # which may raise; the next password tries again then
            self.threads.append(thread)

    def close(self) -> None:
        """Answer nobody any more; threads end as soon as they have hashed what they hash."""
        with self._changed:
            self._closed = True
            for check in list(self._turns):
                check.cancel()
            self._changed.notify_all()

    def _forget(self, check: _Check) -> None:
        with self._changed:
            self._turns.remove(check.asker, check)

    # In a thread

    def _run(self) -> None:
        while (check := self._next()) is not None:
            try:
                right = self._is_right(check)
            except Exception:
                right = False
                self._failed()
            self._call_from_thread(partial(self._conclude, check, right))

    def _next(self) -> _Check | None:
        """Who is next; None when it is over. Who has gone meanwhile is passed over."""
        with self._changed:
            while True:
                self._idle += 1
                self._changed.wait_for(lambda: len(self._turns) or self._closed)
                self._idle -= 1
                check = self._turns.next()
                if self._closed:
                    return None
                if check is not None and check.active():
                    return check

    def _is_right(self, check: _Check) -> bool:
        password, hashed = check.take(), check.hashed
        if hashed is None or not 0 < len(password) <= LONGEST:
            self._verify(b"", self._nobodys)
            return False
        return self._verify(password, hashed)

    # In the reactor's thread again

    def _conclude(self, check: _Check, right: bool) -> None:
        if not self._closed:
            check.conclude(right)
