"""conserver's lists of users (`rw`, `ro`), and the access rules that say the same.

In conserver the newest entry of a list decides, so that `rw *` and then `rw !bob` excludes bob; of
our rules the first one does.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from attrs import evolve

from vspc.cli.importing.outcome import ANYBODY, READ, WRITE, ImportedRule

Listed = tuple[tuple[str, bool], ...]
"""Users, and whether each is listed without a "!"; the newest first, the first match decides."""

Decision = tuple[str, tuple[str, ...]]
"""A user, and the rights that he has."""


USERS_LIMIT = 1000
"""Users of one list."""


def listed(before: Listed, value: str, groups: Mapping[str, Listed]) -> Listed:
    """A list after one more `rw`, `ro` or `users`; an empty value clears it. A group stands for its
    members. ValueError for too many.
    """
    entries = dict(reversed(before)) if value else {}
    for word in words(value):
        name, allowed = word.removeprefix("!"), not word.startswith("!")
        for who, own in reversed(groups.get(name, ((name, True),))):
            entries.pop(who, None)  # the newest comes last
            entries[who] = own == allowed
        if len(entries) > USERS_LIMIT:
            raise ValueError(f"more than {USERS_LIMIT} users in a list")
    return tuple(reversed(entries.items()))


def joined(before: Listed, more: Listed) -> Listed:
    """`before` with `more` in front of it."""
    names = {who for who, _ in more}
    return more + tuple(entry for entry in before if entry[0] not in names)


def words(value: str) -> list[str]:
    """The words of a list, which commas or blanks separate."""
    return [word for word in re.split(r"[,\s]+", value) if word]


def decisions(rw: Listed, ro: Listed) -> Iterator[Decision]:
    """The rights of users, in the order in which they are to be asked."""
    for who, allowed in rw:
        if who == ANYBODY and not allowed:
            break
        yield who, WRITE if allowed else READ if _is_allowed(ro, who) else ()
        if who == ANYBODY:
            return
    for who, allowed in ro:
        yield who, READ if allowed else ()
        if who == ANYBODY:
            return


def _is_allowed(listed: Listed, who: str) -> bool:
    return next((allowed for name, allowed in listed if name in (who, ANYBODY)), False)


def rules(decided: Iterable[Decision], consoles: tuple[str, ...]) -> list[ImportedRule]:
    """Rules of those decisions, the first about each user; neighbours with equal rights are one.

    Without a rule for everybody a refusal says nothing, and is left out.
    """
    first = dict[str, tuple[str, ...]]()
    for who, rights in decided:
        first.setdefault(who, rights)
    needed = bool(first.get(ANYBODY))
    found = list[ImportedRule]()
    for who, rights in first.items():
        if not (rights or needed):
            continue
        if found and found[-1].rights == rights and who != ANYBODY:
            found[-1] = evolve(found[-1], operators=(*found[-1].operators, who))
        else:
            found.append(ImportedRule((who,), consoles, rights))
    return found
