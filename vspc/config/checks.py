"""What a configuration must be beyond its shape: files that are there, names that mean somebody."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import evolve

from vspc.config.classes import Config, OperatorSettings
from vspc.config.mistakes import Wrong
from vspc.config.units import AuthorizedKey, authorized_key

Say = Callable[[str, str, str], None]
"""Called with a key path, the problem, and what is allowed."""

KEYS_FILE_LIMIT = 1024 * 1024
"""Bytes of an authorized_keys file."""

_OPERATOR = re.compile(r"[A-Za-z0-9._@][A-Za-z0-9._@-]{0,63}", re.ASCII)


def operator_name(name: str, say: Callable[[str, str], None]) -> None:
    """A login's name: `+`, `:` and `,` would end it."""
    if not _OPERATOR.fullmatch(name):
        say(
            f"{name!r} is no name for an operator",
            "1 to 64 letters, digits and . _ @ - are allowed, no - in front",
        )


def with_keys(settings: OperatorSettings, key: str, say: Say) -> OperatorSettings:
    """`settings` with the keys of both sources."""
    keys = list(settings.authorized_keys)
    if settings.authorized_keys_file is not None:
        keys += _keys_in(settings.authorized_keys_file, f"{key}.authorized_keys_file", say)
    return evolve(settings, keys=tuple(keys))


def _keys_in(path: Path, key: str, say: Say) -> Iterator[AuthorizedKey]:
    text = _text(path, key, say)
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            yield authorized_key(line.strip())
        except Wrong as wrong:
            say(key, f"{path} line {number}: {wrong.problem}", wrong.allowed)


def _text(path: Path, key: str, say: Say) -> str:
    try:
        with path.open("rb") as file:
            return file.read(KEYS_FILE_LIMIT).decode("utf-8", "replace")
    except OSError as error:
        say(key, f"{path}: {error.strerror}", "name a file that can be read")
        return ""


def whole(config: Config, say: Say) -> None:
    """Mistakes between one part and another, and files that are not there."""
    tls = config.tls
    if (tls.certificate is None) != (tls.private_key is None):
        say("tls", "one of certificate and private_key is missing", "give both or neither")
    for key, path in (("certificate", tls.certificate), ("private_key", tls.private_key)):
        if path is not None:
            _text(path, f"tls.{key}", say)
    for index, path in enumerate(config.ssh.host_keys):
        _text(path, f"ssh.host_keys[{index}]", say)
    _plain_names(config, say)
    _rules(config, say)


def _plain_names(config: Config, say: Say) -> None:
    seen: set[str] = set()
    for index, plain in enumerate(config.vm.plain):
        if plain.name in seen:
            say(f"vm.plain[{index}].name", f"{plain.name!r} is there twice", "each name once")
        seen.add(plain.name)


def _rules(config: Config, say: Say) -> None:
    groups = {group for operator in config.operators.values() for group in operator.groups}
    for index, rule in enumerate(config.access):
        for place, name in enumerate(rule.operators):
            known = groups if name.startswith("@") else config.operators
            if name != "*" and name.removeprefix("@") not in known:
                say(
                    f"access[{index}].operators[{place}]",
                    f"{name!r} is nobody's name",
                    'an operator of [operators], "@group" of one of them, or "*" is allowed',
                )


def warnings(config: Config) -> Iterator[str]:
    """What is allowed and probably not meant."""
    if not config.operators:
        yield "operators: there are none, so nobody can log in"
    for name, operator in config.operators.items():
        if not operator.keys:
            yield f"operators.{name}: no authorized key, so the operator cannot log in"
    if config.operators and not config.access:
        yield "access: there are no rules, so no operator sees any console"
    for index, rule in enumerate(config.access[:-1]):
        if "*" in rule.operators and "*" in rule.consoles:
            yield f"access[{index}]: it matches everybody everywhere; later rules never count"
            return
