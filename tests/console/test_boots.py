"""What of the markers of a log is a boot, and what only another line."""

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from vspc.console.log_reading import (
    BOOT_NEAR,
    BOOT_SOON,
    LOST,
    RESTARTED,
    SAME_BOOT,
    boot_text,
    gather_boots,
)
from vspc.console.logs import Marker, MarkerKind

LINE, AGAIN, BOOT = MarkerKind.CONNECTED, MarkerKind.RECONNECTED, MarkerKind.BOOT
FIRMWARE, KERNEL = boot_text(1, b"SeaBIOS"), boot_text(2, b"Linux version")


def at(
    *happened: tuple[float, MarkerKind, str] | tuple[float, MarkerKind, str, int],
) -> list[Marker]:
    """Markers at those seconds, at offsets that are the seconds unless they are given."""
    return [
        Marker(one[3] if len(one) == 4 else int(one[0]), one[0], one[1], one[2], 0)
        for one in happened
    ]


def offsets(markers: Sequence[Marker], booted: bool = False) -> list[int]:
    return [boot.offset for boot in gather_boots(markers, booted)]


class Boots(SynchronousTestCase):
    def test_a_line_firmware_and_a_kernel_are_one(self) -> None:
        (boot,) = gather_boots(at((1, LINE, ""), (2, BOOT, FIRMWARE), (9, BOOT, KERNEL)))
        self.assertEqual((boot.offset, boot.at), (1, 1))
        self.assertEqual(boot.signs, ("new line", "SeaBIOS", "Linux version"))

    def test_where_no_boot_is_ever_shown_each_new_line_is_one(self) -> None:
        self.assertEqual(offsets(at((1, LINE, ""), (5, LINE, ""))), [1, 5])

    def test_a_line_that_is_known_to_be_a_reconnect_is_none(self) -> None:
        self.assertEqual(offsets(at((1, LINE, ""), (5, AGAIN, ""))), [1])

    def test_where_boots_are_shown_a_line_alone_is_none(self) -> None:
        markers = at((1, LINE, ""), (2, BOOT, KERNEL), (5000, LINE, ""), (9000, AGAIN, ""))
        self.assertEqual(offsets(markers), [1])

    def test_where_boots_were_shown_before_what_is_kept_too(self) -> None:
        self.assertEqual(offsets(at((5000, LINE, "")), booted=True), [])

    def test_a_line_before_the_first_boot_is_its_beginning_or_none(self) -> None:
        self.assertEqual(
            offsets(at((1, LINE, ""), (2 + SAME_BOOT, BOOT, KERNEL))), [int(2 + SAME_BOOT)]
        )

    def test_a_vm_that_is_switched_on_again_boots_at_its_new_line(self) -> None:
        markers = at((1, LINE, ""), (2, BOOT, KERNEL), (5000, AGAIN, ""), (5001, BOOT, KERNEL))
        self.assertEqual(offsets(markers), [1, 5000])

    def test_a_reconnect_and_much_output_before_a_boot_are_not_of_it(self) -> None:
        boot = (100.0, BOOT, KERNEL, 1000 + BOOT_NEAR + 1)
        markers = at((1, LINE, ""), (2, BOOT, KERNEL), (50, AGAIN, "", 1000), boot)
        self.assertEqual(offsets(markers), [1, 1000 + BOOT_NEAR + 1])

    def test_a_reboot_after_a_restart_of_the_server_begins_with_its_own_line(self) -> None:
        again = (50.0, AGAIN, f"web01 at 10.1.1.4, {RESTARTED}")
        markers = at((1, LINE, ""), (2, BOOT, FIRMWARE), again, (60, BOOT, FIRMWARE))
        self.assertEqual(offsets(markers), [1, 60])

    def test_so_does_one_some_time_after_a_lost_connection(self) -> None:
        again = (50.0, AGAIN, f"web01 at 10.1.1.4, {LOST}")
        for seconds, begins in ((20, 50), (BOOT_SOON + 1, int(50 + BOOT_SOON + 1))):
            markers = at((1, LINE, ""), (2, BOOT, FIRMWARE), again, (50 + seconds, BOOT, FIRMWARE))
            self.assertEqual(offsets(markers), [1, begins])
