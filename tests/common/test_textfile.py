"""Text files that people bring: what editors and other programs make of them, and what is refused.

A deny rule whose file cannot be read as it was meant stops a start and a reload.
"""

import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY, ConfigTest
from tests.config.test_proofs import HASH
from vspc.common.textfile import lines, read_text, text_of
from vspc.common.values import InvalidValue
from vspc.config import ConfigError
from vspc.config.credentials import authorities_file, hash_file, keys_file, totp_file
from vspc.console.access import Access, Operator, Subject
from vspc.server.reload import rule

MARK = "\ufeff"


def wrong(data: bytes) -> str:
    try:
        text_of(data)
    except InvalidValue as error:
        return error.problem
    return ""


class Decoding(SynchronousTestCase):
    def test_a_mark_is_dropped_and_line_ends_are_one(self) -> None:
        for data in (b"a\nb\n", b"\xef\xbb\xbfa\r\nb\r\n", b"a\rb\r"):
            self.assertEqual(text_of(data), "a\nb\n")

    def test_other_encodings_are_named(self) -> None:
        for encoding, name in (
            ("utf-16", "UTF-16"),
            ("utf-16-le", "UTF-16"),
            ("utf-16-be", "UTF-16"),
            ("utf-32", "UTF-32"),
        ):
            for text in ("web1\nweb2\n", "# the ones of M\u00fcller\nweb1\n"):
                self.assertEqual(wrong(text.encode(encoding)), f"encoded as {name}, not UTF-8")

    def test_the_line_is_named(self) -> None:
        for data, line in (
            (b"\xff", 1),
            (b"a\r\nb\r\nc\xe9\n", 3),
            (b"\xef\xbb\xbfa\rb\xe9", 2),
            ("a\nb\n\n\u00fc".encode("latin-1"), 4),
        ):
            self.assertEqual(wrong(data), f"line {line}: invalid UTF-8", data)
        self.assertEqual(wrong(b"a\nb\0c and more text\n"), "line 2: NUL byte")

    @settings(deadline=None)
    @given(st.text().filter(lambda text: "\0" not in text))
    def test_any_text_without_a_nul(self, text: str) -> None:
        data = text.encode()
        self.assertEqual(text_of(data), text_of(b"\xef\xbb\xbf" + data))

    @settings(deadline=None)
    @given(st.binary())
    def test_any_bytes_are_text_or_refused(self, data: bytes) -> None:
        said = wrong(data)
        self.assertTrue(said.isprintable())

    def test_comments_and_blanks(self) -> None:
        found = list(lines("# one\n\n  two \n\t#three\nfour # five\n"))
        self.assertEqual(found, [(3, "two"), (5, "four # five")])

    def test_a_pipe_is_not_waited_for(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        os.mkfifo(directory / "pipe")
        for name, why in (
            ("pipe", "not a regular file"),
            (".", "directory"),
            ("x", "No such file"),
        ):
            error = self.assertRaises(InvalidValue, read_text, directory / name, 10)
            self.assertIn(why, error.problem)
            self.assertIn(str(directory), error.problem)
        (directory / "long").write_text("a" * 11)
        self.assertIn(
            "too long", self.assertRaises(InvalidValue, read_text, directory / "long", 10).problem
        )


class EveryFile(ConfigTest):
    """Each file of text that a configuration names, in what editors make of it."""

    READERS = (
        (keys_file, f"# ours\n{KEY}\n"),
        (authorities_file, f"{KEY}\n"),
        (hash_file, f"{HASH}\n"),
        (totp_file, "JBSWY3DPEHPK3PXPJBSWY3DPEH\n"),
    )

    def path(self, data: bytes) -> Path:
        path = self.directory / "file"
        path.write_bytes(data)
        path.chmod(0o600)
        return path

    def test_a_mark_changes_nothing(self) -> None:
        for read, text in self.READERS:
            plain = read(self.path(text.encode()))
            self.assertEqual(read(self.path((MARK + text).encode())), plain)
            self.assertEqual(read(self.path(text.replace("\n", "\r").encode())), plain)

    def test_other_encodings_are_refused_and_nothing_is_shown(self) -> None:
        for read, text in self.READERS:
            for data, why in (
                (text.encode("utf-16"), "file: encoded as UTF-16, not UTF-8"),
                (text.encode("utf-16-le"), "file: encoded as UTF-16, not UTF-8"),
                (
                    text.encode() + b"\n# M\xfcller\n",
                    f"file line {text.count(chr(10)) + 2}: invalid",
                ),
                (text.encode() + b"\0", "NUL byte"),
            ):
                error = self.assertRaises(InvalidValue, read, self.path(data))
                self.assertIn(why, error.problem)
                self.assertNotIn(text[10:30], error.problem)

    def test_the_configuration_itself(self) -> None:
        text = '# M\u00fcller\nstate_dir = "here"\n'
        path = self.directory / "vspc.toml"
        path.write_bytes((MARK + text).encode())
        self.assertEqual(self.load_at(path), "here")
        for data, why in (
            (text.encode("utf-16"), "encoded as UTF-16, not UTF-8; save it as UTF-8"),
            (text.encode("latin-1"), "line 1: invalid UTF-8"),
        ):
            path.write_bytes(data)
            with self.assertRaises(ConfigError) as caught:
                self.load_at(path)
            self.assertIn(why, str(caught.exception))

    def load_at(self, path: Path) -> str:
        from vspc.config import load

        return load(path).state_dir.name


class DenyRules(ConfigTest):
    """A rule that keeps somebody out keeps him out, or the configuration is refused."""

    RULES = (
        f'[operators.eve]\nauthorized_keys = ["{KEY}"]\n'
        '[[access]]\noperators = ["eve"]\nconsoles_file = "secret.txt"\nrights = []\n'
        '[[access]]\noperators = ["*"]\nconsoles = ["*"]\nrights = ["read"]\n'
    )

    def rights(self) -> frozenset[str]:
        config = self.load(self.RULES)
        access = Access(tuple(map(rule, config.access)))
        return access.rights(Operator("eve"), Subject("secret1", "default", None))

    def test_without_the_rule_eve_reads_it(self) -> None:
        (self.directory / "secret.txt").write_text("other\n")
        self.assertEqual(self.rights(), {"read"})

    def test_what_editors_make_of_the_file_denies(self) -> None:
        for data in (
            "secret1\n".encode("utf-8-sig"),
            b"secret1\r\nother\r\n",
            b"other\rsecret1\r",
            b"  secret1\t\n",
            b"# them\n\nsecret1",
            b"SECRET?\n",
        ):
            (self.directory / "secret.txt").write_bytes(data)
            self.assertEqual(self.rights(), frozenset(), data)

    def test_ambiguous_lines_are_refused_with_their_numbers(self) -> None:
        for data, why in (
            ("secret1\n".encode("utf-16"), "secret.txt: encoded as UTF-16, not UTF-8"),
            ("secret1\n".encode("utf-16-le"), "secret.txt: encoded as UTF-16, not UTF-8"),
            ("secret1\n".encode("utf-16-be"), "secret.txt: encoded as UTF-16, not UTF-8"),
            ("# M\u00fcller's\nsecret1\n".encode("latin-1"), "secret.txt line 1: invalid UTF-8"),
            (b"other\nsecret1\0\n", "secret.txt line 2: NUL byte"),
            (b"", "secret.txt: the file is empty"),
            (b"\xef\xbb\xbf\n \n", "secret.txt: the file is empty"),
            (b'other\n"secret1"\n', "secret.txt line 2: '\"secret1\"' contains quotes"),
            (b"'secret1'\n", "contains quotes"),
            ("\u201csecret1\u201d\n".encode(), "contains quotes"),
            (b"other, secret1\n", "secret.txt line 1: 'other, secret1' contains a comma"),
            (b"secret1,\n", "contains a comma"),
            (b"secret1 # the first\n", "contains a comment"),
            (b"secret1\t# the first\n", "unprintable"),
            (b"other secret1\n", "secret.txt line 1: 'other secret1' contains a space"),
            (b"; them\nsecret1\n", "secret.txt line 1: '; them' contains a space"),
            ("other\n\ufeffsecret1\n".encode(), "secret.txt line 2: '\\ufeffsecret1' contains"),
            ("secret1\u200b\n".encode(), "unprintable"),
            (b"other\x0bsecret1\n", "unprintable"),
            (b"nowhere/secret1\n", "unknown zone nowhere"),
            (b"other\ndefault/se/cret\n", "secret.txt line 2: 'default/se/cret' never matches"),
        ):
            (self.directory / "secret.txt").write_bytes(data)
            said = self.mistakes(self.RULES)
            self.assertEqual(set(said), {"access[0].consoles_file"}, data)
            self.assertIn(why, said["access[0].consoles_file"], data)

    def test_in_the_rule_itself(self) -> None:
        for text, why in (
            ("'\"secret1\"'", "contains quotes"),
            ("'other, secret1'", "contains a comma"),
            ("'secret1 # it'", "contains a comment"),
            ("' secret1'", "begins or ends with a space"),
            ("'secret1\t'", "begins or ends with a space"),
            ('"secret1\\u200b"', "unprintable"),
            ("'nowhere/secret1'", "unknown zone nowhere"),
        ):
            rules = self.RULES.replace('consoles_file = "secret.txt"', f"consoles = [{text}]")
            said = self.mistakes(rules)
            self.assertEqual(set(said), {"access[0].consoles[0]"}, text)
            self.assertIn(why, said["access[0].consoles[0]"])

    def test_a_name_with_blanks_in_the_rule_itself(self) -> None:
        rules = self.RULES.replace('consoles_file = "secret.txt"', 'consoles = ["my secret vm"]')
        access = Access(tuple(map(rule, self.load(rules).access)))
        subject = Subject("My Secret VM", "default", None)
        self.assertEqual(access.rights(Operator("eve"), subject), frozenset())

    def test_a_group_is_the_same_in_both_places_or_a_mistake(self) -> None:
        said = self.mistakes(f"[operators.eve]\nauthorized_keys = ['{KEY}']\ngroups = ['net ']\n")
        self.assertIn("space", said["operators.eve.groups"])
