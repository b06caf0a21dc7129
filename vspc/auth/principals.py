"""For whom a certificate stands: an operator of its principals, or of [[ssh.certificates.map]]."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from attrs import frozen

from vspc.config.entry import CertificateMap
from vspc.console.access import Voucher

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
