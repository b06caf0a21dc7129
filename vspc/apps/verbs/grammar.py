"""What a verb takes: its arguments, its options, and how they are written.

Each verb declares its `Grammar` in its own module. The parser (`vspc.apps.verbs.parser`), usage
lines, `help` and the table in docs/operators.md are made of it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar, overload

from attrs import evolve, field, frozen

from vspc.apps.verbs.kinds import CONSOLE, ValueKind

T = TypeVar("T")

BRACKETED = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]")
"""What is in brackets in a usage line."""


@frozen(eq=False)
class Argument(Generic[T]):
    """A word at its place, or the text at the end (`kind.verbatim`). The last one may be `many`
    words: its kind reads each, and what was read is added up.
    """

    name: str
    help: str
    kind: ValueKind[T]
    required: bool = True
    many: bool = False

    @property
    def shown(self) -> str:
        """As a usage line has it."""
        name = f"{self.name}..." if self.many else self.name
        return name if self.required else f"[{name}]"


@frozen(eq=False)
class Flag:
    """An option without a value. Its name has dashes; without them it is a word behind the
    arguments, which is also taken with them (`ro`, `--ro`).
    """

    name: str
    help: str
    short: str = ""

    @property
    def shown(self) -> str:
        """As a list of options has it."""
        return self.name

    @property
    def brief(self) -> str:
        """As a usage line has it."""
        return self.short or self.name


@frozen(eq=False)
class Option(Generic[T]):
    """An option with a value, `NAME VALUE` or `NAME=VALUE`; a word without dashes takes only the
    second form. `value` is what usage lines call the value. With `begins` the value may be left
    out: what comes next is it only if it begins so; `NO_VALUE` stands for none.
    """

    name: str
    help: str
    kind: ValueKind[T]
    short: str = ""
    value: str = ""
    begins: str = ""

    @property
    def shown(self) -> str:
        """As a list of options has it: name and value."""
        mark = " " if self.name.startswith("-") else "="
        value = self.value or self.kind.name
        return f"{self.name}{mark}[{value}]" if self.begins else f"{self.name}{mark}{value}"

    @property
    def brief(self) -> str:
        """As a usage line has it."""
        return f"{self.short} {self.value or self.kind.name}" if self.short else self.shown


AnyOption = Flag | Option[Any]

NO_VALUE = ""
"""The value of an option whose value may be left out, where it was."""

ON = Option("--on", "another console than that of the login", CONSOLE)
"""Every verb that is about a console takes it."""

JSON = Flag("--json", "as JSON")

NAME = Argument("NAME", "the console", CONSOLE)


@frozen
class Grammar:
    """The words of one verb.

    `forms` are usage lines without the name, where not all that is declared goes together.
    `examples` are whole commands; `notes` are lines that `help` prints behind the options.
    """

    name: str
    summary: str
    arguments: tuple[Argument[Any], ...] = ()
    options: tuple[AnyOption, ...] = ()
    examples: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """How it is written, in one line."""
        return " | ".join(f"{self.name} {form}".rstrip() for form in self.forms or (self._form(),))

    def _form(self) -> str:
        text = ["[--]", self.text.shown] if self.text is not None else []
        words = [a for a in self.arguments if a is not self.text]
        needed = [a.shown for a in words if a.required]
        options = [f"[{option.brief}]" for option in self.options]
        return " ".join([*needed, *options, *(a.shown for a in words if not a.required), *text])

    @property
    def needs_more(self) -> bool:
        """Whether it can do nothing with a console alone."""
        return len(BRACKETED.sub("", self.usage.partition(" | ")[0]).split()) > 2

    @property
    def console(self) -> Argument[Any] | None:
        """The argument that names a console."""
        return next((a for a in self.arguments if a.kind.console), None)

    @property
    def text(self) -> Argument[Any] | None:
        """The free text at its end."""
        return next((a for a in self.arguments if a.kind.verbatim), None)

    @property
    def every_option(self) -> tuple[AnyOption, ...]:
        """Those declared, and those that it has because of what it is about."""
        return (*self.options, ON) if self.console is not None else self.options

    def spellings(self) -> Iterator[tuple[str, AnyOption]]:
        """Every way in which an option is written, dashes included."""
        for option in self.every_option:
            yield option.name, option
            if not option.name.startswith("-"):
                yield f"--{option.name}", option
            if option.short:
                yield option.short, option


@frozen
class Parsed:
    """The values of a command line, read. Text to be typed may be among them (law 7)."""

    _values: Mapping[object, Any] = field(repr=False)
    _flags: frozenset[Flag] = frozenset()
    help: bool = False
    remarks: tuple[str, ...] = ()
    from_login: bool = False  # whether it is the login that named the console

    @overload
    def get(self, key: Option[T] | Argument[T]) -> T | None: ...

    @overload
    def get(self, key: Option[T] | Argument[T], default: T) -> T: ...

    def get(self, key: Option[T] | Argument[T], default: T | None = None) -> T | None:
        """Its value, or `default` where it was not given."""
        found: T | None = self._values.get(key, default)
        return found

    def __getitem__(self, key: Argument[T]) -> T:
        """The value of an argument that is required."""
        found: T = self._values[key]
        return found

    def has(self, flag: Flag) -> bool:
        """Whether `flag` was given."""
        return flag in self._flags

    def over(self, other: "Parsed") -> "Parsed":
        """The same with those of `other` where nothing else was given."""
        return evolve(
            self, values={**other._values, **self._values}, flags=other._flags | self._flags
        )


NOTHING_PARSED = Parsed({})
