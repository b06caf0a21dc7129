"""Who may do what on which console: the first rule that matches decides, none means no access."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from attrs import frozen

Rights = frozenset[str]

NOTHING: Rights = frozenset()
QUARANTINE: Rights = frozenset({"read"})


@frozen
class Operator:
    """Somebody who has proved who he is. `roles` are about the server, rights about consoles."""

    name: str
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


@frozen
class Subject:
    """What a rule looks at in a console: its zone, its UUID if it has one, and what the VM says
    its name is: not the displayed one, which changes when another VM of that name comes.
    """

    name: str
    zone: str
    uuid: str | None
    quarantined: bool = False


@frozen
class Rule:
    """One [[access]] table: names or "@group" or "*"; console globs, "uuid:HEX" or "zone/glob"."""

    operators: frozenset[str]
    consoles: tuple[str, ...]
    rights: Rights
    history: float | None = None  # seconds that one may look back; None: to the beginning

    def matches(self, operator: Operator, subject: Subject) -> bool:
        """Whether this rule is about `operator` on the console that `subject` describes."""
        return self._names(operator) and any(matches(p, subject) for p in self.consoles)

    def _names(self, operator: Operator) -> bool:
        return (
            "*" in self.operators
            or (operator.name in self.operators and not operator.name.startswith("@"))
            or any(f"@{group}" in self.operators for group in operator.groups)
        )


def matches(pattern: str, subject: Subject) -> bool:
    """Whether one console pattern matches: without case; `prod/web*` only in zone `prod`.

    A slash in a VM's own name cannot pass for a zone: it is matched as `%2F`.
    """
    if pattern.startswith("uuid:"):
        wanted = pattern[5:].replace("-", "").replace(" ", "").lower()
        return subject.uuid is not None and fnmatchcase(subject.uuid, wanted)
    zone, slash, glob = pattern.partition("/")
    if not slash:
        zone, glob = "*", pattern
    name = subject.name.replace("/", "%2F").casefold()
    return fnmatchcase(subject.zone, zone) and fnmatchcase(name, glob.casefold())


@frozen
class Access:
    """All rules, in the order of the configuration."""

    rules: tuple[Rule, ...] = ()

    def rights(self, operator: Operator, subject: Subject) -> Rights:
        """What `operator` may do; empty means that the console does not exist for him.

        What is kept apart nobody types at, and only administrators read.
        """
        if subject.quarantined:
            return QUARANTINE if "admin" in operator.roles else NOTHING
        rule = self._rule(operator, subject)
        return NOTHING if rule is None else rule.rights

    def history(self, operator: Operator, subject: Subject) -> float | None:
        """How many seconds `operator` may look back; None: to the beginning."""
        rule = self._rule(operator, subject)
        return None if rule is None else rule.history

    def _rule(self, operator: Operator, subject: Subject) -> Rule | None:
        return next((rule for rule in self.rules if rule.matches(operator, subject)), None)

    @classmethod
    def of(cls, rules: Iterable[tuple[Iterable[str], Iterable[str], Iterable[str]]]) -> "Access":
        """From (operators, consoles, rights) triples."""
        return cls(tuple(Rule(frozenset(o), tuple(c), frozenset(r)) for o, c, r in rules))
