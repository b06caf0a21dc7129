"""What a probe met, as findings."""

from datetime import UTC, datetime, timedelta

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from vspc.apps.doctor.facts import Setup
from vspc.apps.doctor.probing import ANSWERS, of_probe
from vspc.net.certificates import Validity
from vspc.net.heard_peer import Answer
from vspc.net.probe import Probed, ShownCertificate

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SHOWN = ShownCertificate(
    "TLSv1.3",
    "vspc",
    "an authority",
    ("vspc", "127.0.0.1"),
    "AB:CD",
    "12:34",
    Validity(NOW - timedelta(days=1), NOW + timedelta(days=90)),
    "it is self-signed",
)


class Probing(SynchronousTestCase):
    """The table of answers, and certificates."""

    def known(self, probed: Probed) -> str:
        return of_probe(probed, Setup(), NOW)[0].known

    def test_every_answer_has_a_meaning_that_names_the_place(self) -> None:
        self.assertEqual(set(ANSWERS), set(Answer))
        for answer in Answer:
            [found] = of_probe(Probed("h:1", answer, banner="x\\x1b{0}"), Setup(), NOW)
            self.assertEqual(found.code, answer.value)
            self.assertIn("h:1", found.known)
            self.assertTrue(found.means)

    def test_telnet_by_what_it_offers(self) -> None:
        plain = Probed("h:1", Answer.TELNET, banner="login:")
        self.assertIn(
            "without RFC 2217 and VMware's extension; it says 'login:'", self.known(plain)
        )
        other = Probed("h:1", Answer.OTHER, banner="\\x1b")
        self.assertEqual(self.known(other), "h:1 says '\\x1b'")
        self.assertIn("with RFC 2217,", self.known(evolve(plain, com_port=True)))
        both = evolve(plain, com_port=True, extension=True)
        self.assertIn("a concentrator", self.known(both))

    def test_what_to_write_to_use_it(self) -> None:
        for probed, line in (
            (Probed("h:1", Answer.SILENT), "tcp://h:1"),
            (Probed("h:1", Answer.TELNET), "telnet://h:1"),
            (Probed("h:1", Answer.TELNET, certificate=SHOWN), "telnets://h:1"),
            (Probed("h:1", Answer.TELNET, com_port=True), "rfc2217://h:1"),
        ):
            self.assertIn(line, of_probe(probed, Setup(), NOW)[0].do[0])

    def test_what_to_try_from_elsewhere(self) -> None:
        [found] = of_probe(Probed("[::1]:4001", Answer.REFUSED), Setup(), NOW)
        self.assertTrue(found.do[0].endswith("nc -v ::1 4001"), found.do)

    def test_a_certificate(self) -> None:
        probed = Probed("h:1", Answer.SILENT, certificate=SHOWN)
        for setup, words in (
            (Setup(), "not trusted by this machine: it is self-signed"),
            (Setup(thumbprint="AB:CD"), "it is that of this configuration, not trusted"),
            (Setup(thumbprint="00:00"), "it is not that of this configuration"),
        ):
            first, found = of_probe(probed, setup, NOW)
            self.assertIn("within TLSv1.3", first.known)
            self.assertIn(words, found.means)
            self.assertFalse(found.is_trouble)
        for word in ("'vspc'", "127.0.0.1", "AB:CD", "12:34", "2027-02-28"):
            self.assertIn(word, found.known)

    def test_one_that_has_expired(self) -> None:
        old = evolve(SHOWN, validity=Validity(NOW - timedelta(9), NOW - timedelta(1)), distrust="")
        _, found = of_probe(Probed("h:1", Answer.SILENT, certificate=old), Setup(), NOW)
        self.assertTrue(found.is_trouble)
        self.assertIn("expired on 2026-11-29", found.known)
        self.assertEqual(found.means, "trusted by this machine")
