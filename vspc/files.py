"""The files that a configuration names, certificates and keys, read before they count."""

from collections.abc import Callable, Iterator

from vspc.config import Config, Mistake
from vspc.net.tls import TlsError, load_pair
from vspc.ssh.keys import HostKeyError, load_host_key


def file_mistakes(config: Config) -> Iterator[Mistake]:
    """Every file that cannot be used, with its key path."""
    tls = config.tls
    if tls.certificate is not None:
        yield from _tried(
            config,
            "tls.certificate",
            lambda: load_pair(tls.certificate, tls.private_key, config.state_dir),
            "a PEM certificate and the private key that belongs to it are wanted",
        )
    kinds: dict[bytes, str] = {}
    for index, path in enumerate(config.ssh.host_keys):
        key_path = f"ssh.host_keys[{index}]"
        try:
            kind = load_host_key(path).kind
        except HostKeyError as error:
            yield Mistake(config.path, key_path, str(error), "a private key without a passphrase")
            continue
        if kind in kinds:
            problem = f"a key of the same type, {kind.decode('ascii')}, is {kinds[kind]}"
            yield Mistake(config.path, key_path, problem, "one key of each type is allowed")
        kinds.setdefault(kind, key_path)


def _tried(
    config: Config, key_path: str, load: Callable[[], object], allowed: str
) -> Iterator[Mistake]:
    try:
        load()
    except TlsError as error:
        yield Mistake(config.path, key_path, str(error), allowed)
