"""conserver itself reads the files that `vspc import` reads, and sees the same consoles."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.importing.files import CONSERVER
from tests.end_to_end.processes import ProcessTestCase, script
from tests.end_to_end.server import LISTENERS
from tests.end_to_end.test_dial import DialTestCase, free_port
from tests.programs import require
from vspc.cli.importing.conserver import read_conserver

_CONSOLE = re.compile(r"\{([^:{}]*):localhost:[^:]*:([!%]):(.*)\}$", re.M)

_NUMBERS = st.integers(1, 200).map(str)
_ITEMS = st.one_of(
    st.tuples(st.sampled_from(["port", "portbase", "portinc"]), _NUMBERS),
    st.tuples(st.just("host"), st.sampled_from(["h1", '"h"2', "h\\3"])),
    st.tuples(st.just("uds"), st.sampled_from(["/run/&", '"/run/ x;#"', "/r\\;u"])),
    st.tuples(st.just("udssubst"), st.sampled_from(['""', "&=cs", "&=p4d", "&=P03d,r=P2x"])),
    st.tuples(st.just("include"), st.sampled_from(["d1", "d2"])),
).map(lambda item: f"{item[0]}  {item[1]} ;")
_BODIES = st.lists(_ITEMS, max_size=5).map("\n".join)
_TYPED = st.tuples(st.sampled_from(["host", "uds"]), _BODIES)
_WHOLE = "type {}; host h0; port 7; uds /run/u; master localhost; {}"


class Conserver(ProcessTestCase):
    def compare(self, text: str) -> None:
        """Names and targets of consoles that are dialled are the same."""
        [conserver] = require("conserver")
        path = self.directory / "conserver.cf"
        path.write_text(text)
        done = self.complete(conserver, "-SS", "-M", "localhost", "-C", path)
        self.assertEqual(done.status, 0, done)
        seen = {
            name: f"unix:{where}" if kind == "%" else f"telnet://{where.replace(',', ':')}"
            for name, kind, where in _CONSOLE.findall((done.out + done.err).decode())
        }
        ours = {name: each.connect for name, each in read_conserver(path).consoles.items()}
        ours = {name: re.sub(r"^tcp://\[(.*)\]", r"telnet://\1", to) for name, to in ours.items()}
        self.assertEqual(ours, seen, text)

    def test_the_file_of_the_unit_tests(self) -> None:
        ipmi = "type ipmi; host 10.0.0.9; password secret;"  # not in Debian's conserver
        self.assertIn(ipmi, CONSERVER)
        self.compare(CONSERVER.replace(ipmi, "type noop;"))

    @settings(max_examples=40, deadline=None)
    @given(_BODIES, _BODIES, st.lists(_TYPED, min_size=1))
    def test_any_file(self, one: str, two: str, consoles: list[tuple[str, str]]) -> None:
        one, two = (re.sub("include.*", "", body) for body in (one, two))
        text = f"default d1 {{ {one} }}\ndefault d2 {{ {two} include d1; }}\n"
        for number, (kind, body) in enumerate(consoles):
            text += f"console c{number} {{ {_WHOLE.format(kind, body)} }}\n"
        self.compare(text)


class Moving(DialTestCase):
    def test_a_console_and_its_users_are_those_of_conserver(self) -> None:
        [socat] = require("socat")
        port = free_port()
        device = "SYSTEM:echo this is dev1; cat"
        self.start(socat, f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork", device)
        self.listens(port)
        path = self.directory / "conserver.cf"
        path.write_text(
            "default * { master localhost; type host; host 127.0.0.1; protocol raw; }\n"
            "group team { users alice, dave; }\n"
            f"console dev1 {{ port {port}; rw *; rw !bob, !carol; ro carol; }}\n"
        )
        done = self.complete(script("vspc"), "import", path)
        self.assertEqual((done.status, done.err[:11]), (0, b"consoles: 1"), done.err)
        text = done.out.decode()
        for name, key in self.keys.items():
            text = re.sub(
                rf"^\[operators\.{name}\]$",
                rf'\g<0>\nauthorized_keys_file = "{key.name}.pub"',
                text + (f"[operators.{name}]\n" if f"operators.{name}]" not in text else ""),
                flags=re.MULTILINE,
            )
        self.config.write_text(LISTENERS + text)
        self.serve()
        self.connected("dev1")
        self.assertEqual(self.ssh("expect", "dev1", "--from", "0", "dev1").status, 0)
        self.assertEqual(self.ssh("send", "dev1", "--enter", "hello").status, 0)
        self.assertEqual(self.ssh("send", "dev1", "x", operator="carol").status, 4)
        self.assertEqual(self.ssh("log", "dev1", operator="carol").status, 0)
        self.assertEqual(self.ssh("log", "dev1", operator="bob").status, 3)
        self.assert_no_defects()
