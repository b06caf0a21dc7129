"""`vspc init`: what it writes, to whom it belongs, what it asks, and what it refuses."""

import os
import pwd
import stat

from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.test_cli import CliTest
from tests.config.test_load import KEY
from vspc.cli.setup.first_config import FirstConfig, keys, likely_operator, networks
from vspc.cli.setup.ownership import account
from vspc.common.text import safe
from vspc.common.values import InvalidValue
from vspc.config import load
from vspc.net.certificates import alternative_names
from vspc.server.config_files import load_with_files

NAMED = ("--network", "10.0.0.0/24", "--key", KEY, "--operator", "alice", "--host", "vspc.example")

NAMES = st.from_regex(r"[A-Za-z0-9._][\w.@-]{0,8}", fullmatch=True)


class Init(CliTest):
    def init(self, *words: object) -> tuple[int, str, str]:
        return self.run_main("init", self.directory / "made", *words)

    def test_twelve_lines_that_the_loader_takes_and_all_that_a_start_needs(self) -> None:
        status, out, err = self.init(*NAMED)
        self.assertEqual((status, err), (0, ""))
        path = self.directory / "made" / "vspc.toml"
        self.assertEqual(len(path.read_text().splitlines()), 12)
        config = load_with_files(path)
        self.assertEqual([str(network) for network in config.vm.allow], ["10.0.0.0/24"])
        self.assertEqual(config.operators["alice"].roles, ("admin",))
        self.assertIn("admin", config.access[0].rights)
        state = self.directory / "made" / "state"
        for name in ("ssh_host_ed25519_key", "tls.key", "tls.pem"):
            self.assertEqual(stat.S_IMODE((state / name).stat().st_mode), 0o600, name)
        self.assertEqual(stat.S_IMODE(state.stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
        certificate = x509.load_pem_x509_certificate((state / "tls.pem").read_bytes())
        self.assertEqual(alternative_names(certificate)[0], "vspc.example")
        self.assertIn(f"vspc run --config {path}", out)
        self.assertIn("ssh -p 2222 -t alice@vspc.example", out)
        self.assertIn("telnets://vspc.example:13371#thumbprint=", out)

    def test_the_user_of_the_server_is_named_and_root_is_a_warning(self) -> None:
        _, out, _ = self.init(*NAMED)
        me = pwd.getpwuid(os.geteuid()).pw_name
        root = "warning: the user of the server is root: "
        self.assertIn(f"user of the server: {me}\n" if os.geteuid() else root, out)

    def test_what_is_there_is_not_replaced(self) -> None:
        self.init(*NAMED)
        key = self.directory / "made" / "state" / "ssh_host_ed25519_key"
        before = key.read_bytes()
        status, out, err = self.init(*NAMED)
        self.assertEqual((status, out), (1, ""))
        self.assertIn("is there, and is not replaced", err)
        (self.directory / "made" / "vspc.toml").unlink()
        self.assertEqual(self.init(*NAMED)[0], 0)
        self.assertEqual(key.read_bytes(), before)

    def test_a_link_in_the_place_of_the_file_is_not_followed(self) -> None:
        (self.directory / "made").mkdir()
        (self.directory / "made" / "vspc.toml").symlink_to(self.directory / "elsewhere")
        self.assertEqual(self.init(*NAMED)[0], 1)
        self.assertFalse((self.directory / "elsewhere").exists())

    def test_nothing_is_left_where_the_rest_cannot_be_made(self) -> None:
        (self.directory / "made").mkdir()
        (self.directory / "made" / "state").write_text("in the way")
        status, _, err = self.init(*NAMED)
        self.assertEqual(status, 1)
        self.assertIn("state: File exists", err)
        self.assertFalse((self.directory / "made" / "vspc.toml").exists())

    def test_without_a_terminal_and_without_options_it_says_what_is_missing(self) -> None:
        with open(os.devnull) as nothing:
            self.patch(__import__("sys"), "stdin", nothing)
            status, out, err = self.init("--network", "10.0.0.0/24")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("--key not given", err)
        self.assertNotIn("--network and", err)
        self.assertFalse((self.directory / "made").exists())

    def test_a_wrong_option_is_named_and_nothing_is_written(self) -> None:
        for words, said in (
            (("--network", "10.0.0.7/24"), 'did you mean "10.0.0.0/24"?'),
            (("--key", "/nowhere/key.pub"), "/nowhere/key.pub: No such file"),
            (("--key", "PRIVATE KEY"), "a private key instead of a public key"),
            (("--operator", "a+b"), "invalid operator name"),
            (("--host", "a b"), "not the name of a host"),
            (("--user", "no-such-user"), "unknown user"),
        ):
            status, _, err = self.init(*NAMED, *words)
            self.assertEqual(status, 2, words)
            self.assertIn(said, err)
            self.assertFalse((self.directory / "made").exists())

    def test_the_directory_of_the_configuration_is_open_to_its_group_only(self) -> None:
        self.init(*NAMED)
        self.assertEqual(stat.S_IMODE((self.directory / "made").stat().st_mode), 0o750)

    def test_files_of_others_are_for_root_only(self) -> None:
        self.patch(os, "geteuid", lambda: 12345)
        self.assertRaises(InvalidValue, account, "root")
        self.assertIsNone(account(None))


class ReadAnswers(CliTest):
    def test_networks_in_one_text_and_in_several(self) -> None:
        found = networks(["10.0.0.0/24, 2001:db8::/32", "10.0.0.0/24 192.0.2.7"])
        self.assertEqual(found, ("10.0.0.0/24", "2001:db8::/32", "192.0.2.7/32"))
        self.assertRaises(InvalidValue, networks, [" ,"])

    def test_keys_of_a_file_with_comments(self) -> None:
        path = self.directory / "authorized_keys"
        path.write_text(f"# mine\n\n{KEY}\nrestrict {KEY}\n")
        self.assertEqual(keys(str(path)), (KEY, f"restrict {KEY}"))
        path.write_text("# none\n")
        self.assertRaises(InvalidValue, keys, str(path))

    def test_who_the_first_operator_is(self) -> None:
        self.assertEqual(likely_operator([KEY], {"SUDO_USER": "bob"}), "bob")
        self.assertEqual(likely_operator([KEY], {"SUDO_USER": "root"}), "alice")
        bare = " ".join(KEY.split()[:2])
        self.assertEqual(likely_operator([bare, f"{bare} root@web"], {}), "admin")
        self.assertEqual(likely_operator([f"{bare} a:b@c"], {}), "admin")

    @given(
        comment=st.text(max_size=40),
        name=st.from_regex(r"[A-Za-z0-9._][\w.@-]{0,8}", fullmatch=True),
    )
    def test_any_comment_and_any_name_give_a_file_that_loads(self, comment: str, name: str) -> None:
        path = self.directory / "any.toml"
        try:
            lines = keys(f"{KEY} {comment}")
            answers = FirstConfig(("10.0.0.0/8",), name, lines)
            likely_operator(lines, {})
        except InvalidValue:
            return
        path.write_text(answers.toml(), encoding="utf-8")
        if name.isascii() and not name.casefold().endswith("@local"):
            self.assertEqual(list(load(path).operators), [name], safe(comment))
