"""What `vspc check` and a start warn of: certificates, private keys, state_dir, logins."""

import os
from pathlib import Path
from typing import cast

from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY
from tests.net.authorities import certificate
from vspc.common.state_dir import make
from vspc.net.tls import load_pair
from vspc.server.config_files import file_warnings, load_with_files, start_warnings
from vspc.server.service import VspcService
from vspc.ssh.keys import make_host_key

LOGIN = f'[operators.alice]\nauthorized_keys = ["{KEY}"]\n'
RULE = '[[access]]\noperators = ["alice"]\nconsoles = ["*"]\nrights = ["read"]\n'


class WarningsTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()

    def write(self, name: str, data: bytes, mode: int = 0o600) -> None:
        (self.directory / name).write_bytes(data)
        (self.directory / name).chmod(mode)

    def warnings(self, text: str, login: str = LOGIN + RULE) -> list[str]:
        """What is said, each with its line."""
        self.write("vspc.toml", (text + login).encode())
        config = load_with_files(self.directory / "vspc.toml")
        return [config.lines.placed(one) for one in [*config.warnings, *file_warnings(config)]]


class Certificates(WarningsTest):
    TEXT = '[tls]\ncertificate = "tls.pem"\nprivate_key = "tls.key"\n'

    def chain(self, *days: tuple[float, float]) -> list[str]:
        """What is said of a chain whose certificates are valid from and to such days from now."""
        issuer, pem = None, b""
        for number, (begins, ends) in enumerate(reversed(days)):
            issuer = certificate(f"c{len(days) - number}", issuer, ends, begins)
            pem = issuer.pem + pem
        assert issuer is not None
        self.write("tls.pem", pem)
        self.write("tls.key", issuer.key_pem)
        return self.warnings(self.TEXT)

    def test_good_ones_cause_no_warning(self) -> None:
        self.assertEqual(self.chain((-1, 31)), [])
        self.assertEqual(self.chain((-1, 90), (-1, 400)), [])

    def test_expired_not_yet_valid_and_soon_to_expire(self) -> None:
        for days, word in (
            ((-9, -1), "certificate of c1: expired on 2"),
            ((1, 365), "certificate of c1: not valid before 2"),
            ((-9, 29.5), "in 29 days"),
            ((-9, 0.5), "in less than a day"),
        ):
            [said] = self.chain(days)
            self.assertTrue(said.startswith("tls.certificate (line 2): "), said)
            self.assertIn(str(self.directory / "tls.pem"), said)
            self.assertIn(word, said)

    def test_one_of_the_chain(self) -> None:
        [said] = self.chain((-1, 90), (-9, 3))
        self.assertIn("certificate of c2: expires on 2", said)

    def test_the_order_of_the_chain(self) -> None:
        root = certificate("Root")
        leaf = certificate("leaf", sub := certificate("Sub", root))
        self.write("tls.pem", leaf.pem + root.pem + sub.pem)
        self.write("tls.key", leaf.key_pem)
        said = " ".join(self.warnings(self.TEXT))
        self.assertIn("the chain is in the wrong order: certificate 3 (Sub)", said)

    def test_authorities_and_what_sinks_show(self) -> None:
        old = certificate("Old", days=-1, begins=-9)
        self.write("old.pem", old.pem)
        self.write("old.key", old.key_pem)
        said = self.warnings(
            '[vm]\nclient_ca = "old.pem"\n[[vm.zone]]\nname = "lab"\ntelnet = ["tcp:1"]\n'
            'client_ca = "old.pem"\n[audit]\nsyslog = "tls:h:1"\nca = "old.pem"\n'
            'certificate = "old.pem"\nprivate_key = "old.key"\n'
            '[[log.sink]]\nname = "s"\nkind = "syslog"\ntarget = "tls:h:1"\nca = "old.pem"\n'
        )
        keys = sorted(each.partition(" ")[0] for each in said)
        wanted = ["audit.ca", "audit.certificate", "log.sink[0].ca", "vm.client_ca"]
        self.assertEqual(keys, [*wanted, "vm.zone[0].client_ca"])
        for each in said:
            self.assertIn("certificate of Old: expired on", each)

    def test_the_one_in_state_dir(self) -> None:
        make(self.directory / "state")
        load_pair(None, None, self.directory / "state")
        self.assertEqual(self.warnings(""), [])
        (self.directory / "state" / "tls.pem").write_bytes(certificate("x", days=2).pem)
        [said] = self.warnings("")
        self.assertIn("certificate of x: expires on", said)


class PrivateKeys(WarningsTest):
    def test_ones_that_others_can_read(self) -> None:
        made = certificate("x")
        make_host_key(self.directory / "host")
        self.write("x.pem", made.pem)
        text = (
            '[tls]\ncertificate = "x.pem"\nprivate_key = "x.key"\n[ssh]\nhost_keys = ["host"]\n'
            '[audit]\nsyslog = "tls:h:1"\ncertificate = "x.pem"\nprivate_key = "x.key"\n'
            '[[log.sink]]\nname = "s"\nkind = "syslog"\ntarget = "tls:h:1"\n'
            'certificate = "x.pem"\nprivate_key = "x.key"\n'
        )
        for mode, odd in ((0o600, False), (0o640, False), (0o644, True), (0o660, True)):
            self.write("x.key", made.key_pem, mode)
            (self.directory / "host").chmod(mode)
            said = self.warnings(text)
            keys = sorted(each.partition(":")[0] for each in said)
            places = [
                "audit.private_key (line 9)",
                "log.sink[0].private_key (line 15)",
                "ssh.host_keys[0] (line 5)",
                "tls.private_key (line 3)",
            ]
            self.assertEqual(keys, places if odd else [], oct(mode))
            for each in said:
                self.assertIn(f"(mode {mode:04o}); chmod 600", each)
                self.assertNotIn("BEGIN", each)


class StateDirectories(WarningsTest):
    def test_ones_that_cannot_be_made(self) -> None:
        self.write("file", b"")
        for where, why in (
            ("file", "it is not a directory"),
            ("file/below", "it cannot be made"),
            ("new/below", ""),
            (".", ""),
        ):
            said = self.warnings(f"state_dir = '{where}'\n")
            self.assertEqual(bool(said), bool(why), where)
            if why:
                self.assertTrue(said[0].startswith("state_dir (line 1): "), said)
                self.assertIn(why, said[0])
        self.assertFalse((self.directory / "new").exists())

    def test_one_that_this_user_may_not_make(self) -> None:
        # Root may write everywhere, and tests may run as root.
        self.patch(os, "access", lambda *_: False)
        for where, why in (("new/state", "it cannot be made"), (".", "it cannot be written to")):
            [said] = self.warnings(f"state_dir = '{where}'\n")
            self.assertIn(f"{why}: {self.directory} may not be written to", said)


class Logins(WarningsTest):
    def test_no_operator_who_can_log_in(self) -> None:
        for text in (
            "[operators.alice]\n",
            "[operators.alice]\nauthorized_keys = []\n",
            f"[operators.alice]\nauthorized_keys = ['expiry-time=\"20200101Z\" {KEY}']\n",
        ):
            said = self.warnings("", text + RULE)
            what = "no operator has a key, password or other proof, so no login can succeed"
            self.assertIn(f"operators (line 1): {what}", said)

    def test_certificates_log_in_operators_without_a_table(self) -> None:
        text = f'[ssh.certificates]\nauthorities = ["{KEY}"]\n'
        maps = '[[ssh.certificates.map]]\nprincipals = ["*"]\n'
        self.assertIn("no login is possible", " ".join(self.warnings(text, "")))
        self.assertNotIn("no login is possible", " ".join(self.warnings(text + maps, "")))

    def test_a_key_that_is_past_its_time(self) -> None:
        text = f"authorized_keys = ['expiry-time=\"20200101Z\" {KEY}', '{KEY}']\n"
        said = self.warnings("", f"[operators.alice]\n{text}{RULE}")
        where = "operators.alice.authorized_keys[0] (line 2)"
        self.assertEqual(said, [f"{where}: its expiry-time is past"])


class Rules(WarningsTest):
    def test_an_operator_in_no_rule(self) -> None:
        more = (
            f"[operators.bob]\nauthorized_keys = ['{KEY}']\n"
            f"[operators.carol]\nauthorized_keys = ['{KEY}']\ngroups = ['g']\n"
            f"[operators.dora]\nauthorized_keys = ['{KEY}']\nroles = ['audit']\n"
        )
        group = '[[access]]\noperators = ["@g"]\nconsoles = ["*"]\nrights = ["read"]\n'
        said = self.warnings(more + group)
        no_rule = "no access rule applies, so no console is visible"
        self.assertEqual(said, [f"operators.bob (line 1): {no_rule}"])
        said = self.warnings(LOGIN + more + group.replace("@g", "*"), "")
        self.assertEqual(said, [])

    def test_allow_of_everything(self) -> None:
        for networks, named in (
            ('"0.0.0.0/0"', "0.0.0.0/0"),
            ('"::/0"', "::/0"),
            ('"0.0.0.0/1", "128.0.0.0/1", "::/0"', "0.0.0.0/0, ::/0"),
        ):
            for before, key, line in (
                ("[vm]\n", "vm.allow", 2),
                ('[[vm.zone]]\nname = "a"\ntelnet = ["tcp:1"]\n', "vm.zone[0].allow", 4),
                ('[[vm.plain]]\nname = "a"\nlisten = "tcp:1"\n', "vm.plain[0].allow", 4),
            ):
                said = self.warnings(f"{before}allow = [{networks}]\n")
                what = f"every host may connect ({named}); name the networks of the ESXi hosts"
                self.assertEqual(said, [f"{key} (line {line}): {what}"])
        said = self.warnings('[vm]\nproxy_protocol_from = ["0.0.0.0/0"]\n')
        self.assertIn("every host may claim any address", " ".join(said))
        self.assertEqual(self.warnings('[vm]\nallow = ["10.0.0.0/8", "::1/128"]\n'), [])


class Starting(WarningsTest):
    def test_a_start_and_a_reload_say_it_too(self) -> None:
        made = certificate("x", days=3)
        self.write("x.pem", made.pem)
        self.write("x.key", made.key_pem, 0o644)
        text = (
            '[vm]\ntelnet = []\ntelnets = ["tcp:0"]\n'
            '[tls]\ncertificate = "x.pem"\nprivate_key = "x.key"\n[ssh]\nlisten = ["tcp:1"]\n'
        )
        self.write("vspc.toml", (text + LOGIN + RULE).encode())
        events: list[LogEvent] = []
        observer = cast(ILogObserver, events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        service = VspcService(load_with_files(self.directory / "vspc.toml"), MemoryReactorClock())
        service.privilegedStartService()
        self.patch(os, "geteuid", lambda: 1000)  # as root it says one thing more
        service._warn()
        said = [event["what"] for event in events if event["log_format"] == "configuration-warning"]
        self.assertEqual(len(said), 2, said)
        self.assertIn("tls.certificate (line 5): ", said[0])
        self.assertIn("expires on", said[0])
        self.assertIn("tls.private_key (line 6): ", said[1])
        del events[:]
        service.reload()
        said = [event["what"] for event in events if event["log_format"] == "configuration-warning"]
        self.assertEqual(len(said), 2, said)

    def test_a_server_of_root_says_so(self) -> None:
        self.write("vspc.toml", (LOGIN + RULE).encode())
        config = load_with_files(self.directory / "vspc.toml")
        for uid, said in ((0, True), (1000, False)):
            self.patch(os, "geteuid", lambda uid=uid: uid)
            found = [line for line in start_warnings(config) if "as root" in line]
            self.assertEqual(bool(found), said)
