"""Records of a state: each version reads those of the version before, and of the next one."""

import mmap
import os
from base64 import b64decode
from pathlib import Path

from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.msgpack import decode
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.serial import FlowControl, ModemState, Parity, PortSettings
from vspc.console.events import ConsoleRef, HostChange, Moved
from vspc.console.identity import Claim, Identity, Provenance
from vspc.console.input_flow import InputFlowState
from vspc.console.migration import MigrationState
from vspc.console.values import (
    SavedConsole,
    SavedConsoles,
    SavedHistory,
    SavedMigration,
    SavedPast,
    SavedVm,
)
from vspc.net.telnet_transport import TransportState
from vspc.server.handover import state_file
from vspc.server.handover.encoding import Moment, RecordKind, assemble, encode, records, text_key
from vspc.server.handover.state_file import HandoverFile, read
from vspc.vm.lines.binary import LineQuestion
from vspc.vm.lines.comport import ComPortState
from vspc.vm.registration import RegistrationState
from vspc.vm.roles import LineRole
from vspc.vm.values import SavedLine, SavedServer, SavedTelnet, SavedVmotion
from vspc.wire.uri import RemoteUri, Scheme, TlsWishes

VERSION_1 = Path(__file__).parent / "version1.base64"
"""A state of format 1 with every field in it, as the first version that had it wrote it."""

REMOTE = RemoteUri(Scheme.TELNET, "moxa.example", 4001, TlsWishes(b"\1\2", "moxa", True, "HIGH"))
PORT = PortSettings(115200, 7, Parity.EVEN, flow=FlowControl.HARDWARE, dtr=True, rts=False)
REF = ConsoleRef("00112233", "lab/web01:2", "web01", 2, "lab", "ab" * 16, "10.1.1.7", False)
VM = Identity("lab", "vc", "ab" * 16)
CLAIMED = Claim("lab", "ab" * 16, "vc", "web01", "10.1.1.4", Provenance.PLAIN, "vspc?p=1", "1")

MOMENT = Moment(12.5, "2.0", True)

EXAMPLE = SavedServer(
    {
        "l00001": SavedLine(
            kind="vmware",
            role=LineRole.LEADING,
            zone="lab",
            address="10.1.1.4",
            name="listener",
            telnet=SavedTelnet(
                transport=TransportState(b"\0\3\1\1\xe8\2", b"\xff\xfa\xe8", 2),
                questions=(LineQuestion.IDENTITY, LineQuestion.INPUT),
                after_cr=True,
                port=ComPortState(PORT, True, True),
                agreed=True,
                registration=RegistrationState(
                    (40, 80),
                    (b"C", b"telnet://moxa.example:4001"),
                    b"credential",
                    True,
                    "ab" * 16,
                    "vc",
                    "web01",
                    True,
                    True,
                    REMOTE,
                    True,
                    ("bios", "vc"),
                    True,
                ),
            ),
            claim=evolve(CLAIMED, remote=REMOTE),
            buffered=b"early \xff\n",
            dropped=7,
            quarantine_output=1_700_000_000.25,
            limit_due=600.5,
            vmotion=SavedVmotion(b"seq", 601.0, b"seqsecret", 602.0, 21, 3),
            console="00112233",
        )
    },
    SavedConsoles(
        {
            "00112233": SavedConsole(
                vm=SavedVm(VM, "ab" * 16, "web01", "web01~3f2a"),
                port_key="label:1",
                about=Identity("lab", "bios", "cd" * 16, True),
                label="1",
                ordinal=2,
                number=3,
                service_uri="vspc?p=1",
                remote=REMOTE,
                history_end=65536,
                input=InputFlowState((b"typed", b""), True, True, (2016, 5), 64, True),
                migrating=True,
                moves=4,
                last_move=Moved(REF, "10.1.1.4", "10.1.1.7", 0.75, 1_700_000_001.5),
                host_change=HostChange("10.1.1.1", "10.1.1.2", 1_700_000_002.5),
                unseen_change=HostChange("10.1.1.2", "10.1.1.3", 1_700_000_003.5),
                last_address="10.1.1.4",
                provenance=Provenance.CERTIFIED,
                bytes_from_vm=123456,
                bytes_to_vm=789,
                breaks_from_vm=2,
                settings=PORT,
                modem=ModemState.CTS | ModemState.DCD,
                since=1_700_000_004.5,
                last_output=1_700_000_005.5,
                away_reason="its host closed the connection",
                line="l00001",
            )
        },
        {"00112233": SavedHistory(65526, b"ten bytes\n")},
        {
            b"seqsecret": SavedMigration(
                console="00112233",
                sequence=b"seq",
                source="l00001",
                source_address="10.1.1.4",
                target="l00002",
                began=590.0,
                deadline=710.0,
                state=MigrationState.CLAIMED,
                resumed=True,
                orphaned=595.0,
            )
        },
        {b"spent": SavedPast("00112233", "10.1.1.9", MigrationState.COMPLETED)},
    ),
    12.5,
)


class Versions(SynchronousTestCase):
    def test_what_the_first_version_wrote_is_read(self) -> None:
        self.patch(state_file, "_REGIONS", (mmap.PAGESIZE, mmap.PAGESIZE + state_file.LIMIT))
        descriptor = os.memfd_create("golden")
        self.addCleanup(os.close, descriptor)
        os.pwrite(descriptor, b64decode(VERSION_1.read_text()), 0)
        found = assemble(read(descriptor))
        self.assertEqual(found.state, EXAMPLE)
        self.assertEqual((found.moment, found.unread), (MOMENT, {}))

    def test_there_and_back(self) -> None:
        file = HandoverFile.create()
        self.addCleanup(file.close)
        file.write(records(EXAMPLE, MOMENT).items())
        found = assemble(read(file.descriptor))
        self.assertEqual(found.state, EXAMPLE)
        modem = found.state.consoles.consoles["00112233"].modem
        self.assertIs(type(modem), ModemState)

    def test_the_next_version_has_fields_that_this_one_does_not_know(self) -> None:
        line = EXAMPLE.lines["l00001"]
        next_one = NextLine(
            "vmware", LineRole.LEADING, "lab", "10.1.1.4", NextTelnet(agreed=True, weather="fine")
        )
        found = assemble({text_key(RecordKind.LINE, "l00001"): encode(next_one)})
        read_line = found.state.lines["l00001"]
        self.assertEqual((read_line.kind, read_line.role), ("vmware", LineRole.LEADING))
        assert read_line.telnet is not None
        self.assertTrue(read_line.telnet.agreed)
        self.assertEqual((read_line.claim, read_line.dropped), (None, 0))
        # And the other way round.
        after = decode(encode(line), type=NextLine)
        self.assertEqual((after.address, after.flavour), ("10.1.1.4", "none"))
        self.assertEqual((after.telnet.agreed, after.telnet.weather), (True, ""))

    def test_classes_of_other_rooms_are_read_as_tolerantly(self) -> None:
        vm = {"identity": {"zone": "lab", "kind": "vc", "value": "ab", "seal": 1}, "uuid": "ab"}
        body = encode(Loose(vm, "uri:vspc", {"queue": [b"x"], "colour": "red"}))
        console = assemble({text_key(RecordKind.CONSOLE, "1"): body}).state.consoles.consoles["1"]
        self.assertEqual(console.vm.identity, Identity("lab", "vc", "ab"))
        self.assertEqual(console.input, InputFlowState((b"x",)))

    def test_a_record_that_cannot_be_read_costs_no_other(self) -> None:
        found = records(EXAMPLE, MOMENT)
        for body in (b"\xc1", b"\x93\1\2\3", encode(Loose({}, "", {})), b"nonsense"):
            found[text_key(RecordKind.LINE, "l00001")] = body
            got = assemble(found)
            self.assertEqual(got.unread, {"line": 1})
            self.assertEqual((got.state.lines, got.state.consoles), ({}, EXAMPLE.consoles))

    def test_a_role_or_a_setting_that_this_version_does_not_know(self) -> None:
        line = encode(EXAMPLE.lines["l00001"]).replace(b"\xa7leading", b"\xa7dancing")
        console = encode(EXAMPLE.consoles.consoles["00112233"]).replace(b"\xce\0\1\xc2\0", b"\0")
        found = assemble(
            {text_key(RecordKind.LINE, "1"): line, text_key(RecordKind.CONSOLE, "1"): console}
        )
        self.assertEqual(found.unread, {"line": 1, "console": 1})

    def test_records_of_unknown_kinds_are_left_alone(self) -> None:
        found = records(EXAMPLE, MOMENT) | {(200, b"new"): b"anything"}
        self.assertEqual(assemble(found).state, EXAMPLE)

    @settings(deadline=None, max_examples=300)
    @given(st.data())
    def test_bytes_changed_in_a_record_never_raise(self, data: st.DataObject) -> None:
        found = records(EXAMPLE, MOMENT)
        key = data.draw(st.sampled_from(sorted(found)))
        body = bytearray(found[key])
        for at in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=4)):
            body[at] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(1, len(body)))
        assemble(found | {key: bytes(body[:cut])})


@frozen
class Weather:
    """A class of the next version."""

    rain: bool = False


class NextTelnet(Struct, omit_defaults=True):
    """A telnet layer in the next version: with two fields more, and some that went."""

    agreed: bool = False
    weather: str = ""
    more: Weather = Weather()


class NextLine(Struct, omit_defaults=True):
    """A line in the next version."""

    kind: str
    role: LineRole
    zone: str
    address: str
    telnet: NextTelnet
    flavour: str = "none"


class Loose(Struct):
    """A console in a version with other classes."""

    vm: object
    port_key: str
    input: object
