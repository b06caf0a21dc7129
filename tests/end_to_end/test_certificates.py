"""OpenSSH certificates: `ssh-keygen -s` and `-k`, the real `ssh`, and the reasons in our log."""

import json
import re
import time
from collections.abc import Callable

from attrs import evolve
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.auth.minting import Mint, Plain, blob_of, line_of
from tests.end_to_end.access import GONE, NOW, AccessTestCase, operator, rule, write
from tests.end_to_end.agent import Agent, Certified
from tests.end_to_end.processes import DEADLINE, Completed, Size
from vspc.config.credentials import fingerprint


class CertificateTestCase(AccessTestCase):
    """An authority `ca`, and the keys alice, bob and carol, none of which stands anywhere."""

    def setUp(self) -> None:
        super().setUp()
        self.keyring.key("ca")
        for name in ("alice", "bob", "carol"):
            self.keyring.key(name)

    def trust(self, more: str = "", tables: str = "", **keys: str) -> None:
        """A configuration in which `ca` is trusted."""
        said = {"authorities": [self.public("ca")]} | keys
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items())
        self.configure(tables or operator("alice"), certificates=lines + more)

    def certify(self, name: str, *words: str, ca: str = "ca", names: str = "alice") -> str:
        """Let `ca` sign a key; the name of a key with that certificate."""
        self.keyring.sign(ca, name, *NOW, *words, names=names)
        return name

    def reason(self, key: str, expected: str, user: str = "alice", address: str = "") -> None:
        """He is turned away, and the log says why."""
        self.assert_out(self.login(user, key=key, address=address), expected)


class Judged(CertificateTestCase):
    def test_which_are_taken_and_why_others_are_not(self) -> None:
        self.keyring.key("other")
        self.trust()
        self.serve()
        self.assert_in(self.login("alice", key=self.certify("alice", "-z", "17", "-I", "laptop")))
        line = self.server.out.expect(rb"login-accepted [^\n]*").group().decode()
        self.assertIn("via=certificate", line)
        self.assertIn(fingerprint(blob_of(self.public("alice"))), line)
        cases: list[tuple[tuple[str, ...], dict[str, str], str]] = [
            ((), {"ca": "other"}, "authority SHA256:\\S+ is not trusted"),
            (("-V", "-2h:-1h"), {}, "was valid until"),
            (("-V", "+1h:+2h"), {}, "is not valid before"),
            ((), {"names": "bob,carol"}, "principals do not stand for this operator"),
            (("-O", "verify-required"), {}, "only a FIDO key can do"),
        ]
        for words, keys, expected in cases:
            self.reason(self.certify("alice", *words, **keys), expected)
        self.reason(self.certify("bob", names="bob"), r"neither an \[operators\] table", user="bob")
        self.assert_no_defects()

    def test_what_ssh_itself_would_not_show(self) -> None:
        """From an agent, whose certificates `ssh` does not look into."""
        agent = Agent(self.directory / "agent")
        self.addCleanup(agent.close)
        ca = Plain(Ed25519PrivateKey.generate())
        self.configure(
            operator("alice"),
            certificates=f"authorities = {json.dumps([line_of(ca.blob)])}\n",
        )
        self.serve()
        good = Mint(ca, after=int(time.time()) - 60, before=int(time.time()) + 3600)
        extension = ((b"permit-no-such@example.com", b""),)
        cases = [
            (evolve(good, extensions=extension), ""),
            (evolve(good, type=2), "is a host's, not a user's"),
            (evolve(good, principals=()), "names no principals"),
            (evolve(good, options=((b"no-such", b"x"),)), "critical option no-such is not known"),
        ]
        options = (f"IdentityAgent={agent.path}", "IdentitiesOnly=no")
        for mint, expected in cases:
            agent.keys = [Certified(mint.blob, Plain())]
            done = self.login("alice", options=options)
            self.assert_out(done, expected) if expected else self.assert_in(done)

    def test_each_type_of_authority(self) -> None:
        kinds = {"ec": ("ecdsa", 384), "rsa": ("rsa", 2048)}
        cas = [self.key(name, kind, bits) for name, (kind, bits) in kinds.items()]
        self.keyring.key("mine", "ecdsa", 256)
        self.keyring.key("large", "rsa", 2048)
        self.configure(
            operator("alice"),
            certificates=f"authorities = {json.dumps([*cas, self.public('ca')])}\n",
        )
        self.serve()
        for ca in ("ec", "rsa", "ca"):
            for name in ("alice", "mine", "large"):
                self.assert_in(self.login("alice", key=self.certify(name, ca=ca)))
        self.assert_no_defects()

    def test_keys_where_a_certificate_is_required(self) -> None:
        keys = [self.public("alice"), self.public("bob")]
        self.trust(tables=operator("alice", authorized_keys=keys, require=["certificate"]))
        self.serve()
        self.assert_in(self.login("alice", key=self.certify("alice")))
        self.reason("bob", "publickey is shown, and certificate is required")

    def test_how_long_it_may_be_valid(self) -> None:
        self.trust(max_validity="8h")
        self.serve()
        self.assert_in(self.login("alice", key=self.certify("alice")))
        self.reason(self.certify("alice", "-V", "-1h:+8h"), "max_validity is 28800")
        self.reason(self.certify("alice", "-V", "always:forever"), "never ends")

    def test_where_it_may_be_used_from(self) -> None:
        self.trust()
        self.serve()
        self.certify("alice", "-O", "source-address=127.7.0.0/16,10.0.0.0/8")
        self.assert_in(self.login("alice", key="alice", address="127.7.7.7"))
        self.reason("alice", "is not for the address 127.8.8.8", address="127.8.8.8")

    def test_what_it_may_be_used_for(self) -> None:
        self.trust()
        self.serve()
        self.simulate(vms=2)
        self.certify("alice", "-O", "force-command=info 'web2'")
        done = self.login("alice", "info", "web1", key="alice")
        self.assertEqual(done.status, 0)
        self.assertIn(b"web2", done.out)
        self.certify("bob", "-O", "clear")
        self.certify("carol", "-O", "no-pty")
        for key, refused in (("bob", True), ("carol", True), ("alice", False)):
            [ssh, *rest] = self.words("alice", "list", key=key)
            out = self.start(ssh, "-tt", *rest, terminal=Size()).out
            out.expect(rb"PTY allocation request failed" if refused else rb"web2")
        carried = self.start(*self.forwarding("carol"))
        carried.type(b"echo carried\r")
        carried.out.expect(rb"^carried")
        shut = self.start(*self.forwarding("bob"))
        self.assertEqual(shut.wait(), 255)
        self.assertIn(b"this key may not forward", shut.err.data)
        self.assert_no_defects()

    def forwarding(self, key: str) -> list[str]:
        """`ssh -W web1:1`."""
        [ssh, *rest] = self.words("alice", key=key, options=("LogLevel=INFO",))
        return [ssh, "-W", "web1:1", *rest]


class Mapped(CertificateTestCase):
    """Operators who have no table."""

    MAPS = """\
[[ssh.certificates.map]]
principals = ["netops-*"]
operator = "{key_id}"
groups = ["netops"]
[[ssh.certificates.map]]
principals = ["adm"]
operator = "{key_id}"
roles = ["admin"]
"""

    def test_principals_make_operators_with_groups_and_roles(self) -> None:
        access = rule(["@netops"], ["web*"], ["read"])
        self.trust(self.MAPS, tables="[operators]\n" + access)
        text = self.config.read_text()
        self.config.write_text(text[: text.index(access) + len(access)])
        self.serve()
        self.simulate()
        self.certify("bob", "-I", "bob", names="netops-east")
        self.certify("carol", "-I", "carol", names="netops-west,adm")
        for user in ("bob", "carol"):
            self.assertIn(b"web1", self.login(user, key=user).out)
            self.reason(user, "principals do not stand for", user="alice")
        self.reason(self.certify("alice", "-I", "alice", names="visitors"), "do not stand for")
        self.certify("alice", "-I", "alice", names="adm")
        self.assertEqual(self.login("alice", "list", "--json", key="alice").out.strip(), b"[]")
        self.assertEqual(self.login("alice", "accept", "web1", "::1", key="alice").status, 3)
        self.assertEqual(self.login("bob", "accept", "web1", "::1", key="bob").status, 4)
        self.assertEqual(self.login("carol", "accept", "web1", "::1", key="carol").status, 1)
        self.assert_no_defects()

    def test_a_map_that_goes_at_reload_takes_its_people_along(self) -> None:
        self.trust(self.MAPS, tables="[operators]\n")
        self.serve()
        self.certify("bob", "-I", "bob", names="netops-east")
        bob = self.enter("bob", key="bob")
        self.trust(self.MAPS.replace("netops-*", "netops-west"), tables="[operators]\n")
        self.reload()
        self.assert_ended(bob, GONE)
        self.reason("bob", "do not stand for", user="bob")

    def test_an_authority_that_goes_at_reload_takes_its_people_along(self) -> None:
        tables = operator("alice") + operator("bob", authorized_keys=[self.public("bob")])
        self.trust(tables=tables)
        self.serve()
        alice, bob = self.enter("alice", key=self.certify("alice")), self.enter("bob", key="bob")
        self.configure(tables)
        self.reload()
        self.assert_ended(alice, GONE)
        self.assertTrue(bob.running)


class Revoked(CertificateTestCase):
    """`revoked`, which counts as soon as the file has changed: nobody says SIGHUP."""

    def until(self, tried: Callable[[], Completed], status: int) -> None:
        """Try until it ends like that, at most as long as a test waits for anything."""
        end = time.monotonic() + DEADLINE
        while (done := tried()).status != status:
            self.assertLess(time.monotonic(), end, done)

    def test_a_list_of_ssh_keygen(self) -> None:
        path = self.directory / "revoked.krl"
        path.write_bytes(self.keyring.revoke("serial: 99\n", "-s", "ca.pub"))
        self.trust(revoked="revoked.krl")
        self.serve()
        self.certify("alice", "-z", "17", "-I", "alice@laptop")
        self.certify("bob", "-z", "18", "-I", "alice@desk")
        self.certify("carol", "-z", "99")
        self.reason("carol", "is revoked: ")
        alice, bob = self.enter("alice", key="alice"), self.enter("alice", key="bob")
        new = self.directory / "new"
        new.write_bytes(self.keyring.revoke("serial: 17\n", "-s", "ca.pub"))
        new.replace(path)
        self.assert_ended(alice, GONE)
        self.until(lambda: self.login("alice", key="alice"), 255)
        self.server.out.expect(rb"login-failed .*is revoked: ")
        self.assertTrue(bob.running)
        new.write_bytes(self.keyring.revoke("id: alice@desk\n", "-s", "ca.pub"))
        new.replace(path)
        self.assert_ended(bob, GONE)
        self.until(lambda: self.login("alice", key="alice"), 0)
        self.assert_no_defects()

    def test_a_text(self) -> None:
        path = write(self.directory / "revoked", "# nothing yet\n")
        tables = operator("alice") + operator("bob", authorized_keys=[self.public("bob")])
        self.trust(tables=tables, revoked="revoked")
        self.serve()
        self.certify("alice", "-z", "17")
        self.certify("carol", "-z", "18")
        certified, keyed = self.enter("alice", key="alice"), self.enter("bob", key="bob")
        write(path, "serial: 17\n")
        self.assert_ended(certified, GONE)
        self.reason("alice", "is revoked: ")
        self.assertTrue(keyed.running)
        write(path, f"serial: 17\n{self.public('bob')}\n")  # a key without a certificate, too
        self.assert_ended(keyed, GONE)
        self.assert_out(self.login("bob", key="bob"), "revoked")
        self.assert_in(self.login("alice", key="carol"))
        write(path, self.public("ca") + "\n")
        self.until(lambda: self.login("alice", key="carol"), 255)
        self.server.out.expect(rb"login-failed .*is revoked: ")
        self.assert_no_defects()

    def test_what_cannot_be_read_lets_no_certificate_in(self) -> None:
        path = write(self.directory / "revoked", "# nothing yet\n")
        tables = operator("alice") + operator("bob", authorized_keys=[self.public("bob")])
        self.trust(tables=tables, revoked="revoked")
        self.serve()
        self.certify("alice")
        inside = self.enter("alice", key="alice")
        write(path, "serial: seventeen\n")
        self.until(lambda: self.login("alice", key="alice"), 255)
        self.server.out.expect(rb"revocation list cannot be read")
        self.assert_in(self.login("bob", key="bob"))
        self.assertTrue(inside.running)  # he came in when it could be read
        write(path, "# nothing\n")
        self.until(lambda: self.login("alice", key="alice"), 0)
        self.assert_no_defects()

    def test_after_a_restart_what_cannot_be_read_lets_no_key_in(self) -> None:
        path = write(self.directory / "revoked", self.public("bob") + "\n")
        tables = operator("alice", authorized_keys=[self.public("alice")])
        tables += operator("bob", authorized_keys=[self.public("bob")])
        self.trust(tables=tables, revoked="revoked")
        self.serve()
        self.certify("carol")
        self.assert_out(self.login("bob", key="bob"), "revoked")
        path.write_text(self.public("bob") + "\n", encoding="utf-16")
        self.server.stop()
        self.serve()
        [said] = re.findall(rb".* error .*", self.server.out.data)
        self.assertRegex(said, rb"revocations-unknown .*UTF-16.*no public key and no certificate")
        for name, key in (("bob", "bob"), ("alice", "alice"), ("alice", "carol")):
            self.assert_out(self.login(name, key=key), "revocation list cannot be read")
        path.write_bytes(b"\xef\xbb\xbf" + self.public("bob").encode() + b"\r\n")
        self.until(lambda: self.login("alice", key="alice"), 0)
        self.assert_in(self.login("alice", key="carol"))
        self.assert_out(self.login("bob", key="bob"), "revoked")
        self.assert_no_defects()
