"""The latest refusals: VMs and logins, each with the configuration that would admit it.

A hint is only given where the configuration is the reason: none for a revoked key. It is read at
3 a.m. and pasted, so that it never gives one operator's key to another.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Sequence

from attrs import evolve

from vspc.audit.schema import bounded
from vspc.common.recent import RecentByAddress
from vspc.common.text import safe
from vspc.config.checks import is_name
from vspc.console.audit import AccessRefusal
from vspc.console.authentication import RefusalCause
from vspc.console.session import Proof
from vspc.wire.ssh import key_type

LATEST = 1000
"""Refusals that are kept; repetitions of the same count once."""

OF_ONE = 64
"""Of these, those of one address: it cannot push all others out."""

HINT = 4096
"""Characters of a line of a hint: an RSA key is long."""

_Key = tuple[str, str, str, str, str]


class RecentRefusals:
    """The last ones. `wall` gives seconds since 1970."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._kept = RecentByAddress[_Key, AccessRefusal](LATEST, OF_ONE)

    def add(
        self, what: str, address: str, name: str, reason: str, *hint: str, vm_name: str = ""
    ) -> None:
        """One more; `hint` is lines, `vm_name` the name that a VM claims."""
        address, name, reason = bounded(address), bounded(name), bounded(reason)
        key, now = (what, address, name, reason, bounded(vm_name)), self._wall()
        lines = "\n".join(_line(each) for each in hint)
        known = self._kept.get(key)
        if known is None:
            known = AccessRefusal(*key[:4], lines, now, now, 0, key[4])
        again = evolve(known, hint=lines, last=now, count=known.count + 1)
        self._kept.put(address, key, again)

    def take_back(self, what: str, address: str, name: str, reason: str) -> None:
        """It was no refusal in the end: count one less."""
        key = (what, bounded(address), bounded(name), bounded(reason), "")
        known = self._kept.get(key)
        if known is None:
            return
        if known.count > 1:
            self._kept.replace(key, evolve(known, count=known.count - 1))
        else:
            self._kept.drop(key)

    def latest(self) -> Sequence[AccessRefusal]:
        """The last one last."""
        return tuple(self._kept)


def _line(text: str) -> str:
    """As it is where it is one line, so that it can be pasted; made safe otherwise."""
    return text if text.isprintable() and len(text) <= HINT else safe(text, HINT)


NAMED = 8
"""Principals that are named."""

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def hint_for(operator: str, proof: Proof, cause: RefusalCause) -> tuple[str, ...]:
    """Lines: TOML for the file, or a sentence; or nothing. `cause`: why the login was refused."""
    if cause is RefusalCause.UNTRUSTED_AUTHORITY and proof.ca:
        return _authority(proof)
    if cause is RefusalCause.OTHER_PRINCIPALS and proof.principals:
        named = ", ".join(proof.principals[:NAMED])  # which a proof has as safe text
        more = ", ..." if len(proof.principals) > NAMED else ""
        return (f"the certificate is for {named}{more}",)
    if not is_name(operator):
        return ()
    table = f"[operators.{operator if _BARE.fullmatch(operator) else _quoted(operator)}]"
    if cause is RefusalCause.KEY_NOT_AUTHORISED and proof.fingerprint:
        key = _key_line(proof.key)
        if not key:
            return (f"add the key {safe(proof.fingerprint)} to authorized_keys of {table}",)
        return (table, f"authorized_keys = [{_quoted(key)}]")
    if cause is RefusalCause.UNKNOWN_OPERATOR:
        return (table,)
    return ()


def _authority(proof: Proof) -> tuple[str, ...]:
    """Anybody can make an authority: whether it is known is to be checked first."""
    where = "if that authority is yours, add it to authorities of [ssh.certificates]"
    key = _key_line(proof.authority)
    return (f"{where}:", _quoted(key)) if key else (f"{where}: {safe(proof.ca)}",)


def _quoted(word: str) -> str:
    return json.dumps(safe(word, 4096), ensure_ascii=False)


def _key_line(blob: bytes) -> str:
    """A public key as it stands in a file; empty if it is none."""
    kind = key_type(blob).decode("ascii", "replace")
    if not kind.isprintable() or not 0 < len(kind) < 64:
        return ""
    return f"{kind} {b64encode(blob).decode()}"
