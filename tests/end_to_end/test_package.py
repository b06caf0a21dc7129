"""The Debian package: built, installed in a Debian of its own, started there, and purged.

Takes two minutes: half of it is pip's, the other half mmdebstrap's; needs a mirror and an index.
"""

import os
import shutil
import unittest
from pathlib import Path

from tests.end_to_end.debian import PATIENCE, Debian, made
from tests.end_to_end.openssh import make_key
from tests.end_to_end.processes import Child, Completed, ProcessTestCase
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

SSH = (
    *("ssh", "-p", "2222", "-i", "/key", "-o", "BatchMode=yes"),
    *("-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=/run/known_hosts"),
    "alice@127.0.0.1",
)
OPTIONS = (
    *("--network", "127.0.0.0/8", "--key", "/key.pub"),
    *("--operator", "alice", "--host", "localhost"),
)


class Package(ProcessTestCase):
    """From the sources to a server, and to nothing."""

    def setUp(self) -> None:
        super().setUp()
        require("mmdebstrap", "dpkg-buildpackage", "dh", "unshare", "nsenter")
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can make a Debian")

    def test_three_commands_to_a_server_and_a_purge_that_leaves_what_it_says(self) -> None:
        package = self.build()
        root = made(PACKAGES)
        self.addCleanup(shutil.rmtree, root, ignore_errors=True)
        debian = Debian(self, root)
        has_systemd = debian.boot()
        before = set(debian.files())
        key = make_key(self.directory, "alice")
        shutil.copy(key, root / "key")
        shutil.copy(f"{key}.pub", root / "key.pub")
        shutil.copy(package, root / "vspc.deb")
        self.good(debian.inside("apt-get", "install", "--yes", "/vspc.deb"))
        said = self.good(debian.inside("vspc", "init", *OPTIONS))
        start = b"systemctl enable --now vspc" if has_systemd else b"vspc run --config /etc"
        self.assertIn(start, said.out)
        self.check_files(root)
        if has_systemd:
            self.good(debian.inside("systemctl", "enable", "--now", "vspc"))
        else:
            user = ("setpriv", "--reuid=vspc", "--regid=vspc", "--clear-groups")
            debian.start(*user, "vspc", "run").out.expect(rb" info started ")
        self.use(debian)
        if has_systemd:
            self.restart(debian)
        self.purge(debian, before)

    def good(self, done: Completed) -> Completed:
        """`done`, which must have succeeded."""
        said = (done.out + done.err).decode("utf-8", "replace")
        self.assertEqual(done.status, 0, said)
        return done

    def build(self) -> Path:
        """Where the package is."""
        out = self.directory / "dist"
        caches = {"PIP_CACHE_DIR": str(TREE / ".venv" / "cache" / "pip")}
        build = TREE / "etc" / "debian" / "build"
        self.good(self.complete(build, out, environment=caches, timeout=PATIENCE))
        [package] = out.glob("vspc_*.deb")
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

    def use(self, debian: Debian) -> Child:
        """A VM connects, an operator sees it, root uses a verb, nothing runs as root."""
        proxy = ("--proxy", "telnet://127.0.0.1:13370", "--name", "web01")
        simulator = debian.start("vspc", "simulate", *proxy)
        wait = debian.inside(*SSH, "wait", "web01", "--timeout", "30")
        listed = self.good(debian.inside(*SSH, "list"))
        self.assertRegex(listed.out, rb"web01 +connected", wait.err)
        self.good(debian.inside("vspc", "status"))
        users = debian.inside("sh", "-c", "stat -c %U /proc/$(cat /var/lib/vspc/lock)")
        self.assertEqual(users.out, b"vspc\n")
        self.assertIn(b"user of the server: vspc\n", debian.inside("vspc", "check").out)
        return simulator

    def restart(self, debian: Debian) -> None:
        """An upgrade restarts the server, and one that is killed starts again: the connection of
        the VM goes on. With a configuration that is refused the old server stays.
        """
        active = debian.inside("systemctl", "show", "vspc", "-p", "ActiveState,Type,StatusText")
        self.assertIn(b"ActiveState=active", active.out)
        self.good(debian.inside("systemctl", "reload", "vspc"))
        again = ("apt-get", "install", "--yes", "--reinstall", "/vspc.deb")
        before, connection = self.pid(debian), self.connection(debian)
        self.good(debian.inside(*again))
        after = self.pid(debian)
        self.assertNotEqual(before, after)
        self.good(debian.inside("systemctl", "kill", "--signal=KILL", "vspc"))
        debian.wait(lambda: self.pid(debian) not in (0, after) and self.is_active(debian))
        after = self.pid(debian)
        self.good(debian.inside(*SSH, "wait", "web01", "--timeout", "30"))
        self.assertEqual(self.connection(debian), connection)
        config = debian.root / "etc/vspc/vspc.toml"
        text = config.read_text()
        config.write_text(text + "nonsense = 1\n")
        script = "/var/lib/dpkg/info/vspc.postinst"
        done = self.good(debian.inside(script, "configure", "0.0.1"))
        self.assertIn(b"was not restarted", done.out + done.err)
        self.assertEqual(self.pid(debian), after)
        config.write_text(text)
        journal = debian.inside("journalctl", "--unit", "vspc", "--no-pager").out
        for word in (b"raceback", b" critical ", b"as root"):
            self.assertNotIn(word, journal, journal.decode("utf-8", "replace"))

    def connection(self, debian: Debian) -> bytes:
        """Both addresses of the connection of the VM, as the VM has it."""
        words = ("ss", "--no-header", "--tcp", "--numeric", "state", "established")
        found = self.good(debian.inside(*words, "dport", "=", ":13370")).out.split()
        self.assertEqual(len(found), 4, found)
        return found[2]

    def is_active(self, debian: Debian) -> bool:
        """Whether the server has said that it is ready."""
        return debian.inside("systemctl", "is-active", "vspc").out == b"active\n"

    def pid(self, debian: Debian) -> int:
        """Of the server that is ready."""
        shown = debian.inside("systemctl", "show", "vspc", "--property=MainPID", "--value")
        return int(shown.out)

    def purge(self, debian: Debian, before: set[str]) -> None:
        """What is left is what it says."""
        done = self.good(debian.inside("apt-get", "purge", "--yes", "vspc"))
        self.assertIn(b"the user and the group vspc are left", done.out)
        for name in ("key", "key.pub", "vspc.deb"):
            (debian.root / name).unlink()
        left = set(debian.files()) - before - LEFT
        ours = {path for path in left if not path.startswith(SYSTEMS)}
        self.assertEqual(ours, set())
        units = {path for path in left if "vspc" in path and not path.startswith("/var/log")}
        self.assertEqual(units, set())
