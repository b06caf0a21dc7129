"""Lines of rules in a file: found whatever stands around them."""

import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import ConfigTest
from vspc.config.headers import array_lines

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


class Lines(SynchronousTestCase):
    def test_each_header_has_its_line(self) -> None:
        text = 'a = 1\n[[access]]\nb = """\n[[access]]\n"""\n\n  [[ access ]] # two\n'
        self.assertEqual(array_lines(text, "access", 2), [2, 7])

    def test_tables_in_one_value_have_the_line_of_its_key(self) -> None:
        text = 'a = [\n1]\n"access" = [\n  {a = 1},\n  {a = 2}\n]\n[access2]\naccess = 3\n'
        self.assertEqual(array_lines(text, "access", 2), [3, 3])

    def test_what_is_not_found_is_line_0(self) -> None:
        self.assertEqual(array_lines("[[other]]\n", "access", 2), [0, 0])
        self.assertEqual(array_lines("", "access", 0), [])

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
        self.assertEqual(array_lines(text, "access", len(wanted)), wanted, text)

    @settings(deadline=None)
    @given(st.text(st.sampled_from("[]access=\"'\\\n#{} ,."), max_size=60))
    def test_no_text_is_too_odd(self, text: str) -> None:
        self.assertEqual(len(array_lines(text, "access", 3)), 3)


class Loaded(ConfigTest):
    def test_rules_know_their_lines(self) -> None:
        rule = '[[access]]\noperators = ["*"]\nconsoles = ["{}"]\nrights = []\n'
        config = self.load("# one\n" + rule.format("a") + "\n" + rule.format("b"))
        self.assertEqual([each.line for each in config.access], [2, 7])
        one = "{operators = ['*'], consoles = ['a'], rights = []}"
        config = self.load(f"\naccess = [{one},\n{one}]\n")
        self.assertEqual([each.line for each in config.access], [2, 2])
