"""README.md and docs/: every block of code is what it says; tests/end_to_end runs the commands."""

import base64
import json
import re
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY
from tests.config.test_proofs import HASH
from tests.documents import KINDS, NOT_RUN, PAGES, TREE, Block, blocks, commands, wanted_status
from tests.net.authorities import certificate
from vspc.cli.commands import command_names
from vspc.server.config_files import load_with_files
from vspc.ssh.keys import make_host_key

SECRET = base64.b32encode(bytes(20)).decode()

FILES = {
    "alice.keys": KEY,
    "ci.keys": f"restrict,command=\"expect 'test-*'\" {KEY}",
    "ca.pub": KEY,
    "bob.hash": HASH,
    "bob.totp": SECRET,
    "revoked": "#",
    "consoles.txt": "web01",
}
"""Files that blocks name."""

ELSEWHERE = {"esxcli", "govc", "pwsh", "qemu-system-x86_64", "sudo", "python3", "install", "socat"}
ELSEWHERE |= {"promtool", "SYSLOG", "7d"}
"""Programs of other machines and of root, a file on another machine, a time that no test waits:
what is with them in a block is not run.
"""


def every(kind: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.kind == kind]


ARCHITECTURE = TREE / "docs" / "architecture.md"

_FILE = re.compile(r"(?<![\w/.])((?:tests/)?[a-z_]+/[a-z_/]+\.py)")
_MEMBER = re.compile(r"`([A-Z]\w+)\.(\w+)`")


class Architecture(SynchronousTestCase):
    """docs/architecture.md names files, classes and methods that are there."""

    def test_files_are_there(self) -> None:
        text = ARCHITECTURE.read_text(encoding="utf-8")
        for path in set(_FILE.findall(text)):
            found = TREE / path if path.startswith("tests/") else TREE / "vspc" / path
            self.assertTrue(found.exists(), path)

    def test_members_are_there(self) -> None:
        sources = "\n".join(p.read_text(encoding="utf-8") for p in (TREE / "vspc").rglob("*.py"))
        for name, member in set(_MEMBER.findall(ARCHITECTURE.read_text(encoding="utf-8"))):
            body = re.search(rf"^class {name}\b.*?(?=^class |\Z)", sources, re.M | re.S)
            self.assertIsNotNone(body, name)
            defined = rf"^    (async def|def) {member}\b|^    {member} = "
            self.assertTrue(body and re.search(defined, body[0], re.M), f"{name}.{member}")

    def test_every_module_is_in_its_room(self) -> None:
        sections = re.split(r"^##+ ", ARCHITECTURE.read_text(encoding="utf-8"), flags=re.M)
        for path in sorted((TREE / "vspc").rglob("*.py")):
            room, *rest = path.relative_to(TREE / "vspc").with_suffix("").parts
            if not rest or rest[-1] == "__init__":
                continue
            own = [each for each in sections if f"{room}/" in each.partition("\n")[0]]
            is_verb = "verbs" in rest
            named = any(f"`{rest[-1]}`" in each for each in own)
            self.assertTrue(named or is_verb, f"{'/'.join([room, *rest])} is not named")

    def test_lines_are_short(self) -> None:
        long = [line for line in ARCHITECTURE.read_text().splitlines() if len(line) > 100]
        self.assertEqual(long, [])


FRAGMENT = re.compile(r"(\+[a-z-]+|[0-9]+)\.(feature|bugfix|removal|doc)(\.[0-9]+)?\.md")


class NewsFragments(SynchronousTestCase):
    def test_each_is_one_short_paragraph_of_a_known_type(self) -> None:
        for path in sorted((TREE / "newsfragments").iterdir()):
            if path.name == "README.md":
                continue
            self.assertTrue(FRAGMENT.fullmatch(path.name), path.name)
            words = path.read_text().split()
            self.assertTrue(0 < len(words) <= 40, f"{path.name} has {len(words)} words")

    def test_the_release_notes_are_written_where_the_configuration_says(self) -> None:
        settings = tomllib.loads((TREE / "pyproject.toml").read_text())["tool"]["towncrier"]
        notes = (TREE / settings["filename"]).read_text()
        self.assertIn("<!-- towncrier release notes start -->", notes)


class Blocks(SynchronousTestCase):
    def test_every_block_says_what_it_is(self) -> None:
        wrong = [
            f"{block}: {' '.join(block.words) or 'an indented block, or a fence without a word'}"
            for page in PAGES
            for block in blocks(page)
            if block.kind not in KINDS or block.words[1:] not in ((), NOT_RUN[1:])
        ]
        self.assertEqual(wrong, [], "see tests/documents.py for what may stand behind a fence")

    def test_blocks_are_found(self) -> None:
        text = "a\n\n    indented\n      more\n\n```sh host\nx\n```\n"
        text += "- b\n\n  ```toml\n  y = 1\n  ```\n"
        found = [(b.line, b.words, b.text) for b in blocks(Path("page"), text)]
        self.assertEqual(
            found,
            [
                (3, (), "    indented\n      more\n"),
                (6, ("sh", "host"), "x\n"),
                (11, ("toml",), "y = 1\n"),
            ],
        )

    def test_commands_are_found(self) -> None:
        block = Block(Path("p"), 1, ("sh",), "a b  # status 3\n\n# no\nc |\n  d \\\n  e\n")
        self.assertEqual(list(commands(block)), [(2, "a b  # status 3"), (5, "c |\n  d \\\n  e")])
        self.assertEqual([wanted_status(text) for _, text in commands(block)], [3, 0])
        block = Block(Path("p"), 1, ("console",), "$ vspc list\nNAME\n")
        self.assertEqual(list(commands(block)), [(2, "vspc list")])

    def test_what_is_not_run_needs_a_host(self) -> None:
        for block in every("sh"):
            if block.words == NOT_RUN:
                words = set(re.findall(r"[\w-]+", block.text))
                self.assertTrue(words & ELSEWHERE, f"{block}: it can be run")

    def test_commands_of_ours_are_there(self) -> None:
        known = command_names()
        for block in [*every("sh"), *every("console")]:
            if block.words == NOT_RUN:
                continue
            for line, command in commands(block):
                words = shlex.split(command, comments=True)
                for before, word in pairwise(words):
                    if before.rpartition("/")[2] == "vspc" and word.isalpha():
                        self.assertIn(word, known, f"{block.page.name}:{line}")

    def test_every_page_that_is_pointed_to_is_there(self) -> None:
        for page in PAGES:
            for name in re.findall(r"\]\(([a-z/-]+\.md)(?:#[\w-]*)?\)", page.read_text()):
                self.assertTrue((page.parent / name).exists(), f"{page.name}: {name}")


class Configurations(SynchronousTestCase):
    """Blocks of TOML are taken by the loader, with keys and files in place of the dots."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        (self.directory / "state").mkdir(parents=True)
        for name, text in FILES.items():
            (self.directory / name).write_text(text + "\n")
            (self.directory / name).chmod(0o600)
        (self.directory / "lab-ca.pem").write_bytes(certificate("lab").pem)
        self.program = self.directory / "program"
        self.program.write_text("#!/bin/sh\n")
        self.program.chmod(0o755)

    def filled(self, text: str) -> str:
        text = re.sub(r"ssh-ed25519 AAAA\.\.\.", " ".join(KEY.split()[:2]), text)
        return re.sub(r'"/usr/local/libexec/[\w-]+"', f'"{self.program}"', text)

    def completed(self, text: str) -> str:
        """With the operators and groups that its rules name."""
        tables = tomllib.loads(text)
        rules = tables.get("access", [])
        named = {who for each in rules for who in (*each["operators"], *each.get("approve", ()))}
        more = ""
        for who in sorted(named - {"*"} - tables.get("operators", {}).keys()):
            name, groups = (f"helper-{who[1:]}", [who[1:]]) if who.startswith("@") else (who, [])
            more += f'[operators.{name}]\nauthorized_keys = ["{KEY}"]\ngroups = {groups}\n'
        return text + more

    def test_each_of_them_loads(self) -> None:
        make_host_key(self.directory / "state" / "ssh_host_ed25519_key")
        found = every("toml")
        self.assertGreater(len(found), 8)
        for block in found:
            text = self.completed(self.filled(block.text))
            text = text.replace(', "state/ssh_host_rsa_key"', "")
            path = self.directory / "vspc.toml"
            path.write_text(text)
            try:
                load_with_files(path)
            except Exception as error:
                raise AssertionError(f"{block}: {error}") from None

    def test_json(self) -> None:
        for block in every("json"):
            try:
                json.loads(block.text)
            except ValueError as error:
                raise AssertionError(f"{block}: {error}") from None


class CheatSheet(SynchronousTestCase):
    def test_it_is_one_screen(self) -> None:
        first = next(blocks(TREE / "docs" / "operators.md"))
        lines = first.text.rstrip("\n").split("\n")
        self.assertEqual(first.words, ("sh",))
        self.assertLess(first.line, 8, "it stands first")
        self.assertLessEqual(len(lines), 24)
        self.assertLessEqual(max(map(len, lines)), 80)
        kinds = [block.kind for block in blocks(TREE / "docs" / "operators.md")]
        self.assertEqual(kinds[1], "ssh-config")
