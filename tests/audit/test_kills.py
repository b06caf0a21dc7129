"""A process that is killed while it writes: the next one goes on with the next number."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.audit.support import lines_of
from vspc.audit.file import beside, former

PROGRAM = """
import sys
from pathlib import Path
from vspc.audit.writer import AuditWriter

written = 0

def count(lines):
    global written
    if written < 500 <= written + len(lines):
        print("some", flush=True)
    written += len(lines)

writer = AuditWriter(Path(sys.argv[1]), print, lambda: print("defect", flush=True))
writer.subscribers.append(count)
writer.start()
while True:
    writer.put('{"time": "2023-11-14T22:13:20.000000Z"', '"event": "vm-refused"}')
"""


class Kills(SynchronousTestCase):
    """Real processes, and kill -9."""

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        self.path = directory / "audit.jsonl"

    def run_and_kill(self) -> None:
        """Record some hundreds of events, and be killed while more are written."""
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(self.path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            self.assertEqual(process.stdout.readline(), b"some\n")
            process.send_signal(signal.SIGKILL)
            process.wait(30)

    def test_three_times_and_a_rotation(self) -> None:
        self.run_and_kill()
        self.run_and_kill()
        whole = self.path.read_bytes()
        self.path.write_bytes(whole[: whole.rfind(b"\n") + 1])
        self.path.rename(former(self.path))
        beside(self.path).unlink()
        self.run_and_kill()
        last = self.path.read_bytes()
        self.path.write_bytes(last[: last.rfind(b"\n") + 1])  # as the next start would
        events = lines_of(former(self.path), self.path)
        self.assertEqual(events[0]["seq"], 1)
        self.assertGreater(len(events), 1500)
        self.assertEqual(sum(event["event"] == "opened" for event in events), 3)
        for line in whole.splitlines()[:-1]:
            json.loads(line)
