"""etc/vsphere/serial_ports.py, with the real pyVmomi over a vCenter in memory."""

import io
import runpy
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from twisted.trial.unittest import SynchronousTestCase

from tests.documents import TREE
from tests.programs import missing

if TYPE_CHECKING:
    pass

SCRIPT = TREE / "etc" / "vsphere" / "serial_ports.py"

PROXY = "telnets://vspc.example.com:13371#thumbprint=AB:CD"


class SerialPorts(SynchronousTestCase):
    def setUp(self) -> None:
        if find_spec("pyVmomi") is None:
            missing("pyVmomi", "make test installs it")
        from tests.vcenter import FakeVCenter, network_port

        self.port: Callable[..., Any] = network_port
        self.vcenter: FakeVCenter = FakeVCenter()
        self.script = runpy.run_path(str(SCRIPT))
        self.password = self.mktemp()
        with open(self.password, "w", encoding="utf-8") as file:
            file.write("secret\n")

    def run_script(self, *words: str) -> tuple[int, str, str]:
        """The exit status, standard output and standard error."""
        scope = self.script["main"].__globals__
        scope["SmartConnect"] = lambda **_options: self.vcenter.service()
        scope["Disconnect"] = lambda _service: None
        options = ("--vcenter", "vc", "--user", "u", "--password-file", self.password)
        self.patch(sys, "argv", ["serial_ports.py", *options, *words])
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = self.script["main"]()
        return status, out.getvalue(), err.getvalue()

    def uris(self, name: str) -> list[tuple[str, str, str]]:
        backings = [each.backing for each in self.vcenter.devices(name)]
        return [(each.direction, each.serviceURI, each.proxyURI) for each in backings]

    def test_a_dry_run_changes_nothing(self) -> None:
        self.vcenter.add_vm("web1")
        self.vcenter.add_host("esx1", vSPC=False)
        status, out, err = self.run_script("set", "web*", "--proxy-uri", PROXY)
        self.assertEqual((status, err), (0, ""))
        self.assertIn(f"web1: add: serial port: server, vspc, {PROXY}\n", out)
        self.assertIn("dry run: nothing was changed", out)
        self.assertEqual(self.run_script("rule-set", "prod")[0], 0)
        self.assertEqual(set(self.vcenter.calls) & {"ReconfigVM_Task", "EnableRuleset"}, set())
        self.assertEqual(self.uris("web1"), [])

    def test_ports_are_added_and_changed(self) -> None:
        self.vcenter.add_vm("web1")
        self.vcenter.add_vm("web2", self.port(9000, "vSPC.py", "telnet://old:13370"))
        self.vcenter.add_vm("web3", self.port(9000, "telnet://:2001", None))
        self.vcenter.add_vm("db1")
        status, out, _ = self.run_script("set", "web*", "--proxy-uri", PROXY, "--apply")
        self.assertEqual(status, 0)
        for name in ("web1", "web2", "web3"):
            self.assertEqual(self.uris(name), [("server", "vspc", PROXY)])
        self.assertEqual(self.uris("db1"), [])
        self.assertIn("change Serial port 1 from vSPC.py, telnet://old:13370", out)
        again = self.run_script("set", "web*", "--proxy-uri", PROXY, "--apply")[1]
        self.assertEqual(again, "web1: unchanged\nweb2: unchanged\nweb3: unchanged\n")

    def test_one_of_several_ports(self) -> None:
        two = self.port(9000, "a", PROXY), self.port(9001, "b", PROXY)
        self.vcenter.add_vm("web1", *two)
        words = ("set", "web1", "--proxy-uri", PROXY, "--service-uri", "vspc?port=ttyS1")
        self.assertEqual(self.run_script(*words, "--label", "Serial port 2", "--apply")[0], 0)
        self.assertEqual([uri[1] for uri in self.uris("web1")], ["a", "vspc?port=ttyS1"])
        status, _, err = self.run_script(*words, "--label", "Serial port 7", "--apply")
        self.assertEqual((status, err), (1, "web1: has no network serial port 'Serial port 7'\n"))
        self.assertEqual(self.run_script(*words, "--new", "--apply")[0], 0)
        self.assertEqual(len(self.uris("web1")), 3)

    def test_a_vm_that_is_on_is_left_alone_and_the_others_are_done(self) -> None:
        self.vcenter.add_vm("web1", power="poweredOn")
        self.vcenter.add_vm("web2")
        words = ("set", "web*", "--proxy-uri", PROXY, "--apply")
        status, _, err = self.run_script(*words)
        self.assertEqual(status, 1)
        self.assertIn("web1: is powered on", err)
        self.assertEqual(len(self.uris("web2")), 1)
        status, _, err = self.run_script(*words, "--running")
        self.assertEqual((status, err), (1, "web1: not allowed in the current state\n"))

    def test_rule_sets_of_a_cluster(self) -> None:
        self.vcenter.add_host("esx1", vSPC=False, remoteSerialPort=False)
        self.vcenter.add_host("esx2", vSPC=True)
        self.vcenter.add_host("esx3")
        status, out, err = self.run_script("rule-set", "prod", "--apply")
        self.assertEqual((status, err), (1, "esx3: has no rule set vSPC\n"))
        self.assertEqual(out, "esx1: vSPC is off: enable\nesx2: vSPC is on\n")
        sets = [host["sets"] for host in self.vcenter.hosts.values()]
        self.assertEqual(sets, [{"vSPC": True, "remoteSerialPort": False}, {"vSPC": True}, {}])
        self.assertEqual(self.run_script("rule-set", "lab")[0], 1)

    def test_ports_are_listed(self) -> None:
        self.vcenter.add_vm("web2", self.port(9000, "telnet://h:1", None, "client"))
        self.vcenter.add_vm("web1")
        out = self.run_script("list", "*")[1]
        wanted = "web1: no network serial port\n"
        wanted += "web2: Serial port 1: client, telnet://h:1, no concentrator\n"
        self.assertEqual(out, wanted)

    def test_a_proxy_uri_that_vsphere_would_not_take(self) -> None:
        for uri in ("vspc.example.com:13371", "telnets://vspc", "ssh://h:22"):
            with self.assertRaises(SystemExit) as raised:
                self.run_script("set", "web1", "--proxy-uri", uri)
            self.assertEqual(raised.exception.code, 2)
