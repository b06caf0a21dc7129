"""Hashes of passwords and secrets of one-time codes: what is taken, and that none is repeated."""

import base64
import contextlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.values import InvalidValue
from vspc.config.credentials import (
    COST,
    LEAST_BITS,
    LEAST_MEMORY,
    MOST,
    MOST_BITS,
    Cost,
    cost_of,
    hash_file,
    password_hash,
    totp_file,
    totp_secret,
)

SALT, DIGEST = "c29tZXNhbHQ", "A" * 43


def phc(cost: Cost | str = COST, salt: str = SALT, digest: str = DIGEST) -> str:
    return f"$argon2id$v=19${cost}${salt}${digest}"


class SecretsTest(SynchronousTestCase):
    def problem(self, read: object, value: object) -> str:
        assert callable(read)
        with self.assertRaises(InvalidValue) as caught:
            read(value)
        return f"{caught.exception.problem}; {caught.exception.allowed}"


class Hashes(SecretsTest):
    def test_one_and_the_spaces_around_it(self) -> None:
        self.assertEqual(password_hash(f" {phc()}\n").text, phc())
        self.assertEqual(cost_of(phc()), COST)
        self.assertNotIn(DIGEST, repr(password_hash(phc())))

    def test_an_invalid_hash_is_not_repeated(self) -> None:
        for value in (
            "hunter2",
            "$2b$12$" + "hunter2" * 7,
            phc().replace("argon2id", "argon2i"),
            phc().replace("v=19", "v=16"),
            phc("m=65536,t=3"),
            phc("m=065536,t=3,p=4"),
            phc("m=٦٥٥٣٦,t=3,p=4"),
            f"{phc()}$",
            "",
            7,
            None,
            [phc()],
        ):
            problem = self.problem(password_hash, value)
            self.assertIn("not an argon2id hash", problem)
            self.assertIn("vspc hash-password", problem)
            self.assertNotIn("hunter2", problem)
        self.assertIsNone(cost_of("hunter2"))

    def test_one_that_was_cut_or_damaged(self) -> None:
        for salt, digest in (
            ("c29tZQ", DIGEST),  # four bytes of salt
            (SALT, "A" * 20),  # fifteen of hash
            (SALT, "A" * 41),  # no length of base64
            ("c29tZXNhbHR", DIGEST),  # bits that belong to no byte
        ):
            self.assertIn(
                "incomplete or damaged", self.problem(password_hash, phc(COST, salt, digest))
            )

    def test_too_dear_and_too_cheap(self) -> None:
        for cost in (Cost(MOST.memory + 1, 1, 1), Cost(65536, 11, 1), Cost(65536, 1, 17)):
            self.assertIn("too expensive", self.problem(password_hash, phc(cost)))
        for cost in (Cost(LEAST_MEMORY - 1, 10, 1), Cost(19 * 1024, 1, 1), Cost(8, 10, 1)):
            self.assertIn("too cheap", self.problem(password_hash, phc(cost)))

    def test_what_is_recommended_for_small_machines_is_taken(self) -> None:
        for memory, passes in ((46, 1), (19, 2), (12, 3), (9, 4), (7, 5)):
            password_hash(phc(Cost(memory * 1024, passes, 1)))
        password_hash(phc(MOST))

    @given(st.text() | st.text(st.sampled_from("$argon2idv=19m,tpAZaz+/ \n")))
    def test_nothing_else_is_raised(self, text: str) -> None:
        try:
            password_hash(text)
        except InvalidValue as wrong:
            self.assertNotIn(text if len(text) > 40 else "\0", wrong.problem)


class Codes(SecretsTest):
    def test_as_people_and_programs_write_it(self) -> None:
        for text in (
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
            "GEZDGNBV-GY3TQOJQ-GEZDGNBV-GY3TQOJQ",
            "\tGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ====\r\n",
        ):
            self.assertEqual(totp_secret(text).text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
        self.assertNotIn("GEZD", repr(totp_secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")))

    def test_an_invalid_secret_is_not_repeated(self) -> None:
        for value in (
            "GEZDGNBV01890189018901890189",
            "GEZDGNBVÄ" * 4,
            "GEZDGNBV" * 4 + "A",
            7,
            None,
        ):
            problem = self.problem(totp_secret, value)
            self.assertIn("not a secret in base32", problem)
            self.assertNotIn("GEZD", problem)

    def test_too_short_and_too_long(self) -> None:
        for size, right in ((1, False), (15, False), (16, True), (128, True), (129, False)):
            text = base64.b32encode(bytes(size)).decode()
            if right:
                totp_secret(text)
            else:
                self.assertIn(f"{8 * size} bits", self.problem(totp_secret, text))

    @given(st.binary(min_size=LEAST_BITS // 8, max_size=MOST_BITS // 8))
    def test_any_that_is_long_enough(self, secret: bytes) -> None:
        text = base64.b32encode(secret).decode()
        self.assertEqual(totp_secret(text).text, text.rstrip("="))

    @given(st.text())
    def test_nothing_else_is_raised(self, text: str) -> None:
        with contextlib.suppress(InvalidValue):
            totp_secret(text)


class Files(SecretsTest):
    def write(self, text: str, mode: int = 0o600) -> Path:
        path = Path(self.mktemp())
        path.touch(mode)
        path.chmod(mode)
        path.write_text(text)
        return path

    def test_the_first_line_counts(self) -> None:
        path = self.write(f"{phc()}\nsomething else\n")
        self.assertEqual(hash_file(path).text, phc())
        secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        self.assertEqual(totp_file(self.write(secret, 0o640)).text, secret)

    def test_a_mistake_names_the_file(self) -> None:
        for text in ("hunter2\n", "", "\n", "\0" * 9999):
            path = self.write(text)
            problem = self.problem(hash_file, path)
            self.assertIn(str(path), problem)
            self.assertNotIn("hunter2", problem)

    def test_others_may_neither_read_nor_change_it(self) -> None:
        for mode in (0o644, 0o660, 0o604, 0o602):
            self.assertIn("chmod 600", self.problem(hash_file, self.write(phc(), mode)))

    def test_missing_method(self) -> None:
        self.assertIn("No such file", self.problem(totp_file, Path(self.mktemp())))
        self.assertIn("directory", self.problem(totp_file, Path("/")))
