"""Certificates and keys that a configuration names: every mistake in one run."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from vspc.config import ConfigError
from vspc.files import load_with_files
from vspc.net.tls import load_pair
from vspc.ssh.keys import make_host_key


class Files(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.pair = load_pair(None, None, self.directory)
        self.write("bad.pem", b"nothing")

    def write(self, name: str, data: bytes) -> None:
        (self.directory / name).write_bytes(data)

    def mistakes(self, text: str) -> dict[str, str]:
        self.write("vspc.toml", text.encode())
        try:
            load_with_files(self.directory / "vspc.toml")
        except ConfigError as error:
            return {mistake.key: mistake.problem for mistake in error.mistakes}
        return {}

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

    def test_what_is_in_a_private_key_is_never_said(self) -> None:
        secret = self.pair.private_key.split(b"\n")[1].decode()
        for text in (
            '[tls]\ncertificate = "tls.key"\nprivate_key = "tls.pem"\n',
            '[vm]\nclient_ca = "tls.key"\n',
        ):
            found = self.mistakes(text)
            self.assertTrue(found)
            self.assertNotIn(secret, str(found))
