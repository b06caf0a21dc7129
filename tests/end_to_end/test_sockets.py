"""Consoles as sockets, for programs of other people: telnet, socat, nc, pyserial, conserver."""

import contextlib
import json
import signal
import socket
import termios
import time
from pathlib import Path

import serial
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.end_to_end.processes import Child, Size, free_port
from tests.end_to_end.server import ServerTestCase
from tests.end_to_end.test_dial import SerialDevice
from tests.net.authorities import certificate
from tests.programs import require

LISTENER = (
    '[[vm.plain]]\nname = "{name}"\nlisten = "tcp:0:interface=127.0.0.1"\ntelnet = {telnet}\n'
)

CONSERVER = """\
config * {{ primaryport {port}; sslrequired no; defaultaccess allowed; }}
default * {{ logfile /dev/null; master 127.0.0.1; rw *; }}
console guest {{ type host; host 127.0.0.1; port {socket}; portbase 0; portinc 1; }}
access * {{ trusted 127.0.0.1; }}
"""


class Device:
    """A device that dials a listener of its own, and speaks raw TCP."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(20)
        self.heard = b""

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self, count: int) -> bytes:
        """The next bytes."""
        return self.socket.recv(count, socket.MSG_WAITALL)

    def expect(self, wanted: bytes) -> bytes:
        """Read until `wanted` has come; everything since the last time."""
        while wanted not in self.heard:
            try:
                piece = self.socket.recv(65536)
            except TimeoutError:
                piece = b""
            assert piece, (wanted, self.heard)
            self.heard += piece
        heard, self.heard = self.heard, b""
        return heard


def connect(port: int) -> socket.socket:
    """Connect to another program, as soon as it listens."""
    for _ in range(400):
        with contextlib.suppress(ConnectionRefusedError):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.settimeout(20)
            return connection
        time.sleep(0.05)
    raise AssertionError(f"nobody listens on {port}")


class SocketsTestCase(ServerTestCase):
    """`sockets` gets a [[console.listen]] table; the console is that of a device called guest."""

    def setUp(self) -> None:
        super().setUp()
        self.port = free_port()

    def write(self, protocol: str, more: str = "", listen: str = "") -> None:
        listen = listen or f"tcp:{self.port}"
        self.write_config(
            f'[[console.listen]]\nconsole = "guest"\nprotocol = "{protocol}"\n'
            f'listen = "{listen}"\noperator = "alice"\n{more}\n'
        )

    def open(self, protocol: str, more: str = "", listen: str = "") -> Device:
        self.write(protocol, more, listen)
        self.serve()
        return self.device()

    def device(self) -> Device:
        device = Device(self.ports["plain guest"])
        self.addCleanup(device.socket.close)
        self.server.out.expect(rb" vm-registered console=guest ")
        return device

    def wait_attached(self) -> None:
        self.server.out.expect(rb" attached console=guest operator=alice ")


class Telnet(SocketsTestCase):
    def client(self, *command: str | Path) -> Child:
        return self.start(*command, "127.0.0.1", str(self.port), terminal=Size())

    def test_telnet_sends_each_key_and_shows_what_the_device_says(self) -> None:
        [telnet] = require("telnet")
        device = self.open("telnet")
        client = self.client(telnet)
        self.wait_attached()
        device.say(b"login: ")
        client.out.expect(rb"login: ")
        client.type(b"r")
        self.assertEqual(device.expect(b"r"), b"r")
        client.type(b"oot\r")
        self.assertEqual(device.expect(b"\r"), b"oot\r")
        device.say(b"root\r\n\xc3\xa9\rx")
        client.out.expect(rb"root\r\n\xc3\xa9\rx")
        self.assertNotIn(b"rroot", client.out.data)  # no local echo
        client.type(b"\x1d")
        client.out.expect(rb"telnet> ")
        client.type(b"send ayt\r")
        client.out.expect(rb"\[guest is connected\]")
        device.socket.close()
        client.out.expect(rb"\[guest is away \(.*\)\]\r\n")
        client.type(b"x")
        client.out.expect(rb"\[guest is away: 1 byte not sent\]\r\n")
        self.device()
        client.out.expect(rb"\[guest is connected again, from 127.0.0.1.*\]\r\n")
        self.assert_no_defects()

    def test_the_socket_waits_for_a_console_that_was_never_there(self) -> None:
        [telnet] = require("telnet")
        self.write("telnet", "max = 1")
        self.serve()
        client = self.client(telnet)
        client.out.expect(rb"\[guest is not there yet; this connection waits for it\]")
        second = self.client(telnet)
        second.out.expect(rb"\[all 1 connections of this port are in use\]")
        self.server.out.expect(rb" program-refused .*reason=.all 1 connections")
        device = self.device()
        client.out.expect(rb"\[guest is there\]")
        device.say(b"booting")
        client.out.expect(rb"booting")

    def test_a_break_goes_both_ways(self) -> None:
        [telnet] = require("telnet")
        self.write("telnet")
        text = self.config.read_text()
        self.config.write_text(text.replace('name = "guest"', 'name = "guest"\ntelnet = true'))
        self.serve()
        device = self.device()
        client = self.client(telnet)
        self.wait_attached()
        client.type(b"\x1d")
        client.out.expect(rb"telnet> ")
        client.type(b"send brk\r")
        device.expect(b"\xff\xf3")
        device.say(b"\xff\xf3")
        self.server.out.expect(rb" break console=guest operator=.?the VM")

    def test_telnet_ssl_with_a_certificate_that_names_the_operator(self) -> None:
        [telnet] = require("telnet-ssl")
        authority = certificate("lab authority")
        files = {name: self.directory / name for name in ("ca.pem", "bob.pem", "bob.key")}
        bob = certificate("bob", authority, key=rsa.generate_private_key(65537, 2048))
        for name, data in zip(files, (authority.pem, bob.pem, bob.key_pem), strict=True):
            files[name].write_bytes(data)
        self.write("telnet", 'tls = true\nclient_ca = "ca.pem"')
        self.config.write_text(self.config.read_text().replace('operator = "alice"\n', ""))
        self.serve()
        device = self.device()
        shown = ("-z", f"cert={files['bob.pem']}", "-z", f"key={files['bob.key']}")
        client = self.client(telnet, "-z", "ssl", *shown)
        self.server.out.expect(rb" attached console=guest operator=bob ")
        device.say(b"hello over TLS")
        client.out.expect(rb"hello over TLS")
        stranger = self.client(telnet, "-z", "ssl")
        self.server.out.expect(rb" program-refused .*reason=.a client certificate is required")
        stranger.wait()


class Raw(SocketsTestCase):
    def test_socat_gets_exact_bytes_and_what_it_missed_while_it_was_stopped(self) -> None:
        [socat] = require("socat")
        device = self.open("raw")
        client = self.start(socat, "-u", f"TCP:127.0.0.1:{self.port}", "-")
        self.wait_attached()
        client.send_signal(signal.SIGSTOP)
        piece = bytes(range(256)) * 256
        for _ in range(160):
            device.say(piece)
        device.say(b"end")
        client.send_signal(signal.SIGCONT)
        client.out.wait_total(160 * len(piece) + 3)
        self.assertEqual(client.out.data, piece * 160 + b"end")

    def test_a_program_that_may_not_type_is_closed(self) -> None:
        [nc] = require("nc")
        device = self.open("raw")
        writer = self.start(nc, "127.0.0.1", str(self.port))
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.port))) as reader:
            for _ in range(2):
                self.wait_attached()
            writer.type(b"$qSupported#37")
            self.assertEqual(device.expect(b"#37"), b"$qSupported#37")
            reader.sendall(b"x")
            self.server.out.expect(rb" program-closed .*on guest: 1 byte not sent.*status=4")
            reader.settimeout(20)
            self.assertEqual(reader.recv(1), b"")
        device.say(b"+")
        writer.out.expect(rb"\+")

    def test_a_unix_socket_has_its_mode_and_the_audit_names_it(self) -> None:
        [nc] = require("nc")
        path = self.directory / "guest.sock"
        device = self.open("raw", listen=f"unix:{path}:mode=660")
        self.assertEqual(path.stat().st_mode & 0o777, 0o660)
        client = self.start(nc, "-U", path)
        self.wait_attached()
        client.type(b"hello")
        device.expect(b"hello")
        lines = (self.directory / "state" / "audit.jsonl").read_text().splitlines()
        login = next(event for line in lines if (event := json.loads(line))["event"] == "login")
        self.assertEqual((login["via"], login["socket"]), ("socket", f"unix:{path}"))
        self.assertRegex(login["address"], r"\Alocal uid=\d+")

    def test_pyserial_over_a_socket(self) -> None:
        device = self.open("raw")
        with serial.serial_for_url(f"socket://127.0.0.1:{self.port}", timeout=20) as port:
            self.wait_attached()
            port.write(b"AT\r")
            device.expect(b"AT\r")
            device.say(b"OK\xff\r\n")
            self.assertEqual(port.read(5), b"OK\xff\r\n")

    def test_a_range_of_ports_is_assigned_once_and_for_ever(self) -> None:
        first = self.port
        self.write_config(
            f'[[console.listen]]\nconsoles = "gu*"\nprotocol = "raw"\n'
            f'ports = "{first}-{first + 1}"\noperator = "alice"\n'
        )
        self.serve()
        with contextlib.closing(socket.create_connection(("127.0.0.1", first))) as client:
            device = Device(self.ports["plain guest"])
            self.addCleanup(device.socket.close)
            self.server.out.expect(rb" console-port console=guest port=%d" % first)
            device.say(b"first byte")
            client.settimeout(20)
            self.assertEqual(client.recv(10), b"first byte")
        self.stop_server()
        self.serve()
        self.assertNotIn(b" console-port ", self.server.out.data)
        with contextlib.closing(socket.create_connection(("127.0.0.1", first))):
            self.wait_attached()

    def test_a_reload_opens_changes_and_closes_sockets_or_nothing(self) -> None:
        self.write("raw")
        self.serve()
        client = socket.create_connection(("127.0.0.1", self.port))
        client.settimeout(20)
        self.addCleanup(client.close)
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        self.write("raw", listen=f"tcp:{taken.getsockname()[1]}")
        self.server.send_signal(signal.SIGHUP)
        self.server.out.expect(rb" reload-refused what=.cannot listen .*Address already in use")
        other = free_port()
        self.write("raw", listen=f"tcp:{other}")
        self.server.send_signal(signal.SIGHUP)
        self.server.out.expect(rb" info reloaded ")
        self.assertEqual(client.recv(1), b"")
        self.assertRaises(
            ConnectionRefusedError, socket.create_connection, ("127.0.0.1", self.port)
        )
        with contextlib.closing(socket.create_connection(("127.0.0.1", other))):
            self.device()


class Rfc2217(SocketsTestCase):
    def test_pyserial_sets_the_port_and_reads_its_modem_lines(self) -> None:
        device = self.open("rfc2217")
        url = f"rfc2217://127.0.0.1:{self.port}?poll_modem"
        with serial.serial_for_url(url, baudrate=115200, timeout=20) as port:
            self.wait_attached()
            every = bytes(range(256)) + b"\r\n\r\0"
            port.write(every)
            self.assertEqual(device.read(len(every)), every)
            device.say(every)
            self.assertEqual(port.read(len(every)), every)
            self.assertTrue(port.cts and port.dsr and port.cd)
            port.baudrate = 9600
            port.parity = "E"
            port.dtr = False
            port.reset_output_buffer()
            device.socket.close()
            self.server.out.expect(rb" vm-lost console=guest ")
            deadline = time.monotonic() + 20
            while port.cd and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertFalse(port.cd)
        self.assert_no_defects()

    def test_what_pyserial_sets_goes_to_the_device_behind_a_device_server(self) -> None:
        [ser2net] = require("ser2net")
        device, port = SerialDevice(self), free_port()
        (self.directory / "ser2net.yaml").write_text(
            f"connection: &device\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n"
            f"  connector: serialdev,{device.path},9600n81,local\n"
        )
        self.start(ser2net, "-n", "-d", "-u", "-c", self.directory / "ser2net.yaml")
        dial = f'[[dial]]\nname = "guest"\nconnect = "rfc2217://127.0.0.1:{port}"\n'
        self.write("rfc2217", dial)
        text = self.config.read_text()
        self.config.write_text(
            text.replace('[[vm.plain]]\nname = "guest"', '[[vm.plain]]\nname = "other"')
        )
        self.serve()
        url = f"rfc2217://127.0.0.1:{self.port}"
        self.server.out.expect(rb" vm-registered console=guest ")
        with serial.serial_for_url(url, baudrate=115200, timeout=20) as client:
            self.assertEqual(device.attributes[4], termios.B115200)
            client.baudrate = 19200
            self.assertEqual(device.attributes[4], termios.B19200)
            client.write(b"root\r")
            self.assertEqual(device.hear(5), b"root\r")
            device.say(b"# ")
            self.assertEqual(client.read(2), b"# ")
        self.assert_no_defects()

    def test_our_own_client_at_our_own_server(self) -> None:
        connect = f'connect = "rfc2217://127.0.0.1:{self.port}"\nspeed = 19200\nparity = "even"\n'
        self.write("rfc2217", f'[[dial]]\nname = "copy"\n{connect}')
        self.serve()
        device = Device(self.ports["plain guest"])
        self.addCleanup(device.socket.close)
        self.server.out.expect(rb" vm-registered console=copy ")
        self.assertEqual(self.ssh("send", "copy", "--enter", "uname").status, 0)
        device.expect(b"uname\r")
        device.say(b"Linux\r\n")
        self.assertEqual(self.ssh("expect", "copy", "Linux", "--from", "0").status, 0)
        self.assertIn(b"settings: 19200 8E1\n", self.ssh("info", "copy").out)
        self.assertEqual(self.ssh("break", "copy").status, 0)
        self.assert_no_defects()

    def test_ser2net_as_the_client(self) -> None:
        [ser2net] = require("ser2net")
        device = self.open("rfc2217")
        port = free_port()
        (self.directory / "ser2net.yaml").write_text(
            f"connection: &guest\n  accepter: tcp,127.0.0.1,{port}\n"
            f"  connector: telnet(rfc2217),tcp,127.0.0.1,{self.port}\n"
        )
        self.start(ser2net, "-n", "-d", "-c", self.directory / "ser2net.yaml", "-P", "ser2net.pid")
        with contextlib.closing(connect(port)) as client:
            self.wait_attached()
            client.sendall(b"\xff\r\nuname\r")
            self.assertEqual(device.read(9), b"\xff\r\nuname\r")
            device.say(b"Linux\xff\r\n")
            self.assertEqual(client.recv(8, socket.MSG_WAITALL), b"Linux\xff\r\n")
        self.assert_no_defects()


class Conserver(SocketsTestCase):
    def test_conserver_dials_a_telnet_socket(self) -> None:
        conserver, console = require("conserver", "console")
        device = self.open("telnet")
        port = free_port()
        configuration = self.directory / "conserver.cf"
        configuration.write_text(CONSERVER.format(port=port, socket=self.port))
        server = self.start(
            *(conserver, "-C", configuration, "-p", str(port), "-M", "127.0.0.1", "-E", "-n"),
        )
        self.wait_attached()
        connect(port).close()
        client = self.start(
            *(console, "-n", "-E", "-M", "127.0.0.1", "-p", str(port), "guest"),
            terminal=Size(),
        )
        client.out.expect(rb"\[Enter .* for help\]")
        server.out.expect(rb"\[guest\] login ")
        client.type(b"root")
        device.expect(b"root")
        device.say(b"guest login: ")
        client.out.expect(rb"guest login: ")
