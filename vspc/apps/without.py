"""What a program on a channel can do without: a size, a BREAK, room, the end of input."""


class NoScreen:
    """The half of `vspc.console.ports.Program` that only a console needs."""

    def ended_input(self) -> None:
        """Output goes on."""

    def drained(self) -> None:
        """Nothing waits for room."""

    def give_back(self) -> bool:
        """Lines only were written."""
        return False

    def resized(self) -> None:
        """Lines are as long as they are."""

    def break_requested(self) -> bool:
        """There is nobody to break."""
        return False
