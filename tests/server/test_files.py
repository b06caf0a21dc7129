"""Certificates and keys that a configuration names: every mistake in one run."""

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY
from vspc.auth.revoked import KRL_MAGIC
from vspc.config import ConfigError
from vspc.net.tls import load_pair
from vspc.server.config_files import file_warnings, load_to_start, load_with_files
from vspc.ssh.keys import make_host_key


class FilesTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()

    def write(self, name: str, data: bytes) -> None:
        (self.directory / name).write_bytes(data)


class Files(FilesTest):
    def setUp(self) -> None:
        super().setUp()
        self.pair = load_pair(None, None, self.directory)
        self.write("bad.pem", b"nothing")

    def mistakes(self, text: str) -> dict[str, str]:
        self.write("vspc.toml", text.encode())
        try:
            load_with_files(self.directory / "vspc.toml")
        except ConfigError as error:
            return {mistake.key: mistake.problem for mistake in error.mistakes}
        return {}

    def refused(self, text: str) -> list[str]:
        self.write("vspc.toml", text.encode())
        error = self.assertRaises(ConfigError, load_with_files, self.directory / "vspc.toml")
        return [str(mistake) for mistake in error.mistakes]

    def test_a_pair_that_belongs_together(self) -> None:
        text = '[tls]\ncertificate = "tls.pem"\nprivate_key = "tls.key"\n'
        self.assertEqual(self.mistakes(text), {})

    def test_a_key_of_another_certificate(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self.write("other.key", key)
        text = '[tls]\ncertificate = "tls.pem"\nprivate_key = "other.key"\n'
        self.assertIn("mismatch", self.mistakes(text)["tls.private_key"])

    def test_every_file_is_named_by_its_key(self) -> None:
        for name in ("one", "two"):
            make_host_key(self.directory / name)
        found = self.mistakes(
            '[tls]\ncertificate = "bad.pem"\nprivate_key = "bad.pem"\n'
            '[vm]\nclient_ca = "bad.pem"\n'
            '[[vm.zone]]\nname = "lab"\nclient_ca = "tls.pem"\n'
            '[[vm.zone]]\nname = "old"\nclient_ca = "tls.key"\n'
            '[ssh]\nhost_keys = ["one", "bad.pem", "two"]\n'
        )
        self.assertEqual(
            set(found),
            {
                "tls.certificate",
                "tls.private_key",
                "vm.client_ca",
                "vm.zone[1].client_ca",
                "ssh.host_keys[1]",
                "ssh.host_keys[2]",
            },
        )
        for key in found.keys() - {"ssh.host_keys[2]"}:
            self.assertIn(str(self.directory), found[key])
        self.assertIn("ssh-ed25519, is ssh.host_keys[0]", found["ssh.host_keys[2]"])

    def test_files_of_a_dialled_console(self) -> None:
        text = '[[dial]]\nname = "x"\nconnect = "telnets://h"\nca = "bad.pem"\n'
        self.assertIn("bad.pem", self.mistakes(text)["dial[0].ca"])
        self.assertEqual(self.mistakes(text.replace("bad.pem", "tls.pem")), {})

    def test_other_mistakes_hide_none_in_files(self) -> None:
        for name in ("one", "two"):
            make_host_key(self.directory / name)
        found = self.mistakes(
            'nonsense = 1\n[tls]\ncertificate = "bad.pem"\nprivate_key = "tls.key"\n'
            '[vm]\ntelnet = 7\nclient_ca = "bad.pem"\n'
            '[[vm.zone]]\nname = "lab"\nallow = "?"\nclient_ca = "bad.pem"\n'
            '[[vm.zone]]\nclient_ca = "bad.pem"\n'
            '[ssh]\nhost_keys = ["one", "gone", "two"]\n'
        )
        files = {key for key, problem in found.items() if "bad.pem" in problem}
        self.assertEqual(files, {"tls.certificate", "vm.client_ca", "vm.zone[0].client_ca"})
        self.assertIn("is ssh.host_keys[0]", found["ssh.host_keys[2]"])
        others = {"nonsense", "vm.telnet", "vm.zone[0].allow", "vm.zone[1].name"}
        self.assertEqual(found.keys() - files, others | {"ssh.host_keys[1]", "ssh.host_keys[2]"})

    def test_files_for_copies_are_not_tried_where_one_is_not_there(self) -> None:
        text = '[audit]\nsyslog = "tls:h:1"\nca = "bad.pem"\n'
        self.assertIn("cannot be used", self.mistakes(text)["audit.ca"])
        found = self.mistakes(f'{text}certificate = "gone"\nprivate_key = "gone"\n')
        self.assertEqual(set(found), {"audit.certificate", "audit.private_key"})

    def test_pem_of_clients_as_editors_write_it(self) -> None:
        mark = b"\xef\xbb\xbf"
        self.write("ca.pem", mark + "Aussteller: M\u00fcller\n".encode() + self.pair.certificate)
        self.write("our.pem", mark + self.pair.certificate.replace(b"\n", b"\r\n"))
        self.write("our.key", mark + self.pair.private_key)
        files = 'ca = "ca.pem"\ncertificate = "our.pem"\nprivate_key = "our.key"\n'
        sink = f'[[log.sink]]\nname = "s"\nkind = "syslog"\ntarget = "tls:h:1"\n{files}'
        audit = f'[audit]\nsyslog = "tls:h:1"\n{files}'
        self.assertEqual(self.mistakes(sink + audit), {})
        self.write("ca.pem", self.pair.certificate.decode().encode("utf-16"))
        found = self.mistakes(sink + audit)
        self.assertEqual(set(found), {"log.sink[0].ca", "audit.ca"})
        for problem in found.values():
            self.assertIn("ca.pem: encoded as UTF-16, not UTF-8", problem)

    def test_the_content_of_a_private_key_is_never_shown(self) -> None:
        secret = self.pair.private_key.split(b"\n")[1].decode()
        for text in (
            '[tls]\ncertificate = "tls.key"\nprivate_key = "tls.pem"\n',
            '[vm]\nclient_ca = "tls.key"\n',
        ):
            found = self.mistakes(text)
            self.assertTrue(found)
            self.assertNotIn(secret, str(found))

    def test_a_file_of_what_is_revoked_that_cannot_be_read(self) -> None:
        text = f"[ssh.certificates]\nauthorities = ['{KEY}']\nrevoked = 'revoked'\n"
        [said] = self.refused(text)
        self.assertIn("vspc.toml line 3: ssh.certificates.revoked: ", said)
        self.assertIn("No such file", said)
        for data, why in (
            (b"", "it is empty; a line with #"),
            (b"nonsense\n", "line 1: "),
            (b"\xff\xfe#\0\n\0", "UTF-16"),
            (KRL_MAGIC + b"\0", ""),
        ):
            self.write("revoked", data)
            [said] = self.refused(text)
            self.assertIn(why, said)
            self.assertIn("accepts no public key and no certificate", said)
            self.assertNotIn("nonsense", said)
            load_to_start(self.directory / "vspc.toml")
        self.write("revoked", b"\xef\xbb\xbf#\n")
        load_with_files(self.directory / "vspc.toml")
        os.mkfifo(self.directory / "pipe")
        [said] = self.refused(text.replace("'revoked'", "'pipe'"))
        self.assertIn("it is not a file", said)


class Oddities(FilesTest):
    """What `vspc check` warns of, and a server would go on with."""

    def odd(self, text: str) -> list[str]:
        self.write("vspc.toml", text.encode())
        return list(file_warnings(load_with_files(self.directory / "vspc.toml")))

    def test_commands_of_keys_that_do_nothing(self) -> None:
        for command, why in (
            ("rm -rf /", "unknown verb 'rm'"),
            ("reason=x", "a verb is missing"),
            ("reason=x rm", "unknown verb 'rm'"),
            ("expect 'a", "the command has an open '"),
            ("expect", "NAME and REGEX are missing: expect NAME"),
            ("expect web01", "REGEX is missing"),
            ("reason=x expect test-*", "REGEX is missing"),
            ("send", "NAME is missing: send NAME"),
        ):
            self.write("keys", f'{KEY}\nrestrict,command="{command}" {KEY}\n'.encode())
            said = self.odd("[operators.ci]\nauthorized_keys_file = 'keys'\n")
            self.assertEqual(len(said), 1, command)
            self.assertIn("operators.ci.authorized_keys_file: line 2: the option command", said[0])
            self.assertIn(why, said[0], command)

    def test_commands_of_keys_that_do_something(self) -> None:
        for command in ("list", "expect test-*", "reason=x list", "lockout", "log web01 -f", "who"):
            text = f"authorized_keys = ['restrict,command=\"{command}\" {KEY}']"
            self.assertEqual(self.odd(f"[operators.ci]\n{text}\n"), [], command)

    def test_a_command_in_a_table_is_named_by_its_key_path(self) -> None:
        [said] = self.odd(f"[operators.ci]\nauthorized_keys = ['{KEY}', 'command=\"x\" {KEY}']\n")
        self.assertTrue(said.startswith("operators.ci.authorized_keys[1]: "), said)

    def test_an_audit_file_that_others_may_read(self) -> None:
        self.write("audit.jsonl", b"")
        path = self.directory / "audit.jsonl"
        for mode, odd in ((0o600, 0), (0o640, 0), (0o644, 1), (0o660, 1)):
            path.chmod(mode)
            for enabled in (True, False):
                text = f"[audit]\nenabled = {str(enabled).lower()}\nfile = '{path}'\n"
                self.assertEqual(len(self.odd(text)), odd * enabled, oct(mode))
