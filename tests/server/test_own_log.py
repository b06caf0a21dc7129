"""The server's own log: one event a line, whatever is in it."""

import io
import os
import threading
from threading import Thread

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger, LogPublisher, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.text import safe
from vspc.server import own_log
from vspc.server.own_log import VALUE, WAITING, LineWriter, ServerLog, event_reporter


class Lines(SynchronousTestCase):
    def setUp(self) -> None:
        self.stream = io.StringIO()

    def logger(self, namespace: str = "vspc.vm", verbose: bool = False) -> Logger:
        self.log = ServerLog(self.stream, verbose)
        return Logger(namespace, observer=LogPublisher(self.log))

    def text(self) -> str:
        """All that was logged; nothing is, afterwards."""
        self.log.close()
        return self.stream.getvalue()

    def words(self) -> str:
        return self.text().partition(" ")[2]

    def test_name_and_facts(self) -> None:
        self.logger().info("vm-lost", console="web 01", count=3, secure=True, uuid=None)
        self.assertRegex(self.text(), r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info vm-lost ")
        self.assertEqual(self.words(), 'info vm-lost console="web 01" count=3 secure=yes\n')

    def test_a_long_value_is_cut_with_its_length(self) -> None:
        self.logger().info("vm-lost", reason="x" * (VALUE + 1))
        self.assertLess(len(self.words()), VALUE + 60)
        self.assertIn("+1", self.words())

    def test_an_escape_is_there_once_and_a_backslash_ends_no_field(self) -> None:
        log = self.logger()
        log.info("vm-lost", console=safe("web\x1b 1\\"), reason="no \\", text="C:\\new")
        line = r'info vm-lost console="web\x1b 1\\" reason="no \\" text=C:\\new' + "\n"
        self.assertEqual(self.words(), line)

    def test_debugging_only_when_asked_for(self) -> None:
        self.logger().debug("vm-connected")
        self.assertEqual(self.text(), "")
        self.logger(verbose=True).debug("vm-connected")
        self.assertEqual(self.words(), "debug vm-connected\n")

    def test_warnings_of_libraries_are_shown(self) -> None:
        self.logger("twisted.internet").info("starting {what}", what="it")
        self.assertEqual(self.text(), "")
        self.logger("twisted.internet").warn("bad {what}", what="thing")
        self.assertEqual(self.words(), 'warn log text="bad thing"\n')

    def test_a_defect_of_ours_is_one_line_with_its_traceback(self) -> None:
        try:
            raise ValueError("broken")
        except ValueError:
            self.logger().failure("defect")
        self.assertEqual(self.text().count("\n"), 1)
        self.assertIn("critical defect traceback=", self.words())
        self.assertIn("ValueError: broken", self.words())

    def test_an_event_of_the_log_or_the_audit_file_has_the_level_of_its_name(self) -> None:
        report = event_reporter("vspc.log")
        with capturedLogs() as events:
            for name in ("log-segment-damaged", "audit-failing", "log-unreadable", "log-recovered"):
                report(name, {"what": "a\nb", "count": 2})
        levels = [event["log_level"].name for event in events]
        self.assertEqual(levels, ["error", "error", "warn", "info"])
        self.assertEqual((events[0]["what"], events[0]["count"]), (r"a\x0ab", 2))

    @given(st.text(max_size=80))
    def test_a_value_can_neither_add_a_line_nor_a_field(self, value: str) -> None:
        self.stream.seek(0)
        self.stream.truncate()
        self.logger().info("event", fact=value, last="end")
        line = self.text()
        self.assertEqual(line.count("\n"), 1)
        self.assertTrue(line.endswith(" last=end\n"))
        self.assertRegex(line, r'info event fact=("(\\.|[^"\\])*"|[^ "=]+) last=end\n\Z')

    def test_a_closed_stream_raises_nothing(self) -> None:
        failed: list[object] = []
        self.patch(threading, "excepthook", failed.append)
        self.stream.close()
        self.logger().info("event")
        self.log.close()
        self.assertEqual(failed, [])


def lost_line(count: int) -> str:
    return f"log-lines-lost count={count}"


class NoMemory(SynchronousTestCase):
    """Lines that cannot be made, or not be written: the next one that can be says how many."""

    def setUp(self) -> None:
        self.stream = io.StringIO()
        self.log = ServerLog(self.stream)
        self.logger = Logger("vspc.vm", observer=LogPublisher(self.log))

    def text(self) -> str:
        self.log.close()
        return self.stream.getvalue()

    def test_for_a_line(self) -> None:
        class Huge:
            def __str__(self) -> str:
                raise MemoryError

        self.logger.info("one", what=Huge())
        self.logger.info("two", what=Huge())
        self.logger.info("three")
        text = self.text()
        self.assertIn(" info three\n", text)
        self.assertIn(" warn log-lines-lost count=2\n", text)

    def test_for_the_line_that_says_so(self) -> None:
        failed = threading.Event()

        def fail(_count: int) -> str:
            failed.set()
            raise MemoryError

        self.patch(own_log, "PAUSE", 0.0)
        writer = LineWriter(self.stream, fail)
        writer.lose()
        writer.put("one")
        self.assertTrue(failed.wait(60))
        writer._lost_line = lost_line
        writer.close(patience=60)
        self.assertEqual(self.stream.getvalue(), lost_line(2) + "\n")

    def test_for_what_is_written_at_once(self) -> None:
        written = self.stream.write
        failed = threading.Event()

        def fail(_text: str) -> int:
            failed.set()
            raise MemoryError

        self.patch(own_log, "PAUSE", 0.0)
        writer = LineWriter(self.stream, lost_line)
        writer._write = fail
        writer.put("one")
        self.assertTrue(failed.wait(60))
        writer._write = written
        writer.close(patience=60)
        self.assertEqual(self.stream.getvalue(), lost_line(1) + "\n")


class Stalled(SynchronousTestCase):
    """A reader that does not read: a pipe that is full."""

    def setUp(self) -> None:
        reading, writing = os.pipe()
        self.reader = os.fdopen(reading, "rb")
        self.writer = os.fdopen(writing, "w", encoding="ascii")
        self.addCleanup(self.reader.close)

    def test_no_caller_waits_and_lost_lines_are_counted(self) -> None:
        log = LineWriter(self.writer, lost_line)
        for number in range(3 * WAITING):
            log.put(f"{number:06d} " + "x" * 100)
        drained: list[bytes] = []
        reader = Thread(target=lambda: drained.extend(self.reader))
        reader.start()
        log.close(patience=60)
        self.writer.close()
        reader.join()
        lost = [line for line in drained if b"log-lines-lost" in line]
        counted = sum(int(line.rpartition(b"=")[2]) for line in lost)
        self.assertGreater(counted, 0)
        self.assertEqual(len(drained) - len(lost) + counted, 3 * WAITING)
        kept = [line for line in drained if line not in lost]
        self.assertEqual(kept, sorted(kept))

    def test_a_name_that_the_stream_cannot_say_costs_no_line(self) -> None:
        log = LineWriter(self.writer, lost_line)
        log.put("name=Zürich")
        log.close(patience=60)
        self.writer.close()
        self.assertEqual(self.reader.read(), b"name=Z\\xfcrich\n")

    def test_a_pipe_without_a_reader_raises_nothing(self) -> None:
        failed: list[object] = []
        self.patch(threading, "excepthook", failed.append)
        self.reader.close()
        log = LineWriter(self.writer, lost_line)
        log.put("event")
        log.close(patience=60)
        self.assertEqual(failed, [])

    def test_a_stream_that_does_not_block_gets_everything_when_there_is_room(self) -> None:
        os.set_blocking(self.writer.fileno(), False)
        log = LineWriter(self.writer, lost_line)
        lines = [f"{number:04d} " + "x" * 200 for number in range(2000)]
        for line in lines:
            log.put(line)
        drained: list[bytes] = []
        reader = Thread(target=lambda: drained.extend(self.reader))
        reader.start()
        log.close(patience=60)
        self.writer.close()
        reader.join()
        self.assertEqual(b"".join(drained).decode().splitlines(), lines)
