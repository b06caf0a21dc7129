"""More connections than there are file descriptors: nothing spins, nobody inside notices."""

import os
import select
import socket
from contextlib import ExitStack
from pathlib import Path

from tests.end_to_end.processes import script
from tests.end_to_end.server import ServerTestCase

DESCRIPTORS = 100
CALLERS = 200
QUIET = 1.0
"""Seconds in which nobody says anything."""


class FewDescriptors(ServerTestCase):
    def cpu(self, pid: int) -> float:
        """Seconds of CPU that process `pid` has used."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_running_out_of_them_costs_no_cpu_and_nobody_his_place(self) -> None:
        self.serve(
            "/bin/sh",
            "-c",
            f'ulimit -n {DESCRIPTORS}; exec "$@"',
            "sh",
            script("vspc"),
            "run",
            "--config",
            str(self.config),
        )
        self.assertIn(b" few-descriptors ", self.server.out.data)
        guest = socket.create_connection(("127.0.0.1", self.ports["plain guest"]))
        self.addCleanup(guest.close)
        self.server.out.expect(rb" vm-registered console=guest ")
        inside = self.attach("raw", "guest")
        self.server.out.expect(rb" attached console=guest ")
        with ExitStack() as crowd:
            for _ in range(CALLERS):
                address = ("127.0.0.1", self.ports["telnet"])
                crowd.enter_context(socket.create_connection(address))
            guest.sendall(b"all here\n")
            inside.out.expect(b"all here\n")
            before = self.cpu(self.server.pid)
            self.assertEqual(select.select([guest], [], [], QUIET)[0], [])
            # A loop around accept would have used all of it.
            self.assertLess(self.cpu(self.server.pid) - before, QUIET / 2)
            guest.sendall(b"still here\n")
            inside.out.expect(b"still here\n")
        again = self.attach("raw", "guest")
        self.server.out.expect(rb" attached console=guest ")
        guest.sendall(b"after\n")
        again.out.expect(b"after\n")
        self.assertLess(self.server.out.data.count(b"\n"), 100)
        self.assertNotIn(b"traceback", self.server.out.data)
