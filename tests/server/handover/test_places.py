"""Where terminals are, as records: written as they come and leave, and at the end as they were."""

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import session
from tests.server.handover.support import WrittenScene
from vspc.console.attachment import AttachmentKind
from vspc.console.interruptions import INTERRUPTED, LATEST, Interruption
from vspc.server.handover.places import TerminalPlaces
from vspc.server.handover.restored import read_state


class Places(SynchronousTestCase):
    def setUp(self) -> None:
        self.scene = WrittenScene()
        self.addCleanup(self.scene.close)
        self.host = self.scene.host()
        self.host.register()
        self.turn()
        (self.console,) = self.scene.roster

    def turn(self) -> None:
        self.scene.clock.advance(0)

    def written(self) -> list[tuple[str, str, int]]:
        """Operator, console and offset of each record."""
        found = read_state(self.scene.writer.file.descriptor)
        self.assertEqual(found.unread, {})
        return [(each.operator, each.console, each.offset) for each in found.interruptions]

    def place(self, name: str) -> tuple[str, str, int]:
        return name, self.console.id, LATEST

    def test_a_terminal_is_written_when_it_comes_and_when_it_leaves(self) -> None:
        terminal, _ = self.scene.attach(self.console, kind=AttachmentKind.TERMINAL)
        self.turn()
        name = terminal.operator.name
        self.assertEqual(self.written(), [self.place(name)])
        terminal.detach()
        self.turn()
        self.assertEqual(self.written(), [])

    def test_typing_and_output_write_none_of_it(self) -> None:
        terminal, _ = self.scene.attach(self.console, kind=AttachmentKind.TERMINAL)
        self.turn()
        terminal.type(b"ls\r")
        self.host.say(b"file\r\n")
        self.assertEqual(self.scene.places.changes(), [])

    def test_programs_and_verbs_have_none(self) -> None:
        for kind in AttachmentKind:
            if kind is not AttachmentKind.TERMINAL:
                self.scene.attach(self.console, kind=kind)
        self.turn()
        self.assertEqual(self.written(), [])

    def test_of_two_terminals_on_one_console_the_other_stays(self) -> None:
        first, _ = self.scene.attach(self.console, kind=AttachmentKind.TERMINAL)
        self.scene.attach(self.console, kind=AttachmentKind.TERMINAL)
        first.detach()
        self.turn()
        self.assertEqual(self.written(), [self.place(first.operator.name)])

    def test_a_state_that_is_written_anew_has_them(self) -> None:
        terminal, _ = self.scene.attach(self.console, kind=AttachmentKind.TERMINAL)
        self.turn()
        self.scene.writer.rewrite()
        self.assertEqual(self.written(), [self.place(terminal.operator.name)])

    def test_at_the_end_it_is_known_how_far_they_were_and_who_leaves_then_stays(self) -> None:
        terminal, _ = self.scene.attach(self.console, kind=AttachmentKind.TERMINAL)
        self.turn()
        self.scene.places.settle([Interruption("alice", self.console.id, 7)])
        terminal.detach()
        self.turn()
        self.assertEqual(self.written(), [("alice", self.console.id, 7)])
        self.scene.writer.full()
        self.assertEqual(self.written(), [("alice", self.console.id, 7)])

    def test_one_that_is_back_is_there_no_longer(self) -> None:
        kept = Interruption("alice", self.console.id, LATEST)
        self.scene.places.add(kept)
        for _ in range(2):
            self.scene.places.remove(kept)
        self.turn()
        self.assertEqual(self.written(), [])


class Bounds(SynchronousTestCase):
    def test_more_than_can_be_remembered_are_not_written(self) -> None:
        places = TerminalPlaces()
        owner = session().operator.name
        fits = [places.add(Interruption(owner, "0" * 16, n)) for n in range(INTERRUPTED + 1)]
        self.assertEqual(fits, [True] * INTERRUPTED + [False])
        places.mark_all()
        self.assertEqual(len(places.changes()), INTERRUPTED)
