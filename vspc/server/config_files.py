"""A configuration together with the files that it names: mistakes in them, and warnings.

Certificates, keys and lists of revoked keys are read before a configuration counts. Warnings are
for `vspc check`, a start and a reload: they look at files, at the clock and at verbs.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from vspc.apps.verbs.commandline import CommandLine
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.parser import parse
from vspc.apps.verbs.table import VERBS, Invocation
from vspc.auth.methods import SETTINGS
from vspc.auth.revocation import unread
from vspc.common.text import safe
from vspc.config import Config, ConfigError, OperatorSettings, load
from vspc.config.file import mistake_in
from vspc.config.mistakes import Tainted, join
from vspc.config.proofs import ways
from vspc.net.certificates import PemError, chain_problems, name_of, read_pem, validity
from vspc.net.connection import ClientFiles, client_context
from vspc.net.tls import (
    CERTIFICATE,
    TlsError,
    examine_certificates,
    examine_private_key,
    load_pair,
    misplaced,
)
from vspc.ssh.keys import HostKeyError, load_host_key

_CERTIFICATE = "expected a PEM file of the certificate, followed by its chain"
_PRIVATE_KEY = "expected a PEM file of the certificate's private key, without a passphrase"
_AUTHORITIES = "expected a PEM file of certificates"


def load_config(path: Path) -> Config:
    """The configuration in `path`, without a look at the files that it names. Raises `ConfigError`
    with every mistake in it.
    """
    return load(path, SETTINGS)


def load_with_files(path: Path, unread_revoked: Callable[[Path], str] = unread) -> Config:
    """The configuration in `path`. Raises `ConfigError` with every mistake in it, and in the
    certificates and keys that it names. `unread_revoked` says why `ssh.certificates.revoked`
    cannot be read.
    """
    try:
        config = load_config(path)
        mistakes, tainted = [], Tainted()
    except ConfigError as error:
        if error.partial is None:
            raise
        config, mistakes = error.partial, error.mistakes
        tainted = Tainted(mistake.key for mistake in mistakes)
    found = [*_mistakes(config, tainted), *_revoked(config, unread_revoked)]
    mistakes += [mistake_in(config, *mistake) for mistake in found]
    if mistakes:
        raise ConfigError(mistakes, config)
    return config


def load_to_start(path: Path) -> Config:
    """As `load_with_files`, without a look at `ssh.certificates.revoked`: a server starts without
    it, accepts no key until it can be read, and logs that.
    """
    return load_with_files(path, lambda _path: "")


_Place = tuple[str, Path]
"""A key path and the file that it names."""

_Client = tuple[str, ClientFiles]
"""A key path and settings of a connection that the server makes."""


def _clients(config: Config) -> list[_Client]:
    sinks = enumerate(config.log.sink)
    return [
        ("audit", config.audit),
        *((f"log.sink[{i}]", sink) for i, sink in sinks),
        *((f"dial[{i}]", each) for i, each in enumerate(config.dial)),
        *((f"alert[{i}]", each) for i, each in enumerate(config.alert)),
    ]


def _peer_authorities(config: Config) -> Iterator[_Place]:
    if config.vm.client_ca is not None:
        yield "vm.client_ca", config.vm.client_ca
    for index, zone in enumerate(config.vm.zone):
        if zone.client_ca is not None:
            yield f"vm.zone[{index}].client_ca", zone.client_ca
    for index, entry in enumerate(config.console.listen):
        if entry.client_ca is not None:
            yield f"console.listen[{index}].client_ca", entry.client_ca


# Mistakes

_Found = Iterator[tuple[str, str, str]]
"""Key path, problem, what is allowed."""


def _mistakes(config: Config, tainted: Tainted) -> _Found:
    yield from _pair(config)
    for key_path, path in _peer_authorities(config):
        yield from _tried(key_path, _AUTHORITIES, examine_certificates, path)
    yield from _host_keys(config, tainted)
    for key_path, settings in _clients(config):
        if not tainted.about(key_path):
            yield from _client(key_path, settings)


def _client(key_path: str, settings: ClientFiles) -> _Found:
    ca, certificate, private_key = settings.ca, settings.certificate, settings.private_key
    if not (ca or certificate or private_key):
        return
    try:
        client_context(ca, certificate, private_key)
    except OSError as error:
        problem = f"ca, certificate or private_key cannot be used: {error.strerror or error}"
        yield f"{key_path}.ca", problem, "expected PEM files of certificates and of a private key"


def _pair(config: Config) -> _Found:
    certificate, key = config.tls.certificate, config.tls.private_key
    if certificate is None or key is None:
        return
    single = [
        *_tried("tls.certificate", _CERTIFICATE, examine_certificates, certificate),
        *_tried("tls.private_key", _PRIVATE_KEY, examine_private_key, key),
    ]
    # Whether they belong together can only be said of two files that are right.
    yield from single or _together(config, certificate, key)


def _together(config: Config, certificate: Path, key: Path) -> _Found:
    place = misplaced(certificate, key)
    if place:
        problem = f"{safe(str(certificate))}: the private key belongs to certificate {place} in it"
        yield "tls.certificate", problem, "the server's own certificate must be the first one"
        return
    yield from _tried(
        "tls.private_key", _PRIVATE_KEY, load_pair, certificate, key, config.state_dir
    )


def _tried(key_path: str, allowed: str, read: Callable[..., object], *paths: Path) -> _Found:
    try:
        read(*paths)
    except TlsError as error:
        yield key_path, str(error), allowed


def _revoked(config: Config, unread_revoked: Callable[[Path], str]) -> _Found:
    path = config.ssh.certificates.revoked
    why = "" if path is None else unread_revoked(path)
    if why:
        allowed = "a server that starts with it accepts no public key and no certificate"
        yield "ssh.certificates.revoked", why, allowed


def _host_keys(config: Config, tainted: Tainted) -> _Found:
    kinds: dict[bytes, str] = {}
    for index, path in tainted.numbered("ssh.host_keys", config.ssh.host_keys):
        key_path = f"ssh.host_keys[{index}]"
        try:
            kind = load_host_key(path).kind
        except HostKeyError as error:
            yield key_path, str(error), "expected a private key without a passphrase"
            continue
        if kind in kinds:
            problem = f"a key of the same type, {kind.decode('ascii')}, is {kinds[kind]}"
            yield key_path, problem, "one key of each type is allowed"
        kinds.setdefault(kind, key_path)


# Warnings


AS_ROOT = "no right of root is needed; use the package's unit, or a state_dir of another user"
"""What is wrong with a server of root."""


def start_warnings(config: Config) -> Iterator[str]:
    """`file_warnings` of the server itself, which knows as whom it runs."""
    if os.geteuid() == 0:
        yield f"state_dir: the server runs as root: {AS_ROOT}"
    yield from file_warnings(config)


def file_warnings(config: Config, now: datetime | None = None) -> Iterator[str]:
    """Each begins with a key path. `config` has been loaded with its files."""
    now = now or datetime.now(UTC)
    yield from _commands(config)
    yield from _state_dir(config.state_dir)
    yield from _certificates(config, now)
    yield from _private_keys(config)
    yield from _logins(config, now.timestamp())
    yield from _audit_file(config)


def _commands(config: Config) -> Iterator[str]:
    for name, operator in config.operators.items():
        for place, key in operator.placed_keys:
            command = key.options.command
            if command is not None and (why := _command_problem(command)):
                yield f"{join('operators', name)}.{place}: {why}"


def _command_problem(command: str) -> str:
    """Why a key with the option `command` is of no use; empty if it is."""
    try:
        invocation = Invocation.of(CommandLine(command))
    except UsageError as mistake:
        return f"the option command cannot be split into words: {mistake}"
    verb = VERBS.get(invocation.verb)
    if verb is None:
        word = safe(invocation.verb, 40)
        what = f"unknown verb '{word}'" if word else "a verb is missing"
        form = "a verb and one pattern is usual, as expect 'test-*'"
        return f"the option command does nothing: {what}; {form}"
    if VERBS.glob_of(command) is not None:
        return ""
    try:
        parse(verb.grammar, invocation.rest, 0.0)
    except UsageError as mistake:
        form = f"{invocation.verb} 'PATTERN' leaves the rest to the client"
        return f"the option command is wrong: {mistake}: {safe(verb.grammar.usage)}; {form}"
    return ""


def _state_dir(path: Path) -> Iterator[str]:
    why = _unusable(path)
    if why:
        yield f"state_dir: {safe(str(path))}: {why}, so the server cannot start as this user"


def _unusable(path: Path) -> str:
    """Why a directory cannot be made, or written to; nothing is made here."""
    for place in (path, *path.parents):
        name = safe(str(place))
        try:
            mode = place.stat().st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"it cannot be made: {name}: {error.strerror}"
        if not stat.S_ISDIR(mode):
            if place == path:
                return "it is not a directory"
            return f"it cannot be made: {name} is not a directory"
        if not os.access(place, os.W_OK | os.X_OK):
            what = "it cannot be written to" if place == path else "it cannot be made"
            return f"{what}: {name} may not be written to"
        return ""
    return "it cannot be made"


def _certificates(config: Config, now: datetime) -> Iterator[str]:
    for key_path, path in _own_certificates(config):
        chain = _loaded(path)
        where = f"{key_path}: {safe(str(path))}"
        yield from (f"{where}: {what}" for what in _periods(chain, now))
        yield from (f"{where}: {what}" for what in chain_problems(chain))
    for key_path, path in _authorities(config):
        where = f"{key_path}: {safe(str(path))}"
        yield from (f"{where}: {what}" for what in _periods(_loaded(path), now))


def _own_certificates(config: Config) -> Iterator[_Place]:
    """Certificates that the server shows, with their chains."""
    self_signed = config.state_dir / CERTIFICATE
    has_tls = any(zone.telnets or zone.tls != "off" for zone in config.vm.zones)
    if config.tls.certificate is not None:
        yield "tls.certificate", config.tls.certificate
    elif has_tls and self_signed.exists():
        yield "tls", self_signed
    for key_path, settings in _clients(config):
        if settings.certificate is not None:
            yield f"{key_path}.certificate", settings.certificate


def _authorities(config: Config) -> Iterator[_Place]:
    yield from _peer_authorities(config)
    for key_path, settings in _clients(config):
        if settings.ca is not None:
            yield f"{key_path}.ca", settings.ca


def _loaded(path: Path) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(read_pem(path))
    except (PemError, ValueError):
        return ()  # a mistake, and reported as one


def _periods(chain: Sequence[x509.Certificate], now: datetime) -> Iterator[str]:
    for each in chain:
        problem = validity(each).problem(now)
        if problem:
            yield f"certificate of {name_of(each.subject)}: {problem}"


def _private_keys(config: Config) -> Iterator[str]:
    places: list[tuple[str, Path | None]] = [
        ("tls.private_key", config.tls.private_key),
        *((f"ssh.host_keys[{i}]", path) for i, path in enumerate(config.ssh.host_keys)),
        *((f"{key_path}.private_key", each.private_key) for key_path, each in _clients(config)),
    ]
    for key_path, path in places:
        mode = None if path is None else _mode(path)
        if mode is not None and mode & 0o027:
            what = f"others may read or change this private key (mode {stat.S_IMODE(mode):04o})"
            yield f"{key_path}: {safe(str(path))}: {what}; chmod 600"


def _audit_file(config: Config) -> Iterator[str]:
    mode = _mode(config.audit.file) if config.audit.enabled else None
    if mode is not None and stat.S_ISREG(mode) and mode & 0o027:
        where = safe(str(config.audit.file))
        what = f"others may read or change it (mode {stat.S_IMODE(mode):04o})"
        yield f"audit.file: {where}: {what}; chmod 600"


def _mode(path: Path) -> int | None:
    """Type and mode of a file; None if there is none, which is reported elsewhere."""
    try:
        return path.stat().st_mode
    except OSError:
        return None


def _logins(config: Config, now: float) -> Iterator[str]:
    for name, operator in config.operators.items():
        for place, key in operator.placed_keys:
            if key.options.expires is not None and now >= key.options.expires:
                yield f"{join('operators', name)}.{place}: its expiry-time is past"
    certificates = config.ssh.certificates
    if not config.operators or (certificates.keys and certificates.map):
        return  # no operators: that is a warning of its own
    if not any(_can_log_in(each, config, now) for each in config.operators.values()):
        yield "operators: no operator has a key, password or other proof, so no login can succeed"


def _can_log_in(operator: OperatorSettings, config: Config, now: float) -> bool:
    usable = ways(operator, config, [method for method in SETTINGS if method.first])
    by_key_alone = usable == {"publickey"} and config.ssh.authorized_keys_command is None
    if not by_key_alone:
        return bool(usable)
    expiries = [key.options.expires for key in operator.keys]
    return any(expires is None or now < expires for expires in expiries)
