"""`vspc backup` and `vspc restore`: what is in a backup, and what is refused."""

import errno
import io
import os
import stat
import tarfile
import tempfile
from pathlib import Path
from unittest import SkipTest
from unittest.mock import patch

import zstandard
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.cli.test_cli import CliTest
from vspc.cli.backup.archive import (
    HEAD,
    HEAD_LIMIT,
    PATH_LIMIT,
    ArchiveError,
    BackupHead,
    is_safe,
    manifest_end,
    manifest_line,
    member,
)
from vspc.cli.backup.restoring import STAGING, extract
from vspc.common.files import Disk
from vspc.common.state_dir import claim
from vspc.log.failure_mark import RESTORED, FailureMark

OWNER = 12345
"""A user that nobody is."""

GOOD = BackupHead("2026-01-01T00:00:00.000Z", "1", False).encoded()


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An archive as somebody else may make it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for found, data in members:
            found.size = len(data)
            archive.addfile(found, io.BytesIO(data))
    return zstandard.ZstdCompressor(write_checksum=True).compress(out.getvalue())


def headed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    return packed((member(HEAD, 0), GOOD), *members)


class BackupTestCase(CliTest):
    def setUp(self) -> None:
        super().setUp()
        self.config = self.write('[vm]\nallow = ["10.0.0.0/8"]\n')
        self.state = self.directory / "state"
        self.backup = self.directory / "backup"
        (self.state / "log" / "journal").mkdir(parents=True)
        (self.state / "locks.json").write_bytes(b"locks")
        (self.state / "audit.jsonl").write_bytes(b"one\ntwo\nthr")
        (self.state / "log" / "journal" / "1.journal").write_bytes(b"said")

    def back_up(self, *words: object) -> tuple[int, str, str]:
        return self.run_main("backup", self.backup, "--config", self.config, *words)

    def restore(self, *words: object) -> tuple[int, str, str]:
        return self.run_main("restore", self.backup, "--config", self.config, *words)

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.state.rglob("*") if path.is_file())
        return {str(path.relative_to(self.state)): path.read_bytes() for path in found}

    def assert_refused(self, why: str) -> None:
        """Nothing was touched, and nothing is left over."""
        before = self.files()
        status, out, err = self.restore("--force")
        self.assertEqual((status, out), (1, ""))
        self.assertIn(why, err)
        self.assertEqual({**self.files(), "lock": b""}, {**before, "lock": b""})
        self.assertEqual([p for p in self.directory.iterdir() if p.name.startswith(STAGING)], [])


class Backups(BackupTestCase):
    def test_what_is_kept_comes_back_with_our_modes_and_the_audit_file_up_to_a_line(self) -> None:
        status, out, _ = self.back_up()
        self.assertEqual(status, 0, out)
        self.assertIn("2 files, 13B, without logs", out)
        self.assertEqual(stat.S_IMODE(self.backup.stat().st_mode), 0o600)
        self.state.rename(self.directory / "old")
        status, out, _ = self.restore()
        self.assertEqual(status, 0)
        self.assertIn("audit.jsonl, locks.json", out)
        self.assertEqual(self.files(), {"locks.json": b"locks", "audit.jsonl": b"one\ntwo\n"})
        self.assertEqual(stat.S_IMODE(self.state.stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE((self.state / "locks.json").stat().st_mode), 0o600)

    def test_logs_are_in_it_if_asked_for(self) -> None:
        self.assertEqual(self.back_up("--logs")[0], 0)
        self.state.rename(self.directory / "old")
        self.assertEqual(self.restore()[0], 0)
        self.assertEqual(self.files()["log/journal/1.journal"], b"said")

    def test_sockets_links_drafts_and_the_lock_are_not_in_it(self) -> None:
        (self.state / "link").symlink_to("/etc/passwd")
        (self.state / "locks.json.1.new").write_bytes(b"half")
        (self.state / "lock").write_bytes(b"1")
        os.mkfifo(self.state / "fifo")
        self.assertIn("2 files", self.back_up()[1])

    def test_a_file_that_exists_is_not_replaced(self) -> None:
        self.backup.write_bytes(b"mine")
        status, out, err = self.back_up()
        self.assertEqual((status, out), (1, ""))
        self.assertIn("is not replaced", err)
        self.assertEqual(self.backup.read_bytes(), b"mine")

    def test_a_file_in_state_dir_is_refused(self) -> None:
        status, _, err = self.run_main("backup", self.state / "x", "--config", self.config)
        self.assertEqual(status, 1)
        self.assertIn("is in state_dir", err)

    def test_a_file_that_gets_another_name_meanwhile_is_in_it(self) -> None:
        first, second = self.state / "log" / "a", self.state / "log" / "b"
        first.write_bytes(b"rows")

        class Moves(Disk):
            def regular(self, path: Path, flags: int) -> int:
                if path == first and first.exists():
                    first.rename(second)
                return super().regular(path, flags)

        with patch("vspc.cli.backup.contents.Disk", Moves):
            self.assertEqual(self.back_up("--logs")[0], 0)
        self.state.rename(self.directory / "old")
        self.assertEqual(self.restore()[0], 0)
        self.assertEqual(self.files()["log/b"], b"rows")

    def test_no_state_dir_leaves_no_file(self) -> None:
        self.state.rename(self.directory / "old")
        status, _, err = self.back_up()
        self.assertEqual(status, 1)
        self.assertIn(str(self.state), err)
        self.assertFalse(self.backup.exists())


class Restores(BackupTestCase):
    def test_a_running_server_is_refused(self) -> None:
        self.back_up()
        with claim(self.state):
            self.assert_refused("in use by the server")

    def test_what_is_there_is_moved_aside_only_if_asked_for(self) -> None:
        self.back_up()
        (self.state / "locks.json").write_bytes(b"newer")
        status, _, err = self.restore()
        self.assertEqual(status, 1)
        self.assertIn("--force", err)
        self.assertEqual((self.state / "locks.json").read_bytes(), b"newer")
        status, out, _ = self.restore("--force")
        self.assertEqual(status, 0)
        self.assertEqual((self.state / "locks.json").read_bytes(), b"locks")
        (aside,) = self.directory.glob("state.before-*")
        self.assertEqual((aside / "locks.json").read_bytes(), b"newer")
        self.assertIn(str(aside), out)

    def test_a_backup_that_is_cut_off_anywhere_or_changed_touches_nothing(self) -> None:
        self.back_up()
        whole = self.backup.read_bytes()
        for size in (0, 3, len(whole) // 2, len(whole) - 40):
            self.backup.write_bytes(whole[:size])
            self.assert_refused("vspc restore: ")
        changed = bytearray(whole)
        changed[len(whole) // 2] ^= 1
        self.backup.write_bytes(changed)
        self.assert_refused("vspc restore: ")

    def test_behind_the_manifest_is_only_what_checks_the_whole_once_more(self) -> None:
        self.back_up()
        self.backup.write_bytes(self.backup.read_bytes()[:-1])
        self.assertEqual(self.restore("--force")[0], 0)
        self.assertEqual(self.files(), {"locks.json": b"locks", "audit.jsonl": b"one\ntwo\n"})

    def test_with_a_log_the_first_start_is_told_that_it_is_that_of_a_backup(self) -> None:
        self.back_up("--logs")
        self.assertEqual(self.restore("--force")[0], 0)
        self.assertTrue(FailureMark(self.state / "log", RESTORED).is_set)

    def test_root_gives_all_to_the_owner_of_what_was_there(self) -> None:
        if os.geteuid() != 0:
            raise SkipTest("only root gives files away")
        self.back_up("--logs")
        for path in (self.state, *self.state.rglob("*")):
            os.chown(path, OWNER, OWNER)
        self.assertEqual(self.restore("--force")[0], 0)
        for path in (self.state, *self.state.rglob("*")):
            self.assertEqual((path.stat().st_uid, path.stat().st_gid), (OWNER, OWNER), path)

    def test_after_an_error_all_is_where_it_was(self) -> None:
        self.back_up()
        before = self.files()
        rename, renamed = Path.rename, []

        def fails(path: Path, target: Path) -> Path:
            renamed.append(path)
            if len(renamed) == 2:
                raise OSError(errno.EIO, "Input/output error", str(path))
            return rename(path, target)

        self.patch(Path, "rename", fails)
        self.assertEqual(self.restore("--force")[0], 1)
        self.assertEqual({**self.files(), "lock": b""}, {**before, "lock": b""})

    def test_a_file_that_is_no_backup(self) -> None:
        self.backup.write_bytes(b"PK" * 1000)
        self.assert_refused("not a backup of vspc")

    def test_a_newer_format(self) -> None:
        self.backup.write_bytes(packed((member(HEAD, 0), GOOD.replace(b": 1,", b": 2,", 1))))
        self.assert_refused("made by a newer vspc")

    def test_a_first_member_that_is_too_long(self) -> None:
        self.backup.write_bytes(packed((member(HEAD, 0), GOOD + b" " * HEAD_LIMIT)))
        self.assert_refused("its first member is not")

    def test_too_many_files(self) -> None:
        self.back_up()
        with patch("vspc.cli.backup.restoring.MEMBERS", 1):
            self.assert_refused("more than 1 files")

    def test_paths_that_lead_elsewhere_are_refused(self) -> None:
        for name in ("state/../x", "/etc/x", "state//etc/x", "x", "state/a/../../b", "state/."):
            self.backup.write_bytes(headed((member(name, 0), b"data")))
            self.assert_refused("is not a file of a state_dir")
        self.assertFalse((self.directory / "x").exists())

    def test_links_and_devices_are_refused(self) -> None:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            found = member("state/tls.key", 0)
            found.type, found.linkname = kind, "/etc/shadow"
            self.backup.write_bytes(headed((found, b"")))
            self.assert_refused("is not a file of a state_dir")

    def test_what_its_manifest_does_not_have_is_refused(self) -> None:
        line = manifest_line("locks.json", 4, "0" * 64) + manifest_end(1)
        file = (member("state/locks.json", 0), b"data")
        self.backup.write_bytes(headed(file, (member("manifest", 0), line)))
        self.assert_refused("is not in its manifest")
        self.backup.write_bytes(headed(file, file))
        self.assert_refused("is in it twice")


class Hostile(SynchronousTestCase):
    @given(st.binary(max_size=2000), st.booleans())
    def test_any_bytes_are_a_damaged_backup(self, data: bytes, compress: bool) -> None:
        if compress:
            data = zstandard.ZstdCompressor().compress(data)
        with tempfile.TemporaryDirectory() as made:
            self.assertRaises(ArchiveError, extract, io.BytesIO(data), Path(made))

    @given(st.text(alphabet="ab./\\\0-\n", max_size=20))
    def test_a_safe_path_stays_below(self, path: str) -> None:
        if is_safe(path):
            self.assertEqual(os.path.normpath(f"/root/{path}"), f"/root/{path}")
            self.assertNotIn("..", path.split("/"))

    def test_long_paths_are_refused(self) -> None:
        self.assertTrue(is_safe("a/" * (PATH_LIMIT // 2 - 1) + "b"))
        self.assertFalse(is_safe("a/" * (PATH_LIMIT // 2) + "b"))
