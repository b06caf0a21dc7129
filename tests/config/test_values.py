"""Values of a configuration: sizes, times, endpoints, networks, keys; and their relations."""

import base64
import unicodedata
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import BLOB, KEY, ConfigTest
from vspc.common.values import InvalidLines, InvalidValue, written_duration, written_size
from vspc.config import ConfigError, load, values
from vspc.config.credentials import KEY_TYPES, authorized_key, keys_file
from vspc.config.rules import pattern

HERE = Path("/etc/vspc")

ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=30),
        st.sampled_from(
            ["tcp:1", "unix:x", "1KiB", "7d", "::1/128", KEY, "uuid:*", "*", "@", "\0", "a" * 300]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=3,
)


def one_line(text: str) -> bool:
    """Whether nothing in it moves a cursor; spaces of other scripts do not."""
    return all(c.isprintable() or unicodedata.category(c) == "Zs" for c in text)


def line_of(*parts: bytes) -> str:
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"{parts[0].decode()} {base64.b64encode(blob).decode()} somebody"


class UnitTests(SynchronousTestCase):
    def test_sizes_are_written_as_they_are_read(self) -> None:
        for text in ("1B", "4KiB", "63KiB", "256MiB", "20GiB"):
            self.assertEqual(text, written_size(values.size(text)))
        self.assertEqual(1536, values.size("1536 B"))

    def test_times_are_written_as_they_are_read(self) -> None:
        for text in ("1s", "90s", "10m", "12h", "7d"):
            self.assertEqual(text, written_duration(values.duration(text)))
        self.assertEqual("0.5s", written_duration(values.duration(0.5)))

    def test_a_number_too_large_for_a_time(self) -> None:
        self.assertRaises(InvalidValue, values.duration, 10**400)

    def test_digits_of_other_scripts_are_refused(self) -> None:
        for read in (values.size, values.duration):
            self.assertRaises(InvalidValue, read, "\u0663s")
            self.assertRaises(InvalidValue, read, "\u0663KiB")

    def test_the_path_of_a_unix_socket_is_relative_to_the_file(self) -> None:
        for given_text, meant in (
            ("unix:door", "unix:/etc/vspc/door"),
            ("unix:/run/door:mode=660", "unix:/run/door:mode=660"),
            ("tcp:1:interface=::1".replace("::", "\\:\\:"), "tcp:1:interface=\\:\\:1"),
        ):
            self.assertEqual(meant, values.endpoint(given_text, HERE))
        self.assertEqual("unix:/a\\:b/door", values.endpoint("unix:door", Path("/a:b")))

    def test_invalid_endpoints(self) -> None:
        for text in ("", "2222", "tcp:", "tcp:65536", "tcp:ssh", "ssl:443", "unix:", "tcp:1:x=2"):
            self.assertRaises(InvalidValue, values.endpoint, text, HERE)

    def test_a_network_with_bits_behind_the_slash(self) -> None:
        with self.assertRaises(InvalidValue) as caught:
            values.network("10.0.0.1/8")
        self.assertIn("host bits are set", caught.exception.problem)

    def test_patterns_of_uuids(self) -> None:
        for text in ("uuid:4213*", "uuid:" + "4213ABCD" * 4, "uuid:????-*", "web*", "default/*"):
            self.assertEqual(text, pattern(text))
        for text in ("uuid:4213", "uuid:", "uuid:xyz*", ""):
            self.assertRaises(InvalidValue, pattern, text)

    @settings(deadline=None, max_examples=60)
    @given(ANYTHING)
    def test_any_value_is_read_or_refused(self, value: object) -> None:
        for read in (
            values.size,
            values.duration,
            values.network,
            pattern,
            authorized_key,
            lambda v: values.endpoint(v, HERE),
            lambda v: values.place(v, HERE),
        ):
            try:
                read(value)
            except InvalidValue as wrong:
                self.assertTrue(wrong.problem)
                self.assertTrue(wrong.allowed)
                self.assertTrue(wrong.problem.isprintable())


class KeyTests(SynchronousTestCase):
    def wrong(self, line: object) -> str:
        with self.assertRaises(InvalidValue) as caught:
            authorized_key(line)
        return f"{caught.exception.problem}; {caught.exception.allowed}"

    def test_every_type_of_key(self) -> None:
        modulus = b"\0\x80" + bytes(255)
        for kind, rest in (
            (b"ssh-ed25519", (bytes(32),)),
            (b"ecdsa-sha2-nistp256", (b"nistp256", bytes(65))),
            (b"ecdsa-sha2-nistp384", (b"nistp384", bytes(97))),
            (b"ecdsa-sha2-nistp521", (b"nistp521", bytes(133))),
            (b"ssh-rsa", (b"\1\0\1", modulus)),
            (b"sk-ssh-ed25519@openssh.com", (bytes(32), b"ssh:")),
            (b"sk-ecdsa-sha2-nistp256@openssh.com", (b"nistp256", bytes(65), b"ssh:")),
        ):
            key = authorized_key(line_of(kind, *rest))
            self.assertEqual((kind.decode(), "somebody"), (key.kind, key.comment))
            self.assertIn(key.kind, KEY_TYPES)

    def test_keys_cut_short_anywhere(self) -> None:
        for length in range(len(BLOB)):
            cut = base64.b64encode(BLOB[:length]).decode()
            self.wrong(f"ssh-ed25519 {cut}")

    def test_an_rsa_key_that_could_not_log_in(self) -> None:
        short = line_of(b"ssh-rsa", b"\1\0\1", b"\0\x80" + bytes(127))
        self.assertIn("2048 bits", self.wrong(short))

    def test_letters_that_are_not_base64(self) -> None:
        for word in ("", "AAAA?", "\xe9\xe9\xe9\xe9", "AAA"):
            self.assertIn("incomplete or damaged key", self.wrong(f"ssh-ed25519 {word}"))

    def test_a_private_key_is_never_repeated(self) -> None:
        secret = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ"
        pem = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{secret}\n"
        self.assertIn("private key", self.wrong(pem))
        self.assertNotIn(secret, self.wrong(secret))
        path = Path(self.mktemp())
        path.write_text(pem)
        with self.assertRaises(InvalidValue) as caught:
            keys_file(path)
        self.assertNotIn(secret, str(caught.exception) + caught.exception.allowed)
        self.assertIn(".pub", caught.exception.allowed)

    def test_a_file_with_several_wrong_lines(self) -> None:
        path = Path(self.mktemp())
        path.write_bytes(b"# mine\n\n" + KEY.encode() + b"\r\nhello\n \x1b[2J\n  # more\n")
        with self.assertRaises(InvalidLines) as caught:
            keys_file(path)
        lines = [wrong.problem.split(": ")[0][-6:] for wrong in caught.exception.wrongs]
        self.assertEqual(["line 4", "line 5"], lines)

    def test_a_directory_and_a_file_over_the_limit(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        self.assertRaises(InvalidValue, keys_file, directory)
        path = directory / "long"
        path.write_bytes(b"#" * (1 << 21))
        self.assertRaises(InvalidValue, keys_file, path)


class RelationTests(ConfigTest):
    def test_every_range_of_one_table_is_named(self) -> None:
        found = self.mistakes(
            "[vm]\nprobe_timeout = 0\nidentify_timeout = nan\nvmotion_timeout = inf\n"
            '[console]\nhistory = "2MiB"\nhistory_total = "1KiB"\nforget_after = "1s"\n'
        )
        self.assertEqual(6, len(found))
        self.assertEqual("0s is out of range; 0.1s to 1m is allowed", found["vm.probe_timeout"])
        self.assertIn("1MiB", found["console.history"])

    def test_one_mistake_of_an_operator_makes_no_others_of_the_rules(self) -> None:
        found = self.mistakes(
            '[operators.alice]\ngroups = ["net"]\nauthorized_keys = ["no"]\n'
            '[[access]]\noperators = ["alice", "@net"]\nconsoles = ["*"]\nrights = []\n'
        )
        self.assertEqual(["operators.alice.authorized_keys[0]"], list(found))

    def test_a_rule_with_two_mistakes(self) -> None:
        found = self.mistakes(
            "[operators.alice]\n"
            '[[access]]\noperators = ["alicf"]\nconsoles = [""]\nrights = ["rite"]\n'
        )
        self.assertEqual(3, len(found))
        self.assertIn("did you mean alice?", found["access[0].operators[0]"])

    def test_invalid_zones(self) -> None:
        zone = '[[vm.zone]]\nname = "{}"\ntelnet = ["tcp:{}"]\n'
        for name in ("default", "a/b", "", "x y"):
            self.assertIn(
                "invalid zone name", self.mistakes(zone.format(name, 1))["vm.zone[0].name"]
            )
        twice = self.mistakes(zone.format("lab", 1) + zone.format("lab", 1))
        self.assertEqual(["vm.zone[1].name", "vm.zone[1].telnet[0]"], sorted(twice))
        odd = self.mistakes('[[vm.zone]]\nname = "x"\ntakeover = "yes"\n')
        self.assertIn("same-host", odd["vm.zone[0].takeover"])

    def test_two_listeners_on_one_endpoint(self) -> None:
        found = self.mistakes('[vm]\ntelnet = ["tcp:1"]\n[ssh]\nlisten = ["tcp:1"]\n')
        self.assertIn("vm.telnet[0]", found["ssh.listen[0]"])
        any_free = '"tcp:0:interface=127.0.0.1"'
        self.load(f"[vm]\ntelnet = [{any_free}]\n[ssh]\nlisten = [{any_free}]\n")

    def test_a_listener_on_the_default_endpoint_of_another(self) -> None:
        self.assertIn("ssh.listen[0]", self.mistakes('[vm]\ntelnet = ["tcp:2222"]\n'))

    def test_how_a_break_is_sent(self) -> None:
        self.assertEqual(self.load('[vm]\nbreak = "comport"\n').vm.break_, "comport")
        self.assertIn("allowed: brk", self.mistakes('[vm]\nbreak = "long"\n')["vm.break"])
        self.assertIn("did you mean break?", self.mistakes("[vm]\nbrake = 1\n")["vm.brake"])
        self.assertIn("unknown key", self.mistakes("[vm]\nbreak_ = 1\n")["vm.break_"])
        self.assertIn("vm.com_port", self.mistakes("[vm]\ncom_port = 1\n"))

    def test_a_key_of_another_table(self) -> None:
        self.assertIn("unknown key", self.mistakes("[vm]\nlisten = 1\n")["vm.listen"])

    def test_sockets_that_vms_ask_for(self) -> None:
        found = self.mistakes('[vm]\nservice_sockets = "open"\n')
        self.assertIn("set ports", found["vm.service_sockets"])
        text = '[vm.service_socket]\nports = "2200-2299"\noperator = "nobody"\n'
        found = self.mistakes(text)
        self.assertIn("unknown operator 'nobody'", found["vm.service_socket.operator"])
        self.assertIn("is used by ssh.listen", found["vm.service_socket.ports"])
        found = self.mistakes('[vm]\nservice_sockets = "yes"\n')
        self.assertIn("allowed: ignore, open", found["vm.service_sockets"])

    def test_tables_written_as_lists_and_lists_as_tables(self) -> None:
        self.assertIn("[[...]]", self.mistakes("[access]\n")["access"])
        self.assertIn("[operators.NAME]", self.mistakes("[[operators]]\n")["operators"])

    def test_invalid_paths(self) -> None:
        for text in ('state_dir = ""\n', 'state_dir = "a\\u0000b"\n'):
            self.assertIn("state_dir", self.mistakes(text))

    def test_an_unprintable_key(self) -> None:
        [key] = self.mistakes('"\\u001b[31m" = 1\n')
        self.assertTrue(key.isprintable())

    def test_unreachable_listeners_are_warned_of(self) -> None:
        config = self.load(
            "[vm]\ntelnet = []\ntelnets = []\nallow = []\n[ssh]\nlisten = []\n"
            f'[operators.a]\nauthorized_keys = ["{KEY}"]\n'
            '[[access]]\noperators = []\nconsoles = ["prod/*"]\nrights = []\n'
        )
        self.assertEqual(
            ["vm", "vm.allow", "ssh.listen", "access[0]", "access[0].consoles[0]"],
            [warning.split(": ")[0].removesuffix(" (line 9)") for warning in config.warnings],
        )

    def test_a_file_that_python_would_choke_on(self) -> None:
        for text in ("a = " + "[" * 5000, "a = " + "9" * 5000):
            self.assertEqual([""], list(self.mistakes(text)))

    @settings(deadline=None, max_examples=50)
    @given(st.data())
    def test_any_tables_load_or_every_mistake_has_a_key(self, data: st.DataObject) -> None:
        keys = {
            "vm": ["telnet", "telnets", "service_uris", "allow", "probe_timeout", "plain"],
            "console": ["history", "forget_after", "listen"],
            "tls": ["certificate", "private_key"],
            "ssh": ["listen", "host_keys", "max_channels", "certificates", "auth_command"],
            "operators": ["alice", "b ob"],
            "audit": ["file", "syslog", "on_failure", "facility"],
        }
        rule = ["operators", "consoles", "consoles_file", "rights", "history", "require_reason"]
        lists = {
            "access": rule,
            "dial": ["name", "connect", "count", "stop", "thumbprint", "flow"],
            "ssh.certificates.map": ["principals", "operator", "groups"],
        }
        text = ""
        for table, names in keys.items():
            value = data.draw(
                st.one_of(
                    ANYTHING,
                    st.dictionaries(st.sampled_from([*names, "x"]), ANYTHING, max_size=4),
                )
            )
            text += f"{table} = {toml(value)}\n"
        for table, names in lists.items():
            each = st.dictionaries(st.sampled_from([*names, "x"]), ANYTHING, max_size=4)
            if table in ("access", "dial") or "ssh = {}" in text:
                text = text.replace("ssh = {}\n", "")
                value = data.draw(st.one_of(ANYTHING, st.lists(each, max_size=3)))
                text += f"{table} = {toml(value)}\n"
        try:
            load(self.write(text))
        except ConfigError as error:
            for mistake in error.mistakes:
                self.assertNotEqual("", mistake.key, text)
                self.assertTrue(one_line(str(mistake)), text)


def toml(value: object) -> str:
    """`value` in one line of TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case str():
            return '"' + "".join(f"\\U{ord(c):08x}" for c in value) + '"'
        case None:
            return "1979-05-27"
        case _:
            return str(value)


class LogTests(ConfigTest):
    """[log]."""

    def test_sizes_and_floors(self) -> None:
        config = self.load('[log]\nmax_console = "1MiB"\nfree_floor = "7.5%"\nkeep = "30d"\n')
        self.assertEqual(config.log.free_floor.of(1000), 75)
        self.assertEqual(self.load("").log.free_floor.of(1 << 40), (1 << 40) // 20)
        self.assertEqual(self.load("").log.free_floor.of(1 << 20), 1 << 30)
        found = self.mistakes('[log]\nfree_floor = "much"\nmax_total = "1KiB"\nfsync = "now"\n')
        self.assertEqual(set(found), {"log.free_floor", "log.max_total", "log.fsync"})

    def test_expressions(self) -> None:
        self.assertIn("log.boot_patterns[0]", self.mistakes('[log]\nboot_patterns = ["("]\n'))

    def test_sinks(self) -> None:
        sink = '[[log.sink]]\nname = "{}"\nkind = "{}"\ntarget = "{}"\n'
        for kind, target in (
            ("text", "text"),
            ("json", "unix:x.sock"),
            ("json", "tcp:host:1"),
            ("syslog", "tls:host:6514"),
        ):
            self.load(sink.format("one", kind, target))
        for kind, target in (
            ("text", "tcp:host:1"),
            ("syslog", "file"),
            ("json", "tcp:host"),
            ("json", "udp:host:1"),
            ("syslog", "udp:host:1"),
            ("json", "tls:host:99999"),
            ("text", "state/text"),
        ):
            found = self.mistakes(sink.format("one", kind, target))
            self.assertIn("log.sink[0].target", found, (kind, target))
        twice = sink.format("one", "text", "a") + sink.format("one", "text", "b")
        self.assertIn("log.sink[1].name", self.mistakes(twice))
        self.assertIn("log.sink[0].target", self.mistakes('[[log.sink]]\nname="a"\nkind="text"\n'))
