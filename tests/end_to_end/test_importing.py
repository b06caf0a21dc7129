"""conserver itself reads the files that `vspc import` reads, and sees the same consoles."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.importing.files import CONSERVER
from tests.end_to_end.processes import ProcessTestCase
from tests.programs import require
from vspc.cli.importing.conserver import read_conserver

_CONSOLE = re.compile(r"\{([^:{}]*):localhost:[^:]*:([!%]):(.*)\}$", re.M)

_NUMBERS = st.integers(1, 200).map(str)
_ITEMS = st.one_of(
    st.tuples(st.sampled_from(["port", "portbase", "portinc"]), _NUMBERS),
    st.tuples(st.just("host"), st.sampled_from(["h1", '"h"2', "h\\3"])),
    st.tuples(st.just("uds"), st.sampled_from(["/run/&", '"/run/ x;#"', "/r\\{u"])),
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

    @settings(max_examples=25, deadline=None)
    @given(_BODIES, _BODIES, st.lists(_TYPED, min_size=1))
    def test_any_file(self, one: str, two: str, consoles: list[tuple[str, str]]) -> None:
        one, two = (re.sub("include.*", "", body) for body in (one, two))
        text = f"default d1 {{ {one} }}\ndefault d2 {{ {two} include d1; }}\n"
        for number, (kind, body) in enumerate(consoles):
            text += f"console c{number} {{ {_WHOLE.format(kind, body)} }}\n"
        self.compare(text)
