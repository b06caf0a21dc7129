"""How a room asks for what another room does: small Protocol classes, no code.

`Channel` and `Program` are the two ends of an operator's conversation: a door (SSH, later the
control socket and the web) implements `Channel`, what an operator runs (a verb, a console, the
chooser) implements `Program`. `Line` is the connection of a virtual machine.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar, runtime_checkable

from attrs import frozen

from vspc.common.serial import PortSettings
from vspc.console.identity import Provenance

T = TypeVar("T")


@frozen
class Terminal:
    """An operator's terminal. `columns` and `rows` are over 0: the door makes 0 x 0 80 x 24."""

    kind: str
    columns: int
    rows: int

    @property
    def has_cursor(self) -> bool:
        """Whether it acts on control sequences."""
        return self.kind not in _NO_CURSOR


_NO_CURSOR = frozenset({"", "dumb", "unknown", "network", "dialup"})


class Program(Protocol):
    """What runs on a channel. No method may raise.

    A class that names this one as its base has the defaults of a program that only prints.
    """

    @abstractmethod
    def received(self, data: bytes) -> None:
        """The operator typed `data`, as it came in one packet. Say `Channel.consumed` for it."""

    def ended_input(self) -> None:
        """The operator will type no more (end of file); output goes on."""
        return

    def drained(self) -> None:
        """There is room again: called after `Channel.room` was found to be 0, and grew."""
        return

    def resized(self) -> None:
        """`Channel.terminal` has changed."""
        return

    def break_requested(self) -> bool:
        """The operator's client asked for a BREAK (RFC 4335); True if it was passed on."""
        return False

    def give_back(self) -> bool:
        """The connection is about to be ended: undo what was done to the terminal, now. Whether
        anything was written.
        """
        return False

    @abstractmethod
    def closed(self) -> None:
        """The channel is gone; last call. Also follows `Channel.finish`."""


class Channel(Protocol):
    """One operator's conversation, as a program sees it."""

    @property
    def terminal(self) -> Terminal | None:
        """The operator's terminal, or None where there is none (exec without -t, -W)."""

    @property
    def address(self) -> str:
        """Where the operator comes from, for logs and `who`."""

    def start(self, program: Program) -> None:
        """`program` receives from now on. May be called again: a chooser starts a console."""

    def room(self) -> int:
        """Bytes that may be written now. 0: write nothing, `Program.drained` will follow."""

    def write(self, data: bytes) -> None:
        """To the operator's stdout. More than `room` is kept, for short texts; see `vspc.ssh`."""

    def write_error(self, data: bytes) -> None:
        """To the operator's stderr; with a terminal the same screen."""

    def consumed(self, count: int) -> None:
        """`count` bytes of `Program.received` are dealt with: as many may be sent again."""

    def finish(self, status: int) -> None:
        """Send what is written, then the exit status, then close. Later calls change nothing."""


@runtime_checkable
class SuspendableChannel(Protocol):
    """A channel whose client can be suspended, as by job control."""

    def suspend(self) -> None:
        """Suspend the operator's client; it goes on when its shell continues it."""


class InThread(Protocol):
    """Runs `call` in a thread, which goes on if the wait for it is cancelled. Raises RuntimeError
    where the system has no thread for it.
    """

    def __call__(self, call: Callable[[], T], /) -> Awaitable[T]: ...


class Line(Protocol):
    """A connection from a VM, as its console sees it."""

    @property
    def address(self) -> str:
        """The VM's host: an IP address without its port."""

    @property
    def secure(self) -> bool:
        """Whether it is TLS."""

    @property
    def provenance(self) -> Provenance:
        """How sure we are of where it comes from."""

    @property
    def carries_break(self) -> bool:
        """Whether `send_break` reaches the VM; raw TCP cannot carry a BREAK."""

    def send(self, data: bytes) -> None:
        """Type `data` at the VM; 8-bit clean."""

    @property
    def suspended(self) -> bool:
        """Whether the other end has said that it takes no data for a while; `VmLink.flow_changed`
        follows each change.
        """

    def send_break(self) -> float:
        """Begin one BREAK on the VM's serial line; seconds after which `end_break` is due, and
        until which nothing is sent. 0: it is over already.
        """

    def end_break(self) -> None:
        """End the BREAK that has lasted for that long."""

    def set_port(self, settings: PortSettings) -> bool:
        """Set the serial port at the other end; `PortState.set` follows with what is in
        force. False: the settings of this line are not ours to set.
        """

    def ask(self) -> bool:
        """Ask what this line always answers (law 3); the answer reaches `VmLink.answered`.

        False where the line has no such question (raw TCP).
        """

    def unacknowledged(self) -> int | None:
        """Bytes written that the VM's kernel has not acknowledged; None if unknown."""

    def pause_reading(self) -> None:
        """Read nothing more until `resume_reading`: output of the VM waits in its socket."""

    def resume_reading(self) -> None:
        """Read again. Harmless after the end of the connection."""

    def close(self, reason: str) -> None:
        """End the connection; `reason` is for the log."""


@frozen
class Lockout:
    """`what`: an operator's name, or a fingerprint (`SHA256:...`) of a key or an authority.

    Times are seconds since 1970; `until` None: until it is lifted.
    """

    what: str
    by: str
    since: float
    until: float | None
    reason: str = ""


class Lockouts(Protocol):
    """All in effect; `vspc.auth.lockouts` stores them."""

    def lock(self, lockout: Lockout) -> bool:
        """In effect from now on, but after a restart only if it is `save`d; False: too many."""

    def lift(self, what: str) -> bool:
        """Lift the lockout of `what`; False if there is none. `save` it, too."""

    async def save(self) -> str:
        """Write all to the disk, and return why that failed, or "". Goes on if it is cancelled."""

    def find(self, names: Iterable[str]) -> Lockout | None:
        """The first lockout of any of `names`."""

    def listed(self) -> list[Lockout]:
        """All of them, oldest first."""
