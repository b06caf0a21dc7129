"""What one configuration says of operators: made at start and reload, looked up at logins."""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from hashlib import sha256
from types import MappingProxyType

from attrs import field, frozen

from vspc.config import Config
from vspc.config.keyoptions import KeyOptions
from vspc.config.settings import CertificateMap, OperatorSettings
from vspc.console.access import Operator, Voucher

_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._@-]{0,63}", re.ASCII)
_PLACES = re.compile(r"\{(principal|key_id)\}")

_OURS = "@local"
"""The end of names that only commands from the machine itself have."""


@frozen
class PrincipalMatch:
    """What a certificate is to one operator. `named`: he is among its principals; `mapped`: a map
    makes him of them, with its groups and roles. One of them is true.
    """

    named: bool
    mapped: bool
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


def standing(maps: Iterable[CertificateMap], voucher: Voucher, name: str) -> PrincipalMatch | None:
    """What the certificate of `voucher` is to the operator `name`; None: nothing.

    Groups and roles are those of all maps that match, together.
    """
    matching = [each for each in maps if _matches(each, voucher, name)]
    named = name in voucher.principals
    if not named and not matching:
        return None
    return PrincipalMatch(
        named,
        bool(matching),
        frozenset(group for each in matching for group in each.groups),
        frozenset(role for each in matching for role in each.roles),
    )


def _matches(each: CertificateMap, voucher: Voucher, name: str) -> bool:
    return is_plain(name) and any(
        filled(each.operator, principal, voucher.key_id) == name
        for principal in voucher.principals
        if any(fnmatchcase(principal, glob) for glob in each.principals)
    )


def filled(template: str, principal: str, key_id: str) -> str:
    """`{principal}` and `{key_id}` in an operator's name; what was put in is not read again."""
    values = {"principal": principal, "key_id": key_id}
    return _PLACES.sub(lambda place: values[place[1]], template)


def is_plain(name: str) -> bool:
    """Whether a certificate can make somebody an operator of this name.

    1 to 64 letters, digits and `. _ @ -`, no `@` (a group) or `-` in front, and no name of ours.
    """
    return bool(_NAME.fullmatch(name)) and not name.casefold().endswith(_OURS)


KEYS = "publickey"
"""The method that is offered unless nobody could use it."""

_ASKED = "keyboard-interactive"

_WIRE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "publickey": ("publickey",),
        "certificate": ("publickey",),
        "password": ("password", _ASKED),
        "totp": (_ASKED,),
        "auth_command": (_ASKED,),
    }
)
"""SSH's names for the words of `require`."""


@frozen
class Person:
    """One operator. A key may stand on several lines, each with options of its own."""

    keys: Mapping[bytes, tuple[KeyOptions, ...]] = field(factory=dict)
    password: str | None = field(default=None, repr=False)
    code_secret: str | None = field(default=None, repr=False)
    require: tuple[str, ...] = ()
    verify_required: bool = False

    @property
    def stamp(self) -> bytes:
        """Another one for another password; never empty, even where there is none."""
        return sha256(b"" if self.password is None else self.password.encode()).digest()

    def next_step(self, shown: tuple[str, ...]) -> str | None:
        """The word of `require` that is next after `shown`; "" for any one method, None: enough."""
        if not self.require:
            return None if shown else ""
        left = list(shown)
        for step in self.require:
            if not left or not _satisfies(left.pop(0), step):
                return step
        return None

    def not_now(self, shown: tuple[str, ...], method: str) -> str:
        """Empty, or why `method` is of no use after `shown`."""
        step = self.next_step(shown)
        if step == "" or (step is not None and _satisfies(method, step)):
            return ""
        return f"{method} is shown, and {step} is required" if step else "nothing more is required"


NOBODY = Person()
"""Whom the table does not have, and whoever comes by a certificate alone."""


def _satisfies(method: str, step: str) -> bool:
    return method == step or (method == "certificate" and step == "publickey")


def wire_methods(step: str) -> tuple[str, ...]:
    """SSH's names of the methods that may show `step`."""
    return _WIRE[step]


class OperatorDirectory:
    """Everybody whom one configuration knows."""

    def __init__(self, config: Config) -> None:
        self._maps: tuple[CertificateMap, ...] = config.ssh.certificates.map
        self.operators: Mapping[str, Operator] = {
            name: Operator(name, frozenset(o.groups), frozenset(o.roles))
            for name, o in config.operators.items()
        }
        self._persons = {name: _person(o) for name, o in config.operators.items()}
        self.methods = _methods(config)

    def person(self, name: str) -> Person | None:
        """Who has a table."""
        return self._persons.get(name)

    def operator(self, name: str, voucher: Voucher | None) -> Operator | None:
        """`name` with the groups and roles of his table, and of what vouches for him; None where
        neither makes him an operator.
        """
        table = self.operators.get(name)
        if voucher is None:
            return table
        found = standing(self._maps, voucher, name)
        if found is None or not (found.mapped or table):
            return None
        groups, roles = found.groups, found.roles
        if table is not None:
            groups, roles = groups | table.groups, roles | table.roles
        return Operator(name, groups, roles, voucher)

    def hashes(self) -> list[str]:
        """Those of all passwords."""
        return [p.password for p in self._persons.values() if p.password is not None]


def _person(settings: OperatorSettings) -> Person:
    keys: dict[bytes, tuple[KeyOptions, ...]] = {}
    for key in settings.keys:
        keys[key.blob] = (*keys.get(key.blob, ()), key.options)
    hashed, codes = settings.password, settings.totp_secret_file
    return Person(
        keys,
        None if hashed is None else hashed.text,
        None if codes is None else codes.secret.text,
        settings.require,
        settings.verify_required,
    )


def _methods(config: Config) -> tuple[str, ...]:
    """What is offered to whoever has shown nothing: the same for all."""
    persons = config.operators.values()
    passwords = any(p.password is not None for p in persons)
    asked = config.ssh.auth_command is not None or any(p.totp_secret_file for p in persons)
    # OpenSSH tries its keys first, and does not try one again that was refused as too early.
    early = not persons or config.ssh.certificates.map or any(map(_begins_with_key, persons))
    methods = [KEYS] if early else []
    if passwords or asked:
        methods.append(_ASKED)
    if passwords:
        methods.append("password")
    return tuple(methods)


def _begins_with_key(operator: OperatorSettings) -> bool:
    return not operator.require or _satisfies(operator.require[0], KEYS)
