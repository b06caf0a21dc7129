"""What the load generator says: whole dialogues, and bytes that are what they should be."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from benchmarks.load import wire
from vspc.wire.telnet import Data, Decoder
from vspc.wire.vmware import VMotionGoahead


def decoded(pieces: list[bytes]) -> bytes:
    """The data among it."""
    decoder, found = Decoder(), bytearray()
    for piece in pieces:
        decoder.receive(piece)
        while (event := decoder.next_event()) is not None:
            assert isinstance(event, Data), event
            found += event.data
    return bytes(found)


class Dialogue(SynchronousTestCase):
    def test_the_floor_s_answers_are_what_a_vm_waits_for(self) -> None:
        for step, answer in zip(wire.registration(7), wire.canned_answers(), strict=True):
            self.assertTrue(step.awaits.search(answer), step)

    def test_vms_differ_in_what_they_say_last(self) -> None:
        first, second = wire.registration(0), wire.registration(1)
        self.assertEqual(first[:-1], second[:-1])
        self.assertIn(wire.name_of(1).encode(), second[-1].sends)

    @given(st.binary(min_size=1, max_size=16))
    def test_a_payload_is_found_whatever_bytes_it_has(self, payload: bytes) -> None:
        said = b"output" + wire.message(VMotionGoahead(payload)) + b"more"
        found = wire.GOAHEAD.search(said)
        assert found is not None
        self.assertEqual(found[1].replace(b"\xff\xff", b"\xff"), payload)


class Output(SynchronousTestCase):
    def test_so_much_of_each_kind(self) -> None:
        size = wire.MIB + 1000
        for kind, make in wire.OUTPUTS.items():
            expected = make(wire.MIB) + make(wire.MIB)[:1000]
            self.assertEqual(b"".join(wire.pieces(kind, size, escapes=False)), expected)
            self.assertEqual(decoded(list(wire.pieces(kind, size, escapes=True))), expected)
