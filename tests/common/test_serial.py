"""Port settings: as people write them, and what no port can be set to."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.serial import FASTEST, FlowControl, Parity, PortSettings, StopBits
from vspc.common.values import InvalidValue

SETTINGS = st.builds(
    PortSettings,
    st.integers(1, FASTEST),
    st.integers(5, 8),
    st.sampled_from(Parity),
    st.sampled_from(StopBits),
    st.sampled_from(FlowControl),
)


class WrittenTests(SynchronousTestCase):
    def test_as_people_write_them(self) -> None:
        self.assertEqual(str(PortSettings(115_200)), "115200 8N1")
        self.assertEqual(str(PortSettings()), "9600 8N1")
        odd = PortSettings(50, 5, Parity.MARK, StopBits.ONE_AND_HALF, FlowControl.HARDWARE)
        self.assertEqual(str(odd), "50 5M1.5 rts/cts")

    @given(SETTINGS)
    def test_read_as_they_are_written(self, settings: PortSettings) -> None:
        self.assertEqual(PortSettings.parse(str(settings)), settings)

    def test_nonsense_is_refused_with_what_is_allowed(self) -> None:
        for text in ("", "115200", "8N1", "0 8N1", "9600 9N1", "9600 8X1", "9600 8N3", "-1 8N1"):
            refused = self.assertRaises(InvalidValue, PortSettings.parse, text)
            self.assertIn("1", refused.allowed)
        self.assertRaises(InvalidValue, PortSettings.parse, f"{FASTEST + 1} 8N1")

    def test_no_port_has_them(self) -> None:
        self.assertRaises(InvalidValue, PortSettings, 0)
        self.assertRaises(InvalidValue, PortSettings, 9600, 4)
