"""docs/access.md tells the truth where a test can see it."""

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY
from tests.config.test_proofs import HASH
from vspc.cli.commands import command_names
from vspc.common.values import InvalidValue
from vspc.config.keyoptions import KeyOptions, key_options
from vspc.server.config_files import file_warnings, load_with_files

TEXT = (Path(__file__).parents[1] / "docs" / "access.md").read_text()


class Told(SynchronousTestCase):
    def options(self) -> list[str]:
        """The options of keys in the table of them."""
        rows = re.findall(
            r"^\| (`.*?`) \|", TEXT.partition("| option |")[2].partition("\n\n")[0], re.M
        )
        return [option for row in rows for option in re.findall(r"`([^`]+)`", row)]

    def test_options_of_keys_do_something_or_are_told_to_do_nothing(self) -> None:
        found = [option for option in self.options() if option != "no-"]
        self.assertGreater(len(found), 12)
        for option in found:
            value = '="x"' if option in ("environment", "permitlisten", "tunnel") else ""
            taken = key_options(option + value)
            self.assertEqual(bool(value), bool(taken.ignored), option)
            idle = option.removeprefix("no-") in ("agent-forwarding", "X11-forwarding", "user-rc")
            grants = option in ("pty", "port-forwarding")
            same = taken == KeyOptions()
            self.assertEqual(same, idle or grants, option)

    def test_options_that_are_refused(self) -> None:
        for option in ("cert-authority", 'principals="x"', "no-touch-required"):
            self.assertIn(f"`{option.partition('=')[0]}`", TEXT)
            self.assertRaises(InvalidValue, key_options, option)

    def test_the_key_for_automation_loads_and_nothing_is_odd_about_it(self) -> None:
        example = TEXT.partition("\n[operators.ci]\n")[2].partition("\n```")[0]
        line = example.partition("# ")[2].partition("\n")[0].replace("AAAA...", KEY.split()[1])
        directory = Path(self.mktemp())
        directory.mkdir()
        (directory / "ci.keys").write_text(f"{line}\n")
        path = directory / "vspc.toml"
        path.write_text(f"[operators.ci]\n{example}\npassword_hash = '{HASH}'\n")
        config = load_with_files(path)
        self.assertEqual(config.operators["ci"].keys[0].options.command, "expect 'test-*'")
        self.assertNotIn("lets in without", " ".join(config.warnings))
        self.assertEqual(list(file_warnings(config)), [])

    def test_every_command_is_there(self) -> None:
        words = set(re.findall(r"(?:^|[ `])vspc ([a-z][a-z-]+)", TEXT, re.M))
        self.assertGreater(len(words), 8)
        self.assertEqual(words - command_names(), set())

    def test_every_page_it_points_to_is_there(self) -> None:
        docs = Path(__file__).parents[1] / "docs"
        for name in re.findall(r"\]\(([a-z-]+\.md)", TEXT):
            self.assertTrue((docs / name).exists(), name)
