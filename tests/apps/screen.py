"""A terminal that understands what the chooser writes, so that tests look at what is shown."""

import re
import unicodedata

_PIECE = re.compile(
    rb"\x1b\[(?P<parameters>[?0-9;]*)(?P<final>[@-~])|(?P<text>[^\x00-\x1f\x7f]+)|(?P<control>[\r\n])"
)


class Screen:
    """Cells, a cursor and modes. Anything it does not know fails the test."""

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.resize(columns, rows)
        self.modes: set[str] = {"?7", "?25"}
        self.written = 0

    def resize(self, columns: int, rows: int) -> None:
        """What was shown is lost."""
        self.columns, self.rows = columns, rows
        self._cells: list[list[tuple[str, bool]]] = []
        self._row = self._column = 0
        self._reverse = False
        self._clear()

    def _clear(self) -> None:
        self._cells = [self._blank() for _ in range(self.rows)]

    def _blank(self) -> list[tuple[str, bool]]:
        return [(" ", False)] * self.columns

    def feed(self, data: bytes) -> None:
        """Act on whole writes: the chooser never cuts a sequence."""
        self.written += len(data)
        at = 0
        while at < len(data):
            match = _PIECE.match(data, at)
            assert match is not None, data[at : at + 20]
            at = match.end()
            if match["text"]:
                self._print(match["text"].decode())
            elif match["control"]:
                self._column = 0
            else:
                self._control(match["parameters"].decode(), match["final"].decode())

    def _control(self, parameters: str, final: str) -> None:
        match parameters, final:
            case _, "H":
                row, _, column = parameters.partition(";")
                self._row, self._column = int(row or 1) - 1, int(column or 1) - 1
                assert self._row < self.rows, parameters
            case "2", "J":
                self._clear()
            case "", "K":
                line = self._cells[self._row]
                line[self._column :] = self._blank()[self._column :]
            case _, "m":
                assert parameters in ("", "1", "7"), parameters
                self._reverse = parameters == "7"
            case _, "h":
                self.modes.add(parameters)
            case _, "l":
                self.modes.remove(parameters)
            case _:
                raise AssertionError((parameters, final))

    def _print(self, text: str) -> None:
        for character in text:
            self._put(character)

    def _put(self, character: str) -> None:
        if unicodedata.combining(character):
            before, reverse = self._cells[self._row][self._column - 1]
            self._cells[self._row][self._column - 1] = (before + character, reverse)
            return
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        assert self._column + width <= self.columns, "beyond the last column"
        line = self._cells[self._row]
        line[self._column] = (character, self._reverse)
        if width == 2:
            line[self._column + 1] = ("", self._reverse)
        self._column += width

    @property
    def lines(self) -> list[str]:
        """What each row shows, without trailing spaces."""
        return ["".join(text for text, _ in line).rstrip() for line in self._cells]

    @property
    def selected(self) -> list[str]:
        """The rows in reverse video, which must be so from end to end."""
        rows = [line for line in self._cells if any(reverse for _, reverse in line)]
        assert all(reverse for line in rows for _, reverse in line)
        return ["".join(text for text, _ in line).rstrip() for line in rows]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)
