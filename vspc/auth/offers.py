"""Whether a public key would do: a certificate, a key of the table, or one that a program knows."""

from collections.abc import Callable, Sequence
from functools import partial

from attrs import evolve

from vspc.auth.certificates import Authorities, Vouched, examine
from vspc.auth.context import AuthContext
from vspc.auth.directory import NOBODY, OperatorDirectory, Person
from vspc.common.clock import Cancellable
from vspc.config.keyoptions import KeyOptions
from vspc.config.keys import fingerprint, key_lines
from vspc.config.settings import SshSettings
from vspc.console.authentication import Claimant, Offered, ProofRefused
from vspc.console.session import Proof, SessionLimits
from vspc.wire.ssh import is_certificate, key_type

Answer = Callable[[Offered | ProofRefused], None]


class _Answered:
    """A question that was answered at once."""

    def cancel(self) -> None:
        """Too late."""

    def active(self) -> bool:
        """No more."""
        return False


class Offers:
    """Looks keys up, by one configuration."""

    def __init__(self, means: AuthContext, ssh: SshSettings, people: OperatorDirectory) -> None:
        self._means = means
        self._people = people
        self._command = ssh.authorized_keys_command
        certificates = ssh.certificates
        self._authorities = Authorities(certificates.keys, certificates.max_validity)

    def offer(
        self, claimant: Claimant, shown: tuple[str, ...], blob: bytes, answer: Answer
    ) -> Cancellable:
        """`answer` is called at once, or later where a program is asked."""
        if is_certificate(blob):
            answer(self._certificate(claimant, shown, blob))
            return _Answered()
        proof = Proof("publickey", fingerprint(blob))
        person = self._person(claimant)
        lines = person.keys.get(blob, ())
        why = person.not_now(shown, "publickey") or self._means.locked(claimant.name, proof)
        if lines or self._command is None:
            answer(ProofRefused(why, proof) if why else self._key(claimant, person, blob, lines))
            return _Answered()
        # Asked in vain, too: who is answered at once is somebody of whom something else is wanted.
        found = partial(self._found_keys, claimant, blob, why, answer)
        return self._means.programs.keys(self._command, claimant, blob, found)

    def fallen(self, claimant: Claimant, proof: Proof, limits: SessionLimits, key_id: str) -> str:
        """Why the key of `proof` would not do any more, or for less than `limits`; empty if it
        would. `key_id` is the certificate's to the letter.
        """
        revoked = self._means.revocations().known
        authority = proof.authority or None
        why = ""
        if proof.key and not isinstance(revoked, str):
            why = revoked.reason(proof.key, authority, proof.serial or 0, key_id)
        if why or proof.ca:
            return why or self._distrusted(proof.ca)
        person = self._person(claimant)
        lines = person.keys.get(proof.key, ())
        if not lines and self._command is not None:  # it is asked at logins only
            return ""
        found = self._listed(claimant, person, proof.key, lines)
        if isinstance(found, ProofRefused):
            return found.reason
        return "" if limits.also(found.limits) == limits else "the key is for less than it was"

    def _distrusted(self, authority: str) -> str:
        trusted = authority in (fingerprint(key.blob) for key in self._authorities.keys)
        return "" if trusted else "the certificate's authority is not trusted any more"

    def _person(self, claimant: Claimant) -> Person:
        return self._people.person(claimant.name) or NOBODY

    def _certificate(
        self, claimant: Claimant, shown: tuple[str, ...], blob: bytes
    ) -> Offered | ProofRefused:
        authorities = evolve(self._authorities, revoked=self._means.revocations().current())
        found = examine(blob, claimant, authorities, self._means.clock.wall())
        if isinstance(found, ProofRefused):
            return found
        person = self._person(claimant)
        verified = found.verified or person.verify_required
        why = (
            person.not_now(shown, "certificate")
            or self._means.locked(claimant.name, found.proof)
            or self._not_his(claimant, found)
            or _unable(found.key, verified)
        )
        if why:
            return ProofRefused(why, found.proof)
        return Offered(found.proof, found.key, found.limits, verified)

    def _not_his(self, claimant: Claimant, found: Vouched) -> str:
        if self._people.operator(claimant.name, found.voucher) is not None:
            return ""
        if claimant.name in found.voucher.principals:
            return "no [operators] table and no [[ssh.certificates.map]] makes him an operator"
        return "the certificate's principals do not stand for this operator"

    def _key(
        self, claimant: Claimant, person: Person, blob: bytes, lines: Sequence[KeyOptions]
    ) -> Offered | ProofRefused:
        why = self._revoked(blob)
        if why:
            proof = Proof("publickey", fingerprint(blob), key=blob)
            return ProofRefused(why, proof, unknown_key=not lines)
        return self._listed(claimant, person, blob, lines)

    def _listed(
        self, claimant: Claimant, person: Person, blob: bytes, lines: Sequence[KeyOptions]
    ) -> Offered | ProofRefused:
        """By `lines` alone, whatever is revoked."""
        proof = Proof("publickey", fingerprint(blob), key=blob)
        now = self._means.clock.wall()
        why = "key not authorised"
        for options in lines:
            verified = person.verify_required or options.verify_required
            why = _unfit(options, claimant.address, now) or _unable(blob, verified)
            if not why:
                return Offered(proof, blob, _limits(options), verified)
        return ProofRefused(why, proof, unknown_key=not lines)

    def _revoked(self, blob: bytes) -> str:
        revoked = self._means.revocations().known
        if isinstance(revoked, str):
            return f"no public key is accepted, as it is not known what is revoked: {revoked}"
        return revoked.reason(blob)

    def _found_keys(
        self,
        claimant: Claimant,
        blob: bytes,
        why: str,
        answer: Answer,
        found: bytes | ProofRefused,
    ) -> None:
        """The administrator's program has answered: in vain for an operator nobody knows, and
        where `why` says already why not.
        """
        proof = Proof("publickey", fingerprint(blob))
        if isinstance(found, ProofRefused):
            why = why or found.reason
        if why or isinstance(found, ProofRefused):
            answer(ProofRefused(why, proof))
            return
        keys, wrongs = key_lines(found.decode("utf-8", "replace"))
        lines = [key.options for key in keys if key.blob == blob]
        person = self._people.person(claimant.name)
        if person is None:
            answer(ProofRefused("there is no such operator", proof))
        elif not lines and wrongs:
            problem = f"authorized_keys_command {wrongs[0].problem}"
            answer(ProofRefused(f"key not authorised; {problem}", proof))
        else:
            answer(self._key(claimant, person, blob, lines))


def _unable(key: bytes, verified: bool) -> str:
    """Empty, or why nobody can sign with `key` as is wanted: nobody is asked to."""
    if not verified or key_type(key).startswith(b"sk-"):
        return ""
    return "verify_required: a FIDO key is wanted"


def _unfit(options: KeyOptions, address: str, now: float) -> str:
    """Empty, or why the key of this line will not do here and now."""
    if options.expires is not None and now >= options.expires:
        return "the key's expiry-time is past"
    if options.sources is not None and not options.sources.has(address):
        return "the key is not for this address (from=)"
    return ""


def _limits(options: KeyOptions) -> SessionLimits:
    return SessionLimits(options.command, options.pty, options.forwarding, options.opens)
