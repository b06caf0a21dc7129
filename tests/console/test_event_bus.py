"""Who gets which events."""

from twisted.trial.unittest import SynchronousTestCase

from vspc.console.events import (
    Appeared,
    Connected,
    ConsoleRef,
    Event,
    EventBus,
    Forgotten,
)

REF = ConsoleRef("id", "web01", "web01", None, "default", None, "10.0.0.1", False)
EVENTS: tuple[Event, ...] = (Appeared(REF), Connected(REF, False), Forgotten(REF))


class EventBusTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.failures = 0
        self.bus = EventBus(self._fail)

    def _fail(self) -> None:
        self.failures += 1

    def heard(self, *kinds: type[Event]) -> list[Event]:
        """A new subscriber; what it hears."""
        found: list[Event] = []
        self.bus.subscribe(found.append, *kinds)
        return found

    def publish(self) -> None:
        for event in EVENTS:
            self.bus.publish(event)

    def test_each_subscriber_gets_the_kinds_that_it_wants(self) -> None:
        every, some, base = self.heard(), self.heard(Appeared, Forgotten), self.heard(Event)
        self.publish()
        self.assertEqual(list(EVENTS), every)
        self.assertEqual([EVENTS[0], EVENTS[2]], some)
        self.assertEqual(list(EVENTS), base)

    def test_who_subscribes_later_or_no_longer_does_is_no_exception(self) -> None:
        first: list[Event] = []
        unsubscribe = self.bus.subscribe(first.append, Appeared)
        self.publish()
        later = self.heard(Appeared)
        unsubscribe()
        unsubscribe()
        self.publish()
        self.assertEqual([EVENTS[0]], first)
        self.assertEqual([EVENTS[0]], later)

    def test_all_get_it_in_order_whoever_fails(self) -> None:
        order = list[str]()

        def fail(_event: Event) -> None:
            order.append("failing")
            raise ValueError

        self.bus.subscribe(fail, Connected)
        self.bus.subscribe(lambda _event: order.append("other"))
        self.publish()
        self.assertEqual(["other", "failing", "other", "other"], order)
        self.assertEqual(1, self.failures)

    def test_who_subscribes_while_one_is_published_gets_the_next(self) -> None:
        late: list[Event] = []

        def subscribe(_event: Event) -> None:
            self.bus.subscribe(late.append)

        self.bus.subscribe(subscribe, Appeared)
        self.publish()
        self.assertEqual(list(EVENTS[1:]), late)
