"""The real logrotate and a text sink: no line is lost, with a word to the server or without."""

from tests.end_to_end.server import ServerTestCase
from tests.end_to_end.test_logs import Stream
from tests.programs import require


class Rotation(ServerTestCase):
    """Files of a sink that are moved away."""

    def rotate(self, more: str) -> None:
        (logrotate,) = require("logrotate")
        conf = self.directory / "logrotate.conf"
        conf.write_text(
            f"{self.directory}/text/*.log {{\n rotate 9\n nocompress\n missingok\n {more}\n}}\n"
        )
        conf.chmod(0o600)
        done = self.complete(logrotate, "-f", "-s", self.directory / "state.logrotate", conf)
        self.assertEqual(done.status, 0, done)

    def lines(self) -> list[str]:
        """All that is in files, the oldest first."""
        files = sorted((self.directory / "text").glob("*.log*"), key=lambda p: p.stat().st_mtime_ns)
        lines = [line for path in files for line in path.read_text().splitlines()]
        return [line for line in lines if "[" not in line]

    def test_every_line_is_in_one_of_the_files(self) -> None:
        self.write_config('[[log.sink]]\nname = "text"\nkind = "text"\ntarget = "text"\n')
        self.serve()
        vm = Stream(1)
        vm.connect(self.ports["telnet"])
        self.addCleanup(vm.hang_up)
        pid = self.server.pid
        for more in ("nocreate", f"nocreate\n postrotate\n kill -HUP {pid}\n endscript", "create"):
            vm.say(500)
            self.wait_for(vm)
            self.rotate(more)
        vm.say(500)
        self.wait_for(vm)
        numbers = [int(line.rsplit(" ", 1)[1]) for line in self.lines()]
        self.assertEqual(sorted(numbers), list(range(2000)))
        link = self.directory / "text" / "by-name" / "vm001"
        self.assertTrue(link.is_symlink())
        self.assert_no_defects()

    def wait_for(self, vm: Stream) -> None:
        """Until the last line is in a file."""
        last = vm.said[-1].splitlines()[-1].decode()
        while not any(line.endswith(last) for line in self.lines()):
            self.assertTrue(self.server.running)
            self.consoles()  # takes some time, and says whether the server lives
