"""The `vspc` command itself: what it prints, and to whom."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY
from tests.config.test_proofs import HASH
from vspc.apps.verbs.table import VERBS
from vspc.cli.main import CLOSED_PIPE, main
from vspc.cli.tap import Options, makeService
from vspc.config import file as config_file


class CliTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()

    def write(self, text: str) -> Path:
        path = self.directory / "vspc.toml"
        path.write_text(text)
        return path

    def run_main(self, *words: object) -> tuple[int, str, str]:
        """The exit status, standard output and standard error."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main([str(word) for word in words])
        return status, out.getvalue(), err.getvalue()


class Running(CliTest):
    def test_run_with_options_only_is_the_server_and_with_a_glob_the_verb(self) -> None:
        config = self.write(f'state_dir = "{self.directory}"')
        status, _, err = self.run_main("run", "web*", "--expect", "x", "--config", config)
        self.assertEqual((status, err.startswith("vspc: ")), (1, True), err)
        with redirect_stdout(io.StringIO()) as out:
            self.assertRaises(SystemExit, main, ["run", "--config", str(config), "--help"])
        self.assertIn("--verbose", out.getvalue())
        with redirect_stdout(io.StringIO()) as out:
            self.assertEqual(main(["run", "web*", "--help"]), 0)
        self.assertIn("usage: vspc run GLOB --expect REGEX", out.getvalue())


class Checking(CliTest):
    def check(self, text: str) -> str:
        status, out, err = self.run_main("check", "--config", self.write(text))
        self.assertEqual((status, err), (0, ""))
        return out

    def test_the_summary_has_the_alerts_without_what_may_be_secret(self) -> None:
        said = self.check(
            '[[alert]]\nname = "oncall"\nbuiltin = ["panic"]\nwebhook = "https://example.com/T0KEN"\n'
        )
        expected = "panic of consoles *, once in 5m: webhook https://example.com/..."
        self.assertIn(f"alert oncall: {expected}\n", said)
        self.assertNotIn("T0KEN", said)

    def test_the_summary_says_who_is_asked_and_what_is_recorded_where(self) -> None:
        said = self.check("")
        for line in (
            "certificates: not accepted",
            "revoked keys and certificates: no file",
            "auth_command: none",
            "authorized_keys_command: none",
            "copies of the audit: none",
        ):
            self.assertIn(f"{line}\n", said)
        self.assertIn('work continues (on_failure = "continue")', said)

    def test_the_summary_of_what_is_set(self) -> None:
        program = self.directory / "program"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        (self.directory / "revoked").write_text("#\n")
        said = self.check(
            f"[ssh]\nauth_command = ['{program}', 'secret']\n"
            f"authorized_keys_command = ['{program}']\n[ssh.certificates]\n"
            f"authorities = ['{KEY}']\nrevoked = 'revoked'\nmax_validity = '8h'\n"
            "[[ssh.certificates.map]]\nprincipals = ['a']\n"
            "[audit]\non_failure = 'refuse'\nsyslog = 'unix:/dev/log'\njournald = true\n"
        )
        for line in (
            "certificates: 1 authority, 1 map, valid for 8h at most",
            f"revoked keys and certificates: {self.directory / 'revoked'}",
            f"auth_command: {program}",
            f"authorized_keys_command: {program}",
            "copies of the audit: syslog to unix:/dev/log and journald",
        ):
            self.assertIn(f"{line}\n", said)
        self.assertIn('no pen can be taken (on_failure = "refuse")', said)

    def test_warnings_about_files_are_printed(self) -> None:
        said = self.check(
            f"[operators.ci]\nauthorized_keys = ['restrict,command=\"rm x\" {KEY}']\n"
            f"password_hash = '{HASH}'\n"
        ).splitlines()
        warnings = [line for line in said if line.startswith("warning: ")]
        self.assertTrue(any("unknown verb 'rm'" in line for line in warnings), said)
        self.assertTrue(any("a password lets in without them" in line for line in warnings))


class Helping(CliTest):
    def test_verbs_stand_under_one_heading(self) -> None:
        out = io.StringIO()
        with redirect_stdout(out), self.assertRaises(SystemExit):
            main(["--help"])
        first, heading, verbs = out.getvalue().partition("operators' verbs, through the running")
        self.assertTrue(heading)
        self.assertNotIn("through the running", verbs)
        self.assertIn("\n    check ", first)
        for word in VERBS:
            self.assertIn(f"\n  {word} ", verbs)
            if word != "run":  # a command, too
                self.assertNotIn(f"\n    {word} ", first)


class Unread(CliTest):
    """Nobody reads what is printed, or not to its end."""

    def status(self, *words: object, stderr: int | None = None) -> tuple[int, bytes]:
        """The exit status, and what is said on standard error, with an output that is closed."""
        read, write = os.pipe()
        os.close(read)
        command = [sys.executable, "-m", "vspc", *map(str, words)]
        try:
            done = subprocess.run(
                command,
                stdout=write,
                stderr=write if stderr else subprocess.PIPE,
                timeout=60,
                check=False,
            )
        finally:
            os.close(write)
        return done.returncode, done.stderr or b""

    def test_what_is_printed(self) -> None:
        path = self.write("")
        self.assertEqual(self.status("check", "--config", path), (CLOSED_PIPE, b""))

    def test_a_disk_that_is_full(self) -> None:
        with Path("/dev/full").open("wb") as full:
            command = [sys.executable, "-m", "vspc", "man", "1"]
            done = subprocess.run(
                command, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
            )
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, b"vspc: the output: No space left on device\n")

    def test_help(self) -> None:
        status, said = self.status("--help")
        self.assertIn(status, (0, CLOSED_PIPE))  # argparse hides it for a long text
        self.assertEqual(said, b"")

    def test_mistakes(self) -> None:
        path = self.write("[vm]\ntelnet = 1\n")
        self.assertEqual(self.status("check", "--config", path, stderr=1), (CLOSED_PIPE, b""))


class HashingPasswords(CliTest):
    def test_a_question_that_is_not_answered(self) -> None:
        for stop in (KeyboardInterrupt, EOFError):
            asked = patch("getpass.getpass", side_effect=stop)
            with patch("sys.stdin.isatty", return_value=True, create=True), asked:
                status, out, err = self.run_main("hash-password")
            self.assertEqual((status, out), (1, ""))
            self.assertIn("no password was read", err)


class Defaults(CliTest):
    """Which configuration is meant where no `--config` is given."""

    def test_the_option_then_the_variable_then_the_default(self) -> None:
        one = self.write("")
        other = self.directory / "other.toml"
        other.write_text("")
        third = self.directory / "third.toml"
        third.write_text("")
        self.patch(config_file, "DEFAULT_FILE", third)
        self.patch(config_file, "DEFAULT_STATE", self.directory / "lib")
        for words, variable, path, state in (
            (["--config", one], str(other), one, "state"),
            ([], str(other), other, "state"),
            ([], "", third, "lib"),
            (["--config", third], str(other), third, "lib"),
        ):
            with patch.dict(os.environ, {config_file.VARIABLE: variable}):
                status, out, _ = self.run_main("check", *words)
            self.assertEqual(status, 0)
            said = out.splitlines()[:2]
            self.assertEqual(
                said, [f"configuration {path}", f"state_dir {self.directory / state}"], words
            )

    def test_every_command_and_verb_takes_it_from_there(self) -> None:
        path = self.write('state_dir = "here"\n[ssh]\nlisten = []\n[vm]\ntelnets = []\n')
        with patch.dict(os.environ, {config_file.VARIABLE: str(path)}):
            for words, wanted, where in (
                (["proxy-uri", "--host", "h"], 0, "telnet://h:13370"),
                (["fingerprints"], 0, "SHA256:"),
                (["access", "--offline"], 0, ""),
                (["verify"], 0, "0 segments"),
                (["list"], 1, f"no server answers at {self.directory / 'here' / 'control'}"),
                (["send", "web1", "--", "--config"], 1, "no server answers at"),
            ):
                status, out, err = self.run_main(*words)
                self.assertEqual(status, wanted, (words, out, err))
                self.assertIn(where, out + err)

    def test_what_is_missing_is_named_with_how_to_name_another(self) -> None:
        self.patch(config_file, "DEFAULT_FILE", self.directory / "none.toml")
        with patch.dict(os.environ, {config_file.VARIABLE: ""}):
            for word in ("check", "run", "list"):
                status, out, err = self.run_main(word)
                self.assertEqual((status, out), (1, ""))
                self.assertIn(f"{self.directory / 'none.toml'}: No such file or directory", err)
                self.assertIn("--config FILE or $VSPC_CONFIG names another one", err)

    def test_twistd_takes_the_same(self) -> None:
        options = Options()
        options.parseOptions([])
        path = self.write("state_dir = 7\n")
        err = io.StringIO()
        with patch.dict(os.environ, {config_file.VARIABLE: str(path)}), redirect_stderr(err):
            self.assertRaises(SystemExit, makeService, options)
        self.assertIn(f"{path} line 1: state_dir: ", err.getvalue())

    def test_the_contract_names_them(self) -> None:
        self.assertEqual(str(config_file.DEFAULT_FILE), "/etc/vspc/vspc.toml")
        self.assertEqual(
            str(config_file.default_state(Path("/etc/vspc/vspc.toml"))), "/var/lib/vspc"
        )
        self.assertEqual(str(config_file.default_state(Path("/etc/vspc/other.toml"))), "state")


class Verbs(CliTest):
    def test_help_needs_neither_a_configuration_nor_a_server(self) -> None:
        nowhere = {config_file.VARIABLE: str(self.directory / "none.toml")}
        with patch.dict(os.environ, nowhere):
            status, out, err = self.run_main("help")
            self.assertEqual((status, err), (0, ""))
            self.assertIn("operators' verbs", out)
            for word in ("list", "send"):
                self.assertEqual(self.run_main("help", word), self.run_main(word, "--help"))
            for word in ("check", "access"):
                printed = io.StringIO()
                with redirect_stdout(printed), self.assertRaises(SystemExit) as caught:
                    main(["help", word])
                self.assertEqual(caught.exception.code, 0)
                self.assertIn(f"usage: vspc {word} ", printed.getvalue())
            for words in (["help", "lits"], ["lits"], ["lits", "--json"]):
                status, out, err = self.run_main(*words)
                self.assertEqual((status, out), (2, ""))
                self.assertEqual(err, "vspc: unknown command 'lits'; did you mean list?\n")

    def test_help_of_a_verb_needs_no_server(self) -> None:
        for word, verb in VERBS.items():
            # `vspc run` alone is the server.
            words = ["run", "web*"] if word == "run" else [word]
            status, out, err = self.run_main(*words, "--help")
            self.assertEqual((status, err), (0, ""))
            for form in verb.grammar.usage.split(" | "):
                self.assertIn(f"usage: vspc {form} ", " ".join(out.split()) + " ")
            self.assertLessEqual(max(map(len, out.splitlines())), 80, word)
