"""What is too long, too large or too much in a configuration is refused, with what is allowed."""

from pathlib import Path

from tests.config.test_load import KEY, ConfigTest
from vspc.common.values import InvalidLines, InvalidValue
from vspc.config.alerting import HEADERS_LIMIT, headers_file
from vspc.config.checks import NAME_LIMIT
from vspc.config.credentials import KEYS_FILE_LIMIT, SECRET_FILE_LIMIT, hash_file, keys_file
from vspc.config.dialling import COUNT, PATH_LIMIT
from vspc.config.file import FILE_LIMIT
from vspc.config.profiles import MAX_KEYS
from vspc.config.rules import CONSOLES_LIMIT, WRONG_LINES, consoles_file
from vspc.config.sockets import PORTS
from vspc.config.values import EXPRESSION_LIMIT
from vspc.net.certificates import FILE_LIMIT as PEM_LIMIT
from vspc.net.certificates import PemError, read_pem
from vspc.ssh.keys import KEY_FILE_LIMIT, HostKeyError, load_host_key

OPERATOR = f'[operators.lab]\nauthorized_keys = ["{KEY}"]\n'


class Bounds(ConfigTest):
    def file(self, size: int) -> Path:
        """A file of `size` bytes."""
        path = self.directory / "long"
        path.write_bytes(b"#" * size)
        return path

    def test_files_are_read_up_to_their_limit(self) -> None:
        for limit, read in (
            (KEYS_FILE_LIMIT, keys_file),
            (SECRET_FILE_LIMIT, hash_file),
            (CONSOLES_LIMIT, consoles_file),
            (HEADERS_LIMIT, headers_file),
        ):
            with self.assertRaises(InvalidValue) as caught:
                read(self.file(limit + 1))
            self.assertIn("too long", str(caught.exception))
        self.assertRaises(PemError, read_pem, self.file(PEM_LIMIT + 1))
        self.assertRaises(HostKeyError, load_host_key, self.file(KEY_FILE_LIMIT + 1))

    def test_a_configuration_is(self) -> None:
        found = self.mistakes("#" * (FILE_LIMIT + 1))
        self.assertIn("too long", str(found))

    def test_of_very_many_wrong_lines_some_are_named(self) -> None:
        path = self.write("\n".join(["two words"] * (WRONG_LINES + 5)), "list")
        with self.assertRaises(InvalidLines) as caught:
            consoles_file(path)
        self.assertEqual(len(caught.exception.wrongs), WRONG_LINES)

    def test_texts_and_ranges(self) -> None:
        plain = '[[vm.plain]]\nlisten = "tcp:1"\nname = "{}"\n'
        dial = '[[dial]]\nname = "{}"\nconnect = "{}"\n'
        ports = OPERATOR + (
            '[[console.listen]]\nprotocol = "raw"\nconsoles = "*"\noperator = "lab"\n'
            f'ports = "10000-{10000 + PORTS}"\n'
        )
        profile = f'[[console.profile]]\nrepaint = "{"^L" * (MAX_KEYS + 1)}"\n'
        boots = f'[log]\nboot_patterns = ["{"x" * (EXPRESSION_LIMIT + 1)}"]\n'
        for text, key in (
            (plain.format("n" * (NAME_LIMIT + 1)), "vm.plain[0].name"),
            (dial.format("a", f"unix:/{'p' * PATH_LIMIT}"), "dial[0].connect"),
            (dial.format("a-{n}", "tcp://h:{n}") + f"count = {COUNT + 1}\n", "dial[0].count"),
            (ports, "console.listen[0].ports"),
            (profile, "console.profile[0].repaint"),
            (boots, "log.boot_patterns[0]"),
        ):
            self.assertIn(key, self.mistakes(text), text[:80])
