"""`vspc ports`: which connections a configuration has, and what firewalls are told of them."""

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.cli.test_cli import CliTest
from vspc.apps.verbs.limits import at_once
from vspc.cli.firewalls import esxcli, firewalld, nftables, rules_of
from vspc.cli.port_rows import PortRow, port_rows
from vspc.cli.ports import verification
from vspc.common.addresses import Network
from vspc.config import Config, VmSettings
from vspc.config.dial_allow import DialEntry
from vspc.config.dialling import Connect
from vspc.config.listening import ListeningAddress, listening
from vspc.config.settings import (
    AuditSettings,
    ConsoleSettings,
    LogSettings,
    SinkSettings,
    SshSettings,
)
from vspc.config.sockets import Interface, PortRange, SocketAddress
from vspc.config.values import Endpoint, Pattern, Target
from vspc.config.vm_settings import (
    DialSettings,
    PlainSettings,
    ServiceSocketSettings,
    SocketSettings,
    ZoneSettings,
)
from vspc.doors.programs.assignment import PortAssignments, assignments_file

HOSTS: tuple[Network, ...] = (ip_network("10.0.0.0/24"), ip_network("fd00::/8"))


def row(**changes: Any) -> PortRow:
    return evolve(PortRow("in", "tcp", "", 13370, "VMs, telnet", "vm.telnet[0]"), **changes)


class Endpoints(SynchronousTestCase):
    def test_each_kind(self) -> None:
        for text, wanted, remark in (
            ("tcp:13370", ListeningAddress("tcp", "", 13370), ""),
            ("tcp:22:interface=10.0.0.1:backlog=5", ListeningAddress("tcp", "10.0.0.1", 22), ""),
            (r"tcp6:22:interface=fd00\:\:1", ListeningAddress("tcp6", "fd00::1", 22), ""),
            (r"tcp6:22:interface=\:\:", ListeningAddress("tcp6", "", 22), ""),
            (r"unix:/run/a\:b:mode=660", ListeningAddress("unix", "/run/a:b"), "a unix socket"),
            ("systemd:domain=INET:index=0", ListeningAddress("systemd"), "systemd socket unit"),
            ("tcp:0", ListeningAddress("tcp"), "picks a free port"),
            ("tcp:1:interface=127.0.0.2", ListeningAddress("tcp", "127.0.0.2", 1), "loopback only"),
        ):
            found = listening(Endpoint(text))
            self.assertEqual(found, wanted)
            self.assertIn(remark, found.remark, text)
            self.assertEqual(bool(found.remark), bool(remark), text)


class Rows(SynchronousTestCase):
    def all(self, **changes: Any) -> list[PortRow]:
        return port_rows(evolve(Config(Path("/state")), **changes))

    def rows(self, **changes: Any) -> dict[str, PortRow]:
        return {row.key: row for row in self.all(**changes)}

    def test_hosts_and_balancers_may_connect_to_the_listeners_of_a_zone(self) -> None:
        balancers = (ip_network("10.9.0.1"),)
        lab = ZoneSettings("lab", telnets=(Endpoint("tcp:13372"),), allow=HOSTS)
        found = self.rows(vm=VmSettings(allow=HOSTS, proxy_protocol_from=balancers, zone=(lab,)))
        self.assertEqual(found["vm.telnet[0]"].peers, HOSTS + balancers)
        there = found["vm.zone[0].telnets[0]"]
        self.assertEqual((there.port, there.peers, there.check), (13372, HOSTS, "tls"))
        self.assertEqual(there.rule_set, "vSPC")
        self.assertEqual(there.purpose, "VMs of lab, telnets")

    def test_a_plain_listener_has_the_hosts_of_vm_unless_it_has_its_own(self) -> None:
        one = PlainSettings("q1", Endpoint("tcp:1"))
        two = PlainSettings("q2", Endpoint("tcp:2"), allow=HOSTS[:1])
        found = self.rows(vm=VmSettings(allow=HOSTS, plain=(one, two)))
        self.assertEqual(found["vm.plain[0].listen"].peers, HOSTS)
        self.assertEqual(found["vm.plain[1].listen"].peers, HOSTS[:1])
        self.assertEqual(found["vm.plain[1].listen"].rule_set, "remoteSerialPort")

    def test_what_only_this_machine_may_use_has_a_remark(self) -> None:
        self.assertEqual(self.rows()["vm.telnet[0]"].remark, "allow has loopback only")
        found = self.rows(vm=VmSettings(allow=()))
        self.assertEqual(found["vm.telnet[0]"].remark, "allow is empty")
        self.assertEqual(found["ssh.listen[0]"].remark, "")
        self.assertEqual(found["state_dir"].host, "/state/control")

    def test_targets_of_the_log_and_the_audit(self) -> None:
        sinks = (
            SinkSettings("a", "syslog", Target("tls:logs.example.com:6514")),
            SinkSettings("b", "text", Target("/var/log/consoles")),
            SinkSettings("c", "json", Target("unix:/run/c")),
            SinkSettings("d", "json", Target("tcp:[fd00::5]:99")),
        )
        audit = AuditSettings(syslog=Target("udp:10.0.0.5:514"))
        found = self.rows(log=LogSettings(sink=sinks), audit=audit)
        self.assertNotIn("log.sink[1].target", found)
        self.assertEqual(found["log.sink[0].target"].check, "tls")
        self.assertEqual(found["log.sink[2].target"].remark, "a unix socket")
        self.assertEqual(found["log.sink[3].target"].host, "fd00::5")
        there = found["audit.syslog"]
        self.assertEqual((there.protocol, there.host, there.port), ("udp", "10.0.0.5", 514))
        self.assertNotIn("audit.syslog", self.rows(audit=evolve(audit, enabled=False)))

    def test_sockets_for_programs(self) -> None:
        path = SocketAddress(path="/run/web01")
        found = self.rows(
            console=ConsoleSettings(
                listen=(
                    SocketSettings("raw", console="web01", listen=path),
                    SocketSettings("raw", console="db1", listen=SocketAddress("10.0.0.1", 4001)),
                    SocketSettings("telnet", consoles=Pattern("lab-*"), ports=PortRange(1, 64)),
                    SocketSettings(
                        "telnet",
                        consoles=Pattern("dev-*"),
                        ports=PortRange(101, 164),
                        interface=Interface("::"),
                        allow=HOSTS,
                        tls=True,
                    ),
                )
            )
        )
        rows = [found[f"console.listen[{index}]"] for index in range(4)]
        self.assertEqual([row.protocol for row in rows], ["unix", "tcp", "tcp", "tcp"])
        self.assertEqual([row.ports for row in rows], ["", "4001", "1-64", "101-164"])
        self.assertEqual(rows[1].remark, "allow has loopback only")
        self.assertEqual(rows[2].remark, "listens on loopback only")
        self.assertEqual(rows[2].pattern, "lab-*")
        self.assertEqual((rows[3].host, rows[3].peers, rows[3].check), ("", HOSTS, "tls"))
        rules = "\n".join(nftables(rows) + firewalld(rows))
        self.assertIn("ip saddr { 10.0.0.0/24 } tcp dport 101-164 accept", rules)
        self.assertIn('port port="101-164"', rules)

    def test_sockets_that_vms_ask_for(self) -> None:
        asked = ServiceSocketSettings(PortRange(2001, 2100), "lab", Interface("10.0.0.1"), HOSTS)
        vm = VmSettings(service_sockets="open", service_socket=asked)
        row = self.rows(vm=vm)["vm.service_socket.ports"]
        self.assertEqual((row.host, row.ports, row.peers), ("10.0.0.1", "2001-2100", HOSTS))
        ignored = evolve(vm, service_sockets="ignore")
        self.assertNotIn("vm.service_socket.ports", self.rows(vm=ignored))

    def test_consoles_that_are_dialled(self) -> None:
        tables = (
            DialSettings("moxa-{n}", Connect("tcp://10.0.0.9:{4000+n}"), 16),
            DialSettings("esx", Connect("telnets://esx1.example.com:2001")),
            DialSettings("vm", Connect("unix:/run/vm.sock")),
            DialSettings("here", Connect("rfc2217://127.0.0.1:3001")),
            DialSettings("rack-{n}", Connect("telnet://rack{n}:23"), 2),
        )
        rows = [row for row in self.all(dial=tables) if row.key.startswith("dial")]
        self.assertEqual(
            [(row.key, row.host, row.ports, row.rule_set, row.remark) for row in rows],
            [
                ("dial[0].connect", "10.0.0.9", "4001-4016", "", ""),
                ("dial[1].connect", "esx1.example.com", "2001", "remoteSerialPort", ""),
                ("dial[2].connect", "/run/vm.sock", "", "", "a unix socket"),
                ("dial[3].connect", "127.0.0.1", "3001", "", "on this machine"),
                ("dial[4].connect", "rack1", "23", "remoteSerialPort", ""),
                ("dial[4].connect", "rack2", "23", "remoteSerialPort", ""),
            ],
        )
        self.assertEqual(rows[0].purpose, "dials moxa-1 to moxa-16, tcp")
        self.assertIn("ip daddr 10.0.0.9 tcp dport 4001-4016", "\n".join(nftables(rows)))
        lines = "\n".join(esxcli(rows, "vspc.example.com"))
        self.assertIn("dial[1].connect (esx1.example.com 2001)", lines)
        self.assertNotIn("nc -z", lines)

    def test_remote_systems_that_vms_may_ask_for(self) -> None:
        allowed = ("moxa-*.example:4001-4016", "10.0.0.0/24:23", "127.0.0.1:22", "0.0.0.0/0:*")
        found = self.rows(vm=VmSettings(dial_allow=tuple(map(DialEntry.parse, allowed))))
        rows = [found[f"vm.dial_allow[{index}]"] for index in range(4)]
        self.assertEqual([row.ports for row in rows], ["4001-4016", "23", "22", "1-65535"])
        rules = "\n".join(nftables(rows))
        self.assertIn("vspc_out ip daddr 10.0.0.0/24 tcp dport 23 accept", rules)
        self.assertIn("moxa-*.example tcp 4001-4016: no address", rules)
        self.assertIn("127.0.0.1/32 tcp 22: on this machine", rules)
        here = VmSettings(dial_allow=(DialEntry.parse("localhost:9999"),))
        self.assertEqual(self.rows(vm=here)["vm.dial_allow[0]"].remark, "on this machine")

    def test_names_of_other_systems_need_name_servers(self) -> None:
        for target, needed in (
            ("tcp://moxa1.example.com:4001", True),
            ("tcp://10.0.0.9:4001", False),
            ("tcp://localhost:4001", False),
            ("unix:/run/vm.sock", False),
        ):
            found = self.rows(dial=(DialSettings("one", Connect(target)),))
            self.assertEqual("/etc/resolv.conf" in found, needed, target)
        vm = VmSettings(dial_allow=(DialEntry.parse("*.example.com:23"),))
        row = self.rows(vm=vm)["/etc/resolv.conf"]
        self.assertEqual((row.protocol, row.ports), ("udp", "53"))
        rules = nftables([row])
        self.assertTrue([line for line in rules if line.startswith("# /etc/resolv.conf")], rules)

    def test_how_to_see_that_a_port_answers(self) -> None:
        for changes, wanted in (
            ({"check": "nc"}, "nc -vz vspc 13370"),
            ({"check": "ssh"}, "ssh-keyscan -p 13370 vspc"),
            ({"check": "tls"}, "openssl s_client -connect vspc:13370 </dev/null"),
            ({"check": "tls", "host": "::1"}, "openssl s_client -connect [::1]:13370 </dev/null"),
            ({"check": "nc", "host": "0.0.0.0"}, "nc -vz vspc 13370"),
            ({"check": "nc", "port": 0}, ""),
            ({}, ""),
        ):
            self.assertEqual(verification(row(**changes), "vspc"), wanted)


class Firewalls(SynchronousTestCase):
    def test_nftables_have_a_rule_for_each_family(self) -> None:
        rules = [line for line in nftables([row(peers=HOSTS)]) if line.startswith("add rule")]
        beginning, end = "add rule inet filter vspc", 'accept comment "vm.telnet[0]"'
        self.assertEqual(
            rules,
            [
                f"{beginning} ip saddr {{ 10.0.0.0/24 }} tcp dport 13370 {end}",
                f"{beginning} ip6 saddr {{ fd00::/8 }} tcp dport 13370 {end}",
            ],
        )

    def test_networks_are_joined_and_every_address_is_no_network(self) -> None:
        halves = (ip_network("0.0.0.0/1"), ip_network("128.0.0.0/1"), ip_network("fd00::/8"))
        self.assertEqual(list(rules_of(row(peers=halves))), [(4, ()), (6, halves[2:])])
        self.assertIn("meta nfproto ipv4 tcp dport", "\n".join(nftables([row(peers=halves)])))
        self.assertEqual(list(rules_of(row(peers=halves, host="10.0.0.1"))), [(4, ())])

    def test_names_of_remote_systems_are_not_resolved(self) -> None:
        out = row(direction="out", host="logs.example.com", port=6514, key="audit.syslog")
        text = "\n".join(nftables([out, evolve(out, host="10.0.0.5")]))
        self.assertIn("# audit.syslog (VMs, telnet): logs.example.com tcp 6514: no address", text)
        self.assertIn("vspc_out ip daddr 10.0.0.5 tcp dport 6514 accept", text)
        self.assertEqual(firewalld([out]), ["firewall-cmd --reload"])

    def test_firewalld(self) -> None:
        lines = firewalld([row(), row(peers=HOSTS, host="10.0.0.1"), row(host="0.0.0.0")])
        self.assertEqual(lines[0], "firewall-cmd --permanent --add-port=13370/tcp")
        rich = 'rule family="ipv4" {}port port="13370" protocol="tcp" accept'
        ends = 'source address="10.0.0.0/24" destination address="10.0.0.1" '
        self.assertIn(f"'{rich.format(ends)}'", lines[1])
        self.assertIn(f"'{rich.format('')}'", lines[2])

    def test_esxcli_enables_the_rule_set_that_the_listeners_need(self) -> None:
        lines = esxcli([row(rule_set="vSPC", peers=HOSTS)], "vspc.example.com")
        self.assertIn("esxcli network firewall ruleset set --ruleset-id vSPC --enabled true", lines)
        self.assertEqual(lines[-1], "nc -z vspc.example.com 13370")
        self.assertNotIn("remoteSerialPort", "\n".join(lines))
        self.assertEqual(esxcli([row()], "x"), ["# no listener here is for VMs of ESXi hosts"])

    @given(st.lists(st.ip_addresses(), max_size=3), st.sampled_from(["", "10.0.0.1", "::2"]))
    def test_what_has_a_remark_is_a_comment_everywhere(
        self, found: list[object], host: str
    ) -> None:
        peers = tuple(ip_network(str(each)) for each in found)
        quiet = [row(peers=peers, host=host, remark="a remark", rule_set="vSPC")]
        for lines in (nftables(quiet), firewalld(quiet), esxcli(quiet, "x")):
            self.assertNotIn("13370 accept", "\n".join(lines))
            self.assertTrue(any(each.endswith("a remark") for each in lines))


class Printing(CliTest):
    def test_the_table_and_json(self) -> None:
        path = self.write('[vm]\nallow = ["10.0.0.0/24"]\n[ssh]\nlisten = ["tcp:22"]\n')
        words = ("ports", "--config", path, "--host", "vspc.example.com")
        status, out, err = self.run_main(*words)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("nc -vz vspc.example.com 13370", out)
        self.assertRegex(out, r"in +tcp 13371 +\* +10\.0\.0\.0/24 +VMs, telnets +vSPC +vm\.telnets")
        self.assertIn("vMotion needs no port of vspc", out)
        status, out, err = self.run_main(*words, "--json")
        facts = {each["key"]: each for each in json.loads(out)}
        self.assertEqual(facts["ssh.listen[0]"]["port"], 22)
        self.assertEqual(facts["vm.telnet[0]"]["peers"], ["10.0.0.0/24"])

    def test_consoles_keep_their_ports(self) -> None:
        (self.directory / "state").mkdir()
        assignments = PortAssignments()
        ports = PortRange(4101, 4164)
        assignments.assign("lab-*", ports, "lab-7", lambda _name: False)
        assignments_file(self.directory / "state", at_once).save(lambda: assignments.value)
        text = '[operators.lab]\n[[access]]\noperators = ["lab"]\nconsoles = ["*"]\n'
        text += 'rights = ["read"]\n[[console.listen]]\nconsoles = "lab-*"\nports = "4101-4164"\n'
        path = self.write(text + 'protocol = "raw"\noperator = "lab"\n')
        status, out, err = self.run_main("ports", "--config", path)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("console.listen[0]: consoles keep these ports:\n  4101  lab-7\n", out)
        facts = json.loads(self.run_main("ports", "--config", path, "--json")[1])
        [row] = [each for each in facts if each["key"] == "console.listen[0]"]
        self.assertEqual((row["last_port"], row["consoles"]), (4164, {"4101": "lab-7"}))

    def test_one_format_at_a_time(self) -> None:
        with self.assertRaises(SystemExit) as raised:
            self.run_main("ports", "--json", "--esxcli")
        self.assertEqual(raised.exception.code, 2)

    def test_listeners_by_default(self) -> None:
        self.assertEqual(SshSettings().listen, (Endpoint("tcp:2222"),))
        status, out, _ = self.run_main("ports", "--config", self.write(""), "--nftables")
        self.assertEqual(status, 0)
        self.assertIn("tcp dport 2222 accept", out)
