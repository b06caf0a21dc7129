"""[[alert]]: what is taken, every mistake in it, and that no secret is repeated."""

from pathlib import Path

from tests.config.test_load import ConfigTest
from vspc.config.alert_settings import MAX_ALERTS, named_alerts

ONE = '[[alert]]\nbuiltin = ["panic"]\n'
HOOK = 'webhook = "https://h.example/T0KEN"\n'


class Alerts(ConfigTest):
    def secret(self, name: str, text: str, mode: int = 0o600) -> Path:
        path = self.write(text, name)
        path.chmod(mode)
        return path

    def problems(self, text: str) -> str:
        found = self.mistakes(text)
        self.assertNotIn("T0KEN", str(found))
        return "\n".join(f"{key}: {what}" for key, what in found.items())

    def test_all_keys(self) -> None:
        (alert,) = self.load(
            '[[alert]]\nname = "a"\nconsoles = ["web*", "prod/*"]\nbuiltin = ["panic", "oops"]\n'
            'pattern = "^x$"\nwithin = "1h"\n' + HOOK
        ).alert
        self.assertEqual((alert.name, alert.within), ("a", 3600.0))
        self.assertEqual(list(alert.patterns), ["panic", "oops", "pattern"])
        assert alert.url is not None
        self.assertEqual(alert.url.text, "https://h.example/T0KEN")
        self.assertNotIn("T0KEN", repr(alert))

    def test_names_by_place(self) -> None:
        config = self.load(ONE + HOOK + ONE + HOOK + 'name = "x"\n')
        self.assertEqual([each.name for each in named_alerts(config.alert)], ["alert-1", "x"])

    def test_secrets_in_files(self) -> None:
        self.secret("hook", "https://h.example/T0KEN\n")
        self.secret("headers", "# ours\nAuthorization: Bearer T0KEN\n\nX-A:b\n")
        files = 'webhook_file = "hook"\nheaders_file = "headers"\n'
        (alert,) = self.load(ONE + files).alert
        assert alert.url is not None
        assert alert.headers_file is not None
        self.assertEqual(alert.url.shown, "https://h.example/...")
        expected = (("Authorization", "Bearer T0KEN"), ("X-A", "b"))
        self.assertEqual(alert.headers_file.headers, expected)
        self.assertNotIn("T0KEN", repr(alert))
        (self.directory / "hook").chmod(0o644)
        self.secret("headers", "Host: T0KEN\n")
        found = self.problems(ONE + files)
        self.assertIn("accessible by other users", found)
        self.assertIn("the header Host is set by the server", found)
        self.secret("headers", "T0KEN\n")
        self.assertIn("a line is not a header", self.problems(ONE + files))

    def test_one_action(self) -> None:
        self.assertIn("the alert does nothing", self.problems(ONE))
        two = self.problems(ONE + HOOK + 'syslog = "unix:/dev/log"\n')
        self.assertIn("alert[0]: both webhook and syslog are set", two)

    def test_something_to_look_for(self) -> None:
        self.assertIn("looks for nothing", self.problems("[[alert]]\n" + HOOK))
        found = self.problems('[[alert]]\nbuiltin = ["panik"]\n' + HOOK)
        self.assertIn('did you mean "panic"?', found)

    def test_patterns(self) -> None:
        for pattern, why in (
            ("(", "not a regular expression"),
            ("x*", "matches every line"),
            (r"\Ax", r"write ^ for \A"),
            (r"x\z", r"write ^ for \A"),
            ("(?-m)^x", "about a whole text"),
            (r"x{1001}", "not a regular expression"),
            (r"x{1000}.{1000}", "instructions of RE2"),
        ):
            self.assertIn(why, self.problems(f"[[alert]]\npattern = '{pattern}'\n" + HOOK), pattern)
        self.load(f"[[alert]]\npattern = 'a\\\\A(?i)b\\b$'\n{HOOK}")

    def test_urls(self) -> None:
        for url in (
            "ftp://h/T0KEN",
            "https:///T0KEN",
            "https://h:99999/T0KEN",
            "https://h/T0KEN \\u00e4",
            "T0KEN",
        ):
            self.assertIn("not the URL of", self.problems(f'{ONE}webhook = "{url}"\n'), url)
        self.assertIn("a user or a password", self.problems(f'{ONE}webhook = "https://T0KEN@h/"\n'))
        self.assertIn("fragment", self.problems(f'{ONE}webhook = "https://h/#T0KEN"\n'))
        self.assertIn("webhook", self.problems(f'{ONE}webhook = ["T0KEN"]\n'))

    def test_keys_of_another_action(self) -> None:
        self.write("x", "ca.pem")
        found = self.problems(ONE + HOOK + 'facility = 3\ncertificate = "ca.pem"\nca = "ca.pem"\n')
        self.assertIn("alert[0].facility: used with syslog only", found)
        self.assertIn("alert[0].certificate: used with syslog over TLS only", found)
        self.assertIn("one of certificate and private_key is missing", found)
        self.assertNotIn("alert[0].ca:", found)
        found = self.problems(ONE + 'syslog = "/dev/log"\nheaders_file = "none"\nca = "ca.pem"\n')
        self.assertIn("not a syslog target", found)
        self.assertIn("used with a webhook only", found)
        self.assertIn("a webhook or syslog over TLS only", found)

    def test_names(self) -> None:
        twice = self.problems(ONE + HOOK + ONE + HOOK + 'name = "alert-1"\n')
        self.assertIn("alert-1 is also the name of alert[0]", twice)
        self.assertIn("invalid name", self.problems(ONE + HOOK + 'name = "-x"\n'))

    def test_so_many(self) -> None:
        self.assertIn("101 alerts", self.problems((ONE + HOOK) * (MAX_ALERTS + 1)))

    def test_warnings(self) -> None:
        text = "[[alert]]\npattern = 'oops'\nwebhook = 'http://h/T0KEN'\n"
        warnings = "\n".join(self.load(text).warnings)
        self.assertIn("alert[0]: without TLS", warnings)
        self.assertIn('builtin = ["oops"]', warnings)
        self.assertNotIn("T0KEN", warnings)
