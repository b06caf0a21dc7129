"""The files that a configuration names, certificates and keys, read before they count."""

from collections.abc import Callable, Iterator
from pathlib import Path

from vspc.config import Config, ConfigError, Mistake, load
from vspc.net.connection import client_context
from vspc.net.tls import TlsError, examine_certificates, examine_private_key, load_pair
from vspc.ssh.keys import HostKeyError, load_host_key

_CERTIFICATE = "a PEM file of the certificate, its chain behind it, is wanted"
_PRIVATE_KEY = "a PEM file of the certificate's private key, without a passphrase, is wanted"
_AUTHORITIES = "a PEM file of certificates is wanted"


def load_with_files(path: Path) -> Config:
    """The configuration in `path`. Raises `ConfigError` with every mistake in it or, if there is
    none, with every mistake in the certificates and keys that it names.
    """
    config = load(path)
    mistakes = [Mistake(config.path, *mistake) for mistake in _mistakes(config)]
    if mistakes:
        raise ConfigError(mistakes)
    return config


_Found = Iterator[tuple[str, str, str]]
"""Key path, problem, what is allowed."""


def _mistakes(config: Config) -> _Found:
    yield from _pair(config)
    yield from _authorities(config)
    yield from _host_keys(config)
    yield from _audit(config)


def _audit(config: Config) -> _Found:
    audit = config.audit
    try:
        client_context(audit.ca, audit.certificate, audit.private_key)
    except OSError as error:
        what = f"the files for its copies do not serve: {error.strerror or error}"
        yield "audit.ca", what, "PEM files of certificates and of a private key are wanted"


def _pair(config: Config) -> _Found:
    certificate, key = config.tls.certificate, config.tls.private_key
    if certificate is None or key is None:
        return
    single = [
        *_tried("tls.certificate", _CERTIFICATE, examine_certificates, certificate),
        *_tried("tls.private_key", _PRIVATE_KEY, examine_private_key, key),
    ]
    # Only of two that are right can be said whether they belong together.
    yield from single or _tried(
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


def _host_keys(config: Config) -> _Found:
    kinds: dict[bytes, str] = {}
    for index, path in enumerate(config.ssh.host_keys):
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
