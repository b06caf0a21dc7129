"""The telnet transport against Twisted's own, and two of ours that talk to each other."""

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.telnet import TelnetProtocol, TelnetTransport
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.net.ends import B_BINARY, B_ECHO, B_VMWARE, End, Recorder, Wire
from vspc.wire.telnet import (
    BINARY,
    BRK,
    DO,
    DONT,
    ECHO,
    SGA,
    VMWARE,
    WILL,
    WONT,
    command,
    escape,
    negotiation,
    subnegotiation,
)


class StockProtocol(TelnetProtocol):
    """Hands what Twisted's own transport says to a Recorder, subnegotiations joined."""

    def __init__(self, recorder: Recorder) -> None:
        for name in ("enableLocal", "enableRemote", "disableLocal", "disableRemote"):
            setattr(self, name, getattr(recorder, name))
        self.dataReceived = recorder.dataReceived  # type: ignore[method-assign]
        self._recorder = recorder

    def unhandledCommand(self, command: bytes, argument: bytes | None) -> None:
        self._recorder.unhandledCommand(command, argument)

    def unhandledSubnegotiation(self, command: bytes, data: list[bytes]) -> None:
        self._recorder.unhandledSubnegotiation(command, b"".join(data))


# What both understand: no CR, no stray SE, no code that is none, and not option 6.
OPTION = st.sampled_from([BINARY, ECHO, SGA, 24, VMWARE, 255])
COMMON = st.lists(
    st.binary(max_size=20).map(lambda data: escape(data.replace(b"\r", b"")))
    | st.integers(241, 249).map(command)
    | st.builds(negotiation, st.sampled_from([WILL, WONT, DO, DONT]), OPTION)
    | st.builds(subnegotiation, OPTION, st.binary(max_size=20)),
    max_size=12,
).map(b"".join)
CUTS = st.lists(st.integers(0, 100), max_size=6)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` cut at `places`."""
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


class AgainstTwisted(SynchronousTestCase):
    @given(COMMON, CUTS, st.sampled_from([b"", bytes([BINARY, SGA, 255])]))
    @settings(deadline=None, max_examples=300)
    def test_calls_and_answers_are_the_same_where_both_are_right(
        self, data: bytes, places: list[int], likes: bytes
    ) -> None:
        chunks = cut(data, places)
        end = End(Recorder(likes))
        answer = end.hear(*chunks)
        recorder, wire = Recorder(likes), Wire()
        stock = TelnetTransport(StockProtocol, recorder)
        stock.makeConnection(wire)
        for chunk in chunks:
            stock.dataReceived(chunk)
        self.assertEqual(answer, wire.take())
        self.assertEqual(end.happened, recorder.happened)


ACTIONS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["write", "will", "wont", "do", "dont", "mark", "say", "break", "deliver"]),
        st.binary(max_size=12) | st.just(b"\xff\xff\xf0\r"),
        st.sampled_from([B_BINARY, B_ECHO]),
    ),
    max_size=25,
)


class TwoEnds(SynchronousTestCase):
    """Two LineTransports, either of which may do anything; bytes travel in any pieces."""

    def act(self, end: End, action: str, data: bytes, option: bytes) -> "Deferred[bool] | None":
        match action:
            case "write":
                end.line.write(data)
            case "mark":
                end.line.negotiation.ask_timing_mark()
            case "say":
                end.line.requestNegotiation(B_VMWARE, data)
            case "break":
                end.line.send_command(BRK)
            case _:
                outcome: Deferred[bool] = getattr(end.line, action)(option)
                return outcome
        return None

    def deliver(self, ends: tuple[End, End], pending: list[bytes], to: int, most: int) -> bool:
        """Up to `most` bytes that are on their way to `ends[to]` arrive."""
        pending[to] += ends[1 - to].wire.take()
        chunk, pending[to] = pending[to][:most], pending[to][most:]
        if chunk:
            ends[to].arrive(chunk)
        return bool(chunk)

    @given(ACTIONS, st.binary(max_size=1).map(lambda b: 1 + sum(b) % 7))
    @settings(deadline=None, max_examples=200)
    def test_everything_arrives_in_order_and_both_agree_on_the_options(
        self, actions: list[tuple[int, str, bytes, bytes]], most: int
    ) -> None:
        ends = (End(Recorder(B_BINARY)), End(Recorder(B_BINARY + B_ECHO)))
        pending = [b"", b""]
        sent: tuple[list[Any], list[Any]] = ([], [])
        outcomes = []
        for who, action, data, option in actions:
            if action == "deliver":
                self.deliver(ends, pending, who, len(data))
                continue
            sent[who].append((action, data))
            outcome = self.act(ends[who], action, data, option)
            if outcome is not None:
                outcomes.append(outcome)
        while self.deliver(ends, pending, 0, most) or self.deliver(ends, pending, 1, most):
            pass
        for outcome in outcomes:
            self.successResultOf(outcome)
        self.check(ends[0], sent[1])
        self.check(ends[1], sent[0])
        one, other = (end.line.negotiation.states for end in ends)
        for number in (BINARY, ECHO):
            self.assertEqual(one.enabled(True, number), other.enabled(False, number))
            self.assertEqual(one.enabled(False, number), other.enabled(True, number))

    def check(self, end: End, sent: list[tuple[str, bytes]]) -> None:
        told = [event for event in end.happened if event[0] in ("subnegotiation", "command")]
        wanted = [
            ("subnegotiation", B_VMWARE, data) if action == "say" else ("command", b"\xf3", None)
            for action, data in sent
            if action in ("say", "break")
        ]
        self.assertEqual(told, wanted)
        self.assertEqual(end.protocol.heard(), b"".join(d for a, d in sent if a == "write"))
        self.assertNotIn("failed", [event[0] for event in end.happened])
