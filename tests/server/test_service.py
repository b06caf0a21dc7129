"""The service in memory: what a reload changes, what it refuses, what it leaves alone."""

from pathlib import Path
from typing import cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.auth.minting import line_of
from tests.auth.test_authenticator import plain
from tests.config.test_load import KEY
from tests.fakes import ALL, UUID, FakeLine, FakeSink
from tests.net.ends import Wire
from vspc.config.credentials import authorized_key, fingerprint
from vspc.console.access import Operator, Subject
from vspc.console.events import Event, RulesChanged
from vspc.console.identity import Claim
from vspc.console.session import Proof, Session
from vspc.net.outbound import AT_ONCE, Destination
from vspc.net.tls import load_pair
from vspc.server.config_files import load_with_files
from vspc.server.service import VspcService
from vspc.ssh.keys import make_host_key
from vspc.wire.telnet import COM_PORT, DO, DONT, WILL, negotiation

CONFIG = """
state_dir = "{state}"
[vm]
telnet = ["tcp:13370:interface=127.0.0.1"]
telnets = ["tcp:13371:interface=127.0.0.1"]
[ssh]
listen = ["{ssh}"]
[operators.alice]
authorized_keys = ["{key}"]
"""

OTHER = line_of(plain(2))
SSH = "tcp:2222:interface=127.0.0.1"


class Reloading(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.events: list[LogEvent] = []
        observer = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.write()
        config = load_with_files(self.directory / "vspc.toml")
        self.reactor = MemoryReactorClock()
        self.service = VspcService(config, self.reactor)
        self.service.privilegedStartService()
        self.pair = load_pair(None, None, self.directory / "state")

    def write(self, state: str = "state", ssh: str = SSH, more: str = "") -> None:
        text = CONFIG.format(state=state, ssh=ssh, key=KEY) + more
        (self.directory / "vspc.toml").write_text(text)

    def reload(self) -> dict[str, list[object]]:
        """What is logged of it, by event: the key, or what is wrong."""
        del self.events[:]
        self.service.reload()
        said: dict[str, list[object]] = {}
        for event in self.events:
            fact = event.get("key") or event.get("what")
            said.setdefault(str(event["log_format"]), []).append(fact)
        return said

    def test_alerts_and_what_is_kept_of_panics(self) -> None:
        alert = '[[alert]]\nname = "a"\nbuiltin = ["panic"]\nsyslog = "unix:/nonexistent"\n'
        self.write(more=alert + "[panics]\nmax_console = 3\n")
        self.assertIn("reloaded", self.reload())
        verbs = self.service.parts.verb_context()
        self.assertEqual([each.name for each in verbs.alerts.states()], ["a"])
        self.assertEqual(self.service.parts.logs.panics.settings.max_console, 3)
        self.write(more=alert + "pattern = '('\n")
        self.assertIn("reload-refused", self.reload())
        self.assertEqual([each.name for each in verbs.alerts.states()], ["a"])
        self.write()
        self.reload()
        self.assertEqual(list(verbs.alerts.states()), [])

    def test_status_has_how_long_the_certificate_is_valid(self) -> None:
        found = self.service.parts.verb_context().status()["certificate"]
        assert isinstance(found, dict)
        self.assertIn(found["days_left"], (3649, 3650))
        self.assertEqual(found["problem"], "")
        self.assertRegex(found["not_after"], r"\A20\d\d-\d\d-\d\dT.*Z\Z")

    def test_what_is_dialled_changes_with_a_reload(self) -> None:
        table = '[[dial]]\nname = "moxa"\nconnect = "tcp://192.0.2.9:4001"\n'
        self.write(more=table)
        self.assertNotIn("reload-needs-restart", self.reload())
        self.assertEqual([each.name for each in self.service.roster], ["moxa"])
        status = self.service.parts.verb_context().status()
        self.assertEqual(status["dialled"]["connecting"], 1)  # type: ignore[index]
        self.write(more=table + '[[dial]]\nname = "moxa"\nconnect = "tcp://192.0.2.9:4002"\n')
        self.assertIn("is the name of", str(self.reload()["reload-mistake"]))
        self.write()
        self.reload()
        (console,) = self.service.roster
        self.assertEqual(console.link.away_reason, "it is no longer in the configuration")

    def test_remote_systems_that_do_not_answer_hold_up_nothing_that_is_configured(self) -> None:
        outbound = self.service.parts.asked_for
        for number in range(2 * AT_ONCE):
            asked_for = Destination(f"198.51.100.{number % 250}", 4001)
            Deferred.fromCoroutine(outbound.connect(asked_for, lambda _: Protocol()))
        self.assertEqual(len(self.reactor.tcpClients), AT_ONCE)
        self.write(more='[[dial]]\nname = "moxa"\nconnect = "tcp://192.0.2.9:4001"\n')
        self.reload()
        self.assertEqual(self.reactor.tcpClients[-1][0], "192.0.2.9")

    def test_those_that_wait_for_a_console_are_told_that_rules_may_have_changed(self) -> None:
        happened: list[Event] = []
        self.service.events.subscribe(happened.append)
        self.reload()
        self.assertEqual(happened, [RulesChanged()])

    def test_a_reload_with_a_file_of_what_is_revoked_that_cannot_be_read_is_refused(self) -> None:
        path = self.directory / "revoked"
        self.write(more="[ssh.certificates]\nrevoked = 'revoked'\n")
        self.assertIn("No such file", str(self.reload()["reload-mistake"]))
        path.write_text(f"{OTHER}\n")
        self.assertIn("reloaded", self.reload())
        path.write_bytes(f"{OTHER}\n".encode("utf-16"))
        said = self.reload()
        self.assertIn("UTF-16", str(said["reload-mistake"]))
        self.assertIn("reload-refused", said)

    def com_port(self) -> tuple[Wire, bytes]:
        """A new line, and what is answered when its VM offers RFC 2217."""
        port, factory, *_ = self.reactor.tcpServers[0]
        self.assertEqual(port, 13370)
        line = cast(Protocol, factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 40000)))
        wire = Wire()
        line.makeConnection(wire)
        wire.take()
        line.dataReceived(negotiation(WILL, COM_PORT))
        return wire, wire.take()[:3]

    def test_com_port_counts_for_the_lines_that_come_after_a_reload(self) -> None:
        wire, answer = self.com_port()
        self.assertEqual(answer, negotiation(DO, COM_PORT))
        text = (self.directory / "vspc.toml").read_text()
        self.assertIn("[vm]\n", text)
        (self.directory / "vspc.toml").write_text(
            text.replace("[vm]\n", '[vm]\ncom_port = false\nbreak = "comport"\n')
        )
        said = self.reload()
        self.assertIn("reloaded", said)
        self.assertNotIn("reload-needs-restart", said)
        self.assertFalse(wire.disconnecting)
        self.assertEqual(self.com_port()[1], negotiation(DONT, COM_PORT))

    def test_what_needs_a_restart_is_logged_at_each_reload_until_then(self) -> None:
        self.write(state="elsewhere")
        self.assertEqual(self.reload()["reload-needs-restart"], ["state_dir"])
        self.write(state="elsewhere", ssh="tcp:2223")
        for _ in range(2):
            self.assertEqual(self.reload()["reload-needs-restart"], ["state_dir", "ssh"])
        self.write()
        self.assertNotIn("reload-needs-restart", self.reload())

    def test_another_state_dir_does_not_swap_the_certificate(self) -> None:
        (self.directory / "elsewhere").mkdir()
        self.write(state="elsewhere")
        self.assertIn("reloaded", self.reload())
        self.assertEqual(list((self.directory / "elsewhere").iterdir()), [])
        self.assertEqual(self.service.parts.pair(self.service.live.config), self.pair)

    def test_with_any_mistake_nothing_changes_and_every_one_is_named(self) -> None:
        make_host_key(self.directory / "host")
        (self.directory / "bad.pem").write_text("nothing")
        more = (
            '[operators.bob]\n[tls]\ncertificate = "bad.pem"\nprivate_key = "bad.pem"\n'
            '[[vm.zone]]\nname = "lab"\nclient_ca = "bad.pem"\n'
        )
        self.write(more=more)
        before = self.service.live.config
        said = self.reload()
        self.assertEqual(set(said), {"reload-mistake", "reload-refused"})
        found = " ".join(map(str, said["reload-mistake"]))
        for key in ("tls.certificate", "tls.private_key", "vm.zone[0].client_ca"):
            self.assertIn(f" {key}: ", found)
        self.assertIs(self.service.live.config, before)

    def test_a_deny_list_that_is_no_text_changes_nothing(self) -> None:
        deny = '[[access]]\noperators = ["alice"]\nconsoles_file = "secret.txt"\nrights = []\n'
        everything = '[[access]]\noperators = ["*"]\nconsoles = ["*"]\nrights = ["read"]\n'
        path = self.directory / "secret.txt"
        path.write_text("secret1\n")
        self.write(more=deny + everything)
        self.assertIn("reloaded", self.reload())
        subject = Subject("secret1", "default", None)
        for data in ("secret1\n".encode("utf-16"), b"secret1 # mine\n", b"\xff\n", b""):
            path.write_bytes(data)
            said = self.reload()
            self.assertEqual(set(said), {"reload-mistake", "reload-refused"}, data)
            self.assertIn("secret.txt", str(said["reload-mistake"]))
            rights = self.service.live.rights(Operator("alice"), subject)
            self.assertEqual(rights, frozenset(), data)

    def test_a_session_whose_key_is_removed_types_nothing_more(self) -> None:
        rule = '[[access]]\noperators = ["alice"]\nconsoles = ["*"]\nrights = ["read", "write"]\n'
        self.write(more=rule)
        self.reload()
        blob = authorized_key(KEY).blob
        proof = Proof("publickey", fingerprint(blob), key=blob)
        session = Session("s1", Operator("alice"), proof, "192.0.2.1", 0.0)
        ended: list[str] = []
        self.service.sessions.enter(session, ended.append)
        claim = Claim(zone="default", uuid=UUID, uuid_kind="vc", name="web01", address="10.0.0.1")
        console, line = self.service.roster.open(claim), FakeLine()
        console.link.connect(line)
        attachment = console.attach(session, ALL, FakeSink(), 0)
        console.link.migrate()
        attachment.type(b"reboot\r")
        self.assertIn("reloaded", self.reload())
        self.assertEqual((ended, len(console.attachments)), ([], 1))
        text = (self.directory / "vspc.toml").read_text().replace(KEY, OTHER)
        (self.directory / "vspc.toml").write_text(text)
        self.reload()
        console.link.resume()
        self.assertEqual((len(ended), len(console.attachments)), (1, 0))
        self.assertEqual(bytes(line.sent), b"")
