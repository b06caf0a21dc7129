"""The state machine: what may happen to virtual machines, in any order, with checks after each.

Everything is real but the network and the time: transports in memory, a fake clock.
"""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from tests.fakes import READ
from tests.soak.hosts import Connection
from tests.soak.model import (
    Ledger,
    Machine,
    Person,
    Port,
    check_certain,
    check_read,
    check_streams,
    check_typed,
)
from tests.vm.support import Scene, check_counts
from vspc.console.console import Console, ConsoleState
from vspc.console.peers import MIGRATION, TALKING
from vspc.vm.context import Zone
from vspc.wire.vmware import (
    VmName,
    VMotionAbort,
    VMotionBegin,
    VMotionComplete,
    VMotionPeer,
    VmVcUuid,
)

HOSTS = ("10.1.1.4", "10.1.1.5", "10.1.1.6", "10.1.1.7")
LIARS = ("10.6.6.6", "10.6.6.7")
MACHINES = 4
PASTE = 9000

which = st.integers(0, 1000)
few = st.integers(1, 5)


@implementer(ILogObserver)
class Watch:
    """Collects what was logged with a traceback."""

    def __init__(self, defects: list[Any]) -> None:
        self.defects = defects

    def __call__(self, event: LogEvent) -> None:
        if "log_failure" in event:
            self.defects.append(event["log_failure"])


class Soak(RuleBasedStateMachine):
    """VMs, ports, hosts, migrations, losses, stuns, liars and typing operators."""

    @initialize(machines=st.integers(1, 3), people=st.integers(1, 3), host=which)
    def begin(self, machines: int, people: int, host: int) -> None:
        self.scene = self.make_scene()
        self.zones = (self.scene.server.zone, Zone("lab"))
        self.machines: list[Machine] = []
        self.liars: list[Connection] = []
        self.people: list[Person] = []
        self.connections: list[Connection] = []
        self.ledgers: dict[Console, Ledger] = {}
        self.spent: list[bytes] = []  # credentials that were used, or given up
        self.defects: list[Any] = []
        self.watch = Watch(self.defects)
        globalLogPublisher.addObserver(self.watch)
        for number in range(machines):
            self.deploy(1 + (host + number) % 2, host + number)
        for number in range(people):
            self.attach(number, stalled=False)

    def teardown(self) -> None:
        globalLogPublisher.removeObserver(self.watch)

    # Helpers

    def make_scene(self) -> Scene:
        """What it all happens in."""
        return Scene()

    def connect(self, address: str, uuid: bytes, zone: Zone, secure: bool = False) -> Connection:
        connection = Connection(self.scene, address, uuid, zone, secure)
        self.connections.append(connection)
        return connection

    def pick(self, things: list[Any], number: int) -> Any:
        return things[number % len(things)] if things else None

    def ports(self, on: bool = True) -> list[Port]:
        every = [port for machine in self.machines for port in machine.ports]
        return [port for port in every if (port.line is not None) == on]

    def migrating(self) -> list[Port]:
        return [port for port in self.ports() if port.sequence]

    def console(self, port: Port) -> Console | None:
        uuid = port.machine.uuid.decode()
        name = port.machine.name.decode()
        for console in self.scene.roster:
            vm = console.vm
            same = vm.uuid == uuid and vm.claimed_name == name and vm.zone == port.machine.zone.name
            if same and not console.quarantined and console.service_uri == port.uri.decode():
                return console
        return None

    def settle(self) -> None:
        """Let everybody read and answer until nothing is said any more."""
        for _ in range(50):
            before = sum(len(c.host.wire.value()) for c in self.connections)
            for connection in self.connections:
                connection.hear()
            self.scene.turn()
            if not before and not any(c.host.wire.value() for c in self.connections):
                break
        self._see_closed()
        for port in self.migrating():
            if self.scene.now() - port.began >= MIGRATION:
                self._forget_migration(port)
        for person in self.people:
            person.read()

    def _see_closed(self) -> None:
        """What we closed, its host closes too."""
        for connection in self.connections:
            if connection.host.closed and not connection.lost and not connection.dead:
                connection.lose()
        for port in self.ports():
            if port.line is not None and port.line.lost:
                port.line = None
                self._forget_migration(port)
            if port.target is not None and port.target.lost:
                self._forget_migration(port)

    # Virtual machines

    @precondition(lambda self: len(self.machines) < MACHINES)
    @rule(ports=st.integers(1, 2), host=which)
    def deploy(self, ports: int, host: int) -> None:
        if len(self.machines) >= MACHINES:
            return
        number = len(self.machines) + 1
        zone = self.zones[host // 3 % 2]
        machine = Machine(b"%032x" % number, b"vm%d" % number, zone, host % 5 == 0)
        for index in range(ports):
            uri = b"vspc" if index == 0 else b"vspc?port=p%d" % index
            machine.ports.append(Port(machine, uri, f"v{number}p{index}"))
        self.machines.append(machine)
        self._power_on(machine, HOSTS[host % len(HOSTS)])

    def _power_on(self, machine: Machine, address: str) -> None:
        machine.address = address
        for port in machine.ports:
            port.line = self.connect(address, machine.uuid, machine.zone, machine.secure)
            port.line.register(machine.name, port.uri)
        self.settle()

    @precondition(lambda self: any(not m.on for m in self.machines))
    @rule(at=which, host=which)
    def power_on(self, at: int, host: int) -> None:
        machine = self.pick([m for m in self.machines if not m.on], at)
        if machine is not None:
            self._power_on(machine, HOSTS[host % len(HOSTS)])

    @precondition(lambda self: any(m.on for m in self.machines))
    @rule(at=which)
    def power_off(self, at: int) -> None:
        machine = self.pick([m for m in self.machines if m.on], at)
        if machine is None:
            return
        for port in machine.ports:
            if port.line is not None:
                self._end_migration(port)
                port.line.lose()
                port.line = None
        self.settle()

    @precondition(lambda self: self.ports())
    @rule(at=which, count=few, pieces=few)
    def speak(self, at: int, count: int, pieces: int) -> None:
        port = self.pick(self.ports(), at)
        if port is None or not port.line.open or not port.line.answers or port.early:
            return
        self._goes_on(port)
        words = port.words(count)
        port.line.say(words, pieces)
        port.expected += words
        self.settle()

    def _goes_on(self, port: Port) -> None:
        """The source speaks: after a second that says that it has not moved."""
        if self.scene.now() - port.began >= TALKING:
            port.frozen = None

    @precondition(lambda self: self.ports())
    @rule(at=which, name=st.integers(0, 3))
    def rename(self, at: int, name: int) -> None:
        machine = self.pick([m for m in self.machines if m.on], at)
        lines = [p.line for p in machine.ports] if machine is not None else []
        if not lines or not all(line and line.open and line.answers for line in lines):
            return
        if any(port.sequence or not port.certain for port in machine.ports):
            return
        machine.name = b"%s-%d" % (machine.name.split(b"-")[0], name)
        for line in lines:
            line.host.say_quietly(VmName(machine.name))
        self.settle()

    # vMotion

    @precondition(lambda self: self.ports())
    @rule(at=which, length=st.integers(0, 64))
    def vmotion_begins(self, at: int, length: int) -> None:
        port = self.pick([p for p in self.ports() if p.line and p.line.answers], at)
        if port is None or not port.line.open:
            return
        self._end_migration(port)
        port.line.credential = None
        port.sequence = bytes([0xFF, 0xF0, 7][n % 3] for n in range(length)) or b"s"
        port.line.host.say_quietly(VMotionBegin(port.sequence))
        port.began = self.scene.now()
        self.settle()
        if port.line is None or port.line.credential is None:
            port.sequence = b""
        else:
            port.frozen = len(port.line.typed)

    @precondition(lambda self: any(p.target is None for p in self.migrating()))
    @rule(at=which, host=which)
    def peer(self, at: int, host: int) -> None:
        port = self.pick([p for p in self.migrating() if p.target is None], at)
        if port is None or port.line.credential is None:
            return
        machine = port.machine
        port.target = self.connect(
            HOSTS[host % len(HOSTS)], machine.uuid, machine.zone, machine.secure
        )
        port.target.host.agree().say_quietly(VMotionPeer(port.line.credential))
        self.spent.append(port.line.credential)
        port.target.host.say_quietly(VmVcUuid(machine.uuid), VmName(machine.name))
        self.settle()

    @precondition(lambda self: any(p.target for p in self.migrating()))
    @rule(at=which, count=few)
    def target_speaks_early(self, at: int, count: int) -> None:
        port = self.pick([p for p in self.migrating() if p.target is not None], at)
        if port is None or not port.target.open:
            return
        words = port.words(count)
        port.target.say(words)
        port.early += words
        self.settle()

    @precondition(lambda self: any(p.target for p in self.migrating()))
    @rule(at=which)
    def complete(self, at: int) -> None:
        port = self.pick([p for p in self.migrating() if p.target is not None], at)
        if port is None or not port.target.open or port.line is None:
            return
        target, source = port.target, port.line
        target.host.say_quietly(VMotionComplete(port.sequence))
        port.line, port.target, port.sequence = target, None, b""
        port.expected += port.early
        port.early.clear()
        port.machine.address = target.address
        self.settle()
        source.lose()
        self.settle()

    @precondition(lambda self: self.ports())
    @rule(at=which, host=which, count=few, typed=few)
    def moves(self, at: int, host: int, count: int, typed: int) -> None:
        """A vMotion in fair weather, with somebody typing all the time."""
        self.vmotion_begins(at, 4)
        self.type(at, typed)
        self.peer(0, host)
        self.type(at, typed)
        self.target_speaks_early(0, count)
        self.complete(0)
        self.type(at, typed)

    @precondition(lambda self: self.migrating())
    @rule(at=which)
    def abort(self, at: int) -> None:
        port = self.pick([p for p in self.migrating() if p.line and p.line.open], at)
        if port is not None:
            self._end_migration(port)
            self.settle()

    def _end_migration(self, port: Port) -> None:
        if port.sequence and port.line is not None and port.line.open:
            port.line.host.say_quietly(VMotionAbort())
        self._forget_migration(port)

    def _forget_migration(self, port: Port) -> None:
        port.sequence, port.target = b"", None
        port.early.clear()

    @precondition(lambda self: any(p.target for p in self.migrating()))
    @rule(at=which)
    def target_is_lost(self, at: int) -> None:
        port = self.pick([p for p in self.migrating() if p.target is not None], at)
        if port is not None:
            port.target.lose()
            self._forget_migration(port)
            self.settle()

    @precondition(lambda self: self.ports())
    @rule(at=which, host=which, typed=few, seconds=st.sampled_from([1, 9, 12, 60, 119, 121]))
    def source_vanishes(self, at: int, host: int, typed: int, seconds: int) -> None:
        """A source is closed after its go-ahead; its target comes soon, late, or too late."""
        before = self.migrating()
        self.vmotion_begins(at, 4)
        port = self.pick([p for p in self.migrating() if p not in before], at)
        console = self.console(port) if port is not None else None
        if port is None or console is None or port.line.credential is None:
            return
        credential, machine = port.line.credential, port.machine
        self.spent.append(credential)
        self._type(at, b"", typed)
        port.line.lose()
        self.settle()
        self._type(at, b"", typed)
        self._pass(seconds)
        self._type(at, b"", typed)
        target = self.connect(HOSTS[host % len(HOSTS)], machine.uuid, machine.zone, machine.secure)
        words = port.words(typed)
        target.host.agree().say_quietly(VMotionPeer(credential))
        target.host.say_quietly(VmVcUuid(machine.uuid), VmName(machine.name))
        target.say(words)
        self.settle()
        target.host.say_quietly(VMotionComplete(credential[:-8]))
        self.settle()
        if console.link.line is target.host.line:
            port.line, machine.address = target, target.address
            port.expected += words
        else:
            assert not port.certain or seconds > MIGRATION, port.stream
            target.lose()
            self.settle()

    @precondition(lambda self: self.spent)
    @rule(at=which)
    def replay(self, at: int) -> None:
        credential = self.pick(self.spent, at)
        if credential is None:
            return
        liar = self.connect(LIARS[at % len(LIARS)], b"ee" * 16, self.zones[at % 2])
        self.liars.append(liar)
        liar.host.agree().say_quietly(VMotionPeer(credential))
        liar.host.say_quietly(VMotionComplete(credential[:-8]))
        liar.say(b"<liar:%d>" % at)
        self.settle()
        self.liars.remove(liar)
        liar.lose()

    # Hosts in trouble

    @precondition(lambda self: self.ports())
    @rule(at=which, seconds=st.sampled_from([1, 3, 6, 60]))
    def stun(self, at: int, seconds: int) -> None:
        machine = self.pick([m for m in self.machines if m.on], at)
        if machine is None or any(port.sequence for port in machine.ports):
            return
        lines = [port.line for port in machine.ports if port.line is not None]
        for line in lines:
            line.answers = False
        self._pass(seconds)
        for line in lines:
            line.answers = True
        self.settle()

    @precondition(lambda self: self.ports())
    @rule(at=which, seconds=st.sampled_from([3, 6, 60]), who=which, typed=few)
    def claimed_while_stunned(self, at: int, seconds: int, who: int, typed: int) -> None:
        """A liar comes while the VM's host cannot answer; operators go on typing."""
        machine = self.pick([m for m in self.machines if m.on], at)
        if machine is None or any(port.sequence for port in machine.ports):
            return
        leads = [port for port in machine.ports if port.certain and self.leads(port)]
        machine.doubt()
        lines = [port.line for port in machine.ports if port.line is not None]
        for line in lines:
            line.answers = False
        liar = self.connect(LIARS[who % len(LIARS)], machine.uuid, machine.zone)
        self.liars.append(liar)
        liar.register(machine.name, b"vspc")
        liar.say(b"<liar%d:0>" % len(self.connections))
        for second in range(seconds):
            self._pass(1)
            if second % 3 == 0:
                self._type(at, b"", typed)
        for line in lines:
            line.answers = True
        self.settle()
        assert all(self.leads(port) for port in leads), [port.stream for port in leads]

    def leads(self, port: Port) -> bool:
        """Whether the VM's own line is its console's, by its address."""
        console = self.console(port)
        line = console.link.line if console is not None else None
        here = line is not None and line.address == port.machine.address
        return here and port.line is not None and port.line.open

    @precondition(lambda self: self.migrating())
    @rule(at=which, count=few, seconds=st.sampled_from([0.1, 0.9, 1.1]))
    def source_goes_on_talking(self, at: int, count: int, seconds: float) -> None:
        # A VM runs at one place: it speaks at its source, or at its target.
        port = self.pick([p for p in self.migrating() if not p.early], at)
        if port is None or port.line is None or not port.line.open:
            return
        self.scene.clock.advance(seconds)
        words = port.words(count)
        self._goes_on(port)
        port.line.say(words)
        port.expected += words
        self.settle()

    @precondition(lambda self: self.liars)
    @rule(at=which, who=which)
    def an_administrator_decides(self, at: int, who: int) -> None:
        consoles = [c for c in self.scene.roster if not c.quarantined and c.vm.quarantined]
        console = self.pick(consoles, at)
        if console is None:
            return
        address = LIARS[who % len(LIARS)]
        for machine in self.machines:
            if machine.uuid.decode() == console.vm.uuid:
                machine.doubt()
        self.scene.server.accept(console, address)
        self.settle()

    @precondition(lambda self: self.ports())
    @rule(at=which, host=which, late=st.booleans())
    def ha_restart(self, at: int, host: int, late: bool) -> None:
        """The host vanishes; the VM is started on another one."""
        machine = self.pick([m for m in self.machines if m.on], at)
        if machine is None:
            return
        machine.doubt()
        for port in machine.ports:
            self._forget_migration(port)
            if port.line is not None:
                port.line.dead = True
                port.line = None
        others = [address for address in HOSTS if address != machine.address]
        self._power_on(machine, others[host % len(others)])
        self._pass(130 if late else 6)

    def _pass(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.scene.clock.advance(1)
            self.scene.server.tick()
            self.settle()

    @rule(seconds=st.sampled_from([1, 2, 6, 31, 121]))
    def wait(self, seconds: int) -> None:
        self._pass(seconds)

    # Liars

    @rule(at=which, who=which, lie=st.sampled_from(["all", "port", "name", "uuid"]))
    def lie(self, at: int, who: int, lie: str) -> None:
        machine = self.pick(self.machines, at)
        if machine is None:
            return
        zone = self.zones[who // 2 % 2]
        if lie in ("all", "port") and zone is machine.zone:
            machine.doubt()
        uuid = b"%032x" % (1000 + who) if lie == "name" else machine.uuid
        name = b"liar" if lie == "uuid" else machine.name
        uri = b"vspc?port=evil" if lie == "port" else b"vspc"
        liar = self.connect(LIARS[who % len(LIARS)], uuid, zone)
        liar.register(name, uri)
        liar.say(b"<liar%d:0>" % len(self.connections))
        self.liars.append(liar)
        self.settle()

    @precondition(lambda self: self.liars)
    @rule(at=which)
    def liar_leaves(self, at: int) -> None:
        liar = self.pick(self.liars, at)
        if liar is not None:
            self.liars.remove(liar)
            liar.lose()
            self.settle()

    @precondition(lambda self: self.liars)
    @rule(at=which)
    def liar_begins_a_vmotion(self, at: int) -> None:
        liar = self.pick(self.liars, at)
        if liar is not None and liar.open:
            liar.host.say_quietly(VMotionBegin(b"liar"))
            self.settle()

    # Operators

    @precondition(lambda self: len(self.people) < 6)
    @rule(at=which, stalled=st.booleans())
    def attach(self, at: int, stalled: bool) -> None:
        consoles = [c for c in self.scene.roster if not c.quarantined]
        console = self.pick(consoles, at)
        if console is None or len(self.people) >= 6:
            return
        name = f"op{len(self.people)}"
        attachment, sink = self.scene.attach(console, name)
        sink.stalled = stalled
        start = attachment.cursor.offset
        self.people.append(
            Person(name, console, attachment, sink, start, console.link.last_address)
        )

    def ledger(self, console: Console) -> Ledger:
        if console not in self.ledgers:
            self.ledgers[console] = Ledger(self.scene.attach(console, "auditor", READ)[1])
        return self.ledgers[console]

    @precondition(lambda self: self.people)
    @rule(at=which, count=few)
    def type(self, at: int, count: int) -> None:
        self._type(at, b"", count)

    @precondition(lambda self: self.people)
    @rule(at=which, size=st.integers(1, PASTE))
    def paste(self, at: int, size: int) -> None:
        self._type(at, bytes(n % 256 for n in range(size)).replace(b"<", b"\xff"), 1)

    def _type(self, at: int, before: bytes, count: int) -> None:
        person = self.pick(self.people, at)
        if person is None:
            return
        person.sink.read()  # who types has read what is on his screen
        person.read()
        ledger = self.ledger(person.console)
        data = before + person.words(count)
        ledger.taken += person.attachment.type(data).taken
        self.settle()

    @precondition(lambda self: self.people)
    @rule(at=which, force=st.booleans())
    def ask_for_the_pen(self, at: int, force: bool) -> None:
        person = self.pick(self.people, at)
        if person is None:
            return
        person.sink.read()
        person.read()
        if person.attachment.take_pen(force) is None:
            person.asked = True

    @precondition(lambda self: any(person.sink.stalled for person in self.people))
    @rule(at=which, size=st.integers(1, 1 << 17))
    def a_slow_reader_reads(self, at: int, size: int) -> None:
        person = self.pick([p for p in self.people if p.sink.stalled], at)
        person.sink.read(size)
        person.read()

    @precondition(lambda self: self.ports())
    @rule(at=which, kilobytes=st.integers(1, 100))
    def flood(self, at: int, kilobytes: int) -> None:
        """More than a ring keeps: slow readers lose, and are told exactly what."""
        port = self.pick(self.ports(), at)
        if port.line.open and port.line.answers and not port.early:
            self._goes_on(port)
            data = b"." * (kilobytes * 1024)
            port.line.say(data, 3)
            port.expected += data
            self.settle()

    @precondition(lambda self: self.people)
    @rule(at=which)
    def lay_the_pen(self, at: int) -> None:
        person = self.pick(self.people, at)
        if person is not None and person.attachment.has_pen:
            person.console.pen.lay_down()

    # What holds at any time

    @invariant()
    def nothing_broke(self) -> None:
        assert not self.defects, self.defects[0].getTraceback()
        assert not self.scene.failures

    @invariant()
    def output_is_whole(self) -> None:
        for port in (p for machine in self.machines for p in machine.ports):
            console = self.console(port)
            if port.certain and console is not None:
                check_certain(port, console)
        for console in self.scene.roster:
            history = console.history
            kept = history.read(history.start, history.end - history.start)
            check_streams(kept, lambda s, c=console: self._belongs(s, c), console.title)
        for person in self.people:
            check_streams(bytes(person.sink.output), lambda _stream: True, person.name)
            check_read(person)

    def _belongs(self, stream: str, console: Console) -> bool:
        """A VM's words are in a console of that VM and nowhere else."""
        if stream.startswith("liar"):
            return True
        return console.vm.uuid == f"{int(stream[1 : stream.index('p')]):032x}"

    @invariant()
    def input_is_whole(self) -> None:
        check_typed(self.connections, self.people, set(LIARS))
        sent = sum(console.link.bytes_to_vm for console in self.scene.roster)
        assert sent == sum(len(c.typed) for c in self.connections)
        for console, ledger in self.ledgers.items():
            accounted = console.link.bytes_to_vm + console.input.waiting + ledger.dropped
            assert accounted == ledger.taken, (console.title, accounted, ledger.taken)

    @invariant()
    def what_is_counted_is_what_is_there(self) -> None:
        check_counts(self.scene.server, self.scene.console_context.counts)

    @invariant()
    def nothing_is_typed_at_a_vm_that_is_on_its_way(self) -> None:
        for port in self.migrating():
            if port.frozen is not None and port.line is not None:
                assert len(port.line.typed) == port.frozen, port.stream

    @invariant()
    def names_are_unique(self) -> None:
        titles = [console.title for console in self.scene.roster]
        assert len(titles) == len(set(titles)), titles
        for console in self.scene.roster:
            assert console.quarantined == (console.state is ConsoleState.QUARANTINED)
