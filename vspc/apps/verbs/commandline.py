"""A command line, taken from its beginning piece by piece: words, values of options, text.

`CommandLine` is what `ssh` sent: one string, in which the words that the client's shell had are
joined by blanks. `shlex` splits words. It cannot read text, in which backslashes stay and quotes
count at the beginning only: where text begins with a quote it ends at the closing one, else it is
the rest of the line. `Words` is what a process on the server's machine has: its arguments.
"""

import re
from collections.abc import Callable, Sequence
from io import StringIO
from shlex import shlex
from typing import TypeAlias

from vspc.apps.verbs.kinds import UsageError
from vspc.common.text import safe

LINE = 4096
"""Characters of a command line."""

CommandSource: TypeAlias = "CommandLine | Words"
"""Where the words of a verb come from."""

TRAILING = 32
"""Options behind a text, at most."""

_BLANKS = " \t\n\r\v\f"
_OPTION = re.compile(r"-[^ \t\n\r\v\f='\"\\]*")
_ESCAPED = ("\\'", '\\"')


class CommandLine:
    """One string. Surrogates, which stand for bytes that are not UTF-8, are kept.

    Any method may raise `UsageError`.
    """

    def __init__(self, line: str, at: int = 0, plain: bool = False) -> None:
        """Begin at `at`. With `plain` a word with quotes in it is not an option."""
        if len(line) > LINE:
            raise UsageError(f"the command has {len(line)} characters; at most {LINE} are allowed")
        self._line = line
        self._at = at
        self._plain = plain
        self._equals = False  # whether the value comes at once
        self._attached: str | None = None  # what of it is read already

    def done(self) -> bool:
        """Whether nothing but blanks is left."""
        while self._at < len(self._line) and self._line[self._at] in _BLANKS:
            self._at += 1
        return self._at == len(self._line)

    def quoted(self) -> bool:
        """Whether what comes next is text in quotes, and so no option."""
        return not self.done() and self._line[self._at] in "'\""

    def option(self) -> str:
        """Take the name of an option, up to a `=`; empty if something else comes next."""
        self._equals, self._attached = False, None
        if self.done():
            return ""
        found = _OPTION.match(self._line, self._at)
        if found is not None:
            following = self._line[found.end() : found.end() + 1]
            if following in ("", "=", *_BLANKS):
                return self._take(found[0], following == "=")
        return "" if self._plain else self._split_option()

    def _take(self, name: str, equals: bool) -> str:
        if name == "-":
            return ""
        self._equals = equals
        self._at += len(name) + equals
        return name

    def _split_option(self) -> str:
        """An option with quotes or backslashes in its name, as a shell has it."""
        if self._line[self._at] not in "-'\"\\":
            return ""
        start, word = self._at, self.word()
        if not word.startswith("-") or word == "-":
            self._at = start
            return ""
        name, equals, value = word.partition("=")
        self._equals, self._attached = bool(equals), value if equals else ""
        return name

    def attach(self, value: str) -> None:
        """The last letters of that name, `value`, are the beginning of the option's value."""
        if self._attached is not None:
            self._attached = f"{value}={self._attached}" if self._equals else value
        else:
            self._at -= len(value) + self._equals
        self._equals = True

    def attached(self) -> bool:
        """Whether the option that was taken has its value with it, behind a `=`."""
        return self._equals

    def value(self, verbatim: bool) -> str:
        """Take the value of that option: what is attached, or what comes next (`done` is false)."""
        if self._equals and self._attached is not None:
            return self._attached
        if self._equals and self._line[self._at : self._at + 1] in ("", *_BLANKS):
            return ""
        if not verbatim:
            return self.word()
        return self._quoted() if self.quoted() else self._bare()

    def word(self) -> str:
        """Take a word as a POSIX shell splits words, nothing expanded."""
        self.done()
        rest = StringIO(self._line[self._at :])
        words = shlex(rest, posix=True)
        words.whitespace, words.whitespace_split, words.commenters = _BLANKS, True, ""
        try:
            word = words.get_token() or ""
        except ValueError:
            quote = words.state  # type: ignore[attr-defined]
            found = f"has an open {quote}" if quote in "'\"" else "ends with a backslash"
            raise UsageError(f"the command {found}") from None
        self._at += rest.tell()
        if self._line[self._at - 1] in _BLANKS:
            self._at -= 1  # the blank behind the word is not part of it
        return word

    def skip(self, word: str) -> bool:
        """Take `word` if it comes next, without quotes; whether it did."""
        there = not self.done() and self._line.startswith(word, self._at)
        end = self._at + len(word)
        if not there or self._line[end : end + 1] not in ("", *_BLANKS):
            return False
        self._at = end
        return True

    def begins(self, prefix: str) -> bool:
        """Whether what comes next, in quotes or not, begins with `prefix`."""
        if self.done():
            return False
        return self._line.startswith(prefix, self._at + (self._line[self._at] in "'\""))

    def _bare(self) -> str:
        """What comes before the next blank, as it is."""
        start = self._at
        while self._at < len(self._line) and self._line[self._at] not in _BLANKS:
            self._at += 1
        return self._line[start : self._at]

    def _quoted(self) -> str:
        """Text in quotes. Pieces that touch are one text, also with a quote that is escaped
        between them: so `shlex.quote` and `${x@Q}` write an apostrophe.
        """
        text = ""
        while self._at < len(self._line) and self._line[self._at] not in _BLANKS:
            if self._line.startswith(_ESCAPED, self._at):
                text += self._line[self._at + 1]
                self._at += 2
                continue
            quote = self._line[self._at]
            if quote not in "'\"":
                raise UsageError(self._behind())
            end = self._line.find(quote, self._at + 1)
            if end < 0:
                raise UsageError(
                    f"text that begins with {quote} ends at the next {quote}, and there is none; "
                    "behind -- quotes are text"
                )
            text += self._line[self._at + 1 : end]
            self._at = end + 1
        return text

    def _behind(self) -> str:
        found = safe(self._line[self._at :], 20)
        return (
            f"text that begins with a quote ends at its closing quote, and {found!r} follows it; "
            "behind -- quotes are text"
        )

    def text(self, takes_option: Callable[[CommandSource], bool]) -> str:
        """Take the text at the end, less the options behind it and the blank between them.
        `takes_option` takes one option of the verb, with its value; False: something else is next.
        """
        if self.quoted():
            return self._quoted()
        start, end = self._at, len(self._line)
        options = self._options_at_the_end(takes_option)
        self._at = options
        return self._line[start:end] if options == end else self._line[start : options - 1]

    def _options_at_the_end(self, takes_option: Callable[[CommandSource], bool]) -> int:
        """Where they begin. Each place is looked at once, the last first."""
        counts = {len(self._line): 0}
        for at in range(len(self._line) - 1, self._at, -1):
            if self._line[at] != "-" or self._line[at - 1] not in _BLANKS:
                continue
            rest = CommandLine(self._line, at, plain=True)
            if takes_option(rest):
                rest.done()
                count = counts.get(rest._at, TRAILING) + 1
                if count <= TRAILING:
                    counts[at] = count
        return min(counts)

    def literal(self) -> str | None:
        """Take all of what is behind a `--` and one blank; None if that is nothing."""
        start, self._at = self._at + 1, len(self._line)
        return self._line[start:] if start <= len(self._line) else None


class Words:
    """The arguments of a process, to be taken as those of `CommandLine`."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)
        self._attached: str | None = None

    def done(self) -> bool:
        return not self._words

    def quoted(self) -> bool:
        """The shell has taken quotes away."""
        return False

    def option(self) -> str:
        if not self._words or not self._words[0].startswith("-") or self._words[0] == "-":
            return ""
        name, equals, value = self._words.pop(0).partition("=")
        self._attached = value if equals else None
        return name

    def attach(self, value: str) -> None:
        self._attached = value if self._attached is None else f"{value}={self._attached}"

    def attached(self) -> bool:
        return self._attached is not None

    def value(self, verbatim: bool) -> str:
        del verbatim
        attached, self._attached = self._attached, None
        return self._words.pop(0) if attached is None else attached

    def word(self) -> str:
        return self._words.pop(0)

    def skip(self, word: str) -> bool:
        there = self._words[:1] == [word]
        del self._words[:there]
        return there

    def begins(self, prefix: str) -> bool:
        return self._words[:1] != [] and self._words[0].startswith(prefix)

    def text(self, takes_option: Callable[[CommandSource], bool]) -> str:
        """Words joined by one blank."""
        words = self._words
        counts = {len(words): 0}
        for at in range(len(words) - 1, 0, -1):
            if not words[at].startswith("-"):
                continue
            rest = Words(words[at : at + 2])
            if takes_option(rest):
                following = min(at + 2, len(words)) - len(rest._words)
                count = counts.get(following, TRAILING) + 1
                if count <= TRAILING:
                    counts[at] = count
        options = min(counts)
        text, self._words = words[:options], words[options:]
        return " ".join(text)

    def literal(self) -> str | None:
        text, self._words = self._words, []
        return " ".join(text) if text else None
