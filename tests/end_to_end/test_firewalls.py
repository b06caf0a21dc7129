"""Rules of `vspc ports`, taken by the firewall that they are for."""

from tests.end_to_end.processes import ProcessTestCase, script
from tests.programs import require

_CONFIG = """\
[vm]
telnet = ["tcp:13370", "tcp:13390:interface=127.0.0.1", "systemd:domain=INET:index=0"]
telnets = ["tcp:13371:interface=10.0.0.1", "unix:vms.sock"]
allow = ["10.0.0.0/24", "10.0.1.0/24", "fd00::/8", "192.168.0.1"]
dial_allow = ["moxa-*.example:23", "10.0.5.0/24:4001-4016", "0.0.0.0/0:22"]
proxy_protocol_from = ["10.0.0.7"]
[[vm.zone]]
name = "all"
telnet = ["tcp6:13373:interface=fd00\\\\:\\\\:1"]
allow = ["::/0", "0.0.0.0/1", "128.0.0.0/1"]
[[vm.plain]]
name = "x'; \\"y\\" #"
listen = "tcp:13380"
allow = ["0.0.0.0/0"]
[operators.lab]
[[access]]
operators = ["lab"]
consoles = ["*"]
rights = ["read"]
[[console.listen]]
consoles = "lab-*"
ports = "4101-4164"
interface = "::"
protocol = "telnet"
operator = "lab"
allow = ["10.0.0.0/24"]
[[dial]]
name = "rack-{n}"
connect = "tcp://10.0.0.9:{4000+n}"
count = 16
[ssh]
listen = ["tcp:2222", "tcp:2223:interface=0.0.0.0"]
[audit]
syslog = "tls:syslog.example.com:6514"
[[log.sink]]
name = "s"
kind = "syslog"
target = "tcp:10.7.7.7:514"
"""


class Nftables(ProcessTestCase):
    def test_the_rules_load_and_load_again(self) -> None:
        nft, unshare = require("nft", "unshare")
        (self.directory / "vspc.toml").write_text(_CONFIG)
        path = self.directory / "vspc.toml"
        done = self.complete(script("vspc"), "ports", "--nftables", "--config", path)
        self.assertEqual(done.status, 0, done.err)
        rules = self.directory / "rules.nft"
        rules.write_bytes(done.out)
        inside = (unshare, "--net", "--map-root-user")
        done = self.complete(*inside, nft, "-c", "-f", rules)
        self.assertEqual((done.status, done.err), (0, b""))
        twice = f"{nft} -f {rules} && {nft} -f {rules} && {nft} list ruleset"
        done = self.complete(*inside, "sh", "-c", twice)
        self.assertEqual((done.status, done.err), (0, b""))
        self.assertEqual(done.out.count(b"tcp dport 2222 accept"), 1)
        for rule in (
            b"ip daddr 10.7.7.7 tcp dport 514 accept",
            b"ip daddr 10.0.0.9 tcp dport 4001-4016 accept",
            b"ip daddr 10.0.5.0/24 tcp dport 4001-4016 accept",
            b"ip saddr 10.0.0.0/24 tcp dport 4101-4164 accept",
        ):
            self.assertIn(rule, done.out)
