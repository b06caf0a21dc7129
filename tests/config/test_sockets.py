"""[[console.listen]]: addresses, ranges, and every mistake in it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.config.test_load import KEY, ConfigTest
from vspc.cli.check import summary
from vspc.common.globs import parse_pattern
from vspc.config.sockets import PortRange, SocketAddress, taken_by
from vspc.console.access import Subject, matches

PEOPLE = f"""
[operators.lab]
groups = ["labs"]
[operators.auditor]
authorized_keys = ["{KEY}"]
roles = ["audit"]
[[access]]
operators = ["lab"]
consoles = ["lab-secret*"]
rights = []
[[access]]
operators = ["@labs"]
consoles = ["lab-*", "web01"]
rights = ["read", "write"]
"""

ENTRY = '[[console.listen]]\nconsole = "{}"\nprotocol = "raw"\nlisten = "{}"\noperator = "lab"\n'


class Sockets(ConfigTest):
    def one(self, console: str = "web01", listen: str = "tcp:4001") -> str:
        return PEOPLE + ENTRY.format(console, listen)

    def test_a_console_and_a_range(self) -> None:
        config = self.load(
            self.one()
            + '[[console.listen]]\nconsoles = "lab-*"\nprotocol = "telnet"\nports = "4101-4103"\n'
            'interface = "10.0.0.1"\noperator = "lab"\nallow = ["10.0.0.0/24"]\ntls = true\n'
        )
        one, many = config.console.listen
        self.assertEqual((one.max, one.addresses), (8, (SocketAddress("127.0.0.1", 4001),)))
        self.assertEqual(str(one.addresses[0]), "tcp:127.0.0.1:4001")
        self.assertEqual(many.ports, PortRange(4101, 4103))
        self.assertEqual([str(a) for a in many.addresses[:1]], ["tcp:10.0.0.1:4101"])
        self.assertEqual(config.warnings, ())
        shown = summary(config)
        self.assertIn("raw for web01, as lab: tcp:127.0.0.1:4001", shown)
        self.assertIn("telnet over TLS for lab-*, as lab: 10.0.0.1 ports 4101-4103", shown)

    def test_unix_sockets(self) -> None:
        config = self.load(self.one(listen="unix:run/web01:mode=660:group=root"))
        [address] = config.console.listen[0].addresses
        self.assertEqual((address.mode, address.group), (0o660, "root"))
        self.assertEqual(address.path, str(self.directory.absolute() / "run/web01"))

    def test_addresses_that_are_none(self) -> None:
        for listen, wanted in (
            ("4001", 'write "tcp:4001"'),
            ("tcp:0", "ports are 1 to 65535"),
            ("tcp:70000", "ports are 1 to 65535"),
            ("tcp:4001:interface=here", "is not an address"),
            ("unix:x:mode=rw", "mode=660"),
            ("unix:x:group=nobody-at-all", "unknown group"),
            ("systemd:domain=INET:index=0", "expected"),
        ):
            self.assertIn(
                wanted, self.mistakes(self.one(listen=listen))["console.listen[0].listen"]
            )

    def test_ranges_that_are_none(self) -> None:
        for ports in ("4001", "4010-4001", "0-5", "1-65000", "4001-70000"):
            text = PEOPLE + (
                '[[console.listen]]\nconsoles = "lab-*"\nprotocol = "raw"\n'
                f'ports = "{ports}"\noperator = "lab"\n'
            )
            self.assertIn("is not a range", self.mistakes(text)["console.listen[0].ports"])

    def test_what_does_not_belong_together(self) -> None:
        table = '[[console.listen]]\nprotocol = "raw"\n'
        for more, key, wanted in (
            ('listen = "tcp:1"\noperator = "lab"\n', "", "no console named"),
            ('console = "web01"\nconsoles = "lab-*"\noperator = "lab"\n', "", "both"),
            ('console = "web01"\noperator = "lab"\n', "", "listen is missing"),
            ('consoles = "lab-*"\noperator = "lab"\n', "", "ports is missing"),
            ('console = "web01"\nlisten = "tcp:1"\n', "", "no operator named"),
            ('console = "web*"\nlisten = "tcp:1"\noperator = "lab"\n', ".console", "wildcard"),
            (
                'console = "web01"\nlisten = "tcp:1"\nports = "1-2"\noperator = "lab"\n',
                ".ports",
                "used with consoles only",
            ),
            (
                'consoles = "lab-*"\nports = "1-2"\nlisten = "tcp:1"\noperator = "lab"\n',
                ".listen",
                "used with console only",
            ),
        ):
            found = self.mistakes(PEOPLE + table + more)
            self.assertIn(wanted, found[f"console.listen[0]{key}"], more)

    def test_a_protocol_that_is_misspelt(self) -> None:
        found = self.mistakes(self.one().replace('"raw"', '"telnett"'))
        self.assertIn("telnet", found["console.listen[0].protocol"])

    def test_split_break_is_for_raw_sockets(self) -> None:
        text = self.one() + "split_break = true\n"
        self.assertTrue(self.load(text).console.listen[0].split_break)
        found = self.mistakes(text.replace('"raw"', '"telnet"'))
        self.assertIn("raw only", found["console.listen[0].split_break"])

    def test_authorities_without_tls(self) -> None:
        self.write("x", "ca.pem")
        text = self.one() + 'client_ca = "ca.pem"\n'
        self.assertIn("TLS only", self.mistakes(text)["console.listen[0].client_ca"])
        self.load(text.replace('operator = "lab"\n', "tls = true\n"))

    def test_tls_on_a_unix_socket(self) -> None:
        found = self.mistakes(self.one(listen="unix:x") + "tls = true\n")
        self.assertIn("TCP only", found["console.listen[0].tls"])

    def test_operators_that_are_none(self) -> None:
        for name in ("nobody", "@labs", "*"):
            found = self.mistakes(self.one().replace('operator = "lab"', f'operator = "{name}"'))
            self.assertIn("unknown operator", found["console.listen[0].operator"])

    def test_a_console_that_its_operator_may_not_read(self) -> None:
        for console in ("web02", "lab-secret1", "prod/web02"):
            found = self.mistakes(self.one(console))
            self.assertIn("may not read", found["console.listen[0].operator"], console)
        for console in ("web01", "lab-7", "web01:2", "uuid:" + "4" * 32, "default/web01"):
            self.load(self.one(console))
        self.load(self.one("web02").replace('operator = "lab"', 'operator = "auditor"'))

    def test_a_console_that_is_connected_to_its_own_socket(self) -> None:
        dial = '[[dial]]\nname = "web01"\nconnect = "{}"\n'
        one = self.one()
        for place in ("tcp://127.0.0.1:4001", "telnet://localhost:4001"):
            found = self.mistakes(one + dial.format(place))
            self.assertIn("to this socket of its own", found["console.listen[0].listen"], place)
        everywhere = one.replace("tcp:4001", "tcp:4001:interface=0.0.0.0")
        self.assertTrue(self.mistakes(everywhere + dial.format("tcp://127.0.0.1:4001")))
        path = one.replace("tcp:4001", "unix:/run/web01.sock")
        self.assertTrue(self.mistakes(path + dial.format("unix:/run/web01.sock")))
        for place in ("tcp://127.0.0.1:4002", "tcp://10.0.0.9:4001", "unix:/run/other.sock"):
            for listen in (one, everywhere, path):
                self.load(listen + dial.format(place))

    def test_ports_that_are_used_twice(self) -> None:
        ssh = '[ssh]\nlisten = ["tcp:4001"]\n'
        found = self.mistakes(self.one() + ssh)
        self.assertIn("used by ssh.listen", found["console.listen[0].listen"])
        elsewhere = '[ssh]\nlisten = ["tcp:4001:interface=10.0.0.1"]\n'
        self.load(self.one() + elsewhere)
        many = (
            '[[console.listen]]\nconsoles = "lab-*"\nprotocol = "raw"\n'
            'ports = "4000-4005"\noperator = "lab"\n'
        )
        found = self.mistakes(self.one() + many)
        self.assertIn("used by console.listen[0].listen", found["console.listen[1].ports"])
        plain = '[[vm.plain]]\nname = "x"\nlisten = "tcp:4001:interface=127.0.0.1"\n'
        found = self.mistakes(self.one() + plain)
        self.assertIn("[[vm.plain]] x", found["console.listen[0].listen"])

    def test_what_is_warned_of(self) -> None:
        text = self.one(listen="tcp:4001:interface=0.0.0.0")
        warnings = " ".join(self.load(text).warnings)
        self.assertIn("allow lets in none of them", warnings)
        self.assertIn("without TLS", warnings)

    def test_what_other_listeners_take(self) -> None:
        self.assertEqual(taken_by("tcp:0"), None)
        self.assertEqual(taken_by("systemd:domain=INET:index=0"), None)
        found = taken_by("tcp6:5:interface=\\:\\:1")
        self.assertEqual(found, SocketAddress("::1", 5))
        assert found is not None
        self.assertEqual(str(found), "tcp:[::1]:5")
        self.assertEqual(taken_by("unix:/x:mode=600"), SocketAddress("", 0, "/x"))


LETTERS = "ab*?[]/"
PATTERNS = st.text(st.sampled_from(LETTERS), min_size=1, max_size=6) | st.sampled_from(
    ["*", "a*", "*/a", "uuid:*", "uuid:" + "0" * 32, "uuid:0*"]
)
SUBJECTS = st.builds(
    Subject,
    st.text(st.sampled_from("ab"), max_size=4),
    st.sampled_from(["default", "a", "b"]),
    st.one_of(st.none(), st.just("0" * 32), st.just("1" * 32)),
)


class Meeting(ConfigTest):
    @settings(deadline=None)
    @given(PATTERNS, PATTERNS, SUBJECTS)
    def test_patterns_that_both_match_may_meet(self, one: str, two: str, about: Subject) -> None:
        if matches(one, about) and matches(two, about):
            self.assertTrue(parse_pattern(one).may_meet(parse_pattern(two)))

    def test_patterns_that_cannot(self) -> None:
        for one, two in (("web*", "lab*"), ("web1", "web2"), ("a/*", "b/*"), ("web1", "lab*")):
            self.assertFalse(parse_pattern(one).may_meet(parse_pattern(two)), (one, two))
