"""A desk at which several operators are logged in, everything they do is recorded, and ended."""

from itertools import count
from typing import Any

from attrs import evolve

from tests.apps.support import ALICE, Desk, FakeChannel
from tests.audit.holding import Recorded
from tests.fakes import FakeSink
from vspc.apps.verbs.context import Call
from vspc.apps.verbs.table import VERBS
from vspc.console.access import Access, Operator, Rule
from vspc.console.attachment import Attachment
from vspc.console.console import Console
from vspc.console.events import Delivered
from vspc.console.pen_locks import PenLocks
from vspc.console.ports import Terminal
from vspc.console.session import Proof, Session
from vspc.console.sessions import Quota, Sessions

CAROL = Operator("carol")
DAVE = Operator("dave", roles=frozenset({"admin"}))
"""An administrator who may read everything but `secret*`, and type nowhere."""

KEY = "SHA256:" + "x" * 43


class OpsDesk(Desk):
    """`record` is the audit file, `sessions` who is in."""

    def __init__(self) -> None:
        super().__init__()
        self.record = Recorded()
        object.__setattr__(self.console_context, "audit", self.record)
        self.sessions = Sessions(Quota)
        object.__setattr__(self.console_context, "sessions", self.sessions)
        locks = PenLocks(self.clock, self.events, self.sessions)
        object.__setattr__(self.console_context, "locks", locks)
        self._numbers = count(1)
        self.rules = Access(
            (
                Rule(frozenset({"dave"}), ("secret*",), frozenset()),
                Rule(frozenset({"dave"}), ("*",), frozenset({"read"})),
                *self.rules.rules,
            )
        )
        self.context = evolve(self.context, audit=self.record, sessions=self.sessions)
        self.ended: dict[str, str] = {}

    def login(
        self, operator: Operator = ALICE, proof: Proof | None = None, reason: str = ""
    ) -> Session:
        """A session that lives."""
        made = Session(
            f"session{next(self._numbers)}",
            operator,
            proof or Proof("publickey", KEY),
            "192.0.2.1",
            self.clock.wall(),
            reason=reason,
        )
        ended = self.ended

        def end(why: str) -> None:
            ended[made.id] = why
            self.sessions.leave(made)

        self.sessions.enter(made, end)
        return made

    def ask(
        self,
        line: str,
        session: Session | None = None,
        terminal: Terminal | None = None,
        window: int = 1 << 20,
    ) -> FakeChannel:
        """Run a command line in `session`."""
        channel = FakeChannel(terminal, window)
        VERBS.run_line(Call(self.context, session or self.login(), channel), line)
        return channel

    def console_attachment(self, console: Console, operator: Operator = CAROL) -> Attachment:
        """Somebody on `console`, whoever shows it to him."""
        sink = FakeSink()
        rights = self.rights(operator, console.subject)
        attachment = console.attach(self.login(operator), rights, sink, console.history.end)
        sink.attachment = attachment
        return attachment

    def delivered(self) -> tuple[int, int]:
        """Bytes that the accounting says went to VMs, and were dropped."""
        self.console_context.accounting.close()
        said = [each for each in self.happened if isinstance(each, Delivered)]
        return sum(each.count for each in said), sum(each.dropped for each in said)

    def audited(self, name: str) -> list[dict[str, Any]]:
        """What the audit file has of that name."""
        return self.record.named(name)

    def run_on(self, rounds: int = 20, seconds: float = 0.001) -> None:
        """Let time pass, a little in each reactor turn."""
        for _ in range(rounds):
            self.clock.advance(seconds)
            self.turn()
