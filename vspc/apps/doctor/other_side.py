"""What to check on the other side: on an ESXi host, in vCenter, in the guest, at a device server.

Each check has lines to look at or to paste, with the host and the ports of this server in them, and
more words for those who ask. Facts: docs/vsphere.md has where they come from.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType

from attrs import frozen

from vspc.apps.doctor.facts import Setup


class Check(Enum):
    """One thing to check, in the order in which they are printed."""

    SERIAL_PORT = "serial-port"
    RULE_SET = "rule-set"
    REACH = "reach"
    CERTIFICATE = "certificate"
    LICENCE = "licence"
    VCENTER = "vcenter"
    VMOTION = "vmotion"
    GUEST = "guest"
    DIRECT_RULE_SET = "direct-rule-set"
    DEVICE_SERVER = "device-server"


NOT_THERE = (Check.SERIAL_PORT, Check.RULE_SET, Check.REACH, Check.CERTIFICATE, Check.LICENCE)
"""What to check where no connection of a VM has arrived."""


@frozen
class OtherSide:
    """What is printed of a check: a heading, lines, and more that `--verbose` adds."""

    heading: str
    lines: Callable[[Setup], Iterator[str]]
    more: tuple[str, ...] = ()


def _serial_port(setup: Setup) -> Iterator[str]:
    yield "Connection: Use Network; Status: Connected, Connect At Power On; Direction: Server"
    yield f"Port URI: {next(iter(setup.words), 'vspc')}"
    yield "Use Virtual Serial Port Concentrator: ticked; vSPC URI, one of:"
    marked = f"#thumbprint={setup.thumbprint}" if setup.thumbprint else ""
    yield from (f"  telnets://{setup.host}:{port}{marked}" for port in setup.ports(True))
    yield from (f"  telnet://{setup.host}:{port}" for port in setup.ports(False))


def _rule_set(_setup: Setup) -> Iterator[str]:
    yield "esxcli network firewall ruleset set --ruleset-id vSPC --enabled true"
    yield "esxcli network firewall ruleset rule list --ruleset-id vSPC"


def _reach(setup: Setup) -> Iterator[str]:
    ports = [*setup.ports(True), *setup.ports(False)]
    yield from (f"nc -z {setup.host} {port}" for port in ports)


def _certificate(setup: Setup) -> Iterator[str]:
    ports = setup.ports(True)
    for port in ports:
        yield (
            f"openssl s_client -connect {setup.host}:{port} </dev/null | "
            "openssl x509 -noout -fingerprint -sha1"
        )
    if ports and setup.thumbprint:
        yield f"it has to print {setup.thumbprint}"


def _licence(_setup: Setup) -> Iterator[str]:
    yield "vim-cmd vimsvc/license --show | grep -i serial"


def _vcenter(_setup: Setup) -> Iterator[str]:
    yield "config.vpxd.SerialPort.PersistNetworkBacking = true"


def _vmotion(_setup: Setup) -> Iterator[str]:
    yield "serialN.vmotionLimit = 5000"


def _guest(_setup: Setup) -> Iterator[str]:
    yield "kernel command line: console=tty0 console=ttyS0,115200"
    yield "systemctl enable --now serial-getty@ttyS0"


def _direct_rule_set(_setup: Setup) -> Iterator[str]:
    yield "esxcli network firewall ruleset set --ruleset-id remoteSerialPort --enabled true"


def _device_server(_setup: Setup) -> Iterator[str]:
    yield "operating mode: TCP server (RFC 2217 for rfc2217://)"
    yield "a TCP port of its own for each serial port, 4001 and up"
    yield "connections to one port at once, 8 as a rule: not all in use by other programs"


OTHER_SIDES: Mapping[Check, OtherSide] = MappingProxyType(
    {
        Check.SERIAL_PORT: OtherSide(
            "In vSphere, the VM's serial port:",
            _serial_port,
            (
                "Direction is Server although the host connects: the VM serves operators.",
                "A port that was disconnected is connected again by its Connected box.",
            ),
        ),
        Check.RULE_SET: OtherSide(
            "On the ESXi host, the firewall's rule set for a concentrator:",
            _rule_set,
            (
                "vSPC allows TCP from the host to the concentrator and nothing inwards; some",
                "releases allow only some ports, which the second command prints. Its list of",
                "allowed IP addresses is to stay as it is.",
            ),
        ),
        Check.REACH: OtherSide(
            "On the ESXi host, whether it reaches this server (by its management interface):",
            _reach,
            (
                "A refused connection: nothing listens there, or the host is wrong. No answer: a",
                "firewall drops it, that of the host included.",
            ),
        ),
        Check.CERTIFICATE: OtherSide(
            "Anywhere in its network, the certificate that arrives:",
            _certificate,
            (
                "The thumbprint in the proxy URI is the SHA-1 fingerprint of the certificate;",
                "another one means another server, or something between that ends TLS.",
            ),
        ),
        Check.LICENCE: OtherSide(
            "On the ESXi host, whether its licence has network serial ports (serialuri):",
            _licence,
            (
                "Without it the port is refused, or the power-on of its VM, or the port stays",
                "disconnected: that depends on the release.",
            ),
        ),
        Check.VCENTER: OtherSide(
            "In vCenter, an advanced setting:",
            _vcenter,
            ("Without it vCenter loses the network serial ports of running VMs as it restarts.",),
        ),
        Check.VMOTION: OtherSide(
            "In the VM's advanced settings, milliseconds in which GOAHEAD has to arrive:",
            _vmotion,
            ("Without an answer in that time the vMotion fails, and the VM stays on its host.",),
        ),
        Check.GUEST: OtherSide(
            "In the guest (Linux):",
            _guest,
            ("A guest that uses no console on its serial port sends nothing.",),
        ),
        Check.DIRECT_RULE_SET: OtherSide(
            "On an ESXi host without a concentrator, the firewall's rule set:",
            _direct_rule_set,
            (
                "remoteSerialPort allows TCP from the host to any port, and to the host at port",
                "23 and those from 1024. Its list of allowed IP addresses is to stay as it is.",
            ),
        ),
        Check.DEVICE_SERVER: OtherSide(
            "At the device server:",
            _device_server,
            (
                "A port whose connections are all in use refuses the next one, or closes it at",
                "once.",
            ),
        ),
    }
)
