"""Rules that can never match, patterns that take in others, people whom rules can speak of."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY, ConfigTest
from vspc.common.globs import parse_pattern
from vspc.config import ConfigError
from vspc.config.rules import WILD_COMPARED, EarlierRules, unmatchable
from vspc.console.access import Subject, matches

LETTERS = "ab*?[!]/-"
PATTERNS = st.one_of(
    st.text(st.sampled_from(LETTERS), max_size=6),
    st.text(st.sampled_from("01f*?"), max_size=5).map("uuid:{}".format),
    st.sampled_from(["*", "a*", "*/a", "z/*", "?/[ab]*", "uuid:*", "uuid:" + "0" * 32]),
)
SUBJECTS = st.builds(
    Subject,
    st.text(st.sampled_from("ab[]!/-"), max_size=5),
    st.sampled_from(["default", "a", "b", "z"]),
    st.one_of(st.none(), st.text(st.sampled_from("01f"), min_size=32, max_size=32)),
)


def covers(wide: str, narrow: str) -> bool:
    return parse_pattern(wide).covers(parse_pattern(narrow))


class Globs(SynchronousTestCase):
    def test_what_takes_in_what(self) -> None:
        for wide, narrow in (
            ("*", "uuid:4213*"),
            ("web*", "WEB01"),
            ("web*", "web0[1-9]"),
            ("*-db-*", "a-db-1*"),
            ("web?", "web[12]"),
            ("web[12]", "web1"),
            ("prod/*", "prod/web*"),
            ("web*", "prod/web1"),
            ("p*/web*", "prod/web1"),
            ("uuid:42*", "uuid:4213-*"),
            ("**", "*"),
            ("[", "["),
        ):
            self.assertTrue(covers(wide, narrow), (wide, narrow))

    def test_what_does_not(self) -> None:
        for wide, narrow in (
            ("web*", "*"),
            ("web?", "web*"),
            ("web[12]", "web?"),
            ("prod/*", "web*"),
            ("uuid:*", "*"),
            ("default/*", "uuid:4213*"),
            ("uuid:42*", "uuid:43*"),
            ("a" * 300 + "*", "a" * 300 + "b"),
        ):
            self.assertFalse(covers(wide, narrow), (wide, narrow))

    @settings(deadline=None, max_examples=400)
    @given(PATTERNS, PATTERNS, SUBJECTS)
    def test_covers_is_never_wrong(self, wide: str, narrow: str, subject: Subject) -> None:
        if covers(wide, narrow) and matches(narrow, subject):
            self.assertTrue(matches(wide, subject))

    @settings(deadline=None, max_examples=400)
    @given(PATTERNS, SUBJECTS)
    def test_what_is_impossible_never_matches(self, pattern: str, subject: Subject) -> None:
        usable = subject.uuid not in ("0" * 32, "f" * 32)
        if usable and unmatchable(parse_pattern(pattern)):
            self.assertFalse(matches(pattern, subject))

    def test_more_patterns_than_are_compared(self) -> None:
        seen = EarlierRules()
        seen.add([parse_pattern(f"a{n}-*") for n in range(2 * WILD_COMPARED)], 0)
        self.assertEqual(seen.rule(parse_pattern("a1-b")), 0)
        self.assertIsNone(seen.rule(parse_pattern(f"a{2 * WILD_COMPARED - 1}-b")))
        self.assertEqual(seen.rule(parse_pattern(f"a{2 * WILD_COMPARED - 1}-*")), 0)


class Warnings(ConfigTest):
    def rules(self, *rules: tuple[str, str, str], more: str = "") -> list[str]:
        """Warnings about rules, from (operators, consoles, rights) as they stand in TOML."""
        text = f"{more}[operators.alice]\nauthorized_keys = ['{KEY}']\ngroups = ['net']\n"
        text += f"[operators.bob]\nauthorized_keys = ['{KEY}']\n"
        for who, where, rights in rules:
            where = where if "=" in where else f"consoles = [{where}]"
            text += f"[[access]]\noperators = [{who}]\n{where}\nrights = [{rights}]\n"
        return [w for w in self.load(text).warnings if w.startswith("access")]

    def test_a_rule_covered_by_an_earlier_one(self) -> None:
        read = "'read'"
        for first, second in (
            (("'*'", "'web*'", read), ("'alice'", "'web01', 'web2*'", read)),
            (("'alice'", "'web*'", read), ("'alice'", "'default/WEB1'", "")),
            (("'@net'", "'*'", read), ("'alice'", "'web*'", read)),
            (("'@net', 'bob'", "'*'", read), ("'bob', '@net'", "'uuid:42*'", read)),
        ):
            [warning] = self.rules(first, second)
            self.assertIn("access[1] (line 10): it has no effect: access[0] (line 6)", warning)

    def test_a_rule_covered_by_two_earlier_ones_together(self) -> None:
        [warning] = self.rules(
            ("'alice'", "'web*'", "'read'"),
            ("'*'", "'db*'", "'read'"),
            ("'alice'", "'db1', 'web1'", "'read'"),
        )
        self.assertIn("access[0] (line 6), access[1] (line 10) already", warning)

    def test_rules_that_are_not_covered(self) -> None:
        self.assertEqual(
            self.rules(
                ("'alice'", "'web0*'", "'read'"),
                ("'@net'", "'web*'", "'read'"),  # others of the group, other names
                ("'bob'", "'web*'", "'read'"),
                ("'*'", "'web01'", "'read'"),
                ("'*'", "'*'", "'read'"),
            ),
            [],
        )

    def test_rules_after_one_that_matches_everything_are_one_warning(self) -> None:
        everything = ("'*'", "'*'", "'read'")
        [warning] = self.rules(everything, everything, everything)
        self.assertIn("later rules have no effect", warning)

    def test_rights_without_read(self) -> None:
        [warning] = self.rules(("'*'", "'a'", "'write', 'break'"), ("'*'", "'b'", ""))
        self.assertIn("access[0] (line 6): without read, the console is not visible", warning)

    def test_patterns_that_match_nothing(self) -> None:
        found = self.rules(
            ("'*'", "'web*', 'nowhere/*', 'uuid:123?', 'a/b/c'", "'read'"),
            ("'*'", "'default/a/b', 'uuid:" + "0" * 32 + "'", "'read'"),
        )
        self.assertEqual(
            [warning.split(" (")[0] for warning in found],
            [
                *(f"access[0].consoles[{place}]" for place in (1, 2, 3)),
                *(f"access[1].consoles[{place}]" for place in (0, 1)),
            ],
        )
        for word, warning in zip(
            ("unknown zone nowhere", "32 digits", "unknown zone a", "%2F", "its address"),
            found,
            strict=True,
        ):
            self.assertIn(word, warning)

    def test_many_such_patterns_are_counted(self) -> None:
        found = self.rules(("'*'", ", ".join(f"'z{n}/*'" for n in range(9)), "'read'"))
        self.assertEqual(len(found), 4)
        self.assertIn("6 more", found[-1])

    def approving(self, approve: str, rights: str = "'read', 'write'") -> str:
        people = (
            f"[operators.alice]\nauthorized_keys = ['{KEY}']\ngroups = ['ops', 'leads']\n"
            f"[operators.bob]\nauthorized_keys = ['{KEY}']\ngroups = ['ops']\n"
        )
        rule = f"operators = ['alice']\nconsoles = ['*']\nrights = [{rights}]\n"
        return f"{people}[[access]]\n{rule}approve = {approve}\n"

    def test_approval_that_nobody_can_give_or_nothing_needs(self) -> None:
        for approve, rights, said in (
            ("['@ops', 'bob']", "'read', 'break'", ""),
            ("['*']", "'read', 'write'", ""),
            ("['@ops']", "'read'", "nothing needs approval"),
            ("['alice']", "'read', 'write'", "alice cannot approve what the same operator types"),
            ("['@leads']", "'read', 'write'", "only alice is in @leads"),
        ):
            found = [w for w in self.load(self.approving(approve, rights)).warnings if "appro" in w]
            self.assertEqual(bool(found), bool(said), found)
            self.assertIn(said, "".join(found))

    def test_approval_by_nobody_or_by_unknown_ones(self) -> None:
        for approve, key in (("[]", ""), ("['@lads']", "[0]"), ("['carol']", "[0]")):
            found = self.mistakes(self.approving(approve))
            self.assertEqual(list(found), [f"access[0].approve{key}"])

    def test_a_reason_that_is_written_nowhere(self) -> None:
        where = "consoles = ['a']\nrequire_reason = true"
        more = "[audit]\nenabled = false\n"
        [warning] = self.rules(("'*'", where, "'read'"), more=more)
        self.assertIn("the reason is not recorded", warning)
        self.assertEqual(self.rules(("'*'", where, "'read'")), [])


class ConsolesFile(ConfigTest):
    RULE = '[[access]]\noperators = ["*"]\nconsoles_file = "list"\nrights = ["read"]\n'

    def test_its_patterns_count_with_those_of_the_rule(self) -> None:
        self.write("# ours\n\n web01 \r\nlab/x*\n", "list")
        config = self.load('[[vm.zone]]\nname = "lab"\ntelnet = ["tcp:1"]\n' + self.RULE)
        self.assertEqual(config.access[0].patterns, ("web01", "lab/x*"))
        self.write("web01\n", "list")
        config = self.load(self.RULE + 'consoles = ["a"]\n')
        self.assertEqual(config.access[0].patterns, ("a", "web01"))

    def test_one_that_is_empty_is_warned_of(self) -> None:
        self.write("# nothing yet\n", "list")
        said = [w for w in self.load(self.RULE).warnings if w.startswith("access")]
        self.assertEqual(
            said, ["access[0] (line 1): its consoles_file is empty, so it never matches"]
        )

    def test_every_wrong_line_in_it_is_named(self) -> None:
        self.write("uuid:abc\nweb01\nuuid:xyz\n", "list")
        with self.assertRaises(ConfigError) as caught:
            self.load(self.RULE)
        said = [str(mistake) for mistake in caught.exception.mistakes]
        self.assertEqual(len(said), 2)
        for number, text in zip((1, 3), said, strict=True):
            self.assertIn("access[0].consoles_file", text)
            self.assertIn(f"list line {number}", text)

    def test_one_that_is_not_there_or_too_long(self) -> None:
        self.assertIn("No such file", self.mistakes(self.RULE)["access[0].consoles_file"])
        self.write("#" * (5 << 20), "list")
        self.assertIn("too long", self.mistakes(self.RULE)["access[0].consoles_file"])

    def test_plain_names_are_as_many_as_they_are_and_wildcards_are_not(self) -> None:
        self.write("".join(f"vm{n}\n" for n in range(20_000)), "list")
        self.assertEqual(len(self.load(self.RULE).access[0].patterns), 20_000)
        self.write("".join(f"vm{n}*\n" for n in range(10_001)), "list")
        self.assertIn("10001 patterns with", self.mistakes(self.RULE)["access[0].consoles_file"])

    def test_patterns_in_it_that_match_nothing_are_warned_of(self) -> None:
        self.write("nowhere/*\n", "list")
        [said] = [w for w in self.load(self.RULE).warnings if w.startswith("access")]
        self.assertIn("access[0].consoles_file (line 1): ", said)
        self.assertIn("list line 1: unknown zone nowhere", said)

    def test_a_rule_without_consoles_is_a_mistake(self) -> None:
        for rule in ("", "consoles = []\n"):
            text = f'[[access]]\noperators = ["*"]\nrights = ["read"]\n{rule}'
            self.assertIn("names no console", self.mistakes(text)["access[0].consoles"])


class CertificateNames(ConfigTest):
    MAP = (
        f"[ssh.certificates]\nauthorities = ['{KEY}']\n[[ssh.certificates.map]]\n"
        "principals = ['net-*', 'root']\noperator = \"{}\"\ngroups = ['ops']\n"
    )

    def rule(self, who: str) -> str:
        return f"[[access]]\noperators = ['{who}']\nconsoles = ['*']\nrights = ['read']\n"

    def test_operators_that_certificates_can_make(self) -> None:
        for template, names in (
            ("{principal}", ["net-7", "root", "@ops"]),
            ("adm-{principal}", ["adm-net-7"]),
            ("shared", ["shared"]),
            ("{key_id}", ["anybody"]),
        ):
            for name in names:
                self.load(self.MAP.format(template) + self.rule(name))

    def test_operators_that_certificates_cannot_make(self) -> None:
        for template, names in (
            ("{principal}", ["alice", "net-*", "@net", "@*", "net 7"]),
            ("shared", ["net-7"]),
            ("{key_id}", ["@anybody", "no way"]),
        ):
            for name in names:
                found = self.mistakes(self.MAP.format(template) + self.rule(name))
                said = found["access[0].operators[0]"]
                what = "group" if name.startswith("@") else "operator"
                self.assertIn(f"unknown {what} '{name}'", said)

    def test_names_that_are_no_operators(self) -> None:
        for name in ("@ops", "-x", "root@local", "Root@Local", "a" * 65):
            self.assertIn(f"operators.{name}", self.mistakes(f'[operators."{name}"]\n'))

    def test_groups_are_written_without_the_at(self) -> None:
        found = self.mistakes('[operators.a]\ngroups = ["@net"]\n')
        self.assertIn("begins with @", found["operators.a.groups"])
