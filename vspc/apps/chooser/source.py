"""What a chooser is about: where its rows come from, and what is known beside them."""

from collections.abc import Sequence, Set
from typing import Protocol

from vspc.apps.chooser.columns import ListWidths
from vspc.apps.chooser.frame import PreviewText
from vspc.apps.chooser.model import Section
from vspc.apps.chooser.row import Row


class RowSource(Protocol):
    """Asked at each refresh, except for `preview`."""

    def now(self) -> float:
        """Seconds since 1970."""

    def rows(self) -> Sequence[Row]:
        """All that the operator may read, in reading order: a sequence that stays as it is."""

    def widths(self) -> ListWidths:
        """What the columns need for what `rows` gave last, as `measure` finds it."""

    def sections(self) -> Sequence[Section]:
        """Parts of them."""

    def favourites(self) -> Set[object]:
        """Keys of rows."""

    def favour(self, row: Row) -> str:
        """Make it a favourite, or no longer; why that cannot be, or ""."""

    def preview(self, row: Row, lines: int) -> PreviewText:
        """What it said last, at most `lines` lines."""

    def why_empty(self) -> Sequence[str]:
        """Why there is no row, as sentences."""

    def told(self) -> str:
        """What administrators are told in the first line; empty for nothing."""

    def refusals(self) -> Sequence[str]:
        """Lines about what is refused now; none for operators who may not know."""
