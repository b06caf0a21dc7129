"""What is kept in memory of consoles that say nothing: the end of their output, and no more."""

from itertools import pairwise

from tests.log.support import bytes_of
from tests.log.test_log import WholeLog
from vspc.console.console import Console
from vspc.console.history import REST
from vspc.console.quiet import INTERVAL, LOOKS, QUIET
from vspc.log import space
from vspc.log.space import FREED, FREED_EACH
from vspc.log.writer import TIDY_INTERVAL


class Quiet(WholeLog):
    """VMs that have said something, and say nothing more."""

    def wait(self, seconds: float) -> None:
        """So long nothing happens but what the server does every second."""
        for _ in range(int(seconds)):
            self.tick(1.0)
            self.world.roster.tidy(self.world.clock.seconds())

    def test_the_end_of_its_history_stays_and_all_of_it_is_in_its_log(self) -> None:
        console = self.console()
        said = b"".join(b"line %d\r\n" % number for number in range(1000))
        console.link.output(said)
        console.link.output(b"web01 login: ")
        said += b"web01 login: "
        self.wait(QUIET - 1)
        self.assertEqual(console.history.start, 0)
        self.wait(INTERVAL + 2)
        history = console.history
        rest = said[said.index(b"\n", len(said) - REST) + 1 :]  # whole lines
        self.assertEqual((history.capacity, history.end - history.start), (REST, len(rest)))
        self.assertEqual(history.read(history.start, REST), rest)
        console.link.output(b"root\r\n")
        self.assertEqual(history.read(history.start, 2 * REST), rest + b"root\r\n")
        self.tick()
        self.assertEqual(self.output(console.id), said + b"root\r\n")

    def test_a_log_that_is_not_written_keeps_it_in_memory(self) -> None:
        console = self.console()
        self.logged.writer.held = True
        console.link.output(b"x" * 5000)
        self.wait(QUIET + 2 * INTERVAL)
        self.assertEqual(console.history.start, 0)
        self.logged.writer.held = False
        self.logged.writer.catch_up()
        self.assertEqual(console.history.capacity, REST)

    def test_for_those_who_are_attached_it_stays(self) -> None:
        console = self.console()
        attachment, _ = self.world.attach(console)
        console.link.output(b"x" * 5000)
        self.wait(QUIET + 2 * INTERVAL)
        self.assertEqual(console.history.start, 0)
        attachment.detach()
        self.wait(INTERVAL)
        self.assertEqual(console.history.capacity, REST)

    def test_many_at_once_are_looked_at_some_in_each_second(self) -> None:
        consoles = [self.console(number) for number in range(1, 2 * LOOKS + 1)]
        for console in consoles:
            console.link.output(b"x" * 2 * REST)
        counts = list[int]()
        for _ in range(int(QUIET + 2 * INTERVAL)):
            self.wait(1)
            counts.append(sum(console.history.capacity == REST for console in consoles))
        self.assertEqual(counts[-1], len(consoles))
        steps = [after - before for before, after in pairwise(counts)]
        self.assertEqual(max(steps), LOOKS)

    def test_what_waits_to_be_moved_goes_to_a_segment(self) -> None:
        console = self.console()
        console.link.output(b"x" * 5000)
        self.tick()
        log = self.logged.log.store.logs[bytes.fromhex(console.id)]
        self.assertGreaterEqual(log.pending_bytes, 5000)
        self.wait(QUIET + TIDY_INTERVAL * 2)
        self.assertEqual((log.pending_bytes, len(log.segments)), (0, 1))
        self.assertEqual(self.output(console.id), b"x" * 5000)

    def test_of_very_many_that_become_quiet_at_once_a_few_go_in_a_second(self) -> None:
        self.patch(space, "QUIET_MOVES", 1)
        consoles = [self.console(number) for number in range(1, 26)]
        for console in consoles:
            console.link.output(b"x" * 5000)
        self.tick()
        logs = self.logged.log.store.logs.values()
        counts = list[int]()
        for _ in range(int(QUIET + 4 * TIDY_INTERVAL)):
            self.wait(1)
            counts.append(sum(not log.pending_bytes for log in logs))
        self.assertEqual(counts[-1], len(consoles))
        near = zip(counts, counts[int(TIDY_INTERVAL) - 2 :], strict=False)
        self.assertEqual(max(after - before for before, after in near), TIDY_INTERVAL)
        for console in consoles:
            self.assertEqual(self.output(console.id), b"x" * 5000)

    def test_of_what_has_moved_the_memory_goes_back_to_the_kernel(self) -> None:
        given_back = list[float]()
        clock = self.world.clock
        self.patch(space, "give_back_freed_memory", lambda: given_back.append(clock.seconds()))
        console = self.console()
        console.link.output(b"x" * 5000)
        self.wait(TIDY_INTERVAL * 5)
        self.assertEqual(given_back, [])  # it is too little
        for number in range(2, 10):
            self.console(number).link.output(b"x" * (FREED // 8))
        self.wait(TIDY_INTERVAL * 8)
        self.assertEqual(len(given_back), 1)

    def test_where_there_are_many_consoles_more_has_to_move_before_that(self) -> None:
        given_back = list[float]()
        self.patch(space, "give_back_freed_memory", lambda: given_back.append(0.0))
        self.patch(space, "FREED", 1)
        count, loud = 40, 10
        for number in range(1, count + 1):
            self.console(number).link.output(b"x")
        for number, size in ((1, loud * FREED_EACH), (2, count * FREED_EACH)):
            self.assertEqual(given_back, [])
            self.console_of(number).link.output(b"x" * size)
            self.wait(QUIET + TIDY_INTERVAL * 3)
        self.assertEqual(len(given_back), 1)

    def console_of(self, number: int) -> Console:
        """One that is there."""
        (found,) = (each for each in self.world.roster if each.name == f"web{number:02}")
        return found

    def output(self, console_id: str) -> bytes:
        """All that the log has of it."""
        return bytes_of(self.items(console_id))
