"""RFC 2217: every command of both sides there and back, and everything a peer can get wrong."""

from attrs import evolve, fields
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.common.test_serial import SETTINGS
from vspc.common.serial import FlowControl, LineState, ModemState, PortSettings
from vspc.wire.comport import (
    Command,
    Control,
    FlowControlResume,
    FlowControlSuspend,
    MalformedComPort,
    NotifyLineState,
    NotifyModemState,
    PurgeData,
    SetBaudRate,
    SetControl,
    SetDataSize,
    SetLineStateMask,
    SetModemStateMask,
    SetParity,
    SetStopSize,
    Setting,
    Side,
    Signature,
    decode,
    encode,
    in_force,
    requested,
    setting,
)

# Each command with its body as a client says it.
DOCUMENT: list[tuple[Command, str]] = [
    (Signature(b"ser"), "00 736572"),
    (Signature(), "00"),
    (SetBaudRate(115_200), "01 0001c200"),
    (SetBaudRate(), "01 00000000"),
    (SetDataSize(8), "02 08"),
    (SetParity(1), "03 01"),
    (SetStopSize(3), "04 03"),
    (SetControl(Control.BREAK_ON), "05 05"),
    (NotifyLineState(LineState.BREAK), "06 10"),
    (NotifyModemState(ModemState.DCD | ModemState.DELTA_DCD), "07 88"),
    (FlowControlSuspend(), "08"),
    (FlowControlResume(), "09"),
    (SetLineStateMask(16), "0a 10"),
    (SetModemStateMask(255), "0b ff"),
    (PurgeData(3), "0c 03"),
]

BYTE = st.integers(0, 255)
KINDS = list(dict.fromkeys(type(command) for command, _ in DOCUMENT))
SETTING_KINDS = (SetDataSize, SetParity, SetStopSize, SetControl)
SETTING: st.SearchStrategy[Setting] = st.one_of(
    st.builds(SetBaudRate, st.integers(0, 2**32 - 1)),
    *(st.builds(kind, BYTE) for kind in SETTING_KINDS),
)
ANY = st.one_of(
    SETTING,
    st.builds(Signature, st.binary(max_size=40)),
    *(
        st.builds(kind, **{f.name: BYTE for f in fields(kind)})
        for kind in KINDS
        if kind not in (Signature, SetBaudRate, *SETTING_KINDS)
    ),
)
SIDES = st.sampled_from(Side)
QUESTIONS = (b"\x06", b"\x07")


class CodecTests(SynchronousTestCase):
    def test_as_the_document_has_them(self) -> None:
        self.assertEqual([kind.CODE for kind in KINDS], list(range(13)))
        for command, written in DOCUMENT:
            body = bytes.fromhex(written)
            self.assertEqual(encode(command, Side.CLIENT), body)
            self.assertEqual(decode(body, Side.CLIENT), command)
            answer = bytes((body[0] + 100,)) + body[1:]
            self.assertEqual(encode(command, Side.SERVER), answer)
            self.assertEqual(decode(answer, Side.SERVER), command)

    @given(ANY, SIDES)
    def test_there_and_back(self, command: Command, side: Side) -> None:
        self.assertEqual(decode(encode(command, side), side), command)

    def test_a_client_asks_for_a_state_without_a_value(self) -> None:
        self.assertEqual(decode(b"\x06", Side.CLIENT), NotifyLineState())
        self.assertEqual(decode(b"\x07", Side.CLIENT), NotifyModemState())
        self.assertRaises(MalformedComPort, decode, b"\x6b", Side.SERVER)

    @given(ANY.filter(lambda command: not isinstance(command, Signature)), SIDES, st.data())
    def test_shortage_and_leftovers_are_refused(
        self, command: Command, side: Side, data: st.DataObject
    ) -> None:
        body = encode(command, side)
        short = body[: data.draw(st.integers(0, len(body) - 1))]
        if side is Side.CLIENT and short in QUESTIONS:
            short = b""
        for wrong in (short, body + data.draw(st.binary(min_size=1, max_size=5))):
            self.assertRaises(MalformedComPort, decode, wrong, side)

    @given(st.binary(max_size=8), SIDES)
    def test_any_bytes_are_a_command_or_malformed(self, body: bytes, side: Side) -> None:
        try:
            command = decode(body, side)
        except MalformedComPort as malformed:
            self.assertTrue(str(malformed).isprintable())
        else:
            if not (side is Side.CLIENT and body in QUESTIONS):
                self.assertEqual(encode(command, side), body)

    @given(ANY)
    def test_a_command_of_the_other_side_is_refused(self, command: Command) -> None:
        self.assertRaises(MalformedComPort, decode, encode(command, Side.SERVER), Side.CLIENT)
        self.assertRaises(MalformedComPort, decode, encode(command, Side.CLIENT), Side.SERVER)


class ServerTests(SynchronousTestCase):
    @given(SETTING, SETTINGS)
    def test_the_answer_is_what_is_in_force(self, command: Setting, before: PortSettings) -> None:
        """What was set, or what was there: nonsense and questions change nothing."""
        after = requested(command, before)
        answer = in_force(command, after or before)
        self.assertIs(type(answer), type(command))
        if after is not None:
            self.assertEqual(answer, command)
        if not isinstance(command, SetControl):
            self.assertEqual(requested(answer, after or before), after or before)

    def set(self, command: Setting, before: PortSettings) -> PortSettings:
        after = requested(command, before)
        assert after is not None
        return after

    @given(SETTINGS)
    def test_questions_and_nonsense(self, settings: PortSettings) -> None:
        for kind, nonsense in (
            (SetBaudRate, 4_000_000_000),
            (SetDataSize, 9),
            (SetParity, 6),
            (SetStopSize, 4),
            (SetControl, 20),
        ):
            for value in (0, nonsense):
                self.assertIsNone(requested(kind(value), settings))
            self.assertEqual(in_force(kind(nonsense), settings), in_force(kind(0), settings))
            self.assertNotEqual(in_force(kind(0), settings), kind(0))

    @given(SETTINGS, SETTINGS, st.booleans(), st.booleans())
    def test_a_client_sets_them_all(
        self, before: PortSettings, wanted: PortSettings, dtr: bool, rts: bool
    ) -> None:
        in_control = FlowControl.SOFTWARE if wanted.flow is FlowControl.DTR else wanted.flow
        wanted = evolve(wanted, flow=in_control, flow_in=FlowControl.DTR, dtr=dtr, rts=rts)
        for command in setting(wanted):
            before = self.set(command, before)
            self.assertEqual(in_force(command, before), command)
        self.assertEqual(before, wanted)

    def test_controls(self) -> None:
        quiet = PortSettings()
        self.assertEqual(in_force(SetControl(4), quiet), SetControl(Control.BREAK_OFF))
        self.assertEqual(in_force(SetControl(4), quiet, True), SetControl(Control.BREAK_ON))
        self.assertEqual(in_force(SetControl(7), quiet), SetControl(Control.DTR_ON))
        off = self.set(SetControl(Control.DTR_OFF), quiet)
        self.assertEqual(in_force(SetControl(7), off), SetControl(Control.DTR_OFF))
        self.assertEqual(in_force(SetControl(10), off), SetControl(Control.RTS_ON))
        self.assertEqual(in_force(SetControl(13), quiet), SetControl(Control.FLOW_IN_NONE))
        hard = self.set(SetControl(Control.FLOW_HARDWARE), quiet)
        self.assertEqual(in_force(SetControl(13), hard), SetControl(Control.FLOW_IN_HARDWARE))
        mixed = self.set(SetControl(Control.FLOW_IN_NONE), hard)
        self.assertEqual(in_force(SetControl(0), mixed), SetControl(Control.FLOW_HARDWARE))
        self.assertEqual(in_force(SetControl(13), mixed), SetControl(Control.FLOW_IN_NONE))
