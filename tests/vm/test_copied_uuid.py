"""A VM with a copied UUID and a name of its own: what another one said is not its past.

Who may read what goes by names, so that each console, ring and log has the words of one name only;
a rename in mid-line, which is the same VM by the same connection, apart.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log.inline import Logged
from tests.log.support import bytes_of
from tests.vm.support import Host, Scene
from tests.vm.test_server import LineServerTest
from vspc.config.settings import LogSettings
from vspc.config.values import Floor
from vspc.console.console import Console, ConsoleState
from vspc.console.logs import Item, LogView
from vspc.console.names import Found
from vspc.wire.vmware import VmName

HOST = "10.0.0.1"
NO_FLOOR = LogSettings(free_floor=Floor(0, 0.0))


class CopiedTest(LineServerTest):
    """A server with a log behind it."""

    def setUp(self) -> None:
        super().setUp()
        self.logged = Logged(self.scene, NO_FLOOR)
        self.addCleanup(self.logged.close)

    def starts(self, name: bytes, uri: bytes = b"vspc", address: str = HOST) -> Host:
        """A VM called `name`, which has the UUID that all have, starts and says its name."""
        host = self.scene.host(address)
        host.register(name, uri=uri)
        host.say(b"I am " + name + b"\r\n")
        self.turn()
        return host

    def stops(self, host: Host) -> None:
        host.lose()
        self.turn()

    def turn(self) -> None:
        self.scene.clock.advance(0.1)
        self.scene.turn()
        self.logged.writer.work([])

    def kept(self, console: Console) -> bytes:
        """All that ring and log have of `console`."""

        def everything(kept: LogView) -> list[Item]:
            return list(kept.read(kept.start, 1 << 20).items)

        found = self.successResultOf(self.logged.log.queries.query(console.id, everything))
        history = console.history
        return history.read(history.start, history.end) + bytes_of(found or [])

    def restart(self, clean: bool = True) -> None:
        """Another process takes the log up."""
        self.scene = Scene()
        self.logged.restart(self.scene, clean)


class SameHost(CopiedTest):
    def test_a_copy_gets_nothing_of_what_the_original_said(self) -> None:
        self.stops(self.starts(b"web01"))
        self.starts(b"lab-7")
        copy, original = self.console("lab-7"), self.console("web01")
        self.assertEqual(self.kept(copy).count(b"web01"), 0)
        self.assertIs(original.state, ConsoleState.AWAY)
        self.assertEqual((original.vm.claimed_name, copy.vm.claimed_name), ("web01", "lab-7"))
        sees_the_copy_only = self.scene.roster.resolve("web01", lambda console: console is copy)
        self.assertNotIsInstance(sees_the_copy_only, Found)
        [kind, *_] = self.scene.suspicions()[0]
        self.assertEqual(kind, "duplicate-uuid")

    def test_the_original_finds_its_log_while_the_copy_lives(self) -> None:
        self.stops(self.starts(b"web01"))
        self.starts(b"lab-7")
        self.starts(b"web01")
        self.assertIn(b"I am web01\r\nI am web01", self.kept(self.console("web01")))
        self.assertNotIn(b"web01", self.kept(self.console("lab-7")))
        self.assertIs(self.console("lab-7").state, ConsoleState.CONNECTED)

    def test_the_original_finds_its_log_when_the_copy_is_gone(self) -> None:
        self.stops(self.starts(b"web01"))
        self.stops(self.starts(b"lab-7"))
        self.starts(b"web01")
        self.assertNotIn(b"lab-7", self.kept(self.console("web01")))
        self.assertEqual(self.count(), 2)

    def test_a_copy_that_comes_back_finds_its_own(self) -> None:
        self.stops(self.starts(b"web01"))
        self.stops(self.starts(b"lab-7"))
        self.starts(b"lab-7")
        self.assertIn(b"I am lab-7\r\nI am lab-7", self.kept(self.console("lab-7")))
        self.assertEqual(len(self.scene.suspicions()), 1)

    def test_over_a_restart(self) -> None:
        self.stops(self.starts(b"web01"))
        for clean in (True, False):
            self.restart(clean)
            self.stops(self.starts(b"lab-7"))
            self.assertNotIn(b"web01", self.kept(self.console("lab-7")))
        self.restart()
        self.starts(b"web01")
        self.assertIn(b"I am web01\r\nI am web01", self.kept(self.console("web01")))
        self.assertNotIn(b"lab-7", self.kept(self.console("web01")))

    def test_a_log_whose_console_was_forgotten_is_not_a_copys(self) -> None:
        self.stops(self.starts(b"web01"))
        self.assertTrue(self.scene.server.forget(self.console("web01")))
        self.starts(b"lab-7")
        self.assertNotIn(b"web01", self.kept(self.console("lab-7")))
        self.assertIn("duplicate-uuid", [kind for kind, *_ in self.scene.suspicions()])
        self.starts(b"web01")
        self.assertIn(b"I am web01\r\nI am web01", self.kept(self.console("web01")))

    def test_nor_after_a_restart_or_from_another_host(self) -> None:
        self.stops(self.starts(b"web01"))
        self.assertTrue(self.scene.server.forget(self.console("web01")))
        self.turn()
        self.restart()
        self.assertEqual(self.count(), 0)
        self.starts(b"lab-7", address="10.0.0.9")
        self.assertNotIn(b"web01", self.kept(self.console("lab-7")))

    def test_nor_is_that_of_one_port_when_another_port_came_first(self) -> None:
        port_a, port_b = b"vspc?port=a", b"vspc?port=b"
        hosts = [self.starts(b"web01", uri) for uri in (port_a, port_b)]
        for host in hosts:
            self.stops(host)
        for console in list(self.scene.roster):
            self.assertTrue(self.scene.server.forget(console))
        for uri in (b"vspc?port=c", port_a, port_b):
            self.starts(b"lab-7", uri)
        for console in self.scene.roster:
            self.assertNotIn(b"web01", self.kept(console), console.title)

    def test_renamed_in_mid_line_it_is_the_same_vm(self) -> None:
        host = self.starts(b"web01")
        host.say(VmName(b"web02"))
        self.stops(host)
        self.starts(b"web02")
        self.assertIn(b"I am web01", self.kept(self.console("web02")))
        self.assertEqual(self.count(), 1)

    def test_a_copy_that_was_renamed_is_not_the_past_of_one_with_its_first_name(self) -> None:
        self.stops(self.starts(b"web01"))
        copy = self.starts(b"lab-7")
        copy.say(VmName(b"db"))
        copy.say(b"db's own\r\n")
        self.stops(copy)
        self.starts(b"lab-7")
        self.assertNotIn(b"db's own", self.kept(self.console("lab-7")))
        self.assertEqual(self.console("db").vm.claimed_name, "db")
        self.assertIs(self.console("db").state, ConsoleState.AWAY)

    def test_a_copy_that_was_renamed_finds_its_log(self) -> None:
        port_a, port_b = b"vspc?port=a", b"vspc?port=b"
        self.stops(self.starts(b"web01"))
        copy = self.starts(b"lab-7", port_a)
        copy.say(VmName(b"db"))
        self.stops(copy)
        self.starts(b"db", port_b)
        self.starts(b"db", port_a)
        self.assertIn(b"I am lab-7\r\nI am db", self.kept(self.console("db:a")))
        self.assertEqual(self.console("db:a").vm, self.console("db:b").vm)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "stop", "rename", "forget", "restart", "kill", "wait"]),
        st.sampled_from([b"web01", b"lab-7", b"db"]),
        st.sampled_from([b"vspc", b"vspc?port=a"]),
        st.sampled_from([HOST, "10.0.0.2"]),
    ),
    max_size=14,
)


class AnyOrder(CopiedTest):
    @settings(max_examples=60, deadline=None)
    @given(STEPS)
    def test_each_console_has_the_words_of_its_own_name_only(
        self, steps: list[tuple[str, bytes, bytes, str]]
    ) -> None:
        self.scene = Scene()
        self.logged = Logged(self.scene, NO_FLOOR)
        # By console: the name that its VM says, and all that it said while it had it.
        self.says, self.had = dict[str, str](), dict[str, set[str]]()
        lines: list[Host] = []
        try:
            for step, name, uri, address in steps:
                self.take(lines, step, name, uri, address)
                self.are_apart()
        finally:
            self.logged.close()

    def take(self, lines: list[Host], step: str, name: bytes, uri: bytes, address: str) -> None:
        match step:
            case "start":
                lines.append(self.starts(name, uri, address))
            case "stop" if lines:
                self.stops(lines.pop(0))
            case "rename" if lines:
                self.rename(lines[0], name)
            case "forget":
                found = self.scene.roster.resolve(name.decode(), lambda _console: True)
                if isinstance(found, Found):
                    self.scene.server.forget(found.console)
                self.turn()
            case "restart" | "kill":
                lines.clear()
                self.restart(step == "restart")
            case "wait":
                self.scene.clock.advance(700)
                self.scene.server.tick()
                self.turn()

    def rename(self, host: Host, name: bytes) -> None:
        """The VM of `host` has another name now: all of its consoles have, with their past."""
        console = next((c for c in self.scene.roster if c.link.line is host.line), None)
        if console is None or console.quarantined:
            return
        host.say(VmName(name), b"I am " + name + b"\r\n")
        self.turn()
        for each in console.vm.consoles.values():
            self.says[each.id] = name.decode()
            self.had[each.id].add(name.decode())

    def are_apart(self) -> None:
        for console in self.scene.roster:
            if console.quarantined:
                continue
            name, said = console.vm.claimed_name, self.kept(console)
            self.assertEqual(self.says.setdefault(console.id, name), name)
            had = self.had.setdefault(console.id, {name})
            for other in {"web01", "lab-7", "db"} - had:
                self.assertNotIn(b"I am " + other.encode(), said, console.title)
