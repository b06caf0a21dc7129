"""The chooser in tmux with a real ssh: what the operator sees of filter, marks, lists and previews,
and what is there again after a restart.
"""

import signal

from tests.end_to_end.processes import script
from tests.end_to_end.test_virtual_machines import SimulatorTestCase
from tests.end_to_end.tmux import Tmux

GROUPS = """
[[group]]
title = "third ones"
consoles = ["*3"]
"""

DOWN, RIGHT = "\x1b[B", "\x1b[C"
FAVOURITE, ORDER, PREVIEW, REFUSED = "\x06", "\x0f", "\x16", "\x18"


class ChooserInTmux(SimulatorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.write_config(GROUPS)
        self.begin()
        self.tmux = Tmux(self, 100, 30)

    def begin(self) -> None:
        """A server with three VMs."""
        self.serve()
        self.vms = self.simulate(vms=3)

    def restart(self) -> None:
        """Server and VMs end, and begin again."""
        self.vms.send_signal(signal.SIGINT)
        self.vms.wait()
        self.stop_server()
        self.begin()

    def choose(self, operator: str = "alice", environment: str = "") -> None:
        words = self.ssh_words(operator)
        self.tmux.run([*(["env", environment] if environment else []), *words])

    def test_filter_order_preview_and_groups(self) -> None:
        words = ("describe", "web2", "billing, primary", "--config", self.config)
        self.complete(script("vspc"), *words)
        self.choose()
        self.tmux.shows("3 of 3", "> web1", "DESCRIPTION", "billing, primary", "? help")
        self.tmux.type("note:bill")
        self.tmux.shows("filter: note:bill_", "1 of 3", "> web2")
        self.tmux.type("\x15" + ORDER)
        self.tmux.shows("by state", "3 of 3")
        self.tmux.type(PREVIEW)
        self.tmux.shows("web1: the last lines", "web1:~#")
        self.tmux.type(DOWN)
        self.tmux.shows("web2: the last lines", "web2:~#")
        self.tmux.type(RIGHT)
        self.tmux.shows("< third ones >", "1 of 1", "> web3")
        self.tmux.type("?")
        self.tmux.shows("Left, Right  other lists", "any key goes back")
        self.tmux.type("x\x03")
        self.tmux.shows("$ ")
        self.assert_no_defects()

    def test_marked_ones_are_watched_and_typed_on(self) -> None:
        self.choose()
        self.tmux.shows("3 of 3")
        self.tmux.type("  ")
        self.tmux.shows(" +  web1", "2 marked: w watch  b broadcast  u unmark all")
        self.tmux.type("w")
        self.tmux.shows("watching 2 consoles; Control-C ends it")
        self.ssh("send", "web2", "--enter", "hostname")
        self.ssh("send", "web3", "--enter", "uname")
        shown = self.tmux.shows("web2: web2:~# hostname", "web2: web2")
        self.assertNotIn("uname", shown)
        self.tmux.type("\x03")
        self.tmux.shows("2 marked")
        self.tmux.type("bhostname\r")
        self.tmux.shows("type 9 bytes on 2 consoles? (yes/no)")
        self.tmux.type("yes\r")
        self.tmux.shows("web1  delivered", "web2  delivered", "Enter goes back to the list")
        self.tmux.type("\r")
        self.tmux.shows("2 marked")
        self.tmux.type(PREVIEW)
        self.tmux.shows("2 marked", "web3: the last lines", "web3:~#")
        self.assert_no_defects()

    def test_favourites_and_recent_ones_are_there_after_a_restart(self) -> None:
        self.choose()
        self.tmux.shows("3 of 3")
        self.tmux.type(FAVOURITE)
        self.tmux.shows("> * web1")
        self.tmux.type("web2\r")
        self.tmux.shows("for help]")
        self.tmux.type("\x05c.")
        self.tmux.shows("filter: web2_")
        self.tmux.type("\x03")
        self.tmux.shows("$ ")
        self.restart()
        self.choose()
        self.tmux.shows("3 of 3", "> * web1")
        self.tmux.type(RIGHT)
        self.tmux.shows("< favourites >", "1 of 1", "> * web1")
        self.tmux.type(RIGHT)
        self.tmux.shows("< recent >", "1 of 1", ">   web2")

    def test_a_terminal_without_a_cursor(self) -> None:
        self.choose(environment="TERM=dumb")
        self.tmux.shows("1  web1", "number or name:")
        self.tmux.type(":w 1\r")
        self.tmux.shows("watching 1 console;")
        self.tmux.type("\x03")
        self.tmux.shows("number or name:")
        self.tmux.type(":p 1\r")
        self.tmux.shows("web1: the last lines")

    def test_an_operator_who_may_read_nothing_any_more(self) -> None:
        self.choose("carol")
        self.tmux.shows("3 of 3")
        text = self.config.read_text().replace('operators = ["carol"]', 'operators = ["alice"]')
        self.config.write_text(text)
        self.server.send_signal(signal.SIGHUP)
        self.tmux.shows("0 of 0", "no rule lets you read any of 3 consoles")
