"""[[dial]]: consoles that the server connects to, and every mistake in their tables."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.config.test_load import ConfigTest
from vspc.cli.check import summary
from vspc.common.serial import FlowControl, Parity, StopBits
from vspc.common.values import InvalidValue
from vspc.config import dialling
from vspc.config.dialling import PortWishes, examine_braces, filled_in, is_template
from vspc.config.dials import dialled


def dial(name: str = '"d"', connect: str = '"tcp://10.0.0.9:4001"', **more: str) -> str:
    """One table; values as TOML has them."""
    keys = {"name": name, "connect": connect, **more}
    return "[[dial]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


class Entries(ConfigTest):
    def test_every_scheme(self) -> None:
        config = self.load(
            dial('"a"', '"tcp://10.0.0.9:4001"')
            + dial('"b"', '"telnet://esx1.example"')
            + dial('"c"', '"telnets://[2001:db8::1]:2001"', thumbprint=f'"{"ab" * 32}"')
            + dial('"d"', '"unix:/run/vm.sock"', when='"attached"')
            + dial(
                '"e"',
                '"rfc2217://ser2net:3001"',
                speed="115200",
                data="7",
                parity='"even"',
                stop="1.5",
                flow='"rts/cts"',
            )
        )
        found = dialled(config)
        self.assertEqual(
            [each.uri for each in found],
            [
                "tcp://10.0.0.9:4001",
                "telnet://esx1.example:23",
                "telnets://[2001:db8::1]:2001",
                "unix:/run/vm.sock",
                "rfc2217://ser2net:3001",
            ],
        )
        self.assertEqual(found[2].thumbprint, b"\xab" * 32)
        self.assertEqual([each.when for each in found], [*["always"] * 3, "attached", "always"])
        wishes = PortWishes(115200, 7, Parity.EVEN, StopBits.ONE_AND_HALF, FlowControl.HARDWARE)
        self.assertEqual([each.wishes for each in found], [*[PortWishes()] * 4, wishes])

    def test_many_in_one_table(self) -> None:
        table = dial('"moxa1-{n}"', '"tcp://10.0.0.9:{4000+n}"', count="16")
        found = dialled(self.load(table))
        self.assertEqual(
            [(each.name, each.uri) for each in found[:2]],
            [("moxa1-1", "tcp://10.0.0.9:4001"), ("moxa1-2", "tcp://10.0.0.9:4002")],
        )
        self.assertEqual(found[-1].uri, "tcp://10.0.0.9:4016")
        self.assertIn(
            "dials 16 consoles: moxa1-1 to moxa1-16: tcp://10.0.0.9:4001 to tcp://10.0.0.9:4016",
            summary(self.load(table)),
        )
        one = self.load(dial(when='"attached"'))
        self.assertIn("dials d: tcp://10.0.0.9:4001 while somebody is attached", summary(one))

    def test_the_path_of_a_socket_is_relative_to_the_file(self) -> None:
        found = dialling.connect("unix:vm.sock", Path("/etc/vspc"))
        self.assertEqual(found, "unix:/etc/vspc/vm.sock")

    def test_stop_bits_in_any_spelling(self) -> None:
        for written, bits in (
            ("1", StopBits.ONE),
            ("2.0", StopBits.TWO),
            ('"1.5"', StopBits.ONE_AND_HALF),
        ):
            config = self.load(dial(connect='"rfc2217://h:1"', stop=written))
            self.assertIs(config.dial[0].stop, bits)

    def test_one_place_twice_is_warned_of(self) -> None:
        config = self.load(dial('"a"') + dial('"b"'))
        self.assertIn(
            "dial[1].connect: tcp://10.0.0.9:4001 is a, too: each entry is a connection of its own",
            config.warnings,
        )


class Mistakes(ConfigTest):
    def found(self, text: str) -> dict[str, str]:
        return self.mistakes(text)

    def test_what_connect_cannot_be(self) -> None:
        for written, problem in (
            ('"10.0.0.9:4001"', "has no scheme"),
            ('"ssh://10.0.0.9:22"', "unknown scheme 'ssh'"),
            ('"tcp://10.0.0.9"', "has no port"),
            ('"tcp://:4001"', "not a host"),
            ('"tcp://10.0.0.999:4001"', "not an IPv4 address"),
            ('"tcp://h:65536"', "not a port"),
            ('"tcp://h:4001/tty"', "has a path"),
            ('"telnets://h#thumbprint=aa"', "has options behind the port"),
            ('"rfc2217://h:1?speed=9600"', "has options behind the port"),
            ('"tcp://h:{m}"', "has braces"),
            ('"unix:"', "has no path"),
            (f'"unix:{"x" * 200}"', "too long"),
            ("4001", "not a remote system"),
        ):
            found = self.found(dial(connect=written))
            self.assertEqual(list(found), ["dial[0].connect"], written)
            self.assertIn(problem, found["dial[0].connect"])

    def test_values_out_of_range(self) -> None:
        found = self.found(
            dial(
                '"{x}"',
                '"rfc2217://h:1"',
                speed="0",
                data="9",
                parity='"nil"',
                stop="3",
                flow='"dtr"',
                when='"never"',
                count="1001",
            )
        )
        keys = ("speed", "data", "parity", "stop", "flow", "when", "count", "name")
        self.assertEqual(set(found), {f"dial[0].{key}" for key in keys})

    def test_two_consoles_of_one_name(self) -> None:
        plain = '[[vm.plain]]\nname = "a-2"\nlisten = "tcp:1"\n'
        many = dial('"a-{n}"', '"tcp://h:{4000+n}"', count="2")
        found = self.found(plain + many)
        self.assertIn("'a-2' is the name of vm.plain[0].name, too", found["dial[0].name"])
        found = self.found(many + dial('"a-1"'))
        self.assertIn("'a-1' is the name of dial[0].name, too", found["dial[1].name"])

    def test_numbers_without_a_count_and_a_count_without_numbers(self) -> None:
        found = self.found(dial('"a-{n}"', '"tcp://h:{4000+n}"'))
        self.assertEqual(set(found), {"dial[0].name", "dial[0].connect"})
        self.assertIn("there is no count", found["dial[0].name"])
        found = self.found(dial('"a"', '"tcp://h:4001"', count="3"))
        self.assertEqual(set(found), {"dial[0].name", "dial[0].connect"})
        self.assertIn("is the same for all 3", found["dial[0].connect"])

    def test_what_is_wrong_in_the_last_entry_only(self) -> None:
        name = '"' + "x" * 77 + '-{n}"'
        found = self.found(dial(name, '"tcp://h:{65530+n}"', count="100"))
        self.assertEqual(set(found), {"dial[0].name", "dial[0].connect"})
        self.assertIn("entry 100: '65630' is not a port", found["dial[0].connect"])

    def test_keys_of_another_scheme(self) -> None:
        found = self.found(dial(speed="9600", ca=f'"{self.write("")}"'))
        self.assertIn("used with rfc2217:// only", found["dial[0].speed"])
        self.assertIn("used with telnets:// only", found["dial[0].ca"])

    def test_half_a_pair_and_a_thumbprint_that_is_none(self) -> None:
        found = self.found(
            dial(connect='"telnets://h"', certificate=f'"{self.write("")}"', thumbprint='"ab"')
        )
        self.assertIn("one of certificate and private_key is missing", found["dial[0]"])
        self.assertIn("not a thumbprint", found["dial[0].thumbprint"])

    def test_too_many(self) -> None:
        tables = "".join(
            dial(f'"{letter}-{{n}}"', '"tcp://h:{n}"', count="1000") for letter in "abcde"
        )
        found = self.found(tables)
        self.assertIn("stand for 5000 consoles", found["dial"])


class Templates(ConfigTest):
    @given(
        st.text(st.characters(exclude_characters="{}"), max_size=9),
        st.integers(0, 999_999_999),
        st.integers(1, 1000),
    )
    def test_numbers_are_filled_in_and_the_rest_stays(
        self, text: str, base: int, number: int
    ) -> None:
        self.assertFalse(is_template(text))
        self.assertEqual(filled_in(text, number), text)
        template = f"{text}{{n}}{text}{{{base}+n}}"
        examine_braces(template)
        self.assertEqual(filled_in(template, number), f"{text}{number}{text}{base + number}")

    @given(st.text("{}n+0123x", max_size=12))
    def test_braces_are_filled_in_or_refused(self, text: str) -> None:
        try:
            examine_braces(text)
        except InvalidValue:
            return
        self.assertNotRegex(filled_in(text, 7), "[{}]")

    @given(st.text(max_size=40))
    def test_any_text_connects_somewhere_or_is_a_mistake(self, text: str) -> None:
        try:
            found = dialling.remote_of(text)
        except InvalidValue:
            return
        self.assertTrue(found is None or 0 < found.port < 65536)
