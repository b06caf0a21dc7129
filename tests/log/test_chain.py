"""The chain of hashes: what is changed afterwards shows, and where."""

from pathlib import Path

import zstandard

from tests.log.test_log import WholeLog
from vspc.config.settings import LogSettings
from vspc.config.values import Floor, Size
from vspc.log.chain import Chain, links, recorded_heads, verify


def said(path: Path) -> bytes:
    """What any program for zstandard prints of a compressed segment."""
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        return reader.read()


class Chained(WholeLog):
    """A console whose closed segments are in the chain."""

    settings = LogSettings(max_console=Size(1 << 20), free_floor=Floor(0, 0.0))

    def setUp(self) -> None:
        super().setUp()
        console = self.console()
        for number in range(60):
            console.link.output(b"%08d\n" % number * 3000)
            self.tick(1)
        self.tick(5)
        self.root = self.logged.root / "log"

    def segments(self) -> list[Path]:
        return sorted(self.root.rglob("*.seg.zst"))

    def test_what_was_not_touched_is_right(self) -> None:
        verdict = verify(self.root)
        self.assertEqual(verdict.wrong, ())
        self.assertEqual(verdict.right, len(self.segments()))
        self.assertGreater(verdict.right, 5)

    def test_a_byte_that_was_changed_is_found_near_its_offset(self) -> None:
        path = self.segments()[3]
        data = bytearray(said(path))
        data[100_000] ^= 1
        path.write_bytes(zstandard.ZstdCompressor().compress(bytes(data)))
        start = int(path.name.split("-")[0])
        (wrong,) = verify(self.root).wrong
        self.assertIn(f"first bad byte is at offset {start + 65536} or in the 65536 behind", wrong)

    def test_a_file_that_cannot_be_unpacked_is_named(self) -> None:
        path = self.segments()[0]
        path.write_bytes(path.read_bytes()[:-10])
        self.assertEqual(len(verify(self.root).wrong), 1)

    def test_evicted_segments_are_gone_and_nothing_is_wrong(self) -> None:
        store = self.logged.log.store
        (log,) = store.logs.values()
        store.evict(log, 2)
        verdict = verify(self.root)
        self.assertEqual((verdict.gone, verdict.wrong), (2, ()))

    def test_a_line_that_was_changed_breaks_the_chain(self) -> None:
        chain = self.root / "chain"
        lines = chain.read_bytes().splitlines(keepends=True)
        lines[2] = lines[2].replace(b'"start": ', b'"start": 1')
        chain.write_bytes(b"".join(lines))
        self.assertIn("the chain is broken", verify(self.root).wrong[-1])

    def test_a_line_of_nonsense_breaks_it_too(self) -> None:
        chain = self.root / "chain"
        for line in (b"[" * 5000, b'{"version": 1, "number": 1e999}'):
            chain.write_bytes(line + b"\n")
            self.assertIn("the chain is broken", verify(self.root).wrong[-1])

    def test_a_chain_that_was_made_anew_is_not_the_one_whose_head_was_sent(self) -> None:
        heads = {link.number: link.head for link in links(self.root / "chain")}
        sent = [f"x info log-chain number={n} head={head}" for n, head in heads.items()]
        self.assertEqual(verify(self.root, recorded_heads(sent)).heads, len(heads))
        chain = self.root / "chain"
        lines = chain.read_bytes().splitlines(keepends=True)
        chain.write_bytes(b"".join(lines[:-1]))
        verdict = verify(self.root, recorded_heads(sent))
        self.assertIn("heads of later ones were sent", verdict.wrong[0])

    def test_the_head_is_said_once_a_minute(self) -> None:
        log = self.logged.log
        for _ in range(3):
            log.check()
        self.assertEqual(self.logged.event_names.count("log-chain"), 1)
        number = self.logged.events[-1][1]["number"]
        self.assertEqual(number, log.writer.chain.number)

    def test_it_goes_on_after_a_restart_and_a_torn_line(self) -> None:
        chain = self.root / "chain"
        whole = chain.read_bytes()
        chain.write_bytes(whole + b'{"version": 1, "numb')
        again = Chain(self.root, self.disk)
        self.assertIsNone(again.open())
        self.assertEqual(chain.read_bytes(), whole)
        self.assertEqual(again.head, self.logged.log.writer.chain.head)

    def test_a_broken_one_is_put_aside(self) -> None:
        chain = self.root / "chain"
        chain.write_bytes(b"rubbish\n" + chain.read_bytes())
        again = Chain(self.root, self.disk)
        self.assertEqual(again.open(), str(self.root / "chain.broken-1"))
        self.assertEqual((again.number, chain.exists()), (0, False))
