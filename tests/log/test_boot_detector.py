"""Which output begins a boot, whatever the patterns are."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.config.settings import BOOT_PATTERNS
from vspc.log.markers import APART, BootDetector, compiled, searches
from vspc.log.records import DATA, FIRST_MARKER, Record

PATTERNS = (
    *BOOT_PATTERNS,
    "abc []|abcd[]",
    "Linux [0-9|]x|abcd",
    "(?i)linux version",
    "U-Boot 20(19|2[0-9])",
    r"^Boot\|ing",
    "Boot |Loader$",
    "",
)
WORDS = ("SeaBIOS ", "EFI v", "BdsDxe: ", "Linux ", "version ", "abc ", "d", "|", "]", "7", "\n")


class BootPatterns(SynchronousTestCase):
    @given(
        st.lists(st.sampled_from(PATTERNS), max_size=4),
        st.lists(st.sampled_from(WORDS), max_size=6).map("".join),
    )
    def test_searched_one_by_one_they_find_what_they_find_together(
        self, patterns: list[str], text: str
    ) -> None:
        together = any(compiled(pattern).search(text.encode()) for pattern in patterns)
        found = any(each.search(text.encode()) for each in searches(tuple(patterns)))
        self.assertEqual(found, together)

    def test_more_than_a_few_are_searched_together(self) -> None:
        many = tuple(f"Booting image {number}" for number in range(3 * APART))
        self.assertEqual(len(searches(many)), APART + 1)
        detector = BootDetector(many)
        said = b"hello\nBooting image 47\n"
        batch = detector.mark(bytes(8), [Record(DATA, bytes(8), 0, 1, said)], said)
        self.assertEqual([record.offset for record in batch if record.code >= FIRST_MARKER], [6])
