"""`vspc doctor` with a real server and VMs that go wrong, and probes of real peers."""

import contextlib
import json
import re
import socket
from pathlib import Path
from typing import Any

from tests.end_to_end.processes import Child, Completed, script
from tests.end_to_end.server import ServerTestCase
from tests.end_to_end.test_moving import ELSEWHERE, FIRST, MovingTestCase
from tests.programs import require
from vspc.wire.telnet import VMWARE, WILL, negotiation, subnegotiation
from vspc.wire.vmware import DoProxy, VmName, encode


def closed_port() -> int:
    """A port of loopback at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


class _Asking(ServerTestCase):
    """Asks the doctor."""

    def doctor(self, *words: str) -> Completed:
        return self.complete(script("vspc"), "doctor", *words, "--config", self.config)

    def findings(self, *words: str, status: int = 0) -> list[dict[str, Any]]:
        done = self.doctor(*words, "--json")
        self.assertEqual((done.status, done.err), (status, b""), done)
        found: list[dict[str, Any]] = json.loads(done.out)["findings"]
        return found

    def codes(self, *words: str, status: int = 0) -> list[str]:
        return [each["code"] for each in self.findings(*words, status=status)]


class Doctor(_Asking):
    """A running server."""

    def test_a_vm_that_never_gets_in_then_does(self) -> None:
        self.serve()
        self.assertEqual(self.codes("web7"), ["never-seen"])
        self.say(VmName(b"web7"), DoProxy(b"S", b"console"))
        [found] = self.findings("web7")
        self.assertEqual(found["code"], "service-uri")
        self.assertIn("in vSphere set Port URI to one of vspc, vSPC.py", found["do"])
        self.assertEqual(self.codes("127.0.0.1"), ["host", "service-uri"])
        said = self.doctor().out.decode()
        self.assertIn("! 127.0.0.1 was refused", said)
        uri = f"telnet://127.0.0.1:{self.ports['telnet']}"
        vm = self.start(script("vspc"), "simulate", "--proxy", uri, "--name", "web7")
        self.server.out.expect(rb"vm-registered console=web7")
        self.assertIn(self.codes("web7"), (["connected"], ["no-output"]))
        vm.stop()
        self.server.out.expect(rb"vm-lost console=web7")
        self.assertEqual(self.codes("web7"), ["away"])
        self.assert_no_defects()

    def test_a_host_that_is_not_allowed(self) -> None:
        self.config.write_text(self.config.read_text().replace("127.0.0.0/8", "10.0.0.0/8"))
        self.serve()
        self.assertEqual(self.codes("127.0.0.1"), ["no-connection", "not-allowed"])
        with socket.create_connection(("127.0.0.1", self.ports["telnet"])) as host:
            host.settimeout(10)
            self.assertEqual(host.recv(1), b"")
        found = self.findings("127.0.0.1")
        self.assertEqual([each["code"] for each in found], ["host", "not-allowed"])
        self.assertEqual(found[1]["do"][0], 'add to vm.allow: "127.0.0.1/32"')

    def test_a_device_server_that_refuses(self) -> None:
        place = f"tcp://127.0.0.1:{closed_port()}"
        self.write_config(f'[[dial]]\nname = "moxa"\nconnect = "{place}"\n')
        self.serve()
        self.server.out.expect(rb" warn dial-failed console=moxa ")
        [found] = self.findings("moxa")
        self.assertEqual(found["code"], "not-connected")
        self.assertIn(f"not connected to {place} for", found["known"])
        self.assertIn("next try in", found["known"])
        [probed] = self.findings(*found["do"][-1].split()[2:], status=1)
        self.assertEqual(probed["code"], "refused")

    def say(self, *messages: VmName | DoProxy) -> None:
        """Be a VM that says this, until the server ends it."""
        with socket.create_connection(("127.0.0.1", self.ports["telnet"])) as host:
            host.settimeout(10)
            host.sendall(negotiation(WILL, VMWARE))
            for message in messages:
                host.sendall(subnegotiation(VMWARE, encode(message)))
            while host.recv(4096):
                pass

    def test_tls_at_the_wrong_port_both_ways(self) -> None:
        [openssl] = require("openssl")
        self.serve()
        where = f"127.0.0.1:{self.ports['telnet']}"
        self.complete(openssl, "s_client", "-connect", where)
        with socket.create_connection(("127.0.0.1", self.ports["telnets"])) as host:
            host.settimeout(10)
            host.sendall(negotiation(WILL, VMWARE))
            with contextlib.suppress(ConnectionResetError):
                while host.recv(4096):
                    pass
        self.assertEqual(self.codes("127.0.0.1"), ["host", "telnet-on-tls", "tls-on-telnet"])

    def test_for_an_operator_what_he_may_not_see_is_not_there(self) -> None:
        self.serve()
        self.say(VmName(b"secret"), DoProxy(b"S", b"console"))
        for name in ("secret", "absent", "127.0.0.1"):
            done = self.ssh("doctor", name, operator="carol")
            self.assertEqual(done.status, 3)
            self.assertEqual(
                done.err.decode(), f"no console {name}; `list` shows those there are\n"
            )
        self.say(VmName(b"web8"), DoProxy(b"S", b"console"))
        done = self.ssh("doctor", "web8", operator="carol")
        self.assertEqual((done.status, done.err), (0, b""))
        self.assertIn(b"service URI 'console'", done.out)

    def test_a_probe_of_our_own_listeners(self) -> None:
        self.serve()
        found = self.findings("--probe", f"127.0.0.1:{self.ports['telnet']}")
        self.assertIn("a concentrator", found[0]["known"])
        for scheme in ("", "telnets://"):
            found = self.findings("--probe", f"{scheme}127.0.0.1:{self.ports['telnets']}")
            self.assertIn("a concentrator, within TLS", found[0]["known"])
            self.assertEqual(found[1]["code"], "certificate")
            self.assertIn("it is that of this configuration", found[1]["means"])
        found = self.findings("--probe", f"127.0.0.1:{self.ports['ssh']}")
        self.assertEqual(found[0]["code"], "ssh")
        self.assert_no_defects()


class Probes(_Asking):
    """Real peers; no server of ours."""

    def probed(self, place: object, status: int = 0) -> list[dict[str, Any]]:
        return self.findings("--probe", str(place), status=status)

    def listening(self, *command: str | Path, ready: bytes) -> Child:
        child = self.start(*command)
        child.err.expect(ready)
        return child

    def socat(self, what: str) -> int:
        [socat] = require("socat")
        child = self.listening(
            socat,
            "-d",
            "-d",
            "TCP-LISTEN:0,bind=127.0.0.1,fork",
            what,
            ready=rb"listening on .*:\d+\n",
        )
        found = re.search(rb"listening on .*:(\d+)\n", child.err.data)
        assert found is not None
        return int(found[1])

    def test_nobody_listens(self) -> None:
        [found] = self.probed(f"127.0.0.1:{closed_port()}", status=1)
        self.assertEqual(found["code"], "refused")

    def test_a_name_that_is_not_there(self) -> None:
        [found] = self.probed("vspc.invalid:4001", status=1)
        self.assertEqual(found["code"], "unknown-name")

    def test_raw_tcp_that_is_silent_speaks_or_echoes(self) -> None:
        for what, code in (
            ("OPEN:/dev/null,ignoreeof", "silent"),
            ("PIPE", "echo"),
            ("SYSTEM:'echo router login; sleep 9'", "other"),
        ):
            [found] = self.probed(f"127.0.0.1:{self.socat(what)}")
            self.assertEqual(found["code"], code, found)
        self.assertIn("'router login'", found["known"])

    def test_tls_with_a_certificate_of_its_own(self) -> None:
        [openssl] = require("openssl")
        key, pem = self.directory / "key.pem", self.directory / "cert.pem"
        made = self.complete(
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=probe.test"),
            *("-addext", "subjectAltName=DNS:probe.test", "-keyout", key, "-out", pem),
        )
        self.assertEqual(made.status, 0, made)
        printed = self.complete(openssl, "x509", "-in", pem, "-noout", "-fingerprint", "-sha256")
        server = self.start(
            openssl, "s_server", "-accept", "127.0.0.1:0", "-cert", pem, "-key", key
        )
        server.out.expect(rb"ACCEPT 127.0.0.1:\d+")
        port = re.search(rb"ACCEPT 127.0.0.1:(\d+)", server.out.data)
        assert port is not None
        _, found = self.probed(f"127.0.0.1:{port[1].decode()}")
        self.assertEqual(found["code"], "certificate")
        for words in ("'probe.test'", printed.out.decode().strip().partition("=")[2]):
            self.assertIn(words, found["known"])
        self.assertIn("not trusted by this machine: it is self-signed", found["means"])

    def test_a_device_server_with_rfc_2217(self) -> None:
        [ser2net, socat] = require("ser2net", "socat")
        tty = self.directory / "tty"
        line = self.start(socat, "-d", "-d", f"PTY,link={tty},raw,echo=0", "PIPE")
        line.err.expect(rb"starting data transfer loop")
        port = closed_port()
        settings = self.directory / "ser2net.yaml"
        settings.write_text(
            f"connection: &one\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{port}\n"
            f"  connector: serialdev,{tty},115200n81,local\n"
        )
        self.start(ser2net, "-n", "-c", settings)
        for _ in range(100):
            with socket.socket() as tried:
                tried.settimeout(0.1)
                if not tried.connect_ex(("127.0.0.1", port)):
                    break
        [found] = self.probed(f"127.0.0.1:{port}")
        self.assertIn("telnet with RFC 2217", found["known"])
        self.assertIn(f"rfc2217://127.0.0.1:{port}", found["do"][0])


class Failing(MovingTestCase, _Asking):
    """Simulated VMs that are set up wrongly, and a host that dies or lies."""

    def refused(self, *options: str, scheme: str = "telnet", fragment: str = "") -> list[str]:
        """What is said of a host after a VM with these options has tried to connect."""
        self.serve()
        port = self.ports["telnets" if scheme == "telnets" else "telnet"]
        uri = f"{scheme}://127.0.0.1:{port}{fragment}"
        self.start(script("vspc"), "simulate", "--proxy", uri, *options)
        self.server.out.expect(rb" warn vm-refused ")
        return self.codes("127.0.0.1")

    def test_a_wrong_word(self) -> None:
        self.assertEqual(self.refused("--service-uri", "conserver"), ["host", "service-uri"])

    def test_the_certificate_of_another_server(self) -> None:
        wrong = "#thumbprint=" + ":".join(["AB"] * 20)
        self.assertEqual(self.refused(scheme="telnets", fragment=wrong), ["host", "tls"])
        [finding] = [f for f in self.findings("127.0.0.1") if f["code"] == "tls"]
        self.assertIn("does not accept the server's certificate", finding["known"])

    def test_an_impostor(self) -> None:
        self.serve()
        self.simulate(vms=1)
        self.lie(f"{ELSEWHERE} as=web1")
        self.event("claimed-while-there", ELSEWHERE, FIRST)
        [found] = self.findings("web1")
        self.assertEqual(found["code"], "claimed")
        self.assertIn(ELSEWHERE, found["known"])
        said = self.ssh("doctor", "web1", operator="alice").out.decode()
        self.assertNotIn(ELSEWHERE, said)

    def test_a_vm_that_is_switched_off(self) -> None:
        self.serve()
        self.simulate(vms=1)
        self.tell("off web1")
        self.server.out.expect(rb"vm-lost console=web1")
        [found] = self.findings("web1")
        self.assertEqual(found["code"], "away")
        self.assertIn("switched off", found["means"])
