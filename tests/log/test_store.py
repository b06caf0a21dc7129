"""What goes into the journal comes out of the segments: after stops, kills, and torn files."""

import contextlib
from functools import cache
from pathlib import Path
from typing import Any

import zstandard
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.log.support import SMALL, TemporaryShelf, bytes_of, console_id, markers_of
from vspc.console.logs import Item, MarkerKind, Output
from vspc.log import index
from vspc.log.blocks import unpack_index
from vspc.log.records import ABOUT, DATA, GAP, marker
from vspc.log.recovery import compress, contents
from vspc.log.store import GONE, QUIET, QUIET_BYTES, Sizes

ONE, TWO = console_id(1), console_id(2)


class ShelfTestCase(SynchronousTestCase):
    """With a store of its own."""

    def shelf(self, **options: Any) -> TemporaryShelf:
        shelf = TemporaryShelf(**options)
        self.addCleanup(shelf.close)
        return shelf


class Keeping(ShelfTestCase):
    """Bytes and where they are."""

    def test_what_was_said_is_read_at_its_offsets_and_times(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"first\n")
        shelf.say(ONE, b"second\n")
        first, second = shelf.items(ONE)
        assert isinstance(first, Output)
        assert isinstance(second, Output)
        self.assertEqual((first.offset, first.data), (0, b"first\n"))
        self.assertEqual((second.offset, second.data), (6, b"second\n"))
        self.assertAlmostEqual(second.at - first.at, 0.1, 4)

    def test_a_console_has_no_files_before_bytes_move_and_a_directory_of_its_id_after(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"x")
        self.assertEqual(list((shelf.root / "consoles").iterdir()), [])
        shelf.move_all()
        directory = shelf.root / "consoles" / "00" / ONE.hex()
        self.assertEqual(
            sorted(p.name for p in directory.iterdir()), [f"{0:020d}.idx", f"{0:020d}.seg"]
        )
        self.assertEqual((directory / f"{0:020d}.seg").read_bytes(), b"x")

    def test_of_consoles_that_are_quiet_what_is_worth_it_moves_a_few_at_a_time(self) -> None:
        shelf = self.shelf(sizes=Sizes())
        consoles = [console_id(number) for number in range(1, 2 * GONE + 1)]
        for console in consoles:
            shelf.say(console, b"x" * QUIET_BYTES)
        shelf.say(short := console_id(99), b"x" * (QUIET_BYTES - 1))
        shelf.store.find_quiet(shelf.at / 1e6 + QUIET / 2, 100)
        self.assertEqual(shelf.store.quiet, [])
        shelf.at += int(QUIET * 1e6)
        shelf.say(consoles[0], b"y")  # it is not quiet
        shelf.store.find_quiet(shelf.at / 1e6, 3)
        self.assertEqual([log.id for log in shelf.store.quiet], consoles[1:4])
        shelf.store.find_quiet(shelf.at / 1e6, 100)
        self.assertEqual(len(shelf.store.quiet), 2 * GONE - 1)
        shelf.store.move_gone()
        self.assertEqual(len(shelf.store.quiet), GONE - 1)
        while shelf.store.quiet:
            shelf.store.move_gone()
        pending = {log.id for log in shelf.store.logs.values() if log.pending}
        self.assertEqual(pending, {consoles[0], short})
        for console in consoles[1:]:
            self.assertEqual(bytes_of(shelf.items(console)), b"x" * QUIET_BYTES)

    def test_files_are_private(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"x")
        shelf.move_all()
        for path in shelf.root.rglob("*"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o700 if path.is_dir() else 0o600, path)

    def test_after_a_stop_offsets_go_on_where_they_were_and_nothing_is_missing(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"before ", reserve=1000)
        shelf.stop()
        shelf.open()
        self.assertEqual(shelf.say(ONE, b"after"), 7)
        items = shelf.items(ONE)
        self.assertEqual((bytes_of(items), markers_of(items)), (b"before after", []))

    def test_after_a_kill_offsets_go_on_behind_the_reserve_and_a_marker_says_so(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"before", reserve=1000)
        shelf.open()
        self.assertEqual(shelf.say(ONE, b"after"), 1006)
        items = shelf.items(ONE)
        self.assertEqual(bytes_of(items), b"beforeafter")
        (gap,) = markers_of(items)
        self.assertEqual((gap.kind, gap.offset, gap.end), (MarkerKind.GAP, 6, 1006))
        self.assertRegex(gap.text, "^the server was killed: .* missing, at most 1000 bytes$")

    def test_a_second_kill_jumps_again_as_output_between_is_unknown(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"before", reserve=1000)
        for _ in range(3):
            shelf.open()
        self.assertEqual(shelf.say(ONE, b"after"), 3006)
        gaps = markers_of(shelf.items(ONE))
        self.assertEqual([(g.offset, g.end) for g in gaps], [(6, 1006), (1006, 2006), (2006, 3006)])
        shelf.stop()
        shelf.open()
        self.assertEqual(shelf.ends[ONE], 3011)

    def test_a_console_that_never_spoke_but_had_a_line_goes_on_behind_its_reserve(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"", reserve=1000)
        shelf.open()
        self.assertEqual(shelf.ends[ONE], 1000)

    def test_a_new_journal_file_says_reserves_again(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"x", reserve=500)
        shelf.checkpoint()
        shelf.open()
        self.assertEqual(shelf.ends[ONE], 501)

    def test_the_journal_is_short_after_a_checkpoint(self) -> None:
        shelf = self.shelf()
        for _ in range(50):
            shelf.say(ONE, b"x" * 100)
        shelf.checkpoint()
        self.assertEqual(len(shelf.store.journal.files()), 1)
        self.assertLess(shelf.store.journal.size, 200)
        self.assertEqual(bytes_of(shelf.items(ONE)), b"x" * 5000)

    def test_a_deleted_log_does_not_come_back_with_the_journal(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"gone")
        shelf.move_all()
        shelf.say(ONE, b"gone, too")
        shelf.store.forget(ONE)
        shelf.open()
        self.assertNotIn(ONE, shelf.store.logs)
        self.assertEqual(list((shelf.root / "consoles").rglob("*.seg")), [])

    def test_offsets_go_on_even_if_everything_was_evicted(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"x" * 500)
        shelf.move_all()
        log = shelf.store.logs[ONE]
        shelf.store.evict(log, len(log.segments))
        shelf.stop()
        shelf.checkpoint()
        shelf.stop()
        shelf.open()
        self.assertEqual(shelf.say(ONE, b"y"), 500)
        self.assertEqual(shelf.view(ONE).start, 500)


class Markers(ShelfTestCase):
    """What happened, among what was said."""

    def test_a_marker_comes_before_the_byte_at_its_offset_and_once(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"one")
        shelf.store.append([marker(MarkerKind.AWAY, ONE, 3, shelf.at, "the VM closed")])
        shelf.say(ONE, b"two")
        for piece in (1, 2, 3, 100):
            items = shelf.items(ONE, piece)
            self.assertEqual(bytes_of(items), b"onetwo")
            self.assertEqual([m.text for m in markers_of(items)], ["the VM closed"])
            before = items[: items.index(markers_of(items)[0])]
            self.assertEqual(bytes_of(before), b"one")

    def test_a_marker_at_the_end_is_read_with_it(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"one")
        shelf.store.append([marker(MarkerKind.AWAY, ONE, 3, shelf.at, "gone")])
        shelf.move_all()
        self.assertEqual(len(markers_of(shelf.items(ONE))), 1)


class Damage(ShelfTestCase):
    """Files that are not as they were left."""

    def kept(self) -> TemporaryShelf:
        shelf = self.shelf()
        for number in range(20):
            shelf.say(ONE, b"%06d\n" % number)
            shelf.move_all()
        return shelf

    def test_a_torn_index_is_made_up_from_the_journal(self) -> None:
        shelf = self.kept()
        for path in sorted(shelf.root.rglob("*.idx"))[-1:]:
            path.write_bytes(path.read_bytes()[:-5])
        shelf.open()
        self.assertEqual(bytes_of(shelf.items(ONE)), b"".join(b"%06d\n" % n for n in range(20)))

    def test_lost_bytes_of_a_segment_are_made_up_from_the_journal(self) -> None:
        shelf = self.kept()
        for path in sorted(shelf.root.rglob("*.seg"))[-1:]:
            path.write_bytes(path.read_bytes()[:-5])
        shelf.open()
        self.assertEqual(bytes_of(shelf.items(ONE)), b"".join(b"%06d\n" % n for n in range(20)))

    def test_a_flipped_bit_in_an_index_costs_no_byte_as_the_bytes_say_where_they_are(self) -> None:
        shelf = self.kept()
        shelf.checkpoint()
        path = sorted(shelf.root.rglob("*.idx"))[0]
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        shelf.open()
        items = shelf.items(ONE)
        self.assertEqual(markers_of(items), [])
        self.assertEqual(bytes_of(items), b"".join(b"%06d\n" % n for n in range(20)))
        self.assertIn("log-damaged", [event for event, _ in shelf.problems])

    def test_a_file_of_a_newer_version_is_not_touched_and_its_log_goes_on_beside(
        self,
    ) -> None:
        shelf = self.kept()
        path = sorted(shelf.root.rglob("*.idx"))[0]
        newer = b"vspcidx9" + path.read_bytes()[8:]
        path.write_bytes(newer)
        before = {p: p.read_bytes() for p in path.parent.iterdir()}
        shelf.open()
        shelf.say(ONE, b"more" * 100)
        shelf.say(TWO, b"others go on")
        shelf.settle()
        shelf.move_all()
        self.assertEqual({p: p.read_bytes() for p in path.parent.iterdir()}, before)
        self.assertEqual(bytes_of(shelf.items(TWO)), b"others go on")
        self.assertTrue(bytes_of(shelf.items(ONE)).endswith(b"more" * 100))
        self.assertEqual(bytes_of(shelf.items(ONE))[:7], b"000000\n")
        self.assertTrue(path.parent.with_name(f"{ONE.hex()}.2").is_dir())
        self.assertIn("log-left-alone", [event for event, _ in shelf.problems])

    def test_a_newer_journal_is_left_alone(self) -> None:
        shelf = self.kept()
        shelf.stop()
        path = shelf.root / "journal" / "00000099.journal"
        path.write_bytes(b"vspcjrn7and more")
        shelf.open()
        shelf.checkpoint()
        self.assertEqual(path.read_bytes(), b"vspcjrn7and more")
        self.assertIn("log-journal-unreadable", [event for event, _ in shelf.problems])

    def test_a_segment_cut_while_it_is_written_stays_readable_up_to_there(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"a" * 50)
        shelf.move_all()
        path = next(shelf.root.rglob("*.seg"))
        path.write_bytes(b"a" * 20)
        shelf.say(ONE, b"b" * 50)
        shelf.move_all()
        items = shelf.items(ONE)
        self.assertTrue(bytes_of(items).endswith(b"b" * 50))
        self.assertEqual(markers_of(items)[0].kind, MarkerKind.GAP)


@define
class Model:
    """What one console's log must hold: bytes at offsets, and a marker wherever any is missing."""

    said: dict[int, int] = field(factory=dict)  # offset -> byte
    torn: set[int] = field(factory=set)  # offsets that may be missing


def steps() -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """What happens to a store."""
    chores = ["settle", "move", "checkpoint", "stop", "kill", "compress"]
    return st.lists(
        st.one_of(
            st.tuples(st.just("say"), st.integers(1, 3), st.binary(min_size=1, max_size=120)),
            st.tuples(st.sampled_from(chores)),
            st.tuples(st.just("tear"), st.integers(0, 200)),
        ),
        max_size=30,
    )


class AnythingCase(ShelfTestCase):
    """Random lives of a store."""

    def live(self, life: list[tuple[Any, ...]], sizes: Sizes) -> None:
        """All that happens, and after each step nothing is wrong."""
        shelf = TemporaryShelf(sizes=sizes)
        try:
            models = {console_id(n): Model() for n in (1, 2, 3)}
            for step in life:
                self.do(shelf, models, step)
                self.verify(shelf, models)
        finally:
            shelf.close()

    def do(self, shelf: TemporaryShelf, models: dict[bytes, Model], step: tuple[Any, ...]) -> None:
        match step:
            case ("say", number, data):
                console = console_id(number)
                offset = shelf.say(console, data, reserve=300)
                model = models[console]
                for place, byte in enumerate(data, offset):
                    self.assertNotIn(place, model.said, "an offset was used twice")
                    model.said[place] = byte
            case ("settle",):
                shelf.settle()
            case ("move",):
                shelf.move_all()
            case ("checkpoint",):
                shelf.checkpoint()
            case ("compress",):
                self.compress(shelf)
            case ("stop",):
                shelf.stop()
                shelf.open()
            case ("kill",):
                shelf.open()
            case ("tear", count):
                self.tear(shelf, models, count)
                shelf.open()
                # A power cut may take the reserve itself, if it is younger than the last sync.
                for console, model in models.items():
                    end = shelf.ends.get(console, 0)
                    for place in [place for place in model.said if place >= end]:
                        del model.said[place]

    def compress(self, shelf: TemporaryShelf) -> None:
        while shelf.store.closed:
            log, segment = shelf.store.closed.pop()
            made = compress(shelf.disk, segment, contents(segment))
            shelf.store.compressed(log.id, segment, made)

    def tear(self, shelf: TemporaryShelf, models: dict[bytes, Model], count: int) -> None:
        """The last `count` bytes of the journal never got to the disk."""
        files: list[Path] = shelf.store.journal.files()
        if files:
            data = files[-1].read_bytes()
            files[-1].write_bytes(data[: max(8, len(data) - count)])
        for model in models.values():
            model.torn |= set(model.said)

    def verify(self, shelf: TemporaryShelf, models: dict[bytes, Model]) -> None:
        for console, model in models.items():
            if console not in shelf.store.logs:
                self.assertFalse(set(model.said) - model.torn)
                continue
            items = shelf.items(console, 50)
            self.covered(items, shelf.ends.get(console, 0))
            kept = {
                place: byte
                for item in items
                if isinstance(item, Output)
                for place, byte in enumerate(item.data, item.offset)
            }
            for place, byte in kept.items():
                self.assertEqual(model.said[place], byte)
            missing = set(model.said) - set(kept)
            self.assertFalse(missing - model.torn)

    def covered(self, items: list[Item], end: int) -> None:
        """Every offset is a byte or in a gap."""
        at = 0
        for item in items:
            if item.end > item.offset:
                self.assertEqual(item.offset, at)
                at = item.end
        self.assertEqual(at, end)


class Anything(AnythingCase):
    @settings(max_examples=150, deadline=None)
    @given(steps())
    def test_whatever_happens_nothing_is_lost_twice_or_elsewhere(
        self, life: list[tuple[Any, ...]]
    ) -> None:
        self.live(life, SMALL)


class LastLines(ShelfTestCase):
    """Where the last lines begin."""

    def test_over_segments_gaps_and_what_has_not_moved(self) -> None:
        shelf = self.shelf()
        for number in range(100):
            shelf.say(ONE, b"line %03d\n" % number, reserve=1000)
            if number % 7 == 0:
                shelf.move_all()
            if number == 50:
                shelf.open()
        view = shelf.view(ONE)
        for lines in (1, 2, 48, 49, 50, 99, 100):
            start = view.last_lines(lines, 1 << 20)
            said = bytes_of(view.read(start, 1 << 20).items)
            self.assertEqual(said.count(b"\n"), lines)
            self.assertTrue(said.startswith(b"line"))
        self.assertEqual(view.last_lines(1000, 1 << 20), 0)
        self.assertEqual(view.last_lines(0, 1 << 20), view.end)
        start = view.last_lines(1000, 18)
        self.assertEqual(bytes_of(view.read(start, 100).items), b"line 098\nline 099\n")

    def test_an_unfinished_line_is_one(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"first\nprompt")
        shelf.say(ONE, b"# ")
        self.assertEqual(shelf.view(ONE).last_lines(1, 1000), 6)
        self.assertEqual(shelf.view(ONE).last_lines(2, 1000), 0)


class MadeAnew(ShelfTestCase):
    """A closed segment that is damaged is made anew when it is compressed."""

    def test_markers_among_what_is_missing_stay_and_its_index_is_still_its_own(self) -> None:
        shelf = self.shelf()
        shelf.say(ONE, b"a" * 50)
        shelf.store.append([marker(MarkerKind.ATTACHED, ONE, 50, shelf.at, "alice")])
        shelf.say(ONE, b"b" * 50)
        shelf.move_all()
        shelf.say(ONE, b"c" * 50)
        shelf.move_all()
        (segment,) = shelf.store.logs[ONE].segments
        data = bytearray(segment.paths[0].read_bytes())
        data[10] ^= 1
        segment.paths[0].write_bytes(data)
        made = contents(segment)
        self.assertEqual(made.data, b"c" * 50)
        known = index.read(made.index, "")
        self.assertTrue(known.begins_at(segment.start))
        found = [(e.code, e.offset, e.end) for e in known.entries if e.code != ABOUT]
        attached = marker(MarkerKind.ATTACHED, ONE, 50, 0, "").code
        self.assertEqual(
            found, [(GAP, 0, 50), (attached, 50, 50), (GAP, 50, 100), (DATA, 100, 150)]
        )


class Rot(ShelfTestCase):
    """Bits that flip, ends that are cut off: anywhere, in any file."""

    @staticmethod
    @cache
    def life() -> tuple[dict[str, bytes], bytes]:
        """Files of a store, some of every kind, and what its console said."""
        shelf = TemporaryShelf(sizes=SMALL)
        said = b""
        for number in range(60):
            data = b"%04d " % number * 4 + b"\n"
            said += data
            shelf.say(ONE, data)
            if number % 3 == 0:
                shelf.settle()
            if number == 30:
                shelf.checkpoint()
        Anything.compress(Anything(), shelf)
        shelf.say(ONE, b"in the journal only\n")
        shelf.store.journal.close()
        paths = sorted(path for path in shelf.root.rglob("*") if path.is_file())
        files = {str(path.relative_to(shelf.root)): path.read_bytes() for path in paths}
        shelf.close()
        return files, said + b"in the journal only\n"

    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, 100), st.floats(0, 1), st.integers(0, 7), st.booleans())
    def test_nothing_wrong_is_read_and_what_is_missing_is_marked(
        self, which: int, where: float, bit: int, cut: bool
    ) -> None:
        files, said = self.life()
        name = list(files)[which % len(files)]
        data = bytearray(files[name])
        at = min(int(where * len(data)), len(data) - 1)
        if cut:
            del data[at:]
        else:
            data[at] ^= 1 << bit
        shelf = TemporaryShelf(files | {name: bytes(data)}, sizes=SMALL)
        try:
            if ONE not in shelf.store.logs:
                return  # of an unknown version now: not touched
            reached = 0
            for item in shelf.items(ONE, 64):
                if isinstance(item, Output):
                    self.assertEqual(item.data, said[item.offset : item.end])
                if item.end > item.offset:
                    self.assertTrue(item.offset == reached or reached == 0)
                    reached = item.end
            self.assertEqual(reached, shelf.ends[ONE])
            shelf.say(ONE, b"and it goes on\n")
        finally:
            shelf.close()


class Frames(SynchronousTestCase):
    """Compressed files that are not as they were."""

    def test_what_they_say_of_their_size_is_not_allocated(self) -> None:
        whole = zstandard.ZstdCompressor().compress(b"said\n" * 100)
        self.assertEqual(unpack_index(whole), b"said\n" * 100)
        # Magic number; a single segment whose size has eight bytes: an exbibyte.
        lying = whole[:4] + b"\xe0" + (1 << 60).to_bytes(8, "little") + whole[6:]
        self.assertRaises(zstandard.ZstdError, unpack_index, lying)

    @given(st.integers(0, 60), st.integers(0, 7))
    def test_whatever_bit_is_wrong_it_is_damage_or_the_bytes(self, where: int, bit: int) -> None:
        data = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(b"said\n" * 100))
        data[where % len(data)] ^= 1 << bit
        with contextlib.suppress(zstandard.ZstdError):
            self.assertEqual(unpack_index(bytes(data)), b"said\n" * 100)
