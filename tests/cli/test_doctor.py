"""`vspc doctor` where no server runs, and with words that make no sense."""

import json

from tests.cli.test_cli import CliTest

CONFIG = """\
state_dir = "state"
[vm]
telnet = ["tcp:13370:interface=127.0.0.1"]
telnets = []
allow = ["10.0.0.0/8"]
service_uris = ["console"]
"""


class WithoutServer(CliTest):
    """What the configuration alone says."""

    def doctor(self, *words: str, text: str = CONFIG) -> tuple[int, str, str]:
        return self.run_main("doctor", *words, "--config", self.write(text))

    def test_it_says_so_and_what_the_configuration_has(self) -> None:
        status, out, err = self.doctor("web01")
        self.assertEqual((status, err), (1, ""))
        for words in (
            "! no server answers at ",
            "telnet on tcp:13370:interface=127.0.0.1; it allows 10.0.0.0/8",
            "Port URI: console",
            "esxcli network firewall ruleset set --ruleset-id vSPC",
        ):
            self.assertIn(words, out)
        self.assertNotIn("not-allowed", out)

    def test_where_it_connects_to(self) -> None:
        dial = '[[dial]]\nname = "moxa-{n}"\nconnect = "tcp://10.0.0.9:{4000+n}"\ncount = 200\n'
        _, out, _ = self.doctor("moxa-1", text=CONFIG + dial)
        self.assertIn("; it connects to moxa-1 at tcp://10.0.0.9:4001, moxa-2 at ", out)
        self.assertRegex(out, r", \+1[0-9][0-9]\n")

    def test_a_host_that_it_would_not_let_in(self) -> None:
        _, out, _ = self.doctor("192.0.2.7", "--json")
        codes = [each["code"] for each in json.loads(out)["findings"]]
        self.assertEqual(codes, ["no-server", "configuration", "not-allowed"])
        _, out, _ = self.doctor("10.2.3.4", "--json")
        codes = [each["code"] for each in json.loads(out)["findings"]]
        self.assertEqual(codes, ["no-server", "configuration"])

    def test_a_configuration_with_mistakes(self) -> None:
        status, out, err = self.doctor(text="[vm]\nallow = 7\n")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("no server answers", err)
        self.assertIn("vm.allow", err)

    def test_words_that_make_no_sense(self) -> None:
        for words, complaint in (
            (("--probe", "nowhere"), "has no port"),
            (("--probe", "ftp://x:1"), "unknown scheme"),
            (("--probe", "h:1", "web01"), "takes no NAME"),
            (("--probe", "telnet://:1"), "HOST:PORT"),
            (("--prob", "h:1"), "--probe"),
            (("a", "b"), "usage: vspc doctor"),
        ):
            status, out, err = self.doctor(*words)
            self.assertEqual((status, out), (2, ""), words)
            self.assertIn(complaint, err)
            self.assertIn("usage: vspc doctor", err)

    def test_help_needs_no_server(self) -> None:
        status, out, _ = self.run_main("doctor", "--help")
        self.assertEqual(status, 0)
        self.assertIn("--probe HOST:PORT", out)
