"""`vspc access` beside a server that runs: it says what operators then find."""

import json

from tests.end_to_end.processes import Completed, script
from tests.end_to_end.test_virtual_machines import SimulatorTestCase

RULE = """
[[access]]
operators = ["carol"]
consoles = ["db*"]
rights = []
"""


class Matrix(SimulatorTestCase):
    """Operators alice and bob may do everything, carol reads `web*`."""

    def access(self, *words: str) -> Completed:
        return self.complete(script("vspc"), "access", *words, "--config", self.config)

    def test_a_cell_is_what_an_operator_finds(self) -> None:
        self.write_config(RULE)
        self.serve()
        self.simulate(vms=2)
        cells = json.loads(self.access("--json").out)
        self.assertEqual({cell["console"] for cell in cells}, {"web1", "web2"})
        for operator in ("alice", "carol"):
            listed = json.loads(self.ssh("list", "--json", operator=operator).out)
            readable = {c["console"] for c in cells if c["operator"] == operator and c["rights"]}
            self.assertEqual({row["handle"] for row in listed}, readable)
        self.assertEqual(self.ssh("send", "web1", "x", operator="carol").status, 4)
        [carol] = [c for c in cells if (c["operator"], c["console"]) == ("carol", "web1")]
        lines = self.config.read_text().splitlines()
        self.assertEqual(carol["rights"], ["read"])
        self.assertEqual(lines[carol["line"]], 'operators = ["carol"]')
        self.assertEqual(self.access("--console", "db1").status, 3)
        offline = self.access("--console", "db1", "--operator", "carol", "--offline")
        self.assertEqual(offline.status, 0)
        self.assertIn(b"carol     db1      -", offline.out)
        self.assert_no_defects()
