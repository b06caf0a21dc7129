"""The server's own log: one event a line, whatever is in it."""

import io

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger, LogPublisher
from twisted.trial.unittest import SynchronousTestCase

from vspc.serverlog import observer


class Lines(SynchronousTestCase):
    def setUp(self) -> None:
        self.stream = io.StringIO()

    def logger(self, namespace: str = "vspc.vm", verbose: bool = False) -> Logger:
        return Logger(namespace, observer=LogPublisher(observer(self.stream, verbose)))

    def words(self) -> str:
        return self.stream.getvalue().partition(" ")[2]

    def test_name_and_facts(self) -> None:
        self.logger().info("vm-lost", console="web 01", count=3, secure=True, uuid=None)
        self.assertRegex(
            self.stream.getvalue(), r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info vm-lost "
        )
        self.assertEqual(self.words(), 'info vm-lost console="web 01" count=3 secure=yes\n')

    def test_debugging_only_when_asked_for(self) -> None:
        self.logger().debug("vm-connected")
        self.assertEqual(self.stream.getvalue(), "")
        self.logger(verbose=True).debug("vm-connected")
        self.assertEqual(self.words(), "debug vm-connected\n")

    def test_others_are_heard_when_they_warn(self) -> None:
        self.logger("twisted.internet").info("starting {what}", what="it")
        self.assertEqual(self.stream.getvalue(), "")
        self.logger("twisted.internet").warn("bad {what}", what="thing")
        self.assertEqual(self.words(), 'warn log text="bad thing"\n')

    def test_a_defect_of_ours_is_one_line_with_its_traceback(self) -> None:
        try:
            raise ValueError("broken")
        except ValueError:
            self.logger().failure("defect")
        self.assertEqual(self.stream.getvalue().count("\n"), 1)
        self.assertIn("critical defect traceback=", self.words())
        self.assertIn("ValueError: broken", self.words())

    @given(st.text(max_size=80))
    def test_a_value_can_neither_add_a_line_nor_a_field(self, value: str) -> None:
        self.stream.seek(0)
        self.stream.truncate()
        self.logger().info("event", fact=value, last="end")
        line = self.stream.getvalue()
        self.assertEqual(line.count("\n"), 1)
        self.assertTrue(line.endswith(" last=end\n"))
        self.assertRegex(line, r'info event fact=("(\\.|[^"\\])*"|[^ "=]+) last=end\n\Z')

    def test_a_stream_that_is_closed_is_nobodys_problem(self) -> None:
        self.stream.close()
        self.logger().info("event")
