"""Every escape command, in tmux with a real ssh: what the person who types it sees."""

from tests.end_to_end.processes import script
from tests.end_to_end.test_virtual_machines import SimulatorTestCase
from tests.end_to_end.tmux import Tmux

SETTINGS = """
[[console.profile]]
repaint = "echo painted^M"
[[break]]
name = "kdb"
steps = ["break", { delay = "0.1s" }, { text = "echo in kdb\\r" }]
[[break]]
name = "slow"
steps = ["break", { delay = "60s" }, "break"]
"""


class Escapes(SimulatorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.write_config(SETTINGS)
        text = self.config.read_text()
        self.config.write_text(text.replace('"break", "force"]', '"break", "force", "join"]'))
        self.serve()
        self.simulate(vms=2)
        self.tmux = Tmux(self)

    def on_console(self, user: str = "alice+web1") -> None:
        self.tmux.run(self.ssh_words(user=user))
        self.tmux.shows("for help]", "web1:~#")
        self.tmux.clear()

    def escape(self, keys: str, *shown: str) -> str:
        """Type an escape command; what is on the screen then."""
        self.tmux.clear()
        self.tmux.type(f"\x05c{keys}")
        return self.tmux.shows(*shown)

    def test_of_one_operator(self) -> None:
        self.on_console()
        self.shows_what_is_there()
        self.sends_breaks()
        self.pastes()
        self.goes_to_the_chooser_and_back()
        self.assert_no_defects()

    def shows_what_is_there(self) -> None:
        help_text = self.escape("?", "^Ec.", "^EcP  paste slowly", "^Ecl1 kdb", "one ^E for the VM")
        self.assertNotIn("^Ecz", help_text)
        self.escape("a", "[you type on web1]")
        self.escape("s", "[you only read now; ^Eca asks for the pen]")
        self.escape("f", "[you type on web1]")
        self.escape("w", "web1  alice  writes")
        self.escape("u", "web1  alice  writes  from 127.0.0.1")
        self.escape("i", "[web1 connected", "address 127.0.0.1, uuid")
        self.escape("r", "[replay of the last 20 lines]", "[end of replay]")
        self.escape("p", "[replay of the last 60 lines]", "[end of replay]")
        self.escape("R", "[replay of the last 1000 lines]", "[end of replay]")
        self.tmux.type("echo found it\r")
        self.tmux.shows("\nfound it")
        self.escape("/", "web1:~#", "\n/")
        self.tmux.type("found it\r")
        self.tmux.shows("n later, p earlier, / search, Enter leaves")
        self.tmux.type("\r")
        self.escape("t", "[times of lines are shown: ", "; ^Ect hides them]")
        self.tmux.type("echo what time\r")
        self.tmux.matches(r"\n\d\d:\d\d:\d\d what time\n")
        self.escape("t", "[times of lines are not shown any more]")
        self.escape("v", "\npainted\n")
        self.escape("z", "for the ssh client: Enter ~^Z]")
        self.escape("Q", "[unknown escape command; ^Ec? lists them]")
        self.escape("b", "message:")
        self.tmux.type("going down\r")
        self.tmux.shows("[message from alice: going down]")
        self.escape("n", "note:")
        self.tmux.type("disk replaced\r")
        self.tmux.shows("[note by alice: disk replaced]")
        self.assertIn(b"disk replaced", self.ssh("log", "web1", "--json").out)
        self.escape("W", "stty rows 30 cols 100")
        self.escape("e", "[type the new escape key, a control key]")
        self.tmux.type("\x18")
        self.tmux.shows("[escape key changed: ^Xc? for help]")
        self.tmux.clear()
        self.tmux.type("\x18ce")
        self.tmux.shows("[type the new escape key, a control key]")
        self.tmux.type("\x05")
        self.tmux.shows("[escape key changed: ^Ec? for help]")

    def sends_breaks(self) -> None:
        self.escape("l0", "[BREAK]", "[sysrq] break 1")
        self.escape("l?", "^Ecl1  kdb", "^Ecl2  slow")
        self.escape("l1", "[sysrq] break 2", "in kdb", "[kdb: done]")
        self.escape("l9", "[web1 has no sequence 9; ^Ecl? lists them]")
        self.escape("l2", "[sysrq] break 3")
        self.tmux.type("x")
        self.tmux.shows("[1 byte not sent: slow is running, Control-C stops it]")
        self.tmux.type("\x03")
        self.tmux.shows("[slow was stopped]")
        self.escape("S", "[SysRq: type its key, ? lists them")
        self.tmux.type("?")
        self.tmux.shows("b  reboot at once, without sync")
        self.tmux.type("q")
        self.escape("Sb", "[SysRq b on web1: reboot at once, without sync; press y]")
        self.tmux.type("n")
        self.tmux.shows("[nothing was sent]")
        self.escape("Sh", "press y]")
        self.tmux.type("y")
        self.tmux.shows("[sysrq] break 4", "[SysRq h]")
        self.escape("S!h", "[sysrq] break 5", "[SysRq h]")
        self.tmux.type("\r")
        self.tmux.shows("command not found")

    def pastes(self) -> None:
        self.escape("P", "characters a second (Enter: verify each line by its echo)")
        self.tmux.type("2000\r")
        self.tmux.shows("[paste now; Control-D ends")
        self.tmux.paste("echo one\necho t\x05c.wo\n")
        self.tmux.shows("\none\n", "[pasted 21 of 21 bytes, line 2 of 2]")
        self.escape("P", "characters a second")
        self.tmux.type("\r")
        self.tmux.shows("[paste now; Control-D ends")
        self.tmux.paste("echo three\necho four\n")
        self.tmux.shows("\nthree\n", "\nfour\n", "[pasted 21 of 21 bytes, line 2 of 2]")

    def goes_to_the_chooser_and_back(self) -> None:
        self.tmux.type("echo before\r")
        self.tmux.shows("\nbefore\n")
        self.tmux.type("\x05c;")
        self.tmux.shows("to filter", "web2")
        self.tell("output web1 meanwhile")
        self.tmux.type("\r")
        self.tmux.shows("[web1 connected", "meanwhile")
        self.tmux.type("\x05c;")
        self.tmux.shows("to filter", "web2")
        self.tmux.type("web2\r")
        self.tmux.shows("[web2 connected")
        self.escape(".", "filter: web2")

    def test_the_pen_between_two(self) -> None:
        self.on_console()
        self.escape("a", "[you type on web1]")
        bob = self.terminal(operator="bob", user="bob+web1")
        bob.out.expect(rb"for help\]")
        bob.type(b"\x05ck")
        bob.out.expect(rb"alice")
        self.tmux.shows("[bob asks for the pen: ^Ecy gives it, ^EcN refuses]")
        self.escape("N", "[you keep the pen]")
        bob.type(b"\x05ck")
        self.tmux.shows("[bob asks for the pen: ^Ecy gives it, ^EcN refuses]")
        self.escape("?", "^Ecy", "^EcN")
        self.escape("y", "bob")
        bob.out.expect(rb"the pen")
        self.tmux.type("x")
        self.tmux.shows("1 byte not sent")
        self.escape("f", "[you type on web1")
        self.escape("L", "reason of the lock")
        self.tmux.type("flashing\r")
        self.tmux.shows("locked", "flashing")
        bob.type(b"\x05cf")
        bob.out.expect(rb"locked")
        self.escape("U", "the lock of alice is over")
        bob.type(b"\x05cf")
        bob.out.expect(rb"\[you type on web1\]")
        self.escape("j", "[you type on web1]")
        self.tmux.type("echo of both\r")
        self.tmux.shows("\nof both\n")
        bob.type(b"echo of the other\r")
        self.tmux.shows("\nof the other\n")
        self.escape("w", "web1  alice  writes", "web1  bob  writes")
        bob.type(b"\x05c.")
        bob.wait()
        self.assert_no_defects()

    def test_conman_s_family_and_on_the_server_itself(self) -> None:
        self.on_console("alice+web1,esc=conman")
        self.types_those_of_conman()
        self.suspends_it_on_the_server_itself()
        self.assert_no_defects()

    def types_those_of_conman(self) -> None:
        self.tmux.type("&?")
        self.tmux.shows("&. leave", "&F take the pen", "&L replay 60 lines")
        self.tmux.type("echo a&&b 2>&1\r")
        self.tmux.shows("a&b 2>&1\n")
        self.tmux.type("&M")
        self.tmux.shows("[you only read now; &A asks for the pen]")
        self.tmux.type("&F")
        self.tmux.shows("[you type on web1]")
        self.tmux.type("&B")
        self.tmux.shows("[sysrq] break 1")
        self.tmux.type("&L")
        self.tmux.shows("[end of replay]")
        self.tmux.type("&.")
        self.tmux.shows("[left web1]")

    def suspends_it_on_the_server_itself(self) -> None:
        self.tmux.clear()
        self.tmux.run([script("vspc"), "console", "web1", "--config", self.config])
        self.tmux.shows("for help]")
        self.escape("?", "^Ecz  suspend")
        self.escape("z", "Stopped")
        self.tmux.type("echo in the $0\r")
        self.tmux.shows("in the bash")
        self.tmux.type("fg\r")
        self.tmux.shows("$ fg\n/")
        self.tmux.wait_raw()
        self.tmux.type("echo on the console\r")
        self.tmux.shows("\non the console\n")
        self.tmux.type("\x05c.")
        self.tmux.shows("[left web1]")
