"""VMs that ask to be connected to a remote system: direction client, from DO-PROXY to its end."""

import contextlib
import threading

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import ALICE, ROOT, XTERM
from tests.doors.remote_world import MOXA, WEB01, WILL, WONT, RemoteWorld
from tests.net.dialling import lose
from tests.vm.support import Host, secret
from vspc.console.attachment import Attachment
from vspc.console.events import VmRefused
from vspc.console.input_flow import WAITING
from vspc.console.remote import REMOTE
from vspc.doors.remotes import bridge, remotes
from vspc.net.outbound import LIMIT, LOOK_UP
from vspc.net.tls import TlsError
from vspc.wire import telnet
from vspc.wire.telnet import Data, Decoder, negotiation
from vspc.wire.vmware import (
    DoProxy,
    VmName,
    VMotionBegin,
    VMotionComplete,
    VMotionPeer,
    VmVcUuid,
)


class RemoteTest(RemoteWorld, SynchronousTestCase):
    """A server whose VMs may be connected to `allowed`."""

    def setUp(self) -> None:
        self.build()
        self.addCleanup(self.outbound.close)

    def tearDown(self) -> None:
        self.remotes.close("the test is over")
        self.assertEqual(self.desk.failures, 0)


class Asking(RemoteTest):
    def test_will_proxy_at_once_the_connection_after(self) -> None:
        self.vm()
        self.assertIn(WILL, self.said)
        asked = self.dialling.take()
        self.assertEqual((asked.address, asked.port), ("192.0.2.9", 4001))
        self.assertEqual(self.state, "not connected yet")
        self.assertIn("no remote", self.desk.say("list").text)
        asked.accept()
        self.assertEqual(self.state, "connected, at 192.0.2.9")
        self.assertIn("connected", self.desk.say("list").text)
        self.assertIn(
            "remote: tcp://192.0.2.9:4001: connected, at 192.0.2.9",
            self.desk.say("info web01").text,
        )

    def test_what_is_not_listed_is_refused_and_the_log_names_the_entry(self) -> None:
        self.allowed = ["10.0.0.0/8:4001", "*.lab.example:*"]
        for uri, entry in (
            (b"tcp://10.9.9.9:22", "10.9.9.9:22"),
            (b"telnet://db.example", "db.example:23"),
            (b"127.0.0.1:22", "127.0.0.1:22"),
            (b"ssl://[fe80::1]:22", "[fe80::1]:22"),
        ):
            host = self.vm(uri)
            self.assertIn(WONT, self.said)
            self.assertTrue(host.closed)
            refused = self.desk.happened[-1]
            assert isinstance(refused, VmRefused)
            self.assertIn(f'add "{entry}" there', refused.reason)
            self.assertEqual(refused.hint, f'add to vm.dial_allow: "{entry}"')
        self.assertEqual(self.dialling.reactor.dialled, [])

    def test_a_uri_that_names_no_remote_system(self) -> None:
        self.vm(b"vspc")
        self.assertIn(WONT, self.said)
        refused = self.desk.happened[-1]
        assert isinstance(refused, VmRefused)
        self.assertIn("'vspc' has no port", refused.reason)
        self.assertIn("set Direction to Server", refused.reason)

    def test_a_vm_of_direction_server_asks_for_nothing(self) -> None:
        self.desk.host().register()
        self.assertIsNone(self.console.remote)
        self.assertEqual(self.dialling.reactor.dialled, [])

    def test_a_quarantined_line_is_connected_to_nothing(self) -> None:
        host, _ = self.connected()
        self.vm(b"tcp://192.0.2.66:1", address="10.0.0.66")
        host.say(VmVcUuid(WEB01))
        self.turn()
        self.assertIn("quarantined", self.desk.say("list", ROOT).text)
        self.assertEqual(self.dialling.reactor.dialled, [])


class Names(RemoteTest):
    URI = b"tcp://moxa-1.example:4001"

    def look_up(self, *addresses: str) -> None:
        self.dialling.hosts["moxa-1.example"] = list(addresses)

    def test_a_name_that_leads_to_loopback_is_not_connected_to(self) -> None:
        self.look_up("127.0.0.1", "::1", "169.254.1.1")
        self.vm(self.URI)
        self.assertIn(WILL, self.said)
        self.dialling.reactor.thread()
        self.assertEqual(self.dialling.reactor.dialled, [])
        self.assertIn("127.0.0.1:4001 is a loopback address", self.state)
        refused = self.desk.happened[-1]
        assert isinstance(refused, VmRefused)
        self.assertEqual(refused.hint, 'add to vm.dial_allow: "127.0.0.1:4001"')

    def test_an_address_of_another_kind_is_found_later(self) -> None:
        self.look_up("127.0.0.1")
        self.vm(self.URI)
        self.dialling.reactor.thread()
        self.look_up("192.0.2.9")
        self.wait(1)
        self.dialling.reactor.thread()
        self.dialling.take().accept()
        self.assertEqual(self.state, "connected, at 192.0.2.9")

    def test_a_name_in_a_network_is_looked_up_and_its_address_checked(self) -> None:
        self.dialling.hosts["other.example"] = ["198.51.100.1", "192.0.2.7"]
        self.vm(b"tcp://other.example:4001")
        self.dialling.reactor.thread()
        self.assertEqual(self.dialling.take().address, "192.0.2.7")

    def test_a_name_outside_of_every_network(self) -> None:
        self.dialling.hosts["other.example"] = ["198.51.100.1"]
        self.vm(b"tcp://other.example:4001")
        self.dialling.reactor.thread()
        self.assertIn("other.example:4001 (198.51.100.1) is not in vm.dial_allow", self.state)

    def test_our_own_listeners_are_not_connected_to(self) -> None:
        self.own = [("192.0.2.1", 2222)]
        self.vm(b"tcp://192.0.2.1:2222")
        self.assertIn("192.0.2.1:2222 is a listener of this server", self.state)

    def test_the_version_of_ip_that_the_scheme_asks_for(self) -> None:
        self.look_up("192.0.2.9")
        self.vm(b"tcp6://moxa-1.example:4001")
        self.dialling.reactor.thread()
        self.assertIn("moxa-1.example has no IPv6 address", self.state)

    def test_a_resolver_that_hangs(self) -> None:
        done = threading.Event()
        self.addCleanup(done.set)
        self.outbound.look_up = lambda _host: [str(done.wait(10))]
        self.vm(self.URI)
        self.wait(LOOK_UP)
        self.assertIn("moxa-1.example was not looked up within 5 s", self.state)


class Talking(RemoteTest):
    def test_bytes_both_ways(self) -> None:
        host, wire = self.connected()
        host.say(b"boot\xff\xff\n")
        self.turn()
        self.assertEqual(wire.take(), b"boot\xff\n")
        wire.above.dataReceived(b"AT\xff\r")
        self.assertEqual(host.wire.take(), b"AT\xff\xff\r")

    def test_what_the_vm_says_while_it_is_connected_is_not_lost(self) -> None:
        host = Host(self.desk, "10.0.0.1", dial_allow=self.allowed).agree()
        host.say(b"early ")
        host.say(DoProxy(b"C", MOXA), VmVcUuid(b"0" * 31 + b"1"), VmName(b"web01"))
        host.say(b"later ")
        self.turn()
        wire = self.dialling.take().accept()
        self.turn()
        self.assertEqual(wire.take(), b"early later ")

    def test_operators_see_it_and_who_types(self) -> None:
        host, wire = self.connected()
        alice = self.operator()
        host.say(b"boot\n")
        self.turn()
        self.assertIn("boot", alice.text)
        self.assertIn("remote@local", self.desk.say("who").text)
        self.assertIn("writes", self.desk.say("who").text)
        alice.type(b"x")
        self.assertIn("remote@local is typing", alice.text)
        lose(wire, ConnectionLost())
        self.turn()
        self.assertIn("tcp://192.0.2.9:4001 is not connected: the connection was reset", alice.text)

    def test_an_operator_forces_the_pen_and_it_goes_back(self) -> None:
        host, wire = self.connected()
        alice = self.operator()
        host.wire.take()
        alice.type(b"\x05cf")
        alice.type(b"ls\r")
        self.assertEqual(host.wire.take(), b"ls\r")
        wire.above.dataReceived(b"lost")
        wire.above.dataReceived(b"too")
        self.assertEqual(host.wire.take(), b"")
        bob = self.desk.say("console web01", ALICE, XTERM)
        alice.close()
        self.turn()
        wire.above.dataReceived(b"back")
        self.assertEqual(host.wire.take(), b"back")
        self.turn()
        expected = "alice typed meanwhile, and tcp://192.0.2.9:4001 has the pen again: 7 bytes"
        self.assertIn(expected, " ".join(bob.text.split()))
        assert self.console.remote is not None
        self.assertEqual(self.console.remote.unsent, 7)

    def test_a_verb_takes_the_pen_for_its_work(self) -> None:
        host, wire = self.connected()
        host.wire.take()
        denied = self.desk.say("send web01 hello")
        self.assertEqual(denied.status, 4)
        self.assertIn("remote@local is typing on web01", denied.complaint)
        self.assertEqual(self.desk.say("send web01 --force hello").status, 0)
        self.turn()
        self.assertTrue(self.console.pen.holder and self.console.pen.holder.operator == REMOTE)
        wire.above.dataReceived(b"back")
        self.assertEqual(host.wire.take(), b"helloback")

    def test_a_vmotion_in_the_middle_loses_no_byte(self) -> None:
        source, wire = self.connected()
        source.say(b"one")
        self.turn()
        credential = source.begin()
        wire.above.dataReceived(b"held")
        target = Host(self.desk, "10.0.0.2", dial_allow=self.allowed)
        target.peer(credential)
        self.assertNotIn(b"held", source.wire.take())
        moved = target.complete(uuid=WEB01) + target.say(VmName(b"web01"))
        self.assertTrue(moved.endswith(b"held"), moved)
        target.say(b"two")
        self.turn()
        self.assertEqual(wire.take(), b"onetwo")
        self.assertFalse(wire.disconnecting)
        self.assertEqual(self.dialling.reactor.dialled, [])

    def test_a_break_of_the_vm_is_for_telnet_only(self) -> None:
        host, wire = self.connected()
        host.say(b"a" + telnet.command(telnet.BRK) + b"b")
        self.turn()
        self.assertEqual(wire.take(), b"ab")

    def test_telnet_is_spoken_where_the_uri_says_so(self) -> None:
        host, wire = self.connected(b"telnet://192.0.2.9:23")
        said = wire.take()
        self.assertIn(negotiation(telnet.DO, telnet.BINARY), said)
        self.assertNotIn(negotiation(telnet.WILL, telnet.ECHO), said)
        wire.above.dataReceived(negotiation(telnet.WILL, telnet.ECHO) + b"login\xff\xff")
        self.assertEqual(wire.take(), negotiation(telnet.DO, telnet.ECHO))
        self.assertEqual(host.wire.take(), b"login\xff\xff")
        wire.above.dataReceived(telnet.command(telnet.BRK))
        self.assertEqual(host.wire.take(), telnet.command(telnet.BRK))
        host.say(b"x\xff\xff" + telnet.command(telnet.BRK) + b"y")
        self.turn()
        self.assertEqual(wire.take(), b"x\xff\xff" + telnet.command(telnet.BRK) + b"y")

    def test_telnet_where_the_uri_says_raw_is_recognised(self) -> None:
        _, wire = self.connected()
        wire.above.dataReceived(b"\xff")
        wire.above.dataReceived(b"\xfd\x18")
        self.assertIn("speaks telnet: telnet://192.0.2.9:4001 is its URI", self.state)

    def test_bytes_that_are_like_telnet_and_are_not(self) -> None:
        _, wire = self.connected()
        wire.above.dataReceived(b"\xff\x00\xff\xfd")
        self.assertEqual(self.state, "connected, at 192.0.2.9")


class Secured(RemoteTest):
    def test_trust_is_made_in_a_thread(self) -> None:
        self.vm(b"ssl://192.0.2.9:4001#verify")
        self.assertEqual(self.dialling.reactor.dialled, [])
        self.threads.run()
        self.assertEqual(self.dialling.take().address, "192.0.2.9")

    def test_a_list_of_ciphers_that_are_none(self) -> None:
        self.vm(b"ssl://192.0.2.9:4001#cipherList=NOSUCH")
        call, answer = self.threads.waiting.pop()
        answer.errback(self.assertRaises(TlsError, call))
        self.assertIn("no cipher suite is called NOSUCH", self.state)

    def test_no_thread_is_left(self) -> None:
        self.threads.none_left = True
        self.vm(b"ssl://192.0.2.9:4001")
        self.assertIn("no thread left", self.state)

    def test_a_thread_that_does_not_answer(self) -> None:
        host = self.vm(b"telnets://192.0.2.9")
        self.wait(LIMIT)
        self.assertIn("no thread left", self.state)
        host.lose()


class Slow(RemoteTest):
    def test_a_remote_system_that_floods_is_not_read(self) -> None:
        host, wire = self.connected()
        with contextlib.suppress(StopIteration):
            for _ in range(100):
                if not wire.reading:
                    raise StopIteration
                wire.above.dataReceived(bytes(8192))
                self.turn()
        self.assertFalse(wire.reading)
        self.assertLessEqual(self.console.input.waiting, WAITING)
        for _ in range(200):
            host.say(VmVcUuid(WEB01))
        self.assertTrue(wire.reading)

    def test_what_it_reads_comes_in_pieces(self) -> None:
        self.patch(bridge, "PIECE", 1000)
        host, wire = self.connected()
        host.say(b"a" * 2500)
        self.turn()
        self.assertEqual((wire.take(), wire.sizes), (b"a" * 2500, [1000, 1000, 500]))

    def test_what_waits_when_it_is_disconnected_is_counted_and_told(self) -> None:
        _, wire = self.connected()
        alice = self.operator()
        for _ in range(20):
            wire.above.dataReceived(bytes(8192))
            self.turn()
        waits = self.console.input.waiting
        lose(wire)
        self.turn()
        assert self.console.remote is not None
        unsent = self.console.remote.unsent
        self.assertGreater(unsent, 0)
        self.assertLessEqual(unsent, 20 * 8192 - waits)
        self.assertIn(f"192.0.2.9:4001 is disconnected: {unsent} bytes not sent", alice.text)

    def test_one_that_does_not_read_falls_behind_and_ends_where_nothing_is_kept(self) -> None:
        host, wire = self.connected()
        wire.producer.pauseProducing()
        for _ in range(10):
            host.say(b"x" * 16384)
            self.turn()
        self.assertEqual(wire.take(), b"")
        wire.producer.resumeProducing()
        self.turn()
        self.assertTrue(wire.disconnecting)
        lose(wire)
        self.assertIn("it read too slowly: offsets 0 to ", self.state)

    def test_one_that_does_not_close_is_cut_off(self) -> None:
        host, wire = self.connected()
        host.lose()
        self.assertTrue(wire.disconnecting)
        self.assertFalse(wire.aborted)
        self.wait(bridge.LINGER)
        self.assertTrue(wire.aborted)


class Ending(RemoteTest):
    def test_it_is_closed_with_the_line_of_the_vm(self) -> None:
        host, wire = self.connected()
        host.lose()
        self.assertTrue(wire.disconnecting)
        lose(wire)
        self.wait(600)
        self.assertEqual(self.dialling.reactor.dialled, [])
        self.assertIn("the VM is away", self.state)

    def test_the_last_words_of_the_vm_arrive(self) -> None:
        host, wire = self.connected()
        host.say(b"halted\n")
        host.lose()
        self.assertEqual(wire.take(), b"halted\n")
        self.assertTrue(wire.disconnecting)

    def test_one_that_floods_is_closed_all_the_same(self) -> None:
        host, wire = self.connected()
        while wire.reading:
            wire.above.dataReceived(bytes(8192))
            self.turn()
        host.lose()
        self.assertTrue(wire.disconnecting)
        self.assertTrue(wire.reading)
        wire.above.dataReceived(b"more")
        lose(wire)
        self.turn()

    def test_it_is_not_waited_for_once_the_vm_is_away(self) -> None:
        host = self.vm()
        asked = self.dialling.take()
        host.lose()
        self.assertTrue(asked.cancelled)

    def test_pauses_grow_until_a_connection_lasts(self) -> None:
        _, wire = self.connected()
        pauses = list[float]()
        for _ in range(9):
            lose(wire)
            waited = 0.0
            while not self.dialling.reactor.dialled:
                self.wait(0.5)
                waited += 0.5
            pauses.append(waited)
            wire = self.dialling.take().accept()
        self.assertLessEqual(pauses[0], 1.5)
        self.assertGreater(pauses[-1], 80)
        self.assertLessEqual(pauses[-1], remotes.LONGEST + 0.5)
        self.wait(remotes.SETTLED)
        lose(wire)
        self.wait(1.5)
        self.assertEqual(len(self.dialling.reactor.dialled), 1)

    def test_output_without_a_connection_is_not_kept_for_it(self) -> None:
        host, wire = self.connected()
        lose(wire)
        host.say(b"before")
        self.wait(1.5)
        wire = self.dialling.take().accept()
        host.say(b"after")
        self.turn()
        self.assertEqual(wire.take(), b"after")

    def test_the_same_failure_is_told_once(self) -> None:
        self.vm()
        alice = self.operator()
        for _ in range(3):
            self.dialling.take().refuse()
            while not self.dialling.reactor.dialled:
                self.wait(1)
        said = " ".join(alice.text.split())
        self.assertEqual(said.count("connection refused by 192.0.2.9:4001"), 1)

    def test_only_so_many_at_once(self) -> None:
        self.patch(remotes, "MOST", 2)
        for number in range(3):
            self.vm(name=b"vm%d" % number)
        states = [c.remote.state for c in self.desk.roster if c.remote is not None]
        self.assertIn("2 remote systems are connected already, which is the limit", states[2])
        self.dialling.reactor.dialled.pop(0).refuse()
        self.wait(1.5)
        self.assertEqual(self.remotes.condition()["asked_for"], 3)
        self.assertEqual(len(self.dialling.reactor.dialled), 2)

    def test_vms_that_come_and_go_make_no_flood_elsewhere(self) -> None:
        self.patch(remotes, "DIALS", 3)
        self.build()
        for _ in range(5):
            self.vm().lose()
        self.assertEqual(len(self.dialling.reactor.dialled), 3)
        self.vm()
        self.assertIn("more than 8 connections a second are asked for", self.state)
        self.dialling.reactor.dialled.clear()
        self.wait(1.5)
        self.assertEqual(len(self.dialling.reactor.dialled), 1)

    def test_a_reload_that_takes_the_entry_away_closes_it(self) -> None:
        _, wire = self.connected()
        self.allowed = []
        self.remotes.reload()
        self.assertTrue(wire.disconnecting)
        lose(wire)
        self.assertIn("192.0.2.9:4001 is not in vm.dial_allow", self.state)
        self.wait(1.5)
        self.assertEqual(self.dialling.reactor.dialled, [])

    def test_a_reload_that_changes_nothing_leaves_it_alone(self) -> None:
        _, wire = self.connected()
        self.remotes.reload()
        self.assertFalse(wire.disconnecting)

    def test_an_operator_may_remove_it(self) -> None:
        _, wire = self.connected()
        self.assertEqual(self.desk.say("kick web01 remote@local", ALICE).status, 4)
        self.console.attachments.pen.holder.expel("removed by root")  # type: ignore[union-attr]
        self.assertTrue(wire.disconnecting)
        lose(wire)
        self.assertIn("removed by root", self.state)

    def test_another_line_of_the_vm_may_ask_for_another_system(self) -> None:
        host, wire = self.connected(MOXA + b"?port=a")
        self.vm(b"tcp://192.0.2.10:4001?port=a")
        self.wait(5)
        self.assertTrue(host.closed)
        self.assertTrue(wire.disconnecting)
        self.assertEqual(self.dialling.take().address, "192.0.2.10")

    def test_all_are_closed_with_the_service(self) -> None:
        _, wire = self.connected()
        self.remotes.close("the server is shutting down")
        self.assertTrue(wire.disconnecting)


class Play:
    """A VM, its remote system and alice; what each should have heard by now."""

    def __init__(self, test: RemoteTest) -> None:
        self.test = test
        self.host, self.wire = test.connected()
        self.hosts = [self.host]
        self.host.wire.take()
        self.decoders = [Decoder()]
        self.alice: Attachment | None = None
        self.said = self.typed = b""
        self.unsent = 0

    def vm(self, data: bytes) -> None:
        self.host.say_quietly(data)
        self.said += data

    def remote(self, data: bytes) -> None:
        self.wire.above.dataReceived(data)
        if self.alice is not None and self.alice.has_pen:
            self.unsent += len(data)
        else:
            self.typed += data

    def force(self, _: bytes) -> None:
        if self.alice is None:
            self.alice, _sink = self.test.desk.attach(self.test.console)
        self.alice.take_pen(force=True)

    def type(self, data: bytes) -> None:
        if self.alice is not None and self.alice.type(data).refusal is None:
            self.typed += data

    def leave(self, _: bytes) -> None:
        if self.alice is not None:
            self.alice.detach()
            self.alice = None

    def move(self, data: bytes) -> None:
        """A vMotion, and what the remote system sends in the middle of it."""
        sequence = bytes((len(self.hosts),)) * 4
        self.host.say_quietly(VMotionBegin(sequence))
        credential = sequence + secret(len(self.hosts) - 1)
        target = Host(self.test.desk, f"10.0.0.{len(self.hosts) + 1}")
        target.agree().say_quietly(VMotionPeer(credential))
        self.remote(data)
        target.say_quietly(VmVcUuid(WEB01), VmName(b"web01"), VMotionComplete(sequence))
        self.host = target
        self.hosts.append(target)
        self.decoders.append(Decoder())

    def turn(self, _: bytes = b"") -> None:
        self.test.turn()

    def gather(self) -> bytes:
        """All data that the VM's hosts have heard."""
        heard = b""
        for host, decoder in zip(self.hosts, self.decoders, strict=True):
            decoder.receive(host.wire.value())
            while (event := decoder.next_event()) is not None:
                heard += event.data if isinstance(event, Data) else b""
            decoder.take_rest()
        return heard


STEPS = ("vm", "remote", "force", "type", "leave", "move", "turn")
SCRIPTS = st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from((b"a", b"bc\n"))), max_size=20)


class Whatever(RemoteTest):
    """Any order of what VMs, remote systems and operators do."""

    @settings(max_examples=40, deadline=None)
    @given(SCRIPTS)
    def test_every_byte_arrives_in_order_or_is_counted(
        self, script: list[tuple[str, bytes]]
    ) -> None:
        self.setUp()
        play = Play(self)
        for step, data in script:
            getattr(play, step)(data)
        play.turn()
        self.assertEqual(play.wire.value(), play.said)
        self.assertEqual(play.gather(), play.typed)
        assert self.console.remote is not None
        self.assertEqual(self.console.remote.unsent, play.unsent)
        self.assertEqual(self.console.link.moves, len(play.hosts) - 1)
        self.assertEqual(self.dialling.reactor.dialled, [])
        self.remotes.close("the example is over")
        self.outbound.close()
