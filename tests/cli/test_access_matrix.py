"""`vspc access`: the matrix says what the rules say, and shows it so that people can read it."""

import io
import json
import socket
import threading
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY
from vspc.cli.access_matrix import (
    AccessColumn,
    AccessMatrix,
    AccessRow,
    column_of,
    columns_of,
    rows_named,
    rows_of,
    rules_of,
)
from vspc.cli.local import ask
from vspc.cli.main import main
from vspc.config import Config, load
from vspc.console.access import Access, Operator, Rule, Subject, matches
from vspc.doors.control import frame

TEXT = f"""\
[[vm.zone]]
name = "lab"
telnet = ["tcp:1"]
[ssh.certificates]
authorities = ["{KEY}"]
[[ssh.certificates.map]]
principals = ["net-*"]
groups = ["netops"]
[[ssh.certificates.map]]
principals = ["net-ops-*", "boss"]
groups = ["seniors"]
[operators.alice]
authorized_keys = ["{KEY}"]
groups = ["netops"]
[operators.bob]
roles = ["admin"]
[[access]]
operators = ["alice"]
consoles = ["secret*"]
rights = []
[[access]]
operators = ["@netops", "net-9"]
consoles = ["web*", "lab/*"]
rights = ["read", "write"]
require_reason = true
[[access]]
operators = ["@seniors", "bob"]
consoles = ["*"]
rights = ["read", "admin"]
history = "7d"
"""

NAMES = st.text(st.sampled_from("abA/*?"), max_size=3)
SUBJECTS = st.builds(
    Subject,
    NAMES,
    st.sampled_from(["default", "lab", "a"]),
    st.one_of(st.none(), st.sampled_from(["0" * 31 + "1", "a" * 32])),
    st.booleans(),
)
PATTERNS = st.one_of(
    NAMES,
    NAMES.map("lab/{}".format),
    st.sampled_from(["uuid:a*", "uuid:" + "A" * 32, "*", "[ab]", "*/b", "a%2Fb"]),
)
OPERATORS = st.builds(
    Operator,
    st.sampled_from(["alice", "bob", "@g"]),
    st.frozensets(st.sampled_from("gh")),
    st.frozensets(st.sampled_from(["admin", "audit"])),
)
RULES = st.builds(
    Rule,
    st.frozensets(st.sampled_from(["alice", "bob", "@g", "@h", "*"]), max_size=2),
    st.lists(PATTERNS, max_size=3).map(tuple),
    st.frozensets(st.sampled_from(["read", "write"])),
    st.sampled_from([None, 60.0]),
)


def listed(name: str, **facts: object) -> dict[str, object]:
    """One element of `list --json`, as far as it is looked at."""
    row = {"id": f"id-{name}", "handle": name, "vm_name": name, "zone": "default", "uuid": None}
    return {**row, "state": "connected", **facts}


class Deciding(SynchronousTestCase):
    @settings(deadline=None, max_examples=150)
    @given(PATTERNS, SUBJECTS)
    def test_a_rule_finds_a_console_as_its_patterns_do(self, pattern: str, on: Subject) -> None:
        rule = Rule(frozenset("*"), ("zzz", pattern), frozenset())
        self.assertEqual(rule.covers(on), matches(pattern, on) or matches("zzz", on))

    @settings(deadline=None, max_examples=150)
    @given(st.lists(RULES, max_size=4), st.lists(OPERATORS, max_size=3), st.lists(SUBJECTS))
    def test_a_cell_is_what_the_rules_in_force_give(
        self, rules: list[Rule], operators: list[Operator], subjects: list[Subject]
    ) -> None:
        access = Access(tuple(rules))
        columns = [AccessColumn(str(at), subject) for at, subject in enumerate(subjects)]
        matrix = AccessMatrix(access, [AccessRow(operator) for operator in operators], columns)
        for row in matrix.rows:
            for column in columns:
                cell, subject = matrix.cell(row, column), column.subject
                self.assertEqual(cell.rights, access.rights(row.operator, subject))
                if cell.rights and not subject.quarantined:
                    self.assertEqual(cell.history, access.history(row.operator, subject))
                if not subject.quarantined:
                    self.assertIs(cell.rule, access.deciding(row.operator, subject))
        for rows, cells in matrix.alike():
            for row in rows:
                self.assertEqual(cells, [(c, matrix.cell(row, c)) for c in columns])

    def test_many_operators_and_consoles(self) -> None:
        rules = [Rule(frozenset({f"o{n}"}), (f"c{n}*",), frozenset({"read"})) for n in range(100)]
        columns = [AccessColumn(str(n), Subject(f"c{n}", "default", None)) for n in range(500)]
        rows = [AccessRow(Operator(f"o{n}")) for n in range(200)]
        matrix = AccessMatrix(Access(tuple(rules)), rows, columns)
        seen = sum(bool(matrix.cell(row, column).rights) for row in rows for column in columns)
        wanted = [(o, c) for o in range(100) for c in range(500) if str(c).startswith(str(o))]
        self.assertEqual(seen, len(wanted))

    @settings(deadline=None, max_examples=200)
    @given(
        st.one_of(
            st.text(st.sampled_from("aB1*?[]!-%/2F"), max_size=8),
            st.text(st.sampled_from("aB1*?"), max_size=8).map("lab/{}".format),
            st.sampled_from(["uuid:4213*", "uuid:*", "uuid:????*", "uuid:" + "4" * 32]),
        )
    )
    def test_an_example_of_a_pattern_is_what_it_matches(self, pattern: str) -> None:
        column = column_of(pattern, ["default", "lab"])
        self.assertEqual(column.label, pattern)
        plain = not any(c in pattern for c in "[/")
        if plain or pattern.startswith(("uuid:", "lab/")):
            self.assertTrue(matches(pattern, column.subject), (pattern, column))


class AccessTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.path = self.directory / "vspc.toml"
        self.path.write_text(TEXT)

    def config(self) -> Config:
        return load(self.path)

    def run_it(self, *words: str) -> tuple[int, list[str], str]:
        """`vspc access` with these words: status, lines of output, errors."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main(["access", "--config", str(self.path), *words])
        return status, out.getvalue().splitlines(), err.getvalue()

    def serve(self, *answers: bytes) -> None:
        """A server at the control socket that gives each connection one of `answers`."""
        state = self.directory / "state"
        state.mkdir()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(state / "control"))
        listener.listen()
        self.heard: list[bytes] = []

        def answer() -> None:
            for each in answers:
                connection, _ = listener.accept()
                with connection:
                    self.heard.append(connection.recv(65536))
                    connection.sendall(each)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        self.addCleanup(listener.close)

    def serve_consoles(self, *rows: dict[str, object]) -> None:
        said = frame(b"O", json.dumps(rows).encode())
        self.serve(said + frame(b"X", b"not this") + frame(b"S", b"0"))


class Operators(AccessTest):
    def names(self, rows: Sequence[AccessRow]) -> list[tuple[str, list[str]]]:
        return [(row.label, sorted(row.operator.groups)) for row in rows]

    def test_those_of_tables_of_maps_and_of_rules(self) -> None:
        self.assertEqual(
            self.names(rows_of(self.config())),
            [
                ("alice", ["netops"]),
                ("bob", []),
                ("net-* (certificate)", ["netops"]),
                ("net-ops-* (certificate)", ["netops", "seniors"]),
                ("boss (certificate)", ["seniors"]),
                ("net-9 (certificate net-*)", ["netops"]),
            ],
        )

    def test_one_by_name(self) -> None:
        config = self.config()
        self.assertEqual(self.names(rows_named(config, "bob")), [("bob", [])])
        found = self.names(rows_named(config, "net-ops-1"))
        self.assertEqual(
            found,
            [
                ("net-ops-1 (certificate net-*)", ["netops"]),
                ("net-ops-1 (certificate net-ops-*)", ["netops", "seniors"]),
            ],
        )
        self.assertEqual(rows_named(config, "nobody"), [])

    def test_those_that_auth_command_makes_or_gives_groups(self) -> None:
        program = self.path.parent.absolute() / "program"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        groups = f'[ssh]\nauth_command = ["{program}"]\nauth_command_groups = ["seniors"]\n'
        self.path.write_text(groups + TEXT)
        given = [("* (auth_command @seniors)", ["seniors"])]
        self.assertEqual(self.names(rows_of(self.config()))[-1:], given)
        self.path.write_text(f'{groups}auth_command_operators = ["ext-*"]\n{TEXT}')
        self.assertEqual(
            self.names(rows_of(self.config()))[-2:],
            [("ext-* (auth_command)", []), ("ext-* (auth_command @seniors)", ["seniors"])],
        )
        found = self.names(rows_named(self.config(), "alice"))
        both = ("alice (auth_command @seniors)", ["netops", "seniors"])
        self.assertEqual(found, [("alice", ["netops"]), both])
        self.assertEqual(len(rows_named(self.config(), "ext-bob")), 2)
        self.assertEqual(rows_named(self.config(), "nobody"), [])

    def test_without_authorities_maps_make_no_operator(self) -> None:
        self.path.write_text(TEXT.replace(f'["{KEY}"]\n[[ssh', "[]\n[[ssh"))
        self.assertEqual(len(rows_of(self.config())), 2)

    def test_a_table_and_a_map_count_together(self) -> None:
        self.path.write_text(TEXT + '[operators.boss]\ngroups = ["netops"]\n')
        self.assertIn(
            ("boss (certificate)", ["netops", "seniors"]), self.names(rows_of(self.config()))
        )


class Printed(AccessTest):
    def test_by_rule_where_no_server_runs(self) -> None:
        status, lines, errors = self.run_it()
        self.assertEqual(status, 0)
        self.assertEqual(lines[0].split(), ["RULE", "OPERATORS", "CONSOLES", "RIGHTS"])
        found = [" ".join(line.split()).removeprefix("vspc.toml line ") for line in lines[1:]]
        for line in (
            "17 alice secret* -",
            "21 alice, net-* (certificate), +2 web*, lab/* read,write (with a reason)",
            "26 bob, boss (certificate) secret*, web*, lab/*, * read,admin (the last 7d)",
            "no rule net-* (certificate), +1 secret*, * -",
        ):
            self.assertIn(line, found)
        self.assertIn("cannot get the consoles from the server: No such file", errors)
        self.assertIn("the patterns of the rules are shown", errors)

    def test_a_name_that_no_vm_has_yet(self) -> None:
        status, lines, _ = self.run_it("--console", "web01", "--operator", "alice")
        self.assertEqual(status, 0)
        line = "alice web01 read,write (with a reason) vspc.toml line 21"
        self.assertEqual([" ".join(line.split()) for line in lines[1:]], [line])
        _, lines, _ = self.run_it("--console", "lab/x", "--operator", "net-7")
        self.assertIn("net-7 (certificate net-*)", lines[1])
        self.assertIn("line 21", lines[1])
        _, lines, _ = self.run_it("--console", "uuid:" + "4" * 32, "--operator", "alice")
        self.assertTrue(lines[1].endswith("no rule"), lines)

    def test_a_pattern_picks_those_of_the_rules(self) -> None:
        _, lines, _ = self.run_it("--console", "w*", "--operator", "alice")
        self.assertEqual([line.split()[1] for line in lines[1:]], ["web*"])
        _, lines, _ = self.run_it("--console", "z*", "--operator", "alice")
        self.assertEqual([line.split()[1] for line in lines[1:]], ["z*"])

    def test_unknown_operators_and_consoles(self) -> None:
        for words, said in (
            (("--operator", "nobody"), "unknown operator nobody"),
            (("--operator", "\x1b[31m"), r"\x1b[31m"),
            (("--console", "nowhere/x"), "unknown zone nowhere"),
        ):
            status, lines, errors = self.run_it(*words)
            self.assertEqual((status, lines), (3, []))
            self.assertIn(said, errors)

    def test_mistakes_and_wrong_words(self) -> None:
        self.path.write_text("x = 1\n")
        self.assertEqual(self.run_it()[0], 1)
        with self.assertRaises(SystemExit) as caught, redirect_stderr(io.StringIO()):
            main(["access", "--config", str(self.path), "--hurry"])
        self.assertEqual(caught.exception.code, 2)

    def test_who_has_to_approve_it(self) -> None:
        self.path.write_text(TEXT.replace("require_reason = true", 'approve = ["bob", "@seniors"]'))
        _, lines, _ = self.run_it("--operator", "alice", "--console", "web1", "--offline")
        self.assertIn("read,write (approved by @seniors, bob)", lines[1])

    def test_as_json(self) -> None:
        _, lines, _ = self.run_it("--json", "--operator", "alice")
        cells = json.loads("\n".join(lines))
        self.assertEqual([cell["console"] for cell in cells], ["secret*", "web*", "lab/*", "*"])
        self.assertEqual(
            cells[1],
            {
                "operator": "alice",
                "certificate": None,
                "granted": None,
                "console": "web*",
                "vm_name": "web*",
                "zone": "default",
                "uuid": None,
                "rights": ["read", "write"],
                "require_reason": True,
                "approve": [],
                "history": None,
                "file": str(self.path.absolute()),
                "role": None,
                "line": 21,
            },
        )
        self.assertEqual((cells[3]["rights"], cells[3]["file"], cells[3]["line"]), ([], None, None))

    def test_as_json_without_a_single_cell(self) -> None:
        self.path.write_text("")
        self.assertEqual(json.loads("".join(self.run_it("--json")[1])), [])

    def test_many_names_are_counted(self) -> None:
        more = "".join(f"[operators.operator{n:03}]\nroles = []\n" for n in range(200))
        self.path.write_text(TEXT + more)
        _, lines, _ = self.run_it()
        self.assertTrue(all(len(line) < 160 for line in lines))
        self.assertTrue(any("+19" in line for line in lines))
        self.assertLess(len(lines), 20)

    def test_auditors_read_what_no_rule_gives_them(self) -> None:
        self.path.write_text(TEXT + '[operators.dora]\nroles = ["audit"]\n')
        _, lines, _ = self.run_it("--operator", "dora", "--console", "web1")
        self.assertEqual(" ".join(lines[1].split()), "dora web1 read role audit")
        _, lines, _ = self.run_it()
        self.assertEqual(lines[-1].split()[:3], ["role", "audit", "dora"])

    def test_a_rule_that_decides_nothing(self) -> None:
        rule = '[[access]]\noperators = ["alice"]\nconsoles = ["secret1"]\nrights = ["read"]\n'
        self.path.write_text(TEXT + rule)
        _, lines, _ = self.run_it()
        self.assertTrue(any("line 31" in line and "decides nothing" in line for line in lines))


class Running(AccessTest):
    def test_the_consoles_of_the_server(self) -> None:
        self.serve_consoles(
            listed("web1"), listed("x", zone="lab", handle="lab/x:2"), listed("secret9")
        )
        status, lines, errors = self.run_it("--operator", "alice")
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(
            [(line.split()[1], line.split()[-1]) for line in lines[1:]],
            [("web1", "21"), ("lab/x:2", "21"), ("secret9", "17")],
        )
        self.assertIn(b'["list", "--json"]', self.heard[0])

    def test_a_quarantined_console_is_only_for_the_role_admin(self) -> None:
        self.serve_consoles(listed("web1", state="quarantined"))
        _, lines, _ = self.run_it("--console", "web1")
        found = {line.split()[0]: line for line in lines[1:]}
        self.assertIn("web1     read", found["bob"])
        self.assertIn("web1     -", found["alice"])
        self.assertTrue(found["alice"].endswith("quarantined: role admin"))

    def test_consoles_by_pattern_handle_or_id(self) -> None:
        rows = (listed("web1"), listed("x", zone="lab", handle="lab/x:2", uuid="4" * 32))
        said = frame(b"O", json.dumps(rows).encode()) + frame(b"S", b"0")
        globs = ("WEB*", "web1", "lab/*", "lab/x:2", "id-x", "uuid:4*", "*")
        self.serve(*[said] * len(globs))
        for glob, count in zip(globs, (1, 1, 1, 1, 1, 1, 2), strict=True):
            _, lines, _ = self.run_it("--console", glob, "--operator", "bob")
            self.assertEqual(len(lines) - 1, count, glob)

    def test_a_console_that_is_not_there(self) -> None:
        self.serve_consoles(listed("web1"))
        status, lines, errors = self.run_it("--console", "web2")
        self.assertEqual((status, lines), (3, []))
        self.assertIn("--offline", errors)
        status, lines, _ = self.run_it("--console", "web2", "--offline")
        self.assertEqual(status, 0)

    def test_malformed_answers_of_a_server(self) -> None:
        answers = (b"", frame(b"S", b"1"), frame(b"O", b"[{}]") + frame(b"S", b"0"), b"X" * 99)
        self.serve(*answers)
        for _ in answers:
            status, lines, errors = self.run_it()
            self.assertEqual(status, 0)
            self.assertIn("cannot get the consoles from the server", errors)
            self.assertGreater(len(lines), 3)

    def test_a_server_that_does_not_answer_is_given_up(self) -> None:
        state = self.directory / "state"
        state.mkdir()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(state / "control"))
            listener.listen()
            self.assertRaises(OSError, ask, state, ["list"], 0.01)


class Rules(AccessTest):
    def test_each_says_where_it_stands(self) -> None:
        access = rules_of(self.config())
        self.assertEqual(
            [rule.where for rule in access.rules], [f"vspc.toml line {n}" for n in (17, 21, 26)]
        )

    def test_a_rule_with_very_many_patterns_gives_some_examples(self) -> None:
        (self.directory / "list").write_text("".join(f"vm{n}\n" for n in range(5000)))
        self.path.write_text(
            TEXT + '[[access]]\noperators = ["*"]\nconsoles_file = "list"\nrights = ["read"]\n'
        )
        self.assertEqual(len(columns_of(self.config())), 4 + 50)

    def test_very_many_rules_give_an_example_each_as_far_as_it_goes(self) -> None:
        rule = '[[access]]\noperators = ["*"]\nconsoles = ["a{0}", "b{0}"]\nrights = []\n'
        self.path.write_text(TEXT + "".join(rule.format(n) for n in range(300)))
        labels = [column.label for column in columns_of(self.config())]
        self.assertEqual(len(labels), 500)
        self.assertTrue({f"a{n}" for n in range(300)} <= set(labels))
