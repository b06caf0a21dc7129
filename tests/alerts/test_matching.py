"""Lines that match, however the output is cut."""

import re
from collections import Counter
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.alerts.matching import (
    BINARY,
    BLOCK,
    LINE_LIMIT,
    MEMORY,
    FoundLine,
    LineMatcher,
    PatternSet,
    Piece,
)
from vspc.common.text import plain_lines, plain_output
from vspc.config.alerting import BUILT_IN

NAMES = list(BUILT_IN)
WORDS = [b"panic", b"pan", b"ic", b"\r", b"\n", b"\x1b[31m", b"\xc3", b"x"]


def matcher(*patterns: str) -> LineMatcher:
    return LineMatcher(PatternSet(patterns))


def fed(made: LineMatcher, *pieces: bytes, at: int = 0) -> list[FoundLine]:
    found, wanted = list[FoundLine](), frozenset(range(1000))
    for data in pieces:
        found += made.feed(Piece("c", at, data, wanted))
        at += len(data)
    return found


def texts(found: list[FoundLine]) -> list[str]:
    return [each.text.decode() for each in found]


def built_in(line: str) -> list[str]:
    made = LineMatcher(PatternSet(list(BUILT_IN.values())))
    return sorted(NAMES[at] for each in fed(made, line.encode() + b"\r\n") for at in each.which)


class Searched:
    """A pattern that counts its searches."""

    def __init__(self, pattern: Any) -> None:
        self.pattern = pattern
        self.count = 0

    def search(self, *arguments: Any) -> Any:
        self.count += 1
        return self.pattern.search(*arguments)


class Lines(SynchronousTestCase):
    def test_a_pattern_across_two_reads(self) -> None:
        found = fed(matcher("Kernel panic"), b"a\r\nKernel pa", b"nic - oh\r", b"\nb\n", at=100)
        self.assertEqual(texts(found), ["Kernel panic - oh"])
        self.assertEqual((found[0].offset, found[0].end), (103, 120))

    def test_colours_and_controls_are_no_part_of_it(self) -> None:
        found = fed(
            matcher("^Kernel panic$"), b"\x1b[1;31mKer\x1b[0mn\x07el\x1b]0;t\x07 panic\x1b[K\r\n"
        )
        self.assertEqual(texts(found), ["Kernel panic"])

    def test_a_string_that_does_not_end_hides_its_line_only(self) -> None:
        found = fed(matcher("panic"), b"\x1b]0;panic one\r\npanic two\r\n\x1bPpanic\rpanic three\n")
        self.assertEqual(texts(found), ["panic two", "panic three"])

    def test_what_is_longer_than_a_line_may_be_is_looked_at_in_parts(self) -> None:
        made = matcher("panic")
        self.assertEqual(len(fed(made, b"panic" + b"x" * LINE_LIMIT, b"panic\n")), 2)
        self.assertFalse(made.waits)

    @given(st.randoms(use_true_random=False), st.integers(0, BINARY))
    def test_a_line_of_text_among_bytes_that_are_none(self, random: Random, at: int) -> None:
        noise = random.randbytes(2 * BINARY)
        line = b"\n\x1b[1m caf\xc3\xa9: \x07panic\r"
        data = noise[:at] + b"\0" * BINARY + line + noise[at:]
        self.assertEqual(plain_lines(b"\0\xc3\xa9" * BINARY, roughly=True), b"??" * BINARY)
        found = [each for each in fed(matcher("panic$"), data) if each.text.startswith(b" caf")]
        self.assertEqual(texts(found), [" café: panic"])
        (place,) = ((each.offset, each.end) for each in found)
        self.assertEqual(data[slice(*place)], line[1:-1])

    def test_a_match_over_two_lines_is_none_and_hides_none(self) -> None:
        found = fed(matcher(r"error\s+fatal"), b"error\nfatal error fatal\nerror\n\nfatal\n")
        self.assertEqual(texts(found), ["fatal error fatal"])

    @given(st.lists(st.sampled_from([b"a", b"b", b" ", b"\n", b"\r\n", b"\x1b[1m"]), max_size=30))
    def test_the_same_lines_as_one_by_one(self, pieces: list[bytes]) -> None:
        patterns, data = (r"a\s*b", r"^b", r"a$"), b"".join(pieces) + b"\n"
        expected = list[tuple[bytes, frozenset[int]]]()
        for line in plain_lines(data).split(b"\n"):
            which = [n for n, each in enumerate(patterns) if re.search(each.encode(), line)]
            expected += [(line, frozenset(which))] if which else []
        found = fed(matcher(*patterns), data)
        self.assertEqual([(each.text, each.which) for each in found], expected)
        for each in found:
            self.assertEqual(plain_lines(data[each.offset : each.end]), each.text)

    def test_empty_lines_around_a_match_are_not_looked_at_one_by_one(self) -> None:
        patterns = PatternSet(["panic"])
        searched = Searched(patterns._each[0])
        patterns._each[0] = searched
        empty = b"\n" * (4 * BLOCK)
        found = fed(LineMatcher(patterns), empty + b"panic\n" + empty)
        self.assertEqual([each.offset for each in found], [len(empty)])
        self.assertLess(searched.count, 10)

    def test_one_go_is_bounded(self) -> None:
        patterns = PatternSet(["panic"])
        sizes = list[int]()
        of_block = patterns.of_block

        def looked_at(text: bytes) -> list[int]:
            sizes.append(len(text))
            return of_block(text)

        self.patch(patterns, "of_block", looked_at)
        fed(LineMatcher(patterns), b"one line\n" * 100_000)
        self.assertLessEqual(max(sizes), BLOCK + LINE_LIMIT)

    def test_an_unfinished_line_is_looked_at_once_nothing_comes(self) -> None:
        made = matcher("STOP", "0x50")
        self.assertEqual(fed(made, b"*** STOP: 0x"), [])
        self.assertTrue(made.waits)
        found = made.late()
        self.assertEqual([(each.text, each.which) for each in found], [(b"*** STOP: 0x", {0})])
        self.assertFalse(made.waits)
        self.assertEqual(made.late(), [])
        more = fed(made, b"50 (0x1)\r\n", at=12)
        self.assertEqual(
            [(each.text, each.which) for each in more], [(b"*** STOP: 0x50 (0x1)", {1})]
        )

    def test_a_gap_ends_a_line(self) -> None:
        made = matcher("one", "two")
        fed(made, b"one")
        self.assertEqual([each.text for each in fed(made, b"two\n", at=50)], [b"one", b"two"])

    def test_patterns_that_do_not_count_for_a_console(self) -> None:
        made = matcher("a", "b")
        found = made.feed(Piece("c", 0, b"ab\nb\n", frozenset({1})))
        self.assertEqual([each.which for each in found], [{1}, {1}])

    def test_lines_of_many_consoles_are_looked_at_together(self) -> None:
        patterns, looked_at = PatternSet(["panic"]), list[bytes]()
        of_block = patterns.of_block

        def look(text: bytes) -> list[int]:
            looked_at.append(text)
            return of_block(text)

        self.patch(patterns, "of_block", look)
        made = LineMatcher(patterns)
        pieces = [Piece(str(n), 0, b"line %d\n" % n, frozenset({0})) for n in range(3)]
        self.assertEqual(made.feed(*pieces), [])
        self.assertEqual(looked_at, [b"line 0\n\nline 1\n\nline 2\n"])
        found = made.feed(
            Piece("a", 0, b"x\n", frozenset({0})), Piece("b", 5, b"a panic\n", frozenset({0}))
        )
        self.assertEqual([(each.console_id, each.offset) for each in found], [("b", 5)])

    def test_a_pattern_that_begins_with_the_text_finds_a_line_beside_others(self) -> None:
        for pattern in (r"\Apanic", r"panic\z", r"(?-m)^panic", r"(?i-m:^Panic)"):
            made = matcher(pattern, "other")
            pieces = [Piece(name, 0, b"panic\n", frozenset({0})) for name in "ab"]
            alone = made.feed(pieces[0])
            self.assertEqual(len(made.feed(*pieces)), 2 * len(alone), pattern)

    @given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(WORDS))))
    def test_together_they_find_what_each_finds_alone(self, said: list[tuple[str, bytes]]) -> None:
        together, alone, ends = matcher("panic", "c$"), matcher("panic", "c$"), Counter[str]()
        pieces = list[Piece]()
        for name, data in said:
            pieces.append(Piece(name, ends[name], data, frozenset({0, 1})))
            ends[name] += len(data)
        expected = [line for piece in pieces for line in alone.feed(piece)]
        self.assertEqual(together.feed(*pieces), expected)

    def test_no_pattern(self) -> None:
        self.assertEqual(fed(matcher(), b"a\n"), [])

    def test_many_large_patterns_fit_into_the_memory(self) -> None:
        many = [
            f"{letter}[0-9]{{200}}(?:[a-z]{{1,20}}|x.*y){n}"
            for n in range(20)
            for letter in "abcde"
        ]
        for memory in (MEMORY, 1000):
            patterns = PatternSet([*many, "needle"], memory)
            self.assertEqual(patterns.is_one_pass, memory == MEMORY)
            found = fed(LineMatcher(patterns), b"hay\nneedle\n")
            self.assertEqual(texts(found), ["needle"])

    @given(st.lists(st.sampled_from(WORDS)), st.data())
    def test_any_cut_finds_the_same(self, words: list[bytes], data: st.DataObject) -> None:
        whole = b"".join(words) + b"\n"
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        expected = fed(matcher("panic", "c$"), whole)
        self.assertEqual(fed(matcher("panic", "c$"), *pieces), expected)
        made, late, at = matcher("panic", "c$"), list[FoundLine](), 0
        for piece in pieces:
            late += fed(made, piece, at=at) + made.late()
            at += len(piece)
        # As it is, a line may match what it does not when it has ended; it misses nothing.
        wanted = {(each.offset, which) for each in expected for which in each.which}
        self.assertLessEqual(wanted, {(e.offset, w) for e in late for w in e.which})
        self.assertEqual(len(late), len({(e.offset, e.which) for e in late}))

    @given(st.binary(max_size=200))
    def test_a_line_changes_no_other(self, data: bytes) -> None:
        lines = data.replace(b"\r", b"\n").split(b"\n")
        self.assertEqual(plain_lines(data), b"\n".join(map(plain_lines, lines)))
        self.assertEqual(
            [plain_output(each).replace(b"\x1b", b"") for each in lines],
            plain_lines(data).split(b"\n"),
        )


class BuiltInPatterns(SynchronousTestCase):
    def test_what_kernels_write(self) -> None:
        for name, line in (
            ("panic", "[    3.14] Kernel panic - not syncing: Attempted to kill init!"),
            ("panic", "---[ end Kernel panic - not syncing: sysrq triggered crash ]---"),
            ("panic", "panic: vm_fault: fault on nofault entry, addr: 0xfffffe0000"),
            ("panic", "[ 12.3456] panic: kernel diagnostic assertion failed"),
            ("panic", "panic[cpu0]/thread=fffffe00041fdc40: BAD TRAP: type=e"),
            ("panic", "Fatal trap 12: page fault while in kernel mode"),
            ("panic", "#PF Exception 14 in world 2097685:vmm0 IP 0x418004a2b1c0 addr 0x0"),
            ("panic", "Panic on CPU 0:"),
            ("oops", "[ 1.0] BUG: unable to handle page fault for address: ffffb0d1"),
            ("oops", "BUG: kernel NULL pointer dereference, address: 0000000000000000"),
            ("oops", "Oops: 0002 [#1] SMP PTI"),
            ("oops", "Internal error: Oops: 96000004 [#1] SMP"),
            ("oops", "Unable to handle kernel paging request at virtual address dead0000"),
            ("oops", "kernel BUG at fs/ext4/inode.c:2721!"),
            ("bsod", "*** STOP: 0x0000007B (0xF78D2524,0xC0000034,0x00000000,0x00000000)"),
            ("bsod", '<INSTANCE CLASSNAME="BLUESCREEN">'),
            ("out-of-memory", "Out of memory: Killed process 1234 (java) total-vm:8kB"),
            ("out-of-memory", "java invoked oom-killer: gfp_mask=0x201da, order=0"),
            ("out-of-memory", "pid 12 (perl), jid 0, uid 0, was killed: out of swap space"),
            ("soft-lockup", "watchdog: BUG: soft lockup - CPU#3 stuck for 23s! [kworker/3:1]"),
            ("soft-lockup", "rcu: INFO: rcu_sched self-detected stall on CPU"),
            ("soft-lockup", "INFO: task jbd2/sda1-8:250 blocked for more than 120 seconds."),
            ("read-only", "EXT4-fs (sda1): Remounting filesystem read-only"),
            ("read-only", "BTRFS info (device sdb): forced readonly"),
            ("read-only", "XFS (dm-0): Filesystem has been shut down due to log error"),
        ):
            self.assertIn(name, built_in(line), line)

    def test_what_only_looks_like_it(self) -> None:
        for line in (
            "# sysctl kernel.panic=10",
            "systemd[1]: Starting dump-panic.service",
            "don't panic: it is only a test",
            "Oops, something went wrong",
            "Memory: 16384k available",
            "mount: / is mounted read-only",
            "EXT4-fs (sda1): mounted filesystem read-only",
            "warning: out of memory for the cache",
        ):
            self.assertEqual(built_in(line), [], line)
