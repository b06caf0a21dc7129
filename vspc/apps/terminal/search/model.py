"""A search, as its operator sees it: what is looked for, where one is, what to ask next. Pure."""

from typing import TypeVar

from attrs import define, field

from vspc.apps.terminal.search.lines import Direction, Find, SearchAnswer, Show, ShownLine
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.stream_search import SearchPattern
from vspc.common.columns import clip, ending

T = TypeVar("T", Find, Show)

HELP = "n later, p earlier, / search, Enter leaves"
SEARCHING = "searching"
NO_PATTERN = "type what to search for, a regular expression (RE2), then Enter"

PATTERN_SHOWN = 30
"""Characters of what is searched for that are shown."""


@define(eq=False)
class SearchModel:
    """`start` is the offset from which it goes back. `typed` is a pattern that is being typed; None
    while there is none. `lines` are shown, `found` is the offset of the one that matched.
    """

    start: int
    typed: str | None = ""
    lines: tuple[ShownLine, ...] = ()
    found: int | None = None
    text: str = field(default="", init=False)  # the pattern
    note: str = field(default="", init=False)
    problem: str = field(default="", init=False)  # with what was typed
    seen: tuple[int, int] | None = field(default=None, init=False)  # offsets of what was found
    _pattern: SearchPattern | None = field(default=None, init=False)
    _asked: Find | Show | None = field(default=None, init=False)

    @property
    def found_line(self) -> ShownLine | None:
        """The line that matched, if it is shown."""
        return next((each for each in self.lines if each.offset == self.found), None)

    # What the operator wants: each gives what to ask, or None

    def tail(self) -> Show:
        """The last lines."""
        return self._ask(Show(None, self.start))

    def search(self, text: str) -> Find | None:
        """Look for the last line that matches `text`."""
        self.typed, self.problem = None, ""
        if not text:
            self.problem = "" if self._pattern is not None else NO_PATTERN
            return None
        try:
            pattern = SearchPattern.of("/", text)
        except UsageError as error:
            self.problem = str(error).removeprefix("/: ")
            return None
        self.text, self._pattern, self.found = text, pattern, None
        return self._ask(Find(pattern, Direction.EARLIER, self.start))

    def move(self, direction: Direction) -> Find | None:
        """The next match in that direction."""
        if self._pattern is None:
            self.problem = NO_PATTERN
            return None
        line, offset = self.found_line, self.start if self.found is None else self.found
        if direction is Direction.LATER and self.found is not None:
            offset = self._behind(line, offset)
        return self._ask(Find(self._pattern, direction, offset))

    def _behind(self, line: ShownLine | None, offset: int) -> int:
        """Where the line behind that one begins."""
        following = [each.offset for each in self.lines if each.offset > offset]
        return following[0] if line is not None and following else offset + 1

    def scroll(self, count: int) -> Show | None:
        """So many lines further down, or up if `count` is below 0."""
        if not self.lines:
            return None
        return self._ask(Show(self._pattern, self.lines[0].offset, moved=count))

    def again(self) -> Find | Show | None:
        """The same for another number of rows."""
        if self._asked is not None:
            return self._asked
        if (line := self.found_line) is not None:
            return self._ask(Show(self._pattern, line.offset, is_around=True))
        return None if not self.lines else self._ask(Show(self._pattern, self.lines[0].offset))

    def _ask(self, request: T) -> T:
        self.problem = ""
        self._asked, self.note = request, SEARCHING if isinstance(request, Find) else ""
        return request

    # What came of it

    def took(self, request: Find | Show, answer: SearchAnswer | None) -> Find | None:
        """The answer to `request`, None if the log cannot be read; what to ask to go on."""
        if answer is None:
            self._asked, self.note = None, "the log cannot be read now"
        elif answer.found is not None:
            self._asked, self.note, self.lines = None, "", answer.lines
            if isinstance(request, Find):
                self.found = answer.found
                first, end = self.seen or (answer.found, answer.found)
                offsets = [each.offset for each in answer.lines]
                self.seen = min([first, *offsets]), max([end, *offsets])
        elif isinstance(request, Find) and answer.goes_on:
            self.note = f"searching, {_part(request, answer)} % left"
            onwards = Find(request.pattern, request.direction, answer.offset)
            self._asked = onwards
            return onwards
        else:
            self._asked = None
            where = request.direction.value if isinstance(request, Find) else ""
            self.note = f"no {where} match" if self.found is not None else "no match"
        return None

    def status(self, meanwhile: str, time: str, columns: int) -> str:
        """The line about the search; `time` is that of the line that matched. Of a pattern that is
        being typed the end is shown, where not all of it fits into so many columns.
        """
        if self.typed is not None:
            return "/" + ending(self.typed, columns - 2)
        if self.problem:
            return self.problem
        pattern = f"/{clip(self.text, PATTERN_SHOWN)}/" if self.text else ""
        when = time if self.found_line is not None and not self.note else ""
        return "  ".join(filter(None, (self.note, meanwhile, pattern, when, HELP)))


def _part(find: Find, answer: SearchAnswer) -> int:
    """Percent of the log that are left."""
    size = max(1, answer.end - answer.first)
    left = answer.offset - answer.first
    if find.direction is Direction.LATER:
        left = answer.end - answer.offset
    return max(0, min(100, 100 * left // size))
