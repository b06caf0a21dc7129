"""The files that a configuration names, certificates and keys, read before they count; and what
is odd in them, and in commands of keys.
"""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from vspc.apps.verbs.commandline import CommandLine
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.parser import parse
from vspc.apps.verbs.table import VERBS, Invocation
from vspc.auth.revocation import unread
from vspc.common.text import safe
from vspc.config import Config, ConfigError, load
from vspc.config.file import mistake_in
from vspc.config.mistakes import Tainted, join
from vspc.config.settings import AuditSettings, SinkSettings
from vspc.net.connection import client_context
from vspc.net.tls import (
    TlsError,
    examine_certificates,
    examine_private_key,
    load_pair,
    misplaced,
)
from vspc.server.file_warnings import warnings_now
from vspc.ssh.keys import HostKeyError, load_host_key

_CERTIFICATE = "a PEM file of the certificate, its chain behind it, is wanted"
_PRIVATE_KEY = "a PEM file of the certificate's private key, without a passphrase, is wanted"
_AUTHORITIES = "a PEM file of certificates is wanted"


def load_with_files(path: Path, unread_revoked: Callable[[Path], str] = unread) -> Config:
    """The configuration in `path`. Raises `ConfigError` with every mistake in it, and in the
    certificates and keys that it names. `unread_revoked` says why `ssh.certificates.revoked`
    cannot be read.
    """
    try:
        config = load(path)
    except ConfigError as error:
        if error.partial is None:
            raise
        doubts = Tainted(mistake.key for mistake in error.mistakes)
        more = [*_mistakes(error.partial, doubts), *_revoked(error.partial, unread_revoked)]
        found = [mistake_in(error.partial, *mistake) for mistake in more]
        raise ConfigError(error.mistakes + found, error.partial) from None
    more = [*_mistakes(config, Tainted()), *_revoked(config, unread_revoked)]
    if more:
        raise ConfigError([mistake_in(config, *mistake) for mistake in more], config)
    return config


def load_to_start(path: Path) -> Config:
    """As `load_with_files`, but without a look at `ssh.certificates.revoked`: a server starts
    without it, accepts no key until it can be read, and says so.
    """
    return load_with_files(path, lambda _path: "")


_Found = Iterator[tuple[str, str, str]]
"""Key path, problem, what is allowed."""


def _mistakes(config: Config, doubts: Tainted) -> _Found:
    yield from _pair(config)
    yield from _authorities(config)
    yield from _host_keys(config, doubts)
    yield from _sinks(config, doubts)
    if not doubts.about("audit"):
        yield from _audit(config)


def _audit(config: Config) -> _Found:
    yield from _client("audit", "its copies", config.audit)


def _sinks(config: Config, doubts: Tainted) -> _Found:
    for index, sink in doubts.numbered("log.sink", config.log.sink):
        key_path = f"log.sink[{index}]"
        if not doubts.about(key_path):
            yield from _client(key_path, "the sink", sink)


def _client(key_path: str, what: str, settings: AuditSettings | SinkSettings) -> _Found:
    ca, certificate, private_key = settings.ca, settings.certificate, settings.private_key
    if not (ca or certificate or private_key):
        return
    try:
        client_context(ca, certificate, private_key)
    except OSError as error:
        said = f"the files for {what} do not serve: {error.strerror or error}"
        yield f"{key_path}.ca", said, "PEM files of certificates and of a private key are wanted"


def _pair(config: Config) -> _Found:
    certificate, key = config.tls.certificate, config.tls.private_key
    if certificate is None or key is None:
        return
    single = [
        *_tried("tls.certificate", _CERTIFICATE, examine_certificates, certificate),
        *_tried("tls.private_key", _PRIVATE_KEY, examine_private_key, key),
    ]
    # Only of two that are right can be said whether they belong together.
    yield from single or _together(config, certificate, key)


def _together(config: Config, certificate: Path, key: Path) -> _Found:
    place = misplaced(certificate, key)
    if place:
        problem = f"{safe(str(certificate))}: the private key is of certificate {place} in it"
        yield "tls.certificate", problem, "the server's own certificate stands first"
        return
    yield from _tried(
        "tls.private_key", _PRIVATE_KEY, load_pair, certificate, key, config.state_dir
    )


def _authorities(config: Config) -> _Found:
    places = [("vm.client_ca", config.vm.client_ca)]
    places += [(f"vm.zone[{i}].client_ca", zone.client_ca) for i, zone in enumerate(config.vm.zone)]
    for key_path, path in places:
        if path is not None:
            yield from _tried(key_path, _AUTHORITIES, examine_certificates, path)


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


def _host_keys(config: Config, doubts: Tainted) -> _Found:
    kinds: dict[bytes, str] = {}
    for index, path in doubts.numbered("ssh.host_keys", config.ssh.host_keys):
        key_path = f"ssh.host_keys[{index}]"
        try:
            kind = load_host_key(path).kind
        except HostKeyError as error:
            yield key_path, str(error), "a private key without a passphrase is wanted"
            continue
        if kind in kinds:
            problem = f"a key of the same type, {kind.decode('ascii')}, is {kinds[kind]}"
            yield key_path, problem, "one key of each type is allowed"
        kinds.setdefault(kind, key_path)


# What is odd, but no mistake: for `vspc check` and a start


def oddities(config: Config) -> Iterator[str]:
    """Warnings that take a look at files, or at verbs."""
    for name, operator in config.operators.items():
        for place, key in operator.placed_keys:
            if why := _odd_command(key.options.command):
                yield f"{join('operators', name)}.{place}: {why}"
    yield from warnings_now(config)
    yield from _readable_audit(config)


def _odd_command(command: str | None) -> str:
    """Why a key with this command can do nothing; empty if it can, or has none."""
    if command is None:
        return ""
    try:
        said = Invocation.of(CommandLine(command))
    except UsageError as mistake:
        return f"the option command cannot be split into words: {mistake}"
    verb = VERBS.get(said.verb)
    if verb is None:
        what = f"unknown verb '{safe(said.verb, 40)}'" if said.verb else "a verb is missing"
        form = "a verb and one pattern is usual, as expect 'test-*'"
        return f"the option command does nothing: {what}; {form}"
    if VERBS.glob_of(command) is not None:
        return ""
    try:
        parse(verb.grammar, said.rest, 0.0)
    except UsageError as mistake:
        form = f"{said.verb} 'PATTERN' leaves the rest to the client"
        return f"the option command is wrong: {mistake}: {safe(verb.grammar.usage)}; {form}"
    return ""


def _readable_audit(config: Config) -> Iterator[str]:
    try:
        found = config.audit.file.stat()
    except OSError:
        return  # it is made at a start, or that says why not
    if config.audit.enabled and stat.S_ISREG(found.st_mode) and found.st_mode & 0o027:
        mode = stat.S_IMODE(found.st_mode)
        where = safe(str(config.audit.file))
        yield f"audit.file: {where}: others may read or change it (mode {mode:04o}); chmod 600"
