"""The file that a state is written through to: whatever becomes of its writer, it is one of the
states that were written, or refused.
"""

import mmap
import os
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.server.handover import state_file
from vspc.server.handover.state_file import BadState, HandoverFile, Key, read

Batch = list[tuple[Key, bytes]]

KEYS = st.tuples(st.integers(0, 3), st.sampled_from([b"", b"a", b"b", bytes(255)]))
BATCHES = st.lists(st.lists(st.tuples(KEYS, st.binary(max_size=300)), max_size=6), max_size=12)
SMALL = 1 << 16
"""Bytes of a region here."""


def image(file: HandoverFile) -> bytes:
    return os.pread(file.descriptor, os.fstat(file.descriptor).st_size, 0)


def read_image(data: bytes) -> dict[Key, bytes]:
    descriptor = os.memfd_create("image")
    try:
        os.pwrite(descriptor, data, 0)
        return read(descriptor)
    finally:
        os.close(descriptor)


def apply(state: dict[Key, bytes], batch: Batch) -> dict[Key, bytes]:
    after = dict(state)
    for key, body in batch:
        if body:
            after[key] = body
        else:
            after.pop(key, None)
    return after


def apply_list(state: Batch, batch: Batch) -> Batch:
    return list(apply(dict(state), batch).items())


class Small(SynchronousTestCase):
    """With regions that change soon, and lie close together."""

    def setUp(self) -> None:
        self.patch(state_file, "WORTH_IT", 1000)
        self.patch(state_file, "LIMIT", SMALL)
        self.patch(state_file, "_REGIONS", (mmap.PAGESIZE, mmap.PAGESIZE + SMALL))

    def file(self) -> HandoverFile:
        file = HandoverFile.create()
        self.addCleanup(file.close)
        return file


class Written(Small):
    @settings(deadline=None, max_examples=150)
    @given(BATCHES)
    def test_what_is_in_force_is_read(self, batches: list[Batch]) -> None:
        file, state = HandoverFile.create(), dict[Key, bytes]()
        for batch in batches:
            file.write(batch)
            state = apply(state, batch)
            self.assertEqual(read(file.descriptor), state)
            self.assertEqual(file.count, len(state))
        file.close()

    def test_records_keep_the_order_in_which_they_came(self) -> None:
        file = self.file()
        names = [b"%d" % number for number in range(20)]
        file.write([((1, name), b"x") for name in names])
        for round_ in range(30):
            file.write([((1, names[round_ % 20]), bytes([round_ + 1]) * 200)])
        self.assertEqual([key for _, key in read(file.descriptor)], names)

    def test_what_is_outdated_gives_its_memory_back(self) -> None:
        file = self.file()
        for round_ in range(3000):
            file.write([((1, b"same"), b"%04d" % round_ * 100)])
        self.assertEqual(read(file.descriptor), {(1, b"same"): b"2999" * 100})
        self.assertLess(file.size, 4000)
        blocks = os.fstat(file.descriptor).st_blocks * 512
        self.assertLess(blocks, 10 * mmap.PAGESIZE)

    def test_a_state_over_the_limit_is_refused_and_can_be_begun_anew(self) -> None:
        file = self.file()
        with self.assertRaises(OSError):
            file.write([((1, b"%d" % n), bytes([n + 1]) * 8000) for n in range(9)])
        file.clear()
        self.assertEqual(read(file.descriptor), {})
        file.write([((1, b"a"), b"one")])
        self.assertEqual(read(file.descriptor), {(1, b"a"): b"one"})

    def test_another_process_goes_on_with_the_same_file(self) -> None:
        file = self.file()
        state: Batch = [((1, b"a"), b"one"), ((2, b"b"), b"two")]
        for round_ in range(30):
            heir = HandoverFile(os.dup(file.descriptor))
            self.assertEqual(read(heir.descriptor), dict(state) if round_ else {})
            heir.rewrite(state)
            heir.write([((1, b"a"), b"%d" % round_ * 100)])
            state = apply_list(state, [((1, b"a"), b"%d" % round_ * 100)])
            self.assertEqual(read(heir.descriptor), dict(state))
            heir.close()
        self.assertLess(os.fstat(file.descriptor).st_blocks * 512, 10 * mmap.PAGESIZE)

    def test_cleared_after_both_regions_were_used(self) -> None:
        file = self.file()
        for round_ in range(40):
            file.write([((1, b"a"), bytes([round_ + 1]) * 200)])
        file.clear()
        self.assertEqual(read(file.descriptor), {})


class Copied(Small):
    """To the other region, one record with each batch."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(state_file, "COPIED", 1)

    def moving(self, count: int = 40) -> tuple[HandoverFile, dict[Key, bytes]]:
        """A file in the middle of it, with `count` records."""
        file = self.file()
        keys = [(1, b"%d" % number) for number in range(count)]
        state: dict[Key, bytes] = {}
        round_ = 0
        while file._move is None or len(file._move.places) < count // 2:
            batch: Batch = [(keys[round_ % count], b"%06d" % round_ * 10)]
            file.write(batch)
            state = apply(state, batch)
            round_ += 1
        return file, state

    def test_what_one_batch_costs_does_not_grow_with_the_state(self) -> None:
        read_, real = list[int](), os.pread
        file, _ = self.moving(200)

        def pread(descriptor: int, size: int, at: int) -> bytes:
            read_.append(size)
            return real(descriptor, size, at)

        self.patch(os, "pread", pread)
        while file._move is not None:
            read_.clear()
            file.write([((1, b"1"), b"x" * 60)])
            self.assertLessEqual(sum(read_), 3 * 70)

    def test_what_changes_meanwhile(self) -> None:
        file, state = self.moving()
        batches: list[Batch] = [
            [((1, b"0"), b"copied already")],
            [((1, b"39"), b"not copied yet")],
            [((1, b"1"), b"")],
            [((1, b"38"), b"")],
            [((1, b"1"), b"again"), ((1, b"new"), b"one"), ((1, b"new"), b"two")],
            [((1, b"2"), b""), ((1, b"2"), b"at the end")],
            [((1, b"short"), b"x"), ((1, b"short"), b"")],
        ]
        for batch in batches:
            self.assertIsNotNone(file._move)
            file.write(batch)
            state = apply(state, batch)
            self.assertEqual(list(read(file.descriptor).items()), list(state.items()))
        before = file._region
        while file._move is not None:
            file.write([((1, b"0"), b"x")])
        state[1, b"0"] = b"x"
        self.assertNotEqual(file._region, before)
        self.assertEqual(list(read(file.descriptor).items()), list(state.items()))

    def test_written_anew_in_the_middle(self) -> None:
        for end in (HandoverFile.clear, lambda file: file.rewrite([])):
            file, _ = self.moving()
            end(file)
            self.assertEqual(read(file.descriptor), {})
            file.write([((1, b"a"), b"one")])
            self.assertEqual(read(file.descriptor), {(1, b"a"): b"one"})

    @settings(deadline=None, max_examples=150)
    @given(BATCHES)
    def test_anything_may_change_at_any_time(self, batches: list[Batch]) -> None:
        file, state = HandoverFile.create(), dict[Key, bytes]()
        fill: Batch = [((9, b"%d" % number), bytes(40)) for number in range(20)]
        for batch in [fill, fill, fill, *batches, fill, *batches]:
            file.write(batch)
            state = apply(state, batch)
            self.assertEqual(list(read(file.descriptor).items()), list(state.items()))
        file.close()


class Killed(Small):
    """At any moment of a write."""

    def images(self, batches: list[Batch]) -> list[bytes]:
        """The file as it is after each change of it, however small."""
        file, found = HandoverFile.create(), list[bytes]()

        def in_pieces(descriptor: int, data: bytes, at: int) -> None:
            for cut in range(0, len(data), max(1, len(data) // 5)):
                os.pwrite(descriptor, data[:cut], at)
                found.append(image(file))
            os.pwrite(descriptor, data, at)
            found.append(image(file))

        class Watched:
            """The head of the file, written byte by byte."""

            def __init__(self, below: Any) -> None:
                self.below = below

            def __setitem__(self, where: slice, data: bytes) -> None:
                for at, byte in enumerate(data, where.start):
                    self.below[at] = byte
                    found.append(image(file))

            def close(self) -> None:
                self.below.close()

        self.patch(state_file, "_write", in_pieces)
        file._head = Watched(file._head)  # type: ignore[assignment]
        found.append(image(file))
        for batch in batches:
            file.write(batch)
            found.append(image(file))
        file.close()
        return found

    def test_the_state_is_that_of_the_batch_before_or_of_this_one(self) -> None:
        batches: list[Batch] = [
            [((1, b"a"), b"one"), ((2, b"b"), b"two")],
            [((1, b"a"), b"three"), ((2, b"b"), b"")],
            [((1, b"c"), b"x" * 900)],
            [((1, b"c"), b"y" * 900)],
            [((1, b"c"), b"z" * 900)],  # to the other region
            [((1, b"c"), b"")],
            [((1, b"d"), b"v" * 900)],
            [((1, b"d"), b"w" * 900)],  # and back
        ]
        states = [dict[Key, bytes]()]
        for batch in batches:
            states.append(apply(states[-1], batch))
        self.reaches(batches, states)

    def test_while_it_is_copied(self) -> None:
        self.patch(state_file, "COPIED", 1)
        key = (1, b"a")
        batches: list[Batch] = [[((2, b"%d" % number), bytes(99))] for number in range(6)]
        batches += [[(key, bytes([number + 1]) * 99)] for number in range(24)]
        batches[18:18] = [[((2, b"1"), b"")], [((2, b"5"), b"")], [((3, b""), b"new")]]
        states = [dict[Key, bytes]()]
        for batch in batches:
            states.append(apply(states[-1], batch))
        self.reaches(batches, states)

    def reaches(self, batches: list[Batch], states: list[dict[Key, bytes]]) -> None:
        """Whenever it is killed, it is the state that was reached, or the next one."""
        reached = 0
        for data in self.images(batches):
            found = read_image(data)
            self.assertIn(found, states[reached : reached + 2])
            if found != states[reached]:
                reached += 1
        self.assertEqual(states[reached], states[-1])


class Damaged(Small):
    def setUp(self) -> None:
        super().setUp()
        file = self.file()
        self.states = [dict[Key, bytes]()]
        for number in range(12):
            batch: Batch = [((1, b"%d" % (number % 3)), bytes([number + 1]) * 150)]
            file.write(batch)
            self.states.append(apply(self.states[-1], batch))
        self.data = image(file)
        self.assertEqual(read_image(self.data), self.states[-1])

    def assertKnown(self, data: bytes) -> None:
        """It is refused, or a state that was written."""
        try:
            found = read_image(data)
        except BadState:
            return
        self.assertIn(found, self.states)

    def test_truncated_at_any_byte(self) -> None:
        for size in range(0, len(self.data), 3):
            self.assertKnown(self.data[:size])

    @settings(deadline=None, max_examples=400)
    @given(st.data())
    def test_bits_flipped_anywhere(self, data: st.DataObject) -> None:
        damaged = bytearray(self.data)
        used = st.one_of(st.integers(0, 180), st.integers(mmap.PAGESIZE, len(damaged) - 1))
        for at in data.draw(st.lists(used, min_size=1, max_size=3)):
            damaged[at] ^= 1 << data.draw(st.integers(0, 7))
        self.assertKnown(bytes(damaged))

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=6000))
    def test_anything_else(self, data: bytes) -> None:
        head = bytearray(self.data[: mmap.PAGESIZE])
        for candidate in (data, bytes(head) + data):
            try:
                read_image(candidate)
            except BadState:
                continue

    def test_of_another_format(self) -> None:
        at = len(state_file.MAGIC)
        with self.assertRaisesRegex(BadState, "format 2; this version reads format 1"):
            read_image(self.data[:at] + b"\2" + self.data[at + 1 :])

    def test_a_descriptor_that_cannot_be_read(self) -> None:
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        with self.assertRaises(BadState):
            read(reading)
