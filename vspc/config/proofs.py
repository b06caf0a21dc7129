"""How operators can prove who they are: what is asked for must be there to be shown."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from vspc.config.keyoptions import limited
from vspc.config.keys import AuthorizedKey
from vspc.config.mistakes import Tainted, join, shown
from vspc.config.settings import CertificateSettings, Config, OperatorSettings

Relation = tuple[str, str, str]
"""A key path, the problem, what is allowed."""

NAMED = 10
"""Keys with options of no effect that are named for one operator."""

_ODD_TOKEN = re.compile(r"(?<!%)(?:%%)*+(%(?![%ufkt]).?)", re.DOTALL)

_NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "publickey": "authorized_keys, or [ssh.certificates] authorities, are needed for it",
        "certificate": "[ssh.certificates] authorities are needed for it",
        "password": "password_hash or password_hash_file is needed for it",
        "totp": "totp_secret_file is needed for it",
        "auth_command": "[ssh] auth_command is needed for it",
    }
)


def ways(operator: OperatorSettings, config: Config) -> frozenset[str]:
    """Words of `require` that `operator` can satisfy."""
    ssh = config.ssh
    certified = bool(ssh.certificates.keys)
    keyed = bool(operator.keys) or ssh.authorized_keys_command is not None
    found = {
        "publickey": keyed or certified,
        "certificate": certified,
        "password": operator.password is not None,
        "totp": operator.totp_secret_file is not None,
        "auth_command": ssh.auth_command is not None,
    }
    return frozenset(word for word, there in found.items() if there)


_KEYS = ("{}.authorized_keys", "{}.authorized_keys_file", "ssh.authorized_keys_command")
_AUTHORITIES = ("ssh.certificates.authorities", "ssh.certificates.authorities_file")

_SOURCES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "publickey": _KEYS + _AUTHORITIES,
        "certificate": _AUTHORITIES,
        "password": ("{}.password_hash", "{}.password_hash_file"),
        "totp": ("{}.totp_secret_file",),
        "auth_command": ("ssh.auth_command",),
    }
)
"""What `ways` looks at; the operator's table stands for {}."""


def conflicts(config: Config, doubts: Tainted) -> Iterator[Relation]:
    """Mistakes: proofs that are wanted and cannot be given."""
    for name, operator in config.operators.items():
        there = ways(operator, config)
        table = join("operators", name)
        key = f"{table}.require"
        for index, method in doubts.numbered(key, operator.require):
            if (index, method) == (0, "totp"):
                # Anybody could guess at it, use up the guesses, learn that there is an operator.
                yield f"{key}[0]", "a code is no first proof", "another method stands before totp"
            sources = (source.format(table) for source in _SOURCES[method])
            if method not in there and not any(map(doubts.about, sources)):
                problem = f"the operator has nothing to show for {method}"
                yield f"{key}[{index}]", problem, _NEEDED[method]
    command = config.ssh.authorized_keys_command
    for index, word in enumerate(command.words if command else ()):
        if index and (odd := _ODD_TOKEN.search(word)):
            allowed = "%u (the operator), %f, %k and %t (the key) and %% are allowed"
            yield f"ssh.authorized_keys_command[{index}]", f"{shown(odd[1])} is no token", allowed


def warnings(config: Config) -> Iterator[str]:
    """What is allowed and probably not meant."""
    for name, operator in config.operators.items():
        key = join("operators", name)
        yield from (f"{key}{text}" for text in _odd(operator, config))
        yield from (f"{key}.{text}" for text in _without_effect(operator))
    yield from _certificates(config.ssh.certificates)


def _odd(operator: OperatorSettings, config: Config) -> Iterator[str]:
    there = ways(operator, config)
    if not there - {"totp"}:
        yield ": no authorized key, and nothing else to show, so the operator cannot log in"
    if operator.totp_secret_file is not None and "totp" not in operator.require:
        yield ".totp_secret_file: require does not name totp, so nobody asks for a code"
    if operator.password is not None and operator.require and "password" not in operator.require:
        yield ".password_hash: require does not name password, so nobody asks for it"
    yield from _beside_limits(operator, there)
    keyed = bool(operator.keys) and not config.ssh.certificates.keys
    if operator.verify_required and keyed and not any(_is_token(k) for k in operator.keys):
        yield ".verify_required: none of the keys is of a FIDO token, so none of them will do"


def _beside_limits(operator: OperatorSettings, there: frozenset[str]) -> Iterator[str]:
    """A door without limits beside keys that have them."""
    limits = [limited(key.options) for key in operator.keys]
    if not limits or not all(limits) or operator.require:
        return
    # Who has a password here is asked for that, not what auth_command asks.
    doors = {"password": "a password", "auth_command": "what auth_command asks for"}
    door = next((text for method, text in doors.items() if method in there), "")
    if door:
        words = ", ".join(dict.fromkeys(word for found in limits for word in found))
        how = 'require = ["publickey"] lets in by key only'
        yield f": all keys have limits ({words}), but {door} lets in without them; {how}"


def _is_token(key: AuthorizedKey) -> bool:
    return key.kind.startswith("sk-")


def _without_effect(operator: OperatorSettings) -> Iterator[str]:
    """Options of keys that are ignored, and those that shut everybody out."""
    found = []
    for index, key in enumerate(operator.keys):
        place = f"authorized_keys[{index}]"
        if index >= len(operator.authorized_keys):
            place = f"authorized_keys_file: line {key.line}"
        if key.options.ignored:
            words = ", ".join(key.options.ignored)
            have = "option {} has" if len(key.options.ignored) == 1 else "options {} have"
            found.append(f"{place}: the {have.format(words)} no effect here")
        if key.options.sources is not None and not key.options.sources.yes:
            found.append(f"{place}: the option from only excludes, so the key is good nowhere")
    yield from found[:NAMED]
    if len(found) > NAMED:
        yield f"authorized_keys: {len(found) - NAMED} more keys have such options"


def _certificates(settings: CertificateSettings) -> Iterator[str]:
    given = {
        "map": bool(settings.map),
        "revoked": settings.revoked is not None,
        "max_validity": settings.max_validity is not None,
    }
    if not settings.keys:
        for key in (key for key, there in given.items() if there):
            yield f"ssh.certificates.{key}: without authorities, no certificate is taken"
