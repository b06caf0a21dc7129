"""Reading a configuration file: what is right becomes a `Config`, what is wrong is named."""

import tomllib
from pathlib import Path
from typing import Any

from attrs import evolve, fields

from vspc.config import checks
from vspc.config.classes import AccessRule, Config, OperatorSettings
from vspc.config.mistakes import Mistake
from vspc.config.structure import converter, mistakes, unknown

FILE_LIMIT = 16 * 1024 * 1024
"""Bytes of a configuration file."""


class ConfigError(Exception):
    """A configuration that cannot be used, with every mistake in it."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self.mistakes = mistakes


class _Reader:
    """One file on its way in; collects mistakes as it goes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mistakes: list[Mistake] = []
        self._converter = converter(path.parent)

    def wrong(self, key: str, problem: str, allowed: str = "") -> None:
        self.mistakes.append(Mistake(self.path, key, problem, allowed))

    def structure(self, value: Any, kind: Any, key: str) -> Any:
        """`value` as `kind`, or None with its mistakes collected."""
        try:
            return self._converter.structure(value, kind)
        except Exception as error:
            for place, problem, allowed in mistakes(error, key):
                self.wrong(place, problem, allowed)
            return None

    def read(self) -> dict[str, Any]:
        try:
            with self.path.open("rb") as file:
                text = file.read(FILE_LIMIT)
        except OSError as error:
            self.wrong("", error.strerror or "it cannot be read", "name a file that is there")
            return {}
        try:
            return tomllib.loads(text.decode("utf-8"))
        except UnicodeDecodeError as error:
            self.wrong("", f"it is not UTF-8 (byte {error.start})", "TOML is UTF-8")
        except tomllib.TOMLDecodeError as error:
            self.wrong("", f"it is no TOML: {error}", "")
        return {}

    def operators(self, value: Any) -> dict[str, OperatorSettings]:
        if not isinstance(value, dict):
            self.wrong("operators", f"{value!r} is no table", "write [operators.NAME]")
            return {}
        found = {}
        for name, table in value.items():
            key = f"operators.{name}"
            checks.operator_name(name, lambda p, a, k=key: self.wrong(k, p, a))  # type: ignore[misc]
            settings = self.structure(table, OperatorSettings, key)
            if settings is not None:
                found[name] = checks.with_keys(settings, key, self.wrong)
        return found

    def rules(self, value: Any) -> tuple[AccessRule, ...]:
        if not isinstance(value, list):
            self.wrong("access", f"{value!r} is no list of tables", "write [[access]]")
            return ()
        rules = [self.structure(t, AccessRule, f"access[{i}]") for i, t in enumerate(value)]
        return tuple(rule for rule in rules if rule is not None)

    def config(self) -> Config:
        tables = self.read()
        parts: dict[str, Any] = {"path": self.path}
        kinds = {f.name: f.type for f in fields(Config) if f.name not in ("path", "warnings")}
        for name, value in tables.items():
            if name == "operators":
                parts[name] = self.operators(value)
            elif name == "access":
                parts[name] = self.rules(value)
            elif name in kinds:
                part = self.structure(value, kinds[name], name)
                if part is not None:
                    parts[name] = part
            else:
                self.wrong(name, *unknown(name, Config))
        config = Config(**parts)
        if "state_dir" not in parts:
            config = evolve(config, state_dir=self.path.parent / config.state_dir)
        checks.whole(config, self.wrong)
        return evolve(config, warnings=tuple(checks.warnings(config)))


def load(path: Path) -> Config:
    """The configuration in `path`. Raises `ConfigError` with every mistake that is in it."""
    reader = _Reader(path.absolute())
    config = reader.config()
    if reader.mistakes:
        raise ConfigError(reader.mistakes)
    return config
