"""The Debian package: built, installed in a Debian of its own, started there, upgraded, killed,
and purged.

Takes two minutes: half of it is pip's and mmdebstrap's, which need an index and a mirror.
"""

import os
import shutil
import unittest
from collections.abc import Callable
from filecmp import cmp
from functools import partial
from pathlib import Path

from tests.end_to_end.debian import PATIENCE, Debian, made
from tests.end_to_end.in_the_unit import InTheUnit
from tests.end_to_end.installed import PLAIN, Installed, Numbers
from tests.end_to_end.openssh import make_key
from tests.end_to_end.processes import Child, ProcessTestCase
from tests.programs import require
from tests.run import TREE

PACKAGES = "systemd,systemd-sysv,python3,openssh-client,ca-certificates,iproute2,libstdc++6"
"""What the package depends on, and what the test does there."""

SYSTEMS = (
    *("/var/lib/dpkg/", "/var/lib/apt/", "/var/log/", "/var/cache/", "/var/lib/systemd/"),
    *("/etc/systemd/system/", "/etc/.pwd.lock", "/etc/machine-id", "/tmp/", "/run/"),
)
"""Where apt and systemd write."""

LEFT = {"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-"}
"""What is left of a user that was made: copies of the files before that."""

OPTIONS = (
    *("--network", "127.0.0.0/8", "--key", "/key.pub"),
    *("--operator", "alice", "--host", "localhost"),
)


ELSEWHERE = {
    "TZ": "Asia/Kolkata",
    "LC_ALL": "C",
    "PYTHONPATH": str(TREE),
    "DPKG_DEB_THREADS_MAX": "1",
}
"""The environment of somebody else who builds it."""


class Package(ProcessTestCase):
    """From the sources to a server, and to nothing."""

    def setUp(self) -> None:
        super().setUp()
        require("mmdebstrap", "dpkg-buildpackage", "dh", "unshare", "nsenter")
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can make a Debian")

    def test_three_commands_to_a_server_and_a_purge_that_leaves_what_it_says(self) -> None:
        builds = (self.build("one", "022"), self.build("other", "077", **ELSEWHERE))
        root = made(PACKAGES)
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        package, again = map(self.built, ("one", "other"), builds)
        self.assertTrue(cmp(package, again, shallow=False), "the same sources give another package")
        self.debian = Debian(self, root)
        self.server = Installed(self.debian)
        unit = InTheUnit(self.server)
        unit.prepare()
        has_systemd = self.debian.boot()
        before = set(self.debian.files())
        key = make_key(self.directory, "alice")
        shutil.copy(key, root / "key")
        shutil.copy(f"{key}.pub", root / "key.pub")
        shutil.copy(package, root / "vspc.deb")
        self.debian.do("apt-get", "install", "--yes", "/vspc.deb")
        said = self.debian.do("vspc", "init", *OPTIONS)
        start = b"systemctl enable --now vspc" if has_systemd else b"vspc run --config /etc"
        self.assertIn(start, said.out)
        self.check_files(root)
        with (root / "etc/vspc/vspc.toml").open("a") as config:
            config.write(PLAIN + unit.configure())
        if has_systemd:
            self.debian.do("systemctl", "enable", "--now", "vspc")
        else:
            user = ("setpriv", "--reuid=vspc", "--regid=vspc", "--clear-groups")
            self.debian.start(*user, "vspc", "run").out.expect(rb" info started ")
        self.use()
        numbers = Numbers(self.server)
        numbers.connect()
        numbers.type()
        unit.check(has_systemd)
        if has_systemd:
            self.restart(numbers)
            self.refuse()
        else:
            self.assertEqual(numbers.check(), [])
        self.purge(before)

    def build(self, name: str, umask: str, **environment: str) -> Child:
        """Start to build the package, in a directory of that name."""
        place = self.directory / name
        place.mkdir()
        places = {"TMPDIR": str(place), "PIP_CACHE_DIR": str(TREE / ".venv" / "cache" / "pip")}
        [bash] = require("bash")
        script = ("-c", 'umask "$1"; exec "$2" "$3"', "build", umask)
        build = TREE / "etc" / "debian" / "build"
        return self.start(bash, *script, build, place / "dist", environment=places | environment)

    def built(self, name: str, build: Child) -> Path:
        """Where the package is, once it is complete."""
        self.assertEqual(build.wait(PATIENCE), 0, build.report())
        [package] = (self.directory / name / "dist").glob("vspc_*.deb")
        return package

    def check_files(self, root: Path) -> None:
        """What belongs to whom."""
        owner = (root / "var/lib/vspc").stat().st_uid
        self.assertNotEqual(owner, 0)
        for name, mode in (("", 0o700), ("tls.key", 0o600), ("ssh_host_ed25519_key", 0o600)):
            found = (root / "var/lib/vspc" / name).stat()
            self.assertEqual((found.st_uid, found.st_mode & 0o777), (owner, mode), name)
        found = (root / "etc/vspc/vspc.toml").stat()
        self.assertEqual((found.st_uid, found.st_mode & 0o777), (0, 0o640))
        for page in ("man1/vspc.1.gz", "man5/vspc.toml.5.gz"):
            self.assertTrue((root / "usr/share/man" / page).exists(), page)
        for place in ("bash-completion/completions/vspc", "zsh/vendor-completions/_vspc"):
            self.assertTrue((root / "usr/share" / place).exists(), place)

    def use(self) -> None:
        """A VM connects, an operator sees it, root uses a verb, nothing runs as root."""
        debian = self.debian
        proxy = ("--proxy", "telnet://127.0.0.1:13370", "--name", "web01")
        debian.start("vspc", "simulate", *proxy)
        self.server.until_connected("web01")
        self.assertRegex(self.server.do("list").out, rb"web01 +connected")
        debian.do("vspc", "status")
        users = debian.do("sh", "-c", "stat -c %U /proc/$(cat /var/lib/vspc/lock)")
        self.assertEqual(users.out, b"vspc\n")
        self.assertIn(b"user of the server: vspc\n", debian.do("vspc", "check").out)

    def restart(self, numbers: Numbers) -> None:
        """An upgrade restarts the server, and one that is killed starts again: the connections of
        VMs go on, and what they print and what is typed arrives once. What a kill left unsure is
        told: bytes of the last moment.
        """
        active = self.debian.do("systemctl", "show", "vspc", "-p", "ActiveState,Type,StatusText")
        self.assertIn(b"ActiveState=active", active.out)
        self.debian.do("systemctl", "reload", "vspc")
        upgrade = partial(self.debian.do, "apt-get", "install", "--yes", "--reinstall", "/vspc.deb")
        connection = self.connection()
        for again in (upgrade, self.server.restart, self.server.restart):
            self.goes_on(numbers, again)
        self.assertEqual(numbers.check(), [])
        for again in (self.server.kill, self.server.kill):
            self.goes_on(numbers, again)
        self.assertLessEqual(len(numbers.check()), 2 * len(numbers.vms))
        self.server.until_connected("web01")
        self.assertEqual(self.connection(), connection)

    def goes_on(self, numbers: Numbers, again: Callable[[], object]) -> None:
        """Whoever types is disconnected, another process is the server, all else is as before."""
        before = self.server.pid()
        typists = numbers.type_unheard()
        again()
        self.assertNotEqual(self.server.pid(), before)
        for typist in typists:
            typist.wait()
        numbers.type()

    def refuse(self) -> None:
        """With a configuration that is refused the old server stays."""
        before = self.server.pid()
        config = self.debian.root / "etc/vspc/vspc.toml"
        text = config.read_text()
        config.write_text(text + "nonsense = 1\n")
        script = "/var/lib/dpkg/info/vspc.postinst"
        done = self.debian.do(script, "configure", "0.0.1")
        self.assertIn(b"was not restarted", done.out + done.err)
        self.assertEqual(self.server.pid(), before)
        config.write_text(text)
        journal = self.server.journal()
        for word in ("raceback", " critical ", "as root"):
            self.assertNotIn(word, journal)

    def connection(self) -> bytes:
        """Both addresses of the connection of the simulated VM, as the VM has it."""
        words = ("ss", "--no-header", "--tcp", "--numeric", "--processes", "state", "established")
        found = self.debian.do(*words, "dport", "=", ":13370").out
        [line] = [each for each in found.splitlines() if b'"vspc"' in each]
        return line.split()[2]

    def purge(self, before: set[str]) -> None:
        """What is left is what it says."""
        done = self.debian.do("apt-get", "purge", "--yes", "vspc")
        self.assertIn(b"the user and the group vspc are left", done.out)
        for name in ("key", "key.pub", "vspc.deb"):
            (self.debian.root / name).unlink()
        left = set(self.debian.files()) - before - LEFT
        ours = {path for path in left if not path.startswith(SYSTEMS)}
        self.assertEqual(ours, set())
        units = {path for path in left if "vspc" in path and not path.startswith("/var/log")}
        self.assertEqual(units, set())
