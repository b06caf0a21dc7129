"""Options in front of keys, as people have them in their authorized_keys files."""

import os
import time
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY, ConfigTest
from vspc.common.values import InvalidLines, InvalidValue
from vspc.config.credentials import authorized_key, keys_file
from vspc.config.keyoptions import KeyOptions, Sources, key_options, split_options

WORDS = [
    *("restrict", "pty", "no-pty", "command", "from", "expiry-time", "permitopen", "environment"),
    *("=", '"', "\\", '\\"', ",", "!", " ", "*", "10.0.0.0/8", "20301231Z", "web01:1", KEY),
    *("cert-authority", "no-touch-required", "verify-required", "tunnel", "ssh-ed25519"),
]


def options(text: str) -> KeyOptions:
    return authorized_key(f"{text} {KEY}").options


class Accepted(SynchronousTestCase):
    def test_a_key_without_options_may_be_used_for_everything(self) -> None:
        key = authorized_key(KEY)
        self.assertEqual(key.options, KeyOptions())
        self.assertEqual(key.comment, "alice@laptop")

    def test_flags_count_in_the_order_in_which_they_stand(self) -> None:
        for text, pty, forwarding in (
            ("restrict", False, False),
            ("restrict,pty", True, False),
            ("pty,restrict", False, False),
            ("restrict,port-forwarding", False, True),
            ("no-pty", False, True),
            ("no-port-forwarding,No-Agent-Forwarding,no-X11-forwarding,no-user-rc", True, False),
            ("agent-forwarding,X11-forwarding,user-rc", True, True),
        ):
            found = options(text)
            self.assertEqual((found.pty, found.forwarding), (pty, forwarding), text)
            self.assertEqual(found.ignored, ())

    def test_verify_required(self) -> None:
        self.assertTrue(options("verify-required").verify_required)

    def test_consoles_that_may_be_opened(self) -> None:
        found = options('restrict,port-forwarding,permitopen="web01:1",permitopen="lab/db:tty1:*"')
        self.assertEqual(found.opens, ("web01", "lab/db:tty1"))

    def test_a_command_with_quotes_in_it(self) -> None:
        for text, command in (
            ('command="list"', "list"),
            (r'command="expect \"test-1\" \"ok, done\"",no-pty', 'expect "test-1" "ok, done"'),
            (r'command="send web01 a\\b \n"', r"send web01 a\\b \n"),
            ("command=\"send web01 'a b'\"", "send web01 'a b'"),
        ):
            self.assertEqual(options(text).command, command)

    def test_options_without_effect_are_kept_for_a_notice(self) -> None:
        found = options('environment="A=B",tunnel="0",permitlisten="8080",environment="C=D"')
        self.assertEqual(found.ignored, ("tunnel", "permitlisten", "environment"))

    def test_spaces_between_options_and_key(self) -> None:
        self.assertFalse(authorized_key(f"  no-pty \t {KEY} ").options.pty)


class From(SynchronousTestCase):
    def sources(self, text: str) -> Sources:
        found = options(f'from="{text}"').sources
        assert found is not None
        return found

    def test_networks_addresses_and_patterns(self) -> None:
        found = self.sources("10.0.0.0/8, 192.0.2.7,2001:db8::/32,172.16.?.*,FE80::1*")
        for address in ("10.9.8.7", "192.0.2.7", "2001:db8::1", "172.16.1.200", "fe80::12"):
            self.assertTrue(found.has(address), address)
        for address in ("11.0.0.1", "192.0.2.8", "2001:db9::1", "172.16.10.200", "local", ""):
            self.assertFalse(found.has(address), address)

    def test_a_negation_wins_wherever_it_stands(self) -> None:
        for text in ("10.0.0.0/8,!10.1.0.0/16", "!10.1.*,10.0.0.0/8"):
            found = self.sources(text)
            self.assertTrue(found.has("10.2.0.1"))
            self.assertFalse(found.has("10.1.0.1"))

    def test_negations_alone_allow_no_address(self) -> None:
        self.assertFalse(self.sources("!10.0.0.0/8").has("192.0.2.1"))

    def test_an_address_that_comes_mapped_into_ipv6(self) -> None:
        self.assertTrue(self.sources("10.0.0.0/8").has("::ffff:10.1.1.1"))
        self.assertFalse(self.sources("::/0").has("::ffff:10.1.1.1"))


class Expiry(SynchronousTestCase):
    def local_time(self, name: str) -> None:
        before = os.environ.get("TZ")

        def restore() -> None:
            if before is None:
                del os.environ["TZ"]
            else:
                os.environ["TZ"] = before
            time.tzset()

        self.addCleanup(restore)
        os.environ["TZ"] = name
        time.tzset()

    def expires(self, text: str) -> float | None:
        return options(f'expiry-time="{text}"').expires

    def test_with_a_z_it_is_utc(self) -> None:
        self.local_time("CET-1")
        self.assertEqual(self.expires("20300101Z"), 1893456000)
        self.assertEqual(self.expires("203001010130Z"), 1893461400)
        self.assertEqual(self.expires("20300101013007Z"), 1893461407)

    def test_without_it_it_is_local_time(self) -> None:
        self.local_time("CET-1")
        self.assertEqual(self.expires("20300101"), 1893456000 - 3600)

    def test_the_earlier_of_two_counts(self) -> None:
        found = options('expiry-time="20310101Z",expiry-time="20300101Z"')
        self.assertEqual(found.expires, 1893456000)


class Refused(SynchronousTestCase):
    def wrong(self, text: str) -> str:
        with self.assertRaises(InvalidValue) as caught:
            options(text)
        return f"{caught.exception.problem}; {caught.exception.allowed}"

    def test_what_is_not_known_is_named(self) -> None:
        for text, name in (
            ("hurry", "hurry"),
            ("restrict,no-pyt", "no-pyt"),
            ('restrict,shell="/bin/sh"', "shell"),
            ("permit-open", "permit-open"),
        ):
            self.assertIn(f"unknown option {name}", self.wrong(text))

    def test_options_with_a_key_elsewhere_name_it(self) -> None:
        self.assertIn("[ssh.certificates]", self.wrong("cert-authority"))
        self.assertIn("map", self.wrong('principals="alice"'))
        self.assertIn("touched", self.wrong("no-touch-required"))

    def test_missing_and_superfluous_values(self) -> None:
        for text in ("command", "from", "environment", "permitopen=", "expiry-time=20300101"):
            self.assertIn("needs a value", self.wrong(text))
        for text in ('restrict="yes"', 'no-pty=""'):
            self.assertIn("takes no value", self.wrong(text))

    def test_values_that_make_no_sense(self) -> None:
        for text, word in (
            ('from="host.example.com"', "is not an address"),
            ('from=""', "is not an address"),
            ('from="10.0.0.0/8,,10.1.1.1"', "is not an address"),
            ('from="10.0.0.0/8",from="10.0.0.0/8"', "duplicate option"),
            ('expiry-time="tomorrow"', "is not a time"),
            ('expiry-time="20301332"', "is not a time"),
            ('expiry-time="203012310"', "is not a time"),
            ('permitopen="web01"', "does not name a console"),
            ('permitopen=":1"', "does not name a console"),
            ('permitopen="web01:ssh"', "does not name a console"),
            ('command=" "', "is empty"),
            ('command="a",command="b"', "duplicate option"),
        ):
            self.assertIn(word, self.wrong(text), text)

    def test_misplaced_commas_and_quotes(self) -> None:
        self.assertIn("no comma after option command", self.wrong('command="a"x'))
        self.assertIn("invalid option", self.wrong("restrict,"))
        self.assertIn("invalid option", self.wrong(",restrict"))
        self.assertIn("quote may be missing", self.wrong('command="list'))
        self.assertIn("quote may be missing", self.wrong('command="list\\"'))

    def test_a_certificate_in_place_of_a_key(self) -> None:
        for kind in ("ssh-ed25519", "sk-ecdsa-sha2-nistp256", "ssh-rsa"):
            with self.assertRaises(InvalidValue) as caught:
                authorized_key(f"{kind}-cert-v01@openssh.com AAAA me")
            self.assertIn("certificate", caught.exception.problem)

    def test_nothing_of_a_value_that_may_be_secret_is_repeated(self) -> None:
        for text in ('secret="hunter2"', 'command="send db hunter2"x', 'command="hunter2'):
            self.assertNotIn("hunter2", self.wrong(text))

    @settings(deadline=None, max_examples=300)
    @given(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=5)), max_size=12))
    def test_any_text_is_read_or_refused(self, words: list[str]) -> None:
        text = "".join(words)
        for read in (key_options, split_options, authorized_key):
            try:
                read(text)
            except InvalidValue as wrong:
                self.assertTrue(wrong.problem)
                self.assertTrue(wrong.allowed)

    @settings(deadline=None)
    @given(st.text(st.characters(min_codepoint=32, max_codepoint=400), min_size=1, max_size=40))
    def test_any_command_comes_through_its_quotes(self, command: str) -> None:
        if command.strip() and not command.endswith("\\"):
            quoted = command.replace('"', '\\"')
            # sshd has no way to write the one, and refuses the other as somebody's secret.
            if '\\\\"' not in quoted and "PRIVATE KEY" not in command:
                self.assertEqual(options(f'command="{quoted}"').command, command)


class Files(ConfigTest):
    def test_every_wrong_line_is_named_with_its_option(self) -> None:
        self.write(f"# mine\nhurry {KEY}\n{KEY}\nfrom=10.0.0.1 {KEY}\n", "keys")
        with self.assertRaises(InvalidLines) as caught:
            keys_file(self.directory / "keys")
        first, second = (wrong.problem for wrong in caught.exception.wrongs)
        self.assertIn("keys line 2: unknown option hurry", first)
        self.assertIn("keys line 4: option from needs a value", second)

    def test_check_names_file_key_line_and_option(self) -> None:
        self.write(f"cert-authority {KEY}\n", "keys")
        with self.assertRaises(Exception) as caught:
            self.load('[operators.alice]\nauthorized_keys_file = "keys"\n')
        said = str(caught.exception)
        for word in (
            "vspc.toml line 2: operators.alice.authorized_keys_file: ",
            "keys line 1",
            "cert-auth",
        ):
            self.assertIn(word, said)

    def test_a_key_has_its_line(self) -> None:
        path = self.write(f"# mine\n\nno-pty {KEY}\n", "keys")
        self.assertEqual([key.line for key in keys_file(Path(path))], [3])

    def test_options_without_effect_are_warned_of(self) -> None:
        self.write(f'{KEY}\nenvironment="A=B" {KEY}\ntunnel="1",permitlisten="1" {KEY}\n', "keys")
        config = self.load(
            '[operators.alice]\nauthorized_keys_file = "keys"\n'
            f"authorized_keys = ['tunnel=\"1\" {KEY}', 'from=\"!10.0.0.1\" {KEY}']\n"
        )
        said = [w.split(": ", 1) for w in config.warnings if w.startswith("operators.")]
        none = "has no effect here"
        self.assertEqual(
            [(key.removeprefix("operators.alice."), text) for key, text in said],
            [
                ("authorized_keys[0]", f"the option tunnel {none}"),
                ("authorized_keys[1]", "the option from only excludes, so the key is good nowhere"),
                ("authorized_keys_file", f"line 2: the option environment {none}"),
                (
                    "authorized_keys_file",
                    "line 3: the options tunnel, permitlisten have no effect here",
                ),
            ],
        )
