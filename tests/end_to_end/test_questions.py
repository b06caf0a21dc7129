"""What an operator is asked when he logs in: passwords, codes, and what programs want to know."""

import json
import re
from pathlib import Path

import pyotp

from tests.auth.test_pam import require
from tests.end_to_end.access import (
    GONE,
    AccessTestCase,
    hashed,
    last_line,
    offers,
    operator,
    write,
)
from tests.end_to_end.askpass import Askpass
from tests.end_to_end.processes import Completed, script

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

PATIENT = ("BatchMode=no", "NumberOfPasswordPrompts=1", "LogLevel=DEBUG1")
PASSWORD = ("PreferredAuthentications=password", *PATIENT)
ASKED = ("PreferredAuthentications=keyboard-interactive", *PATIENT)
BOTH = ("PreferredAuthentications=publickey,keyboard-interactive", *PATIENT)


class AskedTestCase(AccessTestCase):
    """Operators who are asked."""

    def setUp(self) -> None:
        super().setUp()
        self.askpass = Askpass(self.directory)

    def say(
        self, user: str, *answers: str, options: tuple[str, ...] = PASSWORD, key: str = ""
    ) -> Completed:
        """Log in as somebody who gives these answers."""
        return self.login(
            user, key=key, options=options, environment=self.askpass.answering(*answers)
        )

    @property
    def asked(self) -> list[str]:
        """What the last one was asked, without his name."""
        return [without_name(text) for text in self.askpass.asked]


def without_name(text: str) -> str:
    """A question without what OpenSSH puts before it."""
    return re.sub(r"^\(?\S+@127\.0\.0\.1('s|\)) ", "", text)


class Passwords(AskedTestCase):
    def test_right_and_wrong_ones_in_both_ways_of_asking(self) -> None:
        self.configure(operator("alice", password_hash=hashed("correct horse")))
        self.serve()
        for options, via in ((PASSWORD, "password"), (ASKED, "password")):
            self.assert_in(self.say("alice", "correct horse", options=options))
            self.server.out.expect(rb"login-accepted operator=alice .* via=%s " % via.encode())
            self.assert_out(self.say("alice", "wrong horse", options=options), "wrong password")
        self.assert_no_defects()
        for text in (b"correct horse", b"wrong horse"):
            self.assertNotIn(text, self.server.out.data + self.server.err.data)

    def test_nobody_learns_who_there_is(self) -> None:
        self.key("carol")
        self.configure(
            operator("alice", password_hash=hashed("correct horse"))
            + operator("carol", authorized_keys=[self.public("carol")])
        )
        self.serve()
        for way, options in (("password", PASSWORD), ("asked", ASKED)):
            asking = {
                user: Askpass(self.directory, f"{way}-{user}")
                for user in ("alice", "carol", "mallory")
            }
            trying = {  # all at once: a wrong answer takes its time
                user: self.start(
                    *self.words(user, "list", options=options),
                    environment=askpass.answering("wrong"),
                )
                for user, askpass in asking.items()
            }
            seen = []
            for user, child in trying.items():
                done = Completed(child.wait(), child.out.data, child.err.data)
                self.assert_out(done)
                prompts = [without_name(text) for text in asking[user].asked]
                seen.append((offers(done), last_line(done).replace(user, "NAME"), prompts))
            self.assertEqual(seen, [seen[0]] * 3)

    def test_a_hash_in_a_file_is_read_at_reload(self) -> None:
        stored = write(self.directory / "alice.hash", hashed("first") + "\n")
        self.configure(operator("alice", password_hash_file="alice.hash"))
        self.serve()
        self.assert_in(self.say("alice", "first"))
        inside = self.enter("alice", options=PASSWORD, environment=self.askpass.answering("first"))
        write(stored, hashed("second") + "\n")
        self.assert_out(self.say("alice", "second"), "wrong password")
        self.reload()
        self.assert_ended(inside, GONE)
        self.assert_in(self.say("alice", "second"))
        self.assert_out(self.say("alice", "first"))

    def test_hash_password_makes_what_is_taken(self) -> None:
        made = self.complete(script("vspc"), "hash-password", typed=b"battery staple\n")
        self.assertEqual(made.status, 0, made)
        self.configure(operator("alice", password_hash=made.out.decode().strip()))
        self.serve()
        self.assert_in(self.say("alice", "battery staple"))


class Codes(AskedTestCase):
    """A code after a key, after a password, and never twice."""

    def setUp(self) -> None:
        super().setUp()
        write(self.directory / "totp", SECRET + "\n")

    @property
    def code(self) -> str:
        """A code that will do, unless it was used."""
        return pyotp.TOTP(SECRET).now()

    def test_a_key_and_then_a_code(self) -> None:
        self.configure(
            operator(
                "alice",
                authorized_keys=[self.key("alice")],
                totp_secret_file="totp",
                require=["publickey", "totp"],
            )
        )
        self.serve()
        code = self.code
        done = self.say("alice", code, key="alice", options=BOTH)
        self.assert_in(done)
        self.assertIn(b"partial success", done.err)
        self.assertEqual(offers(done), ["publickey,keyboard-interactive", "keyboard-interactive"])
        self.assertEqual(self.asked, ["One-time code: "])
        self.server.out.expect(rb"login-accepted operator=alice .* via=publickey\+totp ")
        again = self.say("alice", code, key="alice", options=BOTH)
        self.assert_out(again, "wrong code, or one that was used")
        wrong = self.say("alice", "000000", key="alice", options=BOTH)
        self.assert_out(wrong, "wrong code, or one that was used")
        self.assert_no_defects()

    def test_codes_that_were_used_are_known_after_a_restart(self) -> None:
        self.configure(
            operator(
                "alice",
                password_hash=hashed("horse"),
                totp_secret_file="totp",
                require=["password", "totp"],
            )
        )
        self.serve()
        code = self.code
        options = ("PreferredAuthentications=password,keyboard-interactive", *PATIENT)
        self.assert_in(self.say("alice", "horse", code, options=options))
        self.server.out.expect(rb"login-accepted operator=alice .* via=password\+totp ")
        self.stop_server()
        self.serve()
        self.assert_out(self.say("alice", "horse", code, options=options), "one that was used")

    def test_the_order_in_which_proofs_are_required(self) -> None:
        alice = operator(
            "alice",
            authorized_keys=[self.key("alice")],
            password_hash=hashed("horse"),
            require=["password", "publickey"],
        )
        self.configure(alice)
        self.serve()
        usual = ("PreferredAuthentications=publickey,password", *PATIENT)
        done = self.say("alice", "horse", key="alice", options=usual)
        self.assert_in(done)
        self.assertEqual(offers(done)[-1], "publickey")
        self.assert_out(self.say("alice", "horse"))
        # Where others need no password, keys are offered first, and ssh does not try one twice.
        self.configure(alice + operator("bob", authorized_keys=[self.key("bob")]))
        self.reload()
        early = self.login("alice", key="alice", options=("PreferredAuthentications=publickey",))
        self.assert_out(early, "publickey is shown, and password is required")
        first = ("PreferredAuthentications=password,publickey", *PATIENT)
        self.assert_in(self.say("alice", "horse", key="alice", options=first))
        self.assert_in(self.login("bob", key="bob"))

    def test_both_answers_in_questions_as_a_client_has_them_by_itself(self) -> None:
        self.configure(
            operator(
                "alice",
                password_hash=hashed("horse"),
                totp_secret_file="totp",
                require=["password", "totp"],
            )
        )
        self.serve()
        options = ("BatchMode=no", "LogLevel=DEBUG1")
        self.assert_in(self.say("alice", "horse", self.code, options=options))
        self.assertEqual(self.asked, ["Password: ", "One-time code: "])


_TALKS = """\
#!/bin/sh
# Says ok to whoever knows the word of the day, and to nobody from 127.9.9.9.
read -r version; read -r operator name; read -r address from
[ "$from" = 127.9.9.9 ] && { echo "no not from there"; exit; }
echo "ask Word of the day for $name: "
read -r answer word
[ "$word" = swordfish ] && echo ok || echo no wrong word
"""

_KNOWS = """\
#!/bin/sh
# Prints the keys of an operator: a file of his name beside this program.
cat "$(dirname "$0")/$1.keys" 2>/dev/null
exit 0
"""


class Programs(AskedTestCase):
    """Programs of the administrator's."""

    def program(self, name: str, text: str) -> str:
        return str(write(self.directory / name, text, 0o700))

    def test_a_program_that_asks(self) -> None:
        command = json.dumps([self.program("talks", _TALKS)])
        self.configure(
            operator("alice")
            + operator("bob", require=["auth_command"])
            + operator(
                "carol",
                authorized_keys=[self.key("carol")],
                require=["publickey", "auth_command"],
            ),
            ssh=f"auth_command = {command}\n",
        )
        self.serve()
        for user in ("alice", "bob"):
            self.assert_in(self.say(user, "swordfish", options=ASKED))
            self.assertEqual(self.asked, [f"Word of the day for {user}: "])
            self.server.out.expect(rb"login-accepted .* via=auth_command ")
        wrong = self.say("bob", "haddock", options=ASKED)
        self.assert_out(wrong, "auth_command: refused: wrong word")
        both = self.say("carol", "swordfish", key="carol", options=BOTH)
        self.assert_in(both)
        self.assertIn(b"partial success", both.err)
        self.server.out.expect(rb"login-accepted .* via=publickey\+auth_command ")
        early = self.say("carol", "swordfish", options=ASKED)
        self.assert_out(early, "publickey is required")
        done = self.say("mallory", "swordfish", options=ASKED)
        self.assert_out(done, "unknown operator")
        elsewhere = self.login(
            "alice",
            address="127.9.9.9",
            options=ASKED,
            environment=self.askpass.answering("swordfish"),
        )
        self.assert_out(elsewhere, "not from there")
        self.assertEqual(self.asked, [])
        self.assert_no_defects()
        for word in (b"swordfish", b"haddock"):
            self.assertNotIn(word, self.server.out.data + self.server.err.data)

    def test_a_program_that_knows_keys(self) -> None:
        command = json.dumps([self.program("knows", _KNOWS), "%u"])
        alice = self.key("alice")
        write(self.directory / "alice.keys", f'command="help" {alice}\n')
        write(self.directory / "mallory.keys", alice + "\n")
        self.configure(
            operator("alice", authorized_keys=[self.key("own")]),
            ssh=f"authorized_keys_command = {command}\n",
        )
        self.serve()
        self.assertIn(b"Verbs", self.login("alice", key="alice").out)
        self.assertNotIn(b"Verbs", self.login("alice", key="own").out)
        self.assert_out(self.login("mallory", key="alice"), "unknown operator")
        write(self.directory / "alice.keys", f"no-such-option {alice}\n")
        self.assert_out(self.login("alice", key="alice"), "no-such-option")
        self.assert_no_defects()

    def test_the_example_for_pam(self) -> None:
        """With a module that lets everybody in whose account it allows, and one that does not."""
        require("pam_permit.so", "pam_deny.so")
        example = Path(__file__).parents[2] / "etc" / "auth-pam.py"
        program = self.program("auth-pam.py", example.read_text(encoding="utf-8"))
        service = self.directory / "pam"
        service.mkdir(mode=0o755)
        write(service / "yes", "auth required pam_permit.so\naccount required pam_permit.so\n")
        write(service / "no", "auth required pam_deny.so\naccount required pam_permit.so\n")
        for name in ("no", "yes"):
            command = json.dumps([program, "--confdir", str(service), name])
            self.configure(operator("alice"), ssh=f"auth_command = {command}\n")
            if name == "no":
                self.serve()
                self.assert_out(self.say("alice", options=ASKED), "auth_command")
            else:
                self.reload()
                self.assert_in(self.say("alice", options=ASKED))
        self.assert_no_defects()
