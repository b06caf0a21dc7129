"""What to write into the configuration, if a login that was refused should not have been.

Only where the configuration is what it failed for: who came with a revoked key hears nothing here.
A hint is read at 3 a.m. and pasted: it never gives one operator's proof to another.
"""

import json
import re
from base64 import b64encode

from vspc.common.text import safe
from vspc.console.session import Proof

NAMED = 8
"""Principals that are named."""

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._@-]{0,63}", re.ASCII)


def hint_for(operator: str, proof: Proof, reason: str) -> tuple[str, ...]:
    """Lines: TOML for the file, or a sentence; or nothing. `reason` is what the door said of it."""
    if "is not trusted" in reason and proof.ca:
        return _authority(proof)
    if "principals do not stand" in reason and proof.principals:
        named = ", ".join(proof.principals[:NAMED])  # which a proof has as safe text
        more = ", ..." if len(proof.principals) > NAMED else ""
        return (f"the certificate is for {named}{more}",)
    if not _NAME.fullmatch(operator):  # nobody can have this name
        return ()
    table = f"[operators.{operator if _BARE.fullmatch(operator) else _quoted(operator)}]"
    if "key not authorised" in reason and proof.fingerprint:
        key = _line(proof.key)
        if not key:
            return (f"add the key {safe(proof.fingerprint)} to authorized_keys of {table}",)
        return (table, f"authorized_keys = [{_quoted(key)}]")
    if "no such operator" in reason or "makes him an operator" in reason:
        return (table,)
    return ()


def _authority(proof: Proof) -> tuple[str, ...]:
    """Whoever signs may be anybody: that is to be asked first."""
    where = "if that authority is yours, add it to authorities of [ssh.certificates]"
    key = _line(proof.authority)
    return (f"{where}:", _quoted(key)) if key else (f"{where}: {safe(proof.ca)}",)


def _quoted(word: str) -> str:
    return json.dumps(safe(word, 4096), ensure_ascii=False)


def _line(blob: bytes) -> str:
    """A public key as it stands in a file; empty if it is none."""
    size = int.from_bytes(blob[:4])
    kind = blob[4 : 4 + size].decode("ascii", "replace")
    if not kind.isprintable() or not 0 < len(kind) == size < 64:
        return ""
    return f"{kind} {b64encode(blob).decode()}"
