"""Simulated ESXi hosts on one side, real OpenSSH on the other, real `twistd` between them."""

import hashlib
import json
import re
import socket
from typing import Any

from tests.end_to_end.guest import PROMPT, READY, Guest, client_of
from tests.end_to_end.processes import DEADLINE, Child, free_port, script
from tests.end_to_end.server import ServerTestCase


class SimulatorTestCase(ServerTestCase):
    """A server, and a simulator that is told what its machines do."""

    def simulate(self, *options: str, vms: int = 1, secure: bool = False) -> Child:
        """Start `vms` machines called web1, web2 ... and wait until the server knows them."""
        scheme, port = ("telnets", "telnets") if secure else ("telnet", "telnet")
        words = ["--proxy", f"{scheme}://127.0.0.1:{self.ports[port]}", "--vms", str(vms)]
        words += ["--name", "web{n}", "--control", str(self.directory / "control")]
        child = self.start(script("vspc"), "simulate", *words, *options)
        for _ in range(vms):
            self.server.out.expect(rb" vm-registered ")
        return child

    def tell(self, command: str) -> str:
        """Say one line to the simulator; its answer without the `ok`."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(DEADLINE)
            control.connect(str(self.directory / "control"))
            control.sendall(command.encode() + b"\n")
            with control.makefile("r", encoding="utf-8") as answers:
                answer = answers.readline().strip()
        self.assertTrue(answer.startswith("ok"), answer)
        return answer[2:].strip()

    def stats(self, name: str = "web1") -> dict[str, Any]:
        """What the simulator counted of one machine."""
        counted: dict[str, Any] = json.loads(self.tell(f"stats {name}"))
        return counted


class FirstLight(SimulatorTestCase):
    def test_list_attach_type_and_leave(self) -> None:
        self.serve()
        self.simulate("--chop", "7", vms=3)
        listed = self.consoles()
        self.assertEqual(sorted(listed), ["web1", "web2", "web3"])
        self.assertEqual(listed["web1"]["state"], "connected")
        self.assertRegex(listed["web1"]["uuid"], r"\A[0-9a-f]{32}\Z")
        terminal = self.terminal(user="alice+web1")
        terminal.out.expect(rb"\[web1 connected, ")
        terminal.type(b"echo to be sure\r")
        terminal.out.expect(rb"^to be sure\r\n")
        terminal.type(b"\x05c.")
        self.assertEqual(terminal.wait(), 0)
        self.ssh("info", "canary-on-a-command-line")
        self.stop_server()
        self.assert_no_defects()
        log = self.server.out.data + self.server.err.data
        for typed in (b"to be sure", b"canary"):  # law 7
            self.assertNotIn(typed, log)

    def test_both_spellings_of_a_target_and_its_options(self) -> None:
        self.serve()
        self.simulate()
        for user in ("alice+web1", "alice:web1", "alice+WEB,replay=0", "alice+web*"):
            terminal = self.terminal(user=user)
            terminal.out.expect(rb"\[web1 connected, ")
            terminal.type(b"\x05c.")
            self.assertEqual(terminal.wait(), 0, user)

    def test_the_chooser(self) -> None:
        self.serve()
        self.simulate(vms=3)
        terminal = self.terminal()
        terminal.out.expect(rb"web3")
        terminal.type(b"web2")
        terminal.type(b"\r")
        terminal.out.expect(rb"\[web2 connected, ")
        terminal.type(b"\x05c.")
        terminal.out.expect(rb"filter: web2")
        terminal.type(b"\x03")
        self.assertEqual(terminal.wait(), 0)

    def test_two_operators_on_one_console(self) -> None:
        self.serve()
        self.simulate()
        alice = self.terminal(user="alice+web1")
        alice.out.expect(rb"for help\]")
        alice.type(b"echo mine\r")
        alice.out.expect(rb"^mine")
        bob = self.terminal(operator="bob", user="bob+web1")
        bob.out.expect(rb"alice writes, 1 other\.")
        bob.type(b"x")
        bob.out.expect(rb"\[alice is typing on web1: 1 byte not sent; \^Ecf takes the pen, ")
        alice.type(b"echo for both\r")
        bob.out.expect(rb"^for both")
        bob.type(b"\x05cf")
        alice.out.expect(rb"\[bob took the pen; you are reading now\]")
        bob.type(b"echo bob writes\r")
        alice.out.expect(rb"^bob writes")
        people = json.loads(self.ssh("who", "--json").out)
        self.assertEqual(
            {p["operator"]: p["writes"] for p in people}, {"alice": False, "bob": True}
        )

    def test_a_break_of_the_client_reaches_the_vm_once(self) -> None:
        self.serve()
        self.simulate()
        terminal = self.terminal(user="alice+web1")
        terminal.out.expect(rb"for help\]")
        terminal.type(b"\r~B")
        self.server.out.expect(rb" break console=web1 operator=alice")
        self.assertEqual(self.ssh("break", "web1").status, 4)  # alice's terminal has the pen
        terminal.type(b"\x05c.")
        terminal.wait()
        self.assertEqual(self.ssh("break", "web1").status, 0)
        # The guest prints what reaches it, which may be after the verb has ended.
        seen = self.ssh("expect", "web1", "--from", "0", "sysrq. break 2")
        self.assertEqual(seen.status, 0, seen.err)
        self.assertEqual(self.stats()["breaks"], 2)

    def test_statuses_and_words_on_stderr(self) -> None:
        self.serve()
        self.simulate(vms=2)
        for words, operator, status, said in [
            (("info", "nothing"), "alice", 3, b"no console nothing"),
            (("info", "web"), "alice", 3, b"ambiguous"),
            (("frob",), "alice", 2, b"unknown verb 'frob'"),
            (("break", "web1"), "carol", 4, b"you have no right"),
        ]:
            done = self.ssh(*words, operator=operator)
            self.assertEqual((done.status, done.out), (status, b""), words)
            self.assertIn(said, done.err)
        refused = self.complete(*self.ssh_words("alice", "mallory"), "list")
        self.assertEqual(refused.status, 255)
        self.assertIn(b"Permission denied", refused.err)

    def test_forwarding_to_a_console_by_name(self) -> None:
        self.serve()
        self.simulate()
        words = self.ssh_words()
        forward = self.start(*words[:-1], "-W", "web1:1", words[-1])
        forward.type(b"echo exact\r")
        forward.out.expect(rb"^exact\r\n")
        forward.stop()
        denied = self.complete(*words[:-1], "-W", "nothing:1", words[-1])
        self.assertNotEqual(denied.status, 0)

    def test_power_off_and_on(self) -> None:
        self.serve()
        self.simulate()
        raw = self.attach("raw", "web1")
        raw.type(b"echo before\r")
        raw.out.expect(rb"^before")
        self.tell("off web1")
        raw.err.expect(rb"\[web1 is away")
        self.assertEqual(self.consoles()["web1"]["state"], "away")
        raw.type(b"echo lost\r")
        raw.err.expect(rb"\[web1 is away: \d+ bytes not sent\]")
        self.tell("on web1")
        self.server.out.expect(rb" vm-registered ")
        raw.type(b"echo after\r")
        raw.out.expect(rb"^after")
        self.assertNotIn(b"lost", raw.out.data)

    def test_reload_changes_who_may_come_in(self) -> None:
        self.serve()
        self.simulate()
        self.assertEqual(self.ssh("list", operator="bob").status, 0)
        del self.keys["bob"]
        self.config.write_text("[vm]\ntelnet = 3\n")
        self.reload(rb" reload-refused ")
        self.assertEqual(len(self.consoles()), 1)
        self.write_config_without_bob()
        self.reload(rb" reloaded ")
        self.assertEqual(self.complete(*self.ssh_words("bob"), "list").status, 255)
        self.assertEqual(len(self.consoles()), 1)

    def reload(self, answer: bytes) -> None:
        import signal

        self.server.send_signal(signal.SIGHUP)
        self.server.out.expect(answer)

    def write_config_without_bob(self) -> None:
        self.write_config()
        text = self.config.read_text().replace('["alice", "bob"]', '["alice"]')
        self.config.write_text(text)


class OverTls(SimulatorTestCase):
    def test_telnets_with_the_thumbprint_that_the_server_prints(self) -> None:
        self.serve()
        fixed = self.directory / "fixed.toml"  # the same server, on a port that can be printed
        text = self.config.read_text()
        fixed.write_text(text.replace('telnets = ["tcp:0:', 'telnets = ["tcp:13371:'))
        printed = self.complete(script("vspc"), "proxy-uri", "--config", fixed).out.decode()
        match = re.search(r"thumbprint=([0-9A-F:]+)", printed)
        assert match is not None
        self.simulate("--thumbprint", match[1], secure=True)
        self.assertTrue(self.consoles()["web1"]["secure"])
        self.tell("vmotion web1")
        raw = self.attach("raw", "web1")
        raw.type(b"echo over tls\r")
        raw.out.expect(rb"^over tls")
        self.assert_no_defects()


class AtTheWrongPort(SimulatorTestCase):
    """What is wrong is in the log at once, and in `refusals` with what to do."""

    def dial(self, scheme: str, listener: str) -> None:
        """A simulated host that was given the wrong scheme for a port."""
        proxy = f"{scheme}://127.0.0.1:{self.ports[listener]}"
        self.start(script("vspc"), "simulate", "--proxy", proxy, "--vms", "1")

    def say(self, opening: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.ports["telnet"]), DEADLINE) as line:
            line.sendall(opening)
            self.server.out.expect(rb" vm-refused ")

    def test_hosts_and_others_by_their_first_bytes(self) -> None:
        self.serve()
        self.dial("telnet", "telnets")
        self.server.out.expect(rb' vm-refused .*"telnet without TLS received')
        self.dial("telnets", "telnet")
        self.server.out.expect(rb' vm-refused .*"TLS received')
        self.say(b"GET / HTTP/1.1\r\n\r\n")
        self.say(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")
        found = self.complete(script("vspc"), "refusals", "--config", self.config).out.decode()
        for words in (
            "telnet without TLS received",
            "TLS received",
            "HTTP request received",
            'add to proxy_protocol_from of vm: "127.0.0.1/32"',
            "vspc proxy-uri prints the proxy URIs",
        ):
            self.assertIn(words, found)
        self.assert_no_defects()


class InsideTelnet(SimulatorTestCase):
    """TLS that starts inside a telnet connection."""

    def test_required_and_taken(self) -> None:
        text = self.config.read_text()
        self.config.write_text(text.replace("[vm]\n", '[vm]\nstart_tls = "require"\n'))
        self.serve()
        self.simulate("--chop", "9")
        self.assertTrue(self.consoles()["web1"]["secure"])
        self.tell("vmotion web1")
        raw = self.attach("raw", "web1")
        raw.type(b"echo inside\r")
        raw.out.expect(rb"^inside")
        self.assert_no_defects()

    def test_offered_and_declined(self) -> None:
        text = self.config.read_text()
        self.config.write_text(text.replace("[vm]\n", '[vm]\nstart_tls = "offer"\n'))
        self.serve()
        self.simulate("--start-tls", "decline")
        self.assertFalse(self.consoles()["web1"]["secure"])


class Moving(SimulatorTestCase):
    """vMotions while numbered streams run in both directions."""

    def test_nothing_is_lost_or_doubled_from_the_vm(self) -> None:
        self.serve()
        self.simulate("--chop", "3")
        raw = self.attach("raw", "web1")
        raw.type(b"stream 20000\r")
        raw.out.expect(rb"^00000100\r\n")
        for _ in range(5):
            self.tell("vmotion web1")
        raw.out.expect(rb"^00019999\r\n")
        numbers = re.findall(rb"^(\d{8})\r$", raw.out.data, re.MULTILINE)
        self.assertEqual(numbers, [b"%08d" % n for n in range(20000)])
        for _ in range(5):
            raw.err.expect(rb"\[web1 moved from ")
        self.assertEqual(self.consoles()["web1"]["state"], "connected")
        self.assert_no_defects()

    def test_nothing_is_lost_or_doubled_to_the_vm(self) -> None:
        self.serve()
        self.simulate("--chop", "5")
        raw = self.attach("raw", "web1")
        lines = b"".join(b"%08d\r" % n for n in range(5000))
        raw.type(b"expect 5000\r")
        raw.out.expect(rb"expect 5000")
        third = len(lines) // 3
        raw.type(lines[:third])
        self.tell("vmotion web1")
        raw.type(lines[third : 2 * third])
        self.tell("vmotion web1")
        raw.type(lines[2 * third :])
        raw.out.expect(rb"ok 5000")

    def test_a_paste_of_1_mib_into_a_guest_that_stopped_reading_then_a_vmotion(self) -> None:
        self.serve()
        self.simulate()
        raw = self.attach("raw", "web1")
        paste = hashlib.shake_256(b"paste").digest(1 << 20)
        raw.type(b"sleep-reading 4\r")
        raw.out.expect(rb"sleep-reading 4\r\n")
        raw.type(b"sum %d\r" % len(paste) + paste[:65536])
        self.tell("vmotion web1")
        raw.type(paste[65536:], timeout=60)
        raw.out.expect(hashlib.sha256(paste).hexdigest().encode(), timeout=60)
        for migration in self.stats()["migrations"]:
            self.assertLessEqual(migration["bytes_before_goahead"], 4096)

    def test_an_aborted_one(self) -> None:
        self.serve()
        self.simulate()
        raw = self.attach("raw", "web1")
        raw.type(b"echo one\r")
        raw.out.expect(rb"^one")
        self.tell("vmotion web1 abort")
        raw.err.expect(rb"\[web1 did not move: the source aborted it\]")
        raw.type(b"echo two\r")
        raw.out.expect(rb"^two")


class GuestBehindTheSimulator(SimulatorTestCase):
    def test_a_booting_linux_is_moved_while_it_prints(self) -> None:
        guest = Guest(self)
        self.serve()
        port = free_port()
        self.simulate("--guest", f"tcp-listen:127.0.0.1:{port}", "--chop", "11")
        raw = self.attach("raw", "web1", "--from", "0")
        guest.start(client_of(port))
        raw.out.expect(rb"Linux version \d")
        self.tell("vmotion web1")
        raw.err.expect(rb"\[web1 moved from ")
        raw.out.expect(READY.encode())
        raw.out.expect(PROMPT.encode())
        raw.type(b"/count 2000\n")
        raw.out.expect(rb"^line 00000100")
        self.tell("vmotion web1")
        self.tell("vmotion web1")
        raw.out.expect(rb"^line 00002000\r\n")
        numbers = re.findall(rb"^line (\d{8})\r$", raw.out.data, re.MULTILINE)
        self.assertEqual(numbers, [b"%08d" % n for n in range(1, 2001)])
        raw.out.expect(PROMPT.encode())
        raw.type(b"echo $((6 * 7)) answers\n")
        raw.out.expect(rb"^42 answers")
        self.assert_no_defects()
