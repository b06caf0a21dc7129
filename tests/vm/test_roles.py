"""The table of roles: its laws, and every (role, event) through real lines in memory."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.vm.support import SEQUENCE, VC_UUID, Host, Scene
from vspc.console.console import ConsoleState
from vspc.console.identity import Takeover
from vspc.vm import session
from vspc.vm.roles import TABLE, LineAction, LineEvent, LineRole, Step, step
from vspc.vm.session import LineSession
from vspc.wire import telnet
from vspc.wire.starttls import IS_START
from vspc.wire.vmware import (
    DoProxy,
    Suboption,
    VmName,
    VMotionAbort,
    VMotionBegin,
    VMotionComplete,
    VMotionPeer,
    VmVcUuid,
)

DOCS = Path(__file__).resolve().parents[2] / "docs"

FROM_THE_VM = frozenset(list(LineEvent)[: list(LineEvent).index(LineEvent.LOST) + 1])
"""What a peer sends, or its end: any of them may come in any role."""

LEAVES: Mapping[LineRole, LineAction] = MappingProxyType(
    {
        LineRole.QUARANTINED: LineAction.FREE_CONSOLE,
        LineRole.SUSPECT: LineAction.FORGET_SUSPICION,
    }
)
"""What a role holds, and what gives it back when the line retires."""


def drawn() -> str:
    """Where each role leads to, as docs/identity.md has it."""
    rows = ["| role | becomes | by |", "| --- | --- | --- |"]
    for role in LineRole:
        after: dict[LineRole, list[str]] = {}
        for event in LineEvent:
            become = step(role, event)[0]
            if become is not role:
                after.setdefault(become, []).append(event.value)
        rows += [f"| {role.value} | {to.value} | {', '.join(by)} |" for to, by in after.items()]
    return "\n".join(rows)


class Table(SynchronousTestCase):
    def test_docs_show_where_each_role_leads(self) -> None:
        self.assertIn(drawn(), (DOCS / "identity.md").read_text(), f"write this:\n{drawn()}")

    def test_nothing_leaves_retired(self) -> None:
        for event in LineEvent:
            self.assertIs(step(LineRole.RETIRED, event)[0], LineRole.RETIRED)

    def test_an_absent_pair_changes_nothing_and_is_reported(self) -> None:
        absent = [(r, e) for r in LineRole for e in LineEvent if (r, e) not in TABLE]
        self.assertTrue(absent)
        for role, event in absent:
            self.assertEqual(step(role, event), (role, (LineAction.REPORT_ILLEGAL,)))

    def test_every_role_event_and_action_is_used(self) -> None:
        self.assertEqual({event for _, event in TABLE}, set(LineEvent))
        used = {action for _, actions in TABLE.values() for action in actions}
        self.assertEqual(used, set(LineAction) - {LineAction.REPORT_ILLEGAL})
        # A suspect's event is handled again, and an illegal one is reported: the session's core.
        self.assertEqual(set(session._ACTIONS), used - {LineAction.AGAIN})

    def test_a_line_can_be_lost_in_every_role(self) -> None:
        for role in LineRole:
            self.assertIs(TABLE[role, LineEvent.LOST][0], LineRole.RETIRED)

    def test_a_console_is_led_by_one_action(self) -> None:
        for (role, _), (after, actions) in TABLE.items():
            leads = after is LineRole.LEADING and role is not LineRole.LEADING
            self.assertEqual(LineAction.LEAD in actions, leads)

    def test_who_retires_gives_back_what_the_role_holds(self) -> None:
        for (role, event), (after, actions) in TABLE.items():
            if after is LineRole.RETIRED and role in LEAVES:
                self.assertIn(LEAVES[role], actions, (role, event))

    def test_a_retired_line_is_closed_or_lost(self) -> None:
        for (role, event), (after, actions) in TABLE.items():
            if after is LineRole.RETIRED and role is not after and event is not LineEvent.LOST:
                self.assertIn(LineAction.CLOSE, actions, (role, event))

    def test_output_is_shown_where_the_line_has_a_console(self) -> None:
        with_console = {LineRole.LEADING, LineRole.QUARANTINED}
        shown = {r for (r, _), (_, acts) in TABLE.items() if LineAction.SHOW_OUTPUT in acts}
        self.assertEqual(shown, with_console)

    @given(st.lists(st.sampled_from(LineEvent)))
    def test_any_events_in_any_order(self, events: list[LineEvent]) -> None:
        role, was_lost = LineRole.UNIDENTIFIED, False
        for event in events:
            before = role
            role, actions = step(role, event)
            was_lost = was_lost or event is LineEvent.LOST
            self.assertIsInstance(role, LineRole)
            self.assertFalse(before is LineRole.RETIRED and role is not before)
            self.assertFalse(was_lost and role is not LineRole.RETIRED)
            self.assertTrue(all(isinstance(action, LineAction) for action in actions))


OLD, NEW, THIRD = "10.1.1.4", "10.1.1.7", "10.1.1.9"
ADDRESSES = (OLD, NEW, THIRD)
UUIDS = (VC_UUID, VC_UUID.replace(b"01", b"02"))


class Lines:
    """Hosts and their lines, and what must be so of them after each step."""

    def __init__(self, case: SynchronousTestCase) -> None:
        self.case = case
        self.scene = Scene()
        self.hosts: list[Host] = []
        self.sessions: list[LineSession] = []
        self.retired: set[LineSession] = set()
        self.credentials: list[bytes] = []

    def connect(self, address: str = OLD) -> Host:
        host = self.scene.host(address)
        self.hosts.append(host)
        self.sessions.append(self.scene.server.sessions[host.line])
        return host

    def begin(self, host: Host) -> None:
        host.say_quietly(VMotionBegin(SEQUENCE))
        migrations = self.scene.peers.open_ones()
        self.credentials += [m.credential for m in migrations if m.source is host.line]

    def check(self) -> None:
        server, case = self.scene.server, self.case
        leading: dict[Any, LineSession] = {}
        for each in self.sessions:
            case.assertIsInstance(each.role, LineRole)
            if each.role is LineRole.RETIRED:
                self.retired.add(each)
            case.assertFalse(each in self.retired and each.role is not LineRole.RETIRED)
            if each.role is LineRole.LEADING:
                case.assertNotIn(each.console, leading, "a console with two lines")
                leading[each.console] = each
            self._check_console(each)
        for console in self.scene.roster:
            line = console.link.line
            if line is not None:
                its = server.sessions[line]  # never of a line that is gone
                case.assertIs(its.console, console)
                apart = LineRole.QUARANTINED if console.quarantined else LineRole.LEADING
                case.assertIs(its.role, apart)

    def _check_console(self, each: LineSession) -> None:
        case, console, server = self.case, each.console, self.scene.server
        match each.role:
            case LineRole.LEADING | LineRole.QUARANTINED:
                assert console is not None
                case.assertIs(console.link.line, each.line)
                case.assertEqual(console.quarantined, each.role is LineRole.QUARANTINED)
            case LineRole.SUSPECT:
                assert console is not None
                case.assertIsNot(console.link.line, each.line)
                case.assertIn(each.line, server.context.suspects.of(console))
            case LineRole.TARGET:
                assert console is not None
                migration = self.scene.peers.of(console)
                case.assertIs(migration and migration.target, each.line)
            case LineRole.UNIDENTIFIED | LineRole.FAILED_PEER | LineRole.CLAIMANT:
                case.assertIsNone(console)

    def close(self) -> None:
        """All lines go: nothing is left of them."""
        for host, each in zip(self.hosts, self.sessions, strict=True):
            if each.line in self.scene.server.sessions:
                host.lose()
        self.check()
        self.case.assertEqual(self.scene.server.sessions, {})
        self.case.assertTrue(all(c.link.line is None for c in self.scene.roster))
        self.case.assertFalse(any(c.quarantined for c in self.scene.roster))


# How a line gets into each role; the last host is the one.


def _unidentified(lines: Lines) -> None:
    lines.connect().agree()


def _failed_peer(lines: Lines) -> None:
    lines.connect().peer(b"no such credential")


def _claimant(lines: Lines) -> None:
    lines.connect().register()
    lines.connect(NEW).register()  # the old line is being probed


def _target(lines: Lines) -> None:
    source = lines.connect()
    source.register()
    lines.connect(NEW).peer(source.begin())


def _leading(lines: Lines) -> None:
    lines.connect().register()


def _quarantined(lines: Lines) -> None:
    lines.scene.server.zone.takeover = Takeover.SAME_HOST
    lines.connect().register()
    lines.connect(NEW).register()


def _suspect(lines: Lines) -> None:
    lines.connect().register()
    lines.connect(NEW).register()
    lines.scene.clock.advance(6)
    lines.hosts.reverse()
    lines.sessions.reverse()


def _retired(lines: Lines) -> None:
    lines.connect().agree().say(DoProxy(b"S", b"another service"))


RECIPES: Mapping[LineRole, Callable[[Lines], None]] = MappingProxyType(
    {
        LineRole.UNIDENTIFIED: _unidentified,
        LineRole.FAILED_PEER: _failed_peer,
        LineRole.CLAIMANT: _claimant,
        LineRole.TARGET: _target,
        LineRole.LEADING: _leading,
        LineRole.QUARANTINED: _quarantined,
        LineRole.SUSPECT: _suspect,
        LineRole.RETIRED: _retired,
    }
)

SAID: Mapping[LineEvent, tuple[Suboption | bytes, ...]] = MappingProxyType(
    {
        LineEvent.OUTPUT: (b"output",),
        LineEvent.BREAK: (telnet.command(telnet.BRK),),
        LineEvent.ALIVE: (VmVcUuid(VC_UUID),),
        LineEvent.IDENTIFIED: (DoProxy(b"S", b"vspc"), VmVcUuid(VC_UUID), VmName(b"web01")),
        LineEvent.RENAMED: (VmName(b"web02"),),
        LineEvent.BEGIN: (VMotionBegin(SEQUENCE),),
        LineEvent.PEER: (VMotionPeer(b"another credential"),),
        LineEvent.COMPLETE: (VMotionComplete(SEQUENCE),),
        LineEvent.ABORT: (VMotionAbort(),),
    }
)


class Recorded(SynchronousTestCase):
    """What real lines put to the table."""

    def setUp(self) -> None:
        self.seen: set[tuple[LineRole, LineEvent]] = set()
        self.patch(session, "step", self.step)

    def step(self, role: LineRole, event: LineEvent) -> Step:
        self.seen.add((role, event))
        if event not in FROM_THE_VM:
            self.assertIn((role, event), TABLE, "a decision that is illegal is a defect")
        return step(role, event)


class EveryRole(Recorded):
    def in_role(self, role: LineRole) -> Lines:
        lines = Lines(self)
        RECIPES[role](lines)
        self.assertIs(lines.sessions[-1].role, role)
        lines.check()
        return lines

    def test_whatever_its_vm_sends(self) -> None:
        for role in LineRole:
            for event, messages in SAID.items():
                lines = self.in_role(role)
                host = lines.hosts[-1]
                host.say_quietly(*messages)
                if role is not LineRole.RETIRED:  # its transport hears nothing more
                    self.assertTrue((role, event) in self.seen or event in _ASIDE, (role, event))
                lines.check()
                lines.close()

    def test_whatever_ends_it(self) -> None:
        ends: tuple[Callable[[Lines], None], ...] = (
            lambda lines: lines.hosts[-1].lose(),
            lambda lines: lines.scene.server.close(),
            lambda lines: lines.sessions[-1].handle(LineEvent.REFUSED, "for the test", ""),
            lambda lines: lines.scene.clock.advance(700),
        )
        for role in LineRole:
            for end in ends:
                lines = self.in_role(role)
                end(lines)
                lines.check()
                lines.close()

    def test_each_recipe_is_of_its_role(self) -> None:
        self.assertEqual(set(RECIPES), set(LineRole))


_ASIDE = frozenset({LineEvent.ALIVE, LineEvent.IDENTIFIED, LineEvent.RENAMED, LineEvent.PEER})
"""What the layers tell only where it is asked for, or new."""


which = st.integers(0, 5)
RULES = ("connect", "register", "say", "begin", "peer", "complete", "lose", "wait", "decide")


class AnyOrder(Recorded):
    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_whatever_happens_to_some_lines(self, data: st.DataObject) -> None:
        lines = Lines(self)
        zone = lines.scene.server.zone
        zone.takeover = data.draw(st.sampled_from(Takeover))
        lines.connect()
        for rule in data.draw(st.lists(st.sampled_from(RULES), max_size=25)):
            at = data.draw(which) % len(lines.hosts)
            host = lines.hosts[at]
            is_there = lines.sessions[at].line in lines.scene.server.sessions
            if rule == "connect":
                lines.connect(data.draw(st.sampled_from(ADDRESSES))).agree()
            elif rule == "wait":
                lines.scene.clock.advance(data.draw(st.sampled_from((0.5, 1.0, 6.0, 31.0, 700.0))))
                lines.scene.server.tick()
            elif rule == "decide":
                self.decide(lines, data)
            elif is_there:
                self.do(rule, lines, host, data)
            lines.check()
        lines.close()

    def do(self, rule: str, lines: Lines, host: Host, data: st.DataObject) -> None:
        if rule == "register":
            host.register(uuid=data.draw(st.sampled_from(UUIDS)))
        elif rule == "say":
            said = SAID[data.draw(st.sampled_from(sorted(SAID, key=lambda event: event.name)))]
            host.say_quietly(*said)
        elif rule == "begin":
            lines.begin(host)
        elif rule == "peer" and lines.credentials:
            host.peer(lines.credentials[data.draw(which) % len(lines.credentials)])
        elif rule == "complete":
            host.complete(uuid=data.draw(st.sampled_from(UUIDS)))
        elif rule == "lose":
            host.lose()

    def decide(self, lines: Lines, data: st.DataObject) -> None:
        """An administrator does something."""
        consoles = list(lines.scene.roster)
        if not consoles:
            return
        console = consoles[data.draw(which) % len(consoles)]
        server = lines.scene.server
        if data.draw(st.booleans()):
            server.forget(console)
        elif console.quarantined:
            server.accept_line(console)
        else:
            for address in server.waiting(console)[:1]:
                server.accept(console, address)


class Corners(Recorded):
    def setUp(self) -> None:
        super().setUp()
        self.lines = Lines(self)
        self.source = self.lines.connect()
        self.source.register()
        [self.console] = self.lines.scene.roster
        self.target = self.lines.connect(NEW)

    def tearDown(self) -> None:
        self.lines.check()
        self.lines.close()

    def completes_unidentified(self) -> None:
        self.target.peer(self.source.begin())
        self.target.say(VMotionComplete(SEQUENCE))
        self.assertEqual(self.console.link.last_address, NEW)

    def test_a_leading_line_that_is_refused_leaves_its_console(self) -> None:
        self.completes_unidentified()
        self.lines.sessions[-1].handle(LineEvent.REFUSED, "for the test", "")
        self.assertTrue(self.target.closed)
        self.assertIs(self.console.state, ConsoleState.AWAY)

    def test_a_leading_line_with_another_uuid_leads_until_it_is_closed(self) -> None:
        self.completes_unidentified()
        self.target.say(VmVcUuid(UUIDS[1]), VmName(b"web01"))
        self.assertTrue(self.target.closed)
        self.assertIs(self.console.state, ConsoleState.CONNECTED)
        self.assertFalse(self.target.wire.aborted)
        self.lines.scene.clock.advance(6)
        self.assertTrue(self.target.wire.aborted)
        self.target.lose()
        self.assertIs(self.console.state, ConsoleState.AWAY)

    def test_what_was_said_with_a_wrong_credential_is_compared_with_the_migration(self) -> None:
        self.target.peer(b"no such credential")
        self.target.say(VmVcUuid(UUIDS[1]), VmName(b"web01"))
        self.target.say(VMotionPeer(self.source.begin()))
        self.assertTrue(self.target.closed)
        self.assertIs(self.console.state, ConsoleState.CONNECTED)
        self.assertEqual(self.lines.scene.suspicions(), [("peer-of-another", NEW, OLD)])

    def test_the_same_identity_said_with_a_wrong_credential_is_enough(self) -> None:
        self.target.peer(b"no such credential")
        self.target.say(VmVcUuid(VC_UUID), VmName(b"web01"))
        self.target.say(VMotionPeer(self.source.begin()), VMotionComplete(SEQUENCE))
        self.assertEqual((self.console.link.last_address, self.console.link.moves), (NEW, 1))

    def test_a_target_whose_source_aborts_is_closed_and_cut_off(self) -> None:
        self.target.peer(self.source.begin())
        self.source.say(VMotionAbort())
        self.assertTrue(self.target.closed)
        self.lines.scene.clock.advance(6)
        self.assertTrue(self.target.wire.aborted)

    def test_tls_makes_a_failed_peer_unidentified_again(self) -> None:
        scene = self.lines.scene
        host = scene.host(THIRD, start_tls="offer")
        host.say(telnet.negotiation(telnet.WILL, telnet.AUTHENTICATION))
        host.peer(b"no such credential")
        its = scene.server.sessions[host.line]
        self.assertIs(its.role, LineRole.FAILED_PEER)
        host.say(telnet.subnegotiation(telnet.AUTHENTICATION, IS_START))
        self.assertIs(its.role, LineRole.UNIDENTIFIED)
        host.lose()

    def test_a_quarantined_line_gets_no_console_while_the_server_shuts_down(self) -> None:
        self.lines.scene.server.zone.takeover = Takeover.HOLD
        self.target.register()
        self.assertEqual(self.lines.sessions[-1].role, LineRole.QUARANTINED)
        self.lines.scene.server.close()
        self.source.lose()
        self.assertIs(self.console.state, ConsoleState.AWAY)
        self.assertEqual(len(self.lines.scene.roster), 1)

    def test_a_line_that_is_ousted_while_it_is_being_closed_is_cut_off(self) -> None:
        scene = self.lines.scene
        self.target.register()
        scene.clock.advance(6)
        its = self.lines.sessions[-1]
        self.assertIs(its.role, LineRole.LEADING)
        its.handle(LineEvent.ENDED, "for the test")
        self.source.say(b"alive")
        self.assertIs(its.role, LineRole.QUARANTINED)
        self.lines.check()
        scene.clock.advance(6)
        self.assertTrue(self.target.wire.aborted)
