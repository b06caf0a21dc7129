"""The configuration as frozen classes; a class is a table, a field a key, its default the key's.

Times are seconds, sizes bytes, paths absolute once loaded.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from vspc.common.addresses import LOOPBACK, Network
from vspc.config.alert_settings import AlertSettings, PanicSettings, alert_count
from vspc.config.breaks import BreakStep, break_name, break_sequences, break_steps
from vspc.config.checks import (
    COMPUTED,
    checked,
    group_names,
    group_title,
    once,
    operator_globs,
    ring,
    some,
    template,
    unless_none,
    within,
    within_size,
    within_time,
    zone_name,
)
from vspc.config.credentials import (
    AuthoritiesFile,
    Authority,
    AuthorizedKey,
    HashFile,
    KeysFile,
    PasswordHash,
    TotpFile,
)
from vspc.config.profiles import ProfileSettings
from vspc.config.toml_lines import TomlLines
from vspc.config.values import (
    DEFAULT_ESCAPE,
    Consoles,
    Duration,
    Endpoint,
    EscapeKey,
    Expression,
    Floor,
    Pattern,
    ProgramPath,
    Readable,
    Size,
    StateFile,
    Target,
    Who,
)
from vspc.config.vm_settings import DialSettings, SocketSettings, VmSettings

Right = Literal["read", "write", "break", "force", "join", "admin"]
Role = Literal["admin", "audit"]
OnFailure = Literal["continue", "refuse"]
SinkKind = Literal["text", "json", "syslog"]
Fsync = Literal["never", "interval", "always"]

STATE_DIR = Path("state")
"""The default state_dir, relative to the file."""

AUDIT_FILE = StateFile(Path("audit.jsonl"))
"""In state_dir."""

BOOT_PATTERNS: tuple[Expression, ...] = (
    Expression("SeaBIOS "),
    Expression("EFI v[0-9]|BdsDxe: |UEFI Interactive Shell"),
    Expression("Linux version [0-9]"),
)
"""Output with which a boot begins, in the order of a boot."""


@frozen
class CertificateMap:
    """[[ssh.certificates.map]]: operators that certificates with these principals log in."""

    principals: tuple[str, ...] = field(metadata=some("globs of principals"))
    operator: str = field(default="{principal}", metadata=checked(template))
    groups: tuple[str, ...] = field(default=(), metadata=checked(group_names))
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
        return self.authorities + (self.authorities_file or ())


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
    auth_command_groups: tuple[str, ...] = field(default=(), metadata=checked(group_names))
    auth_command_operators: tuple[str, ...] = field(default=(), metadata=checked(operator_globs))
    auth_command_wait: Duration = field(default=Duration(600.0), metadata=within_time(0, 3600))
    authorized_keys_command: ProgramPath | None = None


@frozen
class OperatorSettings:
    """[operators.NAME]: an operator that may log in."""

    authorized_keys: tuple[AuthorizedKey, ...] = ()
    authorized_keys_file: KeysFile | None = None
    password_hash: PasswordHash | None = None
    password_hash_file: HashFile | None = None
    totp_secret_file: TotpFile | None = None
    require: tuple[str, ...] = field(default=(), metadata=checked(once))
    verify_required: bool = False
    groups: tuple[str, ...] = field(default=(), metadata=checked(group_names))
    roles: tuple[Role, ...] = ()

    @property
    def password(self) -> PasswordHash | None:
        """The hash of either source."""
        return self.password_hash or self.password_hash_file

    @property
    def keys(self) -> tuple[AuthorizedKey, ...]:
        """The keys of both sources."""
        return self.authorized_keys + (self.authorized_keys_file or ())

    @property
    def placed_keys(self) -> Iterator[tuple[str, AuthorizedKey]]:
        """The same, each with its place in the operator's table, or in the file."""
        for index, key in enumerate(self.authorized_keys):
            yield f"authorized_keys[{index}]", key
        for key in self.authorized_keys_file or ():
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
    approve: tuple[Who, ...] | None = field(
        default=None, metadata=unless_none(some("operators, groups or *; or remove the key"))
    )
    line: int = field(default=0, eq=False, metadata=COMPUTED)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The consoles of both sources."""
        return self.consoles + getattr(self.consoles_file, "patterns", ())


@frozen
class GroupSettings:
    """[[group]]: consoles that the chooser shows as a list of its own."""

    title: str = field(metadata=checked(group_title))
    consoles: tuple[Pattern, ...] = ()
    consoles_file: Consoles | None = None

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


@frozen
class ConsoleSettings:
    """[console]: output in memory, the pen, and sockets for programs."""

    history: Size = field(default=Size(64 << 10), metadata=ring(4 << 10, 1 << 20))
    history_total: Size = field(default=Size(256 << 20), metadata=within_size(1 << 20, 1 << 40))
    forget_after: Duration = field(
        default=Duration(7 * 86400.0), metadata=within_time(60, 366 * 86400)
    )
    pen_idle: Duration = field(default=Duration(900.0), metadata=within_time(0, 366 * 86400))
    ask_timeout: Duration = field(default=Duration(20.0), metadata=within_time(0, 86400))
    approve_timeout: Duration = field(default=Duration(300.0), metadata=within_time(5, 86400))
    listen: tuple[SocketSettings, ...] = ()
    profile: tuple[ProfileSettings, ...] = ()


@frozen
class BreakSettings:
    """[[break]]: a named sequence of BREAKs, text and delays, for the consoles that match."""

    name: str = field(metadata=checked(break_name))
    steps: tuple[BreakStep, ...] = field(metadata=checked(break_steps))
    consoles: tuple[Pattern, ...] = (Pattern("*"),)


@frozen
class LogPolicy:
    """[[log.policy]]: the first one whose consoles match decides how a console is logged."""

    consoles: tuple[Pattern, ...]
    log: bool = True
    keep: Duration | None = field(
        default=None, metadata=unless_none(within_time(60, 36525 * 86400))
    )
    max: Size | None = field(default=None, metadata=unless_none(within_size(256 << 10, 1 << 50)))


@frozen
class SinkSettings:
    """[[log.sink]]: output of VMs for other programs."""

    name: str = field(metadata=checked(zone_name))
    kind: SinkKind
    target: Target
    consoles: tuple[Pattern, ...] = (Pattern("*"),)
    ca: Readable | None = None
    certificate: Readable | None = None
    private_key: Readable | None = None
    facility: int = field(default=16, metadata=within(0, 23))


@frozen
class LogSettings:
    """[log]: output of VMs on disk."""

    enabled: bool = True
    max_console: Size = field(default=Size(64 << 20), metadata=within_size(256 << 10, 1 << 50))
    max_total: Size = field(default=Size(20 << 30), metadata=within_size(4 << 20, 1 << 50))
    keep: Duration = field(default=Duration(90 * 86400.0), metadata=within_time(60, 36525 * 86400))
    free_floor: Floor = field(default=Floor(1 << 30, 5.0))
    fsync: Fsync = "interval"
    fsync_interval: Duration = field(default=Duration(1.0), metadata=within_time(0.05, 60))
    record_input: bool = False
    boot_patterns: tuple[Expression, ...] = BOOT_PATTERNS
    policy: tuple[LogPolicy, ...] = ()
    sink: tuple[SinkSettings, ...] = ()


@frozen
class MetricsSettings:
    """[metrics]: numbers for Prometheus over HTTP, and turns of the reactor that take too long."""

    listen: tuple[Endpoint, ...] = ()
    allow: tuple[Network, ...] = LOOPBACK
    per_console: tuple[Pattern, ...] = ()
    slow_turn: Duration = field(default=Duration(0.25), metadata=within_time(0.05, 60))


@frozen
class TlsSettings:
    """[tls]: the certificate of telnets listeners; without one, it is made and kept."""

    certificate: Readable | None = None
    private_key: Readable | None = None


@frozen
class Config:
    """A whole configuration. `path` is its file, `warnings` what is probably unintended in it,
    `lines` the lines of its keys.
    """

    state_dir: Path = STATE_DIR
    vm: VmSettings = field(factory=VmSettings)
    dial: tuple[DialSettings, ...] = ()
    console: ConsoleSettings = ConsoleSettings()
    log: LogSettings = LogSettings()
    audit: AuditSettings = field(factory=AuditSettings)
    metrics: MetricsSettings = MetricsSettings()
    tls: TlsSettings = TlsSettings()
    ssh: SshSettings = field(factory=SshSettings)
    operators: Mapping[str, OperatorSettings] = field(factory=dict)
    access: tuple[AccessRule, ...] = ()
    group: tuple[GroupSettings, ...] = ()
    break_: tuple[BreakSettings, ...] = field(default=(), metadata=checked(break_sequences))
    alert: tuple[AlertSettings, ...] = field(default=(), metadata=checked(alert_count))
    panics: PanicSettings = field(factory=PanicSettings)
    path: Path = field(default=Path(), metadata=COMPUTED)
    warnings: tuple[str, ...] = field(default=(), metadata=COMPUTED)
    lines: TomlLines = field(factory=TomlLines, eq=False, repr=False, metadata=COMPUTED)


def key_of(attribute: str) -> str:
    """The key of an attribute: words of Python have an underscore behind them there."""
    return attribute.rstrip("_")
