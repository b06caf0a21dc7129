"""The server connects to real device servers: ser2net in its three ways, socat, QEMU, OpenSSL."""

import json
import os
import re
import signal
import socket
import termios
import tty
from pathlib import Path
from typing import Any

import serial

from tests.end_to_end.guest import PROMPT, READY, Guest
from tests.end_to_end.processes import Child, script
from tests.end_to_end.server import ServerTestCase
from tests.net.test_tls import Authority, made_pair
from tests.programs import require
from vspc.net.tls import thumbprint


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SerialDevice:
    """What is at the other end of a serial cable: a pty, of which `path` is the port."""

    def __init__(self, test: ServerTestCase) -> None:
        self.ours, self.theirs = os.openpty()
        tty.setraw(self.theirs)
        self.path = os.ttyname(self.theirs)
        test.addCleanup(os.close, self.ours)
        test.addCleanup(os.close, self.theirs)

    def say(self, data: bytes) -> None:
        os.write(self.ours, data)

    def hear(self, count: int) -> bytes:
        """The next `count` bytes that were typed at it."""
        data = b""
        while len(data) < count:
            data += os.read(self.ours, count - len(data))
        return data

    @property
    def attributes(self) -> list[Any]:
        """How the port is set, as tcgetattr(3) has it."""
        return termios.tcgetattr(self.theirs)


class DialTestCase(ServerTestCase):
    def dial(self, connect: str, *more: str, name: str = "device") -> None:
        """Start the server with one console that it connects to."""
        table = [f'name = "{name}"', f'connect = "{connect}"', *more]
        self.write_config("[[dial]]\n" + "\n".join(table) + "\n")
        self.serve()

    def connected(self, name: str = "device") -> None:
        self.server.out.expect(rb" vm-registered console=%s " % name.encode())

    def listens(self, port: int) -> None:
        """Wait until something listens there; a connection would take the serial port."""
        ours = f":{port:04X} 00000000:0000 0A"
        for _ in range(3000):
            if ours in Path("/proc/net/tcp").read_text():
                return
            signal.sigtimedwait([], 0.01)
        self.fail(f"nothing listens on port {port}")

    def info(self, name: str = "device") -> str:
        return self.ssh("info", name).out.decode()


class Ser2net(DialTestCase):
    def ser2net(self, accepter: str, *options: str) -> tuple[SerialDevice, int]:
        """A device behind ser2net, and its port."""
        device = SerialDevice(self)
        return device, self.serve_port(device.path, accepter, *options)

    def serve_port(self, path: str, accepter: str, *options: str) -> int:
        """The TCP port at which ser2net has the serial port `path`."""
        [program] = require("ser2net")
        port = free_port()
        lines = [
            "%YAML 1.1",
            "---",
            "connection: &con1",
            f"  accepter: {accepter},127.0.0.1,{port}",
            f"  connector: serialdev,{path},9600n81,local",
            *(["  options:", *(f"    {each}" for each in options)] if options else []),
        ]
        file = self.directory / "ser2net.yaml"
        file.write_text("\n".join([*lines, ""]))
        self.start(program, "-n", "-d", "-u", "-c", file)
        self.listens(port)
        return port

    def converse(self, device: SerialDevice) -> None:
        """Eight bits both ways."""
        self.connected()
        shell = self.attach("raw", "device")
        self.server.out.expect(rb" attached console=device ")
        every = bytes(range(256)) * 2
        device.say(every)
        shell.out.expect(re.escape(every))
        shell.type(every)
        self.assertEqual(device.hear(len(every)), every)

    def test_raw_tcp(self) -> None:
        device, port = self.ser2net("tcp")
        self.dial(f"tcp://127.0.0.1:{port}")
        self.converse(device)
        self.assert_no_defects()

    def test_telnet(self) -> None:
        device, port = self.ser2net("telnet,tcp")
        self.dial(f"telnet://127.0.0.1:{port}")
        self.converse(device)
        self.assertIn("\nremark: -\n", self.info())
        self.assert_no_defects()

    def test_rfc_2217_sets_the_port_and_a_break_is_heard(self) -> None:
        device, port = self.ser2net("telnet(rfc2217),tcp")
        self.dial(
            f"rfc2217://127.0.0.1:{port}",
            "speed = 115200",
            "data = 7",
            'parity = "even"',
            "stop = 2",
            'flow = "rts/cts"',
        )
        self.connected()
        self.assertIn("\nsettings: 115200 7E2 rts/cts\n", self.info())
        self.assertIn("\nremark: -\n", self.info())
        control = device.attributes[2]
        self.assertEqual(device.attributes[4], termios.B115200)
        self.assertTrue(control & termios.CSTOPB)  # a pty has eight bits and no parity
        self.assertTrue(control & termios.CRTSCTS)
        self.assertEqual(self.ssh("break", "device").status, 0)
        device.say(b"login: ")
        self.assertEqual(self.ssh("expect", "device", "login", "--from", "0").status, 0)
        self.assert_no_defects()

    def test_a_qemu_guest_on_a_pty(self) -> None:
        guest = Guest(self)
        guest.start("pty")
        path = guest.child.out.expect(rb"char device redirected to (\S+)").group(1).decode()
        port = self.serve_port(path, "telnet(rfc2217),tcp")
        self.dial(f"rfc2217://127.0.0.1:{port}", "speed = 115200", name="guest-0")
        self.connected("guest-0")
        shell = self.attach("raw", "guest-0", "--from", "0")
        shell.out.expect(READY.encode())
        shell.type(b"echo $((6 * 7))\n")
        shell.out.expect(rb"\n42\r\n")
        self.assertIn("\nsettings: 115200 8N1\n", self.info("guest-0"))
        self.assert_no_defects()

    def test_a_program_sets_the_speed_of_the_device_through_a_socket(self) -> None:
        device, port = self.ser2net("telnet(rfc2217),tcp")
        socket_port = free_port()
        self.dial(
            f"rfc2217://127.0.0.1:{port}",
            "[[console.listen]]",
            'console = "device"',
            'protocol = "rfc2217"',
            f'listen = "tcp:{socket_port}"',
            'operator = "alice"',
        )
        self.connected()
        url = f"rfc2217://127.0.0.1:{socket_port}"
        with serial.serial_for_url(url, baudrate=57600, timeout=20) as program:
            program.write(b"AT\r")
            self.assertEqual(device.hear(3), b"AT\r")
            device.say(b"OK\r\n")
            self.assertEqual(program.read(4), b"OK\r\n")
            self.assertEqual(device.attributes[4], termios.B57600)
            program.baudrate = 19200
            self.assertEqual(device.attributes[4], termios.B19200)
        self.assertIn("\nsettings: 19200 8N1\n", self.info())
        self.assert_no_defects()

    def test_a_socket_of_ours_is_dialled_and_sets_the_device_behind_it(self) -> None:
        device, port = self.ser2net("telnet(rfc2217),tcp")
        socket_port = free_port()
        self.dial(
            f"rfc2217://127.0.0.1:{port}",
            "[[console.listen]]",
            'console = "device"',
            'protocol = "rfc2217"',
            f'listen = "tcp:{socket_port}"',
            'operator = "bob"',
            "[[dial]]",
            'name = "copy"',
            f'connect = "rfc2217://127.0.0.1:{socket_port}"',
            "speed = 38400",
        )
        self.server.out.expect(rb"attached console=device operator=bob")
        shell = self.attach("raw", "copy")
        self.server.out.expect(rb" attached console=copy operator=alice")
        every = bytes(range(256))
        shell.type(every)
        self.assertEqual(device.hear(len(every)), every)
        device.say(every)
        shell.out.expect(re.escape(every))
        self.assertIn("\nsettings: 38400 8N1\n", self.info("copy"))
        self.assertEqual(device.attributes[4], termios.B38400)
        self.assert_no_defects()

    def test_raw_was_said_and_it_speaks_telnet(self) -> None:
        _, port = self.ser2net("telnet,tcp")
        self.dial(f"tcp://127.0.0.1:{port}")
        self.server.out.expect(rb" dial-mismatch console=device .*telnet://")
        self.assertIn("\nremark: it speaks telnet: ", self.info())

    def test_a_port_that_is_in_use(self) -> None:
        _, port = self.ser2net("tcp")
        with socket.create_connection(("127.0.0.1", port)):
            self.dial(f"tcp://127.0.0.1:{port}")
            self.server.out.expect(rb" vm-lost console=device .* closes them at once: ")
            row = self.consoles()["device"]
        self.assertEqual(row["state"], "away")
        self.assertIn("in use", row["away_reason"])

    def test_the_device_server_restarts(self) -> None:
        port = free_port()
        self.dial(f"tcp://localhost:{port}")
        refused = rb" dial-failed console=device .*connection refused by localhost:\d+ \([0-9.:]+\)"
        self.server.out.expect(refused)
        self.assertIn("next try in", self.ssh("list").out.decode())
        [socat] = require("socat")
        listener = f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr"
        device = self.start(socat, listener, "SYSTEM:echo hello; cat")
        self.connected()
        self.assertEqual(
            self.ssh("expect", "device", "hello", "--from", "0", "--timeout", "20").status, 0
        )
        device.stop()
        self.server.out.expect(rb" vm-lost console=device ")
        self.start(socat, listener, "SYSTEM:echo again; cat")
        self.connected()


class OtherDevices(DialTestCase):
    def test_a_unix_socket_while_somebody_is_attached(self) -> None:
        [socat] = require("socat")
        path = self.directory / "vm.sock"
        device = self.start(socat, "-d", "-d", f"UNIX-LISTEN:{path},fork", "SYSTEM:cat")
        device.err.expect(rb"listening on")
        self.dial("unix:vm.sock", 'when = "attached"')
        self.assertEqual(
            self.consoles()["device"]["away_reason"], "connected when somebody attaches"
        )
        shell = self.attach("raw", "device")
        self.connected()
        shell.type(b"ping")
        shell.out.expect(rb"ping")

    def test_a_telnet_server_that_echoes(self) -> None:
        [busybox] = require("busybox")
        port = free_port()
        self.start(busybox, "telnetd", "-F", "-b", f"127.0.0.1:{port}", "-l", "/bin/sh")
        self.listens(port)
        self.dial(f"telnet://127.0.0.1:{port}")
        self.connected()
        shell = self.attach("raw", "device", "--from", "0")
        shell.out.expect(rb"[#$] ")
        shell.type(b"echo $((6 * 7))\r")
        shell.out.expect(rb"echo \$\(\(6 \* 7\)\)\r\n42\r\n")
        self.assert_no_defects()

    def test_qemu_guests_by_tcp_and_by_a_unix_socket(self) -> None:
        guest, port = Guest(self), free_port()
        guest.start(f"socket,host=127.0.0.1,port={port},server=on,wait=on")
        self.dial(f"tcp://127.0.0.1:{port}", name="guest-0")
        self.connected("guest-0")
        shell = self.attach("raw", "guest-0", "--from", "0")
        shell.out.expect(READY.encode())
        shell.type(b"echo $((6 * 7))\n")
        shell.out.expect(rb"\n42\r\n")
        guest.stop()
        self.server.out.expect(rb" vm-lost console=guest-0 ")
        guest.start(f"socket,path={self.directory / 'vm.sock'},server=on,wait=on")
        self.write_config('[[dial]]\nname = "guest-0"\nconnect = "unix:vm.sock"\n')
        self.server.send_signal(signal.SIGHUP)
        self.connected("guest-0")
        shell.out.expect(PROMPT.encode())
        self.assert_no_defects()

    def test_a_device_that_never_stops_does_not_hold_up_others(self) -> None:
        [socat] = require("socat")
        port = free_port()
        self.start(socat, "-u", "OPEN:/dev/zero", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr")
        self.listens(port)
        self.dial(f"tcp://127.0.0.1:{port}")
        self.connected()
        while self.consoles()["device"]["bytes_from_vm"] < 64 << 20:
            self.assertEqual(self.ssh("who").status, 0)
        said = self.complete(script("vspc"), "status", "--json", "--config", self.config)
        status = json.loads(said.out)
        self.assertEqual(status["dialled"]["connected"], 1)
        self.assertLess(status["largest_memory_kib"], 400 << 10)

    def openssl(self, *more: str) -> tuple[Child, int]:
        """A telnets device with a certificate of its own."""
        [program] = require("openssl")
        self.pair, port = made_pair(), free_port()
        (self.directory / "device.pem").write_bytes(self.pair.certificate + self.pair.private_key)
        words = ["s_server", "-quiet", "-accept", f"127.0.0.1:{port}", "-cert", "device.pem"]
        device = self.start(program, *words, *more)
        self.listens(port)
        return device, port

    def test_telnets_with_a_client_certificate(self) -> None:
        authority = Authority()
        ours = authority.host()
        for name, data in (
            ("hosts.pem", authority.pem),
            ("ours.pem", ours.certificate),
            ("ours.key", ours.private_key),
        ):
            (self.directory / name).write_bytes(data)
        (self.directory / "ours.key").chmod(0o600)
        device, port = self.openssl("-Verify", "1", "-verify_return_error", "-CAfile", "hosts.pem")
        pin = f'thumbprint = "{thumbprint(self.pair)}"'
        self.dial(
            f"telnets://127.0.0.1:{port}",
            pin,
            'certificate = "ours.pem"',
            'private_key = "ours.key"',
        )
        device.err.expect(rb"CN ?= ?esx1")
        self.connected()
        device.type(b"hello\n")
        self.assertEqual(self.ssh("expect", "device", "hello", "--from", "0").status, 0)

    def test_a_device_that_asks_for_a_certificate_that_it_does_not_get(self) -> None:
        (self.directory / "hosts.pem").write_bytes(Authority().pem)
        _, port = self.openssl("-Verify", "1", "-verify_return_error", "-CAfile", "hosts.pem")
        self.dial(f"telnets://127.0.0.1:{port}", f'thumbprint = "{thumbprint(self.pair)}"')
        self.server.out.expect(rb" console=device .*TLS .*certificate required")
        self.assertIn("certificate required", self.info())

    def test_telnets_by_its_thumbprint(self) -> None:
        device, port = self.openssl()
        self.dial(f"telnets://127.0.0.1:{port}", f'thumbprint = "{thumbprint(self.pair)}"')
        self.connected()
        self.assertTrue(self.consoles()["device"]["secure"])
        shell = self.attach("raw", "device")
        self.server.out.expect(rb" attached console=device ")
        device.type(b"hello\n")
        shell.out.expect(rb"hello")
        shell.type(b"root\n")
        device.out.expect(rb"root")

    def test_a_certificate_that_is_not_the_right_one_is_named(self) -> None:
        _, port = self.openssl()
        self.dial(f"telnets://127.0.0.1:{port}")
        met = thumbprint(self.pair, "sha256").encode()
        self.server.out.expect(rb" dial-failed console=device .*self-signed; thumbprint " + met)
