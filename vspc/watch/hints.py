"""What to write into the configuration, if a login that was refused should not have been.

Only where the configuration is what it failed for: who came with a revoked key hears nothing here.
"""

import json
from base64 import b64encode

from vspc.console.session import Proof
from vspc.text import safe


def hint_for(operator: str, proof: Proof, reason: str) -> str:
    """A line for the file, or nothing. `reason` is what the door said of it."""
    if "key not authorised" in reason and proof.fingerprint:
        key = _line(proof.key) or f"the key with the fingerprint {proof.fingerprint}"
        return f"[operators.{_quoted(operator)}] authorized_keys = [..., {_quoted(key)}]"
    if "is not trusted" in reason and proof.ca:
        authority = _line(proof.authority) or f"the key with the fingerprint {proof.ca}"
        return f"[ssh.certificates] authorities = [..., {_quoted(authority)}]"
    if "principals" in reason or "[[ssh.certificates.map]]" in reason:
        principals = ", ".join(map(_quoted, proof.principals))
        who = f"operator = {_quoted(operator)}"
        return f"[[ssh.certificates.map]] principals = [{principals}], {who}"
    if "no such operator" in reason:
        return f"[operators.{_quoted(operator)}]"
    return ""


def _quoted(word: str) -> str:
    return json.dumps(safe(word, 4096), ensure_ascii=False)


def _line(blob: bytes) -> str:
    """A public key as it stands in a file; empty if it is none."""
    size = int.from_bytes(blob[:4])
    kind = blob[4 : 4 + size].decode("ascii", "replace")
    if not kind.isprintable() or not 0 < len(kind) == size < 64:
        return ""
    return f"{kind} {b64encode(blob).decode()}"
