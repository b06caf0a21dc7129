"""Keys: the server's own, and what counts as proof of another."""

import os
import stat
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.ssh.keys import Key
from twisted.trial.unittest import SynchronousTestCase

from vspc.ssh.crypto.exchange import CIPHERS, MACS
from vspc.ssh.crypto.signatures import acceptable, proves
from vspc.ssh.keys import (
    HOST_KEY_NAME,
    HostKeyError,
    fingerprint_line,
    host_keys,
    known_hosts_line,
    load_host_key,
)
from vspc.wire.ssh import string

SECRETS = (b"v" * 20, b"k" * 64, b"m" * 64)
WAYS = [(cipher, mac) for cipher in CIPHERS for mac in MACS]


class HostKeyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def write(self, name: str, key: Any) -> Path:
        path = self.directory / name
        path.write_bytes(Key(key).toString("openssh", subtype="v1"))
        return path

    def test_a_key_is_made_once_and_for_its_owner_only(self) -> None:
        [made] = host_keys([], self.directory)
        [loaded] = host_keys([], self.directory)
        self.assertEqual(made.blob, loaded.blob)
        for name in (HOST_KEY_NAME, HOST_KEY_NAME + ".pub"):
            self.assertEqual(0o600, stat.S_IMODE((self.directory / name).stat().st_mode))
        self.assertEqual(2, len(os.listdir(self.directory)))
        public = (self.directory / (HOST_KEY_NAME + ".pub")).read_text()
        self.assertEqual(public.split()[:2], known_hosts_line("h", 22, made).split()[1:])

    def test_lines_as_openssh_prints_them(self) -> None:
        [key] = host_keys([], self.directory)
        self.assertRegex(fingerprint_line(key), r"^256 SHA256:[A-Za-z0-9+/]{43} vspc \(ED25519\)$")
        self.assertTrue(known_hosts_line("h", 2222, key).startswith("[h]:2222 ssh-ed25519 AAAA"))

    def test_other_types_sign_as_they_should(self) -> None:
        paths = [
            self.write("rsa", rsa.generate_private_key(65537, 2048)),
            self.write("ec", ec.generate_private_key(ec.SECP256R1())),
        ]
        first, second = host_keys(paths, self.directory)
        self.assertEqual((b"rsa-sha2-512", b"rsa-sha2-256"), first.signatures)
        self.assertEqual((b"ecdsa-sha2-nistp256",), second.signatures)
        self.assertIn("(RSA)", fingerprint_line(first))
        self.assertIn("(ECDSA)", fingerprint_line(second))

    def test_files_that_cannot_be_used_are_named(self) -> None:
        noise = self.directory / "noise"
        noise.write_bytes(b"hunter2")
        [made] = host_keys([], self.directory)
        locked = self.directory / "locked"
        locked.write_bytes(made.key.toString("openssh", subtype="v1", passphrase=b"hunter2"))
        public = self.directory / (HOST_KEY_NAME + ".pub")
        for path in (noise, locked, public, self.directory / "missing", self.directory):
            with self.assertRaises(HostKeyError) as caught:
                load_host_key(path)
            self.assertIn(str(path), str(caught.exception))
            self.assertNotIn("hunter2", str(caught.exception))

    def test_rsa_keys_have_2048_bits_or_more(self) -> None:
        small = self.write("small", rsa.generate_private_key(65537, 1024))
        with self.assertRaises(HostKeyError) as caught:
            load_host_key(small)
        self.assertEqual(f"{small}: RSA key of 1024 bits, not 2048 or more", str(caught.exception))
        enough = load_host_key(self.write("enough", rsa.generate_private_key(65537, 2048)))
        self.assertTrue(fingerprint_line(enough).startswith("2048 SHA256:"))

    def test_two_of_one_type(self) -> None:
        host_keys([], self.directory)
        path = self.directory / HOST_KEY_NAME
        self.assertRaises(HostKeyError, host_keys, [path, path], self.directory)

    def test_a_directory_that_cannot_be_written(self) -> None:
        self.assertRaises(HostKeyError, host_keys, [], self.directory / "missing")


class SignatureTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
    def test_noise_is_no_proof(self, algorithm: bytes, blob: bytes, signature: bytes) -> None:
        self.assertFalse(acceptable(algorithm, blob))
        self.assertFalse(proves(algorithm, blob, signature, b"x"))

    def test_noise_behind_a_key_type_is_no_proof(self) -> None:
        for kind in (b"ssh-ed25519", b"ecdsa-sha2-nistp256", b"sk-ssh-ed25519@openssh.com"):
            blob = string(kind) + string(b"x")
            self.assertTrue(acceptable(kind, blob))
            self.assertFalse(proves(kind, blob, string(kind) + string(b"y"), b"x"))
