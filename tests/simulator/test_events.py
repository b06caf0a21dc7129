"""The simulator's log: one line an event, whatever is in it."""

import io

from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from vspc.simulator.program import event_lines, render


class EventTests(SynchronousTestCase):
    def test_an_event_is_its_name_and_its_facts(self) -> None:
        line = render({"log_time": 0.5, "log_format": "vm-on", "name": "web1", "reason": None})
        self.assertEqual(line, "1970-01-01T00:00:00.500Z vm-on name=web1")

    def test_nothing_in_a_value_makes_a_second_line_or_moves_a_cursor(self) -> None:
        event = {"log_time": 0, "log_format": "x", "a": "b\n\x1b[2J", "c": "d e", "f": ""}
        self.assertTrue(render(event).endswith(r"x a='b\n\x1b[2J' c='d e' f=''"))

    def test_of_what_others_say_only_warnings_are_shown(self) -> None:
        stream = io.StringIO()
        lines = event_lines(stream)
        Logger("elsewhere", observer=lines).info("nothing")
        Logger("elsewhere", observer=lines).warn("two\nlines")
        Logger("vspc.simulator.vm", observer=lines).emit(LogLevel.info, "vm-on", name="web1")
        Logger("vspc.simulator.vm", observer=lines).failure("broken", Failure(ValueError("why")))
        fault, ours, broken = stream.getvalue().splitlines()
        self.assertIn(r" fault text='two\nlines'", fault)
        self.assertTrue(ours.endswith(" vm-on name=web1"))
        self.assertIn("ValueError", broken)

    def test_a_stream_that_is_closed_is_no_fault(self) -> None:
        stream = io.StringIO()
        stream.close()
        Logger("vspc.simulator.vm", observer=event_lines(stream)).info("vm-on")
