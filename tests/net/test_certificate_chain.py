"""Chains of certificates: in order, in the wrong order, with one missing."""

from twisted.trial.unittest import SynchronousTestCase

from tests.net.authorities import Signed, certificate
from vspc.net.certificates import chain_problems

ROOT = certificate("Root")
SUB = certificate("Sub", ROOT)
SUBSUB = certificate("Subsub", SUB)
LEAF = certificate("vspc.example", SUBSUB)


class Chains(SynchronousTestCase):
    def problems(self, *chain: Signed) -> list[str]:
        return list(chain_problems([each.certificate for each in chain]))

    def test_what_is_right(self) -> None:
        for chain in (
            [],
            [ROOT],
            [LEAF],
            [LEAF, SUBSUB],
            [LEAF, SUBSUB, SUB],
            [LEAF, SUBSUB, SUB, ROOT],
        ):
            self.assertEqual(self.problems(*chain), [])

    def test_the_wrong_order(self) -> None:
        said = self.problems(LEAF, SUB, SUBSUB)
        self.assertIn(
            "the chain is in the wrong order: certificate 3 (Subsub) is the issuer of number 1, "
            "and belongs behind it",
            said,
        )
        said = self.problems(SUBSUB, SUB, ROOT, LEAF)
        self.assertEqual(said, ["certificate 3 (Root) is a root, but another one follows"])

    def test_one_that_is_missing(self) -> None:
        [said] = self.problems(LEAF, SUB, ROOT)
        what = "the certificate of Subsub, the issuer of number 1 (vspc.example)"
        self.assertEqual(said, f"{what}, is missing behind it")
        [said] = self.problems(certificate("public.example", SUB, points=True))
        self.assertIn("the certificate of its issuer (Sub) is not in the file", said)

    def test_one_of_the_same_name_that_signed_nothing(self) -> None:
        [said] = self.problems(LEAF, certificate("Subsub", SUB), SUB)
        self.assertIn("certificate 1 (vspc.example) was not signed by the next one", said)
