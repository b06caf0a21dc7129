"""What a diagnosis is made of, as values: what was asked, what the configuration says, what is
known of consoles and of connections that came to nothing.
"""

from collections.abc import Iterable
from enum import Enum
from urllib.parse import unquote

from attrs import frozen

from vspc.common.addresses import Network, parse_address
from vspc.config.listening import listening
from vspc.config.settings import Config
from vspc.console.connection_history import (
    FailedConnection,
    ForgottenConsole,
    HostRecord,
    UnidentifiedLine,
)
from vspc.console.console import ConsoleState
from vspc.console.events import HostChange, Introduction
from vspc.console.remote import RemoteSystem


class AskedAbout(Enum):
    """What a diagnosis is about."""

    EVERYTHING = "everything"
    VM = "VM"
    HOST = "host"


@frozen
class ListenerFacts:
    """One listener for VMs: `what` is telnet, telnets, or plain with the console's name; `port` is
    0 where it is not one of TCP.
    """

    what: str
    zone: str
    endpoint: str
    port: int

    @property
    def is_tls(self) -> bool:
        """Whether TLS begins with the first byte."""
        return self.what == "telnets"


@frozen
class Setup:
    """What the configuration in force says. `host` is how hosts may reach this machine;
    `thumbprint` the SHA-1 fingerprint of the certificate, empty if it is not known.
    """

    host: str = "localhost"
    listeners: tuple[ListenerFacts, ...] = ()
    allow: tuple[tuple[str, tuple[Network, ...]], ...] = ()
    service_uris: tuple[str, ...] = ()
    vmotion_timeout: float = 0.0
    thumbprint: str = ""

    @classmethod
    def of(cls, config: Config, host: str, thumbprint: str = "") -> "Setup":
        """That of `config`."""
        vm = config.vm
        listeners = list[ListenerFacts]()
        for zone in vm.zones:
            for what, endpoints in (("telnet", zone.telnet), ("telnets", zone.telnets)):
                listeners += (
                    ListenerFacts(what, zone.name, e, listening(e).port) for e in endpoints
                )
        for each in vm.plain:
            what = f"plain {each.name}"
            listeners.append(ListenerFacts(what, "", each.listen, listening(each.listen).port))
        allow = tuple((zone.name, zone.allow) for zone in vm.zones)
        return cls(host, tuple(listeners), allow, vm.service_uris, vm.vmotion_timeout, thumbprint)

    @property
    def words(self) -> list[str]:
        """The service URIs that can be typed as they are, which patterns cannot."""
        return [word for word in self.service_uris if not set(word) & set("*?[")]

    def zones_for(self, address: str) -> list[str]:
        """The zones whose hosts may have `address`."""
        found = parse_address(address)
        if found is None:
            return []
        return [zone for zone, nets in self.allow if any(found in net for net in nets)]

    def ports(self, tls: bool) -> list[int]:
        """TCP ports of the listeners for ESXi hosts, with or without TLS."""
        return [
            each.port for each in self.listeners if each.port and each.zone and each.is_tls is tls
        ]


@frozen
class ConsoleFacts:
    """One console; times are seconds since 1970. `claimants` are addresses of quarantined lines
    that claim to be its VM, `claims` is the console that a quarantined line claims to be; both only
    for administrators. `unanswered`: bytes of input that the VM's host does not take;
    `suspended`: it has asked for none. `dial_uri`: where the server connects to it, `next_try` when
    again, `remark` what is wrong with what answers there; `is_plain`: without VMware's extension;
    `settings` those of its serial port, where they are known.
    """

    title: str
    handle: str
    state: ConsoleState
    address: str
    since: float
    last_output: float | None = None
    away_reason: str = ""
    dial_uri: str = ""
    next_try: float | None = None
    remark: str = ""
    is_plain: bool = False
    settings: str = ""
    secure: bool = False
    unanswered: int | None = None
    suspended: bool = False
    claimants: tuple[str, ...] = ()
    claims: str = ""
    namesakes: int = 0
    duplicate: bool = False
    port_certain: bool = True
    host_change: HostChange | None = None
    console_id: str = ""
    remote: RemoteSystem | None = None


@frozen
class Facts:
    """All that is known of what was asked. Times are seconds since 1970.

    `failed` are connections that came to nothing and are about it, `nameless` those that ended
    before a name was said, and may be; the latest last. `since`: when the server started;
    `administrator`: whether the configuration and hosts are for who asks; `readable`: how many
    consoles were looked at, of which `consoles` are those in trouble, where all was asked about.
    """

    about: AskedAbout
    asked: str
    now: float
    since: float
    setup: Setup = Setup()
    consoles: tuple[ConsoleFacts, ...] = ()
    failed: tuple[FailedConnection, ...] = ()
    nameless: tuple[FailedConnection, ...] = ()
    unidentified: tuple[UnidentifiedLine, ...] = ()
    host: HostRecord | None = None
    forgotten: tuple[ForgottenConsole, ...] = ()
    administrator: bool = True
    readable: int = 0


def digits_of(asked: str) -> str | None:
    """`asked` as the 32 hex digits of a UUID; None if it is not one."""
    digits = asked.lower().removeprefix("uuid:").replace("-", "").replace(" ", "")
    is_uuid = len(digits) == 32 and not set(digits) - set("0123456789abcdef")
    return digits if is_uuid else None


def spellings(asked: str) -> set[str]:
    """What the VM may have said that `asked` means: without zone and port, `%XX` decoded."""
    digits, name = digits_of(asked), asked.partition("/")[2] or asked
    names = {asked, name, name.rpartition(":")[0] or name}
    return {unquote(each) for each in names} | ({digits} if digits else set())


def is_about(said: Introduction, names: Iterable[str]) -> bool:
    """Whether one of `names` was said, or is the UUID; names without case."""
    folded = {name.casefold() for name in names} - {""}
    return said.name.casefold() in folded or said.uuid in folded
