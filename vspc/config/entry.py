"""[ssh], [operators.NAME], [[access]] and [audit]: who may come in, and what he may do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from vspc.config.checks import (
    COMPUTED,
    group_names,
    once,
    some,
    template,
    unless_none,
    within,
    within_time,
)
from vspc.config.keys import AuthoritiesFile, Authority, AuthorizedKey, KeysFile
from vspc.config.secrets import HashFile, PasswordHash, TotpFile
from vspc.config.units import (
    DEFAULT_ESCAPE,
    Consoles,
    Duration,
    Endpoint,
    EscapeKey,
    Pattern,
    ProgramPath,
    Readable,
    StateFile,
    Target,
    Who,
)

Right = Literal["read", "write", "break", "force", "admin"]
Role = Literal["admin", "audit"]
Method = Literal["publickey", "certificate", "password", "totp", "auth_command"]
OnFailure = Literal["continue", "refuse"]

AUDIT_FILE = StateFile(Path("audit.jsonl"))
"""In state_dir."""


@frozen
class CertificateMap:
    """[[ssh.certificates.map]]: whom a certificate with one of these principals stands for."""

    principals: tuple[str, ...] = field(metadata=some("globs of principals"))
    operator: str = field(default="{principal}", metadata=template())
    groups: tuple[str, ...] = field(default=(), metadata=group_names())
    roles: tuple[Role, ...] = ()


@frozen
class CertificateSettings:
    """[ssh.certificates]: authorities whose certificates operators log in with."""

    authorities: tuple[Authority, ...] = ()
    authorities_file: AuthoritiesFile | None = None
    revoked: Path | None = None
    max_validity: Duration | None = field(
        default=None, metadata=unless_none(within_time(60, 36525 * 86400))
    )
    map: tuple[CertificateMap, ...] = ()

    @property
    def keys(self) -> tuple[AuthorizedKey, ...]:
        """The authorities of both sources."""
        return self.authorities + getattr(self.authorities_file, "keys", ())


@frozen
class SshSettings:
    """[ssh]: where operators connect."""

    listen: tuple[Endpoint, ...] = (Endpoint("tcp:2222"),)
    host_keys: tuple[Readable, ...] = ()
    login_timeout: Duration = field(default=Duration(60.0), metadata=within_time(1, 600))
    max_unauthenticated: int = field(default=200, metadata=within(1, 100_000))
    max_unauthenticated_per_address: int = field(default=32, metadata=within(1, 100_000))
    max_channels: int = field(default=64, metadata=within(1, 1000))
    max_sessions: int = field(default=64, metadata=within(1, 100_000))
    max_attachments: int = field(default=256, metadata=within(1, 100_000))
    max_followed: int = field(default=8, metadata=within(1, 100_000))
    escape: EscapeKey = DEFAULT_ESCAPE
    certificates: CertificateSettings = CertificateSettings()
    auth_command: ProgramPath | None = None
    authorized_keys_command: ProgramPath | None = None


@frozen
class OperatorSettings:
    """[operators.NAME]: somebody who may log in."""

    authorized_keys: tuple[AuthorizedKey, ...] = ()
    authorized_keys_file: KeysFile | None = None
    password_hash: PasswordHash | None = None
    password_hash_file: HashFile | None = None
    totp_secret_file: TotpFile | None = None
    require: tuple[Method, ...] = field(default=(), metadata=once())
    verify_required: bool = False
    groups: tuple[str, ...] = field(default=(), metadata=group_names())
    roles: tuple[Role, ...] = ()

    @property
    def password(self) -> PasswordHash | None:
        """The hash of either source."""
        return self.password_hash or getattr(self.password_hash_file, "hash", None)

    @property
    def keys(self) -> tuple[AuthorizedKey, ...]:
        """The keys of both sources."""
        return self.authorized_keys + getattr(self.authorized_keys_file, "keys", ())

    @property
    def placed_keys(self) -> Iterator[tuple[str, AuthorizedKey]]:
        """The same, each with its place in the operator's table, or in the file."""
        for index, key in enumerate(self.authorized_keys):
            yield f"authorized_keys[{index}]", key
        for key in getattr(self.authorized_keys_file, "keys", ()):
            yield f"authorized_keys_file: line {key.line}", key


@frozen
class AccessRule:
    """[[access]]: the first one whose operators and consoles match decides."""

    operators: tuple[Who, ...]
    rights: tuple[Right, ...]
    consoles: tuple[Pattern, ...] = ()
    consoles_file: Consoles | None = None
    history: Duration | None = field(
        default=None, metadata=unless_none(within_time(0, 36525 * 86400))
    )
    require_reason: bool = False
    line: int = field(default=0, eq=False, metadata=COMPUTED)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The consoles of both sources."""
        return self.consoles + getattr(self.consoles_file, "patterns", ())


@frozen
class AuditSettings:
    """[audit]: the record of who did what. `file` is absolute once loaded."""

    enabled: bool = True
    file: StateFile = AUDIT_FILE
    on_failure: OnFailure = "continue"
    syslog: Target | None = None
    ca: Readable | None = None
    certificate: Readable | None = None
    private_key: Readable | None = None
    facility: int = field(default=10, metadata=within(0, 23))
    journald: bool = False
