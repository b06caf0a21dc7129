"""`watch`, `broadcast` and `run` over many machines, by the real `ssh`."""

import json
import signal

from tests.end_to_end.test_virtual_machines import SimulatorTestCase


def of_all(pattern: bytes) -> bytes:
    """It comes of each of three machines, in any order."""
    return b"(?s)" + b"".join(b"(?=.*" + pattern % number + b")" for number in (1, 2, 3))


class ManyMachines(SimulatorTestCase):
    def test_reboot_check_of_three_while_another_operator_watches(self) -> None:
        self.serve()
        watching = self.attach("watch", "'web*'")
        watching.err.expect(rb"\[watching 0 consoles, and those that appear")
        self.simulate("--pace", "0", vms=3)
        watching.out.expect(of_all(rb"web%d:~# \n"))
        listed = self.ssh("broadcast", "'web*'", "--enter", "echo hello")
        self.assertEqual(listed.status, 2, listed)
        self.assertIn(b"--yes 3 types on 3 consoles", listed.err)
        counted = ("--yes", "3", "--json", "--enter", "echo hello")
        typed = self.ssh("broadcast", "'web*'", *counted, operator="bob")
        self.assertEqual(typed.status, 0, typed)
        self.assertEqual([each["result"] for each in json.loads(typed.out)], ["delivered"] * 3)
        watching.out.expect(of_all(rb"\nweb%d: hello\n"))
        words = ("--send", "'uname -a'", "--enter", "--expect", "'(?i)linux [^\\r]*'")
        ran = self.ssh("run", "'web*'", *words, "--json", operator="bob")
        self.assertEqual(ran.status, 0, ran)
        self.assertEqual([each["result"] for each in json.loads(ran.out)], ["matched"] * 3)
        self.assertEqual(self.ssh("run", "'web*'", *words, operator="carol").status, 4)
        self.assertNotIn(b"\x1b", watching.out.data)
        watching.send_signal(signal.SIGTERM)
        watching.wait()
        self.assert_no_defects()

    def test_a_terminal_is_asked_and_names_have_colours(self) -> None:
        self.serve()
        self.simulate("--pace", "0", vms=2)
        watching = self.terminal("watch", "'*'")
        watching.out.expect(rb"\[watching \d consoles")
        asked = self.terminal("broadcast", "'web*'", "--enter", "echo to all", operator="bob")
        asked.out.expect(rb"type 12 bytes on 2 consoles\? \(yes/no\) ")
        asked.type(b"yes\r")
        asked.out.expect(rb"web2 +delivered ")
        self.assertEqual(asked.wait(), 0)
        watching.out.expect(rb"\x1b\[3[1-6]mweb[12]\x1b\[m: to all\r\n")
        watching.type(b"\x03")
        self.assertEqual(watching.wait(), 0)
        self.assert_no_defects()
