"""What an import has found: consoles, operators and rules, what was not taken, and the TOML."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import define, field, frozen

from vspc.common.text import ensure_safe, safe
from vspc.common.values import InvalidValue
from vspc.config.checks import label, operator_name
from vspc.config.dialling import DIALS, connect
from vspc.config.mistakes import join
from vspc.config.rules import pattern
from vspc.wire.uri import bracketed

READ = ("read",)

WRITE = ("read", "write", "break", "force")
"""Rights of somebody who may type: conserver lets him take the console from others."""

ANYBODY = "*"

_PER_LINE = 6
"""Names in a line of a long list."""


@frozen
class SourceLine:
    """A line of a file that is imported."""

    file: str
    number: int

    def __str__(self) -> str:
        return f"{safe(self.file)} line {self.number}"


class ImportFailed(Exception):
    """The file cannot be read as what it is said to be; the text says where and why."""


@frozen
class ImportRemark:
    """Something of a line that has no counterpart here. Not `lost`: nothing is missing without."""

    line: SourceLine
    what: str
    why: str
    lost: bool = True

    def __str__(self) -> str:
        verdict = "not taken" if self.lost else "not needed"
        return f"{self.line}: {safe(self.what)}: {verdict}: {ensure_safe(self.why)}"


@frozen
class ImportedConsole:
    """A [[dial]] table to be."""

    line: SourceLine
    name: str
    connect: str
    on_demand: bool = False
    logged: bool = True


@frozen
class ImportedRule:
    """An [[access]] table to be; `consoles` are names, not patterns."""

    operators: tuple[str, ...]
    consoles: tuple[str, ...]
    rights: tuple[str, ...]


@define
class Outcome:
    """Collects what an import finds. Names that cannot be used here become remarks."""

    source: str
    consoles: dict[str, ImportedConsole] = field(factory=dict)
    rules: list[ImportedRule] = field(factory=list)
    groups: dict[str, tuple[str, ...]] = field(factory=dict)
    admins: list[str] = field(factory=list)
    remarks: dict[ImportRemark, None] = field(factory=dict)  # in order, each once

    def lose(self, line: SourceLine, what: str, why: str) -> None:
        """Something was not taken."""
        self.remarks[ImportRemark(line, what, why)] = None

    def spare(self, line: SourceLine, what: str, why: str) -> None:
        """Something needs no counterpart."""
        self.remarks[ImportRemark(line, what, why, lost=False)] = None

    def add(self, console: ImportedConsole) -> None:
        """A console, unless its name or target cannot be used."""
        what = f"console {console.name}"
        try:
            _examine(console)
            if len(self.consoles) >= DIALS and console.name not in self.consoles:
                raise InvalidValue("too many consoles", f"{DIALS} are allowed")
        except InvalidValue as wrong:
            self.lose(console.line, what, f"{wrong.problem}; {wrong.allowed}")
            return
        before = self.consoles.pop(console.name, None)
        if before is not None:
            self.lose(before.line, what, f"defined again at {console.line}")
        self.consoles[console.name] = console

    @property
    def is_whole(self) -> bool:
        """Whether nothing was lost."""
        return not any(remark.lost for remark in self.remarks)

    def summary(self) -> str:
        """One line."""
        lost = sum(remark.lost for remark in self.remarks)
        counts = {"consoles": self.consoles, "operators": self.operators(), "rules": self.rules}
        found = ", ".join(f"{what}: {len(each)}" for what, each in counts.items())
        return f"{found}, not taken: {lost}"

    def operators(self) -> list[str]:
        """Everybody that a rule names, and administrators, sorted."""
        named = {who for rule in self.rules for who in rule.operators if who != ANYBODY}
        return sorted(named | set(self.admins))

    def toml(self) -> str:
        """The configuration; what was not taken stands at its end, as comments."""
        blocks = [list(self._heading()), *self._operator_tables()]
        blocks += map(_dial, self.consoles.values())
        whole = {frozenset(members): group for group, members in self.groups.items()}
        for rule in self.rules:
            group = whole.get(frozenset(rule.operators)) if len(rule.operators) > 1 else None
            blocks.append(list(_access(rule, [f"@{group}"] if group else rule.operators)))
        unlogged = [console.name for console in self.consoles.values() if not console.logged]
        if unlogged:
            patterns = array(map(pattern_of, unlogged))
            blocks.append(["[[log.policy]]", f"consoles = {patterns}", "log = false"])
        lost = [f"# {remark}" for remark in self.sorted_remarks() if remark.lost]
        blocks += [["# Not taken:", *lost]] if lost else []
        return "\n\n".join("\n".join(block) for block in blocks) + "\n"

    def sorted_remarks(self) -> list[ImportRemark]:
        """All of them, by file and line."""
        return sorted(self.remarks, key=lambda remark: (remark.line.file, remark.line.number))

    def _heading(self) -> Iterator[str]:
        yield f"# Written by vspc import from {safe(self.source)}; see docs/moving.md."
        if self.operators():
            yield "# Each operator needs a key, or a password (vspc hash-password)."

    def _operator_tables(self) -> Iterator[list[str]]:
        admins, groups = set(self.admins), dict[str, list[str]]()
        for group, members in self.groups.items():
            for name in members:
                groups.setdefault(name, []).append(group)
        for name in self.operators():
            lines = [f"[{join('operators', name)}]"]
            lines.append(f'# authorized_keys = ["ssh-ed25519 AAAA... {safe(name)}"]')
            lines += [f"groups = {array(sorted(groups[name]))}"] if name in groups else []
            lines += ['roles = ["admin"]'] if name in admins else []
            yield lines


def _examine(console: ImportedConsole) -> None:
    """InvalidValue for what a [[dial]] table cannot have."""
    label(console.name)
    if set("{}") & set(console.name + console.connect):
        raise InvalidValue("braces stand for numbers in [[dial]]", "use a name without")
    connect(console.connect, Path())


def is_operator(name: str) -> bool:
    """Whether an operator can have that name here."""
    try:
        operator_name(name)
    except InvalidValue:
        return False
    return True


def remote(scheme: str, host: str, port: int | str) -> str:
    """`scheme://host:port`."""
    return f"{scheme}://{bracketed(host)}:{port}"


def _dial(console: ImportedConsole) -> list[str]:
    lines = ["[[dial]]", f"name = {quoted(console.name)}", f"connect = {quoted(console.connect)}"]
    return [*lines, 'when = "attached"'] if console.on_demand else lines


def _access(rule: ImportedRule, operators: Sequence[str]) -> Iterator[str]:
    yield "[[access]]"
    yield f"operators = {array(operators)}"
    yield f"consoles = {array(map(pattern_of, rule.consoles))}"
    yield f"rights = {array(rule.rights)}"


def pattern_of(name: str) -> str:
    """A pattern that matches the console `name`; what a pattern cannot have becomes a "?"."""
    exact = "".join(_CLASSES.get(character, character) for character in name)
    try:
        return pattern(exact)
    except InvalidValue:
        return "".join(each if each.isalnum() or each in "-._" else "?" for each in name)


_CLASSES: Mapping[str, str] = {"*": "[*]", "?": "[?]", "[": "[[]", "/": "?"}


def array(words: Iterable[str]) -> str:
    """An array of TOML, over several lines if it is long."""
    found = list(map(quoted, words))
    if len(found) <= _PER_LINE:
        return f"[{', '.join(found)}]"
    lines = [found[at : at + _PER_LINE] for at in range(0, len(found), _PER_LINE)]
    return "[\n" + "".join(f"    {', '.join(line)},\n" for line in lines) + "]"


def quoted(text: str) -> str:
    """A basic string of TOML 1.0."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
