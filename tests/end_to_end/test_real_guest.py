"""A real Linux guest under QEMU, its serial port on the concentrator, a real OpenSSH client."""

from tests.end_to_end.guest import PROMPT, READY, Guest, client_of
from tests.end_to_end.processes import free_port
from tests.end_to_end.server import ServerTestCase


class OnAPlainListener(ServerTestCase):
    def test_it_is_watched_booting_and_runs_a_command(self) -> None:
        guest = Guest(self)
        self.serve()
        guest.start(client_of(self.ports["plain guest"]))
        self.server.out.expect(rb"vm-registered console=guest ")
        raw = self.attach("raw", "guest", "--from", "0")
        raw.out.expect(rb"Linux version \d")
        raw.out.expect(READY.encode())
        raw.out.expect(PROMPT.encode())
        raw.type(b"echo $((6 * 7)) answers\n")
        raw.out.expect(rb"^42 answers")
        raw.type(b"/mirror 256\n")
        raw.out.expect(rb"^mirror\n")
        raw.type(bytes(range(256)))
        raw.out.expect(b"(?s)" + b"".join(b"\\x%02x" % value for value in range(256)))
        raw.out.expect(PROMPT.encode())
        raw.type(b"poweroff -f\n")
        self.assertEqual(guest.child.wait(), 0)
        raw.err.expect(rb"\[guest is away")
        raw.stop()
        self.assertEqual(self.consoles()["guest"]["state"], "away")
        self.stop_server()
        self.assert_no_defects()

    def test_its_shell_on_a_terminal_with_the_replay_of_its_boot(self) -> None:
        guest = Guest(self)
        self.serve()
        guest.start(client_of(self.ports["plain guest"]))
        self.server.out.expect(rb"vm-registered console=guest ")
        boot = self.attach("raw", "guest", "--from", "0")
        boot.out.expect(PROMPT.encode())
        boot.stop()
        shell = self.terminal(user="alice+guest")
        shell.out.expect(rb"\[guest connected, .*\^Ec\? for help\]")
        shell.out.expect(rb"\[replay of the last 20 lines\]")
        shell.out.expect(rb"\[end of replay\]")
        shell.type(b"uname -s\r")
        shell.out.expect(rb"Linux\r\n")
        shell.type(b"\x05c.")
        self.assertEqual(shell.wait(), 0)
        self.assert_no_defects()


class OnATelnetPort(ServerTestCase):
    def test_sysrq_and_a_paste_that_its_shell_echoes(self) -> None:
        guest, port = Guest(self), free_port()
        where = f'connect = "telnet://127.0.0.1:{port}"'
        self.write_config(f'[[dial]]\nname = "linux"\n{where}\n')
        guest.start(f"socket,host=127.0.0.1,port={port},server=on,wait=on,telnet=on")
        self.serve()
        self.server.out.expect(rb"vm-registered console=linux ")
        boot = self.attach("raw", "linux", "--from", "0")
        boot.out.expect(PROMPT.encode())
        self.assertEqual(self.ssh("break", "linux", "--sysrq", "h", "--yes").status, 0)
        boot.out.expect(rb"sysrq: HELP : loglevel\(0-9\) reboot\(b\)")
        boot.type(b"\n")
        boot.out.expect(PROMPT.encode())
        boot.stop()
        shell = self.terminal(user="alice+linux")
        shell.out.expect(rb"for help\]")
        shell.type(b"\x05cS!m")
        shell.out.expect(rb"\[SysRq m\]")
        shell.out.expect(rb"sysrq: Show Memory")
        shell.type(b"\r")
        shell.out.expect(PROMPT.encode())
        text = b"cat >/x <<E\n" + b"a line of which not one character may be lost\n" * 20 + b"E\n"
        shell.type(b"\x05c.")
        self.assertEqual(shell.wait(), 0)
        done = self.ssh("paste", "linux", typed=text + b"wc /x\n")
        self.assertEqual((done.status, done.err), (0, b""))
        counted = self.ssh("expect", "linux", "--from", "0", "' 20 +200 +920 /x'")
        self.assertEqual(counted.status, 0, counted)
        self.assert_no_defects()
