"""What users install: the wheel, built from the sdist, in an environment of its own.

Takes half a minute, most of it pip's, and needs a package index; pip's own settings say which.
"""

import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

from tests.end_to_end.processes import Completed, ProcessTestCase
from tests.run import TREE

_PATIENCE = 300.0  # seconds for each of pip's steps, on a slow line
_PARTS = (
    *("pyproject.toml", "setup.cfg", "MANIFEST.in", "LICENSE", "README.md", "CHANGES.md"),
    *("CONTRIBUTING.md", "Makefile", "vspc", "twisted", "tests", "docs", "etc"),
)
_IGNORED = shutil.ignore_patterns("__pycache__", "dropin.cache", "*.egg-info")


class Wheel(ProcessTestCase):
    """From the sources to a program that starts."""

    def test_it_installs_alone_and_both_ways_to_run_it_are_there(self) -> None:
        wheel = self.build()
        self.check_content(wheel)
        programs = self.install(wheel)
        plugins = self.good(self.complete(programs / "twistd", "--help"))
        self.assertRegex(plugins.out, rb"(?m)^ +vspc ")
        service = self.good(self.complete(programs / "twistd", "vspc", "--help"))
        self.assertIn(b"--config", service.out)
        for words in (("--help",), ("run", "--help"), ("check", "--help")):
            shown = self.complete(programs / "vspc", *words)
            self.assertEqual((shown.status, shown.err), (0, b""), words)
            self.assertIn(b"usage", shown.out.lower())
        page = self.good(self.complete(programs / "vspc", "man", "5"))
        self.assertIn(b"state_dir", page.out)
        code = "import twisted, vspc; print(vspc.__file__, twisted.__version__)"
        imported = self.good(self.complete(programs / "python", "-c", code))
        self.assertIn(str(programs.parent), imported.out.decode())

    def good(self, done: Completed) -> Completed:
        """`done`, which must have succeeded."""
        self.assertEqual(done.status, 0, done.err.decode("utf-8", "replace"))
        return done

    def build(self) -> Path:
        """Build both as `make dist` does, in isolation; where the wheel is."""
        sources = self.directory / "sources"
        sources.mkdir()
        for name in _PARTS:
            path = TREE / name
            if path.is_dir():
                shutil.copytree(path, sources / name, ignore=_IGNORED)
            else:
                shutil.copy(path, sources)
        out = self.directory / "dist"
        command = (sys.executable, "-m", "build", "--outdir", out, sources)
        self.good(self.complete(*command, timeout=_PATIENCE))
        [wheel] = out.glob("*.whl")
        [sdist] = out.glob("*.tar.gz")
        with tarfile.open(sdist) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        for name in ("etc/vspc.toml", "etc/systemd/vspc.service", "docs/install.md", "Makefile"):
            self.assertIn(name, names)
        self.assertFalse([name for name in names if name.startswith("tests/")])
        return wheel

    def check_content(self, wheel: Path) -> None:
        """Our package with its marker for type checkers, the plugin, and no more."""
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
        self.assertIn("vspc/py.typed", names)
        self.assertIn("vspc/server/service.py", names)
        ours = {str(path.relative_to(TREE)) for path in (TREE / "vspc").rglob("*.py")}
        self.assertEqual(ours - names, set())
        # An __init__.py there would hide all of Twisted, or all other plugins.
        twisted = {name for name in names if name.startswith("twisted/")}
        self.assertEqual(twisted, {"twisted/plugins/vspc_plugin.py"})
        tops = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
        self.assertEqual(tops, {"vspc", "twisted"})

    def install(self, wheel: Path) -> Path:
        """Install it with what it requires, and nothing else; where its programs are."""
        place = self.directory / "installed"
        make = (sys.executable, "-m", "venv", place)
        self.good(self.complete(*make, timeout=_PATIENCE))
        programs = place / "bin"
        pip = (programs / "python", "-m", "pip", "install", "--quiet", wheel)
        self.good(self.complete(*pip, timeout=_PATIENCE))
        return programs
