"""[[access]]: what its rules can name, and rules that can never match or have no effect.

They name consoles, by patterns in the configuration or in a file of one a line, and operators and
groups, which the tables have or certificates and `auth_command` can make. A pattern that can match
nothing is a mistake: it may be all that denies access.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from attrs import frozen

from vspc.common.globs import ConsolePattern, is_glob, parse_pattern
from vspc.common.textfile import lines, located, read_text
from vspc.common.values import InvalidLines, InvalidValue
from vspc.config.checks import filled, is_name
from vspc.config.mistakes import Finding, Tainted, dicts, shown, table, words
from vspc.config.settings import AccessRule, Config, OperatorSettings
from vspc.config.values import Consoles, Pattern

CONSOLES_LIMIT = 4 * 1024 * 1024
"""Bytes of a consoles_file."""

WILD_LIMIT = 10_000
"""Patterns with wildcards in a consoles_file: they are compared one after the other."""

WRONG_LINES = 20
"""Wrong lines of a consoles_file that are named."""

_UUID = re.compile(r"[0-9a-f]{32}|(?=.*[*?\[])[0-9a-f*?\[\]!-]+", re.ASCII)

_QUOTES = "\"'`\u2018\u2019\u201c\u201d"

_ANY = 'a "?" stands for any character'


def pattern(value: object) -> Pattern:
    """A pattern of consoles; `InvalidValue` for one that can match none."""
    if not isinstance(value, str) or not value:
        allowed = 'consoles are written "web*", "uuid:4213...", "default/web*" or "*"'
        raise InvalidValue(f"{shown(value)} is not a console pattern", allowed)
    if value != value.strip():
        raise InvalidValue(f"{shown(value)} begins or ends with a space", "remove it")
    if not value.isprintable():
        raise InvalidValue(f"{shown(value)} contains an unprintable character", _ANY)
    if value.startswith("uuid:"):
        _examine_uuid(value)
    else:
        _examine_name(value)
    return Pattern(value)


def _examine_uuid(value: str) -> None:
    digits = value[5:].replace("-", "").replace(" ", "").lower()
    if not _UUID.fullmatch(digits):
        raise InvalidValue(
            f"{shown(value)} is not a UUID",
            'a UUID has 32 hexadecimal digits; "uuid:4213*" is every one that begins so',
        )


def _examine_name(value: str) -> None:
    """Quotes, commas and comments would be taken for a part of a name."""
    if value[0] in _QUOTES or value[-1] in _QUOTES:
        raise InvalidValue(f"{shown(value)} contains quotes", f"remove them; {_ANY}")
    if "," in value:
        allowed = f"write each pattern as an entry of its own; {_ANY}"
        raise InvalidValue(f"{shown(value)} contains a comma", allowed)
    if re.search(r"\s#", value):
        raise InvalidValue(
            f"{shown(value)} contains a comment", f"write it on a line of its own; {_ANY}"
        )


def consoles_file(path: Path) -> Consoles:
    """The patterns in `path`, one a line; comments and empty lines are skipped. Raises
    `InvalidValue`, or `InvalidLines`. An empty file is refused: a writer may just have begun, or
    the disk be full.
    """
    text = read_text(path, CONSOLES_LIMIT)
    if not text.strip():
        allowed = "a comment is enough if no console is meant"
        raise located(path, InvalidValue("the file is empty", allowed))
    found, wrongs = dict[int, Pattern](), list[InvalidValue]()
    for number, line in lines(text):
        try:
            found[number] = _line(line)
        except InvalidValue as wrong:
            wrongs.append(
                located(path, InvalidValue(f"line {number}: {wrong.problem}", wrong.allowed))
            )
    if wrongs:
        raise InvalidLines(wrongs[:WRONG_LINES])
    wild = sum(map(is_glob, found.values()))
    if wild > WILD_LIMIT:
        allowed = f"at most {WILD_LIMIT} are allowed, and any number of plain names"
        raise located(path, InvalidValue(f"{wild} patterns with wildcards", allowed))
    return Consoles(path, tuple(found.values()), tuple(found))


def _line(line: str) -> Pattern:
    found = pattern(line)
    if " " in found and not found.startswith("uuid:"):
        allowed = f'write one pattern per line; {_ANY}, or write consoles = ["my vm"]'
        raise InvalidValue(f"{shown(line)} contains a space", allowed)
    return found


@frozen
class ConfiguredPeople:
    """Operators, and groups with an @ in front; `globs` match names that certificates and
    `auth_command` can make.
    """

    names: frozenset[str]
    globs: tuple[str, ...] = ()

    def has(self, who: str) -> bool:
        """Whether `who`, a name or "@group", is in the tables or may be made at a login."""
        if who in self.names:
            return True
        return is_name(who) and any(fnmatchcase(who, glob) for glob in self.globs)


def people(tables: dict[str, Any]) -> ConfiguredPeople:
    """The operators and groups of a file. They are taken from its tables as they stand, so that a
    mistake in one of these causes no others.
    """
    operators, ssh = table(tables, "operators"), table(tables, "ssh")
    maps = dicts(table(ssh, "certificates"), "map")
    owners = [owner for owner in operators.values() if isinstance(owner, dict)]
    named = [group for owner in [*owners, *maps] for group in words(owner, "groups")]
    groups = (f"@{group}" for group in [*named, *words(ssh, "auth_command_groups")])
    made = [*_made(maps), *words(ssh, "auth_command_operators")]
    fixed = frozenset(name for name in made if not is_glob(name))
    return ConfiguredPeople(frozenset(operators) | frozenset(groups) | fixed, tuple(made))


def _made(maps: list[dict[str, Any]]) -> Iterator[str]:
    """Globs of the names that certificates can make: more perhaps, never fewer."""
    for each in maps:
        name = each.get("operator", "{principal}")
        if not isinstance(name, str):
            continue
        for glob in words(each, "principals"):
            yield filled(name, glob, "*")


# What has no effect

COMPARED = 2000
"""Patterns of one rule that are compared with those of earlier ones; a rule with more is not."""

NAMED = 3
"""Patterns, or earlier rules, that one warning names; others are counted."""

WILD_COMPARED = 200
"""Patterns with wildcards of earlier rules that one is compared with."""

UUID_DIGITS = 32


def warnings(config: Config) -> Iterator[str]:
    """Warnings, in the order of the rules."""
    zones = [zone.name for zone in config.vm.zones]
    groups = _groups(config.operators)
    seen: dict[str, EarlierRules] = defaultdict(EarlierRules)
    for index, rule in enumerate(config.access):
        name = called(config, index)
        yield from (f"{name}: {text}" for text in _alone(rule, config))
        yield from _patterns(rule, index, name, zones)
        if _is_all(rule) and index + 1 < len(config.access):
            yield f"{name}: it matches all operators on all consoles; later rules have no effect"
            return
        patterns = [parse_pattern(text) for text in rule.patterns[: COMPARED + 1]]
        earlier = _taken(rule, patterns, seen, groups)
        if earlier:
            which = [called(config, one) for one in sorted(earlier)]
            more = [f"{len(which) - NAMED} more"] if len(which) > NAMED else []
            those = ", ".join(which[:NAMED] + more)
            yield f"{name}: it has no effect: {those} already decide for all that it matches"
        for who in rule.operators:
            seen[who].add(patterns, index)


def called(config: Config, index: int) -> str:
    """The name of a rule in warnings."""
    line = config.access[index].line
    return f"access[{index}] (line {line})" if line else f"access[{index}]"


def _is_all(rule: AccessRule) -> bool:
    return "*" in rule.operators and "*" in rule.patterns


def _groups(operators: Mapping[str, OperatorSettings]) -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(f"@{g}" for g in operator.groups) for name, operator in operators.items()}


def _alone(rule: AccessRule, config: Config) -> Iterator[str]:
    """Warnings about one rule alone."""
    if not rule.operators:
        yield "it has no operators, so it never matches"
    if not rule.patterns:
        yield "its consoles_file is empty, so it never matches"
    if rule.rights and "read" not in rule.rights:
        yield "without read, the console is not visible and other rights have no effect"
    yield from _approval(rule, config)
    if rule.require_reason and not config.audit.enabled:
        yield "require_reason: with [audit] off, the reason is not recorded"


def _approval(rule: AccessRule, config: Config) -> Iterator[str]:
    """Approval that nobody needs, or that nobody can give."""
    if rule.approve is None:
        return
    if not {"write", "break"} & set(rule.rights):
        yield "approve: without write or break, nothing needs approval"
    may = set(rule.approve)
    if len(may) == 1 and may == set(rule.operators) and may <= config.operators.keys():
        yield f"approve: {rule.approve[0]} cannot approve what the same operator types"
    for group in sorted(may):
        named = [name for name, each in config.operators.items() if group[1:] in each.groups]
        if group.startswith("@") and len(named) == 1 and not _may_be_given(group[1:], config):
            only = named[0]
            own = {"*", only, *(f"@{each}" for each in config.operators[only].groups)}
            if own & set(rule.operators):
                yield f"approve: only {only} is in {group}, and cannot approve what {only} types"


def _may_be_given(group: str, config: Config) -> bool:
    """Whether a login can put somebody into `group`."""
    mapped = (name for each in config.ssh.certificates.map for name in each.groups)
    return group in config.ssh.auth_command_groups or group in mapped


def conflicts(config: Config, tainted: Tainted) -> Iterator[Finding]:
    """Mistakes: patterns that can match nothing, in rules that deny access."""
    if tainted.about("vm.zone"):
        return
    zones = [zone.name for zone in config.vm.zones]
    for index, rule in tainted.numbered("access", config.access):
        if rule.rights or not rule.operators or tainted.about(f"access[{index}].rights"):
            continue
        for place, text in enumerate(rule.patterns):
            why = _impossible(text, zones)
            if why and place < len(rule.consoles):
                yield f"access[{index}].consoles[{place}]", why, _DENIES
            elif why:
                yield f"access[{index}].consoles_file", _in_file(rule, place, why), _DENIES


_DENIES = "the rule denies nothing with it"


def _in_file(rule: AccessRule, place: int, why: str) -> str:
    """`why`, about one of the patterns in the file of the rule."""
    assert rule.consoles_file is not None
    line = rule.consoles_file.lines[place - len(rule.consoles)]
    return located(rule.consoles_file.path, InvalidValue(f"line {line}: {why}", "")).problem


def _patterns(rule: AccessRule, index: int, name: str, zones: list[str]) -> Iterator[str]:
    """Warnings about patterns that can match nothing."""
    found = 0
    own = len(rule.consoles)
    for place, text in enumerate(rule.patterns):
        why = _impossible(text, zones)
        found += bool(why)
        if why and found <= NAMED:
            key = f"consoles[{place}]" if place < own else "consoles_file"
            why = why if place < own else _in_file(rule, place, why)
            yield f"{name.replace(f'access[{index}]', f'access[{index}].{key}')}: {why}"
    if found > NAMED:
        yield f"{name}: {found - NAMED} more of its patterns never match"


def _impossible(text: str, zones: list[str]) -> str:
    zone, slash, _ = text.partition("/")
    if slash and not text.startswith("uuid:") and not any(fnmatchcase(z, zone) for z in zones):
        return f"unknown zone {zone if zone.isprintable() and len(zone) < 40 else shown(zone)}"
    why = unmatchable(parse_pattern(text))
    return why and f"{shown(text)} never matches: {why}"


def _taken(
    rule: AccessRule,
    patterns: list[ConsolePattern],
    seen: Mapping[str, "EarlierRules"],
    groups: Mapping[str, tuple[str, ...]],
) -> set[int]:
    """Earlier rules that together match all that `rule` does; empty if that is not certain."""
    if len(patterns) > COMPARED:
        return set()
    earlier = set[int]()
    for who in rule.operators:
        wider = [seen[one] for one in ("*", who, *groups.get(who, ())) if one in seen]
        for pattern in patterns:
            found = [at for one in wider if (at := one.rule(pattern)) is not None]
            if not found:
                return set()
            earlier.add(min(found))
    return earlier


def unmatchable(pattern: ConsolePattern) -> str:
    """Why no console can match it; empty if one may."""
    if pattern.uuid is None:
        return "a slash in a VM's name is matched as %2F" if "/" in pattern.name.tokens else ""
    tokens = pattern.uuid.tokens
    least = sum(word != "*" for word in tokens)
    if least > UUID_DIGITS or (tokens and "*" not in tokens and least < UUID_DIGITS):
        return f"a UUID has {UUID_DIGITS} digits"
    if pattern.uuid.text in ("0" * UUID_DIGITS, "f" * UUID_DIGITS):
        return "a VM with that UUID is identified by its address and name"
    return ""


class EarlierRules:
    """Patterns of earlier rules for the same operator or group."""

    def __init__(self) -> None:
        self._all: dict[ConsolePattern, int] = {}
        self._wild: list[tuple[ConsolePattern, int]] = []

    def add(self, patterns: Iterable[ConsolePattern], rule: int) -> None:
        """Rule number `rule`, a later one than all before, has these."""
        for pattern in patterns:
            self._all.setdefault(pattern, rule)
            if pattern.is_wild and len(self._wild) < WILD_COMPARED:
                self._wild.append((pattern, rule))

    def rule(self, pattern: ConsolePattern) -> int | None:
        """The number of a rule whose patterns cover `pattern`; None if none is known to."""
        same = self._all.get(pattern)
        if same is not None:
            return same
        return next((rule for wild, rule in self._wild if wild.covers(pattern)), None)
