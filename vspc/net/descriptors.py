"""File descriptors: as many as the system gives, and a word where that is few."""

import errno
import os
import resource
from contextlib import suppress

from attrs import define, field

WANTED = 20_000
"""Descriptors for as many lines as one host may have, and operators beside them."""

REMINDER = 60.0
"""Seconds between two words about descriptors that have run out."""


def raise_limit() -> int:
    """Raise the limit of this process as far as it may; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # A hard limit above fs.nr_open, which somebody has lowered since, is not to be had.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return WANTED if soft == resource.RLIM_INFINITY else soft


def shortage(limit: int) -> str | None:
    """What to tell the administrator of a limit that is low; None if it is not."""
    if limit >= WANTED:
        return None
    return (
        f"this process may open {limit} files and connections, each VM and each operator is one; "
        f"LimitNOFILE={WANTED} in its systemd unit, or `ulimit -n {WANTED}`, raises it"
    )


@define
class Watch:
    """Notices that descriptors have run out: Twisted then closes newcomers and says nothing."""

    _told: float | None = field(default=None, init=False)

    def ran_out(self, now: float) -> bool:
        """Whether there is none left and that is worth a line: at most one in `REMINDER` seconds.

        Call it now and then.
        """
        if not _none_left() or (self._told is not None and now - self._told < REMINDER):
            return False
        self._told = now
        return True


def _none_left() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False
