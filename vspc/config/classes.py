"""The configuration as frozen classes; a class is a table, a field a key, its default the key's.

Times are seconds, sizes bytes, paths absolute once loaded.
"""

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from vspc.config.mistakes import Wrong
from vspc.config.units import AuthorizedKey, Duration, Endpoint, Network, Size

Right = Literal["read", "write", "break", "force", "admin"]
Role = Literal["admin", "audit"]

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


def _within(low: float, high: float, unit: str = "") -> Callable[[Any, Any, Any], None]:
    def check(_instance: Any, attribute: Any, value: Any) -> None:
        if not low <= value <= high:
            raise Wrong(
                f"it is {value:g}{unit}", f"{low:g} to {high:g}{unit} is allowed"
            )

    return check


def _ring(_instance: object, _attribute: object, value: int) -> None:
    if not 4096 <= value <= 1 << 20 or value & (value - 1):
        raise Wrong(f"it is {value} bytes", "a power of two from 4KiB to 1MiB is allowed")


def _label(_instance: object, _attribute: object, value: str) -> None:
    if not value or len(value) > 80 or not value.isprintable():
        raise Wrong(f"{value!r} is no name", "1 to 80 printable characters are allowed")


@frozen
class PlainSettings:
    """[[vm.plain]]: a console whose VM dials us without the extension."""

    name: str = field(validator=_label)
    listen: Endpoint
    telnet: bool = False
    allow: tuple[Network, ...] | None = None


@frozen
class VmSettings:
    """[vm]: where virtual machines connect, and who may."""

    telnet: tuple[Endpoint, ...] = (Endpoint("tcp:13370"),)
    telnets: tuple[Endpoint, ...] = (Endpoint("tcp:13371"),)
    service_uris: tuple[str, ...] = ("vspc", "vSPC.py")
    allow: tuple[Network, ...] = LOOPBACK
    probe_timeout: Duration = field(default=Duration(5.0), validator=_within(0.1, 60, " s"))
    identify_timeout: Duration = field(default=Duration(30.0), validator=_within(1, 600, " s"))
    vmotion_timeout: Duration = field(default=Duration(120.0), validator=_within(5, 3600, " s"))
    plain: tuple[PlainSettings, ...] = ()


@frozen
class ConsoleSettings:
    """[console]: what is kept of what VMs say."""

    history: Size = field(default=Size(64 << 10), validator=_ring)
    history_total: Size = field(default=Size(256 << 20), validator=_within(1 << 20, 1 << 40, " B"))
    forget_after: Duration = field(
        default=Duration(7 * 86400.0),
        validator=_within(60, 366 * 86400, " s"),
    )


@frozen
class TlsSettings:
    """[tls]: the certificate of telnets listeners; without one, it is made and kept."""

    certificate: Path | None = None
    private_key: Path | None = None


@frozen
class SshSettings:
    """[ssh]: where operators connect."""

    listen: tuple[Endpoint, ...] = (Endpoint("tcp:2222"),)
    host_keys: tuple[Path, ...] = ()
    login_timeout: Duration = field(default=Duration(60.0), validator=_within(1, 600, " s"))
    max_unauthenticated: int = field(default=200, validator=_within(1, 100_000))
    max_unauthenticated_per_address: int = field(default=32, validator=_within(1, 100_000))
    max_channels: int = field(default=64, validator=_within(1, 1000))


@frozen
class OperatorSettings:
    """[operators.NAME]: somebody who may log in. `keys` come from both sources."""

    authorized_keys: tuple[AuthorizedKey, ...] = ()
    authorized_keys_file: Path | None = None
    groups: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()
    keys: tuple[AuthorizedKey, ...] = ()


@frozen
class AccessRule:
    """[[access]]: the first one whose operators and consoles match decides."""

    operators: tuple[str, ...]
    consoles: tuple[str, ...]
    rights: tuple[Right, ...]


@frozen
class Config:
    """A whole configuration. `path` is the file it came from, `warnings` what is odd in it."""

    state_dir: Path = Path("state")
    vm: VmSettings = VmSettings()
    console: ConsoleSettings = ConsoleSettings()
    tls: TlsSettings = TlsSettings()
    ssh: SshSettings = SshSettings()
    operators: dict[str, OperatorSettings] = field(factory=dict)
    access: tuple[AccessRule, ...] = ()
    path: Path = Path()
    warnings: tuple[str, ...] = ()
