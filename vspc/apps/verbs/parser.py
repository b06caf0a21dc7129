"""The one parser of verbs: from a `Grammar` and a command line to `Parsed`."""

from difflib import get_close_matches
from typing import Any

from vspc.apps.verbs.commandline import CommandSource
from vspc.apps.verbs.grammar import (
    NO_VALUE,
    ON,
    AnyOption,
    Argument,
    Flag,
    Grammar,
    Option,
    Parsed,
)
from vspc.apps.verbs.kinds import UsageError
from vspc.common.text import safe

HELP = ("--help", "-h")


def parse(grammar: Grammar, source: CommandSource, now: float, target: str | None = None) -> Parsed:
    """Parse `source`. `now` is seconds since 1970. `target` is the console of the login: the words
    cannot name another one then, except behind `--on`. Raises `UsageError`.
    """
    return _Parser(grammar, source, now, target).parse()


def nearest(word: str, words: list[str]) -> str:
    """`; did you mean X?`, or nothing where no word is like it."""
    found = get_close_matches(word.lower(), words, 1)
    return f"; did you mean {found[0]}?" if found else ""


class _Parser:
    """The parsing of one command line."""

    def __init__(
        self, grammar: Grammar, source: CommandSource, now: float, target: str | None
    ) -> None:
        self._grammar = grammar
        self._source = source
        self._now = now
        self._target = target if grammar.console is not None else None
        self._options = dict(grammar.spellings())
        self._given: dict[Argument[Any] | Option[Any], tuple[str, str]] = {}
        self._flags: set[Flag] = set()
        self._bare: set[Option[Any]] = set()  # given without the value that may be left out
        self._words: list[str] = []
        self._more: list[str] = []  # of the last argument
        self._left = list(grammar.arguments)
        if self._target is not None:
            self._drop_console()
        self._repeatable = self._target  # it may be repeated where NAME stands
        self._remarks: list[str] = []

    def _drop_console(self) -> None:
        self._left = [each for each in self._left if not each.kind.console]

    def parse(self) -> Parsed:
        source = self._source
        while not source.done():
            if self._text_is_next() and source.quoted():
                self._take_text(source.text(self._takes_option))
                continue
            name = source.option()
            if name in HELP and name not in self._options:
                return Parsed({}, help=True)
            if name == "--" and not source.attached():
                self._take_literal()
            elif name:
                self._take_option(name, source)
            elif self._skips_console():
                continue
            elif self._text_is_next():
                self._take_text(source.text(self._takes_option))
            else:
                self._take_word(source.word())
        self._assign()
        values: dict[object, Any] = {
            key: key.kind.read(*given, self._now) for key, given in self._given.items()
        }
        values |= dict.fromkeys(self._bare, NO_VALUE)
        for word in self._more:
            last = self._left[-1]
            values[last] += last.kind.read(last.name, word, self._now)
        return Parsed(
            values,
            frozenset(self._flags),
            remarks=tuple(self._remarks),
            from_login=self._target is not None and ON not in self._given,
        )

    def _skips_console(self) -> bool:
        """Whether the console of the login was repeated; it is skipped."""
        target, console = self._repeatable, self._grammar.console
        if target is None or len(self._words) < self._grammar.arguments.index(console):
            return False
        self._repeatable = None
        return self._source.skip(target)

    # Text

    def _text_is_next(self) -> bool:
        at = len(self._words)
        return at < len(self._left) and self._left[at].kind.verbatim

    def _take_text(self, text: str) -> None:
        self._repeatable = None
        argument = self._left.pop()
        self._keep(argument, argument.name, text)
        self._mention_options_in(argument, text)

    def _mention_options_in(self, argument: Argument[Any], text: str) -> None:
        """Remark on options with text within text: a shell may have removed their quotes."""
        verbatim = [o for o in self._grammar.options if isinstance(o, Option) and o.kind.verbatim]
        for option in verbatim:
            if f" {option.name} " in text:
                self._remarks.append(
                    f"{option.name} is part of {argument.name} here: options stand before it, or "
                    "at its end with their values in quotes"
                )

    def _take_literal(self) -> None:
        """What is behind a `--`: text, or words that begin with a dash."""
        if self._text_is_next():
            text = self._source.literal()
            if text is not None:
                argument = self._left.pop()
                self._keep(argument, argument.name, text)
            return
        text_argument = self._grammar.text
        if text_argument is not None and text_argument in self._left:
            missing = self._left[len(self._words)].name
            raise UsageError(f"{missing} comes before --; behind it all is {text_argument.name}")
        while not self._source.done():
            self._take_word(self._source.word())

    # Options

    def _take_option(self, name: str, source: CommandSource) -> None:
        option = self._options.get(name)
        if option is None and not name.startswith("--"):
            self._take_letters(name, source)
        elif option is None:
            raise UsageError(self._unknown(name))
        else:
            self._take_known(name, option, source)

    def _take_letters(self, name: str, source: CommandSource) -> None:
        """`-fn5`: flags of one letter, and perhaps an option with its value."""
        for at in range(1, len(name)):
            letter = f"-{name[at]}"
            option = self._options.get(letter)
            if option is None:
                raise UsageError(self._unknown(name if at == 1 else letter))
            if isinstance(option, Option):
                if name[at + 1 :]:
                    source.attach(name[at + 1 :])
                self._take_known(letter, option, source)
                return
            if source.attached() and at == len(name) - 1:
                raise UsageError(f"{letter} takes no value")
            self._flags.add(option)

    def _take_known(self, name: str, option: AnyOption, source: CommandSource) -> None:
        if isinstance(option, Flag):
            if source.attached():
                raise UsageError(f"{name} takes no value")
            self._flags.add(option)
            return
        if _is_bare(option, source):
            self._given.pop(option, None)
            self._bare.add(option)
            return
        if not source.attached() and source.done():
            raise UsageError(f"{name} takes a value: {option.shown}")
        self._bare.discard(option)
        self._keep(option, name, source.value(option.kind.verbatim))
        if option is ON and self._target is None:
            self._name_by_option()

    def _name_by_option(self) -> None:
        if self._words:
            raise UsageError("NAME and --on NAME both name a console; give one of them")
        self._drop_console()

    def _unknown(self, name: str) -> str:
        near = nearest(name, list(self._options))
        text = self._grammar.text
        hint = "" if text is None else f"; {text.name} that begins with - comes behind --"
        return f"unknown option '{safe(name)}'{near}{hint}"

    def _takes_option(self, source: CommandSource) -> bool:
        """Whether an option of this verb came next, with its value; it is taken."""
        try:
            option = self._options.get(source.option())
            if option is None or isinstance(option, Flag):
                return option is not None and not source.attached()
            if _is_bare(option, source):
                return True
            if not source.attached() and source.done():
                return False
            source.value(option.kind.verbatim)
        except UsageError:
            return False
        return True

    # Words

    def _take_word(self, word: str) -> None:
        """An argument; behind all that are required a word may be an option without dashes."""
        name, equals, value = word.partition("=")
        option = self._options.get(name)
        needed = sum(each.required for each in self._left)
        if option is None or name.startswith("-") or len(self._words) < needed:
            self._words.append(word)
        elif isinstance(option, Flag) and not equals:
            self._flags.add(option)
        elif isinstance(option, Option) and equals:
            self._keep(option, name, value)
        else:
            raise UsageError(f"{name} is written {option.shown}")

    def _assign(self) -> None:
        words, target = self._words, self._target
        self._more = words[len(self._left) :]
        if self._more and not (self._left and self._left[-1].many):
            raise UsageError(self._superfluous(self._more[0]))
        for argument, word in zip(self._left, words, strict=False):
            self._keep(argument, argument.name, word)
        missing = [a.name for a in self._left if a.required and a not in self._given]
        if missing:
            are = "is" if len(missing) == 1 else "are"
            raise UsageError(f"{' and '.join(missing)} {are} missing")
        console = self._grammar.console
        if console is not None and ON in self._given:
            self._given[console] = self._given[ON]
        elif console is not None and target is not None:
            self._keep(console, console.name, target)

    def _superfluous(self, word: str) -> str:
        text = self._grammar.text
        if text is not None:
            return f"{text.name} ends at its closing quote, and '{safe(word, 20)}' is behind it"
        open_ended = [o.name for o in self._grammar.options if o in self._given and o.kind.verbatim]
        if open_ended:
            return (
                f"{open_ended[0]} takes one word, and '{safe(word, 20)}' is behind it; more are in "
                "quotes that your shell leaves: \"'...'\""
            )
        words = [o.shown for o in self._grammar.options if not o.name.startswith("-")]
        if words:
            near = nearest(word.partition("=")[0], list(self._options))
            return f"unknown option '{safe(word)}'{near}; the options are {', '.join(words)}"
        if self._target is not None:
            return f"the login names {safe(self._target)}; --on names another console"
        return f"'{safe(word)}' is superfluous"

    def _keep(self, key: Argument[Any] | Option[Any], label: str, value: str) -> None:
        """Values are read at the end: of an option that is repeated the last counts."""
        self._given[key] = label, value


def _is_bare(option: Option[Any], source: CommandSource) -> bool:
    """Whether its value may be left out, and is."""
    return bool(option.begins) and not source.attached() and not source.begins(option.begins)
