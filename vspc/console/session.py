"""One login, as events record it: the operator, the proof, the address."""

from attrs import evolve, field, frozen

from vspc.common.text import safe
from vspc.console.access import (
    NOTHING,
    READING,
    Operator,
    Rights,
    Subject,
    Voucher,
    approving,
    matches,
)

Fact = str | int | float | bool | None
"""A value of an event in the audit file: flat, so that every tool can read it."""


REASON_LIMIT = 200
"""Characters of the reason of a login."""


@frozen
class Proof:
    """How an operator authenticated. Fields are empty where there is nothing.

    `via` names the methods, joined by "+" ("publickey", "certificate", "password", "totp",
    "auth_command", "local", "socket", "remote", "tls-certificate"); `fingerprint` is the key's as
    OpenSSH prints it, or that of a TLS certificate; `serial`, `key_id` and `ca` (a fingerprint) and
    `principals` belong to a certificate. `key` and `authority` are the blobs of the keys behind the
    fingerprints, `voucher` is the certificate's content as it is, and `stamp` another one for
    another password. Of two keys or certificates the first is named; `joined_parts` are all of
    several proofs. `socket` is the socket for programs to which the client connected. `granted`:
    groups that the administrator's program gives, as far as the configuration lets it; None if it
    was not asked.
    """

    via: str
    fingerprint: str = ""
    serial: int | None = None
    key_id: str = ""
    ca: str = ""
    principals: tuple[str, ...] = ()
    key: bytes = field(default=b"", eq=False, repr=False)
    authority: bytes = field(default=b"", eq=False, repr=False)
    voucher: Voucher | None = field(default=None, eq=False, repr=False)
    stamp: bytes = field(default=b"", eq=False, repr=False)
    joined_parts: tuple["Proof", ...] = field(default=(), eq=False, repr=False)
    socket: str = ""
    granted: frozenset[str] | None = field(default=None, eq=False, repr=False)

    @property
    def parts(self) -> tuple["Proof", ...]:
        """Each proof by itself, in the order in which they were shown."""
        return self.joined_parts or (self,)

    def joined(self, other: "Proof") -> "Proof":
        """This one and `other`, which was shown after it."""
        return Proof(
            f"{self.via}+{other.via}",
            self.fingerprint or other.fingerprint,
            other.serial if self.serial is None else self.serial,
            self.key_id or other.key_id,
            self.ca or other.ca,
            self.principals or other.principals,
            self.key or other.key,
            self.authority or other.authority,
            self.voucher or other.voucher,
            self.stamp or other.stamp,
            (*self.parts, *other.parts),
            granted=other.granted if self.granted is None else self.granted,
        )


@frozen
class SessionLimits:
    """What the proof itself allows, however much the operator may do (sshd(8), AUTHORIZED_KEYS).

    `command` is run instead of whatever is asked for, with the words of the exec line; `opens`
    names the consoles that `-W` and `-L` may reach, None for all.
    """

    command: str | None = None
    pty: bool = True
    forwarding: bool = True
    opens: tuple[str, ...] | None = None

    def also(self, other: "SessionLimits") -> "SessionLimits | None":
        """What both allow; None where each forces another command."""
        commands = {c for c in (self.command, other.command) if c is not None}
        if len(commands) > 1:
            return None
        mine, theirs = self.opens, other.opens
        if mine is not None and theirs is not None:
            both: tuple[str, ...] | None = tuple(name for name in mine if name in theirs)
        else:
            both = theirs if mine is None else mine
        return SessionLimits(
            next(iter(commands), None),
            self.pty and other.pty,
            self.forwarding and other.forwarding,
            both,
        )


UNLIMITED = SessionLimits()


@frozen
class Session:
    """A login, or a command from the machine itself. `id` is unique over restarts.

    `since`: seconds since 1970. `among`: patterns of the only consoles that there are for it.
    `read_only`: the login asked for that.
    """

    id: str
    operator: Operator
    proof: Proof
    address: str
    since: float
    limits: SessionLimits = field(default=UNLIMITED)
    reason: str = ""  # as the operator gave it: a ticket's number
    among: tuple[str, ...] | None = None
    read_only: bool = False

    def sees(self, subject: Subject) -> bool:
        """Whether the console that `subject` describes is among its consoles."""
        return self.among is None or any(matches(each, subject) for each in self.among)

    def narrowed(self, rights: Rights, subject: Subject) -> Rights:
        """What of `rights`, which its operator has on the console that `subject` describes, it has
        itself.
        """
        if not self.sees(subject):
            return NOTHING
        return (rights & READING) | approving(rights) if self.read_only else rights

    @property
    def facts(self) -> dict[str, Fact]:
        """The fields by which every event names it."""
        proof = self.proof
        return {
            "session": self.id,
            "operator": self.operator.name,
            "via": proof.via,
            "fingerprint": proof.fingerprint or None,
            "serial": proof.serial,
            "key_id": proof.key_id or None,
            "ca": proof.ca or None,
            "address": self.address,
            "socket": proof.socket or None,
            "reason": self.reason or None,
        }

    def about(self, other: "Session", does: str, do: str) -> str:
        """What `other` does, as shown to this session: "bob is typing"; the same operator
        elsewhere is "you, from session 9685, are typing".
        """
        if other.operator.name != self.operator.name:
            return f"{other.operator.name} {does}"
        this = " (this one)" if other.id == self.id else ""
        return f"you, from session {other.id}{this}, {do}"

    def because(self, reason: str) -> "Session":
        """The same with a reason: what of it fits into one line of `REASON_LIMIT` characters."""
        return evolve(self, reason=safe(reason, REASON_LIMIT))
