"""What all consoles together have done since the server started. Nobody walks over consoles for it:
each adds its own as it happens.
"""

from attrs import define


@define(eq=False)
class ConsoleCounts:
    """Bytes of all consoles: from their VMs, to them, and input that waits now or was not sent.

    `waiting` counts a BREAK as `BREAK_COST` (vspc.console.input_queue); `most_waiting` is the
    largest that it was. Input that is not sent was `refused`, because the line went that it waited
    for, or `withdrawn` by who typed it, or with the right to type. `missed` is output that somebody
    did not get who was too slow for it, counted for each of them.
    """

    from_vm: int = 0
    to_vm: int = 0
    waiting: int = 0
    most_waiting: int = 0
    refused: int = 0
    withdrawn: int = 0
    missed: int = 0

    def waits(self, change: int) -> None:
        """So many more bytes of input wait, or fewer."""
        self.waiting += change
        self.most_waiting = max(self.most_waiting, self.waiting)
