"""The configuration in force, and what a reload of it cannot change.

Listeners, keys of the server and sizes that tables were made with need a restart.
"""

from collections.abc import Iterable, Iterator, Mapping

from attrs import evolve, field, fields, frozen, has

from vspc.auth.directory import OperatorDirectory
from vspc.common.text import safe
from vspc.config import Config
from vspc.config.checks import NAME_LIMIT
from vspc.config.profiles import DEFAULT_PROFILE, ProfileSettings
from vspc.config.settings import (
    AccessRule,
    AuditSettings,
    BreakSettings,
    ConsoleSettings,
    GroupSettings,
    LogSettings,
    SshSettings,
    key_of,
)
from vspc.config.values import Consoles
from vspc.console.access import (
    REASON,
    Access,
    Operator,
    OperatorRules,
    Rights,
    Rule,
    Subject,
    approval_needed,
    matches,
)
from vspc.console.groups import ConsoleGroup
from vspc.console.remote import REMOTE, REMOTE_RIGHTS

REMEMBERED = 100_000
"""Decisions of the rules that are cached until the next reload."""


LOCAL = Operator("root@local", roles=frozenset({"admin", "audit"}))
"""The operator of the control socket: root, or the server's user."""

EVERYTHING: Rights = frozenset({"read", "write", "break", "force", "join", "admin"})


@frozen
class _Decided:
    """What one operator may do, as far as the rules have been asked. `everywhere`: without them."""

    asked: Operator | None
    rules: OperatorRules = field(factory=OperatorRules)
    everywhere: Rights | None = None
    rights: dict[Subject, Rights] = field(factory=dict)

    def decide(self, subject: Subject) -> Rights:
        """Ask them."""
        found = self.rules.rights(subject) if self.everywhere is None else self.everywhere
        self.rights[subject] = found
        return found


class Live:
    """The configuration in force, and what follows from it; a reload replaces both."""

    def __init__(self, config: Config) -> None:
        # Lists ask for every console each time; rules are globs.
        self._decided: dict[Operator, _Decided] = {}
        self._last = _Decided(None)  # of the operator who asked last
        self._remembered = 0
        self.take(config)

    def take(self, config: Config) -> None:
        """`config` is in force from now on."""
        self.config = config
        self.directory = OperatorDirectory(config)
        self._forget()
        self.access = Access(tuple(map(rule, config.access)))
        self._groups = tuple(map(group, config.group))
        self._by_file = tuple(
            (self.access.rules[number], group_of(each.consoles_file))
            for number, each in enumerate(config.access)
            if each.consoles_file is not None
        )

    def current(self, operator: Operator) -> Operator | None:
        """`operator` by the configuration in force; None if there is no such operator any more."""
        if operator in (LOCAL, REMOTE):
            return operator
        return self.directory.current(operator)

    def rights(self, operator: Operator, subject: Subject) -> Rights:
        """Rights by the rules in force and the present groups and roles of `operator`."""
        decided = self._last
        if decided.asked is not operator:
            decided = self._last = self._decided_of(operator)
        known = decided.rights.get(subject)
        if known is None:
            known = decided.decide(subject)
            self._remembered += 1
            if self._remembered >= REMEMBERED:
                self._forget()
        return known

    def _forget(self) -> None:
        self._decided.clear()
        self._last = _Decided(None)
        self._remembered = 0

    def _decided_of(self, operator: Operator) -> _Decided:
        if operator is LOCAL:
            return _Decided(operator, everywhere=EVERYTHING)
        if operator == REMOTE:
            return _Decided(operator, everywhere=REMOTE_RIGHTS)
        known = self._decided.get(operator)
        if known is None:
            current = self.current(operator)
            rules = OperatorRules() if current is None else self.access.about(current)
            known = self._decided[operator] = _Decided(operator, rules)
        return known if known.asked is operator else evolve(known, asked=operator)

    def groups(self, operator: Operator) -> tuple[ConsoleGroup, ...]:
        """The groups of [[group]], and those that a `consoles_file` of a rule about `operator` is,
        each title once.
        """
        current = self.current(operator)
        files = [] if current is None else [g for r, g in self._by_file if r.names(current)]
        found = dict[str, ConsoleGroup]()
        for each in (*self._groups, *files):
            found.setdefault(each.title.casefold(), each)
        return tuple(found.values())

    def history_limit(self, operator: Operator, subject: Subject) -> float | None:
        """How many seconds `operator` may look back; None: to the beginning."""
        if operator is LOCAL:
            return None
        current = self.current(operator)
        return 0.0 if current is None else self.access.history(current, subject)

    def break_sequences(self, subject: Subject) -> list[BreakSettings]:
        """The sequences of [[break]] for the console that `subject` describes."""
        return [
            each
            for each in self.config.break_
            if any(matches(pattern, subject) for pattern in each.consoles)
        ]

    def profile(self, subject: Subject) -> ProfileSettings:
        """What [[console.profile]] says of the console that `subject` describes."""
        for each in self.config.console.profile:
            if any(matches(pattern, subject) for pattern in each.consoles):
                return each
        return DEFAULT_PROFILE

    def affected(self, before: Subject, after: Subject, operators: Iterable[Operator]) -> set[str]:
        """Names of operators whose rights change when a console `before` becomes `after`: of those
        in the tables and of `operators`.
        """
        if self.access.alike(before, after):
            return set()
        known = {*self.directory.operators.values(), *operators}
        found = {who.name for who in known if self.rights(who, before) != self.rights(who, after)}
        # Operators made by certificates or a program have no table, and need not be logged in.
        rights = self.access.rights
        return found | {
            who.name
            for who in (*self._mapped(), *self._granted())
            if rights(who, before) != rights(who, after)
        }

    def _granted(self) -> Iterator[Operator]:
        """Operators that `auth_command` may make or give groups, as far as rules tell apart."""
        for group in self.config.ssh.auth_command_groups:
            yield Operator(f"@{group} (auth_command)", frozenset({group}))
        for glob in self.config.ssh.auth_command_operators:
            yield Operator(f"{glob} (auth_command)")

    def _mapped(self) -> Iterator[Operator]:
        """Operators that certificate maps may make, as far as rules tell them apart."""
        tables = self.directory.operators
        named = {name for rule in self.access.rules for name in rule.operators}
        for each in self.config.ssh.certificates.map:
            groups, roles = frozenset(each.groups), frozenset(each.roles)
            yield Operator(f"{' '.join(each.principals)} (certificate)", groups, roles)
            for name in sorted(named - tables.keys()):
                if name != "*" and not name.startswith("@"):
                    yield Operator(name, groups, roles)


def changes(old: Config, new: Config) -> list[str]:
    """The key paths of tables that differ, for the audit file."""
    found = list[str]()
    for key in fields(Config):
        before, after = getattr(old, key.name), getattr(new, key.name)
        if key.metadata.get("computed") or before == after:
            continue
        if isinstance(before, Mapping):
            names = sorted(before.keys() | after.keys())
            found += [f"{key.name}.{n}" for n in names if before.get(n) != after.get(n)]
        elif has(type(before)):
            found += [
                f"{key.name}.{key_of(inner.name)}"
                for inner in fields(type(before))
                if getattr(before, inner.name) != getattr(after, inner.name)
            ]
        else:
            found.append(key_of(key.name))
    return found


def rule(settings: AccessRule) -> Rule:
    """One [[access]] table, as it decides."""
    rights = frozenset[str](settings.rights)
    if settings.require_reason:
        rights |= {REASON}
    approve = frozenset[str](settings.approve or ())
    if approve:
        rights |= approval_needed(approve)
    operators = frozenset(settings.operators)
    return Rule(operators, settings.patterns, rights, settings.history, approve=approve)


def group(settings: GroupSettings) -> ConsoleGroup:
    """One [[group]] table."""
    return ConsoleGroup(settings.title, settings.patterns)


def group_of(file: Consoles) -> ConsoleGroup:
    """The consoles of a file, under its name."""
    return ConsoleGroup(safe(file.path.stem, NAME_LIMIT), file.patterns)


def _fixed(log: LogSettings) -> tuple[object, ...]:
    """Settings of the log that need a restart."""
    return log.enabled, log.fsync, log.fsync_interval, log.boot_patterns, log.record_input, log.sink


def _listening(ssh: SshSettings) -> tuple[object, ...]:
    """Settings of SSH that need a restart."""
    times = ssh.login_timeout, ssh.auth_command_wait
    return ssh.listen, ssh.host_keys, times, ssh.max_channels


def _sized(console: ConsoleSettings) -> ConsoleSettings:
    """Settings of [console] that need a restart."""
    return evolve(console, listen=(), profile=())


def _recorded(config: Config) -> AuditSettings:
    """Settings of the audit file that need a restart, wherever state_dir is."""
    file = config.audit.file
    if file.is_relative_to(config.state_dir):
        file = file.relative_to(config.state_dir)
    return evolve(config.audit, on_failure="continue", file=file)


def needs_restart(old: Config, new: Config) -> list[str]:
    """Key paths that differ and need a restart."""
    pairs = {
        "state_dir": (old.state_dir, new.state_dir),
        "vm.telnet": (old.vm.telnet, new.vm.telnet),
        "vm.telnets": (old.vm.telnets, new.vm.telnets),
        "vm.zone": (
            [(z.name, z.telnet, z.telnets) for z in old.vm.zone],
            [(z.name, z.telnet, z.telnets) for z in new.vm.zone],
        ),
        "vm.identify_timeout": (old.vm.identify_timeout, new.vm.identify_timeout),
        "vm.probe_timeout": (old.vm.probe_timeout, new.vm.probe_timeout),
        "vm.vmotion_timeout": (old.vm.vmotion_timeout, new.vm.vmotion_timeout),
        "vm.plain": (
            [(p.name, p.listen, p.telnet) for p in old.vm.plain],
            [(p.name, p.listen, p.telnet) for p in new.vm.plain],
        ),
        "console": (_sized(old.console), _sized(new.console)),
        "audit": (_recorded(old), _recorded(new)),
        "metrics.listen": (old.metrics.listen, new.metrics.listen),
        "log": (
            _fixed(old.log),
            _fixed(new.log),
        ),
        "ssh": (
            _listening(old.ssh),
            _listening(new.ssh),
        ),
        "ssh.max_unauthenticated": (
            (old.ssh.max_unauthenticated, old.ssh.max_unauthenticated_per_address),
            (new.ssh.max_unauthenticated, new.ssh.max_unauthenticated_per_address),
        ),
    }
    return [key for key, (before, after) in pairs.items() if before != after]
