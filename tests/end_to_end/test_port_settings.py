"""A guest's UART by RFC 2217, from the simulator through the server to an operator, and moved."""

import json
import time
from typing import Any

from tests.end_to_end.processes import DEADLINE, Child
from tests.end_to_end.test_virtual_machines import SimulatorTestCase


class PortSettingsTests(SimulatorTestCase):
    def write_config(self, more: str = "") -> None:
        super().write_config(more)
        text = self.config.read_text()
        self.config.write_text(text.replace("[vm]\n", '[vm]\nbreak = "comport"\n'))

    def agreed(self, settings: str) -> None:
        """Wait until the proxy has answered with `settings`, and everything else."""
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            stats = self.stats()
            if stats["com_port"] == settings and not stats["com_port_unanswered"]:
                return
        self.fail(f"{settings}, but {stats}")

    def marked(self, settings: str) -> None:
        """Wait until the console's log says so: the port is to have settled first."""
        until, found = time.monotonic() + DEADLINE, [""]
        while time.monotonic() < until and found[-1:] != [settings]:
            lines = self.ssh("log", "web1", "--json").out.splitlines()
            markers = [json.loads(line) for line in lines if b'"marker"' in line]
            found = [each["text"] for each in markers if each["marker"] == "settings"]
        self.assertEqual(found[-1:], [settings])

    def suspend(self) -> None:
        """Suspend input, and wait until the server has heard of it."""
        self.tell("suspend web1")
        self.tell("uart-ask web1")
        self.agreed("115200 8N1")

    def info(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.ssh("info", "web1", "--json").out)
        return facts

    def on_the_console(self) -> Child:
        terminal = self.terminal(user="alice+web1")
        terminal.out.expect(rb"for help\]")
        return terminal

    def test_settings_are_shown_logged_and_kept_over_vmotion(self) -> None:
        self.serve()
        self.simulate("--vmotion-time", "0.1", "--chop", "3")
        self.agreed("115200 8N1")
        self.assertEqual(self.consoles()["web1"]["settings"], "115200 8N1")
        self.tell("uart web1 9600 7E2 rts=off")
        self.agreed("9600 7E2")
        self.assertIn("moved", self.tell("vmotion web1"))
        self.assertEqual(self.stats()["com_port"], "")  # the target has said nothing of it
        self.tell("uart-ask web1")
        self.agreed("9600 7E2")
        facts = self.info()
        self.assertEqual((facts["settings"], facts["moves"]), ("9600 7E2", 1))
        self.assertEqual(facts["modem"], ["DSR", "DCD"])
        self.assertEqual(facts["serial"]["parity"], "even")
        self.tell("uart web1 300 8N1")
        self.agreed("300 8N1")
        self.marked("300 8N1")
        self.assert_no_defects()

    def test_suspended_input_is_shown_and_goes_to_the_target_of_a_vmotion(self) -> None:
        self.serve()
        self.simulate("--vmotion-time", "0.1")
        self.agreed("115200 8N1")
        terminal = self.on_the_console()
        self.suspend()
        terminal.type(b"echo held back\r")
        terminal.out.expect(rb"\[web1 has suspended input: 15 bytes wait\]")
        self.assertEqual(self.stats()["bytes_in"], 0)
        self.assertTrue(self.info()["input_suspended"])
        self.assertIn("moved", self.tell("vmotion web1"))
        terminal.out.expect(rb"\[web1 takes input again, at 127\.0\.0\.2")
        terminal.out.expect(rb"^held back")
        report = self.stats()["migrations"][-1]
        self.assertEqual((report["bytes_after_goahead"], report["bytes_before_complete"]), (0, 0))
        self.suspend()
        terminal.type(b"echo and again\r")
        self.tell("resume web1")
        terminal.out.expect(rb"^and again")

    def test_breaks_in_both_spellings_and_both_directions(self) -> None:
        self.serve()
        self.simulate("--vmotion-time", "0.1")
        self.agreed("115200 8N1")
        terminal = self.on_the_console()
        terminal.type(b"\x05cl0")
        terminal.type(b"echo behind it\r")
        terminal.out.expect(rb"^\[sysrq\] break 1\r\n")
        terminal.out.expect(rb"^behind it")
        for how in ("", " control", " both"):
            self.tell(f"break web1{how}")
            terminal.out.expect(rb"\[break from the VM\]")
            self.server.out.expect(rb" break console=web1 operator=\"?the VM")
            time.sleep(0.15)  # longer than the same BREAK in another spelling takes
        self.assertEqual(self.info()["breaks_from_vm"], 3)
        self.assertIn("moved", self.tell("vmotion web1"))
        terminal.type(b"\x05cl0")
        terminal.out.expect(rb"^\[sysrq\] break 2\r\n")
        self.assertEqual(self.stats()["breaks"], 2)
        self.assert_no_defects()
