"""Whether a certificate vouches for somebody: trusted, in time, from there, not revoked.

As sshd(8) does with TrustedUserCAKeys; whatever is not known is refused (PROTOCOL.certkeys).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from attrs import field, frozen

from vspc.auth.certkeys import (
    FOREVER,
    USER,
    Certificate,
    parse,
    rsa_bits,
    unsound,
)
from vspc.auth.revoked import Revoked
from vspc.common.text import safe
from vspc.common.times import LATEST, rfc3339
from vspc.common.values import InvalidValue
from vspc.config.keyoptions import Sources
from vspc.config.keys import RSA_BITS, AuthorizedKey, fingerprint
from vspc.config.values import network
from vspc.console.access import Voucher
from vspc.console.authentication import Claimant, ProofRefused
from vspc.console.session import Proof, SessionLimits

ROUNDING = 120
"""Seconds by which a certificate may be valid for longer than `max_validity`: `ssh-keygen -V +1h`
lets it begin up to two minutes before now.
"""


@frozen
class Authorities:
    """Whose certificates are taken. `max_validity`: seconds from the first moment to the last.

    `revoked` is an error text where it is not known what is revoked: then nothing is taken.
    """

    keys: tuple[AuthorizedKey, ...] = ()
    max_validity: float | None = None
    revoked: Revoked | str = field(factory=Revoked)

    def trust(self, blob: bytes) -> bool:
        """Whether this key is one of the authorities'."""
        return any(key.blob == blob for key in self.keys)


@frozen
class Vouched:
    """A certificate that is good at this moment, from this address.

    `key` is the blob of its own public key, which a signature still has to be checked with;
    `verified`: that signature must say that a PIN or a finger was asked for.
    """

    proof: Proof
    key: bytes
    limits: SessionLimits
    voucher: Voucher
    verified: bool = False


def examine(
    blob: bytes, claimant: Claimant, authorities: Authorities, now: float
) -> Vouched | ProofRefused:
    """Whether the certificate `blob` is good for `claimant`'s address, `now` seconds since 1970.

    Whether it is for his name is another question (`principals.standing`). Never raises.
    """
    try:
        certificate = parse(blob)
    except ValueError as error:
        return ProofRefused(f"the certificate cannot be read: {error}")
    proof = _proof(certificate)
    why = _wrong(certificate, claimant, authorities, now)
    return ProofRefused(why, proof) if why else _vouched(certificate, proof)


def _proof(certificate: Certificate) -> Proof:
    return Proof(
        "certificate",
        fingerprint(certificate.key),
        certificate.serial,
        safe(certificate.key_id),
        fingerprint(certificate.authority),
        tuple(map(safe, certificate.principals)),
        certificate.key,
        certificate.authority,
        Voucher(certificate.key_id, certificate.principals),
    )


def _vouched(certificate: Certificate, proof: Proof) -> Vouched:
    command = certificate.options.get("force-command")
    limits = SessionLimits(
        command=None if command is None else command.decode("utf-8"),
        pty="permit-pty" in certificate.extensions,
        forwarding="permit-port-forwarding" in certificate.extensions,
    )
    return Vouched(
        proof,
        certificate.key,
        limits,
        Voucher(certificate.key_id, certificate.principals),
        "verify-required" in certificate.options,
    )


def _wrong(
    certificate: Certificate, claimant: Claimant, authorities: Authorities, now: float
) -> str:
    """The first thing that is wrong. What is cheap comes first, but nothing is believed, and told
    as a reason, before the signature was found right.
    """
    if not authorities.trust(certificate.authority):
        return f"the certificate's authority {fingerprint(certificate.authority)} is not trusted"
    why = unsound(certificate)
    if why:
        return f"the certificate is not genuine: {why}"
    return (
        _wrong_kind(certificate)
        or _revoked(certificate, authorities.revoked)
        or _untimely(certificate, now)
        or _too_long(certificate, authorities.max_validity)
        or _wrong_options(certificate)
        or _wrong_address(certificate, claimant.address)
    )


def _wrong_kind(certificate: Certificate) -> str:
    if certificate.type != USER:
        return "the certificate is a host's, not a user's"
    if not certificate.principals:
        return "the certificate names no principals"
    bits = rsa_bits(certificate.key)
    if bits is not None and bits < RSA_BITS:
        return f"the certificate's RSA key has {bits} bits; {RSA_BITS} are needed"
    return ""


def _revoked(certificate: Certificate, revoked: Revoked | str) -> str:
    if isinstance(revoked, str):
        return f"no certificate is taken, as it is not known what is revoked: {revoked}"
    why = revoked.reason(
        certificate.key, certificate.authority, certificate.serial, certificate.key_id
    )
    return why and f"the certificate is revoked: {why}"


def _untimely(certificate: Certificate, now: float) -> str:
    if now < certificate.after:
        return f"the certificate is not valid before {_moment(certificate.after)}"
    if now >= certificate.before:
        return f"the certificate was valid until {_moment(certificate.before)}"
    return ""


def _too_long(certificate: Certificate, most: float | None) -> str:
    if most is None:
        return ""
    if certificate.before == FOREVER:
        return f"the certificate never ends; max_validity is {most:g} seconds"
    length = certificate.before - certificate.after
    if length > most + ROUNDING:
        return f"the certificate is valid for {length} seconds; max_validity is {most:g}"
    return ""


def _moment(seconds: int) -> str:
    return rfc3339(seconds, "seconds") if seconds <= LATEST else f"second {seconds}"


def _wrong_options(certificate: Certificate) -> str:
    for name, value in certificate.options.items():
        if name not in _CRITICAL:
            return f"the certificate's critical option {safe(name, 60)} is not known"
        if not _CRITICAL[name](value):
            return f"the certificate's critical option {name} has no proper value"
    if "verify-required" in certificate.options and not certificate.kind.startswith(b"sk-"):
        return "the certificate has verify-required, which only a FIDO key can do"
    return ""


def _is_command(value: bytes) -> bool:
    try:
        return bool(value.decode("utf-8").strip())
    except UnicodeDecodeError:
        return False


def _sources(value: bytes) -> Sources | None:
    """The networks of a source-address; None if one of them is none."""
    try:
        words = value.decode("ascii").split(",")
        return Sources(tuple(network(word) for word in words), ())
    except (UnicodeDecodeError, InvalidValue):
        return None


_CRITICAL: Mapping[str, Callable[[bytes], bool]] = MappingProxyType(
    {
        "force-command": _is_command,
        "source-address": lambda value: _sources(value) is not None,
        "verify-required": lambda value: not value,
    }
)
"""Critical options that are known, and whether a value of theirs makes sense."""


def _wrong_address(certificate: Certificate, address: str) -> str:
    value = certificate.options.get("source-address")
    if value is None:
        return ""
    sources = _sources(value)
    if sources is not None and sources.has(address):
        return ""
    return f"the certificate is not for the address {safe(address, 60)}"
