"""What `make audit`, `make constraints` and `make test-pythons` work with."""

import json
import re
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from twisted.trial.unittest import SynchronousTestCase

from tests.run import TREE
from tests.supply import audit, pythons, sbom
from tests.supply.audit import AuditResult, read_report, verdict
from tests.supply.closure import needed

RELEASE = TREE / "etc" / "release"


class Needed(SynchronousTestCase):
    def test_all_that_is_needed_by_what_is_needed_and_no_extra_that_nobody_asked_for(self) -> None:
        says = {
            "vspc": ["one[fast]>=1", "other; extra == 'test'", "two>=2; python_version < '3'"],
            "one": ["three; extra == 'fast'", "four; extra == 'slow'", "five"],
            "three": ["one>=1.5"],
            "five": ["one[slow]"],
        }
        found = needed(of=says.get)
        self.assertEqual(set(found), {"vspc", "one", "three", "five", "four"})
        self.assertEqual(len(found["one"]), 3)


class Sbom(SynchronousTestCase):
    def test_that_of_this_environment_is_valid_and_has_what_is_needed_to_run(self) -> None:
        names = needed()
        everything = sbom.everything(Path(sys.executable))
        # Of all of them `make audit` says it: the schema takes 4 s for that.
        few = sbom.reduced(everything, {"vspc", "pyte", "cryptography"})
        self.assertEqual(sbom.mistake(few), "")
        self.assertNotEqual(sbom.mistake({**few, "components": [{}]}), "")
        bom = sbom.reduced(everything, names)
        self.assertEqual(bom["metadata"]["component"]["name"], "vspc")
        found = {canonicalize_name(each["name"]): each for each in bom["components"]}
        self.assertEqual(set(found), set(names) - {"vspc"})
        self.assertNotIn("hypothesis", found)
        for each in found.values():
            self.assertTrue(each["version"] and each["purl"], each["name"])
        self.assertNotIn(str(TREE), json.dumps(bom))
        refs = {each["bom-ref"] for each in (bom["metadata"]["component"], *found.values())}
        self.assertEqual({each["ref"] for each in bom["dependencies"]}, refs)


class Constraints(SynchronousTestCase):
    """The versions of a release are those that setup.cfg allows, with their hashes."""

    def test_each_that_is_needed_is_pinned_within_its_bounds(self) -> None:
        pinned = self.pinned("constraints")

        def of_pinned(name: str) -> list[str] | None:
            """Of another version than the pinned one it says nothing: `make test-oldest`."""
            is_pinned = name == "vspc" or version(name) == pinned.get(canonicalize_name(name))
            return requires(name) if is_pinned else None

        wanted = needed(of=of_pinned)
        remedy = "`make constraints` writes it anew"
        self.assertEqual(set(wanted) - {"vspc"} - set(pinned), set(), remedy)
        for name, requirements in wanted.items():
            for requirement in requirements:
                if name != "vspc":
                    self.assertIn(
                        pinned[canonicalize_name(name)], requirement.specifier, f"{name}: {remedy}"
                    )

    def test_what_builds_the_package_is_pinned_within_its_bounds(self) -> None:
        project = tomllib.loads((TREE / "pyproject.toml").read_text(encoding="utf-8"))
        wanted = [Requirement(each) for each in project["build-system"]["requires"]]
        pinned = self.pinned("build")
        self.assertEqual({canonicalize_name(each.name) for each in wanted}, set(pinned))
        for each in wanted:
            self.assertIn(pinned[canonicalize_name(each.name)], each.specifier)

    def pinned(self, name: str) -> dict[str, str]:
        """The versions in a file of etc/release, each with its hashes."""
        text = (RELEASE / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
        pinned: dict[str, str] = {}
        for line in lines:
            requirement = Requirement(line.partition("--hash")[0].strip())
            [specifier] = requirement.specifier
            self.assertEqual(specifier.operator, "==", line)
            self.assertRegex(line, r"--hash=sha256:[0-9a-f]{64}")
            pinned[canonicalize_name(requirement.name)] = specifier.version
        return pinned

    def test_every_requirement_has_a_lower_bound(self) -> None:
        for line in re.findall(r"(?m)^    ([A-Za-z].*)$", (TREE / "setup.cfg").read_text()):
            if re.fullmatch(r"[\w.\[\],-]+[<>=!~].*", line) and "=" in line:
                self.assertIn(">=", line)


REPORT = {
    "dependencies": [
        {"name": "one", "version": "1.0", "vulns": []},
        {
            "name": "two",
            "version": "2.0",
            "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}, {"id": "X", "fix_versions": []}],
        },
    ]
}
WHOLE = AuditResult(2)


class Audited(SynchronousTestCase):
    def test_what_is_known_is_told_with_what_mends_it(self) -> None:
        status, lines = verdict({"pypi": read_report(json.dumps(REPORT), "")})
        self.assertEqual(status, audit.FOUND)
        self.assertEqual(lines[1:], ["two 2.0: PYSEC-1, fixed in 2.1", "two 2.0: X"])

    def test_all_looked_up_and_nothing_known(self) -> None:
        self.assertEqual(
            verdict({"pypi": WHOLE}), (0, ["2 packages, no known vulnerabilities (pypi)"])
        )

    def test_what_could_not_be_looked_up_is_no_success(self) -> None:
        skipped = {"dependencies": [{"name": "one", "skip_reason": "not found"}]}
        results = {
            "pypi": read_report(json.dumps(skipped), "No known vulnerabilities found"),
            "osv": read_report("", "Traceback\nConnectionError: no route\n"),
        }
        status, lines = verdict(results)
        self.assertEqual(status, audit.NOT_AUDITED)
        self.assertIn("NOT AUDITED", lines[0])
        self.assertEqual(
            lines[1:],
            ["  pypi: 1 packages were not found there", "  osv: ConnectionError: no route"],
        )
        self.assertEqual(verdict({"pypi": read_report('{"dependencies": []}', "")})[0], 2)

    def test_the_second_service_may_answer_where_the_first_does_not(self) -> None:
        self.assertEqual(verdict({"pypi": AuditResult(0, error="x"), "osv": WHOLE})[0], 0)


class Interpreters(SynchronousTestCase):
    def test_a_stand_in_on_the_path_that_does_not_run_is_passed_over(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        version = "{}.{}".format(*sys.version_info)
        name = f"python{version}"
        (directory / name).write_text("#!/bin/sh\necho not here >&2\nexit 127\n")
        (directory / name).chmod(0o755)
        self.assertFalse(pythons.is_version(directory / name, version))
        self.assertFalse(pythons.is_version(directory / "python2", version))
        self.assertTrue(pythons.is_version(Path(sys.executable), version))
        self.assertFalse(pythons.is_version(Path(sys.executable), "2.7"))
