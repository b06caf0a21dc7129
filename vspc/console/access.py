"""Who may do what on which console: the first rule that matches decides, none means no access."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase, translate

from attrs import field, frozen

from vspc.common.globs import is_glob

Rights = frozenset[str]

NOTHING: Rights = frozenset()
READING: Rights = frozenset({"read"})
QUARANTINE: Rights = frozenset({"read"})
AUDITORS: Rights = frozenset({"read"})

REASON = "reason"
"""Among rights: to type under this rule a session must give a reason."""

_NEEDS = "approve:"
_GIVES = "approves:"


def approval_needed(names: Iterable[str]) -> Rights:
    """Among rights: to type one of `names` (operators, "@group", "*") has to approve."""
    return frozenset(_NEEDS + name for name in names)


def approvers(rights: Rights) -> tuple[str, ...]:
    """Who may approve that an operator with `rights` types; nobody has to where that is empty."""
    return tuple(sorted(each.removeprefix(_NEEDS) for each in rights if each.startswith(_NEEDS)))


def approving(rights: Rights) -> Rights:
    """What of `rights` is about approving what others type."""
    return frozenset(each for each in rights if each.startswith(_GIVES))


def may_approve(rights: Rights, needed: Rights) -> bool:
    """Whether an operator with `rights` may approve that one with the rights `needed` types."""
    return any(_GIVES + name in rights for name in approvers(needed))


@frozen
class Voucher:
    """What a certificate states about its holder: groups and roles follow from it."""

    key_id: str
    principals: tuple[str, ...]


@frozen
class Operator:
    """An authenticated operator. `roles` are about the server, rights about consoles.

    `voucher` and `granted` are what a certificate and the administrator's program said: after a
    reload the groups follow from them again.
    """

    name: str
    groups: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    voucher: Voucher | None = None
    granted: frozenset[str] | None = None


@frozen
class Subject:
    """What a rule looks at in a console: its zone, its UUID if it has one, and the name that
    the VM gives: not the displayed one, which changes when another VM of that name comes.
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
    where: str = ""  # the file and the line that it comes from
    approve: frozenset[str] = frozenset()  # as `operators`: one of them has to approve typing
    index: "PatternIndex" = field(init=False, eq=False, repr=False)

    @index.default
    def _look(self) -> "PatternIndex":
        return PatternIndex.of(self.consoles)

    def matches(self, operator: Operator, subject: Subject) -> bool:
        """Whether this rule is about `operator` on the console that `subject` describes."""
        return self.names(operator) and self.covers(subject)

    def covers(self, subject: Subject) -> bool:
        """Whether it is about the console that `subject` describes, for any operator."""
        return self.index.has(subject)

    def names(self, operator: Operator) -> bool:
        """Whether it is about `operator`, on whatever console."""
        return bool(_called(self.operators, operator))

    def approving(self, operator: Operator) -> Rights:
        """What lets `operator` approve what others type under this rule."""
        return frozenset(_GIVES + name for name in _called(self.approve, operator))


def _called(names: frozenset[str], operator: Operator) -> frozenset[str]:
    """Those of `names` that mean `operator`."""
    own = {"*", *(f"@{group}" for group in operator.groups)}
    if not operator.name.startswith("@"):
        own.add(operator.name)
    return names & own


def matches(pattern: str, subject: Subject) -> bool:
    """Whether one console pattern matches: without case; `prod/web*` only in zone `prod`.

    A slash in a VM's own name cannot pass for a zone: it is matched as `%2F`.
    """
    if pattern.startswith("uuid:"):
        return subject.uuid is not None and fnmatchcase(subject.uuid, _digits(pattern))
    zone, slash, glob = pattern.partition("/")
    if not slash:
        zone, glob = "*", pattern
    return fnmatchcase(subject.zone, zone) and fnmatchcase(_matched(subject), glob.casefold())


@frozen
class _Wild:
    """A pattern with wildcards, made ready: trying one takes less than a microsecond."""

    name: re.Pattern[str]
    zone: re.Pattern[str] | None = None
    is_uuid: bool = False

    @classmethod
    def of(cls, pattern: str) -> "_Wild":
        if pattern.startswith("uuid:"):
            return cls(_compiled(_digits(pattern)), is_uuid=True)
        zone, slash, name = pattern.partition("/")
        if not slash:
            return cls(_compiled(pattern.casefold()))
        return cls(_compiled(name.casefold()), None if zone == "*" else _compiled(zone))

    def has(self, subject: Subject, name: str) -> bool:
        if self.is_uuid:
            return subject.uuid is not None and self.name.match(subject.uuid) is not None
        if self.zone is not None and not self.zone.match(subject.zone):
            return False
        return self.name.match(name) is not None


def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile(translate(glob))


@frozen
class PatternIndex:
    """The patterns of a rule, so that thousands of plain names are one look-up.

    `names` are pairs of a zone, None for any, and a name without case.
    """

    names: frozenset[tuple[str | None, str]]
    uuids: frozenset[str]
    wild: tuple[_Wild, ...]

    @classmethod
    def of(cls, patterns: Iterable[str]) -> "PatternIndex":
        names, uuids, wild = set[tuple[str | None, str]](), set[str](), list[_Wild]()
        for pattern in patterns:
            zone, slash, name = pattern.partition("/")
            if is_glob(pattern):
                wild.append(_Wild.of(pattern))
            elif pattern.startswith("uuid:"):
                uuids.add(_digits(pattern))
            else:
                names.add((zone, name.casefold()) if slash else (None, pattern.casefold()))
        return cls(frozenset(names), frozenset(uuids), tuple(wild))

    def has(self, subject: Subject) -> bool:
        """Whether one of them matches."""
        return self.has_named(subject, _matched(subject))

    def has_named(self, subject: Subject, name: str) -> bool:
        """The same for a name that is as patterns compare it. It is asked of every console for one
        list: no calls that can be spared.
        """
        names = self.names
        if names and ((None, name) in names or (subject.zone, name) in names):
            return True
        if self.uuids and subject.uuid in self.uuids:
            return True
        for each in self.wild:  # noqa: SIM110
            if each.has(subject, name):
                return True
        return False


def _digits(pattern: str) -> str:
    return pattern[5:].replace("-", "").replace(" ", "").lower()


def _matched(subject: Subject) -> str:
    return subject.name.replace("/", "%2F").casefold()


@frozen
class OperatorRules:
    """The rules that name one operator: which consoles, and the rights on those. `approves`: those
    that let it approve what others type.
    """

    rules: tuple[tuple[PatternIndex, Rights], ...] = ()
    roles: frozenset[str] = frozenset()
    approves: tuple[tuple[PatternIndex, Rights], ...] = ()

    def rights(self, subject: Subject) -> Rights:
        """See `Access.rights`."""
        if subject.quarantined:
            return QUARANTINE if "admin" in self.roles else NOTHING
        name, found = _matched(subject), NOTHING
        for index, rights in self.rules:
            if index.has_named(subject, name):
                found = rights
                break
        if "audit" in self.roles:
            found |= AUDITORS
        if self.approves and "read" in found:
            for index, rights in self.approves:
                found |= rights if index.has_named(subject, name) else NOTHING
        return found


@frozen
class Access:
    """All rules, in the order of the configuration."""

    rules: tuple[Rule, ...] = ()

    def rights(self, operator: Operator, subject: Subject) -> Rights:
        """What `operator` may do; empty means that the console does not exist for it.

        Auditors read everything. A quarantined console is read by administrators only, and takes
        no input. Who reads a console may approve what is typed there where a rule says so.
        """
        return self.about(operator).rights(subject)

    def history(self, operator: Operator, subject: Subject) -> float | None:
        """How many seconds `operator` may look back; None: to the beginning."""
        rule = self.deciding(operator, subject)
        return None if rule is None or "audit" in operator.roles else rule.history

    def deciding(self, operator: Operator, subject: Subject) -> Rule | None:
        """The rule that decides what `operator` may do, unless the console is quarantined."""
        return next((rule for rule in self.rules if rule.matches(operator, subject)), None)

    def about(self, operator: Operator) -> "OperatorRules":
        """What counts for one operator, to be asked about many consoles."""
        rules = tuple((rule.index, rule.rights) for rule in self.rules if rule.names(operator))
        approves = tuple((rule.index, rule.approving(operator)) for rule in self.rules)
        return OperatorRules(rules, operator.roles, tuple(each for each in approves if each[1]))

    def alike(self, one: Subject, other: Subject) -> bool:
        """Whether each rule matches both or neither, for any operator."""
        return all(rule.covers(one) == rule.covers(other) for rule in self.rules)

    @classmethod
    def of(cls, rules: Iterable[tuple[Iterable[str], Iterable[str], Iterable[str]]]) -> "Access":
        """From (operators, consoles, rights) triples."""
        return cls(tuple(Rule(frozenset(o), tuple(c), frozenset(r)) for o, c, r in rules))
