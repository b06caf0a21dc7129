"""The HTTP of metrics: GET and HEAD of what is there, and nothing that a peer sends costs much."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeClock
from tests.net.ends import Wire
from vspc.common.addresses import LOOPBACK
from vspc.doors.metrics.http import (
    CONNECTION_SECONDS,
    CONNECTIONS,
    REQUEST_BYTES,
    PageAnswer,
    PageSite,
)
from vspc.net.limits import Allow

GET = b"GET /page HTTP/1.1\r\nHost: here\r\n\r\n"


class Desk:
    """A site with a page, one that is slow, and one that fails."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.refused: list[str] = []
        self.failures = 0
        self.slow: list[Deferred[PageAnswer]] = []
        self.site = PageSite(
            {b"/page": self.page, b"/slow": self.wait, b"/broken": self.fail},
            lambda: Allow(LOOPBACK),
            self.clock.call_later,
            self.refused.append,
            self.failed,
        )

    def failed(self) -> None:
        self.failures += 1

    async def page(self) -> PageAnswer:
        return PageAnswer(200, b"numbers\n")

    async def wait(self) -> PageAnswer:
        answer: Deferred[PageAnswer] = Deferred()
        self.slow.append(answer)
        return await answer

    async def fail(self) -> PageAnswer:
        raise ValueError("no secret")

    def connect(self, host: str = "127.0.0.1") -> "Client | None":
        """A connection from `host`; None: it is closed."""
        address = IPv4Address("TCP", host, 40000)
        protocol = self.site.buildProtocol(address)
        if protocol is None:
            return None
        wire = Wire(peerAddress=address)
        protocol.makeConnection(wire)
        return Client(protocol, wire)

    def client(self) -> "Client":
        client = self.connect()
        assert client is not None
        return client


class Client:
    def __init__(self, protocol: object, wire: Wire) -> None:
        self.protocol: object = protocol
        self.wire = wire

    def say(self, data: bytes) -> bytes:
        """What comes back."""
        self.protocol.dataReceived(data)  # type: ignore[attr-defined]
        return self.wire.take()

    def lose(self) -> None:
        self.protocol.connectionLost(Failure(connectionDone.value))  # type: ignore[attr-defined]


def parts(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode("ascii").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in rest)
    return int(first.split(" ")[1]), headers, body


class Requests(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = Desk()

    def test_a_page_is_answered_and_the_connection_closed(self) -> None:
        client = self.desk.client()
        status, headers, body = parts(client.say(GET))
        self.assertEqual((status, body), (200, b"numbers\n"))
        self.assertEqual(headers["content-length"], "8")
        self.assertEqual(headers["connection"], "close")
        self.assertTrue(client.wire.disconnecting)

    def test_head_has_the_headers_alone(self) -> None:
        status, headers, body = parts(self.desk.client().say(GET.replace(b"GET", b"HEAD")))
        self.assertEqual((status, headers["content-length"], body), (200, "8", b""))

    def test_nothing_can_be_sent(self) -> None:
        for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"BREW"):
            words = method + b" /page HTTP/1.1\r\nContent-Length: 3\r\n\r\nx=1"
            status, headers, _ = parts(self.desk.client().say(words))
            self.assertEqual((status, headers["allow"]), (405, "get, head"), method)

    def test_another_path_names_those_that_are_there(self) -> None:
        answer = parts(self.desk.client().say(GET.replace(b"/page", b"/%2e%2e/etc/passwd")))
        self.assertEqual(answer[0], 404)
        self.assertIn(b"/page", answer[2])
        self.assertNotIn(b"passwd", answer[2])

    def test_a_page_that_fails_tells_no_details(self) -> None:
        status, _, body = parts(self.desk.client().say(GET.replace(b"/page", b"/broken")))
        self.assertEqual(status, 500)
        self.assertNotIn(b"secret", body)
        self.assertEqual(self.desk.failures, 1)

    def test_a_second_request_behind_the_first_is_not_answered(self) -> None:
        self.assertEqual(self.desk.client().say(GET * 3).count(b"HTTP/1.1"), 1)

    def test_a_client_that_leaves_before_its_answer(self) -> None:
        client = self.desk.client()
        self.assertEqual(client.say(GET.replace(b"/page", b"/slow")), b"")
        client.lose()
        self.assertTrue(self.desk.slow[0].called)  # cancelled
        self.assertEqual(self.desk.failures, 0)
        self.assertEqual(self.desk.clock.twisted.calls, [])

    @settings(max_examples=60)
    @given(st.lists(st.integers(1, len(GET) - 1), max_size=8))
    def test_however_it_is_cut(self, cuts: list[int]) -> None:
        client = Desk().client()
        places = [0, *sorted(set(cuts)), len(GET)]
        said = b"".join(client.say(GET[a:b]) for a, b in pairwise(places) if a < b)
        self.assertEqual(parts(said)[0], 200)

    @settings(max_examples=200)
    @given(st.lists(st.binary(max_size=200) | st.sampled_from([b"\r\n", b"GET ", GET]), max_size=6))
    def test_nothing_that_is_sent_raises(self, pieces: list[bytes]) -> None:
        desk = Desk()
        client = desk.client()
        for piece in pieces:
            if client.wire.disconnecting:
                break
            client.say(piece)
        client.lose()
        self.assertEqual(desk.clock.twisted.calls, [])


class Bounds(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = Desk()

    def test_other_hosts_are_refused(self) -> None:
        self.assertIsNone(self.desk.connect("192.0.2.7"))
        self.assertEqual(self.desk.refused, ["192.0.2.7"])

    def test_one_too_many_takes_the_place_of_the_oldest_that_has_not_asked(self) -> None:
        first, *others = [self.desk.client() for _ in range(CONNECTIONS)]
        first.say(GET.replace(b"/page", b"/slow"))
        for client in others:
            client.say(GET[:10])
        late = self.desk.client()
        self.assertEqual([each.wire.aborted for each in (first, *others[:2])], [False, True, False])
        self.assertEqual(parts(late.say(GET))[0], 200)
        others[0].lose()

    def test_when_all_wait_for_their_answers_one_more_is_closed_until_one_has_gone(self) -> None:
        clients = [self.desk.client() for _ in range(CONNECTIONS)]
        for client in clients:
            client.say(GET.replace(b"/page", b"/slow"))
        self.assertIsNone(self.desk.connect())
        clients[0].lose()
        self.assertIsNotNone(self.desk.connect())

    def test_a_request_that_is_too_long_ends_its_connection(self) -> None:
        for words in (b"G" * REQUEST_BYTES, b"GET /page HTTP/1.1\r\nX: " + b"x" * REQUEST_BYTES):
            client = self.desk.client()
            for at in range(0, len(words) + 1000, 1000):
                client.say(words[at : at + 1000] or b"x" * 1000)
                if client.wire.disconnecting:
                    break
            self.assertTrue(client.wire.disconnecting)

    def test_a_body_is_not_kept(self) -> None:
        client = self.desk.client()
        client.say(b"GET /page HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n")
        client.say(b"x" * REQUEST_BYTES)
        self.assertTrue(client.wire.aborted)

    def test_whoever_takes_too_long_is_cut_off_however_busy(self) -> None:
        client = self.desk.client()
        for _ in range(9):
            client.say(b"G")
            self.desk.clock.advance(1.0)
        self.assertFalse(client.wire.aborted)
        self.desk.clock.advance(CONNECTION_SECONDS - 9)
        self.assertTrue(client.wire.aborted)

    def test_one_that_does_not_read_its_answer_is_cut_off_too(self) -> None:
        client = self.desk.client()
        client.say(GET)
        self.desk.clock.advance(CONNECTION_SECONDS)
        self.assertTrue(client.wire.aborted)

    def test_all_are_closed_at_the_end(self) -> None:
        clients = [self.desk.client() for _ in range(3)]
        self.desk.site.close()
        self.assertTrue(all(client.wire.aborted for client in clients))
