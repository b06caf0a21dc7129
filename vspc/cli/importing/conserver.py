"""conserver.cf becomes consoles that are dialled, operators and access rules (conserver.cf(5)).

A default is applied where it is included, as it is at that line; `default *` begins each console.
Lists of users are kept with the newest entry first, which decides, as conserver does.
"""

import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from attrs import define, evolve, field, frozen

from vspc.cli.importing.conserver_grammar import ConserverBlock, ConserverItem, blocks
from vspc.cli.importing.conserver_reasons import (
    ACCESS_LOST,
    CONFIG_LOST,
    CONFIG_SPARED,
    CONSOLE_LOST,
    CONSOLE_SPARED,
    KINDS,
    KINDS_LOST,
    NOT_ONE_OPERATOR,
    OFF_IF_EMPTY,
    OPTIONS_LOST,
    TAKEN,
    TYPES,
    Why,
)
from vspc.cli.importing.outcome import (
    ANYBODY,
    WRITE,
    ImportedConsole,
    ImportFailed,
    Outcome,
    SourceLine,
    is_operator,
    remote,
)
from vspc.cli.importing.user_lists import Decision, Listed, decisions, joined, listed, rules, words
from vspc.common.text import safe

WORK_LIMIT = 10_000_000
"""Entries of lists of users that are looked at, all together."""

ON_DEMAND = "ondemand"
"""The option that connects only while somebody is attached."""


@frozen
class ConserverSettings:
    """What a default or a console has: values by keyword, and its lists of users."""

    values: Mapping[str, str] = MappingProxyType({})
    rw: Listed = ()
    ro: Listed = ()

    def get(self, keyword: str, default: str = "") -> str:
        """The value of `keyword`."""
        return self.values.get(keyword, default)

    def having(self, values: Mapping[str, str]) -> "ConserverSettings":
        """The same with other `values`."""
        return evolve(self, values=MappingProxyType({**self.values, **values}))


def read_conserver(path: Path) -> Outcome:
    """What the file at `path` says. Raises ImportFailed."""
    found = _Reader(Outcome(path.name))
    for block in blocks(path):
        found.take(block)
    found.finish()
    return found.outcome


@define
class _Reader:
    outcome: Outcome
    _defaults: dict[str, ConserverSettings] = field(factory=dict, init=False)
    _groups: dict[str, Listed] = field(factory=dict, init=False)
    _users: dict[str, tuple[Listed, Listed]] = field(factory=dict, init=False)
    # `rw` and `ro` of each console that was taken.
    _work: int = field(default=0, init=False)
    _masters: dict[str, SourceLine] = field(factory=dict, init=False)

    def take(self, block: ConserverBlock) -> None:
        """One block."""
        match block.type:
            case "default":
                self._defaults[block.name] = self._settings(block, ConserverSettings())
            case "console":
                before = self._defaults.get("*", ConserverSettings())
                self._console(block, self._settings(block, before))
            case "group":
                self._group(block)
            case "access":
                for item in block.items:
                    self._access(item)
            case "config":
                for item in block.items:
                    self._remark(item, CONFIG_LOST, CONFIG_SPARED)
            case "break":
                self._break(block)
            case "task":
                what = f"task {block.name}"
                self.outcome.lose(block.line, what, "vspc runs no commands for operators")
            case _:
                self.outcome.lose(block.line, block.type, f"unknown type of block; {TYPES}")

    def _settings(self, block: ConserverBlock, found: ConserverSettings) -> ConserverSettings:
        for item in block.items:
            found = self._applied(found, item)
        return found

    def _applied(self, found: ConserverSettings, item: ConserverItem) -> ConserverSettings:
        """`found` after one item."""
        match item.keyword:
            case "include":
                return self._included(found, item)
            case "rw":
                return evolve(found, rw=self._listed(found.rw, item))
            case "ro":
                return evolve(found, ro=self._listed(found.ro, item))
            case "options":
                return found.having(self._options(item))
            case "master":
                self._masters.setdefault(item.value, item.line)
            case keyword if keyword in TAKEN:
                return found.having({keyword: item.value})
            case _:
                self._remark(item, CONSOLE_LOST, CONSOLE_SPARED)
        return found

    def _included(self, found: ConserverSettings, item: ConserverItem) -> ConserverSettings:
        other = self._defaults.get(item.value)
        if other is None:
            self.outcome.lose(item.line, f"include {item.value}", "no default of that name so far")
            return found
        self._spend(sum(map(len, (found.rw, found.ro, other.rw, other.ro))), item)
        rw, ro = joined(found.rw, other.rw), joined(found.ro, other.ro)
        # A null string clears a value where it stands, and is not handed on.
        values = {keyword: value for keyword, value in other.values.items() if value}
        return evolve(found.having(values), rw=rw, ro=ro)

    def _options(self, item: ConserverItem) -> Mapping[str, str]:
        found = dict[str, str]()
        for word in words(item.value):
            name = word.removeprefix("!").lower()
            if name == ON_DEMAND:
                found[name] = "no" if word.startswith("!") else "yes"
            elif name in OPTIONS_LOST and word.startswith("!") == (name == "login"):
                self.outcome.lose(item.line, f"options {word}", OPTIONS_LOST[name])
        return found

    def _listed(self, before: Listed, item: ConserverItem) -> Listed:
        """A list of users after `item`. ImportFailed where the lists are too much work."""
        named = (word.removeprefix("!") for word in words(item.value))
        members = sum(len(self._groups.get(name, "1")) for name in named)
        self._spend(len(before) + members, item)
        try:
            return listed(before, item.value, self._groups)
        except ValueError as wrong:
            raise ImportFailed(f"{item.line}: {wrong}") from None

    def _spend(self, work: int, item: ConserverItem) -> None:
        self._work += work
        if self._work > WORK_LIMIT:
            raise ImportFailed(f"{item.line}: the lists of users are too long, all together")

    def _remark(self, item: ConserverItem, lost: Why, spared: Why) -> None:
        if item.keyword in spared:
            self.outcome.spare(item.line, item.keyword, spared[item.keyword])
        elif item.value or item.keyword not in OFF_IF_EMPTY:
            why = lost.get(item.keyword, "unknown keyword")
            self.outcome.lose(item.line, item.keyword, why)

    # Blocks

    def _group(self, block: ConserverBlock) -> None:
        found: Listed = ()
        for item in block.items:
            if item.keyword == "users":
                found = self._listed(found, item)
            else:
                self.outcome.lose(item.line, item.keyword, "unknown keyword")
        self._groups[block.name] = found
        members = tuple(who for who, allowed in reversed(found) if allowed and is_operator(who))
        if members and len(members) == len(found) and block.name.isidentifier():
            self.outcome.groups[block.name] = members

    def _access(self, item: ConserverItem) -> None:
        if item.keyword != "admin":
            why = ACCESS_LOST.get(item.keyword, "unknown keyword")
            self.outcome.lose(item.line, item.keyword, why)
            return
        for who, allowed in reversed(self._listed((), item)):
            if is_operator(who) and allowed:
                self.outcome.admins.append(who)
            elif allowed:
                self.outcome.lose(item.line, f"admin {who}", NOT_ONE_OPERATOR)

    def _break(self, block: ConserverBlock) -> None:
        text = next((item.value for item in block.items if item.keyword == "string"), "")
        what = f"break {block.name}"
        if text == r"\z":
            self.outcome.spare(block.line, what, "a BREAK alone is ^Ecl0, or the verb break")
        else:
            why = "break sequences of text have no counterpart; the verb send types any text"
            self.outcome.lose(block.line, what, why)

    def _console(self, block: ConserverBlock, found: ConserverSettings) -> None:
        what, kind = f"console {block.name}", found.get("type").lower()
        try:
            connect = _target(block.name, kind, found)
        except ValueError as wrong:
            self.outcome.lose(block.line, what, str(wrong))
            return
        logged = found.get("logfile", "?") not in ("", "/dev/null")
        on_demand = found.get(ON_DEMAND) == "yes"
        console = ImportedConsole(block.line, block.name, connect, on_demand, logged)
        self.outcome.add(console)
        if self.outcome.consoles.get(block.name) is console:
            self._users[block.name] = (found.rw, found.ro)

    def finish(self) -> None:
        """Rules for all consoles; several masters."""
        alike = dict[tuple[Listed, Listed], list[str]]()
        for name, lists in self._users.items():
            alike.setdefault(lists, []).append(name)
        for (rw, ro), names in alike.items():
            decided = self._usable(decisions(rw, ro), self.outcome.consoles[names[0]].line)
            self.outcome.rules += rules(decided, tuple(names))
        if len(self._masters) > 1:
            line = list(self._masters.values())[1]
            masters = ", ".join(self._masters)
            why = "one vspc serves the consoles of all masters; delete those of other machines"
            self.outcome.lose(line, f"master {masters}", why)

    def _usable(self, decided: Iterator[Decision], line: SourceLine) -> Iterator[Decision]:
        """Those that a rule can say. Who cannot be named here gets no right; where that would give
        him the rights of a later entry, the later ones are left out.
        """
        for who, rights in decided:
            if who == ANYBODY or is_operator(who):
                yield who, rights
                continue
            self.outcome.lose(line, f"user {who}", NOT_ONE_OPERATOR)
            if rights != WRITE:
                why = "not given rights, because it is not known who is excluded from them"
                self.outcome.lose(line, f"users behind !{who}", why)
                return


def _target(name: str, kind: str, found: ConserverSettings) -> str:
    """What to dial; ValueError says why nothing can be."""
    if kind == "host":
        if not found.get("host"):
            raise ValueError("it has no host")
        scheme = "tcp" if found.get("protocol").lower() == "raw" else "telnet"
        return remote(scheme, found.get("host"), _port(found))
    if kind == "uds":
        path = _substituted(found.get("uds"), found.get("udssubst"), name, found)
        if not path.startswith("/"):
            raise ValueError(f"the socket {path or 'has no name'}: an absolute path is needed")
        return f"unix:{path}"
    if kind == "device":
        device = _substituted(found.get("device"), found.get("devicesubst"), name, found)
        settings = " ".join(filter(None, (found.get("baud"), found.get("parity"))))
        raise ValueError(f"{safe(device)} {safe(settings)}: {KINDS_LOST[kind]}")
    raise ValueError(KINDS_LOST.get(kind, f"unknown type; {KINDS}"))


def _port(found: ConserverSettings) -> int:
    """portbase + portinc * port."""
    text = found.get("port")
    try:
        port = int(text) if _NUMBER.fullmatch(text) else socket.getservbyname(text, "tcp")
    except (OSError, ValueError):
        raise ValueError(f"port {text or 'missing'}: not a number or a known service") from None
    return _number(found, "portbase", 0) + _number(found, "portinc", 1) * port


_NUMBER = re.compile(r"-?[0-9]{1,9}", re.ASCII)


def _number(found: ConserverSettings, keyword: str, default: int) -> int:
    text = found.get(keyword) or str(default)
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{keyword} {text}: not a number")
    return int(text)


def _substituted(text: str, substitutions: str, name: str, found: ConserverSettings) -> str:
    """`text` with the replacements of a `udssubst`: `c=t[n]f`, c a character, t what it becomes."""
    made = dict[str, str]()
    for each in words(substitutions):
        match = _SUBSTITUTION.fullmatch(each)
        if match is None:
            raise ValueError(f"substitution {each}: expected c=t[n]f")
        value = {"c": name, "h": found.get("host"), "r": found.get("replstring")}.get(match["t"])
        width = min(int(match["n"] or 0), _WIDEST)
        if value is None:
            number = _number(found, "port", 0) if match["t"] == "p" else _port(found)
            fill = "0" if match["n"].startswith("0") else " "
            value = format(number, {"x": "x", "X": "X"}.get(match["f"], "d")).rjust(width, fill)
        made[match["c"]] = value.rjust(width)
    return "".join(made.get(character, character) for character in text)


_SUBSTITUTION = re.compile(r"(?P<c>.)=(?P<t>[chrpP])(?P<n>[0-9]{0,3})(?P<f>[sdxX])", re.ASCII)

_WIDEST = 40
"""Characters to which a substitution is filled up."""
