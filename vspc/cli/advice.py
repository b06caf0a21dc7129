"""`vspc proxy-uri` and `vspc fingerprints`: what is typed into vSphere and known_hosts."""

import socket
from collections.abc import Mapping
from types import MappingProxyType

from vspc.common.globs import is_glob
from vspc.common.state_dir import StateError, make
from vspc.config import Config
from vspc.config.checks import DEFAULT_ZONE
from vspc.config.listening import listening
from vspc.config.vm_settings import ZoneSettings
from vspc.net.tls import TlsError, load_pair, thumbprint
from vspc.ssh.keys import HostKeyError, fingerprint_line, host_keys, known_hosts_line
from vspc.wire.uri import proxy_uri


class AdviceError(Exception):
    """Keys or certificates cannot be read or made; the text says why."""


def own_name() -> str:
    """The name of this machine for others; many an /etc/hosts gives its full name as localhost."""
    found = socket.getfqdn()
    return socket.gethostname() if found.startswith("localhost") else found


def fingerprints(config: Config) -> list[str]:
    """Each host key as `ssh-keygen -l` prints it, then as a known_hosts line."""
    try:
        make(config.state_dir)
        keys = host_keys(config.ssh.host_keys, config.state_dir)
    except (StateError, HostKeyError) as error:
        raise AdviceError(str(error)) from None
    port = next((listening(e).port for e in config.ssh.listen if listening(e).port), 22)
    return [
        *(fingerprint_line(key) for key in keys),
        *(known_hosts_line(own_name(), port, key) for key in keys),
    ]


def proxy_uris(config: Config, host: str | None) -> list[str]:
    """Every proxy URI, plain and with what ESXi can check, and which to choose."""
    name = host or own_name()
    lines = [
        "In vSphere: Edit Settings, Serial port, Use Network; Direction: Server;",
        f"Port URI: {_service_uri(config)};",
        "tick Use Virtual Serial Port Concentrator; vSPC URI, one of:",
    ]
    for zone in config.vm.zones:
        found = _of_zone(config, zone, name)
        if found and zone.name != DEFAULT_ZONE:
            lines.append(f"for hosts of zone {zone.name}, one of:")
        lines += found
    lines.append("On each ESXi host: esxcli network firewall ruleset set -r vSPC -e true")
    return lines


def _of_zone(config: Config, zone: ZoneSettings, name: str) -> list[str]:
    secure = [port for e in zone.telnets if (port := listening(e).port)]
    plain = [port for e in zone.telnet if (port := listening(e).port)]
    lines = _secure(config, name, secure) if secure else []
    for port in plain:
        uri = proxy_uri("telnet", name, port)
        lines.append(f"  {uri}    {_WITHOUT_TLS[zone.tls]}")
    return lines


_WITHOUT_TLS: Mapping[str, str] = MappingProxyType(
    {
        "off": "no encryption: trusted networks only",
        "offer": "TLS if the VM starts it, else no encryption",
        "require": "TLS that the VM starts inside the connection",
    }
)
"""How a telnet:// connection is protected, by `start_tls`."""


def _service_uri(config: Config) -> str:
    """The first accepted word that is not a glob."""
    words = (word for word in config.vm.service_uris if not is_glob(word))
    return next(words, "vspc")


def _secure(config: Config, name: str, ports: list[int]) -> list[str]:
    try:
        make(config.state_dir)
        pair = load_pair(config.tls.certificate, config.tls.private_key, config.state_dir)
    except (StateError, TlsError) as error:
        raise AdviceError(str(error)) from None
    sha1 = thumbprint(pair, "sha1")
    lines = []
    for port in ports:
        lines += [
            f"  {proxy_uri('telnets', name, port, thumbprint=sha1)}",
            "      choose this one: encrypted, and the host checks that it is this server",
            f"  {proxy_uri('telnets', name, port, peerName=name)}",
            "      if the certificate comes from a CA that the hosts trust",
            f"  {proxy_uri('telnets', name, port)}    encrypted, not checked",
        ]
    return lines
