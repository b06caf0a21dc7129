"""Lines as values: cut at every byte, another process goes on, and nobody can tell."""

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.conversations import read
from tests.net.ends import Wire
from tests.vm.support import SECRET, SEQUENCE, VC_UUID, Scene, check_counts, handed_over, saved
from tests.vm.test_comport import said
from vspc.common.serial import Parity, PortSettings
from vspc.config.dial_allow import DialAllow, DialEntry
from vspc.console.console import Console, ConsoleState
from vspc.net.telnet_transport import LineTransport
from vspc.vm.lines.vmware import Terms, VMwareLine
from vspc.vm.listen import LineFactory, plain_factory
from vspc.vm.take_up import TakeUp
from vspc.wire import comport
from vspc.wire.comport import Control
from vspc.wire.telnet import COM_PORT, VMWARE, WILL, negotiation, subnegotiation
from vspc.wire.vmware import (
    DoProxy,
    Suboption,
    VmName,
    VMotionBegin,
    VMotionComplete,
    VMotionPeer,
    VmVcUuid,
)
from vspc.wire.vmware import (
    encode as suboption,
)

SOURCE, TARGET, OTHER = "10.1.1.4", "10.1.1.7", "10.6.6.6"


def sb(message: Suboption) -> bytes:
    return subnegotiation(VMWARE, suboption(message))


def registration(name: bytes = b"web01", uuid: bytes = VC_UUID, uri: bytes = b"vspc") -> bytes:
    agree = negotiation(WILL, VMWARE)
    return agree + sb(DoProxy(b"S", uri)) + sb(VmVcUuid(uuid)) + sb(VmName(name))


@define
class Say:
    """The host at `address` says `data`; a new connection if it has none."""

    address: str
    data: bytes


@define
class Type:
    """Alice types `data` on web01."""

    data: bytes


@define
class Wait:
    seconds: float


@define
class Lose:
    address: str


Step = Say | Type | Wait | Lose

MOVE: list[Step] = [
    Say(SOURCE, registration() + b"boot\xff\xff\n"),
    Type(b"before"),
    Say(SOURCE, sb(VmVcUuid(VC_UUID)) + sb(VMotionBegin(SEQUENCE))),
    Type(b"held\xff"),
    Wait(1.0),
    Say(TARGET, negotiation(WILL, VMWARE) + sb(VMotionPeer(SEQUENCE + SECRET)) + b"early"),
    Say(TARGET, sb(VmVcUuid(VC_UUID)) + sb(VmName(b"web01")) + sb(VMotionComplete(SEQUENCE))),
    Type(b"after"),
    Say(TARGET, b"target\n"),
]

ASKS = sb(DoProxy(b"C", b"ssl://moxa.example:4001?port=a#peerName=moxa&thumbprint=" + b"0f" * 20))

CLIENT: list[Step] = [
    Say(SOURCE, negotiation(WILL, VMWARE) + ASKS + sb(VmVcUuid(VC_UUID)) + sb(VmName(b"web01"))),
    Say(SOURCE, b"boot\n"),
]

PASTE: list[Step] = [
    Say(SOURCE, registration()),
    Type(bytes(range(256)) * 64),
    Say(SOURCE, sb(VmVcUuid(VC_UUID)) * 3),
    Say(SOURCE, sb(VMotionBegin(SEQUENCE))),
    Say(TARGET, negotiation(WILL, VMWARE) + sb(VMotionPeer(SEQUENCE + SECRET))),
    Say(TARGET, sb(VMotionComplete(SEQUENCE))),
    Say(TARGET, sb(VmVcUuid(VC_UUID)) * 20),
]

PORT_SET: list[Step] = [
    Say(SOURCE, registration() + negotiation(WILL, COM_PORT)),
    Say(SOURCE, said(*comport.setting(PortSettings(0xFFFF, 7, Parity.ODD, dtr=False)))),
    Say(SOURCE, said(comport.SetControl(Control.BREAK_ON), comport.FlowControlSuspend())),
    Type(b"waits\xff"),
    Say(SOURCE, said(comport.SetControl(Control.ASK_BREAK)) + sb(VMotionBegin(SEQUENCE))),
    Say(TARGET, negotiation(WILL, VMWARE) + sb(VMotionPeer(SEQUENCE + SECRET))),
    Say(TARGET, negotiation(WILL, COM_PORT) + said(comport.SetBaudRate(), comport.SetStopSize(2))),
    Say(TARGET, sb(VMotionComplete(SEQUENCE)) + said(comport.FlowControlSuspend())),
    Type(b"more"),
    Say(TARGET, said(comport.SetParity(), comport.FlowControlResume())),
]

STOLEN_AND_BACK: list[Step] = [
    Say(SOURCE, registration() + b"real\n"),
    Say(OTHER, registration() + b"fake\n"),
    Wait(6.0),
    Say(OTHER, b"more\n"),
    Say(SOURCE, sb(VmVcUuid(VC_UUID)) + b"back\n"),
    Say(OTHER, b"apart\n"),
    Lose(SOURCE),
    Say(OTHER, b"again\n"),
]


@define
class Process:
    """A process of ours with its hosts, and what all of them have heard so far."""

    scene: Scene = field(factory=Scene)
    wires: dict[str, Wire] = field(factory=dict)
    lines: dict[str, LineTransport] = field(factory=dict)
    heard: dict[str, bytes] = field(factory=dict)

    def do(self, step: Step) -> None:
        match step:
            case Say(address, data):
                if address not in self.lines:
                    self._connect(address)
                self.lines[address].dataReceived(data)
                self._settle(address)
            case Type(data):
                self._type(data)
            case Wait(seconds):
                self.scene.clock.advance(seconds)
            case Lose(address):
                self.lines[address].connectionLost(Failure(ConnectionDone()))
                self._settle(address)
        self.listen()

    def _settle(self, address: str) -> None:
        """It is worked on in as many turns as it takes."""
        while self.lines[address].share.waiting:
            self.scene.clock.advance(0)

    def _connect(self, address: str) -> None:
        terms = self.terms()
        server = self.scene.server
        share = server.scheduler.share("10.0.0.1")
        line = LineTransport(lambda: VMwareLine(server.arrive, False, terms), self.scene.now, share)
        self._join(address, line)

    def terms(self) -> Terms:
        allow = DialAllow((DialEntry.parse("moxa.example:*"),))
        return Terms(("vspc", "vSPC.py"), self.scene.now, dial_allow=allow)

    def _join(self, address: str, line: LineTransport) -> None:
        self.wires[address] = Wire(peerAddress=IPv4Address("TCP", address, 40000))
        self.lines[address] = line
        line.makeConnection(self.wires[address])

    def listen(self) -> None:
        for address, wire in self.wires.items():
            self.heard[address] = self.heard.get(address, b"") + wire.take()

    def console(self) -> Console:
        (found,) = [c for c in self.scene.roster if not c.quarantined]
        return found

    def _type(self, data: bytes) -> None:
        attachment, _ = self.scene.attach(self.console())
        while data:
            taken = attachment.type(data).taken
            if not taken:
                break
            data = data[taken:]
        attachment.detach()

    def successor(self) -> "Process":
        """Another process that takes everything up."""
        self.listen()
        zero = 54321.0  # of a clock that both share
        state = handed_over(saved(self.scene.server, zero - self.scene.now()))
        heir = Process(heard=dict(self.heard))
        # Its clock has another zero; what people read goes on.
        heir.scene.clock.twisted.rightNow = 12345.0
        heir.scene.clock.epoch += self.scene.clock.wall() - heir.scene.clock.wall()
        take_up = TakeUp(
            heir.scene.server,
            state,
            {"default": heir.scene.server.zone},
            lambda _: heir.terms(),
            zero - heir.scene.now(),
        )
        for name, line in take_up.lines.items():
            assert isinstance(line, LineTransport)
            heir._join(state.lines[name].address, line)
        take_up.finish()
        check_counts(heir.scene.server, heir.scene.console_context.counts)
        heir.listen()
        return heir

    def outcome(self) -> object:
        """What the VMs' hosts heard, and what operators can see."""
        consoles = sorted(self.scene.roster, key=lambda c: c.id)
        return self.heard, [
            (
                console.title,
                console.state.value,
                console.link.last_address,
                console.history.start,
                console.history.read(console.history.start, 1 << 20),
                console.link.bytes_to_vm,
                console.link.moves,
                console.input.waiting,
                console.link.port.settings,
                console.link.port.modem,
                console.link.breaks_from_vm,
                console.port_key,
                console.link.line is None or console.link.away_reason,
                None if console.remote is None else console.remote.uri,
            )
            for console in consoles
        ]


def played(script: list[Step], cut: int | None = None) -> object:
    """The outcome of `script`; with `cut` another process goes on after so many bytes of it."""
    process, at = Process(), 0
    for step in script:
        if not isinstance(step, Say) or cut is None or not at <= cut < at + len(step.data):
            if cut is not None and cut == at and not isinstance(step, Say):
                process, cut = process.successor(), None
            process.do(step)
        else:
            process.do(Say(step.address, step.data[: cut - at]))
            process = process.successor()
            process.do(Say(step.address, step.data[cut - at :]))
        at += len(step.data) if isinstance(step, Say) else 0
    return process.outcome()


def length(script: list[Step]) -> int:
    return sum(len(step.data) for step in script if isinstance(step, Say))


class Values(SynchronousTestCase):
    maxDiff = None

    def assertCannotTell(self, script: list[Step], step: int = 1) -> None:
        whole = played(script)
        for cut in range(0, length(script), step):
            self.assertEqual(played(script, cut), whole, cut)

    def test_a_registration_byte_for_byte_as_esxi_sends_it(self) -> None:
        said = b"".join(turn.data for turn in read("registration") if turn.from_vm)
        self.assertCannotTell([Say(SOURCE, said)])

    def test_a_vmotion_with_input_held_and_early_output(self) -> None:
        self.assertCannotTell(MOVE)

    def test_a_paste_under_way_and_a_vmotion_in_the_middle_of_it(self) -> None:
        self.assertCannotTell(PASTE, 3)

    def test_a_port_that_is_set_suspended_and_moved(self) -> None:
        self.assertIn("waits\\xff\\xff\\xff\\xfa,g\\x02\\xff\\xf0more", str(played(PORT_SET)))
        self.assertCannotTell(PORT_SET)

    def test_a_vm_that_asks_for_a_remote_system(self) -> None:
        self.assertIn("moxa.example", str(played(CLIENT)))
        self.assertCannotTell(CLIENT)

    def test_a_suspect_that_comes_back_and_a_line_that_is_kept_apart(self) -> None:
        self.assertCannotTell(STOLEN_AND_BACK)

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_any_script_of_these_cut_anywhere(self, data: st.DataObject) -> None:
        script = data.draw(st.sampled_from([MOVE, PASTE, PORT_SET, STOLEN_AND_BACK]))
        pieces: list[Step] = []
        for step in script:
            if isinstance(step, Say) and len(step.data) > 1:
                at = data.draw(st.integers(1, len(step.data) - 1))
                pieces += [Say(step.address, step.data[:at]), Say(step.address, step.data[at:])]
            else:
                pieces.append(step)
        cut = data.draw(st.integers(0, length(script) - 1))
        self.assertEqual(played(pieces, cut), played(script))

    def test_what_is_left_of_waits_goes_on(self) -> None:
        process = Process()
        process.do(Say(SOURCE, negotiation(WILL, VMWARE)))
        process.do(Wait(20.0))
        heir = process.successor()
        heir.do(Wait(9.0))
        self.assertFalse(heir.wires[SOURCE].disconnecting)
        heir.do(Wait(2.0))
        self.assertTrue(heir.wires[SOURCE].disconnecting)

    def test_the_deadline_of_a_migration_goes_on(self) -> None:
        process = Process()
        for step in MOVE[:4]:
            process.do(step)
        process.do(Wait(100.0))
        heir = process.successor()
        heir.do(Wait(21.0))
        heir.scene.server.tick()
        heir.listen()
        self.assertTrue(heir.heard[SOURCE].endswith(b"held\xff\xff"))

    def given_up(self) -> Process:
        """The source of a vMotion was closed, and no target came in time."""
        process = Process()
        for step in (*MOVE[:4], Lose(SOURCE), Wait(12.0)):
            process.do(step)
        process.scene.server.tick()
        self.assertIs(process.console().state, ConsoleState.AWAY)
        return process

    def test_a_target_that_comes_late_has_its_console(self) -> None:
        heir = self.given_up().successor()
        for step in MOVE[5:]:
            heir.do(step)
        self.assertEqual(
            (heir.console().state, heir.console().link.moves), (ConsoleState.CONNECTED, 1)
        )

    def test_a_migration_whose_console_was_forgotten_is_over(self) -> None:
        process = self.given_up()
        process.scene.roster.forget(process.console())
        heir = process.successor()
        self.assertEqual((len(heir.scene.roster), len(heir.scene.peers)), (0, 0))


class Plain(SynchronousTestCase):
    """Lines without the extension."""

    def heir_of(self, listener: LineFactory, process: Process) -> Process:
        line = listener.buildProtocol(None)
        line.makeConnection(Wire(peerAddress=IPv4Address("TCP", SOURCE, 1)))
        line.dataReceived(b"before ")
        state = handed_over(saved(process.scene.server))
        heir = Process()
        take_up = TakeUp(heir.scene.server, state, {}, lambda _: heir.terms())
        (again,) = take_up.lines.values()
        self.wire = Wire(peerAddress=IPv4Address("TCP", SOURCE, 1))
        again.makeConnection(self.wire)
        take_up.finish()
        again.dataReceived(b"after")
        return heir

    def test_raw_tcp_and_telnet_go_on(self) -> None:
        for telnet in (False, True):
            process = Process()
            listener = plain_factory(process.scene.server, "qemu", telnet)
            heir = self.heir_of(listener, process)
            self.assertEqual(heir.console().history.read(0, 99), b"before after")
            self.assertEqual(self.wire.take(), b"")
            attachment, _ = heir.scene.attach(heir.console())
            attachment.type(b"x\xff")
            self.assertEqual(self.wire.take(), b"x\xff\xff" if telnet else b"x\xff")
