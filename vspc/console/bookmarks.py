"""What operators keep in the chooser: favourites, and the consoles that they were on last. Pure.

By name of the operator, which is never a path, and by id of the console: both are values in one
file. Everything is bounded, whoever logs in.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen

FAVOURITES = 100
"""Favourites of one operator."""

RECENT = 20
"""Consoles that an operator was on last."""

OPERATORS = 1000
"""Operators; beyond it, that of the one who has used it least recently is lost."""

LENGTH = 128
"""Characters of an operator's name, and of an id: of longer ones nothing is kept."""


@frozen
class OperatorBookmarks:
    """Ids of consoles: favourites, the first one first, and those visited, the last one first."""

    favourites: tuple[str, ...] = ()
    recent: tuple[str, ...] = ()


_NOTHING = OperatorBookmarks()


class Bookmarks:
    """Those of all operators; `changed` is called after each change, to have them written."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self._of: OrderedDict[str, OperatorBookmarks] = OrderedDict()

    def of(self, operator: str) -> OperatorBookmarks:
        """Those of `operator`."""
        return self._of.get(operator, _NOTHING)

    def favour(self, operator: str, console_id: str) -> bool:
        """Make it a favourite, or no longer. False: there are `FAVOURITES` others."""
        known = self.of(operator)
        if console_id in known.favourites:
            kept = tuple(each for each in known.favourites if each != console_id)
        elif len(known.favourites) >= FAVOURITES:
            return False
        else:
            kept = (*known.favourites, console_id)
        self._put(operator, evolve(known, favourites=kept))
        return True

    def visited(self, operator: str, console_id: str) -> None:
        """`operator` goes to that console."""
        known = self.of(operator)
        if known.recent[:1] != (console_id,):
            others = (each for each in known.recent if each != console_id)
            self._put(operator, evolve(known, recent=(console_id, *others)[:RECENT]))

    def _put(self, operator: str, bookmarks: OperatorBookmarks) -> None:
        if len(operator) > LENGTH:
            return
        self._of.pop(operator, None)
        if bookmarks != _NOTHING:
            self._of[operator] = bookmarks
        if len(self._of) > OPERATORS:
            self._of.popitem(last=False)
        self._changed()

    # For a file

    def as_value(self) -> dict[str, list[list[str]]]:
        """All of them, as JSON values, the least recently used operator first."""
        return {name: [list(of.favourites), list(of.recent)] for name, of in self._of.items()}

    def restore(self, value: Any) -> bool:
        """Take up what `as_value` gave, within the limits. False: something else was in it, which
        is left out.
        """
        if not isinstance(value, dict):
            return False
        is_all = len(value) <= OPERATORS
        for name, kept in list(value.items())[-OPERATORS:]:
            match kept:
                case [[*favourites], [*recent]] if len(name) <= LENGTH:
                    found = OperatorBookmarks(_ids(favourites)[:FAVOURITES], _ids(recent)[:RECENT])
                    self._of[name] = found
                    is_all = is_all and [favourites, recent] == [
                        list(found.favourites),
                        list(found.recent),
                    ]
                case _:
                    is_all = False
        return is_all


def _ids(found: list[Any]) -> tuple[str, ...]:
    """Those that can be ids, each once."""
    texts = (each for each in found if isinstance(each, str) and 0 < len(each) <= LENGTH)
    return tuple(dict.fromkeys(texts))
