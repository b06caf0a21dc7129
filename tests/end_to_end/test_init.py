"""`vspc init` on a terminal, and by root for another user."""

import os
import pwd
import stat
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.config.test_load import KEY
from tests.end_to_end.processes import ProcessTestCase, Size, script


class Asking(ProcessTestCase):
    def test_it_asks_for_what_is_missing_until_that_is_right(self) -> None:
        made = self.directory / "made"
        child = self.start(script("vspc"), "init", made, "--operator", "ann", terminal=Size(200))
        child.out.expect(rb"Management networks[^\n]*: ")
        child.type(b"10.0.0.7/24\n")
        child.out.expect(rb'did you mean "10.0.0.0/24"\?')
        child.out.expect(rb"Management networks[^\n]*: ")
        child.type(b"10.0.0.0/24\n")
        child.out.expect(rb"Public key[^\n]*: ")
        child.type(KEY.encode() + b"\n")
        child.out.expect(rb"operator ann, 1 key")
        self.assertEqual(child.wait(), 0)
        checked = self.complete(script("vspc"), "check", "--config", made / "vspc.toml")
        self.assertEqual(checked.status, 0, checked.err)

    def test_a_terminal_that_is_closed_leaves_nothing(self) -> None:
        made = self.directory / "made"
        child = self.start(script("vspc"), "init", made, terminal=Size())
        child.out.expect(rb": ")
        child.type(b"\x04")
        child.out.expect(rb"nothing was written")
        self.assertEqual(child.wait(), 1)
        self.assertFalse(made.exists())

    def test_files_that_root_makes_belong_to_the_user_of_the_server(self) -> None:
        if os.geteuid() != 0:
            return  # nobody else can give files away
        user = pwd.getpwnam("nobody")
        # Not below the directory of the tests, which is closed to others.
        place = Path(self.enterContext(TemporaryDirectory(prefix="vspc-", dir="/tmp")))
        place.chmod(0o755)
        made = place / "made"
        words = ("--network", "10.0.0.0/24", "--key", KEY, "--user", user.pw_name)
        done = self.complete(script("vspc"), "init", made, *words)
        self.assertEqual(done.status, 0, done.err)
        self.assertIn(b"user of the server: nobody\n", done.out)
        self.check(made / "vspc.toml", 0, user.pw_gid, 0o640)
        self.check(made, 0, user.pw_gid, 0o750)
        for name in ("", "tls.key", "tls.pem", "ssh_host_ed25519_key"):
            path = made / "state" / name
            self.check(path, user.pw_uid, user.pw_gid, 0o600 if name else 0o700)
        said = self.complete(script("vspc"), "check", "--config", made / "vspc.toml")
        self.assertIn(b"user of the server: nobody\n", said.out)

    def test_a_place_that_the_user_of_the_server_does_not_reach(self) -> None:
        if os.geteuid() != 0:
            return
        self.directory.chmod(0o700)
        made = self.directory / "made"
        words = ("--network", "10.0.0.0/24", "--key", KEY, "--user", "nobody")
        done = self.complete(script("vspc"), "init", made, *words)
        self.assertEqual(done.status, 1)
        self.assertIn(b"Permission denied for nobody, the user of the server", done.err)
        self.assertEqual(len(done.err.splitlines()), 1)
        self.assertFalse((made / "vspc.toml").exists())

    def check(self, path: Path, uid: int, gid: int, mode: int) -> None:
        found = path.stat()
        there = (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))
        self.assertEqual(there, (uid, gid, mode), path)
