"""A log whose files are damaged, or of a server that is newer or older: it is still the console's,
and what is wrong with it is said.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.test_cli import CliTest
from tests.log.support import bytes_of
from tests.log.test_chain import said
from tests.log.test_damage import Server, State, ids, state
from vspc.console.logs import Output
from vspc.log import blocks, index, records
from vspc.log.chain import verify
from vspc.log.records import DATA, FIRST_MARKER, Record


def older(files: Mapping[str, bytes], scratch: Path) -> dict[str, bytes]:
    """Those files as the servers before this one wrote them: no heads, no blocks, no checksums."""
    found = {}
    for name, data in files.items():
        if name.endswith(".seg.zst"):
            scratch.write_bytes(data)
            data = blocks.pack_index(said(scratch))
        elif name.endswith(".idx"):
            data = _older_index(data)
        elif name.endswith(".idx.zst"):
            data = blocks.pack_index(_older_index(blocks.unpack_index(data)))
        elif name.endswith(".json"):
            facts = json.loads(data)
            data = json.dumps({key: facts[key] for key in ("version", "evicted", "about")}).encode()
        found[name] = data
    return {name: data for name, data in found.items() if not name.endswith("/chain")}


def _older_index(data: bytes) -> bytes:
    made = index.MAGIC
    for part in index.read(data, "").parts:
        kept = [e for e in part.entries if e.code == DATA or e.code >= FIRST_MARKER]
        batch = [Record(e.code, b"", e.offset, e.at, bytes(e.length) or e.payload) for e in kept]
        frame = index.lay_out(part.serial, part.serial, part.begin, batch)
        body = next(iter(records.frames_of(frame, 0))).body  # type: ignore[union-attr]
        body = body[:16] + part.checksum.to_bytes(4, "big") + body[20:]
        made += records.pack_frame(body)
    return made


class Case(SynchronousTestCase):
    """A server over files."""

    def serve(self, files: Mapping[str, bytes]) -> Server:
        server = Server(files)
        self.addCleanup(server.logged.close)
        return server

    def go_on(self, server: Server, name: str = "web01", text: bytes = b"and on\n") -> bytes:
        """All that is read when the console has said something more."""
        console = server.connect(name)
        console.link.output(text)
        server.tick()
        return bytes_of(server.items(ids()[name]))

    def path(self, state: State, ending: str, name: str = "web01") -> str:
        """The first file of that console that ends so."""
        return next(each for each in state.files if ids()[name] in each and each.endswith(ending))


class Descriptions(Case):
    """`console.json` is derived."""

    def test_a_damaged_one_is_made_anew_and_reported(self) -> None:
        before = state()
        path = self.path(before, "console.json")
        flipped = before.files[path].replace(b"web01", b"web00")
        for data in (b"", b"{", flipped, before.files[self.path(before, "console.json", "web02")]):
            server = self.serve({**before.files, path: data})
            self.assertEqual((server.logged.root / path).read_bytes(), before.files[path])
            event, facts = server.logged.events[0]
            self.assertEqual(event, "log-damaged")
            self.assertRegex(str(facts["what"]), rf"^console {ids()['web01']} \(web01\): .*json")
            self.assertIn(facts["what"], server.logged.log.damage)
            self.assertEqual(self.go_on(server), before.said["web01"] + b"and on\n")

    def test_the_vm_that_comes_back_finds_its_log_though_nothing_says_whose_it_is(self) -> None:
        files = older(state().files, Path(self.mktemp()))
        files[self.path(state(), "console.json")] = b"\0" * 300
        del files[next(name for name in files if name.endswith(".journal"))]
        server = self.serve(files)
        self.assertEqual([console.name for console in server.world.roster], ["web02"])
        moved = state().said["web01"].removesuffix(b"not moved\n")
        self.assertEqual(self.go_on(server), moved + b"and on\n")
        server.tick(100)
        server.stop()
        again = self.serve(server.files())
        self.assertIn("web01", [console.name for console in again.world.roster])

    def test_a_newer_one_is_left_alone_and_its_log_goes_on_beside_it(self) -> None:
        before = state()
        path = self.path(before, "console.json")
        newer = b'{"version": 2, "who": "knows"}'
        directory = str(Path(path).parent)
        old = {name: data for name, data in before.files.items() if directory in name}
        files = {**before.files, path: newer}
        for times in (1, 2, 3):
            server = self.serve(files)
            self.assertIn("log-left-alone", server.logged.event_names)
            expected = before.said["web01"] + b"and on\n" * times
            self.assertEqual(self.go_on(server), expected)
            server.tick(100)
            server.stop()
            files = server.files()
            for name, data in {**old, path: newer}.items():
                self.assertEqual(files[name], data, name)
        self.assertTrue(any(f"{directory}.2/" in name for name in files))

    def test_what_cannot_be_a_directory_is_gone_on_with_beside_it(self) -> None:
        before = state()
        directory = str(Path(self.path(before, "console.json")).parent)
        files = {name: data for name, data in before.files.items() if directory not in name}
        server = self.serve({**files, directory: b"not a directory"})
        found = self.go_on(server, text=b"x" * 3000)
        self.assertTrue(found.endswith(b"x" * 3000))
        self.assertTrue((server.logged.root / f"{directory}.2").is_dir())
        self.assertGreaterEqual(server.items(ids()["web01"])[-1].offset, len(before.said["web01"]))


class Indexes(Case):
    """What is derived is made anew, and then there is nothing more to tell."""

    def test_an_index_that_is_gone_is_made_anew_from_the_bytes(self) -> None:
        before = state()
        files = dict(before.files)
        path = self.path(before, ".idx")
        del files[path]
        server = self.serve(files)
        self.assertEqual(self.go_on(server), before.said["web01"] + b"and on\n")
        server.tick(100)
        server.stop()
        self.assertEqual(verify(server.logged.root / "log").wrong, ())
        again = self.serve(server.files())
        self.assertEqual(again.logged.events, [])

    def test_a_gap_that_damage_has_left_stays_when_the_segment_is_compressed(self) -> None:
        before = state()
        path = self.path(before, ".seg")
        flipped = bytearray(before.files[path])
        flipped[len(flipped) // 2] ^= 1
        flipped_index = bytearray(before.files[path.replace(".seg", ".idx")])
        flipped_index[40] ^= 1  # so that it is closed
        files = {
            **before.files,
            path: bytes(flipped),
            path.replace(".seg", ".idx"): bytes(flipped_index),
        }
        server = self.serve(files)
        server.tick(100)
        found = self.go_on(server)
        self.assertFalse((server.logged.root / path).exists())
        self.assertLess(len(found), len(before.said["web01"]))


class Older(Case):
    """Formats of the servers before."""

    def test_all_of_it_is_read_and_goes_on_in_the_new_format(self) -> None:
        before = state()
        server = self.serve(older(before.files, Path(self.mktemp())))
        self.assertEqual(server.logged.events, [])
        self.assertEqual(self.go_on(server), before.said["web01"] + b"and on\n")
        self.assertEqual(self.go_on(server, "web02"), before.said["web02"] + b"and on\n")

    def test_without_its_index_a_compressed_segment_says_its_offsets_by_its_name(self) -> None:
        before = state()
        files = older(before.files, Path(self.mktemp()))
        del files[self.path(before, ".idx.zst")]
        self.assertEqual(self.go_on(self.serve(files)), before.said["web01"] + b"and on\n")

    def test_a_longer_segment_of_another_console_is_none_of_it(self) -> None:
        before = state()
        files = older(before.files, Path(self.mktemp()))
        path = self.path(before, ".seg.zst")
        files[path] = blocks.pack_index(before.said["web02"])
        for gone in ("", path.replace(".seg.", ".idx.")):
            files.pop(gone, None)
            server = self.serve(files)
            for item in server.items(ids()["web01"]):
                if isinstance(item, Output):
                    self.assertEqual(item.data, before.said["web01"][item.offset : item.end])
            self.assertIn("log-segment-damaged", dict(server.logged.events))

    def test_an_index_of_another_console_that_does_not_say_so_costs_no_byte(self) -> None:
        before = state()
        path = self.path(before, ".idx.zst")
        made = index.lay_out(9, 9, 0, [Record(DATA, b"", 0, 1, before.said["web02"][:100_000])])
        files = {**before.files, path: blocks.pack_index(_older_index(index.MAGIC + made))}
        server = self.serve(files)
        self.assertEqual(bytes_of(server.items(ids()["web01"])), before.said["web01"])
        self.assertIn("it is of another segment", str(server.logged.events))

    def test_an_index_of_another_place_in_an_open_segment_costs_no_byte(self) -> None:
        before = state()
        files = older(before.files, Path(self.mktemp()))
        path = self.path(before, ".idx")
        made = index.lay_out(9, 9, 0, [Record(DATA, b"", 40_000, 1, before.said["web02"][:50_000])])
        files[path] = _older_index(index.MAGIC + made)
        server = self.serve(files)
        self.assertEqual(self.go_on(server), before.said["web01"] + b"and on\n")
        self.assertIn("it is of another segment", str(server.logged.events))

    def test_what_comes_before_damage_in_one_frame_is_read(self) -> None:
        text = b"".join(b"%07d\n" % (number * 7919 % 10_000_000) for number in range(200_000))
        packed = blocks.pack_index(text)
        found, whole = blocks.unpack_some(packed[: len(packed) // 2])
        self.assertFalse(whole)
        self.assertEqual(found, text[: len(found)])
        self.assertGreater(len(found), len(text) // 3)


class Commands(CliTest):
    """`vspc check` and `vspc verify`."""

    def test_both_say_what_is_wrong(self) -> None:
        path = next(name for name in state().files if name.endswith("console.json"))
        for name, data in state().files.items():
            file = self.directory / "state" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        config = self.write('state_dir = "state"')
        self.assertEqual(self.run_main("verify", "--config", config)[0], 0)
        self.assertNotIn("console.json", self.run_main("check", "--config", config)[1])
        (self.directory / "state" / path).write_bytes(b"")
        status, _, err = self.run_main("verify", "--config", config)
        self.assertEqual(status, 1)
        self.assertIn("console.json: invalid JSON", err)
        status, out, _ = self.run_main("check", "--config", config)
        self.assertEqual(status, 0)
        self.assertRegex(out, "warning: log: .*console.json: invalid JSON")
