"""A tiny proxy of the tests' own: just enough to be a VM's other end."""

from twisted.internet.protocol import Protocol

from vspc.simulator import comport, telnet
from vspc.simulator import extension as ext
from vspc.simulator.extension import suboption
from vspc.simulator.telnet import DO, DONT, IAC, VMWARE, WILL, negotiate

GREETING = b"".join(
    [
        *(negotiate(WILL, option) for option in (0, 3, 1)),
        *(negotiate(DO, option) for option in (0, 3, VMWARE)),
    ]
)

SECRET = bytes.fromhex("3ce64dab")

Suboption = tuple[int, bytes]


class Proxy(Protocol):
    """Answers as the sample session does; notes what it heard."""

    known = ext.KNOWN
    secret = SECRET
    answers = True
    """Whether it answers VMOTION-BEGIN and VMOTION-PEER by itself."""

    com_port = False

    def __init__(self) -> None:
        self.data = b""
        self.heard: list[Suboption] = []
        self.com_port_said: list[Suboption] = []
        self.events: list[telnet.Event] = []
        self.lost = False
        self.decoder = telnet.WireDecoder()

    def connectionMade(self) -> None:
        self.write(GREETING)

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def say(self, code: int, payload: bytes = b"") -> None:
        self.write(suboption(code, payload))

    def type(self, data: bytes) -> None:
        self.write(telnet.escape(data))

    def close(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        self.decoder.feed(data)
        while (event := self.decoder.next(1 << 20)) is not None:
            self.hear(event)

    def hear(self, event: telnet.Event) -> None:
        match event:
            case telnet.WireData(data):
                self.data += data
            case telnet.WireNegotiation(verb, option):
                self.events.append(event)
                self.negotiated(verb, option)
            case telnet.WireSubnegotiation(232, payload):
                self.heard.append((payload[0], payload[1:]))
                self.suboption(payload[0], payload[1:])
            case telnet.WireSubnegotiation(telnet.COM_PORT, payload) if self.com_port:
                self.com_port_said.append((payload[0], payload[1:]))
                if payload[0] not in (comport.SUSPEND, comport.RESUME):
                    self.write(telnet.subnegotiate(44, bytes([payload[0] + 100]) + payload[1:]))
            case _:
                self.events.append(event)

    def negotiated(self, verb: int, option: int) -> None:
        if (verb, option) == (WILL, telnet.AUTHENTICATION):
            self.write(negotiate(DONT, option))
        elif (verb, option) == (WILL, telnet.COM_PORT):
            self.write(negotiate(DO if self.com_port else DONT, option))
        elif (verb, option) == (WILL, VMWARE):
            self.say(ext.KNOWN_2, self.known)

    def suboption(self, code: int, payload: bytes) -> None:
        if code == ext.DO_PROXY:
            self.say(ext.GET_VC_UUID)
            self.say(ext.GET_NAME)
            self.say(ext.WILL_PROXY)
        elif code == ext.BEGIN and self.answers:
            self.say(ext.GOAHEAD, payload + self.secret)
        elif code == ext.PEER and self.answers:
            self.say(ext.GET_VC_UUID)
            self.say(ext.GET_NAME)
            self.say(ext.PEER_OK, payload[: -len(self.secret)])

    def codes(self) -> list[int]:
        return [code for code, _ in self.heard]


__all__ = ["GREETING", "IAC", "SECRET", "Proxy"]
