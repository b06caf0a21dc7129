"""The rights of every operator on every console, and the rule that decides."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from attrs import evolve, field, frozen

from vspc.common.globs import Glob, parse_pattern
from vspc.config import Config
from vspc.config.checks import DEFAULT_ZONE, filled
from vspc.config.settings import CertificateMap, OperatorSettings
from vspc.console.access import (
    AUDITORS,
    NOTHING,
    QUARANTINE,
    Access,
    Operator,
    Rights,
    Rule,
    Subject,
    matches,
)
from vspc.server.reload import rule as deciding_rule

EXAMPLES = 50
ALL_EXAMPLES = 500
"""Patterns of one rule, and of all, that stand for consoles where no server says which exist."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_.~ "


@frozen
class AccessRow:
    """An operator; `certificate` is the glob of principals that log in as this one, `program` is
    true of one that `auth_command` makes or gives a group.
    """

    operator: Operator
    certificate: str = ""
    program: bool = False

    @property
    def label(self) -> str:
        """As it is printed."""
        if self.program:
            groups = "".join(f" @{group}" for group in sorted(self.operator.granted or ()))
            return f"{self.operator.name} (auth_command{groups})"
        if not self.certificate:
            return self.operator.name
        glob = "" if self.certificate == self.operator.name else f" {self.certificate}"
        return f"{self.operator.name} (certificate{glob})"


@frozen
class AccessColumn:
    """A console that exists, or a pattern of the rules as an example of one."""

    label: str
    subject: Subject
    uid: str = ""


@frozen
class AccessCell:
    """What an operator may do on a console, and the rule that decides; None: no rule.

    `index`: which of the configuration's rules. `role`: the one that decides, or adds to the rule.
    """

    rights: Rights
    rule: Rule | None = None
    index: int = -1
    role: str = ""

    @property
    def history(self) -> float | None:
        """How many seconds one may look back; None: to the beginning. Auditors see all."""
        return None if self.rule is None or self.role else self.rule.history


def rules_of(config: Config) -> Access:
    """The rules, each with the file and line that it comes from."""
    return Access(
        tuple(
            evolve(deciding_rule(each), where=f"{config.path.name} line {each.line}")
            for each in config.access
        )
    )


@frozen
class AccessMatrix:
    """Every operator on every console.

    Rules are asked once for each operator and once for each console: 200 on 500 are a moment.
    """

    access: Access
    rows: Sequence[AccessRow]
    columns: Sequence[AccessColumn]
    _naming: Mapping[AccessRow, tuple[int, ...]] = field(init=False, eq=False)
    _covering: Mapping[AccessColumn, frozenset[int]] = field(init=False, eq=False)

    @_naming.default
    def _look_for_names(self) -> Mapping[AccessRow, tuple[int, ...]]:
        rules = list(enumerate(self.access.rules))
        return {
            row: tuple(at for at, rule in rules if rule.names(row.operator)) for row in self.rows
        }

    @_covering.default
    def _look_for_consoles(self) -> Mapping[AccessColumn, frozenset[int]]:
        rules = list(enumerate(self.access.rules))
        return {
            column: frozenset(at for at, rule in rules if rule.covers(column.subject))
            for column in self.columns
        }

    def cell(self, row: AccessRow, column: AccessColumn) -> AccessCell:
        """What `Access` says, too: no rule is about quarantined lines, and auditors read all."""
        if column.subject.quarantined:
            return AccessCell(
                QUARANTINE if "admin" in row.operator.roles else NOTHING, role="admin"
            )
        covering = self._covering[column]
        at = next((at for at in self._naming[row] if at in covering), -1)
        rule = self.access.rules[at] if at >= 0 else None
        rights = rule.rights if rule else NOTHING
        if "audit" in row.operator.roles:
            return AccessCell(rights | AUDITORS, rule, at, "audit")
        return AccessCell(rights, rule, at)

    def alike(self) -> Iterator[tuple[list[AccessRow], list[tuple[AccessColumn, AccessCell]]]]:
        """Operators about whom the same rules are, with their cells."""
        groups: dict[object, list[AccessRow]] = {}
        for row in self.rows:
            key = (self._naming[row], row.operator.roles)
            groups.setdefault(key, []).append(row)
        for rows in groups.values():
            yield rows, [(column, self.cell(rows[0], column)) for column in self.columns]


# Operators


def rows_of(config: Config) -> list[AccessRow]:
    """Operators of the tables, of the certificates' maps, those that rules name, and those that
    `auth_command` makes.
    """
    rows = {name: AccessRow(operator) for name, operator in _tabled(config).items()}
    named = {who for rule in config.access for who in rule.operators if not who.startswith("@")}
    made = dict.fromkeys(_certified(config))
    for name in sorted((named | set(rows)) - {"*"}):
        made.update(dict.fromkeys(_certified(config, name)))
    known = {row.operator for row in rows.values()}
    certified = (row for row in made if row.operator not in known)
    return [*rows.values(), *certified, *_programmed(config)]


def rows_named(config: Config, name: str) -> list[AccessRow]:
    """All ways to log in as the operator `name`; none: it is impossible."""
    table = _tabled(config).get(name)
    rows = [] if table is None else [AccessRow(table)]
    certified = (row for row in _certified(config, name) if row.operator != table)
    return [*rows, *certified, *_programmed(config, name)]


def _tabled(config: Config) -> dict[str, Operator]:
    return {
        name: Operator(name, frozenset(o.groups), frozenset(o.roles))
        for name, o in config.operators.items()
    }


def _certified(config: Config, only: str | None = None) -> list[AccessRow]:
    """Operators made by maps: as `only` if that is given, else with a glob for a name."""
    maps = config.ssh.certificates.map if config.ssh.certificates.keys else ()
    found: dict[Operator, AccessRow] = {}
    for each in maps:
        for principal in each.principals:
            name = filled(each.operator, principal, "*")
            if only is None or fnmatchcase(only, name):
                operator = _standing(config, each, principal, only or name)
                found.setdefault(operator, AccessRow(operator, principal))
    return list(found.values())


def _programmed(config: Config, only: str | None = None) -> list[AccessRow]:
    """Operators that `auth_command` makes, without a group and with one of those that it may give:
    as `only` if that is given, else with a glob for a name.
    """
    ssh = config.ssh
    if ssh.auth_command is None:
        return []
    globs, groups = ssh.auth_command_operators, ssh.auth_command_groups
    made: dict[str, tuple[str, ...]] = {}
    if only is None:
        made = dict.fromkeys(globs, ("", *groups)) if globs else {"*": groups}
    elif only in config.operators:
        made = {only: groups}
    elif any(fnmatchcase(only, glob) for glob in globs):
        made = {only: ("", *groups)}
    return [
        AccessRow(_given(config, name, group), program=True)
        for name, given in made.items()
        for group in given
    ]


def _given(config: Config, name: str, group: str) -> Operator:
    """The operator `name` with what the table says, and `group` by the program, if that is one."""
    settings = config.operators.get(name, OperatorSettings())
    granted = frozenset({group} if group else ())
    groups = frozenset(settings.groups) | granted
    return Operator(name, groups, frozenset(settings.roles), granted=granted)


def _standing(config: Config, each: CertificateMap, principal: str, name: str) -> Operator:
    """The operator `name` by the map `each`: what all maps and the table of that name give."""
    sources: list[CertificateMap | OperatorSettings] = [
        other
        for other in config.ssh.certificates.map
        if other.operator == each.operator
        and any(Glob(wide).covers(Glob(principal)) for wide in other.principals)
    ]
    if name in config.operators:
        sources.append(config.operators[name])
    return Operator(
        name,
        frozenset(group for source in sources for group in source.groups),
        frozenset(role for source in sources for role in source.roles),
    )


# Consoles


def columns_there(consoles: Iterable[Mapping[str, Any]]) -> list[AccessColumn]:
    """Those of `list --json`."""
    return [
        AccessColumn(
            each["handle"],
            Subject(each["vm_name"], each["zone"], each["uuid"], each["state"] == "quarantined"),
            each["id"],
        )
        for each in consoles
    ]


def picked(columns: Iterable[AccessColumn], glob: str) -> list[AccessColumn]:
    """Those that `glob` names: as rules do, or by handle or id."""
    low = glob.casefold()
    return [
        column
        for column in columns
        if matches(glob, column.subject)
        or fnmatchcase(column.label.casefold(), low)
        or column.uid == glob
    ]


def columns_of(config: Config) -> list[AccessColumn]:
    """For each pattern of the rules a console that it matches; at most `EXAMPLES` of a rule.

    Of no rule there is none, unless there are more than `ALL_EXAMPLES` rules.
    """
    zones = [zone.name for zone in config.vm.zones]
    taken: dict[str, None] = {}
    for place in range(EXAMPLES):  # the first of each rule before the second of any
        for rule in config.access:
            if place < len(rule.patterns) and len(taken) < ALL_EXAMPLES:
                taken[rule.patterns[place]] = None
    order = (pattern for rule in config.access for pattern in rule.patterns[:EXAMPLES])
    return [column_of(pattern, zones) for pattern in dict.fromkeys(order) if pattern in taken]


def column_of(pattern: str, zones: Sequence[str]) -> AccessColumn:
    """A console as `pattern` describes it: the name where it is one, else one that it matches."""
    found = parse_pattern(pattern)
    if found.uuid is not None:
        digits = _example(found.uuid, "0")
        missing = 32 - len(digits.replace("*", ""))
        return AccessColumn(
            pattern, Subject("", DEFAULT_ZONE, digits.replace("*", "0" * missing, 1))
        )
    zone, slash, name = pattern.partition("/")
    wanted = zone if slash else DEFAULT_ZONE
    home = next((z for z in zones if fnmatchcase(z, wanted)), wanted)
    said = _example(Glob(name if slash else pattern), "?").replace("%2F", "/").replace("%2f", "/")
    return AccessColumn(pattern, Subject(said, home, None))


def _example(glob: Glob, any_letter: str) -> str:
    """A text that `glob` matches, and its stars where it has some."""
    letters = []
    for word in glob.tokens or glob.text:
        if word == "?":
            word = any_letter
        elif len(word) > 1:
            word = next((c for c in _LETTERS if fnmatchcase(c, word)), any_letter)
        letters.append(word)
    return "".join(letters)
