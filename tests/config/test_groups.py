"""[[group]]: lists of the chooser, and the groups that consoles_files of rules are."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from vspc.config import ConfigError, load
from vspc.console.access import Operator, Subject
from vspc.server.reload import Live

CONFIG = """
[operators.alice]
[operators.bob]
[[access]]
operators = ["alice"]
consoles_file = "lab team.txt"
rights = ["read"]
[[access]]
operators = ["*"]
consoles = ["*"]
rights = ["read"]
"""


class Groups(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.mkdir()
        (self.path / "lab team.txt").write_text("lab*\n# comment\nuuid:4213*\n")

    def load(self, text: str) -> Live:
        file = self.path / "vspc.toml"
        file.write_text(CONFIG + text)
        return Live(load(file))

    def test_a_group_has_a_title_and_consoles(self) -> None:
        live = self.load('[[group]]\ntitle = "web servers"\nconsoles = ["web*", "prod/db"]\n')
        (group,) = live.groups(Operator("bob"))
        self.assertEqual(group.title, "web servers")
        found = {
            name: group.has(Subject(name, zone, None))
            for name, zone in (("WEB01", "default"), ("db", "prod"), ("db2", "prod"))
        }
        self.assertEqual(found, {"WEB01": True, "db": True, "db2": False})

    def test_a_consoles_file_is_one_for_the_operators_of_its_rule(self) -> None:
        live = self.load('[[group]]\ntitle = "web"\nconsoles_file = "lab team.txt"\n')
        titles = [each.title for each in live.groups(Operator("alice"))]
        self.assertEqual(titles, ["web", "lab team"])
        self.assertEqual([each.title for each in live.groups(Operator("bob"))], ["web"])
        self.assertTrue(live.groups(Operator("alice"))[1].has(Subject("lab1", "default", None)))

    def test_a_group_takes_the_place_of_a_file_of_that_name(self) -> None:
        live = self.load('[[group]]\ntitle = "Lab Team"\nconsoles = ["x"]\n')
        self.assertEqual([each.title for each in live.groups(Operator("alice"))], ["Lab Team"])

    def test_mistakes(self) -> None:
        for text, key in (
            ('title = "all"\nconsoles = ["x"]', "group[0].title"),
            ('title = " x"\nconsoles = ["x"]', "group[0].title"),
            ('title = ""\nconsoles = ["x"]', "group[0].title"),
            ('title = "a\\u202eb"\nconsoles = ["x"]', "group[0].title"),
            ('title = "x"', "group[0].consoles"),
            ('title = "x"\nconsoles = ["uuid:x"]', "group[0].consoles"),
            ('title = "x"\nconsoles = ["x"]\n[[group]]\ntitle = "X"\nconsoles = ["y"]', "group[1]"),
        ):
            with self.assertRaises(ConfigError, msg=text) as caught:
                self.load(f"[[group]]\n{text}\n")
            self.assertIn(key, str(caught.exception.mistakes[0]), text)
