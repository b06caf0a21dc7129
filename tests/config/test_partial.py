"""Mistakes that hide no others: what is right is held against each other all the same."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY, ConfigTest
from tests.config.test_proofs import HASH
from vspc.auth.methods import SETTINGS
from vspc.config import ConfigError, load
from vspc.config.mistakes import Tainted


class Together(ConfigTest):
    def test_an_invalid_key_does_not_hide_a_missing_secret(self) -> None:
        self.write(f"hurry {KEY}\n", "keys")
        found = self.mistakes(
            "[operators.alice]\nauthorized_keys_file = 'keys'\nrequire = ['publickey', 'totp']\n"
            "[operators.bob]\nrequire = ['totp']\n"
        )
        self.assertEqual(
            list(found),
            [
                "operators.alice.authorized_keys_file",
                "operators.alice.require[1]",
                "operators.bob.require[0]",
            ],
        )

    def test_what_may_be_there_when_it_is_mended_is_not_missed(self) -> None:
        every = "['publickey', 'password', 'auth_command', 'totp']"
        found = self.mistakes(
            "[ssh]\nauth_command = ['gone']\n"
            "[operators.alice]\nauthorized_keys = ['x']\npassword_hash = 'x'\n"
            f"totp_secret_file = 'gone'\nrequire = {every}\n"
        )
        names = ("authorized_keys[0]", "password_hash", "totp_secret_file")
        self.assertEqual(
            set(found), {"ssh.auth_command", *(f"operators.alice.{name}" for name in names)}
        )
        for part in ("[ssh.certificates]\nauthorities = 7\n", "[ssh]\ncertificates = 1\n"):
            text = f"{part}[operators.alice]\nrequire = ['certificate', 'publickey']\n"
            self.assertEqual(len(self.mistakes(text)), 1, part)

    def test_a_misspelt_key_counts_as_the_correct_one(self) -> None:
        for wrong in (f"authorised_keys = ['{KEY}']", f"authorized_key = ['{KEY}']"):
            found = self.mistakes(f"[operators.a]\n{wrong}\nrequire = ['publickey', 'password']\n")
            self.assertEqual(len(found), 2, wrong)
            self.assertIn("password", found["operators.a.require[1]"])

    def test_an_invalid_name_and_two_hashes_do_not_hide_other_mistakes(self) -> None:
        self.write(HASH, "hash").chmod(0o600)
        found = self.mistakes(
            "[operators.'al+ice']\nrequire = ['totp']\n"
            f"[operators.bob]\npassword_hash = '{HASH}'\npassword_hash_file = 'hash'\n"
            "require = ['password', 'totp']\n"
        )
        keys = ("al+ice", "al+ice.require[0]", "bob", "bob.require[1]")
        self.assertEqual(set(found), {f"operators.{key}" for key in keys})

    def test_places_are_those_of_the_file(self) -> None:
        text = "[operators.alice]\nrequire = ['fingerprint', 'totp', 'face', 'password']\n"
        found = self.mistakes(text)
        self.assertEqual(set(found), {f"operators.alice.require[{n}]" for n in range(4)})
        self.assertIn("nothing to show for password", found["operators.alice.require[3]"])

    def test_a_sink_in_state_dir_after_an_invalid_one(self) -> None:
        state = self.directory.absolute() / "state"
        sink = f"[[log.sink]]\nname = '{{}}'\nkind = 'text'\ntarget = '{state}/x'\n"
        found = self.mistakes(f"{sink.format('a')}facility = 99\n{sink.format('b')}")
        wanted = {"log.sink[0].facility", "log.sink[0].target", "log.sink[1].target"}
        self.assertEqual(set(found), wanted)
        found = self.mistakes(f"state_dir = 1\n{sink.format('a')}")
        self.assertEqual(set(found), {"state_dir"})

    def test_lines_of_authorities_are_all_named(self) -> None:
        self.write(f"hurry {KEY}\nrestrict {KEY}\n{KEY}\n", "ca")
        with self.assertRaises(ConfigError) as caught:
            self.load("[ssh.certificates]\nauthorities_file = 'ca'\n")
        said = [mistake.problem for mistake in caught.exception.mistakes]
        self.assertEqual(len(said), 2)
        self.assertIn("line 1: unknown option hurry", said[0])
        self.assertIn("line 2: options before the key", said[1])

    def test_the_partial_configuration_has_what_is_valid(self) -> None:
        path = self.write(
            "state_dirr = 1\nstate_dir = 'here'\n[vm]\ntelnet = 7\nprobe_timeout = 9\n"
            "[[vm.plain]]\nname = 'a'\nlisten = 'tcp:1'\ntelnet = 3\n[[vm.plain]]\nname = 'b'\n"
            "[ssh]\nlisten = ['tcp:1', 'x', 'tcp:3']\n[console]\nhistory = '5KiB'\n"
            f"[operators.a]\npassword_hash = '{HASH}'\nroles = ['king', 'admin']\n"
            "[operators.b]\n"
        )
        with self.assertRaises(ConfigError) as caught:
            load(path, SETTINGS)
        partial = caught.exception.partial
        assert partial is not None
        self.assertEqual(partial.state_dir, path.absolute().parent / "here")
        self.assertEqual((partial.vm.telnet, partial.vm.probe_timeout), (("tcp:13370",), 9))
        self.assertEqual([each.name for each in partial.vm.plain], ["a"])
        self.assertEqual(partial.ssh.listen, ("tcp:1", "tcp:3"))
        self.assertEqual(partial.console.history, 64 << 10)
        self.assertEqual(set(partial.operators), {"a", "b"})
        self.assertEqual(partial.operators["a"].roles, ("admin",))
        self.assertIsNotNone(partial.operators["a"].password)

    def test_invalid_toml_has_no_partial_configuration(self) -> None:
        with self.assertRaises(ConfigError) as caught:
            load(self.write("= ="))
        self.assertIsNone(caught.exception.partial)
        self.assertFalse(Path("state").exists())


class TaintedKeys(SynchronousTestCase):
    def test_keys_above_and_below_a_mistake_and_no_others(self) -> None:
        doubts = Tainted(["ssh.certificates.authorities[3]", "tls", "operators.a.b.groups"])
        for key in ("ssh", "ssh.certificates", "ssh.certificates.authorities", "tls.certificate"):
            self.assertTrue(doubts.about(key), key)
        for key in ("ssh.listen", "ssh.certificates.map", "operators.c", "audit", "tally"):
            self.assertFalse(doubts.about(key), key)

    def test_two_keys_of_like_names_are_not_one(self) -> None:
        self.assertFalse(Tainted(["ssh.authorized_keys_command"]).about("ssh.auth_command"))
        self.assertTrue(Tainted(["ssh.auth_comand"]).about("ssh.auth_command"))
