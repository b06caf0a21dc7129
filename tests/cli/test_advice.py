"""What is printed for administrators to type elsewhere."""

import socket
from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from vspc.cli.advice import AdviceError, fingerprints, own_name, proxy_uris
from vspc.config import Config, VmSettings
from vspc.config.values import Endpoint
from vspc.config.vm_settings import ZoneSettings
from vspc.net.tls import load_pair, thumbprint


class Advice(SynchronousTestCase):
    def setUp(self) -> None:
        self.config = Config(state_dir=Path(self.mktemp()).absolute())

    def uris(self, vm: VmSettings) -> str:
        return "\n".join(proxy_uris(evolve(self.config, vm=vm), "vspc.example.net"))

    def test_others_do_not_reach_this_machine_as_localhost(self) -> None:
        self.patch(socket, "gethostname", lambda: "con1")
        for full, wanted in (
            ("localhost", "con1"),
            ("localhost.localdomain", "con1"),
            ("con1.example.net", "con1.example.net"),
        ):
            self.patch(socket, "getfqdn", lambda full=full: full)
            self.assertEqual(own_name(), wanted)

    def test_the_port_uri_is_the_first_word_that_is_no_glob(self) -> None:
        for words, wanted in (
            (("lab", "vspc"), "lab"),
            (("v*", "l?b", "[ab]", "lab"), "lab"),
            (("*",), "vspc"),
            ((), "vspc"),
        ):
            self.assertIn(f"Port URI: {wanted};", self.uris(VmSettings(service_uris=words)))

    def test_the_thumbprint_is_that_of_the_certificate_in_use(self) -> None:
        text = self.uris(VmSettings())
        pair = load_pair(None, None, self.config.state_dir)
        self.assertIn(f"telnets://vspc.example.net:13371#thumbprint={thumbprint(pair)}", text)
        self.assertIn("telnet://vspc.example.net:13370 ", text)

    def test_zones_have_uris_of_their_own(self) -> None:
        zone = ZoneSettings("lab", telnet=(Endpoint("tcp:23371"),), tls="require")
        text = self.uris(VmSettings(zone=(zone, ZoneSettings("empty"))))
        before, _, after = text.partition("for hosts of zone lab, one of:")
        self.assertIn("telnet://vspc.example.net:13370    no encryption", before)
        self.assertIn("telnet://vspc.example.net:23371    TLS that the VM starts", after)
        self.assertNotIn("zone empty", text)

    def test_listeners_without_a_port_have_no_uri(self) -> None:
        text = self.uris(VmSettings(telnet=(Endpoint("unix:/run/vspc"),), telnets=()))
        self.assertNotIn("://", text)

    def test_the_host_key_that_will_be_used(self) -> None:
        first, second = fingerprints(self.config)
        self.assertRegex(first, r"^256 SHA256:\S+ vspc \(ED25519\)$")
        self.assertIn("]:2222 ssh-ed25519 AAAA", second)
        self.assertEqual([first, second], fingerprints(self.config))

    def test_a_state_dir_that_cannot_be_made_is_named(self) -> None:
        self.config.state_dir.write_text("a file")
        for advise in (fingerprints, lambda config: proxy_uris(config, None)):
            with self.assertRaisesRegex(AdviceError, "state_dir"):
                advise(self.config)
