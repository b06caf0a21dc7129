"""`log`, `export` and replays while the disk is full, or stands still: memory has what came."""

import errno

from tests.apps.support import XTERM
from tests.apps.test_log import LogTestCase
from tests.log.inline import Logged
from tests.log.test_log import FailingDisk
from vspc.log.query import QUERY_TIMEOUT
from vspc.log.recorder import LogBounds


class FullDisk(LogTestCase):
    """A disk that takes nothing from a moment on."""

    def setUp(self) -> None:
        self.desk = self.new_desk()
        self.disk = FailingDisk()
        self.logged = Logged(self.desk, disk=self.disk)
        self.addCleanup(self.logged.close)
        self.join()

    def fill(self) -> None:
        self.disk.error = errno.ENOSPC

    def test_the_log_of_a_vm_that_connected_meanwhile_is_read_from_memory(self) -> None:
        self.fill()
        host = self.vm()
        self.output(host, b"one\n")
        self.output(host, b"login: ")
        channel = self.say("log web01")
        self.assertEqual((channel.status, channel.output), (0, b"one\nlogin: "))
        self.assertEqual(
            channel.complaint,
            "[the last 11 bytes are from memory: they cannot be written to disk now]\n",
        )
        self.assertEqual(self.say("log web01 --raw --from 4").output, b"login: ")
        self.assertEqual(self.say("log web01 -n 1").output, b"login: ")
        self.assertIn(" one\n", self.say("log web01 --timestamps").text)

    def test_what_came_before_is_from_the_disk_and_the_rest_from_memory(self) -> None:
        host = self.vm()
        self.output(host, b"before\n")
        self.fill()
        self.output(host, b"meanwhile\n")
        channel = self.say("log web01")
        self.assertEqual((channel.status, channel.output), (0, b"before\nmeanwhile\n"))
        self.assertIn("the last 10 bytes are from memory", channel.complaint)
        channel = self.say("export web01 --format raw")
        self.assertEqual((channel.status, channel.output), (0, b"before\nmeanwhile\n"))
        self.assertIn("the last 10 bytes are from memory", channel.complaint)

    def test_output_that_the_queue_dropped_is_from_the_history_after_a_gap(self) -> None:
        self.logged.log.recorder.bounds = LogBounds(each=10_000, total=1 << 20)
        host = self.vm()
        self.output(host, b"before\n")
        self.fill()
        for _ in range(30):
            self.output(host, b"x" * 4999 + b"\n")
        self.output(host, b"end\n")
        channel = self.say("log web01 --raw")
        start = self.console.history.start
        self.assertIn(f"to {start} of web01: ", channel.complaint)
        self.assertEqual(len(channel.output), self.console.history.end - (start - 5007))
        self.assertTrue(channel.output.startswith(b"before\nxxx"))
        self.assertTrue(channel.output.endswith(b"x\nend\n"))
        self.assertEqual(channel.status, 0)

    def test_a_log_that_follows_goes_on(self) -> None:
        self.fill()
        host = self.vm()
        self.output(host, b"one\n")
        channel = self.say("log web01 -f")
        self.output(host, b"two\n")
        self.run_on()
        self.assertEqual(channel.output, b"one\ntwo\n")

    def test_a_terminal_gets_its_replay(self) -> None:
        self.fill()
        host = self.vm()
        self.output(host, b"one\n")
        channel = self.desk.say("console web01", terminal=XTERM)
        self.run_on()
        self.assertIn("one", channel.text)

    def test_when_there_is_room_again_nothing_is_missing(self) -> None:
        self.fill()
        host = self.vm()
        self.output(host, b"one\n")
        self.disk.error = None
        self.desk.clock.advance(2)
        self.output(host, b"two\n")
        channel = self.say("log web01")
        self.assertEqual((channel.output, channel.complaint), (b"one\ntwo\n", ""))


class StalledDisk(LogTestCase):
    """A disk that does not come back from a call."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.vm()
        self.output(self.host, b"one\ntwo\n")
        self.logged.writer.held = True

    def test_a_log_is_read_from_memory_and_the_remark_is_on_stderr(self) -> None:
        channel = self.desk.say("log web01")
        self.assertIsNone(channel.status)
        for _ in range(4):
            self.desk.clock.advance(QUERY_TIMEOUT)
            self.run_on(5)
        self.assertEqual((channel.status, channel.output), (0, b"one\ntwo\n"))
        self.assertEqual(
            channel.complaint, "[the log of web01 cannot be read now: this is from memory]\n"
        )

    def test_memory_is_searched(self) -> None:
        channel = self.desk.say("log web01 --grep tw")
        for _ in range(4):
            self.desk.clock.advance(QUERY_TIMEOUT)
            self.run_on(5)
        self.assertEqual((channel.status, channel.output), (0, b"two\n"))

    def test_what_only_a_log_can_tell_fails(self) -> None:
        for line in ("log web01 --boot 0", "log web01 --since 1h", "export web01 --recording 1"):
            channel = self.desk.say(line)
            self.desk.clock.advance(QUERY_TIMEOUT)
            self.assertEqual(channel.status, 1, line)
            self.assertIn("cannot be read now", channel.complaint)
