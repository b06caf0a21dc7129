"""The dialogues of the wire, byte for byte, whole and cut at any place."""

from twisted.trial.unittest import SynchronousTestCase

from tests.vm.support import Host, Scene, play
from vspc.console.console import ConsoleState
from vspc.console.names import Found
from vspc.vm.lines.comport import ComPortTerms

DECLINED = ComPortTerms(accepted=False)
"""The proxy of VMware's sample capture declined RFC 2217."""


class Conversations(SynchronousTestCase):
    def setUp(self) -> None:
        self.scene = Scene()

    def play(self, host: Host, name: str, chop: int | None = None) -> None:
        said, wanted = play(host, name, chop)
        self.assertEqual(said.hex(" "), wanted.hex(" "))

    def console_of(self, name: str) -> object:
        found = self.scene.roster.resolve(name, lambda _console: True)
        assert isinstance(found, Found)
        return found.console

    def registered(self, chop: int | None) -> Host:
        host = self.scene.host("10.1.1.4", port=DECLINED)
        self.play(host, "registration", chop)
        found = self.scene.roster.resolve("vm-00000", lambda _console: True)
        assert isinstance(found, Found)
        self.console = found.console
        self.assertEqual(self.console.history.read(0, 100), b"Booting\r\n")
        self.assertEqual(self.console.vm.uuid, "0123456789abcdeffedcba9800000000")
        return host

    def test_registration_whole(self) -> None:
        self.registered(None)

    def test_registration_cut_into_pieces_of_any_size(self) -> None:
        for chop in range(1, 40):
            self.scene = Scene()
            self.registered(chop)

    def test_a_vm_that_sets_its_port_cut_into_pieces_of_any_size(self) -> None:
        for chop in (None, *range(1, 40)):
            self.scene = Scene()
            host = self.scene.host()
            host.register()
            self.play(host, "comport", chop)
            (console,) = self.scene.roster
            self.assertEqual(str(console.link.port.settings), "115200 8N1")

    def vmotion(self, chop: int | None) -> None:
        source = self.registered(chop)
        _, sink = self.scene.attach(self.console)
        self.play(source, "vmotion-source", chop)
        self.assertIs(self.console.state, ConsoleState.MIGRATING)
        self.scene.clock.advance(1.2)
        target = self.scene.host("10.1.1.7", port=DECLINED)
        self.play(target, "vmotion-target", chop)
        self.assertIs(self.console.state, ConsoleState.CONNECTED)
        assert self.console.link.line is not None
        self.assertEqual(self.console.link.line.address, "10.1.1.7")
        self.assertTrue(source.closed)
        source.lose()
        target.say(b"after")
        self.scene.turn()
        self.assertEqual(bytes(sink.output), b"after")
        self.assertEqual(sink.notices, ["vm-00000 moved from 10.1.1.4 to 10.1.1.7 in 1.2 s"])

    def test_vmotion_whole(self) -> None:
        self.vmotion(None)

    def test_vmotion_cut_into_pieces_of_any_size(self) -> None:
        for chop in range(1, 40):
            self.scene = Scene()
            self.vmotion(chop)

    def test_a_sequence_with_0xff_in_it(self) -> None:
        source = self.registered(None)
        self.play(source, "vmotion-escaped")
