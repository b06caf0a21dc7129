"""What the chooser costs with 10,000 consoles: the first screen after a start and later, each key,
and the screen after a change of the list.

    python -m benchmarks.chooser [CONSOLES]

In one process, over the real parts, with a clock that is moved by hand: milliseconds of CPU. The
goals: the first screen in 100 ms, a key in 10 ms.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from attrs import evolve

from tests.apps.support import Desk, FakeChannel
from tests.fakes import session
from vspc.apps.dispatch import Dispatcher
from vspc.config import load
from vspc.console.access import Operator
from vspc.console.console import Console
from vspc.console.logins import Login, ShellRequest
from vspc.console.ports import Terminal
from vspc.server.reload import Live

CONFIG = """
[operators.alice]
[operators.carol]
[operators.bob]
groups = ["netops"]
[[access]]
operators = ["carol"]
consoles = ["secret*"]
rights = []
[[access]]
operators = ["alice", "@netops"]
consoles = ["prod/*", "web*"]
rights = ["read", "write"]
[[group]]
title = "every seventh"
consoles = ["web*7-rack7", "prod/web*7-rack7"]
"""

KEYS: dict[str, bytes] = {
    "w (first letter)": b"w",
    "eb (more of it)": b"eb",
    "5 (narrower)": b"5",
    "Backspace": b"\x7f",
    "^U (no filter)": b"\x15",
    "state:away": b"state:away",
    "^U": b"\x15",
    "note:rack writer:-": b"note:rack writer:-",
    "^U again": b"\x15",
    "Down": b"\x1b[B",
    "PgDn": b"\x1b[6~",
    "End": b"\x1b[F",
    "Home": b"\x1b[H",
    "^O (by state)": b"\x0f",
    "^O (by output)": b"\x0f",
    "^R (reversed)": b"\x12",
    "^O (by writer)": b"\x0f",
    "Right (a group, first)": b"\x1b[C",
    "Right (all)": b"\x1b[C",
    "Right (a group, again)": b"\x1b[C",
    "Left (all)": b"\x1b[D",
    "^A (mark all)": b"\x01",
    "Space": b" ",
    "u (unmark all)": b"u",
    "^V (preview)": b"\x16",
    "? (help)": b"?",
    "Esc": b"\x1b",
}


class ChooserBench:
    """Consoles, rules, and operators who look at them."""

    def __init__(self, count: int) -> None:
        self.desk = Desk()
        path = Path(tempfile.mkdtemp()) / "vspc.toml"
        path.write_text(CONFIG)
        live = Live(load(path))
        self.consoles = list[Console]()
        context = evolve(self.desk.context, rights=live.rights, groups=live.groups)
        self.dispatcher = Dispatcher(context)
        began = time.process_time()
        for number in range(count):
            zone = "prod" if number % 3 else "default"
            console, _ = self.desk.connected(f"web-{number:05}-rack7", f"{number:032x}", zone=zone)
            console.link.output(b"login: ")
            self.consoles.append(console)
        for console in self.consoles[::50]:
            console.link.disconnect("off")
        self.settle()
        print(f"{count} consoles made in {time.process_time() - began:.1f} s")

    def login(self, name: str) -> FakeChannel:
        channel = FakeChannel(Terminal("xterm", 120, 40), window=1 << 40)
        operator = Operator(name, frozenset({"netops"}) if name == "bob" else frozenset())
        login = Login(session(operator), None, ())
        self.dispatcher.start(channel, login, ShellRequest(None))
        self.turn()
        assert b"web-00001" in channel.output, bytes(channel.output[:200])
        return channel

    def turn(self) -> None:
        for _ in range(4):
            self.desk.clock.advance(0)
            self.desk.turn()

    def settle(self) -> None:
        """Let rows be made anew: a server has more time than this between its start and a login."""
        for _ in range(400):
            self.desk.clock.advance(0.05)
            self.desk.turn()

    def rest(self) -> None:
        """Let it be repainted, untimed."""
        for _ in range(12):
            self.desk.clock.advance(0.1)
            self.desk.turn()

    def timed(self, what: str, work: Callable[[], object], goal: float) -> None:
        began = time.process_time()
        work()
        took = 1000 * (time.process_time() - began)
        print(f"{what:28} {took:6.1f} ms{'' if took <= goal else '  OVER THE GOAL'}", flush=True)


def main() -> None:
    """Print the figures."""
    bench = ChooserBench(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
    bench.timed("first screen, rules unasked", lambda: bench.login("alice"), 100)
    bench.timed("first screen, again", lambda: bench.login("alice"), 100)
    channel = bench.login("bob")
    bench.rest()
    for what, key in KEYS.items():

        def press(key: bytes = key) -> None:
            channel.type(key)
            bench.turn()

        bench.timed(what, press, 10 * (len(key) if key.isalpha() else 1))
        bench.rest()

    def change() -> None:
        bench.consoles[7].link.disconnect("off")
        bench.desk.clock.advance(0.25)
        bench.turn()

    bench.timed("one console goes away", change, 100)

    def appear() -> None:
        bench.desk.connected("web-new", f"{1 << 40:032x}")
        bench.desk.clock.advance(0.25)
        bench.turn()

    bench.timed("one console appears", appear, 100)


if __name__ == "__main__":
    main()
