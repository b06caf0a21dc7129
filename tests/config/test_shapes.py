"""Values of another shape than their key wants: what is said fits, and has its line."""

from tests.config.test_load import KEY, ConfigTest
from vspc.config import ConfigError

NEITHER = "it is a list, not one value"


class Shapes(ConfigTest):
    def said(self, text: str) -> str:
        """The one mistake in `text`, without the path of the file."""
        with self.assertRaises(ConfigError) as caught:
            self.load(text)
        [mistake] = caught.exception.mistakes
        return str(mistake).removeprefix(f"{mistake.path} ")

    def check(self, text: str, line: int, key: str, rest: str) -> None:
        self.assertEqual(self.said(text), f"line {line}: {key}: {rest}")

    def test_text_instead_of_a_list(self) -> None:
        text = f'[operators.alice]\nauthorized_keys = "{KEY}"\n'
        key, rest = "operators.alice.authorized_keys", 'it is text, not a list; write ["..."]'
        self.check(text, 2, key, rest)
        rest = 'it is text, not a list; write ["10.0.0.0/8"]'
        self.check('[vm]\nallow = "10.0.0.0/8"\n', 2, "vm.allow", rest)
        rest = "it is a number, not a list; write [2222]"
        self.check("[ssh]\nlisten = 2222\n", 2, "ssh.listen", rest)
        text = '[[access]]\noperators = "*"\nconsoles = ["*"]\nrights = ["read"]\n'
        self.check(text, 2, "access[0].operators", 'it is text, not a list; write ["*"]')

    def test_a_list_or_a_table_instead_of_one_value(self) -> None:
        self.check('state_dir = ["here"]\n', 1, "state_dir", f'{NEITHER}; write "here"')
        text = "[operators.alice]\npassword_hash = ['secret']\n"
        self.check(text, 2, "operators.alice.password_hash", f'{NEITHER}; write "..."')
        text = "[console]\nhistory = ['64KiB', '1MiB']\n"
        self.check(text, 2, "console.history", f'{NEITHER}; write "..."')
        text = "[tls.certificate]\na = 1\n[tls]\nprivate_key = 'vspc.toml'\n"
        rest = "it is a table, not one value; write key = value"
        self.check(text, 1, "tls.certificate", rest)

    def test_a_number_as_text_and_text_as_a_number(self) -> None:
        for text, problem, rest in (
            (
                "[ssh]\nmax_channels = '64'",
                "'64' is not a whole number",
                "write 64, without quotes",
            ),
            ("[ssh]\nmax_channels = 64.0", "64.0 is not a whole number", "write 64"),
            ("[log]\nenabled = 'no'", "'no' is not true or false", "write false, without quotes"),
            ("[console]\nhistory = 65536", "65536 is not a size", 'write "64KiB", with its unit'),
            (
                "[console]\nhistory = '65536'",
                "'65536' is not a size",
                'write "64KiB", with its unit',
            ),
            (
                "[vm]\nprobe_timeout = '5'",
                "'5' is not a duration",
                'write 5, without quotes, or "5s"',
            ),
            ("[ssh]\nlisten = [2222]", "2222 is not an endpoint", 'write "tcp:2222"'),
            ("[ssh]\nlisten = ['2222']", "'2222' is not an endpoint", 'write "tcp:2222"'),
        ):
            said = self.said(text + "\n")
            self.assertTrue(said.startswith("line 2: "), said)
            self.assertTrue(said.endswith(f": {problem}; {rest}"), said)

    def test_invalid_choices(self) -> None:
        rest = "'Offer' is not allowed here; did you mean \"offer\"? allowed: off, offer, require"
        self.check("[vm]\nstart_tls = 'Offer'\n", 2, "vm.start_tls", rest)
        rest = 'false is not allowed here; did you mean "off"? allowed: off, offer, require'
        self.check("[vm]\nstart_tls = false\n", 2, "vm.start_tls", rest)
        text = "[operators.alice]\nroles = ['operator']\n"
        rest = "'operator' is not allowed here; allowed: admin, audit"
        self.check(text, 2, "operators.alice.roles[0]", rest)

    def test_networks_with_an_address_in_them(self) -> None:
        said = self.said('[vm]\nallow = ["::1",\n  "10.0.0.1/8"]\n')
        self.assertTrue(said.startswith("line 3: vm.allow[1]: '10.0.0.1/8' is not a network"))
        self.assertIn('; did you mean "10.0.0.0/8"? ', said)

    def test_keys_that_are_not_there(self) -> None:
        for text, wanted in (
            ("[vm]\nalow = []\n", "line 2: vm.alow: unknown key; did you mean allow? "),
            ("[vm]\nstart-tls = 'off'\n", "did you mean start_tls? "),
            ("[vmm]\n", "line 1: vmm: unknown key; did you mean vm? "),
            ("[log]\nauthorized_keys = []\n", "key; it belongs in [operators.NAME]; allowed: "),
            ("[log]\nhost_keys = []\n", "it belongs in [ssh]; "),
            ("vmotion_peers = []\n", "it belongs in [[vm.zone]] or [vm]; "),
            ("[ssh]\nprincipals = []\n", "it belongs in [[ssh.certificates.map]]; "),
            ("[log]\nzzz = []\n", "line 2: log.zzz: unknown key; allowed: enabled, "),
        ):
            self.assertIn(wanted, self.said(text))

    def test_tables_and_lists_of_tables(self) -> None:
        rest = "it is one table, not a list of them"
        how = "write it with two brackets, [[...]], once for each"
        self.check("[vm.zone]\nname = 'lab'\n", 1, "vm.zone", f"{rest}; {how}")
        rest = "it is a number, not a table; write [vm], and keys below it"
        self.check("vm = 5\n", 1, "vm", rest)
        rest = "it is a list, not a table; write [vm], and keys below it"
        self.check("[[vm]]\n", 1, "vm", rest)
        rest = "it is text, not a table; write [operators.alice], and keys below it"
        self.check("[operators]\nalice = 'key'\n", 2, "operators.alice", rest)
        rest = "it is text, not a table; write [[vm.zone]], and keys below it"
        self.check("[vm]\nzone = ['lab']\n", 2, "vm.zone[0]", rest)

    def test_what_is_missing_has_the_line_of_its_table(self) -> None:
        self.assertIn("line 2: vm.zone[0].name: missing", self.said("\n[[vm.zone]]\n"))

    def test_invalid_toml_has_its_line(self) -> None:
        for text, wanted in (
            ("[vm]\ntelnet = tcp:1\n", 'text must be in quotes: key = "text"'),
            ("[vm]\ntelnet = [tcp:1]\n", 'text must be in quotes: key = "text"'),
            ("[vm]\ntelnet = \u201ctcp:1\u201d\n", "use straight quotes"),
            ("[vm]\n= 5\n", "see toml.io"),
            ("state_dir = 'a'\nstate_dir = 'b'\n", "a key may appear only once"),
            ('[vm]\ntelnet = "tcp:1\n', "text must end with its quote"),
        ):
            said = self.said(text)
            self.assertTrue(said.startswith("line 2: invalid TOML: "), said)
            self.assertIn(wanted, said)

    def test_mistakes_are_named_in_the_order_of_their_lines(self) -> None:
        with self.assertRaises(ConfigError) as caught:
            self.load("a = 1\n[vm]\nb = 1\nallow = 1\n[ssh]\nlisten = 1\nc = 1\n")
        lines = [mistake.line for mistake in caught.exception.mistakes]
        self.assertEqual(lines, [1, 3, 4, 6, 7])
