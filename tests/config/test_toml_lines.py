"""Lines of keys in a file: found whatever stands around them."""

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import ConfigTest
from vspc.config.toml_lines import lines_of

HEADERS = ["[[access]]", "[[ access ]]", '[["access"]]', "[['access']] # x", '[["\\u0061ccess"]]']

AROUND = [
    "\n",
    "# [[access]]\n",
    "[other]\n",
    "['access.no']\n",
    "[[ssh.access]]\n",
    "[[accesses]]\n",
    "  \t\r\n",
]

VALUES = [
    "k{} = 1 # [[access]]\n",
    'k{} = "[[access]]\\"" # "\n',
    "k{} = '[[access]]'\n",
    'k{} = """\n[[access]]\n"""\n',
    'k{} = """a""\n\\"""\n[[access]]\n""""" # "\n',
    "k{} = '''\n[[access]]\n''''\n",
    'k{} = [\n["access"], # ]\n[["access"]],\n  "]" ]\n',
    "k{} = {{ a = '}}', b = [ [ 1 ] ] }}\n",
    '"k{} [[" . access = 1\n',
    "k{}.access = 2\n",
    '"k{}#" = 1979-05-27\r\n',
]


def rules(text: str, count: int) -> list[int]:
    found = lines_of(text)
    return [found.exactly(f"access[{index}]") for index in range(count)]


class Places(SynchronousTestCase):
    def test_each_header_has_its_line(self) -> None:
        text = 'a = 1\n[[access]]\nb = """\n[[access]]\n"""\n\n  [[ access ]] # two\n'
        self.assertEqual(rules(text, 2), [2, 7])

    def test_each_key_has_its_line(self) -> None:
        text = """\
state_dir = "x"
vm.probe_timeout = 5
[vm]
allow = [
  "10.0.0.0/8", # one
  "10.0.0.1/8",
]
[[vm.zone]]
name = "a"
[[vm.zone]]
name = "b"
"allow" = ["::1", "::2",

 "::3"]
[operators."a.b"]
authorized_keys = []
[operators.c]
groups = [["x",
"y"], 'z']
[ssh.certificates]
map = [{principals = ["a"], roles = [
]}]
"""
        found = lines_of(text)
        for key, line in (
            ("state_dir", 1),
            ("vm", 2),
            ("vm.probe_timeout", 2),
            ("vm.allow", 4),
            ("vm.allow[1]", 6),
            ("vm.zone[0].name", 9),
            ("vm.zone[1]", 10),
            ("vm.zone[1].allow[1]", 12),
            ("vm.zone[1].allow[2]", 14),
            ("operators.a.b", 15),
            ("operators.a.b.authorized_keys", 16),
            ("operators.c.groups[0][1]", 19),
            ("operators.c.groups[1]", 19),
            ("ssh.certificates.map[0].principals[0]", 21),
            ("ssh.certificates.map[0].roles", 21),
        ):
            self.assertEqual(found.exactly(key), line, key)

    def test_what_is_missing_has_the_line_of_its_table(self) -> None:
        found = lines_of("\n[vm]\n[[vm.zone]]\n[[vm.zone]]\n")
        for key, line in (
            ("vm.zone[1].name", 4),
            ("vm.allow[3]", 2),
            ("ssh.listen", 0),
            ("vm.zone[7]", 3),
            ("", 0),
        ):
            self.assertEqual(found.of(key), line, key)
            self.assertEqual(found.exactly(key), 0)

    def test_tables_in_one_value_have_lines_of_their_own(self) -> None:
        text = 'a = [\n1]\n"access" = [\n  {a = 1},\n  {a = 2}\n]\n[access2]\naccess = 3\n'
        self.assertEqual(rules(text, 2), [4, 5])

    def test_what_is_not_found_is_line_0(self) -> None:
        self.assertEqual(rules("[[other]]\n", 2), [0, 0])

    def test_a_list_deeper_than_python_goes(self) -> None:
        found = lines_of("a = 1\nb = " + "[" * 100_000)
        self.assertEqual(found.exactly("a"), 1)

    @settings(deadline=None, max_examples=150)
    @given(st.data())
    def test_files_that_were_put_together(self, data: st.DataObject) -> None:
        pieces = st.lists(
            st.tuples(st.sampled_from([HEADERS, AROUND, VALUES, VALUES]), st.integers(0, 10)),
            max_size=12,
        )
        text, wanted = "", []
        for number, (kind, which) in enumerate(data.draw(pieces)):
            piece = kind[which % len(kind)]
            if kind is HEADERS:
                wanted.append(text.count("\n") + 1)
                piece = f"{piece}\nn = {number}\n"
            text += piece.format(number) if kind is VALUES else piece
        text = text.replace("[other]", "[other{}]")
        for number in range(text.count("{}")):
            text = text.replace("[other{}]", f"[other{number}]", 1)
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            return  # one header twice
        self.assertEqual(len(tables.get("access", [])), len(wanted), text)
        self.assertEqual(rules(text, len(wanted)), wanted, text)

    @settings(deadline=None)
    @given(st.text(st.sampled_from("[]access=\"'\\\n#{} ,."), max_size=60))
    def test_any_text_is_accepted(self, text: str) -> None:
        self.assertEqual(len(rules(text, 3)), 3)


class Loaded(ConfigTest):
    def test_rules_know_their_lines(self) -> None:
        rule = '[[access]]\noperators = ["*"]\nconsoles = ["{}"]\nrights = []\n'
        config = self.load("# one\n" + rule.format("a") + "\n" + rule.format("b"))
        self.assertEqual([each.line for each in config.access], [2, 7])
        one = "{operators = ['*'], consoles = ['a'], rights = []}"
        config = self.load(f"\naccess = [{one},\n{one}]\n")
        self.assertEqual([each.line for each in config.access], [2, 3])
