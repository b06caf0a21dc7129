"""Ports of a range: each console has one, and keeps it."""

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.doors.programs.support import Client, Hall, range_entry
from vspc.config.sockets import PortRange
from vspc.doors.programs.assignment import FILE, AssignedPort, PortAssignments, stored

RANGE = PortRange(4101, 4103)
NAMES = st.sampled_from([f"lab{number}" for number in range(6)])


def nobody_is_gone(_name: str) -> bool:
    return False


class Assigning(SynchronousTestCase):
    def test_the_first_free_port_then_that_of_one_that_is_gone(self) -> None:
        ports, few = PortAssignments(), PortRange(4101, 4102)
        self.assertEqual(ports.assign("*", few, "a", nobody_is_gone), AssignedPort(4101, ""))
        self.assertEqual(ports.assign("*", few, "b", nobody_is_gone), AssignedPort(4102, ""))
        self.assertEqual(ports.assign("*", few, "c", nobody_is_gone), None)
        found = ports.assign("*", few, "c", lambda name: name == "b")
        self.assertEqual(found, AssignedPort(4102, "b"))
        self.assertEqual((ports.port("*", few, "b"), ports.name("*", 4102)), (None, "c"))

    def test_another_range_of_the_same_pattern(self) -> None:
        ports = PortAssignments()
        ports.assign("*", RANGE, "a", nobody_is_gone)
        self.assertEqual(ports.port("*", PortRange(5001, 5002), "a"), None)
        self.assertEqual(dict(ports.named("*", RANGE)), {4101: "a"})

    def test_what_is_damaged_is_left_out(self) -> None:
        damaged = {"*": {"4101": "a", "x": "b", "4102": 7, "4103": ""}, "lab*": []}
        self.assertEqual(PortAssignments(damaged).value, {"*": {"4101": "a"}, "lab*": {}})
        nothing: list[object] = [None, [], "x", 3]
        for value in nothing:
            self.assertEqual(PortAssignments(value).value, {})

    @given(st.lists(st.tuples(NAMES, st.sets(NAMES)), max_size=30))
    def test_one_port_each_as_long_as_they_are_there(
        self, steps: list[tuple[str, set[str]]]
    ) -> None:
        ports = PortAssignments()
        for name, gone in steps:
            before = dict(ports.named("*", RANGE))
            if ports.port("*", RANGE, name) is None:
                ports.assign("*", RANGE, name, gone.__contains__)
            now = dict(ports.named("*", RANGE))
            self.assertEqual(len(set(now.values())), len(now))
            kept = {port: other for port, other in before.items() if other not in gone}
            self.assertEqual({**now, **kept}, now)
            for port, other in now.items():
                self.assertEqual(ports.port("*", RANGE, other), port)
            again = PortAssignments(json.loads(json.dumps(ports.value)))
            self.assertEqual(again.value, ports.value)


class Ranges(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.hall = Hall(self.directory, range_entry(4101, 4102))

    def listening(self, hall: Hall) -> dict[int, str]:
        sockets = {each.address.port: each for each in hall.door._sockets}
        return {port: hall.door.name_of(socket) for port, socket in sockets.items()}

    def test_each_console_gets_the_first_free_port_and_keeps_it(self) -> None:
        waiting = Client(self.hall, 4101)
        one, _ = self.hall.connected("lab1", "1" * 32)
        self.hall.connected("lab2", "2" * 32)
        self.hall.connected("lab3", "3" * 32)
        self.hall.connected("web01", "4" * 32)
        self.assertEqual(self.listening(self.hall), {4101: "lab1", 4102: "lab2"})
        one.link.output(b"hello")
        self.assertEqual(waiting.heard(), b"hello")
        self.hall.threads.run()
        self.assertEqual(stored(self.directory).value, {"lab*": {"4101": "lab1", "4102": "lab2"}})
        later = Hall(self.directory, range_entry(4101, 4102))
        later.connected("lab2", "2" * 32)
        self.assertEqual(self.listening(later), {4101: "lab1", 4102: "lab2"})
        later.connected("lab3", "3" * 32)  # lab1 is not there any more, and is the older one
        self.assertEqual(self.listening(later), {4101: "lab3", 4102: "lab2"})

    def test_a_port_of_a_console_that_is_forgotten_goes_to_the_next_that_connects(self) -> None:
        for number in (1, 2, 3):
            self.hall.connected(f"lab{number}", str(number) * 32)
        console = self.hall.console("lab1", "1" * 32)
        self.assertEqual(self.listening(self.hall)[4101], "lab1")
        for each in list(console.vm.consoles.values()):
            each.link.disconnect("gone")
            self.hall.roster.forget(each)
        self.hall.connected("lab4", "4" * 32)
        self.assertEqual(self.listening(self.hall), {4101: "lab4", 4102: "lab2"})

    def test_a_second_port_of_a_vm_does_not_move_the_first(self) -> None:
        for _ in range(2):
            self.hall.connected("lab1", "1" * 32)
        self.assertEqual(self.listening(self.hall), {4101: "lab1", 4102: "lab1:2"})

    def test_a_damaged_file_costs_the_assignments_only(self) -> None:
        (self.directory / FILE).write_text("{")
        hall = Hall(self.directory, range_entry(4101, 4102))
        hall.connected("lab1", "1" * 32)
        self.assertEqual(self.listening(hall)[4101], "lab1")
        self.assertEqual(len(self.flushLoggedErrors()), 0)
