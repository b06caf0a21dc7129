"""Operators of one configuration, and those that certificates and the administrator's program make:
built at start and reload.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from hashlib import sha256

from attrs import field, frozen

from vspc.config import Config
from vspc.config.checks import LOCAL, filled, is_name
from vspc.config.keyoptions import KeyOptions
from vspc.config.settings import CertificateMap, OperatorSettings
from vspc.console.access import Operator, Voucher
from vspc.console.session import Proof


@frozen
class PrincipalMatch:
    """How a certificate stands for one operator. `named`: the name is among its principals;
    `mapped`: a map makes it of one of them, with groups and roles. One of them is true.
    """

    named: bool
    mapped: bool
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


def voucher_of(proof: Proof) -> Voucher:
    """What the certificate of `proof` says of its holder."""
    return proof.voucher or Voucher(proof.key_id, proof.principals)


def match_principals(
    maps: Iterable[CertificateMap], voucher: Voucher, name: str
) -> PrincipalMatch | None:
    """How the certificate of `voucher` stands for the operator `name`; None: not at all.

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


def is_plain(name: str) -> bool:
    """Whether a map of certificates may make an operator of this name.

    1 to 64 letters, digits and `. _ @ -`, no `@` (a group) or `-` in front, and not a local
    command's.
    """
    return is_name(name) and not name.casefold().endswith(LOCAL)


@frozen
class OperatorRecord:
    """What the configuration says of one operator. A key may stand on several lines, each with
    options of its own.
    """

    settings: OperatorSettings = field(default=OperatorSettings(), repr=False)
    keys: Mapping[bytes, tuple[KeyOptions, ...]] = field(init=False, repr=False)

    @keys.default
    def _grouped(self) -> Mapping[bytes, tuple[KeyOptions, ...]]:
        found: dict[bytes, tuple[KeyOptions, ...]] = {}
        for key in self.settings.keys:
            found[key.blob] = (*found.get(key.blob, ()), key.options)
        return found

    @property
    def password(self) -> str | None:
        """The hash of the password."""
        return None if self.settings.password is None else self.settings.password.text

    @property
    def code_secret(self) -> str | None:
        """The secret of one-time codes."""
        codes = self.settings.totp_secret_file
        return None if codes is None else codes.text

    @property
    def stamp(self) -> bytes:
        """Changes with the password; never empty, even where there is none."""
        return sha256((self.password or "").encode()).digest()


UNKNOWN = OperatorRecord()
"""For a name without an [operators] table; a certificate can make it an operator all the same."""


class OperatorDirectory:
    """All operators of one configuration."""

    def __init__(self, config: Config) -> None:
        self._maps: tuple[CertificateMap, ...] = config.ssh.certificates.map
        self._grantable = frozenset(config.ssh.auth_command_groups)
        self._admitted = config.ssh.auth_command_operators
        self.operators: Mapping[str, Operator] = {
            name: Operator(name, frozenset(o.groups), frozenset(o.roles))
            for name, o in config.operators.items()
        }
        self._records = {name: OperatorRecord(o) for name, o in config.operators.items()}

    def record(self, name: str) -> OperatorRecord:
        """What the table of `name` says; `UNKNOWN` if there is none."""
        return self._records.get(name, UNKNOWN)

    def operator(
        self, name: str, voucher: Voucher | None, granted: frozenset[str] | None = None
    ) -> Operator | None:
        """`name` with the groups and roles of its table, of the certificate of `voucher`, and those
        `granted` by the administrator's program (None: it was not asked); None where nothing makes
        it an operator.
        """
        table = self.operators.get(name)
        if voucher is None and granted is None:
            return table
        groups, roles = frozenset[str](), frozenset[str]()
        is_made = table is not None or (granted is not None and self.admits(name))
        if voucher is not None:
            found = match_principals(self._maps, voucher, name)
            if found is None:
                return None
            groups, roles, is_made = found.groups, found.roles, is_made or found.mapped
        if not is_made:
            return None
        if table is not None:
            groups, roles = groups | table.groups, roles | table.roles
        if granted is not None:
            groups |= granted & self._grantable
        return Operator(name, groups, roles, voucher, granted)

    def current(self, operator: Operator) -> Operator | None:
        """`operator`, who has logged in, by this configuration; None if there is none any more."""
        return self.operator(operator.name, operator.voucher, operator.granted)

    def admits(self, name: str) -> bool:
        """Whether the administrator's program may log in `name` without a table."""
        return is_plain(name) and any(fnmatchcase(name, glob) for glob in self._admitted)

    def hashes(self) -> list[str]:
        """The hashes of all passwords."""
        found = (record.password for record in self._records.values())
        return [each for each in found if each is not None]
