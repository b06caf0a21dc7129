"""The configuration file: where it is, reading it, every mistake in it."""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from vspc.common.textfile import read, text_of
from vspc.common.values import InvalidValue
from vspc.config.mistakes import ConfigMistake, Finding, Tainted, join, table
from vspc.config.proofs import Methods
from vspc.config.relations import conflicts, relations, warnings
from vspc.config.rules import people
from vspc.config.settings import STATE_DIR, Config
from vspc.config.structure import mistakes, structured
from vspc.config.toml_lines import TomlLines, lines_of
from vspc.config.values import StateFile, place

VARIABLE = "VSPC_CONFIG"
"""The environment variable that names the file where `--config` does not."""

DEFAULT_FILE = Path("/etc/vspc/vspc.toml")
"""The file where neither does."""

DEFAULT_STATE = Path("/var/lib/vspc")
"""Its default state_dir."""

HELP = f"the configuration file; else ${VARIABLE}, else {DEFAULT_FILE}"
"""What `--help` says of `--config`."""

FILE_LIMIT = 16 * 1024 * 1024
"""Bytes of a configuration file."""

_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)
_AT_LINE = re.compile(r"\(at line ([0-9]{1,9}),")
_UNQUOTED = re.compile(r"[ \t]*[A-Za-z0-9_.\"-]+[ \t]*=[ \t]*(?:\[[ \t]*)?[A-Za-z/$@*.]")


def chosen(named: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """The configuration file: `named` by `--config`, else by the environment, else the default."""
    return Path(named or environment.get(VARIABLE) or DEFAULT_FILE)


def default_state(path: Path) -> Path:
    """The state_dir of the configuration at `path` where it names none."""
    return DEFAULT_STATE if Path(os.path.abspath(path)) == DEFAULT_FILE else STATE_DIR


class ConfigError(Exception):
    """A configuration that cannot be used, with every mistake in it, in the order of the lines.

    `partial` is what is right in it, None if the file cannot be read; nothing may run by that.
    """

    def __init__(self, mistakes: list[ConfigMistake], partial: Config | None = None) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: mistake.line)
        super().__init__("; ".join(map(str, self.mistakes)))
        self.partial = partial


def load(path: Path, methods: Methods = ()) -> Config:
    """The configuration in `path`. Raises `ConfigError` with every mistake that is in it.

    `methods` are those that `require` may name.
    """
    path = path.absolute()
    try:
        text = _read(path)
        tables = _parse(text)
    except InvalidValue as wrong:
        raise ConfigError([_unread(path, wrong)]) from None
    found: list[Finding] = []
    # Even the default is relative to the file.
    tables = {"state_dir": str(default_state(path))} | tables
    names = people(tables)
    try:
        config = structured(tables, path.parent, names)
    except Exception as error:
        found += mistakes(error)
        config = structured(tables, path.parent, names, partial=True)
    tainted = _tainted(tables, found)
    found += relations(tables)
    found += conflicts(config, tainted, methods)
    lines = lines_of(text)
    config = _completed(config, path, lines)
    if found:
        raise ConfigError([mistake_in(config, *mistake) for mistake in found], config)
    return evolve(config, warnings=tuple(warnings(config, methods)))


def mistake_in(config: Config, key: str, problem: str, allowed: str) -> ConfigMistake:
    """A mistake in the file of `config`, with its line."""
    return ConfigMistake(config.path, key, problem, allowed, config.lines.of(key))


def _tainted(tables: dict[str, Any], found: list[Finding]) -> Tainted:
    """Keys with mistakes; a wrong name of an operator says nothing about the keys of its table."""
    operators = table(tables, "operators").items()
    names = {join("operators", name) for name, value in operators if isinstance(value, dict)}
    return Tainted(key for key, _, _ in found if key not in names)


def state_dir(path: Path) -> Path:
    """The state_dir of the server of `path`, whatever else is wrong in that file: the server may
    run with an earlier version. Raises `ConfigError`.
    """
    path = path.absolute()
    try:
        return place(_first(_read(path)).get("state_dir", str(default_state(path))), path.parent)
    except InvalidValue as wrong:
        raise ConfigError([_unread(path, wrong)]) from None


def _unread(path: Path, wrong: InvalidValue) -> ConfigMistake:
    """A mistake because of which the file cannot be read."""
    place = _AT_LINE.search(wrong.problem)
    return ConfigMistake(path, "", wrong.problem, wrong.allowed, int(place[1]) if place else 0)


def _first(text: str) -> dict[str, Any]:
    """The keys before the first table, even if the rest is not TOML."""
    try:
        return _parse(text)
    except InvalidValue:
        try:
            return _parse(_TABLE.split(text, maxsplit=1)[0])
        except InvalidValue:
            pass
        raise


def _completed(config: Config, path: Path, lines: TomlLines) -> Config:
    """`config` with what is not a key: its path, the lines of its keys."""
    return evolve(
        config,
        path=path,
        lines=lines,
        access=tuple(
            evolve(rule, line=lines.exactly(f"access[{index}]"))
            for index, rule in enumerate(config.access)
        ),
        audit=evolve(config.audit, file=StateFile(config.state_dir / config.audit.file)),
    )


def _read(path: Path) -> str:
    """The text of the file, which may be a pipe. `InvalidValue`."""
    try:
        data = read(path, FILE_LIMIT, pipe=True).data
    except InvalidValue as wrong:
        allowed = f"{wrong.allowed}; --config FILE or ${VARIABLE} names another one"
        raise InvalidValue(wrong.problem, allowed) from None
    return text_of(data)


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        place = _AT_LINE.search(str(error))
        line = text.split("\n")[int(place[1]) - 1] if place else ""
        allowed = "see toml.io for the syntax"
        if _UNQUOTED.match(line):
            allowed = 'text must be in quotes: key = "text"'
        elif any(quote in line for quote in "\u2018\u2019\u201c\u201d"):
            allowed = "use straight quotes"
        elif "Cannot overwrite a value" in str(error):
            allowed = "a key may appear only once in a table"
        elif "Illegal character '\\n'" in str(error):
            allowed = "text must end with its quote on the same line"
        raise InvalidValue(f"invalid TOML: {error}", allowed) from None
