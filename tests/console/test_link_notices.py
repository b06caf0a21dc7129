"""What begins on a line is told when it ends, once (law 13)."""

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import World
from vspc.console.link_notices import Condition, LinkNotices
from vspc.console.notices import NoticeKind


class Conditions(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.console, _ = self.world.connected()
        _, self.sink = self.world.attach(self.console)
        self.world.turn()
        self.sink.kinds.clear()
        self.notices = LinkNotices(self.world.clock, self.console)

    def told(self) -> list[NoticeKind]:
        """The kinds of what was shown since the last time."""
        self.world.turn()
        kinds = list(self.sink.kinds)
        self.sink.kinds.clear()
        return kinds

    def test_what_never_began_does_not_end(self) -> None:
        ended = self.notices.end(Condition.WAITING, NoticeKind.CAUGHT_UP)
        self.assertEqual((ended, self.told()), (False, []))

    def test_what_began_twice_ends_once(self) -> None:
        for _ in range(2):
            self.notices.begin(Condition.WAITING)
        ends = [self.notices.end(Condition.WAITING, NoticeKind.CAUGHT_UP) for _ in range(2)]
        self.assertEqual((ends, self.told()), ([True, False], [NoticeKind.CAUGHT_UP]))

    def test_input_that_waits_for_a_reason_waits_when_that_is_over(self) -> None:
        self.notices.waits(Condition.SUSPENDED, NoticeKind.SUSPENDED, 7)
        self.notices.goes_on(Condition.SUSPENDED, NoticeKind.GOES_ON, 7, "")
        self.assertFalse(self.notices.has(Condition.SUSPENDED))
        self.assertTrue(self.notices.has(Condition.WAITING))
        self.assertEqual(self.told(), [NoticeKind.SUSPENDED, NoticeKind.GOES_ON])

    def test_how_long_it_was_away_is_told_if_that_is_known(self) -> None:
        self.notices.begin(Condition.AWAY)
        self.world.clock.advance(90)
        for _ in range(2):
            self.notices.connected("10.0.0.1")
        self.assertEqual(self.told(), [NoticeKind.CONNECTED] * 2)
        first, second = self.sink.notices[-2:]
        self.assertIn("after 1 min 30 s", first)
        self.assertNotIn("after", second)
