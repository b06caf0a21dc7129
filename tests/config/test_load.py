"""Configurations: what loads, what is refused, and that the example tells the truth."""

import base64
import re
from pathlib import Path

from attrs import fields
from twisted.trial.unittest import TestCase

from vspc.auth.methods import SETTINGS
from vspc.cli.check import summary
from vspc.config import Config, ConfigError, load, state_dir
from vspc.config.settings import (
    AccessRule,
    AuditSettings,
    CertificateMap,
    CertificateSettings,
    ConsoleSettings,
    LogPolicy,
    LogSettings,
    MetricsSettings,
    OperatorSettings,
    SinkSettings,
    SshSettings,
    TlsSettings,
    key_of,
)
from vspc.config.vm_settings import (
    DialSettings,
    PlainSettings,
    SocketSettings,
    VmSettings,
    ZoneSettings,
)

EXAMPLE = Path(__file__).parents[2] / "etc" / "vspc.toml"
REFERENCE = Path(__file__).parents[2] / "docs" / "configuration.md"

KIND = b"ssh-ed25519"
BLOB = len(KIND).to_bytes(4, "big") + KIND + (32).to_bytes(4, "big") + bytes(32)
KEY = f"ssh-ed25519 {base64.b64encode(BLOB).decode()} alice@laptop"


class ConfigTest(TestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def write(self, text: str, name: str = "vspc.toml") -> Path:
        path = self.directory / name
        path.write_text(text)
        return path

    def load(self, text: str) -> Config:
        return load(self.write(text), SETTINGS)

    def mistakes(self, text: str) -> dict[str, str]:
        with self.assertRaises(ConfigError) as caught:
            self.load(text)
        return {m.key: f"{m.problem}; {m.allowed}" for m in caught.exception.mistakes}


class Loading(ConfigTest):
    def test_an_empty_file_is_all_defaults(self) -> None:
        config = self.load("")
        self.assertEqual(config.vm, VmSettings())
        self.assertEqual(config.ssh, SshSettings())
        self.assertEqual(config.state_dir, self.directory.absolute() / "state")

    def test_units_and_relative_paths(self) -> None:
        self.write(KEY, "alice.pub")
        config = self.load(
            'state_dir = "here"\n[console]\nhistory = "128KiB"\nforget_after = "12h"\n'
            '[vm]\nallow = ["10.0.0.0/8", "::ffff:192.0.2.0/120"]\nprobe_timeout = 0.5\n'
            '[operators.alice]\nauthorized_keys_file = "alice.pub"\n'
        )
        self.assertEqual(config.state_dir.name, "here")
        self.assertEqual(config.console.history, 131072)
        self.assertEqual(config.console.forget_after, 43200)
        self.assertEqual([str(n) for n in config.vm.allow], ["10.0.0.0/8", "192.0.2.0/24"])
        self.assertEqual(config.operators["alice"].keys[0].blob, BLOB)

    def test_an_escape_key_and_a_pen_that_is_idle(self) -> None:
        config = self.load("")
        self.assertEqual((config.ssh.escape, config.console.pen_idle), (b"\x05", 900.0))
        config = self.load('[ssh]\nescape = "^]"\n[console]\npen_idle = 0\n')
        self.assertEqual((config.ssh.escape, config.console.pen_idle), (b"\x1d", 0.0))
        self.assertEqual(self.load('[ssh]\nescape = "none"\n').ssh.escape, b"")

    def test_plain_listeners_and_rules(self) -> None:
        config = self.load(
            '[[vm.plain]]\nname = "qemu"\nlisten = "tcp:1"\n'
            f'[operators.alice]\nauthorized_keys = ["{KEY}"]\ngroups = ["net"]\n'
            '[[access]]\noperators = ["@net"]\nconsoles = ["web*"]\nrights = ["read"]\n'
        )
        self.assertEqual(config.vm.plain, (PlainSettings("qemu", "tcp:1"),))  # type: ignore[arg-type]
        self.assertEqual(config.access[0].rights, ("read",))
        self.assertIn("operator alice: 1 key, groups net", summary(config))
        self.assertEqual(config.warnings, ())

    def test_zones(self) -> None:
        config = self.load(
            '[vm]\ntakeover = "hold"\n[[vm.zone]]\nname = "lab"\ntelnet = ["tcp:1"]\n'
            'allow = ["10.9.0.0/16"]\ntls = "offer"\nvmotion_peers = ["10.9.1.0/24"]\n'
            f'[operators.alice]\nauthorized_keys = ["{KEY}"]\n'
            '[[access]]\noperators = ["alice"]\nconsoles = ["lab/*"]\nrights = ["read"]\n'
        )
        own, lab = config.vm.zones
        self.assertEqual((own.name, own.takeover, own.telnet), ("default", "hold", ("tcp:13370",)))
        self.assertEqual((lab.name, lab.takeover, lab.telnets), ("lab", "probe", ()))
        self.assertIn("VMs of zone lab may connect from: 10.9.0.0/16", summary(config))
        self.assertEqual(config.warnings, ())

    def test_zones_are_warned_of(self) -> None:
        config = self.load(
            '[[vm.zone]]\nname = "lab"\ntakeover = "certificate"\n'
            '[[access]]\noperators = []\nconsoles = ["lap/*"]\nrights = []\n'
        )
        text = " ".join(config.warnings)
        for wanted in ("lab has no listener", "without client_ca", "unknown zone lap"):
            self.assertIn(wanted, text)

    def test_unintended_settings_are_warned_of(self) -> None:
        config = self.load(
            "[operators.alice]\n"
            '[[access]]\noperators = ["*"]\nconsoles = ["*"]\nrights = []\n'
            '[[access]]\noperators = ["alice"]\nconsoles = ["web*"]\nrights = ["read"]\n'
        )
        text = " ".join(config.warnings)
        self.assertIn("operators.alice: no authorized key", text)
        self.assertIn("access[0] (line 2): it matches all operators on all consoles", text)


class Refusing(ConfigTest):
    def test_every_mistake_is_named_in_one_run(self) -> None:
        found = self.mistakes(
            "state_dirr = 3\n[vm]\n"
            'telnet = "tcp:1"\ntelnets = ["tcp:99999", 7]\nallow = ["10.0.0.0/33"]\n'
            'probe_timeout = 99\ndial_allow = ["moxa"]\n[[vm.plain]]\nname = "x"\n'
            '[console]\nhistory = "63KiB"\n[ssh]\nmax_channels = "64"\nhost_keys = ["no"]\n'
            '[operators."al+ice"]\n[operators.bob]\nauthorized_keys = ["hello"]\n'
            'authorized_keys_file = "nope"\nroles = ["king"]\n'
            '[[access]]\noperators = ["carol", "@x"]\nconsoles = ["*"]\nrights = ["read"]\n'
            '[[access]]\noperators = ["*"]\nconsoles = ["*"]\nrights = ["rite"]\n'
            '[tls]\ncertificate = "x"\n'
        )
        self.assertEqual(
            set(found),
            {
                "state_dirr",
                "vm.telnet",
                "vm.telnets[0]",
                "vm.telnets[1]",
                "vm.allow[0]",
                "vm.probe_timeout",
                "vm.dial_allow[0]",
                "vm.plain[0].listen",
                "console.history",
                "ssh.max_channels",
                "ssh.host_keys[0]",
                "operators.al+ice",
                "operators.bob.authorized_keys[0]",
                "operators.bob.authorized_keys_file",
                "operators.bob.roles[0]",
                "access[0].operators[0]",
                "access[0].operators[1]",
                "access[1].rights[0]",
                "tls",
                "tls.certificate",
            },
        )
        self.assertIn("did you mean state_dir?", found["state_dirr"])
        self.assertIn("'moxa' is not a host with a port", found["vm.dial_allow[0]"])

    def test_nothing_is_coerced(self) -> None:
        for text in (
            "[ssh]\nmax_channels = true\n",
            "[ssh]\nmax_channels = 6.5\n",
            '[[vm.plain]]\nname = "x"\nlisten = "tcp:1"\ntelnet = "yes"\n',
            "[console]\nhistory = 65536\n",
            "state_dir = 7\n",
            "vm = 3\n",
            "[[vm]]\n",
            "operators = []\n",
            "access = 1\n",
        ):
            self.assertEqual(len(self.mistakes(text)), 1, text)

    def test_invalid_toml_and_a_missing_file(self) -> None:
        self.assertIn("line 1", self.mistakes("= =\n")[""])
        with self.assertRaises(ConfigError):
            load(self.directory / "nowhere.toml")
        path = self.directory / "latin.toml"
        path.write_bytes(b"# \xff\n")
        with self.assertRaisesRegex(ConfigError, "invalid UTF-8"):
            load(path)

    def test_keys_with_options_or_of_another_type_than_they_say(self) -> None:
        found = self.mistakes(
            f"[operators.a]\nauthorized_keys = ['hurry {KEY}', 'ssh-rsa {KEY.split()[1]}']\n"
        )
        self.assertIn("unknown option hurry", found["operators.a.authorized_keys[0]"])
        self.assertIn("of another type", found["operators.a.authorized_keys[1]"])

    def test_two_plain_listeners_of_one_name(self) -> None:
        plain = '[[vm.plain]]\nname = "x"\nlisten = "tcp:1"\n'
        self.assertIn("duplicate", self.mistakes(plain * 2)["vm.plain[1].name"])


class Example(ConfigTest):
    def test_it_loads_as_it_stands(self) -> None:
        load(EXAMPLE, SETTINGS)

    def test_its_commented_defaults_are_the_defaults(self) -> None:
        lines = EXAMPLE.read_text().splitlines()
        # Tables in comments are examples of what has no default.
        kept, example = [], False
        for line in lines:
            if re.fullmatch(r"\[\w+\]", line):
                example = False
            elif re.fullmatch(r"# \[.*\]", line):
                example = True
            if not example and re.match(r"# \w+ = ", line):
                line = line[2:]
            kept.append(line)
        text = "\n".join(kept)
        pair = "".join(f"{line}\n" for line in kept if "tls." in line and "=" in line)
        self.assertEqual(pair.count("\n"), 2)  # the pair of [tls] has no default: files to be named
        config = self.load(text.replace(pair.strip(), ""))
        plain = self.load("")
        for part in ("vm", "console", "tls", "ssh", "audit", "operators", "access"):
            self.assertEqual(getattr(config, part), getattr(plain, part), part)
        self.assertEqual(config.state_dir, plain.state_dir)

    def test_it_names_every_key(self) -> None:
        lines = EXAMPLE.read_text().splitlines()
        keys = {found[1] for line in lines if (found := re.match(r"#? *(\w+) = ", line))}
        tables = {found[1] for line in lines if (found := re.search(r"\[([\w.]+)\]", line))}
        there = keys | {word for table in tables for word in table.split(".")}
        wanted = (
            *(VmSettings, ZoneSettings, PlainSettings, ConsoleSettings, LogSettings, LogPolicy),
            *(SinkSettings, TlsSettings, SshSettings, CertificateSettings, CertificateMap),
            MetricsSettings,
            *(AuditSettings, OperatorSettings, AccessRule, SocketSettings, DialSettings),
        )
        for table in wanted:
            for key in fields(table):
                if not key.metadata.get("computed"):
                    self.assertIn(key_of(key.name), there, table.__name__)

    def test_the_documentation_names_every_key_of_it(self) -> None:
        keys = {found[1] for found in re.finditer(r"^#? *(\w+) = ", EXAMPLE.read_text(), re.M)}
        documented = set(
            re.findall(r"[\w.]+", (EXAMPLE.parents[1] / "docs" / REFERENCE).read_text())
        )
        named = {word.rpartition(".")[2] for word in documented}
        self.assertEqual(keys - named, set())


class StateDir(ConfigTest):
    """What an administrator at 3 a.m. needs of a file in which much is wrong."""

    def test_with_other_mistakes_in_the_file(self) -> None:
        for before, after in (
            ("", ""),
            ("", "[operators.bob]\nauthorized_keys_file = 'gone'\n[nonsense]\n"),
            ("", "[ssh\nlisten = ???"),
            ("# none\n", "[vm]\ntelnet = ['tcp:1'"),
        ):
            path = self.write(f"{before}state_dir = 'here'\n{after}", "vspc.toml")
            self.assertEqual(state_dir(path), path.absolute().parent / "here", after)

    def test_the_default_and_what_cannot_be_read(self) -> None:
        path = self.write("[vm]\n", "vspc.toml")
        self.assertEqual(state_dir(path), path.absolute().parent / "state")
        for text in ("state_dir = ", "state_dir = 1"):
            self.assertRaises(ConfigError, state_dir, self.write(text, "vspc.toml"))
        self.assertRaises(ConfigError, state_dir, path.parent / "none.toml")
