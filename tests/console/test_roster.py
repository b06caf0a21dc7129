"""Names, identities, and what operators may type for a console."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeLine, World
from vspc.console.away import FORGET_AFTER, RELEASE_AFTER
from vspc.console.console import Console
from vspc.console.names import Ambiguous, Found, NotFound, handle


def uuid(number: int) -> str:
    return f"{number:032x}"


def everything(_console: Console) -> bool:
    return True


class Resolving(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.roster = self.world.roster

    def find(self, typed: str) -> object:
        match self.roster.resolve(typed, everything):
            case Found(console):
                return console.title
            case Ambiguous(consoles):
                return [c.title for c in consoles]
            case NotFound():
                return None

    def test_exact_then_without_case_then_prefix_then_glob(self) -> None:
        for number, name in enumerate(["web", "Web", "web01", "db-main", "mail"]):
            self.world.connected(name, uuid(number + 1))
        self.assertEqual(self.find("web"), "web")
        self.assertEqual(self.find("Web"), "Web")
        self.assertEqual(self.find("WEB01"), "web01")
        self.assertEqual(self.find("MAI"), "mail")
        self.assertEqual(self.find("*-main"), "db-main")
        self.assertEqual(self.find("d?-*"), "db-main")
        self.assertEqual(self.find("WEB"), ["Web", "web"])
        self.assertIsNone(self.find("nothing"))
        self.assertIsNone(self.find(""))

    def test_an_ambiguous_prefix_names_its_matches(self) -> None:
        self.world.connected("web01", uuid(1))
        self.world.connected("web02", uuid(2))
        self.assertEqual(self.find("we"), ["web01", "web02"])

    def test_a_live_console_wins_over_away_ones(self) -> None:
        console, _ = self.world.connected("web01", uuid(1))
        self.world.connected("web02", uuid(2))
        console.link.disconnect("off")
        self.roster.settle(console)
        self.assertEqual(self.find("we"), "web02")

    def test_by_uuid_in_any_spelling_and_by_id(self) -> None:
        console, _ = self.world.connected("web01", "0123456789abcdeffedcba9876543210")
        self.assertEqual(self.find("uuid:01234567-89AB-cdef-fedc-ba9876543210"), "web01")
        self.assertEqual(self.find(console.id), "web01")

    def test_ports_by_label_and_by_number(self) -> None:
        for label in ("ttyS0", "ttyS1"):
            claim = self.world.claim("web01", uuid(1), port_label=label)
            console = self.roster.open(claim)
            console.link.connect(FakeLine())
            self.roster.settle(console)
        self.assertEqual(self.find("web01:ttyS1"), "web01:ttyS1")
        self.assertIsNone(self.find("web01:1"))
        self.assertEqual(self.find("web01"), ["web01:ttyS0", "web01:ttyS1"])

    def test_one_port_has_no_number_but_answers_to_1(self) -> None:
        self.world.connected("web01", uuid(1))
        self.assertEqual(self.find("web01:1"), "web01")
        self.assertIsNone(self.find("web01:2"))

    def test_a_port_and_a_vm_of_that_very_name_are_both_meant(self) -> None:
        port, _ = self.world.connected("web1", uuid(1))
        whole, _ = self.world.connected("web1:1", uuid(2))
        for typed in ("web1:1", "WEB1:1", "default/web1:1"):
            self.assertEqual(self.find(typed), ["web1", "web1:1"])
        self.assertEqual(self.find("web1%3A1"), "web1:1")
        self.assertEqual(self.find("web1"), "web1")
        self.assertEqual(self.find("web1:"), "web1:1")
        hidden = self.roster.resolve("web1:1", lambda c: c is not port)
        self.assertEqual(hidden, Found(whole))

    def test_what_may_not_be_read_does_not_exist(self) -> None:
        self.world.connected("web01", uuid(1))
        self.world.connected("web02", uuid(2))
        hidden = self.roster.resolve("web", lambda c: c.name == "web02")
        assert isinstance(hidden, Found)
        self.assertEqual(hidden.console.name, "web02")
        self.assertEqual(self.roster.resolve("web01", lambda c: c.name == "web02"), NotFound())

    @settings(deadline=None)
    @given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=8))
    def test_every_handle_is_shell_safe_and_finds_its_console(self, names: list[str]) -> None:
        world = World()
        consoles = [world.connected(n, uuid(i + 1))[0] for i, n in enumerate(names)]
        for console in consoles:
            typed = handle("default", console.name, console.port)
            self.assertRegex(typed, r"\A[A-Za-z0-9._%][A-Za-z0-9._~%:-]*\Z")
            found = world.roster.resolve(typed, everything)
            self.assertEqual(found, Found(console))
        self.assertEqual(len({c.name for c in consoles}), len(consoles))


class DuplicateNames(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.first, _ = self.world.connected("web01", uuid(1))
        self.second, _ = self.world.connected("web01", uuid(2))

    def test_the_first_live_one_has_it_the_second_a_distinct_one(self) -> None:
        self.assertEqual(self.first.name, "web01")
        self.assertRegex(self.second.name, r"\Aweb01~[0-9a-f]{4}\Z")

    def test_it_passes_on_when_its_holder_goes_away_and_stays_there(self) -> None:
        self.first.link.disconnect("off")
        self.world.roster.settle(self.first)
        self.assertEqual(self.second.name, "web01")
        self.assertRegex(self.first.name, r"\Aweb01~")
        self.first.link.connect(FakeLine())
        self.world.roster.settle(self.first)
        self.assertEqual(self.second.name, "web01")

    def test_a_vm_named_like_a_distinct_name_does_not_take_it(self) -> None:
        taken = self.second.name
        third, _ = self.world.connected(taken, uuid(3))
        self.assertEqual(self.second.name, taken)
        self.assertNotEqual(third.name, taken)

    def test_forgetting_the_holder_passes_it_on(self) -> None:
        self.world.roster.forget(self.first)
        self.assertEqual(self.second.name, "web01")

    def test_a_rename_frees_the_old_name(self) -> None:
        self.world.roster.rename(self.first.vm, "db01")
        self.assertEqual((self.first.name, self.second.name), ("db01", "web01"))


class Forgetting(SynchronousTestCase):
    def test_the_ring_goes_after_10_minutes_the_console_after_7_days(self) -> None:
        world = World()
        console, _ = world.connected()
        console.link.output(b"text")
        console.link.disconnect("off")
        world.roster.settle(console)
        world.clock.advance(RELEASE_AFTER + 1)
        world.roster.tidy(world.clock.seconds())
        self.assertEqual(console.history.capacity, 0)
        self.assertEqual(len(world.roster), 1)
        world.clock.advance(FORGET_AFTER)
        world.roster.tidy(world.clock.seconds())
        self.assertEqual(len(world.roster), 0)

    def test_one_that_came_back_keeps_everything(self) -> None:
        world = World()
        console, _ = world.connected()
        console.link.output(b"text")
        console.link.disconnect("off")
        world.roster.settle(console)
        console.link.connect(FakeLine())
        world.roster.settle(console)
        world.clock.advance(FORGET_AFTER * 2)
        world.roster.tidy(world.clock.seconds())
        self.assertEqual(console.history.read(0, 10), b"text")

    def test_its_attachments_are_told(self) -> None:
        world = World()
        console, _ = world.connected()
        _, sink = world.attach(console)
        world.roster.forget(console)
        self.assertEqual(sink.over, "the console was forgotten")


class Names(SynchronousTestCase):
    @settings(deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["up", "down", "rename", "forget"]),
                st.integers(1, 6),
                st.sampled_from(["a", "b", "A", "a~1"]),
            ),
            max_size=40,
        )
    )
    def test_displayed_names_are_unique_and_found_whatever_happens(
        self, steps: list[tuple[str, int, str]]
    ) -> None:
        world = World()
        consoles: dict[int, Console] = {}
        for step, number, name in steps:
            console = consoles.get(number)
            if step == "up" and console is None:
                consoles[number] = world.connected(name, uuid(number))[0]
            elif step == "up" and console is not None and console.link.line is None:
                console.link.connect(FakeLine())
                world.roster.settle(console)
            elif step == "down" and console is not None and console.link.line is not None:
                console.link.disconnect("down")
                world.roster.settle(console)
            elif step == "rename" and console is not None:
                world.roster.rename(console.vm, name)
            elif step == "forget" and console is not None:
                world.roster.forget(consoles.pop(number))
            shown = [c.name for c in consoles.values()]
            self.assertEqual(len(set(shown)), len(shown))
            for each in consoles.values():
                self.assertIs(world.roster._zone("default").exact(each.name), each.vm)
