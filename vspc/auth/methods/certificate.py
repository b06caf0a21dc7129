"""`certificate`: an OpenSSH certificate of a trusted authority that stands for the operator.

As sshd(8) does with TrustedUserCAKeys; what is unknown in one is refused (PROTOCOL.certkeys).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from attrs import evolve, field, frozen

from vspc.auth.certkeys import FOREVER, USER, Certificate, parse, rsa_bits, unsound
from vspc.auth.directory import OperatorDirectory, voucher_of
from vspc.auth.method import Attempt, AuthContext, Evidence
from vspc.auth.methods.publickey import AUTHORITIES, revoked_meanwhile, unverifiable
from vspc.auth.revoked import Revoked
from vspc.common.clock import LATEST, rfc3339
from vspc.common.text import safe
from vspc.common.values import InvalidValue
from vspc.config import Config
from vspc.config.credentials import RSA_BITS, AuthorizedKey, fingerprint
from vspc.config.keyoptions import Sources
from vspc.config.proofs import MethodSettings
from vspc.config.values import network
from vspc.console.access import Voucher
from vspc.console.authentication import Claimant, Offered, ProofRefused, RefusalCause
from vspc.console.session import Proof, SessionLimits

ROUNDING = 120
"""Seconds by which a certificate may be valid for longer than `max_validity`: `ssh-keygen -V +1h`
lets it begin up to two minutes before now.
"""


@frozen
class Authorities:
    """Whose certificates are accepted. `max_validity`: seconds from the first moment to the last.

    `revoked` is an error text where the revocation list cannot be read: then none is accepted.
    """

    keys: tuple[AuthorizedKey, ...] = ()
    max_validity: float | None = None
    revoked: Revoked | str = field(factory=Revoked)

    def trust(self, blob: bytes) -> bool:
        """Whether this key is one of the authorities'."""
        return any(key.blob == blob for key in self.keys)


def examine(
    blob: bytes, claimant: Claimant, authorities: Authorities, now: float
) -> Offered | ProofRefused:
    """Whether the certificate `blob` is good for `claimant`'s address, `now` seconds since 1970.

    Whether it stands for the operator is not asked here. Never raises.
    """
    try:
        certificate = parse(blob)
    except ValueError as error:
        shown = Proof("publickey", fingerprint(blob))
        return ProofRefused(f"the certificate cannot be read: {error}", shown)
    proof = _proof(certificate)
    if not authorities.trust(certificate.authority):
        why = f"the certificate's authority {proof.ca} is not trusted"
        return ProofRefused(why, proof, cause=RefusalCause.UNTRUSTED_AUTHORITY)
    why = _wrong(certificate, claimant, authorities, now)
    if why:
        return ProofRefused(why, proof)
    verified = "verify-required" in certificate.options
    return Offered(proof, certificate.key, _limits(certificate), verified)


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


def _limits(certificate: Certificate) -> SessionLimits:
    command = certificate.options.get("force-command")
    return SessionLimits(
        command=None if command is None else command.decode("utf-8"),
        pty="permit-pty" in certificate.extensions,
        forwarding="permit-port-forwarding" in certificate.extensions,
    )


def _wrong(
    certificate: Certificate, claimant: Claimant, authorities: Authorities, now: float
) -> str:
    """The first thing that is wrong. What is cheap comes first, but nothing of the certificate is
    used, or named as a reason, before its signature is verified.
    """
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
        return f"no certificate is accepted, as the revocation list cannot be read: {revoked}"
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


class CertificateMethod:
    """`vspc.auth.method.AuthMethod`."""

    evidence = Evidence.CERTIFICATE
    settings = MethodSettings(
        word="certificate",
        keys=AUTHORITIES,
        needed="[ssh.certificates] authorities are needed for it",
        available=lambda operator, config: bool(config.ssh.certificates.keys),
        also=("publickey",),
    )

    def __init__(self, context: AuthContext, config: Config, directory: OperatorDirectory) -> None:
        self._context = context
        self._directory = directory
        certificates = config.ssh.certificates
        self._authorities = Authorities(certificates.keys, certificates.max_validity)

    async def prove(self, attempt: Attempt) -> Offered | ProofRefused:
        """Good now, from there, for this operator."""
        claimant, context = attempt.claimant, self._context
        authorities = evolve(self._authorities, revoked=context.revocations().current())
        found = examine(attempt.key, claimant, authorities, context.clock.wall())
        if isinstance(found, ProofRefused):
            return found
        found = evolve(found, verified=found.verified or attempt.operator.settings.verify_required)
        why = attempt.untimely or context.locked(claimant.name, found.proof)
        mismatch = None if why else self._mismatch(claimant, found.proof)
        if mismatch is not None:
            return mismatch
        why = why or unverifiable(found.key, found.verified)
        return ProofRefused(why, found.proof) if why else found

    def lapsed(self, claimant: Claimant, proof: Proof, limits: SessionLimits) -> str:
        """It lapses with its authority, and when it is revoked: not with its time."""
        authority, key_id = proof.authority or None, voucher_of(proof).key_id
        serial = proof.serial or 0
        why = revoked_meanwhile(self._context.revocations(), proof.key, authority, serial, key_id)
        trusted = proof.ca in (fingerprint(key.blob) for key in self._authorities.keys)
        return why or ("" if trusted else "the certificate's authority is not trusted any more")

    def _mismatch(self, claimant: Claimant, proof: Proof) -> ProofRefused | None:
        """None, or why the certificate does not stand for the operator."""
        voucher = voucher_of(proof)
        if self._directory.operator(claimant.name, voucher) is not None:
            return None
        why = "neither an [operators] table nor [[ssh.certificates.map]] has the operator"
        cause = RefusalCause.UNKNOWN_OPERATOR
        if claimant.name not in voucher.principals:
            why = "the certificate's principals do not stand for this operator"
            cause = RefusalCause.OTHER_PRINCIPALS
        return ProofRefused(why, proof, cause=cause)
