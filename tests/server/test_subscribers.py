"""Who is called for which events: each subscriber names those that its `match` statements know."""

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

from vspc.audit import subscriber
from vspc.console import connection_history, events
from vspc.console.events import Event
from vspc.doors.metrics import counting
from vspc.log import markers, recorder
from vspc.server import events as event_log
from vspc.server.handover import places


def matched(module: ModuleType) -> Iterator[type[Event]]:
    """Classes of events in its patterns."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.MatchClass):
            name = ast.unparse(node.cls).rpartition(".")[2]
            found = getattr(module, name, getattr(events, name, None))
            if isinstance(found, type) and issubclass(found, Event):
                yield found


class Subscribers(SynchronousTestCase):
    def test_each_gets_the_events_that_it_knows_and_no_others(self) -> None:
        for wanted, *modules in (
            (event_log.EventLog.EVENTS, event_log),
            (connection_history.ConnectionHistory.EVENTS, connection_history),
            (counting.EventCounts.EVENTS, counting),
            (subscriber.AuditSubscriber.EVENTS, subscriber),
            (recorder.LogRecorder.EVENTS, recorder, markers),
            (places.TerminalPlaces.EVENTS, places),
        ):
            with self.subTest(modules[0].__name__):
                self.assertEqual(set(wanted), {kind for each in modules for kind in matched(each)})
                self.assertEqual(len(wanted), len(set(wanted)))
