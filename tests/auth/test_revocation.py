"""The file of what is revoked: what may stand in a text, and what happens when it changes."""

import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.auth.minting import Mint, Plain, Token, Workshop, line_of
from tests.auth.scripts import events_of
from tests.fakes import FakeClock, FakeThreads
from vspc.auth.revocation import AT_ONCE, FILE_LIMIT, FRESH, PATIENCE, RevocationFile, read_revoked
from vspc.auth.revoked import Revoked
from vspc.config.credentials import fingerprint
from vspc.wire.ssh import string

CA, KEY, OTHER = Plain().blob, Token().blob, string(b"ssh-dss") + string(b"old")


def read(text: str) -> Revoked:
    """What a text revokes."""
    return read_revoked(text.encode("utf-8", "surrogateescape"))


class Text(SynchronousTestCase):
    """What a text revokes."""

    def wrong(self, text: str) -> str:
        error = str(self.assertRaises(ValueError, read, text))
        self.assertTrue(error.isprintable())
        return error

    def test_keys_as_sshd_takes_them(self) -> None:
        found = read(f"\ufeff# thieves\r\n\n{line_of(KEY)}\r\n  {line_of(OTHER)}\n")
        self.assertEqual(found.reason(KEY), f"the key {fingerprint(KEY)} is revoked")
        self.assertTrue(found.reason(OTHER))
        self.assertEqual(found.reason(CA), "")

    def test_an_authority(self) -> None:
        found = read(line_of(CA))
        self.assertIn("its authority", found.reason(KEY, CA, 7, "x"))
        self.assertEqual(found.reason(KEY, OTHER, 7, "x"), "")

    def test_keys_and_fingerprints_as_ssh_keygen_takes_them(self) -> None:
        print_ = fingerprint(KEY)
        for text in (
            f"key: {line_of(KEY)}",
            f"KEY:{line_of(KEY)}",
            f"sha1: {line_of(KEY)}",
            f"sha256:{line_of(KEY)} # lost",
            f"hash: {print_}",
            f"hash: {print_}= # lost",
            f"sha256: {print_}",
        ):
            self.assertTrue(read(text).reason(KEY), text)
            self.assertEqual(read(text).reason(CA), "", text)

    def test_serial_numbers(self) -> None:
        found = read("serial: 5\nserial:0x10 # ten\nserial: 100-200\nserial: 300-0x130\n")
        asked = (4, 5, 6, 16, 99, 100, 200, 201, 300, 304, 305)
        hits = [serial for serial in asked if found.reason(KEY, CA, serial)]
        self.assertEqual(hits, [5, 16, 100, 200, 300, 304])
        self.assertEqual(found.reason(KEY), "")

    def test_key_ids(self) -> None:
        found = read(
            "id: alice@laptop\nid:bob # left in May\nid: a#b\nid: M\u00fcller\nid: 'carl' # gone\n"
        )
        for key_id in ("alice@laptop", "bob", "a", "a#b", "M\u00fcller", "'carl'", "carl"):
            self.assertEqual(found.reason(KEY, CA, 1, key_id), "its key ID is revoked", key_id)
        for key_id in ("alice", "", "bob # left in May"):
            self.assertEqual(found.reason(KEY, CA, 1, key_id), "")

    def test_a_certificate_stands_for_its_key(self) -> None:
        found = read(line_of(Mint(key=KEY).blob))
        self.assertTrue(found.reason(KEY))
        self.assertEqual(found.reason(CA), "")

    def test_mistakes_are_named_by_their_line_and_not_shown(self) -> None:
        for text in (
            "serial: 0",
            "serial: 5-4",
            "serial: 18446744073709551616",
            "serial: 010",
            "serial: -5",
            "serial: secret",
            "serial: ",
            "id:",
            "id: # secret",
            "hash: secret",
            "hash: SHA256:secret",
            "hash: MD5:aa:bb",
            "sha256: SHA256:secret",
            "key: secret",
            "key:",
            "secret: 7",
            "secret",
            "ssh-ed25519",
            "ssh-ed25519 secret",
            f"ssh-rsa {line_of(CA).split()[1]} secret",
            f'from="secret" {line_of(CA)}',
            "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29t",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "\x1b[2Jsecret",
            "sh\udcff secret",
            "id: x\udcff",
            "id: secret\u200b",
            f"{line_of(CA)}\u2028{line_of(KEY)}",
        ):
            why = self.wrong(f"# a list\nserial: 5\n{text}\n")
            self.assertTrue(why.startswith("line 3: "), why)
            self.assertNotIn("secret", why)

    def test_nothing_at_all(self) -> None:
        for text in ("", "\ufeff", " \r\n\n"):
            self.assertIn("it is empty", self.wrong(text))
        self.assertEqual(read("# nothing yet\n"), Revoked())

    def test_each_kind_of_line_end(self) -> None:
        for end in ("\n", "\r\n", "\r"):
            found = read(f"# thieves{end}{line_of(KEY)}{end}{line_of(OTHER)}{end}")
            self.assertTrue(found.reason(KEY) and found.reason(OTHER), repr(end))

    def test_text_of_another_encoding(self) -> None:
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
            data = f"# thieves\n{line_of(KEY)}\n".encode(encoding)
            error = self.assertRaises(ValueError, read_revoked, data)
            self.assertIn("not UTF-8", str(error), encoding)

    def test_longer_than_a_file_may_be(self) -> None:
        error = self.assertRaises(ValueError, read_revoked, b"#" * (FILE_LIMIT + 1))
        self.assertIn("longer than", str(error))

    @settings(deadline=None)
    @given(
        st.one_of(
            st.binary(max_size=60), st.text(max_size=60).map(lambda t: t.encode("utf-8", "replace"))
        )
    )
    def test_any_bytes(self, data: bytes) -> None:
        words = (b"", b"serial:", b"id:", b"hash:SHA256:", b"key:", b"ssh-ed25519 ")
        for each in words:
            try:
                read_revoked(each + data)
            except ValueError as error:
                self.assertTrue(str(error).isprintable())


class Changing(SynchronousTestCase):
    """A file that changes while the server runs."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.clock = Clock()
        self.threads = FakeThreads()
        self.file = RevocationFile(self.path, self.clock.seconds, self.threads)

    def write(self, text: str) -> None:
        """Put another file in its place, as a careful program does."""
        draft = self.path.with_suffix(".new")
        draft.write_text(text)
        draft.replace(self.path)

    def revoked(self) -> bool:
        found = self.file.current()
        assert isinstance(found, Revoked), found
        return bool(found.reason(KEY))

    def text(self) -> str:
        found = self.file.current()
        assert isinstance(found, str), found
        return found

    def test_before_it_was_read_nothing_is_known(self) -> None:
        self.write("# none\n")
        self.assertIn("has not been read yet", self.text())
        self.threads.run()
        self.assertFalse(self.revoked())

    def test_it_is_read_at_start(self) -> None:
        self.write(line_of(KEY))
        self.assertEqual(self.file.load(), self.file.current())
        self.assertTrue(self.revoked())
        self.assertEqual(self.threads.waiting, [])

    def test_a_key_is_added(self) -> None:
        self.write("# none\n")
        self.file.load()
        self.write(line_of(KEY))
        self.assertFalse(self.revoked(), "looked at less than a second ago")
        self.clock.advance(1)
        self.assertFalse(self.revoked(), "read in a thread now")
        self.clock.advance(1)
        self.assertFalse(self.revoked())
        self.assertEqual(len(self.threads.waiting), 1, "and by one only")
        self.threads.run()
        self.assertTrue(self.revoked())
        self.clock.advance(1)
        self.assertTrue(self.revoked())
        self.threads.run()
        self.assertTrue(self.revoked(), "it is as it was")

    def login(self) -> Deferred[None]:
        """What a login waits for."""
        return Deferred.fromCoroutine(self.file.refreshed(FakeClock(self.clock)))

    def test_what_it_revokes_counts_for_the_very_next_login(self) -> None:
        self.write("# none\n")
        self.file.load()
        self.write(line_of(KEY))
        self.clock.advance(3600)
        two = [self.login() for _ in range(2)]
        for login in two:
            self.assertNoResult(login)
        self.threads.go()
        for login in two:
            self.successResultOf(login)
        self.assertTrue(self.revoked())
        self.successResultOf(self.login())
        self.assertEqual(self.threads.waiting, [], "looked at less than a second ago")

    def test_a_disk_that_does_not_answer_keeps_no_login_waiting_for_long(self) -> None:
        self.write("# none\n")
        self.file.load()
        self.clock.advance(1)
        login = self.login()
        self.clock.advance(FRESH - 0.1)
        self.assertNoResult(login)
        self.clock.advance(0.1)
        self.successResultOf(login)
        self.successResultOf(self.login())
        self.assertFalse(self.revoked())
        self.threads.run()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_without_a_file_no_login_waits(self) -> None:
        self.file = RevocationFile(None, self.clock.seconds, self.threads)
        self.successResultOf(self.login())

    def test_a_reload_reads_a_small_file_at_once_and_a_large_one_in_a_thread(self) -> None:
        self.write(line_of(KEY))
        self.assertIsInstance(self.file.look(), Revoked)
        self.assertTrue(self.revoked())
        self.write("#" * (AT_ONCE + 1))
        self.file.look()
        self.assertEqual(len(self.threads.waiting), 1)
        self.path.unlink()
        self.assertIn("No such file", str(self.file.look()))

    def test_it_is_written_over_in_its_place(self) -> None:
        self.write("#" + "x" * len(line_of(KEY)))
        self.file.load()
        self.path.write_text(line_of(KEY) + "\n")
        os.utime(self.path, (1, 1))
        self.clock.advance(1)
        self.file.current()
        self.threads.run()
        self.assertTrue(self.revoked())

    def test_the_new_one_makes_no_sense(self) -> None:
        self.write("# none\n")
        self.file.load()
        self.write("nonsense\n")
        self.clock.advance(1)
        self.assertFalse(self.revoked())
        self.threads.run()
        self.assertIn("line 1: it is not a public key", self.text())
        self.assertIn(self.path.name, self.text())
        self.write(line_of(KEY))
        self.clock.advance(1)
        self.assertIn("line 1", self.text())
        self.threads.run()
        self.assertTrue(self.revoked())
        self.assertEqual(len(self.flushLoggedErrors()), 0)

    def test_it_goes_and_comes_back(self) -> None:
        self.write(line_of(KEY))
        self.file.load()
        away = self.path.with_suffix(".away")
        self.path.rename(away)
        self.assertTrue(self.revoked())
        self.clock.advance(1)
        self.file.current()
        self.threads.run()
        self.assertIn("No such file", self.text())
        away.rename(self.path)
        self.clock.advance(1)
        self.file.current()
        self.threads.run()
        self.assertTrue(self.revoked())

    def test_plain_keys_that_were_revoked_stay_revoked_while_it_is_damaged(self) -> None:
        self.assertIn("has not been read yet", str(self.file.known))
        self.write(line_of(KEY))
        self.file.load()
        self.write("nonsense\n")
        self.clock.advance(1)
        self.file.current()
        self.threads.run()
        self.text()
        known = self.file.known
        assert isinstance(known, Revoked)
        self.assertTrue(known.reason(KEY))

    def test_what_was_never_read_is_not_known_and_one_line_says_so(self) -> None:
        events = events_of(self)
        self.file.load()
        for _ in range(3):
            self.clock.advance(1)
            self.file.current()
            self.threads.run()
        self.assertIn("No such file", str(self.file.known))
        [event] = events
        self.assertIn("no public key and no certificate is accepted", event["effect"])
        self.write(line_of(KEY))
        self.clock.advance(1)
        self.file.current()
        self.threads.run()
        self.assertIsInstance(self.file.known, Revoked)

    def test_it_was_never_there(self) -> None:
        self.assertIn("No such file", str(self.file.load()))
        self.clock.advance(1)
        self.threads.run()
        self.assertIn("No such file", self.text())
        self.write("# none\n")
        self.clock.advance(1)
        self.text()
        self.threads.run()
        self.assertFalse(self.revoked())

    def test_it_is_no_file(self) -> None:
        self.path.mkdir()
        self.assertIn("directory", str(self.file.load()))

    def test_it_is_a_pipe_without_a_writer(self) -> None:
        os.mkfifo(self.path)
        self.assertIn("it is not a file", str(self.file.load()))

    def test_it_changes_while_it_is_read(self) -> None:
        self.write("# none\n")
        self.file.load()
        self.write("# none either\n")
        self.clock.advance(1)
        self.file.current()
        [(call, answer)] = self.threads.waiting
        self.threads.waiting = []
        result = call()
        self.write(line_of(KEY))
        answer.callback(result)
        self.assertFalse(self.revoked())
        self.clock.advance(1)
        self.file.current()
        self.threads.run()
        self.assertTrue(self.revoked())

    def test_the_disk_does_not_answer(self) -> None:
        self.write("# none\n")
        self.file.load()
        self.write(line_of(KEY))
        self.clock.advance(1)
        self.assertFalse(self.revoked())
        self.clock.advance(PATIENCE)
        self.assertFalse(self.revoked())
        self.clock.advance(1)
        self.assertIn("reading it takes longer", self.text())
        self.threads.run()
        self.assertTrue(self.revoked())

    def test_out_of_threads_nothing_is_accepted_and_the_next_look_tries_again(self) -> None:
        events = events_of(self)
        self.write("# none\n")
        self.file.load()
        self.write(line_of(KEY))
        self.threads.none_left = True
        for _ in range(3):
            self.clock.advance(1)
            self.assertIn("no thread could be started", self.text())
        self.threads.none_left = False
        self.clock.advance(1)
        self.assertIn("no thread could be started", self.text())
        self.threads.run()
        self.assertTrue(self.revoked())
        unknown = [each for each in events if each["log_format"] == "revocations-unknown"]
        self.assertEqual(len(unknown), 1)

    def test_a_list_of_ssh_keygen(self) -> None:
        shop = Workshop(self.mktemp())
        shop.bring("key", KEY)
        shop.revoke("# none\n")
        file = RevocationFile(shop.path / "list", self.clock.seconds, self.threads)
        self.assertEqual(file.load(), Revoked())
        shop.revoke((shop.path / "key.pub").read_text(), "-u")
        self.clock.advance(1)
        file.current()
        self.threads.run()
        found = file.current()
        assert isinstance(found, Revoked)
        self.assertTrue(found.reason(KEY))
