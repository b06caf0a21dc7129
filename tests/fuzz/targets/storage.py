"""Files of our own that a crash, a disk or somebody has damaged: what is read is told to be so, and
what comes later is kept all the same.
"""

import json
import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import zstandard

from tests.fakes import FakeThreads, World
from tests.fuzz.target import Choices, Target, same
from tests.log.support import bytes_of
from tests.log.test_damage import NAMES, Server, ids
from vspc.audit import reader
from vspc.audit.file import AuditFile, ending_of
from vspc.auth.lockouts import LockoutStore
from vspc.auth.statefile import StateFile
from vspc.auth.totp import Totp
from vspc.common.files import Disk
from vspc.console.audit import AuditQuery
from vspc.console.bookmarks import Bookmarks
from vspc.console.descriptions import Descriptions
from vspc.console.pen_locks import PenLocks
from vspc.console.sessions import Quota, Sessions
from vspc.doors.programs.assignment import PortAssignments
from vspc.log import blocks, chain, description, index, records
from vspc.log.sinks import progress
from vspc.server.handover.encoding import MOMENT, Moment, assemble, encode
from vspc.server.handover.encoding import records as records_of
from vspc.server.handover.state_file import BadState, HandoverFile, read

JSON_TOKENS = (
    *(b"[" * 3000, b'{"a":' * 3000, b"Infinity", b"1e999", b"NaN", b"-1", b"9" * 30, b"null"),
    *(b"true", b'""', b"[]", b"{}", b'"\\ud800"', b"1.5", b'"until": ', b'"version": 1'),
)


@cache
def kept_log() -> tuple[tuple[str, bytes], ...]:
    """The files of a small log: a segment that is packed, one that is not, a journal with more."""
    server = Server({})
    for name in NAMES:
        console = server.connect(name)
        for number in range(60):
            console.link.output(b"%s %07d\r\n" % (name.encode(), number) * 6)
            server.tick()
    server.stop()
    found = server.files()
    server.logged.close()
    return tuple(sorted(found.items()))


def _damaged(data: bytes, choices: Choices, others: tuple[bytes, ...]) -> bytes | None:
    """`data` after one more mishap; None: it is gone."""
    at = choices.byte() << 8 | choices.byte()
    at = at % (len(data) + 1)
    match choices.below(8):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + bytes(len(data) - at)
        case 2:
            return data[:at] + bytes((choices.byte(),)) + data[at + 1 :]
        case 3:
            piece = choices.piece()
            return data[:at] + piece + data[at + len(piece) :]
        case 4:
            return data[:at] + choices.piece() + data[at:]
        case 5:
            return data[:at] + data[at + choices.byte() :]
        case 6:
            return others[choices.below(len(others))]
        case _:
            return None if at % 3 == 0 else data + data[:at]


def _log(data: bytes) -> None:
    choices, files = Choices(data), dict(kept_log())
    names, whole = list(files), tuple(files.values())
    while choices:
        name = names[choices.below(len(names))]
        damaged = _damaged(files.get(name, b""), choices, whole)
        files.pop(name, None)
        if damaged is not None:
            files[name] = damaged
    server = Server(files)
    try:
        list(chain.verify(server.logged.root / "log").wrong)
        for each, console_id in ids().items():
            server.items(console_id)
            console = server.connect(each)
            console.link.output(b"and it goes on\n")
            server.tick()
            if not bytes_of(server.items(console_id)).endswith(b"and it goes on\n"):
                raise AssertionError(f"what {each} says is not kept")
        server.stop()
        same(server.world.failures, 0, "failures")
    finally:
        server.logged.close()


def _pieces(data: bytes) -> None:
    """The parts of a log's files, alone."""
    for found in records.frames_of(data, 0):
        if isinstance(found, records.Frame):
            _batch(found.body)
    _batch(data)
    with suppress(records.UnknownVersion):
        index.read(data, "index")
    index.read(data, "index", begins=False)
    index.read_head(data)
    blocks.unpack(data)
    with suppress(zstandard.ZstdError):
        blocks.unpack_index(data)
    blocks.unpack_some(data)


def _batch(body: bytes) -> None:
    try:
        _, found = records.unpack_batch(body)
        for record in found:
            records.as_marker(record.code, record.offset, record.at, record.payload)
    except records.MalformedRecord:
        pass


def _beside(data: bytes) -> None:
    """Files beside those of a log."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        (path / description.FILE).write_bytes(data)
        with suppress(description.BadDescription, records.UnknownVersion):
            description.read(path, "0" * 20)
        with suppress(chain.BrokenChain):
            list(chain.links(path / description.FILE))
        chain.recorded_heads(data.decode("utf-8", "replace").splitlines())
        with suppress(progress.BadCursors):
            progress.load(path / description.FILE)


def _audit(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "audit.jsonl"
        path.write_bytes(data)
        for query in (AuditQuery(0.0), AuditQuery(1_700_000_000.0, operator="alice")):
            page, pages = reader.read(path, query, None), 0
            while not page.ended and pages <= len(data):
                pages += 1
                page = reader.read(path, query, page.position)
            same(page.ended, True, "its end")
        file = AuditFile(path, lambda *_: None)
        file.open()
        written = file.append([('{"time": "2026-11-30T00:00:00.000000Z"', '"event": "x"}')])
        same((len(written.lines), written.error), (1, None), "what was written")
        file.close()
        if not path.read_bytes().endswith(written.lines[0] + b"\n"):
            raise AssertionError("what was written is not at its end")
        same(ending_of(Disk(), path).seq, file.seq, "its number")


def _state(data: bytes) -> None:
    """Each small file of state_dir."""
    world = World()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "file.json"
        path.write_bytes(data)
        try:
            value = StateFile(path, FakeThreads()).load()
        except ValueError:
            return
        with suppress(ValueError):
            LockoutStore(StateFile(path, FakeThreads()), world.clock.wall).load()
    locks = PenLocks(world.clock, world.events, Sessions(Quota))
    for kept in (Bookmarks(), Descriptions(), locks):
        kept.restore(value)
        json.dumps(kept.as_value())
    PortAssignments(value)
    with suppress(ValueError):
        Totp().restore(value)
    world.clock.advance(1e9)


def _handover(data: bytes) -> None:
    """The file in memory that a state is handed over in."""
    descriptor = os.memfd_create("fuzz")
    try:
        os.write(descriptor, data)
        with suppress(BadState):
            assemble(read(descriptor))
    finally:
        os.close(descriptor)


def _record(data: bytes) -> None:
    """The records of such a file, alone."""
    choices, found = Choices(data), {MOMENT: encode(Moment(1.0, "1"))}
    while choices:
        found[choices.below(8), choices.take(choices.below(4))] = choices.piece()
    assembled = assemble(found)
    same(assemble(records_of(assembled.state, assembled.moment)).state, assembled.state, "again")


_AUDITED = b"".join(
    b'{"time": "2026-11-30T08:30:0%d.000000Z", "event": "login", "operator": "alice", "seq": %d}\n'
    % (number, number)
    for number in range(1, 6)
)
_LINK = (
    b'{"version": 1, "number": 1, "before": "", "console": "00", "start": 0, "end": 5, '
    b'"blocks": ["ab"], "index": "cd"}\n'
)
_STATES = (
    b'{"a": ["billing", ""], "b": [["x"], ["y"]]}',
    b'[{"what": "mallory", "by": "root", "since": 1.0, "until": null, "reason": ""}]',
    b'{"alice": 58000000}',
    b'{"web*": {"4001": "web01"}}',
)


def _pieces_of_files() -> tuple[bytes, ...]:
    files = [data[:3000] for _, data in kept_log()]
    body = records.pack_batch(1, [records.gap(bytes(20), 0, 5, 1, "why")])
    return (*files, records.pack_frame(body), blocks.pack_index(b"abc"))


def _state_image() -> tuple[bytes, ...]:
    file = HandoverFile.create()
    try:
        file.write([(MOMENT, encode(Moment(1.0, "1"))), ((2, b"l1"), b"\x80")])
        size = os.fstat(file.descriptor).st_size
        return (os.pread(file.descriptor, size, 0)[:20_000],)
    finally:
        file.close()


TARGETS = (
    Target("damaged-log", _log, lambda: (b"\0\1\2\0",), longest=64, replayed=40),
    Target("log-pieces", _pieces, _pieces_of_files, longest=8192),
    Target("log-beside", _beside, lambda: (_LINK, *_pieces_of_files()[:2]), JSON_TOKENS, 8192),
    Target("audit-file", _audit, lambda: (_AUDITED,), JSON_TOKENS, 8192, replayed=150),
    Target("state-file", _state, lambda: _STATES, JSON_TOKENS, 8192),
    Target("handover-file", _handover, _state_image, longest=20_000),
    Target("handover-record", _record, lambda: (b"\2\1a\1\x80\3\2b\1\x80",)),
)
