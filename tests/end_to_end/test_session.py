"""`session list` and `session play`: an auditor looks at what an operator did, with a real ssh."""

import json
from typing import Any

from tests.end_to_end.processes import Size
from tests.end_to_end.test_virtual_machines import SimulatorTestCase
from tests.programs import require


class Played(SimulatorTestCase):
    """alice works on web1; carol is an auditor."""

    def write_config(self, more: str = "") -> None:
        super().write_config(f"[log]\nrecord_input = true\n{more}")
        text = self.config.read_text()
        auditor = '[operators.carol]\nroles = ["audit"]\n'
        self.config.write_text(text.replace("[operators.carol]\n", auditor))

    def rows(self) -> list[dict[str, Any]]:
        listed = self.ssh("session", "list", "--operator", "alice", "--json", operator="carol")
        self.assertEqual(listed.status, 0, listed.err)
        found: list[dict[str, Any]] = json.loads(listed.out)
        return found

    def work(self) -> str:
        """alice attaches, types a command and leaves; the id of her session."""
        alice = self.terminal(user="alice+web1")
        alice.out.expect(rb"for help\]")
        alice.type(b"echo pl''ayed\r")
        alice.out.expect(rb"pl''ayed\r\n")
        self.assertTrue(self.rows()[0]["open"])
        alice.type(b"\x05c.")
        self.assertEqual(alice.wait(), 0)
        while (row := self.rows()[-1])["ended"] is None:
            pass
        return str(row["id"])

    def test_an_auditor_lists_and_plays_it(self) -> None:
        self.serve()
        self.simulate()
        played = self.work()
        terminal = self.terminal("session", "play", played, "--speed", "1000", operator="carol")
        terminal.out.expect(rb"\[session " + played.encode() + rb": alice on web1\]")
        terminal.out.expect(rb"echo pl''ayed\r\n")
        terminal.out.expect(rb"\[left: alice\]\r\n\[end of the session\]")
        self.assertEqual(terminal.wait(), 0)
        slow = self.terminal("session", "play", played, "--speed", "0.02", operator="carol")
        slow.out.expect(rb"q ends\]")
        slow.type(b"q")
        self.assertEqual(slow.wait(), 0)
        self.assert_no_defects()

    def test_asciinema_plays_the_file(self) -> None:
        [asciinema] = require("asciinema")
        self.serve()
        self.simulate()
        made = self.ssh("session", "play", self.work(), "--idle", "1", operator="carol")
        self.assertEqual(made.status, 0, made.err)
        codes = {json.loads(line)[1] for line in made.out.splitlines()[1:]}
        self.assertLessEqual({"o", "m"}, codes)
        (self.directory / "alice.cast").write_bytes(made.out)
        for words in (("cat",), ("play", "-s", "1000")):
            child = self.start(asciinema, *words, "alice.cast", terminal=Size())
            self.assertEqual(child.wait(), 0)
            self.assertIn(b"echo pl''ayed", child.out.data)

    def test_who_may_not_and_what_there_is_not(self) -> None:
        self.serve()
        self.simulate()
        played = self.work()
        refused = self.ssh("session", "play", played, operator="bob")
        self.assertEqual((refused.status, refused.out), (4, b""))
        self.assertIn(b'roles = ["admin"] or ["audit"]', refused.err)
        unknown = self.ssh("session", "play", f"{played}0", operator="carol")
        self.assertEqual((unknown.status, unknown.out), (3, b""))
        self.assertIn(b"`session list` shows those there are", unknown.err)
        self.assert_no_defects()
