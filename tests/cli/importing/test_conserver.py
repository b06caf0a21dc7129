"""conserver.cf: its grammar, what becomes of it, and who may do what afterwards."""

import re
import tomllib
from itertools import chain
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.cli.importing.files import CONSERVER, is_shown_as_it_is, load, words
from vspc.cli.importing import conserver
from vspc.cli.importing.conserver import read_conserver
from vspc.cli.importing.conserver_grammar import DEPTH_LIMIT, blocks
from vspc.cli.importing.outcome import ImportFailed, Outcome, pattern_of
from vspc.cli.importing.user_lists import USERS_LIMIT, Listed, decisions, joined, rules
from vspc.common.globs import is_glob


class ConserverTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.path = self.directory / "conserver.cf"

    def read(self, text: str) -> Outcome:
        self.path.write_text(text, encoding="utf-8", errors="surrogatepass")
        return read_conserver(self.path)

    def remarks(self, text: str) -> str:
        found = "\n".join(map(str, self.read(text).sorted_remarks()))
        return found.replace(f"{self.path} ", "")


class Grammar(ConserverTest):
    def parsed(self, text: str) -> list[tuple[str, str, list[tuple[str, str]]]]:
        self.path.write_text(text)
        found = blocks(self.path)
        return [(b.type, b.name, [(i.keyword, i.value) for i in b.items]) for b in found]

    def test_white_space_is_kept_inside_names_and_values_only(self) -> None:
        text = '"defa"ult my\\ defs\n{ rw *; in\\clude "other defs"  ; motd a\n  b ;;}'
        items = [("rw", "*"), ("include", "other defs"), ("motd", "a b")]
        self.assertEqual(self.parsed(text), [("default", "my defs", items)])

    def test_quotes_and_backslashes(self) -> None:
        text = r'console \{x\} { motd "a\"b\\;#{" # not this }' + "\n; port\\;1 x; }"
        items = [("motd", r'a"b\\;#{'), ("port;1", "x")]
        self.assertEqual(self.parsed(text), [("console", "{x}", items)])

    def test_mistakes_have_their_line(self) -> None:
        for text, wanted in (
            ("console a {\n rw *;\n", "line 1: the block has no closing brace"),
            ("\nconsole a ;", "line 2: expected 'TYPE NAME {'"),
            ("console{}", "line 1: expected 'TYPE NAME {'"),
            ("console a {\nrw * }", "line 2: expected 'KEYWORD VALUE;'"),
            ('console a {\nrw "*;\n}', "line 2: a quote without an end"),
            ("console a {\nrw *\\", "line 2: a backslash without an end"),
            ("console a", "line 1: the file ends within a block"),
        ):
            with self.assertRaises(ImportFailed) as raised:
                self.parsed(text)
            self.assertEqual(str(raised.exception), f"{self.path} {wanted}", text)

    def test_included_files_know_their_lines(self) -> None:
        (self.directory / "sub").mkdir()
        (self.directory / "sub" / "a.cf").write_text("#include b.cf\nnonsense a {}\n")
        (self.directory / "sub" / "b.cf").write_text("\ntask b {}\n")
        said = self.remarks("# x\n#include  sub/a.cf \n #include c.cf\ntask c {}\n")
        self.assertIn("b.cf line 2: task b: not taken", said)
        self.assertIn("sub/a.cf line 2: nonsense: not taken: unknown type of block", said)
        self.assertIn("line 4: task c: not taken", said)

    def test_a_file_that_includes_itself_or_is_missing(self) -> None:
        for text, wanted in (
            ("#include conserver.cf\n", f"{DEPTH_LIMIT} within each other"),
            ("\n#include none.cf\n", "line 2: included file: .*none.cf: No such file"),
        ):
            with self.assertRaisesRegex(ImportFailed, wanted):
                self.read(text)

    def test_what_is_not_utf_8_is_refused_with_its_line(self) -> None:
        self.path.write_bytes(b"\n# caf\xe9\n")
        with self.assertRaisesRegex(ImportFailed, "line 2: invalid UTF-8"):
            read_conserver(self.path)


class Taken(ConserverTest):
    def test_consoles_of_every_type(self) -> None:
        outcome = self.read(CONSERVER)
        found = {name: each.connect for name, each in outcome.consoles.items()}
        self.assertEqual(
            found,
            {
                "web1": "telnet://ts1.example.com:2200",
                "ns1": "telnet://ts1.example.com:3000",
                "ns2": "tcp://[fd00::7]:2008",
                'my "own" con': "unix:/run/c  7.sock",
                "db1": "telnet://db1.example.com:23",
            },
        )
        self.assertTrue(outcome.consoles["ns1"].on_demand)
        self.assertFalse(outcome.consoles["ns2"].logged)
        tables = tomllib.loads(outcome.toml())
        self.assertEqual(tables["log"]["policy"], [{"consoles": ["ns2"], "log": False}])
        self.assertEqual(tables["operators"]["todd"]["roles"], ["admin"])
        self.assertEqual(tables["operators"]["todd"]["groups"], ["sysadmin"])
        load(outcome, self.directory)

    def test_rights(self) -> None:
        rules = tomllib.loads(self.read(CONSERVER).toml())["access"]
        found = [(each["operators"], each["consoles"], each["rights"][:2]) for each in rules]
        self.assertEqual(
            found,
            [
                (["bryan"], ["web1"], []),
                (["*"], ["web1"], ["read", "write"]),
                (["*"], ["ns1", "ns2", 'my "own" con'], ["read", "write"]),
                (["@sysadmin"], ["db1"], ["read", "write"]),
                (["guest"], ["db1"], ["read"]),
            ],
        )

    def test_what_is_not_taken_is_said_with_its_line(self) -> None:
        said = self.remarks(CONSERVER)
        for wanted in (
            "line 6: break 4: not taken",
            "line 7: break 5: not needed",
            "line 10: initcmd: not taken",
            "line 15: console ssh: not taken: vspc starts no programs",
            "line 17: console ttya: not taken: /dev/tty1 9600 none: a serial device",
            "line 21: console bmc: not taken: IPMI",
            "line 23: aliases: not taken",
            "line 24: trusted: not taken",
            "line 25: daemonmode: not needed",
            "line 25: passwdfile: not taken",
            "line 26: task a: not taken",
        ):
            self.assertIn(wanted, said)
        self.assertNotIn("secret", said + self.read(CONSERVER).toml())

    def test_consoles_that_cannot_be_dialled(self) -> None:
        for body, wanted in (
            ("host a", "it has no type"),
            ("type host", "it has no host"),
            ("type host; host a", "port missing"),
            ("type host; host a; port 1; portinc x", "portinc x: not a number"),
            ("type host; host a; port 1; portbase 70000", "70001"),
            ("type host; host a b; port 1", "a b"),
            ("type host; host a; port no-such-service", "not a number or a known service"),
            ("type uds; uds relative", "an absolute path is needed"),
            ("type uds; uds /a; udssubst a=q", "expected c=t[n]f"),
            ("type noop", "it is a placeholder"),
            ("type other", "unknown type"),
        ):
            said = self.remarks(f"console c {{ {body}; }}")
            self.assertRegex(said, rf"line 1: console c: not taken: .*{re.escape(wanted)}")

    def test_names_that_cannot_be_used(self) -> None:
        body = "{ type host; host a; port 1; }"
        self.assertIn("braces stand for numbers", self.remarks(rf"console \{{n\}} {body}"))
        self.assertIn("invalid console name", self.remarks(f"console {'x' * 81} {body}"))
        outcome = self.read(f"console a {body} console a {body.replace('1', '2')}")
        self.assertEqual(outcome.consoles["a"].connect, "telnet://a:2")
        self.assertFalse(outcome.is_whole)

    def test_an_unknown_default_and_several_masters(self) -> None:
        said = self.remarks("default a { include b; master x; }\ndefault c { master y; }")
        self.assertIn("line 1: include b: not taken: no default of that name", said)
        self.assertIn("line 2: master x, y: not taken", said)

    def test_who_cannot_be_named_opens_nothing(self) -> None:
        body = "type host; host a; port 1"
        rules = self.read(f"console c {{ {body}; rw *; rw !@interns; rw bob; }}").rules
        self.assertEqual([rule.operators for rule in rules], [("bob",)])
        rules = self.read(f"console c {{ {body}; rw *; rw @admins; }}").rules
        self.assertEqual([rule.operators for rule in rules], [("*",)])
        rules = self.read(f"console c {{ {body}; rw *; rw !@interns; ro @interns; }}").rules
        self.assertEqual(rules, [], "interns may only read, everybody else may type")

    def test_lists_have_limits(self) -> None:
        many = ",".join(f"u{number}" for number in range(USERS_LIMIT + 1))
        with self.assertRaisesRegex(
            ImportFailed, f"line 1: more than {USERS_LIMIT} users in a list"
        ):
            self.read(f"console c {{ rw {many}; }}")
        group = f"group g {{ users {many.rpartition(',')[0]}; }}\n"
        self.patch(conserver, "WORK_LIMIT", 50_000)
        text = group + "".join(f"console c{number} {{ rw g; }}\n" for number in range(99))
        with self.assertRaisesRegex(ImportFailed, "line [0-9]+: the lists of users are too long"):
            self.read(text)

    def test_an_option_is_switched_off_again(self) -> None:
        text = "default a { options ondemand; } default b { options !ondemand; }\n"
        body = "type host; host a; port 1; include a;"
        text += f"console on {{ {body} }} console off {{ {body} include b; }}"
        consoles = self.read(text).consoles
        self.assertEqual([consoles[name].on_demand for name in ("on", "off")], [True, False])

    def test_an_included_null_string_clears_nothing(self) -> None:
        text = "default a { logfile /a; } default b { logfile ''; }\n".replace("''", '""')
        body = "type host; host a; port 1; include a;"
        text += f'console c {{ {body} include b; }} console d {{ {body} logfile ""; }}'
        consoles = self.read(text).consoles
        self.assertEqual([consoles[name].logged for name in "cd"], [True, False])


USERS = st.sampled_from(["ann", "bob", "cy", "*"])
ENTRIES = st.lists(st.tuples(st.booleans(), USERS, st.booleans()), max_size=8)


class UserLists(ConserverTest):
    @given(ENTRIES)
    def test_the_first_rule_that_matches_says_what_conserver_says(
        self, entries: list[tuple[bool, str, bool]]
    ) -> None:
        """Entries: whether of `rw`, the user, whether without a "!"."""
        rw: Listed = ()
        ro: Listed = ()
        for is_rw, who, allowed in entries:
            if is_rw:
                rw = joined(rw, ((who, allowed),))
            else:
                ro = joined(ro, ((who, allowed),))
        found = rules(decisions(rw, ro), ("c",))
        for who in ("ann", "bob", "cy", "dee"):
            first = (each for each in found if who in each.operators or "*" in each.operators)
            rights = next((rule.rights for rule in first), ())
            wanted = 2 if self.listed(entries, True, who) else self.listed(entries, False, who)
            self.assertEqual(min(len(rights), 2), int(wanted), (who, rw, ro, found))

    @staticmethod
    def listed(entries: list[tuple[bool, str, bool]], is_rw: bool, who: str) -> bool:
        """conserver: the newest entry that is about him decides."""
        mine = (entry for entry in reversed(entries) if entry[0] == is_rw)
        return next((allowed for _, name, allowed in mine if name in (who, "*")), False)

    def test_groups_within_groups_and_without_members(self) -> None:
        body = "type host; host a; port 1"
        text = "group a { users ann, bob; } group b { users a, !bob, cy; }\n"
        rules = self.read(f"{text}console c {{ {body}; rw b; }}").rules
        self.assertEqual([set(rule.operators) for rule in rules], [{"ann", "cy"}])
        rules = self.read(f"{text}console c {{ {body}; rw *; rw !a; }}").rules
        self.assertEqual([set(rule.operators) for rule in rules], [{"ann", "bob"}, {"*"}])

    @given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
    def test_a_pattern_of_a_name_matches_it(self, name: str) -> None:
        made = pattern_of(name)
        if not is_glob(made):
            self.assertEqual(made, name)


KEYWORDS = ["type", "host", "port", "portbase", "portinc", "rw", "ro", "uds", "udssubst"]
KEYWORDS += ["options", "include", "logfile", "protocol", "users", "string", "admin", "master"]
VALUES = ["host", "uds", "telnet", "raw", "a", "*", "!bob", "bob,@g", "/run/x", "1", "-1"]
VALUES += ["ondemand", "!ondemand", "&=cs", '""', "b"]
ITEMS = st.tuples(words(KEYWORDS), words(VALUES)).map(lambda item: f"{item[0]} {item[1]};")
TYPES = ["console", "default", "group", "access", "config", "break", "task"]
BLOCKS = st.tuples(words(TYPES), words(["*", "a", "b", "c[1]", "d/e"]), st.lists(ITEMS))
TEXTS = st.lists(BLOCKS.map(lambda block: f"{block[0]} {block[1]} {{ {' '.join(block[2])} }}"))


class AnyInput(ConserverTest):
    @settings(max_examples=60)
    @given(st.text() | TEXTS.map("\n".join))
    def test_no_text_is_more_than_refused_and_what_is_written_loads(self, text: str) -> None:
        try:
            outcome = self.read(text)
        except ImportFailed:
            return
        load(outcome, self.directory)
        lines = chain(map(str, outcome.remarks), [outcome.summary()])
        self.assertTrue(all(map(is_shown_as_it_is, lines)))

    @given(st.binary())
    def test_no_bytes_are_more_than_refused(self, data: bytes) -> None:
        self.path.write_bytes(data)
        try:
            read_conserver(self.path)
        except ImportFailed as failed:
            self.assertTrue(is_shown_as_it_is(str(failed)))
