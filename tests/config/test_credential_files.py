"""Files of keys that systemd gives to the service: `credential:NAME` in the place of a path."""

import os
from pathlib import Path

from tests.config.test_load import KEY, ConfigTest
from vspc.common.values import InvalidValue
from vspc.config import values

BASE = Path("/etc/vspc")


class Credentials(ConfigTest):
    def setUp(self) -> None:
        super().setUp()
        self.given = self.directory / "given"
        self.given.mkdir()
        self.patch(values, "_CREDENTIALS", self.directory / "running")
        self.patch(values, "_STORE", self.directory / "store")
        (self.directory / "running").mkdir()
        (self.directory / "store").mkdir()

    def test_the_service_reads_what_it_was_given(self) -> None:
        environment = {values.CREDENTIALS_DIRECTORY: str(self.given)}
        found = values.file_place("credential:tls.key", BASE, environment)
        self.assertEqual(found, self.given / "tls.key")

    def test_others_look_where_the_service_has_it_and_where_it_comes_from(self) -> None:
        running = self.directory / "running" / "tls.key"
        self.assertEqual(values.file_place("credential:tls.key", BASE, {}), running)
        stored = self.directory / "store" / "vspc.tls.key"
        stored.write_text("stored")
        self.assertEqual(values.file_place("credential:tls.key", BASE, {}), stored)
        running.write_text("running")
        self.assertEqual(values.file_place("credential:tls.key", BASE, {}), running)

    def test_any_other_text_is_a_path(self) -> None:
        self.assertEqual(
            values.file_place("keys/credential:x", BASE, {}), BASE / "keys/credential:x"
        )
        self.assertEqual(values.file_place("/x", BASE, {}), Path("/x"))

    def test_a_name_is_no_path(self) -> None:
        for name in ("", "..", ".", "../x", "a/b", "/etc/shadow", "a b", "a\n", "-x", "x" * 101):
            with self.assertRaises(InvalidValue, msg=name):
                values.file_place(f"credential:{name}", BASE, {})

    def test_keys_of_an_operator_come_from_one(self) -> None:
        self.patch(os, "environ", {values.CREDENTIALS_DIRECTORY: str(self.given)})
        (self.given / "alice").write_text(KEY)
        config = self.load("[operators.alice]\nauthorized_keys_file = 'credential:alice'\n")
        self.assertEqual(len(config.operators["alice"].keys), 1)
