"""Values that are refused: what is wrong with them, and what is allowed instead."""


class InvalidValue(ValueError):
    """A value that is not allowed: what is wrong with it, and what is allowed instead."""

    def __init__(self, problem: str, allowed: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.allowed = allowed


class InvalidLines(ValueError):
    """More than one thing is wrong in one file; `wrongs` are the single ones."""

    def __init__(self, wrongs: list[InvalidValue]) -> None:
        super().__init__(f"{len(wrongs)} wrong lines")
        self.wrongs = wrongs
