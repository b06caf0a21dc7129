"""VMs with Direction Client: connected to real programs on loopback, which the list allows."""

import hashlib
import json
import re
import select
import socket

from tests.end_to_end.processes import DEADLINE, Child, free_port, script
from tests.end_to_end.test_dial import SerialDevice
from tests.end_to_end.test_moving import FIRST, SECOND, MovingTestCase
from tests.programs import require
from vspc.net.tls import CERTIFICATE, PRIVATE_KEY, load_pair, thumbprint


class RemoteSystems(MovingTestCase):
    def setUp(self) -> None:
        self.allowed = free_port()
        super().setUp()

    def write_config(self, more: str = "") -> None:
        super().write_config(more)
        text = self.config.read_text()
        allow = f'[vm]\ndial_allow = ["127.0.0.1:{self.allowed}", "*.invalid:*"]\n'
        self.config.write_text(text.replace("[vm]\n", allow))

    def remote(self) -> Child:
        """A program that listens at the allowed port: its input goes to the VM."""
        [socat] = require("socat")
        listen = f"TCP-LISTEN:{self.allowed},bind=127.0.0.1,reuseaddr"
        return self.start(socat, "-b", "65536", listen, "STDIO")

    def ask(self, uri: str, *options: str) -> Child:
        """A VM that asks for `uri`."""
        return self.simulate("--direction", "client", "--service-uri", uri, *options)

    def test_a_vmotion_in_the_middle_of_both_streams_loses_no_byte(self) -> None:
        remote = self.remote()
        self.serve()
        self.ask(f"tcp://127.0.0.1:{self.allowed}", "--vmotion-time", "0.3")
        self.server.out.expect(rb" remote-connected console=web1 ")
        lines = b"".join(b"%08d\r" % n for n in range(800))
        command = b"stream 2000 1000 &\rexpect 800\r"
        remote.type(command)
        remote.out.expect(rb"^expecting ")
        half = len(lines) // 2
        remote.type(lines[:half])
        moving = self.begin(f"evacuate {FIRST} {SECOND}")
        remote.type(lines[half:])
        self.assertEqual(json.loads(moving.wait().removeprefix("ok "))["moved"], 1)
        while b"%08d\r\n" % 1999 not in remote.out.data or b"\nok " not in remote.out.data:
            remote.out.expect(rb"^(?:00001999|ok 800)\r\n")
        numbers = re.findall(rb"(\d{8})\r\n", remote.out.data)
        self.assertEqual(numbers, [b"%08d" % n for n in range(2000)])
        counted = self.stats()
        self.assertEqual(counted["sha256_in"], hashlib.sha256(command + lines).hexdigest())
        self.assertEqual(counted["moves"], 1)
        self.assertTrue(remote.running)
        logged = self.ssh("log", "web1", "--raw").out
        self.assertIn(b"00001999", logged)
        self.assert_no_defects()

    def test_one_that_does_not_read_goes_on_from_the_log(self) -> None:
        lines = 300_000
        last = b"%08d\r\n" % (lines - 1)
        listener = socket.create_server(("127.0.0.1", self.allowed))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.settimeout(DEADLINE)
        with listener:
            self.serve()
            self.ask(f"tcp://127.0.0.1:{self.allowed}")
            connection, _ = listener.accept()
        connection.settimeout(DEADLINE)
        with connection:
            connection.sendall(b"stream %d\r" % lines)
            found = self.ssh("expect", "web1", "--from", "0", f"{lines - 1:08d}")
            self.assertEqual(found.status, 0, found.err)
            heard = bytearray()
            while last not in heard[-64:]:
                heard += connection.recv(65536)
            self.assertNotIn(b"remote-lost", self.server.out.data)
        numbers = re.findall(rb"(\d{8})\r\n", heard)
        self.assertEqual(len(numbers), lines)
        self.assertEqual(numbers, sorted(numbers))
        self.assert_no_defects()

    def test_an_operator_watches_takes_the_pen_and_gives_it_back(self) -> None:
        remote = self.remote()
        self.serve()
        self.ask(f"tcp://127.0.0.1:{self.allowed}")
        self.server.out.expect(rb" remote-connected console=web1 ")
        alice = self.terminal(user="alice+web1")
        alice.out.expect(rb"\[web1 connected, .*remote@local writes")
        remote.type(b"echo from the device\r")
        alice.out.expect(rb"^from the device\r\n")
        alice.type(b"x")
        alice.out.expect(rb"remote@local is typing on web1: 1 byte not sent")
        alice.type(b"\x05cfecho from alice\r")
        remote.out.expect(rb"^from alice\r\n")
        remote.type(b"dropped")
        bob = self.terminal(operator="bob", user="bob+web1")
        bob.out.expect(rb"alice writes")
        alice.type(b"\x05c.")
        alice.wait()
        bob.out.expect(rb"alice typed meanwhile, and tcp\S+ has the pen again: 7 bytes not sent")
        remote.type(b"echo again the device\r")
        bob.out.expect(rb"^again the device\r\n")
        [facts] = json.loads(self.ssh("who", "--json").out)[:1]
        self.assertEqual((facts["operator"], facts["writes"]), ("remote@local", True))
        remote.stop()
        bob.out.expect(rb"\[web1 has no remote system: tcp\S+ is not connected: ")
        self.assertIn(b"no remote", self.ssh("list").out)
        self.remote()
        bob.out.expect(rb"\[tcp\S+ is connected, at 127\.0\.0\.1\]")
        self.assert_no_defects()

    def test_what_is_not_allowed_is_refused_with_the_entry_that_would_allow_it(self) -> None:
        other = free_port()
        self.serve()
        self.start(
            *(script("vspc"), "simulate", "--direction", "client", "--name", "web1"),
            *("--proxy", f"telnet://127.0.0.1:{self.ports['telnet']}"),
            *("--service-uri", f"tcp://127.0.0.1:{other}"),
        )
        entry = rb'add \\?"127.0.0.1:%d\\?"' % other
        self.server.out.expect(rb" vm-refused .*" + entry)
        refusals = self.complete(script("vspc"), "refusals", "--config", self.config)
        self.assertIn(b'add to vm.dial_allow: "127.0.0.1:%d"' % other, refusals.out)

    def test_a_name_that_is_not_found_is_told(self) -> None:
        self.serve()
        self.ask("telnet://moxa.invalid")
        self.server.out.expect(rb" remote-lost console=web1 .*moxa\.invalid was not ")
        self.assertIn(b"not connected: moxa.invalid was not", self.ssh("info", "web1").out)

    def test_tls_to_a_server_whose_thumbprint_is_in_the_uri(self) -> None:
        [openssl] = require("openssl")
        pair = self.directory / "device"
        pair.mkdir()
        mark = thumbprint(load_pair(None, None, pair), "sha256")
        server = self.start(
            *(openssl, "s_server", "-quiet", "-naccept", "2"),
            *("-accept", f"127.0.0.1:{self.allowed}"),
            *("-cert", pair / CERTIFICATE, "-key", pair / PRIVATE_KEY),
        )
        self.serve()
        wrong = f"ssl://127.0.0.1:{self.allowed}#thumbprint={'00' * 32}"
        vm = self.ask(wrong)
        self.server.out.expect(rb" remote-lost .*its certificate has the thumbprint ")
        vm.stop()
        self.server.out.expect(rb" vm-lost console=web1 ")
        self.ask(f"ssl://127.0.0.1:{self.allowed}#thumbprint={mark}")
        self.server.out.expect(rb" remote-connected console=web1 ")
        server.type(b"echo over TLS\r")
        server.out.expect(rb"^over TLS\r\n")

    def test_telnet_to_a_real_device_server(self) -> None:
        [ser2net] = require("ser2net")
        device = SerialDevice(self)
        lines = (
            "%YAML 1.1",
            "---",
            "connection: &con1",
            f"  accepter: telnet,tcp,127.0.0.1,{self.allowed}",
            f"  connector: serialdev,{device.path},115200n81,local",
            "",
        )
        file = self.directory / "ser2net.yaml"
        file.write_text("\n".join(lines))
        self.start(ser2net, "-n", "-d", "-u", "-c", file)
        self.serve()
        self.ask(f"telnet://127.0.0.1:{self.allowed}")
        self.server.out.expect(rb" remote-connected console=web1 ")
        typed = bytes(range(160, 256)) + b"\x15echo through ser2net\r"
        device.say(typed)
        done = self.ssh("expect", "web1", "--from", "0", "--timeout", "20", "^through ser2net")
        self.assertEqual(done.status, 0, done.err)
        heard = b""
        while b"\nthrough ser2net\r\n" not in heard:
            self.assertTrue(select.select([device.ours], [], [], DEADLINE)[0], heard)
            heard += device.hear(1)
        self.assertEqual(self.stats()["sha256_in"], hashlib.sha256(typed).hexdigest())
        self.assert_no_defects()

    def test_a_socket_that_a_vm_asks_for(self) -> None:
        port = free_port()
        text = self.config.read_text().replace("[vm]\n", '[vm]\nservice_sockets = "open"\n', 1)
        sockets = f'[vm.service_socket]\nports = "{port}-{port}"\noperator = "alice"\n'
        self.config.write_text(text + sockets)
        self.serve()
        self.simulate("--service-uri", f"tcp://:{port}")
        self.server.out.expect(rb" listening what=.* port=%d" % port)
        [nc] = require("nc")
        client = self.start(nc, "127.0.0.1", str(port))
        client.type(b"echo by its own socket\r")
        client.out.expect(rb"^by its own socket\r\n")
        self.assertIn(b"alice", self.ssh("who", "web1").out)
        self.assert_no_defects()

    def test_our_own_ssh_port_is_not_connected_to(self) -> None:
        """Not even by a name that leads there."""
        self.config.write_text(
            self.config.read_text().replace('"*.invalid:*"', '"*.invalid:*", "localhost:*"')
        )
        self.serve()
        self.ask(f"tcp://localhost:{self.ports['ssh']}")
        self.server.out.expect(rb" remote-refused console=web1 .* is a l(?:oopback|istener)")
        self.assertIn(b"no remote", self.ssh("list").out)
