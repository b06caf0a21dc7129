"""Every file of the log, damaged in every way: what is read is true, what is missing is told, the
console is still known by its name, and what it says next is kept.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeLine, World
from tests.log.inline import Logged
from tests.log.support import bytes_of, markers_of
from vspc.config.settings import LogSettings
from vspc.config.values import Floor
from vspc.console.console import Console
from vspc.console.events import Connected
from vspc.console.identity import Claim
from vspc.console.logs import Item, LogView, Marker, MarkerKind, Output
from vspc.log import blocks
from vspc.log.chain import verify
from vspc.log.store import Sizes

SETTINGS = LogSettings(free_floor=Floor(0, 0.0))
SIZES = Sizes(move=2000, pending=1 << 20, segment=100_000, journal=1 << 30)
NAMES = ("web01", "web02")
BLOCK = 2 * 64 * 1024
"""Bytes that one flipped bit may cost: those of a block, or of a part of an index."""


@frozen
class State:
    """A log as a server left it: its files, and what each console said, from offset 0."""

    files: Mapping[str, bytes]
    said: Mapping[str, bytes]


class Server:
    """A log over files that are there, and its two VMs."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.world = World()
        self.world.clock.advance(1)
        self.logged = Logged(self.world, SETTINGS, sizes=SIZES, files=files)

    def connect(self, name: str) -> Console:
        """The VM of that name has a line."""
        claim = Claim("default", f"{NAMES.index(name) + 1:032x}", "vc", name, "10.0.0.1")
        (console,) = self.world.roster.ports(claim) or [self.world.roster.open(claim)]
        console.link.connect(FakeLine())
        self.world.roster.settle(console)
        self.world.events.publish(Connected(console.ref, False))
        return console

    def tick(self, seconds: float = 0.05) -> None:
        self.world.clock.advance(seconds)
        self.logged.writer.work([])

    def stop(self) -> None:
        self.logged.log.end()
        self.logged.writer.store.stop(self.world.clock.wall())

    def files(self) -> dict[str, bytes]:
        root = self.logged.root
        paths = sorted(path for path in root.rglob("*") if path.is_file())
        return {str(path.relative_to(root)): path.read_bytes() for path in paths}

    def items(self, console_id: str) -> list[Item]:
        """All that the log has, from the beginning that it knows."""

        def everything(kept: LogView) -> list[Item]:
            found: list[Item] = []
            at, ended = kept.start, False
            while not ended:
                page = kept.read(at, 1 << 16)
                found += page.items
                at, ended = page.next, page.ended
            return found

        return (
            SynchronousTestCase().successResultOf(
                self.logged.log.queries.query(console_id, everything)
            )
            or []
        )


def _lines(name: str) -> Iterator[bytes]:
    for number in range(5300):
        yield b"%s %07d %x\r\n" % (name.encode(), number, number * 2654435761 % (1 << 32))


@cache
def state(clean: bool = True) -> State:
    """Two consoles with segments of every kind, and a journal that has more; the server was
    stopped, or killed.
    """
    server = Server({})
    said = {}
    for name in NAMES:
        console = server.connect(name)
        lines = list(_lines(name))
        for at in range(0, len(lines), 50):
            console.link.output(b"".join(lines[at : at + 50]))
            server.tick()
        said[name] = b"".join(lines)
        console.link.output(b"not moved\n")
        said[name] += b"not moved\n"
        server.tick()
    if clean:
        server.stop()
    found = server.files()
    server.logged.close()
    return State(found, said)


def ids() -> dict[str, str]:
    """Of both consoles, by name."""
    world = World()
    found = {}
    for number, name in enumerate(NAMES, 1):
        claim = Claim("default", f"{number:032x}", "vc", name, "10.0.0.1")
        found[name] = world.roster.open(claim).id
    return found


def other_console(name: str, files: Mapping[str, bytes]) -> bytes | None:
    """A file of the other console that could stand in its place."""
    one, two = ids().values()
    if one not in name and two not in name:
        return None
    other = two if one in name else one
    suffix = Path(name).name[20 + 21 :] if ".zst" in name else Path(name).name
    alike = [n for n in files if other in n and n.endswith(suffix.partition("-")[2] or suffix)]
    alike = alike or [n for n in files if other in n and n.endswith("".join(Path(name).suffixes))]
    return files[alike[0]]


class Damaged(SynchronousTestCase):
    """One file is not what it was."""

    def hold(
        self, name: str, data: bytes | None, most: int | None = None, clean: bool = True
    ) -> list[str]:
        """What has to hold with `data` at `name`, None for nothing; at most `most` bytes are
        missing. What `verify` says.
        """
        before = state(clean)
        files = dict(before.files)
        del files[name]
        if data is not None:
            files[name] = data
        server = Server(files)
        try:
            wrong = self._verified(files)
            for each in NAMES:
                self._hold_one(server, each, before.said[each], name, most, clean)
            self.assertEqual(server.world.failures, 0)
            return wrong
        finally:
            server.logged.close()

    def _verified(self, files: Mapping[str, bytes]) -> list[str]:
        copy = Path(self.mktemp())
        for name, data in files.items():
            path = copy / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return list(verify(copy / "log").wrong)

    def _hold_one(
        self,
        server: Server,
        name: str,
        said: bytes,
        damaged: str,
        most: int | None,
        clean: bool,
    ) -> None:
        console_id = ids()[name]
        self.assertIn(name, [console.name for console in server.world.roster], damaged)
        kept, gaps = self._true(server.items(console_id), said, damaged)
        missing = len(said) - len(kept)
        if console_id in damaged or "consoles/" not in damaged:
            self.assertLessEqual(missing, len(said) if most is None else most, damaged)
        else:
            self.assertEqual(missing, 0, damaged)
        if "journal" not in damaged and not missing:
            self.assertEqual([gap.offset for gap in gaps], [] if clean else [len(said)], damaged)
        console = server.connect(name)
        self.assertGreaterEqual(console.history.end, len(said), damaged)
        console.link.output(b"and it goes on\n")
        server.tick()
        items = server.items(console_id)
        self.assertTrue(bytes_of(items).endswith(b"and it goes on\n"), damaged)

    def _true(self, items: list[Item], said: bytes, damaged: str) -> tuple[bytes, list[Marker]]:
        """What was read, and gaps: every offset from 0 is one or the other."""
        at, kept = 0, b""
        for item in items:
            if isinstance(item, Output):
                self.assertEqual(item.data, said[item.offset : item.end], damaged)
                kept += item.data
            if item.end > item.offset:
                self.assertEqual(item.offset, at, damaged)
                at = item.end
        self.assertGreaterEqual(at, len(said), damaged)
        return kept, [marker for marker in markers_of(items) if marker.kind is MarkerKind.GAP]

    def every(
        self, damage: Callable[[str, bytes], bytes | None], most: Callable[[str], int | None]
    ) -> dict[str, list[str]]:
        """Each file in turn; what `verify` says, by name."""
        files = state().files
        return {
            name: self.hold(name, damage(name, data), most(name)) for name, data in files.items()
        }

    def whole(self, name: str) -> int | None:
        """Bytes that may be missing where a whole file is: what is derived costs nothing."""
        return None if ".seg" in name or "journal" in name else 0

    # The state itself

    def test_there_is_a_file_of_every_kind(self) -> None:
        suffixes = ["".join(Path(name).suffixes) for name in state().files]
        self.assertEqual(
            {suffix: suffixes.count(suffix) for suffix in suffixes},
            {".json": 2, ".seg": 2, ".idx": 2, ".seg.zst": 2, ".idx.zst": 2, ".journal": 1, "": 1},
        )

    def test_of_what_is_not_damaged_nothing_is_missing(self) -> None:
        name = next(iter(state().files))
        self.assertEqual(self.hold(name, state().files[name], 0), [])
        self.assertEqual(self.hold(name, state(False).files[name], 0, clean=False), [])

    # Every file, in every way

    def test_cut(self) -> None:
        self.named(self.every(lambda _, data: data[: len(data) * 3 // 11], self.whole))
        self.named(self.every(lambda _, data: data[: len(data) * 10 // 11], self.whole))

    def test_empty(self) -> None:
        self.named(self.every(lambda _, __: b"", self.whole))

    def test_zeros(self) -> None:
        self.named(self.every(lambda _, data: bytes(len(data)), self.whole))

    def test_zeros_at_its_end(self) -> None:
        wrong = self.every(lambda _, data: data[:-100] + bytes(100), self.whole)
        self.named(wrong)

    def test_gone(self) -> None:
        self.named(self.every(lambda _, __: None, self.whole))

    def test_appended(self) -> None:
        rubbish = bytes(range(256)) * 3
        wrong = self.every(lambda _, data: data + rubbish, lambda name: 0)
        self.named(wrong)

    def test_of_another_console(self) -> None:
        files = state().files
        for name in files:
            data = other_console(name, files)
            if data is not None:
                self.assertNotEqual(self.hold(name, data, self.whole(name)), [], name)

    def test_of_another_segment_of_the_same_console(self) -> None:
        files = state().files
        for name in files:
            if name.endswith(".zst"):
                ending = "".join(Path(name).suffixes)
                alike = [each for each in files if each.endswith(ending) and each != name]
                for other in alike:
                    self.assertNotEqual(self.hold(name, files[other], self.whole(name)), [], name)

    def test_of_a_shorter_segment_of_the_same_console(self) -> None:
        for name, data in state().files.items():
            if name.endswith(".seg.zst"):
                found = blocks.unpack(data)
                assert found is not None
                far = 10_000_000
                runs = [evolve(r, offset=r.offset + far, data=r.data[::-1]) for r in found.runs]
                runs[-1] = evolve(runs[-1], data=runs[-1].data[:-100])
                self.assertNotEqual(self.hold(name, blocks.pack(found.head, runs)), [], name)

    def test_a_flipped_bit_costs_its_neighbourhood(self) -> None:
        for name, data in state().files.items():
            for at in (0, 7, 9, 30, len(data) // 3, len(data) // 2, len(data) - 3):
                flipped = bytearray(data)
                flipped[at] ^= 4
                most = None if "journal" in name else BLOCK if ".seg" in name else 0
                self.assertNotEqual(self.hold(name, bytes(flipped), most), [], (name, at))

    @settings(max_examples=30, deadline=None)
    @given(st.integers(0, 100), st.floats(0, 1, exclude_max=True), st.integers(0, 7), st.booleans())
    def test_any_flipped_bit(self, which: int, where: float, bit: int, clean: bool) -> None:
        files = state(clean).files
        name = list(files)[which % len(files)]
        flipped = bytearray(files[name])
        flipped[int(where * len(flipped))] ^= 1 << bit
        most = None if "journal" in name else BLOCK if ".seg" in name else 0
        self.hold(name, bytes(flipped), most, clean)

    def named(self, wrong: Mapping[str, list[str]]) -> None:
        """`verify` says something of each."""
        for name, found in wrong.items():
            self.assertNotEqual(found, [], name)
