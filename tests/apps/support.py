"""An operator's channel without SSH: what a program writes is kept, its window can be closed."""

from tests.fakes import session
from tests.vm.support import Scene
from vspc.apps.verbs.context import Call, VerbContext
from vspc.apps.verbs.table import VERBS
from vspc.console.access import Access, Operator, Rights, Rule, Subject
from vspc.console.ports import Program, Terminal

XTERM = Terminal("xterm", 80, 24)


class FakeChannel:
    """`vspc.console.ports.Channel`; `window` is what the operator takes before he reads again."""

    def __init__(self, terminal: Terminal | None = None, window: int = 1 << 20) -> None:
        self.terminal = terminal
        self.address = "192.0.2.1"
        self.window = window
        self.output = bytearray()
        self.errors = bytearray()
        self.under_way = 0
        self.status: int | None = None
        self.program: Program | None = None

    def start(self, program: Program) -> None:
        self.program = program

    def room(self) -> int:
        return 0 if self.status is not None else max(0, min(self.window, 65536))

    def write(self, data: bytes) -> None:
        self.window -= len(data)
        self.output += data

    def write_error(self, data: bytes) -> None:
        (self.output if self.terminal else self.errors).extend(data)

    def consumed(self, count: int) -> None:
        assert 0 < count <= self.under_way, (count, self.under_way)
        self.under_way -= count

    def finish(self, status: int) -> None:
        if self.status is None:
            self.status = status

    # The operator

    def type(self, data: bytes) -> None:
        self.under_way += len(data)
        assert self.program is not None
        self.program.received(data)

    def read(self, count: int) -> None:
        self.window += count
        assert self.program is not None
        self.program.drained()

    def close(self) -> None:
        if self.program is not None:
            self.program.closed()

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")

    @property
    def complaint(self) -> str:
        return self.errors.decode("utf-8", "replace")


ALICE = Operator("alice")
BOB = Operator("bob", frozenset({"readers"}))
ROOT = Operator("root", roles=frozenset({"admin"}))


class Desk(Scene):
    """Consoles with operators: alice may do everything, readers only read, and not `secret*`."""

    def __init__(self) -> None:
        super().__init__()
        every = frozenset({"read", "write", "break", "force"})
        self.rules = Access(
            (
                Rule(frozenset({"@readers"}), ("secret*",), frozenset()),
                Rule(frozenset({"@readers"}), ("*",), frozenset({"read"})),
                Rule(frozenset({"alice", "carol", "root"}), ("*",), every),
            )
        )
        self.context = VerbContext(
            self.roster, self.rights, self.clock, self.server, events=self.events
        )

    def rights(self, operator: Operator, subject: Subject) -> Rights:
        """What the rules in force give: tests change them."""
        return self.rules.rights(operator, subject)

    def say(
        self,
        line: str,
        operator: Operator = ALICE,
        terminal: Terminal | None = None,
        window: int = 1 << 20,
    ) -> FakeChannel:
        """Run a command line as `operator`."""
        channel = FakeChannel(terminal, window)
        VERBS.run_line(Call(self.context, session(operator), channel), line)
        return channel
