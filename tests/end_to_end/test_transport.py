"""The door's transport with real programs: the auditor, OpenSSH's ciphers, new keys, host keys."""

import json
import re
import socket
from pathlib import Path
from typing import Any

from tests.end_to_end.processes import Completed, script
from tests.end_to_end.server import ServerTestCase
from tests.programs import require
from vspc.ssh.crypto.exchange import CIPHERS, MACS
from vspc.ssh.crypto.packets import CHACHA

SECURITY = Path(__file__).parents[2] / "docs" / "security.md"
MEGABYTE = 1 << 20
TYPED = 96 * 1024

_HOST_KEYS = {"ed25519": 256, "ecdsa": 256, "rsa": 3072}


def excused() -> set[tuple[str, str]]:
    """The table of `docs/security.md`: algorithm, and what is warned of."""
    text = SECURITY.read_text(encoding="utf-8").partition("### ssh-audit")[2]
    rows = re.findall(r"^\| `([^`|]+)` \| ([^|]+) \| [^|]+ \|$", text.partition("\n#")[0], re.M)
    return {(algorithm, warning.strip()) for algorithm, warning in rows}


class TransportTestCase(ServerTestCase):
    def host_keys(self, **bits: int) -> list[Path]:
        """Let the server have keys of these types."""
        [keygen] = require("ssh-keygen")
        paths = []
        for kind, size in bits.items():
            path = self.directory / f"host_{kind}"
            words = ("-q", "-t", kind, "-b", str(size), "-N", "", "-C", "vspc", "-f", path)
            self.complete(keygen, *words)
            paths.append(path)
        listed = json.dumps([path.name for path in paths])
        text = self.config.read_text()
        self.config.write_text(text.replace("[ssh]\n", f"[ssh]\nhost_keys = {listed}\n"))
        return paths

    def ssh_with(self, *options: str, words: tuple[str, ...] = ("list",)) -> Completed:
        """A verb, with options of `ssh`, which stand before ours: the first one counts."""
        [ssh, *rest] = self.ssh_words()
        return self.complete(ssh, *options, *rest, *words)


class AuditTests(TransportTestCase):
    """ssh-audit finds nothing that `docs/security.md` does not speak of."""

    def audit(self) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
        """What it fails, and what it warns of."""
        port = str(self.ports["ssh"])
        done = self.complete(script("ssh-audit"), "-j", "-p", port, "127.0.0.1")
        found: dict[str, Any] = json.loads(done.out)
        self.assertEqual([], found["cves"])
        self.assertEqual(["none"], found["compression"])
        notes = [
            (kind, row["algorithm"], text)
            for what in ("kex", "key", "enc", "mac")
            for row in found[what]
            for kind, texts in row["notes"].items()
            for text in texts
        ]
        fails, warnings = (
            {(name, text) for kind, name, text in notes if kind == wanted}
            for wanted in ("fail", "warn")
        )
        return fails, warnings

    def test_no_failure_and_each_warning_has_its_reason(self) -> None:
        self.serve()
        fails, warnings = self.audit()
        self.assertEqual(set(), fails)
        self.assertTrue(warnings)
        self.assertEqual(set(), warnings - excused())
        self.assert_no_defects()

    def test_with_an_rsa_key_too(self) -> None:
        self.host_keys(ed25519=256, rsa=2048)
        self.serve()
        fails, warnings = self.audit()
        self.assertEqual(set(), fails)
        self.assertEqual(excused(), warnings)

    def test_an_ecdsa_key_is_failed_for_its_curve_only(self) -> None:
        self.host_keys(ecdsa=256)
        self.serve()
        fails, _ = self.audit()
        self.assertEqual({"ecdsa", "ecdh"}, {name.partition("-")[0] for name, _ in fails})
        self.assertTrue(all("nistp" in name for name, _ in fails))


class CipherTests(TransportTestCase):
    """OpenSSH's own ciphers against ours."""

    def test_every_cipher_and_mac(self) -> None:
        self.serve()
        for cipher in CIPHERS:
            for mac in MACS if cipher.endswith(b"-ctr") else MACS[:1]:
                done = self.ssh_with("-c", cipher.decode(), "-m", mac.decode())
                self.assertEqual((0, b""), (done.status, done.err), (cipher, mac))

    def test_defaults_are_modern(self) -> None:
        self.serve()
        told = self.ssh_with("-v", "-oLogLevel=DEBUG1").err.decode()
        ciphers = set(re.findall(r"kex: \S+ cipher: (\S+)", told))
        self.assertTrue(ciphers <= {"chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com"})
        self.assertRegex(told, r"kex: algorithm: (mlkem768x25519-sha256|curve25519-sha256)\s")
        self.assertIn("kex: host key algorithm: ssh-ed25519", told)

    def test_a_client_that_insists_on_compression_or_old_ciphers_is_refused(self) -> None:
        self.serve()
        for option in ("Ciphers=aes128-cbc", "KexAlgorithms=diffie-hellman-group14-sha256"):
            done = self.ssh_with("-o", option)
            self.assertEqual((255, b""), (done.status, done.out), option)
        self.assertIn(b"compression: none", self.ssh_with("-C", "-oLogLevel=DEBUG1").err)
        self.assertEqual(0, self.ssh("list").status)


_ASYNCSSH = """
import asyncio, sys, asyncssh
async def main(port, key, *ciphers):
    for cipher in (*ciphers, None):
        chosen = {"encryption_algs": [cipher], "mac_algs": ["hmac-sha2-256"]} if cipher else {}
        options = {"known_hosts": None, "config": None, "agent_path": None, **chosen}
        async with asyncssh.connect("127.0.0.1", int(port), username="alice", client_keys=[key],
                                    **options) as client:
            done = await client.run("list --json")
            print(done.exit_status, done.stdout.strip(), client.get_extra_info("send_cipher"))
asyncio.run(main(*sys.argv[1:]))
"""

_PARAMIKO = """
import sys, paramiko
port, key, *ciphers = sys.argv[1:]
for cipher in (*ciphers, None):
    client = paramiko.Transport(("127.0.0.1", int(port)))
    if cipher:
        client.get_security_options().ciphers = (cipher,)
    client.connect(username="alice", pkey=paramiko.Ed25519Key.from_private_key_file(key))
    assert client.agreed_on_strict_kex
    channel = client.open_session()
    channel.exec_command("list --json")
    text = channel.makefile().read().decode().strip()
    print(channel.recv_exit_status(), text, client.local_cipher, flush=True)
    client.close()
"""


class SecondClientTests(TransportTestCase):
    """Clients that have `mlkem768x25519-sha256`, which the OpenSSH of these tests may not have."""

    def say(self, program: str, *ciphers: str) -> list[str]:
        """What is said for each cipher, and last for the client's own choice."""
        self.serve()
        port, key = str(self.ports["ssh"]), str(self.keys["alice"])
        done = self.complete(script("python"), "-c", program, port, key, *ciphers)
        self.assertEqual(0, done.status, done.err)
        self.assert_no_defects()
        return done.out.decode().splitlines()

    def test_asyncssh(self) -> None:
        ciphers = [cipher.decode() for cipher in CIPHERS]
        *said, own = self.say(_ASYNCSSH, *ciphers)
        self.assertEqual([f"0 [] {cipher}" for cipher in ciphers], said)
        self.assertEqual("0 [] chacha20-poly1305@openssh.com", own)

    def test_paramiko(self) -> None:
        ciphers = [cipher.decode() for cipher in CIPHERS if cipher != CHACHA]
        *said, own = self.say(_PARAMIKO, *ciphers)
        self.assertEqual([f"0 [] {cipher}" for cipher in ciphers], said)
        self.assertTrue(own.startswith("0 [] aes"), own)


_FLOOD = """
import asyncio, sys, asyncssh
async def bad(port, key):
    options = {"known_hosts": None, "config": None, "agent_path": None, "client_keys": [key]}
    for _ in range(15):
        try:
            await asyncssh.connect("127.0.0.1", port, username="alice", **options)
        except asyncssh.PermissionDenied:
            print("denied", flush=True)
async def main(port):
    key = asyncssh.generate_private_key("ssh-ed25519")
    await asyncio.gather(*(bad(port, key) for _ in range(20)))
asyncio.run(main(int(sys.argv[1])))
"""


class FloodTests(TransportTestCase):
    def test_good_logins_beside_bad_ones_from_the_same_address(self) -> None:
        self.serve()
        flood = self.start(script("python"), "-c", _FLOOD, str(self.ports["ssh"]))
        flood.out.expect(rb"denied")
        for _ in range(5):
            self.assertEqual(0, self.ssh("list").status)
        self.assertEqual(0, flood.wait())
        self.assertEqual(300, flood.out.data.count(b"denied"))
        self.assert_no_defects()
        # Who floods does not fill the log.
        self.assertLess(self.server.out.data.count(b"login-failed"), 50)


class NewKeyTests(TransportTestCase):
    """Keys change while a console talks and is typed at: nothing is lost, nothing comes twice."""

    def test_by_bytes_both_ways_with_every_cipher(self) -> None:
        self.serve()
        port = self.ports["plain guest"]
        with socket.create_connection(("127.0.0.1", port)) as guest:
            guest.settimeout(30)
            for cipher in CIPHERS:
                self.exchange(guest, "-c", cipher.decode(), "-oRekeyLimit=64K")
        self.assert_no_defects()

    def exchange(self, guest: socket.socket, *options: str) -> None:
        """Much each way through `raw`, over one connection; typing is slower, for law 3."""
        said, typed = (bytes(n * 7 % 251 for n in range(size)) for size in (MEGABYTE, TYPED))
        [ssh, *rest] = self.ssh_words()
        client = self.start(ssh, *options, "-oLogLevel=DEBUG1", *rest, "raw", "guest")
        client.type(b"ready")
        self.assertEqual(b"ready", self.take(guest, 5))
        guest.sendall(said)
        client.out.wait_total(MEGABYTE)
        client.type(typed)
        self.assertEqual(typed, self.take(guest, TYPED))
        self.assertEqual(said, client.out.data)
        client.err.expect(rb"(?s)(SSH2_MSG_NEWKEYS received.*?){4}")
        client.stop()

    def take(self, guest: socket.socket, count: int) -> bytes:
        got = b""
        while len(got) < count:
            got += guest.recv(65536)
        return got

    def test_by_time(self) -> None:
        self.serve()
        [ssh, *rest] = self.ssh_words()
        with socket.create_connection(("127.0.0.1", self.ports["plain guest"])) as guest:
            options = ("-oRekeyLimit=default 1", "-oLogLevel=DEBUG1")
            client = self.start(ssh, *options, *rest, "raw", "guest")
            for turn in range(3):
                # OpenSSH looks at its clock when something is to be sent.
                client.err.expect(rb"SSH2_MSG_NEWKEYS received")
                client.type(b"%d" % turn)
                self.assertEqual(b"%d" % turn, guest.recv(100))
            client.stop()


class HostKeyTests(TransportTestCase):
    def test_each_key_is_used_printed_and_told_to_clients(self) -> None:
        keys = self.host_keys(**_HOST_KEYS)
        self.serve()
        printed = self.complete(script("vspc"), "fingerprints", "--config", self.config).out
        [keygen] = require("ssh-keygen")
        for path, name in zip(
            keys, ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-256"), strict=True
        ):
            self.assertIn(self.complete(keygen, "-l", "-f", path).out, printed)
            self.assertIn(path.with_name(path.name + ".pub").read_bytes().split()[1], printed)
            known = f"-oUserKnownHostsFile={self.directory / name}"
            done = self.ssh_with(known, f"-oHostKeyAlgorithms={name}", "-oUpdateHostKeys=no")
            self.assertEqual(0, done.status, done)

    def test_all_keys_are_remembered_by_clients_that_saw_one(self) -> None:
        self.host_keys(**_HOST_KEYS)
        self.serve()
        known = self.directory / "known_hosts"
        for first in ("ssh-ed25519", "rsa-sha2-256"):
            known.unlink(missing_ok=True)
            order = f"-oHostKeyAlgorithms={first},ecdsa-sha2-nistp256,rsa-sha2-512,ssh-ed25519"
            for _ in range(2):  # a key that is new to it does not make OpenSSH trust others
                self.assertEqual(0, self.ssh_with(order, "-oUpdateHostKeys=yes").status)
            kinds = {line.split()[1] for line in known.read_text().splitlines()}
            self.assertEqual({"ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"}, kinds)

    def test_a_small_rsa_key_is_named(self) -> None:
        [path] = self.host_keys(rsa=1024)
        done = self.complete(script("vspc"), "check", "--config", self.config)
        self.assertEqual(1, done.status)
        text = (done.out + done.err).decode()
        self.assertIn(f"{path}: RSA key of 1024 bits, not 2048 or more", text)

    def test_without_any_one_is_made_and_stays(self) -> None:
        fingerprint = self.complete(script("vspc"), "fingerprints", "--config", self.config).out
        self.serve()
        self.assertEqual(0, self.ssh("list").status)
        known = (self.directory / "known_hosts").read_bytes().split()
        self.assertIn(known[2], fingerprint)
