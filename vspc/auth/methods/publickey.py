"""`publickey`: a key of the operator's table, or one that `authorized_keys_command` prints."""

import base64
import re
from collections.abc import Sequence

from vspc.auth.directory import UNKNOWN, OperatorDirectory
from vspc.auth.method import Attempt, AuthContext, Evidence
from vspc.auth.programs import NAME, ProgramFailed, Programs, ending
from vspc.auth.revocation import RevocationFile
from vspc.common.addresses import rate_key
from vspc.config import Config, OperatorSettings
from vspc.config.credentials import KEY_TYPES, fingerprint, key_lines
from vspc.config.keyoptions import KeyOptions
from vspc.config.proofs import MethodSettings
from vspc.config.values import ProgramPath
from vspc.console.authentication import Claimant, Offered, ProofRefused
from vspc.console.authentication import RefusalCause as Cause
from vspc.console.session import Proof, SessionLimits
from vspc.wire.ssh import key_type

AUTHORITIES = ("ssh.certificates.authorities", "ssh.certificates.authorities_file")
"""Keys of the configuration with which certificates are accepted."""

OUTPUT = 256 * 1024
"""Bytes of an authorized_keys file that a program may print."""

_TOKEN = re.compile(r"%(.?)", re.DOTALL)


def _has_keys(operator: OperatorSettings, config: Config) -> bool:
    ssh = config.ssh
    certified = bool(ssh.certificates.keys)
    return bool(operator.keys) or certified or ssh.authorized_keys_command is not None


class PublicKeyMethod:
    """`vspc.auth.method.AuthMethod`."""

    evidence = Evidence.KEY
    settings = MethodSettings(
        word="publickey",
        keys=(
            *("{}.authorized_keys", "{}.authorized_keys_file", "ssh.authorized_keys_command"),
            *AUTHORITIES,
        ),
        needed="authorized_keys, or [ssh.certificates] authorities, are needed for it",
        available=_has_keys,
    )

    def __init__(self, context: AuthContext, config: Config, directory: OperatorDirectory) -> None:
        self._context = context
        self._directory = directory
        self._command = config.ssh.authorized_keys_command

    async def prove(self, attempt: Attempt) -> Offered | ProofRefused:
        """A look at the table; where the key is not in it, the program is run."""
        blob, claimant, operator = attempt.key, attempt.claimant, attempt.operator
        proof = Proof("publickey", fingerprint(blob))
        lines = operator.keys.get(blob, ())
        why = attempt.untimely or self._context.locked(claimant.name, proof)
        if not lines and self._command is not None:
            # It is run in vain, too: an immediate answer would tell that this is an operator of
            # whom something else is required.
            try:
                text = await authorized_keys(self._context.programs, self._command, claimant, blob)
            except ProgramFailed as failure:
                return ProofRefused(why or f"authorized_keys_command: {failure}", proof)
            keys, mistakes = key_lines(text.decode("utf-8", "replace"))
            lines = tuple(key.options for key in keys if key.blob == blob)
            if operator is UNKNOWN and not why:
                return ProofRefused("unknown operator", proof, cause=Cause.UNKNOWN_OPERATOR)
            if mistakes and not lines and not why:
                problem = f"authorized_keys_command {mistakes[0].problem}"
                reason = f"key not authorised; {problem}"
                return ProofRefused(reason, proof, cause=Cause.KEY_NOT_AUTHORISED)
        return ProofRefused(why, proof) if why else self._checked(attempt, lines)

    def lapsed(self, claimant: Claimant, proof: Proof, limits: SessionLimits) -> str:
        """It lapses when it is revoked or taken out of the table, or its options allow less."""
        why = revoked_meanwhile(self._context.revocations(), proof.key)
        operator = self._directory.record(claimant.name)
        lines = operator.keys.get(proof.key, ())
        if why or (not lines and self._command is not None):  # which is run at logins only
            return why
        found = self._listed(Attempt(claimant, operator, "", proof.key), lines)
        if isinstance(found, ProofRefused):
            return found.reason
        return "" if limits.also(found.limits) == limits else "the key's options allow less"

    def _checked(self, attempt: Attempt, lines: Sequence[KeyOptions]) -> Offered | ProofRefused:
        revoked = self._context.revocations().known
        if isinstance(revoked, str):
            why = f"no public key is accepted, as the revocation list cannot be read: {revoked}"
        else:
            why = revoked.reason(attempt.key)
        if why:
            proof = Proof("publickey", fingerprint(attempt.key), key=attempt.key)
            return ProofRefused(why, proof, unknown_key=not lines)
        return self._listed(attempt, lines)

    def _listed(self, attempt: Attempt, lines: Sequence[KeyOptions]) -> Offered | ProofRefused:
        """By the options of `lines` alone."""
        key, now = attempt.key, self._context.clock.wall()
        proof = Proof("publickey", fingerprint(key), key=key)
        if not lines:
            reason, cause = "key not authorised", Cause.KEY_NOT_AUTHORISED
            return ProofRefused(reason, proof, unknown_key=True, cause=cause)
        for options in lines:
            verified = attempt.operator.settings.verify_required or options.verify_required
            why = _unfit(options, attempt.claimant.address, now) or unverifiable(key, verified)
            if not why:
                return Offered(proof, key, _limits(options), verified)
        return ProofRefused(why, proof)


def revoked_meanwhile(
    revocations: RevocationFile,
    key: bytes,
    authority: bytes | None = None,
    serial: int = 0,
    key_id: str = "",
) -> str:
    """Why a key that was accepted is revoked now, or a certificate of `authority` for it; empty if
    it is not, or that is not known.
    """
    known = revocations.known
    return (
        known.reason(key, authority, serial, key_id) if key and not isinstance(known, str) else ""
    )


def unverifiable(key: bytes, verified: bool) -> str:
    """Empty, or why no signature with `key` can be `verified`: the client is not asked for one."""
    if not verified or key_type(key).startswith(b"sk-"):
        return ""
    return "verify_required: a FIDO key is required"


def _unfit(options: KeyOptions, address: str, now: float) -> str:
    """Empty, or why the key of this line is not accepted from `address` and `now`."""
    if options.expires is not None and now >= options.expires:
        return "the key's expiry-time is past"
    if options.sources is not None and not options.sources.has(address):
        return "the key is not for this address (from=)"
    return ""


def _limits(options: KeyOptions) -> SessionLimits:
    return SessionLimits(options.command, options.pty, options.forwarding, options.opens)


# authorized_keys_command


async def authorized_keys(
    programs: Programs, command: ProgramPath, claimant: Claimant, blob: bytes
) -> bytes:
    """The authorized_keys file that `command` prints for the claimant and its key `blob`, at most
    `OUTPUT` bytes. Raises `ProgramFailed`.
    """
    try:
        words = expanded(command.words, claimant.name, blob)
    except ValueError as error:
        raise ProgramFailed(str(error)) from None
    found = bytearray()
    async with programs.run(words, rate_key(claimant.address)) as run:
        run.child.close_input()
        while True:
            match await run.next():
                case bytes(data):
                    found += data
                    if len(found) > OUTPUT:
                        raise ProgramFailed(f"it printed more than {OUTPUT // 1024} KiB")
                case 0:
                    return bytes(found)
                case int(status):
                    raise ProgramFailed(f"it ended with {ending(status)}")
                case ProgramFailed() as failure:
                    raise failure


def expanded(words: tuple[str, ...], operator: str, blob: bytes) -> tuple[str, ...]:
    """`words` with the tokens of AuthorizedKeysCommand in sshd_config(5): `%u` the operator, `%f`
    the key's fingerprint, `%k` the key in base64, `%t` its type, `%%` a percent sign; `%u` is
    added where no argument is given.

    Raises ValueError: another token, an unusual name, an unknown type of key. A name never looks
    like an option.
    """
    if not operator or len(operator) > NAME or not operator.isprintable():
        raise ValueError("the operator's name is empty, too long or not printable")
    if operator.startswith("-"):
        raise ValueError("the operator's name begins with a hyphen")
    kind = key_type(blob).decode("ascii", "replace")
    if kind not in KEY_TYPES:
        raise ValueError("unknown type of key")
    values = {
        "%": "%",
        "u": operator,
        "f": fingerprint(blob),
        "k": base64.b64encode(blob).decode(),
        "t": kind,
    }

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ValueError(f"%{match[1]} is none of %u, %f, %k, %t and %%")
        return values[match[1]]

    program, *arguments = words
    return (program, *(_TOKEN.sub(value, word) for word in arguments or ["%u"]))
