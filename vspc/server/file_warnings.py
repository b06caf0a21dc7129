"""What `vspc check` and a start warn of, where it takes a look at the disk or at the clock."""

import os
import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from vspc.common.text import safe
from vspc.config import Config, OperatorSettings
from vspc.config.mistakes import join
from vspc.config.proofs import ways
from vspc.net.certificates import PemError, chain_problems, name_of, read_pem, validity
from vspc.net.tls import CERTIFICATE


def file_warnings(config: Config, now: datetime) -> Iterator[str]:
    """Each begins with a key path. `config` has been loaded with its files."""
    yield from _state_dir(config.state_dir)
    yield from _certificates(config, now)
    for key, path in _private_keys(config):
        yield from _readable_key(key, path)
    yield from _logins(config, now.timestamp())


# The state directory


def _state_dir(path: Path) -> Iterator[str]:
    why = _not_made(path)
    if why:
        yield f"state_dir: {safe(str(path))}: {why}, so the server cannot start as this user"


def _not_made(path: Path) -> str:
    """Why it cannot be made, or written to; nothing is made here."""
    for place in (path, *path.parents):
        try:
            mode = place.stat().st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"it cannot be made: {safe(str(place))}: {error.strerror}"
        if not stat.S_ISDIR(mode):
            what = "it is not a directory" if place == path else "it cannot be made: "
            return what if place == path else f"{what}{safe(str(place))} is not a directory"
        if os.access(place, os.W_OK | os.X_OK):
            return ""
        what = "it cannot be written to" if place == path else "it cannot be made"
        return f"{what}: {safe(str(place))} may not be written to"
    return "it cannot be made"


# Certificates


def _certificates(config: Config, now: datetime) -> Iterator[str]:
    for key, path in _own(config):
        chain = _loaded(path)
        where = f"{key}: {safe(str(path))}"
        yield from (f"{where}: {what}" for what in _periods(chain, now))
        yield from (f"{where}: {what}" for what in chain_problems(chain))
    for key, path in _authorities(config):
        where = f"{key}: {safe(str(path))}"
        yield from (f"{where}: {what}" for what in _periods(_loaded(path), now))


def _own(config: Config) -> Iterator[tuple[str, Path]]:
    """Certificates that the server shows, with their chains."""
    own = config.state_dir / CERTIFICATE
    if config.tls.certificate is not None:
        yield "tls.certificate", config.tls.certificate
    elif any(zone.telnets or zone.tls != "off" for zone in config.vm.zones) and own.exists():
        yield "tls", own
    if config.audit.certificate is not None:
        yield "audit.certificate", config.audit.certificate
    for index, sink in enumerate(config.log.sink):
        if sink.certificate is not None:
            yield f"log.sink[{index}].certificate", sink.certificate


def _authorities(config: Config) -> Iterator[tuple[str, Path]]:
    if config.vm.client_ca is not None:
        yield "vm.client_ca", config.vm.client_ca
    for index, zone in enumerate(config.vm.zone):
        if zone.client_ca is not None:
            yield f"vm.zone[{index}].client_ca", zone.client_ca
    if config.audit.ca is not None:
        yield "audit.ca", config.audit.ca
    for index, sink in enumerate(config.log.sink):
        if sink.ca is not None:
            yield f"log.sink[{index}].ca", sink.ca


def _loaded(path: Path) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(read_pem(path))
    except (PemError, ValueError):
        return ()  # a mistake, which is told elsewhere


def _periods(chain: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    for each in chain:
        problem = validity(each).problem(now)
        if problem:
            yield f"certificate of {name_of(each.subject)}: {problem}"


# Private keys


def _private_keys(config: Config) -> Iterator[tuple[str, Path]]:
    if config.tls.private_key is not None:
        yield "tls.private_key", config.tls.private_key
    for index, path in enumerate(config.ssh.host_keys):
        yield f"ssh.host_keys[{index}]", path
    if config.audit.private_key is not None:
        yield "audit.private_key", config.audit.private_key
    for index, sink in enumerate(config.log.sink):
        if sink.private_key is not None:
            yield f"log.sink[{index}].private_key", sink.private_key


def _readable_key(key: str, path: Path) -> Iterator[str]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return  # a mistake, which is told elsewhere
    if mode & 0o027:
        what = f"others may read or change this private key (mode {mode:04o})"
        yield f"{key}: {safe(str(path))}: {what}; chmod 600"


# Logins


def _logins(config: Config, now: float) -> Iterator[str]:
    for name, operator in config.operators.items():
        for place, key in operator.placed_keys:
            if key.options.expires is not None and now >= key.options.expires:
                yield f"{join('operators', name)}.{place}: its expiry-time is past"
    certificates = config.ssh.certificates
    if not config.operators or (certificates.keys and certificates.map):
        return  # no operators: that is a warning of its own
    if not any(_can_log_in(each, config, now) for each in config.operators.values()):
        yield "operators: none of them has anything to log in with, so nobody can log in"


def _can_log_in(operator: OperatorSettings, config: Config, now: float) -> bool:
    there = ways(operator, config) - {"totp"}
    by_key_alone = there == {"publickey"} and config.ssh.authorized_keys_command is None
    if not by_key_alone:
        return bool(there)
    expiries = [key.options.expires for key in operator.keys]
    return any(expires is None or now < expires for expires in expiries)


def warnings_now(config: Config) -> Iterator[str]:
    """`file_warnings` at this moment."""
    return file_warnings(config, datetime.now(UTC))
