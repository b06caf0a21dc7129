"""File descriptors: as many as the system gives, and a word where that is few."""

import resource

WANTED = 20_000
"""Descriptors for as many lines as one host may have, and operators beside them."""


def raise_limit() -> int:
    """Raise the limit of this process as far as it may; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
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
