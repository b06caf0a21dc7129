"""What outlets over a connection have in common."""

from attrs import define

from vspc.net.connection import Connection


@define(eq=False)
class SinkStream:
    """What outlets over a connection have in common."""

    connection: Connection

    def waiting(self) -> int:
        """How many of the last writes the other side may not have yet."""
        return self.connection.waiting()

    def reopen(self) -> None:
        """Dial anew."""
        self.connection.close()

    def close(self) -> None:
        """The end."""
        self.connection.close()
