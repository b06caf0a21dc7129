"""Proofs of operators, certificates, the audit file, programs: checked against each other."""

import os
from pathlib import Path

from tests.config.test_load import KEY, ConfigTest
from vspc.cli.check import summary
from vspc.config.values import ProgramPath

HASH = "$argon2id$v=19$m=65536,t=3,p=1$" + "A" * 22 + "$" + "A" * 43
CERTIFICATES = f"[ssh.certificates]\nauthorities = ['{KEY}']\n"


class Require(ConfigTest):
    def secret(self, text: str, name: str) -> None:
        self.write(text, name).chmod(0o600)

    def operator(self, require: str, more: str = "", before: str = "") -> str:
        return f"{before}[operators.alice]\nrequire = [{require}]\n{more}"

    def test_what_is_required_and_not_there(self) -> None:
        for method, needed in (
            ("publickey", "authorized_keys"),
            ("certificate", "authorities"),
            ("password", "password_hash"),
            ("totp", "totp_secret_file"),
            ("auth_command", "[ssh] auth_command"),
        ):
            found = self.mistakes(self.operator(f"'{method}'"))
            self.assertEqual(list(found), ["operators.alice.require[0]"])
            self.assertIn(f"{needed}", found["operators.alice.require[0]"])

    def test_what_is_required_and_there(self) -> None:
        self.secret("A" * 32, "totp")
        self.secret(HASH, "hash")
        keys = f"authorized_keys = ['{KEY}']\n"
        command = f"[ssh]\nauth_command = ['{self.program()}']\n"
        keys_command = f"[ssh]\nauthorized_keys_command = ['{self.program()}']\n"
        for require, more, before in (
            ("'publickey'", keys, ""),
            ("'publickey'", "", CERTIFICATES),
            ("'publickey'", "", keys_command),
            ("'certificate'", "", CERTIFICATES),
            ("'publickey', 'password'", f'{keys}password_hash = "{HASH}"\n', ""),
            ("'password', 'totp'", 'password_hash_file = "hash"\ntotp_secret_file = "totp"\n', ""),
            ("'auth_command'", "", command),
        ):
            config = self.load(self.operator(require, more, before))
            said = [w for w in config.warnings if w.startswith("operators")]
            self.assertEqual(said, [], require)

    def test_what_auth_command_may_give(self) -> None:
        keys = 'auth_command_groups = ["leads"]\nauth_command_operators = ["ext-*", "zoe"]\n'
        command = f"[ssh]\nauth_command = ['{self.program()}']\n"
        rule = '[[access]]\noperators = [{}]\nconsoles = ["*"]\nrights = ["read"]\n'
        named = rule.format('"@leads", "ext-bob", "zoe"')
        self.assertEqual(self.load(f"{command}{keys}{named}").warnings, ())
        found = self.mistakes(command + keys + rule.format('"@others", "bob"'))
        self.assertEqual(list(found), ["access[0].operators[0]", "access[0].operators[1]"])
        found = self.mistakes(command + 'auth_command_operators = ["a b", "-x"]\n')
        self.assertIn("invalid glob", found["ssh.auth_command_operators"])
        said = self.load(f"[ssh]\n{keys}").warnings
        self.assertEqual(sum("without auth_command" in each for each in said), 2)

    def program(self) -> Path:
        path = self.directory.absolute() / "program"
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    def test_the_same_twice_or_no_method(self) -> None:
        keys = f"authorized_keys = ['{KEY}']\n"
        found = self.mistakes(self.operator("'publickey', 'publickey'", keys))
        self.assertIn("duplicate", found["operators.alice.require"])
        found = self.mistakes(self.operator("'fingerprint'", keys))
        self.assertIn("auth_command", found["operators.alice.require[0]"])

    def test_totp_cannot_be_the_first_proof(self) -> None:
        self.secret("A" * 32, "totp")
        more = f"authorized_keys = ['{KEY}']\ntotp_secret_file = 'totp'\n"
        for require in ("'totp'", "'totp', 'publickey'"):
            found = self.mistakes(self.operator(require, more))
            self.assertIn("before totp", found["operators.alice.require[0]"])

    def test_an_operator_without_any_proof(self) -> None:
        self.secret("A" * 32, "totp")
        for more in ("", 'totp_secret_file = "totp"\n'):
            said = " ".join(self.load(f"[operators.alice]\n{more}").warnings)
            self.assertIn("operators.alice: no authorized key, and nothing else to show", said)
        said = " ".join(self.load(f"{CERTIFICATES}[operators.alice]\n").warnings)
        self.assertNotIn("nothing else", said)

    def test_proofs_that_are_never_asked_for(self) -> None:
        self.secret("A" * 32, "totp")
        keys = f"[operators.alice]\nauthorized_keys = ['{KEY}']\n"
        said = " ".join(self.load(f'{keys}totp_secret_file = "totp"\n').warnings)
        self.assertIn("totp_secret_file: require does not name totp", said)
        text = f"{keys}password_hash = '{HASH}'\nrequire = ['publickey']\n"
        self.assertIn("does not name password", " ".join(self.load(text).warnings))

    def test_a_token_is_required_and_there_is_none(self) -> None:
        text = f"[operators.alice]\nauthorized_keys = ['{KEY}']\nverify_required = true\n"
        self.assertIn("none of the keys is of a FIDO token", " ".join(self.load(text).warnings))

    def beside(self, options: str, more: str = "", before: str = "") -> str:
        """The warnings for an operator whose keys have options, and who has another proof."""
        keys = "".join(f"'{option}{KEY}'," for option in options.split("|"))
        text = f"{before}[operators.ci]\nauthorized_keys = [{keys}]\n{more}"
        return " ".join(w for w in self.load(text).warnings if w.startswith("operators.ci: "))

    def test_a_door_without_limits_beside_keys_that_have_them(self) -> None:
        program = f"[ssh]\nauth_command = ['{self.program()}']\n"
        password = f"password_hash = '{HASH}'\n"
        for options, word in (
            ('restrict,command="list" ', "(command, restrict)"),
            ("no-pty ", "(no-pty)"),
            ("no-port-forwarding ", "(no-port-forwarding)"),
            ('permitopen="a:1" |from="10.0.0.0/8" ', "(permitopen, from)"),
            ('expiry-time="20991231Z" ', "(expiry-time)"),
        ):
            self.assertIn(f"{word}, but what auth_command", self.beside(options, before=program))
            self.assertIn(f"{word}, but a password", self.beside(options, password))

    def test_no_door_without_limits_beside_keys_that_have_them(self) -> None:
        program = f"[ssh]\nauth_command = ['{self.program()}']\n"
        restrict, password = "restrict ", f"password_hash = '{HASH}'\n"
        for options, more, before in (
            (restrict, "", ""),
            (f"{restrict}|", password, program),
            ("", password, program),
            (restrict, "require = ['publickey']\n", program),
            (restrict, f"require = ['publickey', 'password']\n{password}", program),
        ):
            self.assertEqual(self.beside(options, more, before), "", (options, more))

    def test_two_hashes(self) -> None:
        self.secret(HASH, "hash")
        text = f"[operators.alice]\npassword_hash = '{HASH}'\npassword_hash_file = 'hash'\n"
        self.assertIn("are set", self.mistakes(text)["operators.alice"])


class Certificates(ConfigTest):
    MAP = "[[ssh.certificates.map]]\n"

    def test_a_map_is_read(self) -> None:
        config = self.load(
            f"{CERTIFICATES}max_validity = '8h'\n{self.MAP}principals = ['net-*']\n"
            "operator = '{principal}.{key_id}'\ngroups = ['netops']\nroles = ['audit']\n"
        )
        [found] = config.ssh.certificates.map
        self.assertEqual((found.principals, found.groups), (("net-*",), ("netops",)))
        self.assertEqual(config.ssh.certificates.max_validity, 28800)

    def test_maps_that_make_no_sense(self) -> None:
        for line, key in (
            ("principals = []\n", "principals"),
            ("principals = ['']\n", "principals"),
            ("operator = 'x'\n", "principals"),
            ("principals = ['a']\noperator = '{serial}'\n", "operator"),
            ("principals = ['a']\noperator = '{principal'\n", "operator"),
            ("principals = ['a']\noperator = 'root@local'\n", "operator"),
            ("principals = ['a']\noperator = '@{principal}'\n", "operator"),
            ("principals = ['a']\nroles = ['king']\n", "roles[0]"),
            ("principals = ['a']\ngroups = ['@x']\n", "groups"),
        ):
            found = self.mistakes(CERTIFICATES + self.MAP + line)
            self.assertEqual(list(found), [f"ssh.certificates.map[0].{key}"], line)

    def test_validity_has_a_range(self) -> None:
        for text in ("'10s'", "'99999d'", "'soon'"):
            found = self.mistakes(f"{CERTIFICATES}max_validity = {text}\n")
            self.assertEqual(list(found), ["ssh.certificates.max_validity"])

    def test_without_authorities_the_rest_is_for_nothing(self) -> None:
        text = "[ssh.certificates]\nrevoked = 'r'\nmax_validity = '1h'\n"
        config = self.load(f"{text}{self.MAP}principals = ['a']\n")
        said = [w.split(":")[0] for w in config.warnings if w.startswith("ssh")]
        names = ("map", "revoked", "max_validity")
        self.assertEqual(said, [f"ssh.certificates.{name}" for name in names])

    def test_an_authority_has_no_options(self) -> None:
        self.write(f"# ours\nrestrict {KEY}\n", "ca")
        text = f"[ssh.certificates]\nauthorities = ['no-pty {KEY}']\nauthorities_file = 'ca'\n"
        self.assertEqual(
            list(self.mistakes(text)),
            ["ssh.certificates.authorities[0]", "ssh.certificates.authorities_file"],
        )
        found = self.mistakes(f"[ssh.certificates]\nauthorities = ['cert-authority {KEY}']\n")
        self.assertIn("authority", found["ssh.certificates.authorities[0]"])


class Audit(ConfigTest):
    def test_its_file_is_in_state_dir(self) -> None:
        here = self.directory.absolute()
        self.assertEqual(self.load("").audit.file, here / "state" / "audit.jsonl")
        self.assertEqual(self.load("[audit]\nfile = 'x'\n").audit.file, here / "state" / "x")
        self.assertEqual(self.load("[audit]\nfile = '/a/b'\n").audit.file, Path("/a/b"))

    def test_what_is_for_tls_only(self) -> None:
        self.write("", "pem")
        for key in ("ca", "certificate", "private_key"):
            for target in ("", "syslog = 'tcp:host:514'\n"):
                found = self.mistakes(f"[audit]\n{target}{key} = 'pem'\n")
                self.assertIn("TLS only", found[f"audit.{key}"])
        self.load("[audit]\nsyslog = 'tls:host:6514'\nca = 'pem'\n")
        found = self.mistakes("[audit]\nsyslog = 'tls:host:6514'\ncertificate = 'pem'\n")
        self.assertIn("missing", found["audit"])

    def test_targets_and_choices(self) -> None:
        self.assertIn(
            "not a syslog target", self.mistakes("[audit]\nsyslog = '/x'\n")["audit.syslog"]
        )
        for target in ("unix:/dev/log", "udp:host:514"):
            self.assertEqual(self.load(f"[audit]\nsyslog = '{target}'\n").audit.syslog, target)
        self.assertIn("audit.facility", self.mistakes("[audit]\nfacility = 24\n"))
        self.assertIn("refuse", self.mistakes("[audit]\non_failure = 'stop'\n")["audit.on_failure"])

    def test_a_record_that_is_off_or_open_to_all_is_warned_of(self) -> None:
        said = " ".join(self.load("[audit]\nenabled = false\nsyslog = 'tcp:h:1'\n").warnings)
        self.assertIn("audit.enabled", said)
        self.assertIn("without TLS", said)


class Programs(ConfigTest):
    def program(self, words: str) -> str:
        return self.mistakes(f"[ssh]\nauth_command = {words}\n")["ssh.auth_command"]

    def path(self, mode: int = 0o755, name: str = "program") -> Path:
        path = self.directory.absolute() / name
        path.write_text("#!/bin/sh\n")
        path.chmod(mode)
        return path

    def test_words_and_an_absolute_path(self) -> None:
        path = self.path()
        config = self.load(f"[ssh]\nauth_command = ['{path}', 'one two']\n")
        self.assertEqual(config.ssh.auth_command, ProgramPath((str(path), "one two")))
        self.assertIn(f"auth_command: {path}", summary(config))

    def test_invalid_programs(self) -> None:
        for words, said in (
            ("'/bin/true'", "not a list"),
            ("[]", "not a list"),
            ("[1]", "not text"),
            ("['true']", "not an absolute path"),
            ("['/nowhere/at/all']", "No such file"),
            ("['/etc']", "not a regular file"),
            ("['/etc/passwd/x']", "directory"),
        ):
            self.assertIn(said, self.program(words), words)
        self.assertIn("not executable", self.program(f"['{self.path(0o644)}']"))

    def test_tokens_of_authorized_keys_command(self) -> None:
        path = self.path()
        for word, odd in (
            ("%u", ""),
            ("a%%b%k%%%t", ""),
            ("%h", "%h"),
            ("%%%x", "%x"),
            ("a%", "%"),
        ):
            text = f"[ssh]\nauthorized_keys_command = ['{path}', '{word}']\n"
            if not odd:
                self.load(text)
                continue
            found = self.mistakes(text)["ssh.authorized_keys_command[1]"]
            self.assertIn(f"'{odd}' is not a token", found)

    def test_a_program_that_others_may_change(self) -> None:
        for mode in (0o775, 0o757):
            self.assertIn("other users can change", self.program(f"['{self.path(mode)}']"))

    def test_a_directory_above_it_that_others_may_change(self) -> None:
        path = self.path()
        self.directory.chmod(0o777)
        self.assertIn("other users can change", self.program(f"['{path}']"))
        self.directory.chmod(0o1777)  # as /tmp: nobody replaces what is another's
        self.load(f"[ssh]\nauth_command = ['{path}']\n")

    def test_a_link_is_followed_to_what_others_may_change(self) -> None:
        real = self.path(0o757, "real")
        link = self.directory.absolute() / "link"
        os.symlink(real, link)
        self.assertIn("other users can change", self.program(f"['{link}']"))
