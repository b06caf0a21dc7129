"""What is left in memory of VMs that come and go: little, and what they said is in the log."""

import gc
from collections import Counter

from tests.log.inline import Logged
from tests.log.support import bytes_of
from tests.vm.support import Host, Scene
from tests.vm.test_server import LineServerTest
from vspc.config.settings import LogSettings
from vspc.config.values import Floor
from vspc.console.away import RELEASE_AFTER
from vspc.console.console import Console, ConsoleState
from vspc.console.logs import Item, LogView
from vspc.log.recorder import LogBounds
from vspc.wire.vmware import VMotionBegin

NO_FLOOR = LogSettings(free_floor=Floor(0, 0.0))
TEXT = b"Linux version 6.1.0\r\n" * 100


class Going(LineServerTest):
    """A server with a log behind it, whose disk can stand still."""

    def setUp(self) -> None:
        super().setUp()
        self.logged = Logged(self.scene, NO_FLOOR)
        self.addCleanup(self.logged.close)

    def comes(self, number: int = 1, text: bytes = TEXT) -> Host:
        host = self.scene.host(f"10.0.0.{number % 4 + 1}")
        host.register(b"vm%d" % number, b"%032x" % number)
        host.say(text)
        return host

    def goes(self, host: Host) -> None:
        host.lose()
        self.turn()

    def turn(self, seconds: float = 0.1) -> None:
        self.scene.clock.advance(seconds)
        self.scene.turn()
        self.scene.server.tick()
        self.logged.writer.work([])

    def kept(self, console: Console) -> bytes:
        def everything(kept: LogView) -> list[Item]:
            return list(kept.read(kept.start, 1 << 20).items)

        found = self.successResultOf(self.logged.log.queries.query(console.id, everything))
        return bytes_of(found or [])

    def ring(self, name: str = "vm1") -> bytes:
        history = self.console(name).history
        return history.read(history.start, history.end - history.start)


class Rings(Going):
    def test_the_ring_goes_as_soon_as_the_log_has_it(self) -> None:
        host = self.comes()
        self.logged.writer.held = True
        self.goes(host)
        self.assertEqual(self.ring(), TEXT)
        self.logged.writer.held = False
        self.logged.writer.catch_up()
        console = self.console("vm1")
        self.assertEqual((console.history.capacity, console.history.end), (0, len(TEXT)))
        self.assertEqual(self.scene.console_context.budget.used, 0)
        self.assertEqual(self.kept(console), TEXT)
        self.assertEqual(self.logged.log.store.pending_bytes, 0)

    def test_it_stays_for_those_who_are_on_the_console(self) -> None:
        host = self.comes()
        attachments = [self.scene.attach(self.console("vm1"))[0] for _ in range(2)]
        self.goes(host)
        for attachment in attachments:
            self.assertEqual(self.ring(), TEXT)
            attachment.detach()
        self.turn()
        self.assertEqual(self.ring(), b"")

    def test_it_comes_back_with_the_vm(self) -> None:
        self.goes(self.comes())
        self.comes()
        self.turn()
        self.assertEqual(self.ring(), 2 * TEXT)

    def test_a_vm_that_has_gone_again_before_its_ring_was_read_gets_none(self) -> None:
        self.goes(self.comes())
        self.logged.writer.held = True
        again = self.comes(text=b"")
        again.lose()
        self.logged.writer.held = False
        self.logged.writer.catch_up()
        self.turn()
        self.assertEqual(self.console("vm1").history.capacity, 0)

    def test_what_the_log_does_not_have_stays_for_ten_minutes(self) -> None:
        self.logged.log.recorder.bounds = LogBounds(each=1000, total=1 << 20)
        host = self.comes()
        self.goes(host)
        self.assertEqual(self.ring(), TEXT)
        self.turn(RELEASE_AFTER + 1)
        self.assertEqual(self.ring(), b"")

    def test_without_a_log_it_stays_for_ten_minutes(self) -> None:
        self.scene = Scene()
        self.goes(self.comes())
        self.turn(RELEASE_AFTER - 5)
        self.assertEqual(self.ring(), TEXT)
        self.turn(10)
        self.assertEqual(self.ring(), b"")


class Objects(Going):
    """Counted by type, because bytes differ from one Python to the next.

    `make bench ROWS=memory-away` measures these.
    """

    OF_THE_CONSOLE = (
        "Attachments",
        "VmLink",
        "PortState",
        "Console",
        "InputFlow",
        "InputQueue",
        "History",
        "Identity",
        "Pen",
        "PenLine",
        "PenLocking",
        "LinkNotices",
        "Approvals",
    )
    OF_ITS_VM = ("Vm", "_Claimants")
    OF_ITS_LOG = ("ConsoleLog", "Segment", "RecorderEntry")
    FEW = 4
    """Sets that hold one: of those with its name, live and all; of that without case; a UUID's."""

    def setUp(self) -> None:
        # What earlier tests of this process left is not counted, whenever it goes.
        gc.collect()
        gc.freeze()
        self.addCleanup(gc.unfreeze)
        super().setUp()

    def one(self, number: int, migrates: bool) -> None:
        """A VM comes and goes, perhaps in the middle of a vMotion, whose target may have come."""
        host = self.comes(number)
        if migrates:
            credential = host.begin(b"%04d" % number)
            target = self.scene.host("10.0.0.9")
            if number % 4:
                target.peer(credential)
            host.lose()
            target.lose()
        self.goes(host)

    def ours(self) -> Counter[str]:
        gc.collect()
        kinds = (type(each) for each in gc.get_objects())
        return Counter(k.__name__ for k in kinds if str(k.__module__).startswith("vspc."))

    def settle(self) -> None:
        for _ in range(140):  # longer than any vMotion
            self.turn(1.0)
        self.scene.happened.clear()

    def test_nothing_of_a_line_that_has_ended_waits_for_a_garbage_collection(self) -> None:
        gc.disable()
        self.addCleanup(gc.enable)
        for number in range(1, 30):
            self.one(number, number % 2 == 0)
        self.settle()
        gc.set_debug(gc.DEBUG_SAVEALL)
        self.addCleanup(gc.garbage.clear)
        self.addCleanup(gc.set_debug, 0)
        gc.collect()
        kinds = (type(each) for each in gc.garbage)
        self.assertEqual([k for k in kinds if str(k.__module__).startswith("vspc.")], [])

    def test_of_a_vm_that_has_gone_only_its_console_is_left(self) -> None:
        for number in range(1, 30):
            self.one(number, number % 2 == 0)
        self.settle()
        before, waits = self.ours(), len(self.scene.clock.twisted.getDelayedCalls())
        for number in range(30, 70):
            self.one(number, number % 2 == 0)
        self.settle()
        after = self.ours()
        states = {console.state for console in self.scene.roster}
        self.assertEqual(states, {ConsoleState.AWAY})
        self.assertEqual(len(self.scene.clock.twisted.getDelayedCalls()), waits)
        # Credentials that are used up are remembered, a bounded number of them.
        grown = {kind: after[kind] - before[kind] for kind in after if after[kind] > before[kind]}
        grown.pop("Past", None)
        each = (*self.OF_THE_CONSOLE, *self.OF_ITS_VM, *self.OF_ITS_LOG)
        wanted = dict.fromkeys(each, 40) | {"SmallSet": 40 * self.FEW}
        self.assertEqual({k: n for k, n in grown.items() if n >= 10}, wanted)

    def test_a_vm_that_vanishes_after_its_go_ahead_is_away_soon(self) -> None:
        host = self.comes()
        host.say(VMotionBegin(b"\x01\x02"))
        self.goes(host)
        self.assertIs(self.console("vm1").state, ConsoleState.MIGRATING)
        for _ in range(11):
            self.turn(1.0)
        self.assertIs(self.console("vm1").state, ConsoleState.AWAY)
        self.assertEqual(self.console("vm1").history.capacity, 0)
