"""Console logs under a real server: kills, a full disk, reloads, readers that stop reading."""

import contextlib
import random
import resource
import signal
import socket
import subprocess
import sys

from tests.end_to_end.server import ServerTestCase
from vspc.common.files import Disk
from vspc.console.logs import Item, MarkerKind, Output
from vspc.log.cache import Cache
from vspc.log.startup import load
from vspc.log.store import Store
from vspc.log.view import View
from vspc.wire.telnet import VMWARE, WILL, negotiation, subnegotiation
from vspc.wire.vmware import DoProxy, Suboption, VmName, VmVcUuid, encode

STREAMS = 200
LOUD = 3
"""Of them: these say enough for segments to be closed and compressed."""

SEED = 4
"""Of the moments at which the server is killed."""


def _say(message: Suboption) -> bytes:
    return subnegotiation(VMWARE, encode(message))


class Stream:
    """A VM that says numbered lines; what it said on each of its connections is kept."""

    def __init__(self, number: int) -> None:
        self.name = f"vm{number:03}"
        self.registration = (
            negotiation(WILL, VMWARE)
            + _say(DoProxy(b"S", b"vspc"))
            + _say(VmVcUuid(b"%032x" % (number + 1)))
            + _say(VmName(self.name.encode()))
        )
        self.said: list[bytes] = []
        self._socket: socket.socket | None = None
        self._line = 0

    def connect(self, port: int) -> None:
        """Dial the server and say who it is."""
        self.hang_up()
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(self.registration)
        self.said.append(b"")

    def say(self, lines: int) -> None:
        """Say that many; a server that is gone meanwhile hears the beginning, or nothing."""
        assert self._socket is not None
        data = b"".join(b"%s %08d\n" % (self.name.encode(), self._line + n) for n in range(lines))
        self._line += lines
        self.said[-1] += data
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(data)

    def hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()


class Streams(ServerTestCase):
    """200 VMs at once."""

    def setUp(self) -> None:
        super().setUp()
        self.write_config('[log]\nmax_console = "4MiB"\nmax_total = "256MiB"\nfree_floor = "0B"\n')
        self.streams = [Stream(number) for number in range(STREAMS)]
        for stream in self.streams:
            self.addCleanup(stream.hang_up)
        self.log = self.directory / "state" / "log"
        self.log.mkdir(parents=True)
        self.random = random.Random(SEED)

    def connect_all(self) -> None:
        for stream in self.streams:
            stream.connect(self.ports["telnet"])

    def say_all(self, lines: int) -> None:
        for number, stream in enumerate(self.streams):
            stream.say(lines * 200 if number < LOUD else lines)

    def wait_all(self) -> None:
        """Until the server has heard every byte of this connection of every VM."""
        wanted = {stream.name: len(stream.said[-1]) for stream in self.streams}
        heard: dict[str, int] = {}
        while heard != wanted:
            heard = {name: row["bytes_from_vm"] for name, row in self.consoles().items()}
            for name, count in wanted.items():
                self.assertLessEqual(heard.get(name, 0), count)

    def kill(self) -> None:
        """As the kernel's out-of-memory killer does it; then the server is started anew."""
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        self.assert_no_defects()
        self.serve()
        self.connect_all()

    def pieces(self) -> dict[str, list[bytes]]:
        """What the log has of each VM, between gaps; read as the server reads it."""
        problems: list[tuple[str, str]] = []
        store = Store(self.log, Disk(), lambda event, what: problems.append((event, what)))
        load(store)
        store.journal.close()
        found = {}
        for log in store.logs.values():
            view = View(
                Cache(lambda event, what: problems.append((event, what))),
                tuple(log.segments),
                tuple(log.pending),
                log.end,
            )
            found[log.facts["said_name"]] = self.split(view)
            self.assertEqual(problems, [])
        return found

    def split(self, view: View) -> list[bytes]:
        pieces, at, ended = [b""], 0, False
        while not ended:
            page = view.read(at, 1 << 20)
            for item in page.items:
                self.follow(pieces, item)
                if item.end > item.offset:
                    self.assertEqual(item.offset, at)
                    at = item.end
            at, ended = page.next, page.ended
        return pieces

    def follow(self, pieces: list[bytes], item: Item) -> None:
        if isinstance(item, Output):
            pieces[-1] += item.data
        elif item.kind is MarkerKind.GAP:
            self.assertRegex(item.text, "^the server was killed: .*, at most [0-9]+ bytes$")
            pieces.append(b"")

    def test_bytes_in_are_bytes_on_disk_or_marked_as_missing(self) -> None:
        self.serve()
        self.connect_all()
        self.say_all(200)
        self.wait_all()
        self.server.send_signal(signal.SIGHUP)
        self.server.out.expect(b" info reloaded ")
        self.say_all(100)
        self.wait_all()
        self.kill()  # long after the last byte: nothing is missing
        whole = [0]
        for round_ in range(6):
            self.say_all(self.random.randrange(1, 400))
            if round_ % 2:  # in the middle of it, or before it has begun
                self.consoles()
            self.kill()
        self.full_disk()
        self.wait_all()
        whole.append(len(self.streams[0].said) - 1)
        for stream in self.streams:
            stream.hang_up()
        self.stop_server()
        self.assert_no_defects()
        pieces = self.pieces()
        self.assertEqual(len(pieces), STREAMS)
        for stream in self.streams:
            found = pieces[stream.name]
            self.assertEqual(len(found), len(stream.said), stream.name)
            for number, (kept, said) in enumerate(zip(found, stream.said, strict=True)):
                self.assertEqual(kept, said[: len(kept)], (stream.name, number))
                if number in whole:
                    self.assertEqual(len(kept), len(said), (stream.name, number))
        self.assertTrue(list(self.log.rglob("*.seg.zst")), "nothing was compressed")

    def full_disk(self) -> None:
        """No file may grow any more; then it may again."""
        size = max(self.log.rglob("*.journal")).stat().st_size
        pid = self.server.pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        self.say_all(200)
        self.server.out.expect(rb" error log-failing error=\"File too large\"")
        self.say_all(50)
        self.assertIn("vm000", self.consoles())
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        self.server.out.expect(rb" info log-recovered ")

    def test_a_small_file_system_that_is_full_and_is_cleared(self) -> None:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs", self.log],
            capture_output=True,
            check=False,
        )
        if mounted.returncode != 0:
            # Where nobody may mount, the limit of file sizes has shown the same.
            self.assertRegex(mounted.stderr, b"permission denied|superuser|not permitted")
            return
        self.addCleanup(lambda: subprocess.run(["umount", "--lazy", self.log], check=True))
        self.serve()
        self.connect_all()
        self.say_all(20)
        self.wait_all()
        filler = self.log / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(4096))
        self.say_all(100)
        self.server.out.expect(rb" error log-failing error=\"No space left on device\"")
        self.wait_all()  # nobody else notices
        filler.unlink()
        self.server.out.expect(rb" info log-recovered ")
        for stream in self.streams:
            stream.hang_up()
        self.stop_server()
        self.assert_no_defects()
        pieces = self.pieces()
        for stream in self.streams:
            self.assertEqual(pieces[stream.name], stream.said)


class Readers(ServerTestCase):
    """Programs that read logs, by real ssh."""

    def vm(self, number: int = 1) -> Stream:
        stream = Stream(number)
        stream.connect(self.ports["telnet"])
        self.addCleanup(stream.hang_up)
        self.server.out.expect(rb" vm-registered console=%s " % stream.name.encode())
        return stream

    def test_raw_that_was_stopped_for_a_while_gets_every_byte(self) -> None:
        self.serve()
        vm = self.vm()
        raw = self.attach("raw", vm.name)
        self.server.out.expect(b" attached ")
        vm.say(1)
        raw.out.expect(b"00000000\n")
        raw.send_signal(signal.SIGSTOP)
        vm.say(400_000)
        while self.consoles()[vm.name]["bytes_from_vm"] < len(vm.said[-1]):
            pass
        raw.send_signal(signal.SIGCONT)
        raw.out.expect(b"00400000\n", timeout=60)
        self.assertEqual(raw.out.data, vm.said[-1])
        self.assert_no_defects()

    def test_a_log_is_followed_over_a_restart_of_the_server_from_an_offset(self) -> None:
        self.serve()
        vm = self.vm()
        vm.say(1000)
        follower = self.attach("log", vm.name, "-f", "--raw")
        follower.out.expect(b"00000999\n")
        vm.hang_up()
        self.stop_server()
        follower.wait()
        self.serve()
        at = len(follower.out.data)
        again = self.attach("log", vm.name, "-f", "--raw", "--from", str(at))
        self.server.out.expect(b" attached ")
        vm.connect(self.ports["telnet"])
        vm.say(1000)
        again.out.expect(b"00001999\n")
        self.assertEqual(follower.out.data + again.out.data, b"".join(vm.said))
        self.assert_no_defects()

    def test_it_is_searched_and_boots_are_listed(self) -> None:
        self.serve()
        vm = self.vm()
        vm.say(50_000)
        found = self.ssh("log", vm.name, "--grep", "'0004999[89]$'", "--timestamps")
        self.assertEqual(found.out.count(b"\n"), 2)
        self.assertRegex(found.out, rb"^20\d\d-\d\d-\d\dT[0-9:.]+Z vm001 00049998\n")
        self.assertEqual(self.ssh("log", vm.name, "--grep", "nowhere").status, 1)
        self.assertIn(b"new line", self.ssh("boots", vm.name).out)

    def test_a_restart_of_the_server_is_no_boot(self) -> None:
        self.serve()
        vm = self.vm()
        vm.say(10)
        while self.consoles()[vm.name]["bytes_from_vm"] < len(vm.said[-1]):
            pass
        boots, last = self.ssh("boots", vm.name).out, self.consoles()[vm.name]["last_output"]
        for stop in (self.stop_server, self.kill_server):
            stop()
            vm.hang_up()
            self.serve()
            vm.connect(self.ports["telnet"])
            self.server.out.expect(rb" vm-registered console=%s " % vm.name.encode())
            self.assertEqual(self.ssh("boots", vm.name).out, boots)
            self.assertEqual(self.consoles()[vm.name]["last_output"], last)
            self.assertTrue(self.ssh("log", vm.name, "--boot", "0").out.startswith(vm.said[-1]))
            self.assertIn(b"after a restart of the server", self.ssh("log", vm.name, "--json").out)
        self.assert_no_defects()

    def kill_server(self) -> None:
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()

    def test_many_are_searched_at_once_with_the_name_before_each_line(self) -> None:
        self.serve()
        for number in (2, 10, 1):
            vm = self.vm(number)
            vm.say(1000)
            while self.consoles()[vm.name]["bytes_from_vm"] < len(vm.said[-1]):
                pass
        found = self.ssh("log", "'vm*'", "--grep", "'0000099[89]$'", "--since", "1h")
        said = [f"vm{n:03}: vm{n:03} 00000{line}" for n in (1, 2, 10) for line in (998, 999)]
        self.assertEqual(found.out.decode().splitlines(), said)
        self.assertEqual(self.ssh("log", "'vm*'", "--grep", "nowhere").status, 1)
        self.assertEqual(self.ssh("log", "'db*'", "--grep", "x").status, 3)

    def test_a_directory_that_was_tampered_with_is_refused_with_what_to_type(self) -> None:
        link = self.directory / "state" / "log" / "consoles" / "ab"
        link.parent.mkdir(parents=True)
        link.symlink_to("/etc")
        done = self.complete(sys.executable, "-m", "vspc", "run", "--config", self.config)
        self.assertEqual(done.status, 1)
        self.assertIn(b"is a symbolic link; remove it: rm ", done.err)
