"""conman.conf: its grammar and what becomes of it; and the command `vspc import`."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.cli.importing.files import CONMAN, CONSERVER, is_shown_as_it_is, load, words
from tests.cli.test_cli import CliTest
from vspc.cli.importing.conman import directives, read_conman
from vspc.cli.importing.outcome import ImportFailed, Outcome
from vspc.cli.importing.program import kind_of


class ConmanTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.path = self.directory / "conman.conf"

    def read(self, text: str) -> Outcome:
        self.path.write_text(text, encoding="utf-8", errors="surrogatepass")
        return read_conman(self.path)


class Grammar(SynchronousTestCase):
    def parsed(self, text: str) -> list[tuple[str, dict[str, str], int]]:
        found = directives(text, "conman.conf")
        return [(each.keyword, dict(each.values), each.line.number) for each in found]

    def test_strings_words_and_continued_lines(self) -> None:
        text = '\nCONSOLE Name=\'a " #\' \\\n  dev = "b\\" log=c_1 # x\nserver port=+7\\\n'
        self.assertEqual(
            self.parsed(text),
            [
                ("console", {"name": 'a " #', "dev": "b\\", "log": "c_1"}, 2),
                ("server", {"port": "+7"}, 4),
            ],
        )

    def test_a_comment_is_not_continued(self) -> None:
        self.assertEqual(self.parsed("# x \\\nserver a=1 # \\\nserver b=2")[1][1], {"b": "2"})

    def test_mistakes_have_their_line(self) -> None:
        for text in ("\nserver port", "\nserver =1", "\nconsole name='a", '\nserver a="b" c'):
            with self.assertRaisesRegex(ImportFailed, "conman.conf line 2: expected KEY = VALUE"):
                self.parsed(text)


class Taken(ConmanTest):
    def test_consoles(self) -> None:
        outcome = self.read(CONMAN)
        self.assertEqual(
            [(each.name, each.connect, each.logged) for each in outcome.consoles.values()],
            [
                ("web # 1", "telnet://ts1:4001", True),
                ("db1", "telnet://ts1.example.com:4002", False),
                ("vm1", "unix:/run/vm1.sock", True),
            ],
        )
        load(outcome, self.directory)

    def test_what_is_not_taken_is_said_with_its_line(self) -> None:
        outcome = self.read(CONMAN)
        said = "\n".join(map(str, outcome.sorted_remarks()))
        for wanted in (
            "conman.conf line 2: server keepalive: not needed",
            "conman.conf line 2: server port: not taken: operators connect to ssh.listen",
            "conman.conf line 6: console logopts: not needed",
            "conman.conf line 9: console bmc: not taken: IPMI",
            "conman.conf line 10: console tty: not taken: a serial device of this machine (9600)",
            "conman.conf line 11: console sh: not taken: vspc starts no programs",
            "conman.conf line 12: console rel: not taken: the socket relative",
            "conman.conf line 13: console none: not taken: it has no dev",
        ):
            self.assertIn(wanted, said)
        self.assertNotIn("secret", said + outcome.toml())

    def test_what_is_not_known(self) -> None:
        said = list(map(str, self.read("server x=1\nother y=2\n").sorted_remarks()))
        self.assertIn("server x: not taken: unknown keyword", said[0])
        self.assertIn("other: not taken: unknown directive", said[1])

    def test_an_empty_global_log_is_no_log(self) -> None:
        text = "global log=''\nconsole name=a dev='h:1'\nconsole name=b dev='h:2' log='%N'\n"
        logged = [each.logged for each in self.read(text).consoles.values()]
        self.assertEqual(logged, [False, True])


KEYS = words(["name", "dev", "log", "port", "seropts"])
VALUES = words(["'h:1'", '"unix:/a"', "on", "'%N'", "'a{n}'", "'ipmi:x'"])
PAIRS = st.lists(st.tuples(KEYS, VALUES).map("=".join)).map(" ".join)
LINES = st.tuples(words(["server", "GLOBAL", "console", "#"]), PAIRS).map(" ".join)


class AnyInput(ConmanTest):
    @settings(max_examples=60)
    @given(st.text() | st.lists(LINES).map("\n".join))
    def test_no_text_is_more_than_refused_and_what_is_written_loads(self, text: str) -> None:
        try:
            outcome = self.read(text)
        except ImportFailed as failed:
            self.assertTrue(is_shown_as_it_is(str(failed)))
            return
        load(outcome, self.directory)


class Command(CliTest):
    def test_the_file_is_recognised(self) -> None:
        for text, wanted in ((CONSERVER, "conserver"), (CONMAN, "conman"), ("", "conserver")):
            self.assertEqual(kind_of(self.write(text)), wanted)

    def test_what_is_not_taken_gives_status_1_and_the_toml_all_the_same(self) -> None:
        status, out, err = self.run_main("import", self.write(CONMAN))
        self.assertEqual(status, 1)
        self.assertIn('[[dial]]\nname = "db1"\nconnect = "telnet://ts1.example.com:4002"\n', out)
        self.assertTrue(err.endswith("consoles: 3, operators: 0, rules: 0, not taken: 7\n"), err)
        self.assertIn("# Not taken:\n", out)

    def test_all_taken(self) -> None:
        output = self.directory / "new.toml"
        path = self.write("console a { type host; host h; port 1; rw ann; timestamp 1h; }")
        status, out, err = self.run_main("import", path, "--output", output)
        self.assertEqual((status, out), (0, ""))
        self.assertIn("timestamp: not needed", err)
        self.assertIn("[operators.ann]", output.read_text())
        status, out, err = self.run_main("import", path, "--output", output)
        self.assertEqual((status, err), (1, f"vspc import: {output}: File exists\n"))

    def test_what_cannot_be_read(self) -> None:
        for text, kind, wanted in (
            ("console a {", "conserver", "line 1: the block has no closing brace"),
            ("x", "conserver", "line 1: the file ends within a block"),
            ("server x", "conman", "line 1: expected KEY = VALUE at 'x'"),
        ):
            status, out, err = self.run_main("import", self.write(text), "--format", kind)
            self.assertEqual((status, out), (1, ""))
            self.assertIn(wanted, err)
        status, _, err = self.run_main("import", self.directory / "none")
        self.assertEqual(status, 1)
        self.assertIn("No such file", err)
