"""Groups of consoles, as the configuration names them: parts of what an operator may read. Pure."""

from attrs import field, frozen

from vspc.console.access import PatternIndex, Subject


@frozen
class ConsoleGroup:
    """Consoles that match one of `patterns` (`vspc.console.access.matches`), under a title."""

    title: str
    patterns: tuple[str, ...]
    _index: PatternIndex = field(init=False, eq=False, repr=False)

    @_index.default
    def _look(self) -> PatternIndex:
        return PatternIndex.of(self.patterns)

    def has(self, subject: Subject) -> bool:
        """Whether the console that `subject` describes is one of them."""
        return self._index.has(subject)
